"""LLaVA-Med's and MedEvalKit's rules against what their own released code gave: 503 predictions, every field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.protocols import llava_med, medevalkit
from benchmarks.protocols.rule import Item, Judged

ROWS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "golden" / "metrics" / "peer-scores.json").read_text("utf-8")
)
LLAVA_MED = {"recall": llava_med.RUN_EVAL, "f1": llava_med.F1, "exact": llava_med.EXACT}


def item(row: dict[str, Any]) -> Item:
    return Item("", row["answer"], row["answer_type"], row["prediction"], row["dataset"])


def test_the_file_is_whole() -> None:
    dropped = [row for row in ROWS if row["llava_med"].get("hit_run_eval", 0) is None]
    failed = [row["prediction"] for row in ROWS if row["medevalkit"]["open"] is None]
    assert (len(ROWS), len(dropped)) == (503, 17)
    assert failed == ["", " "]


@pytest.mark.parametrize("measure", ["f1", "precision", "recall", "exact"])
def test_llava_med_open(measure: str) -> None:
    rows = [row for row in ROWS if row["answer_type"] == "OPEN"]
    ours = [llava_med.open_scores(row["prediction"], row["answer"])[measure] for row in rows]
    assert len(rows) == 266
    assert ours == pytest.approx([row["llava_med"][measure] for row in rows], abs=1e-12)
    if measure in LLAVA_MED:
        assert [LLAVA_MED[measure].judge(item(row)) for row in rows] == [Judged(score) for score in ours]


def test_llava_med_closed() -> None:
    rows = [row for row in ROWS if row["answer_type"] == "CLOSED"]
    assert len(rows) == 237
    for key, rule in (("hit_run_eval", llava_med.RUN_EVAL), ("hit_batch", llava_med.RUN_EVAL_BATCH)):
        assert [rule.judge(item(row)).score for row in rows] == [row["llava_med"][key] for row in rows]


def test_medevalkit_closed() -> None:
    for row in ROWS:
        said, gold, golden = row["prediction"], row["answer"], row["medevalkit"]
        assert medevalkit.judgement(said, gold) == golden["judgement"]
        assert medevalkit.closed_exact(said, gold) == golden["closed_exact"]
        if row["answer_type"] == "CLOSED" and (row["dataset"] == "slake" or gold.lower() in ("yes", "no")):
            expected = golden["closed_exact" if row["dataset"] == "slake" else "judgement"]
            assert medevalkit.AS_RELEASED.judge(item(row)).score == expected


def test_medevalkit_open() -> None:
    for row in ROWS:
        ours, golden = medevalkit.open_scores(row["prediction"].strip(), row["answer"]), row["medevalkit"]["open"]
        assert ours == (golden and pytest.approx(golden, abs=1e-9))


def test_medevalkit_rules_on_open_questions() -> None:
    failed = 0
    for row in ROWS:
        if row["answer_type"] == "OPEN" and medevalkit.AS_RELEASED.group(item(row)) == "open":
            golden = row["medevalkit"]["open"] or {"em": 0.0, "f1": 0.0, "precision": 0.0}
            judged = [rule.judge(item(row)) for rule in (medevalkit.AS_RELEASED, medevalkit.F1_AS_RELEASED)]
            assert [one.score for one in judged] == pytest.approx([golden["em"], golden["f1"]], abs=1e-9)
            true_f1 = golden["precision"]  # the released name of it
            assert medevalkit.CORRECTED.judge(item(row)).score == pytest.approx(true_f1, abs=1e-9)
            assert [one.note != "" for one in judged] == [row["medevalkit"]["open"] is None] * 2
            failed += judged[0].note == medevalkit.EMPTY
    assert failed == 2
