"""Subgroups against counts made by hand, and against pandas on SLAKE's and VQA-RAD's own columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.protocols.exact import NORMALISED
from benchmarks.results import Result
from benchmarks.subgroups import subgroups
from benchmarks.tasks import get_task
from medfly.types import Sample

from .conftest import MemoryLoader

REAL = Path(__file__).resolve().parents[3] / "shared" / "datasets"


def result(label: Any, right: bool = True, tag: str | None = "OPEN", answer: str | None = "a", **more: Any) -> Result:
    sample = Sample(0, f"img{right}", "?", MemoryLoader(0.0), answer, tag, {"organ": label, **more})
    return Result(sample, "a" if right else "b")


def told(groups: list[dict[str, Any]]) -> list[tuple[str, float, int]]:
    return [(one["label"], one["numerator"], one["denominator"]) for one in groups]


def test_labels_are_folded_and_nothing_is_dropped() -> None:
    results = [
        *[result("Lung"), result(" lung "), result("LUNG", right=False), result("Lung")],
        *[result("Heart  muscle"), result("Heart muscle", tag="CLOSED")],
        *[result(None), result(""), result(float("nan"), tag=None), result("Not stated")],
        result("Lung", answer=None),  # unscored: in no group
    ]
    found = subgroups(results, NORMALISED, "slake", {"organ": "organ", "nowhere": "no such key"}, smallest=3)
    assert told(found["by"]["organ"]) == [("Lung", 3, 4), ("not stated", 4, 4), ("Heart muscle", 2, 2)]
    assert [one["small"] for one in found["by"]["organ"]] == [False, False, True]
    assert told(found["by"]["nowhere"]) == [("not stated", 9, 10)]
    assert told(found["by"]["answer type"]) == [("open", 7, 8), ("closed", 1, 1), ("not stated", 1, 1)]
    assert (found["protocol"], found["smallest"], found["several"]) == ("normalised_exact_match", 3, {})
    lung = found["by"]["organ"][0]
    assert lung["percent"] == 75 and lung["low"] <= 75 <= lung["high"]
    assert json.loads(json.dumps(found)) == found


def test_a_cell_of_several_labels_counts_in_each() -> None:
    results = [result("PRES"), result("POS, PRES", right=False), result("pres, PRES"), result("PRES, "), result(", ")]
    found = subgroups(results, NORMALISED, "vqa_rad", {"question type": "organ"}, several=["question type"])
    assert told(found["by"]["question type"]) == [("PRES", 3, 4), ("POS", 0, 1), ("not stated", 1, 1)]
    assert found["several"] == {"question type": 1}
    whole = subgroups(results, NORMALISED, "vqa_rad", {"question type": "organ"})
    assert ("POS, PRES", 0, 1) in told(whole["by"]["question type"])  # a comma divides only where it is told to


@pytest.mark.parametrize(("task", "split"), [("slake", "validate"), ("vqa_rad", "train")])
def test_on_the_real_columns(task: str, split: str) -> None:
    """Answering "yes" to everything, counted a second time by pandas over the samples' metadata."""
    if not (REAL / task).is_dir():
        pytest.skip(f"{task} is not here")
    benchmark = get_task(task)
    samples = benchmark.open(REAL / task).samples(split)
    found = subgroups(
        [Result(s, "yes") for s in samples], NORMALISED, task, benchmark.subgroups, several=benchmark.several
    )
    scored = [s for s in samples if s.answer]
    frame = pd.DataFrame([s.metadata for s in scored]).assign(
        right=[str(s.answer).strip().lower().removesuffix(".") == "yes" for s in scored]
    )
    for title, key in benchmark.subgroups.items():
        column = frame[key].str.strip().str.casefold()
        if title in benchmark.several:
            column = column.str.split(r"\s*,\s*")
        counts = frame.assign(label=column).explode("label").groupby("label")["right"].agg(["sum", "size"])
        expected = {label: (row["sum"], row["size"]) for label, row in counts.iterrows()}
        assert {label.casefold(): (n, of) for label, n, of in told(found["by"][title])} == expected
    if task == "vqa_rad":
        labels = {one["label"]: one for one in found["by"]["question type"]}
        assert {"PRES", "PRSE", "OTHER"} <= set(labels) and "Other" not in labels
        assert labels["PRSE"]["small"] and not labels["PRES"]["small"]
        assert found["several"] == {"question type": 26}
