"""The report on evidence that is scored: what is counted where, what is refused, and what the tables say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from benchmarks.grounding import grounding_grids, grounding_report
from benchmarks.localisation import measure
from benchmarks.results import Result
from benchmarks.statistics import paired_difference, proportion
from benchmarks.summary import summarise
from benchmarks.tables import to_latex, to_markdown, to_terminal
from benchmarks.tasks import get_task
from data_adapters.grounding import Match
from data_adapters.slake_boxes import KINDS, TARGET, Target
from medfly.geometry import Pyramid
from medfly.types import Box, Evidence, InputError, Region, Sample

from ..data_adapters.made_sets import make_boxed_slake
from .conftest import MemoryLoader

SIZE = (48, 24)  # width, height
PYRAMID = Pyramid(*SIZE, 336, (2, 2), (6, 6))
CORNER: Box = (0.0, 0.0, 8.0, 4.0)  # the first high crop
COUNTS = {"train": None, "validate": dict.fromkeys(KINDS, 1234)}


def evidence(**best: int) -> Evidence:
    """All crops with score 0, save the given index of a level with score 1."""
    regions = [Region(c.level, c.index, c.box, float(best.get(c.level) == c.index)) for c in PYRAMID.crops()]
    return Evidence("told", tuple(sorted(regions, key=lambda one: -one.score)))


def result(number: int, *, high: int = 0, said: str = "Liver", box: Box = CORNER, structures: int = 1) -> Result:
    """Question `number` about image number // 2, whose answer is Liver."""
    target = Target(Match(("Liver",), (box,), "answer", structures), SIZE)
    image = f"xmlab{number // 2}/source.jpg"
    sample = Sample(number, image, "Which organ?", MemoryLoader(0.0), "Liver", "OPEN", {TARGET: target})
    return Result(sample, said, 0.9, evidence(high=high))


def test_groups_are_by_right_and_wrong_and_by_share_of_the_picture() -> None:
    half = (0.0, 0.0, 24.0, 24.0)
    results = [
        result(0),
        result(1, said="the liver."),
        result(2, said=" liver", high=35),
        result(4, box=half, structures=2),
    ]
    report = grounding_report(results, COUNTS, cut=(3, 1))
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert (report["questions"], report["images"], report["several"]) == (4, 3, 1)
    assert (report["clipped"], report["left_out"], report["counts"]) == (3, 1, COUNTS)
    assert report["methods"] == {"told": 4}
    numbers = {name: (group["questions"], group["images"]) for name, group in report["groups"].items()}
    assert numbers == {
        "all": (4, 3),
        "answered right": (3, 3),
        "answered wrong": (1, 1),
        "under 5 %": (3, 2),
        "over 20 %": (1, 1),
    }
    right = report["groups"]["answered right"]["measures"]["pointing"]
    assert right["model"]["percent"] == pytest.approx(200 / 3)  # of the last, the corner is in the left half
    assert report["groups"]["answered wrong"]["measures"]["iou"]["model"]["percent"] == 100
    assert report["groups"]["over 20 %"]["measures"]["energy"]["low"]["percent"] == 50


def test_numbers_and_intervals_are_those_of_the_measures_and_the_statistics() -> None:
    results = [result(number, high=number % 5) for number in range(20)]
    found = grounding_report(results, COUNTS)["groups"]["all"]["measures"]
    rows = [measure(r.evidence.regions, [CORNER], SIZE) for r in results if r.evidence]
    images = [r.sample.image for r in results]
    for name in ("pointing", "energy", "iou"):
        values = {subject: [row[subject][name] for row in rows] for subject in ("model", "centre", "random", "low")}
        for subject, ones in values.items():
            assert found[name][subject]["percent"] == pytest.approx(100 * np.mean(ones))
        by_image = proportion(values["model"], images)
        assert by_image.low is not None and found[name]["model"]["low"] == 100 * by_image.low
        against = paired_difference(values["model"], values["centre"], images)
        assert against.value is not None and against.high is not None
        assert found[name]["model minus centre"]["points"] == pytest.approx(100 * against.value)
        assert found[name]["model minus centre"]["high"] == 100 * against.high


BESIDE = Evidence("told", (Region("high", 0, (40.0, 0.0, 56.0, 4.0), 1.0),))
LOW_ALONE = Evidence("told", evidence().top(1, "low"))


@pytest.mark.parametrize(
    "given, words",
    [(None, "1 of 2 answers without usable"), (BESIDE, "not of their picture"), (LOW_ALONE, "not of their picture")],
)
def test_evidence_that_cannot_be_scored_is_refused_by_id(given: Evidence | None, words: str) -> None:
    with pytest.raises(InputError, match=rf"{words}.*\(first: 1\); expected") as told:
        grounding_report([result(0), replace(result(1), evidence=given)], COUNTS)
    assert "organ" not in str(told.value)


def test_the_tables_say_it_and_fit_a_narrow_terminal() -> None:
    report = grounding_report([result(number, high=35) for number in range(12)], COUNTS)
    grids = grounding_grids(report, "slake_grounding validate: mini", ("Read me first.",))
    assert [grid.title.rpartition(", ")[2] for grid in grids] == [
        "pointing game",
        "energy inside the box",
        "IoU of the top region",
        "questions by split",
    ]
    markdown = to_markdown(grids[0])
    assert "| all<br>12 questions<br>6 images | 0.0<br>" in markdown and "Read me first." in markdown
    assert "Evidence: told." in markdown and "10,000 resamples of images" in markdown
    assert "| no boxes in the picture | – | 1,234 |" in to_markdown(grids[3])
    assert r"\toprule" in to_latex(grids[2])
    for grid in grids:
        console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
        console.print(to_terminal(grid))
        lines = console.export_text().splitlines()
        assert any(line.rstrip().endswith("┓") for line in lines), "the last column is cut off"


def test_a_map_that_is_below_the_prior_is_printed_so() -> None:
    middle = (16.0, 8.0, 32.0, 16.0)
    report = grounding_report([result(number, high=0, box=middle) for number in range(16)], COUNTS)
    cells = grounding_grids(report, "t")[0].rows[0]
    assert cells[1][0] == "0.0"
    assert cells[2][:2] == ("100.0", "−100.0") and cells[3][:2] == ("11.1", "−11.1") and cells[4] == ("11.1",)


def test_the_summary_has_it_in_place_of_scores(tmp_path: Path) -> None:
    """Through the task, from a folder in SLAKE's layout: counts of every split but test, boxes cut, JSON throughout."""
    folder = make_boxed_slake(tmp_path, SIZE)
    task = get_task("slake_grounding")
    dataset = task.open(folder)
    seen: list[tuple[int, int]] = []
    samples = task.samples(dataset, "val", lambda done, total: seen.append((done, total)))
    assert [sample.id for sample in samples] == [10, 11, 20, 21, 30, 31] and seen[-1] == (4, 4)
    results = [Result(sample, "Liver", 1.0, evidence(high=0)) for sample in samples]
    found = summarise(results, task, "val", dataset=dataset, contamination=None)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["scores"] is found["captions"] is found["audit"] is found["calibration"] is None
    grounding: dict[str, Any] = found["grounding"]
    assert list(grounding["counts"]) == ["train", "validate"] and (grounding["clipped"], grounding["left_out"]) == (
        1,
        0,
    )
    own = grounding["counts"]["validate"]
    assert own == grounding["counts"]["train"] == dataset_counts(question=3, answer=3, unboxed=2)
    assert grounding["groups"]["all"]["measures"]["pointing"]["model"]["percent"] == 100
    for path in folder.glob("imgs/xmlab1/*.json"):
        path.unlink()
    fresh = task.open(folder)
    with pytest.raises(InputError, match=r"xmlab1/detection\.json"):
        task.samples(fresh, "val")


def dataset_counts(question: int, answer: int, unboxed: int) -> dict[str, int]:
    counts = dict.fromkeys(KINDS, 0)
    return counts | {
        "matched by the question": question,
        "matched by the answer": answer,
        "no boxes in the picture": unboxed,
    }


def test_another_splits_missing_boxes_are_no_hindrance(tmp_path: Path) -> None:
    folder, task = make_boxed_slake(tmp_path, SIZE, train_image=9), get_task("slake_grounding")
    (folder / "imgs/xmlab9/detection.json").unlink()
    dataset = task.open(folder)
    results = [Result(s, "Liver", 1.0, evidence(high=0)) for s in task.samples(dataset, "validate")]
    found = summarise(results, task, "validate", dataset=dataset, contamination=None)["grounding"]
    assert found["counts"]["train"] is None and found["counts"]["validate"]["matched by the answer"] == 3
