"""The pointing game tells evidence that finds a planted cause from evidence that always points at one place."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from benchmarks.phantoms import boxes, moved, to_scan
from benchmarks.phantoms.design import Planned, Question, design
from benchmarks.phantoms.pointing import markdown, point, summary
from benchmarks.phantoms.things import Kind
from medfly.types import Answer, Evidence, Region, Scan

FEW = 6


@pytest.fixture(scope="module")
def planned() -> list[Planned]:
    return design(40, seed=5)


@dataclass
class StandIn:
    """A model that knows the pictures by their hash. finds: it points at the cause; else always at the first crop.

    liar: it answers "banana". known: hash → the picture and its questions.
    """

    known: dict[str, Planned]
    finds: bool = True
    liar: bool = False

    def ask(self, scan: Scan, question: list[str], *, evidence: bool) -> list[Answer]:
        one = self.known[scan.input_hash]
        asked = {q.text: q for q in one.questions()}
        return [self._answer(one, asked[text]) for text in question]

    def _answer(self, one: Planned, question: Question) -> Answer:
        cells = [(x * 32.0, y * 32.0, x * 32.0 + 32, y * 32.0 + 32) for y in range(6) for x in range(6)]
        regions = [Region("high", i, box, float(-i)) for i, box in enumerate(cells)]
        if self.finds:
            x0, y0, _, _ = (*boxes(one.phantom, question.cause), (0, 0, 0, 0))[0]
            regions.sort(key=lambda region: region.crop != y0 // 32 * 6 + x0 // 32)
        text = "banana" if self.liar else question.answer.upper()
        return Answer(
            question.text, text, evidence=Evidence("planted", (Region("low", 0, (0, 0, 192, 192), 9), *regions))
        )


@pytest.fixture(scope="module")
def known(planned: list[Planned]) -> dict[str, Planned]:
    some = planned[:FEW]
    kinds: tuple[Kind, ...] = ("nodule", "catheter", "pacemaker", "marker")
    again = [replace(p, phantom=moved(p.phantom, kind)) for p in some for kind in kinds if p.phantom.of(kind)]
    return {to_scan(p.phantom).input_hash: p for p in (*some, *again)}


@pytest.fixture(scope="module")
def found(planned: list[Planned], known: dict[str, Planned]) -> dict:
    return summary(point(StandIn(known), planned[:FEW]))


def test_pointing_tells_a_model_that_finds_the_cause(planned: list[Planned], found: dict) -> None:
    row = found["all"]
    assert row["accuracy"]["value"] == row["hits"]["value"] == row["moved_hits"]["value"] == 1
    assert row["pointed"] == sum(bool(boxes(p.phantom, q.cause)) for p in planned[:FEW] for q in p.questions())
    assert row["majority"] < 0.8 and row["best_fixed"] < 0.8 and row["random"] < 0.4 and row["stayed"] < 0.4


def test_pointing_tells_a_model_that_always_points_at_one_place(
    planned: list[Planned], known: dict[str, Planned]
) -> None:
    row = summary(point(StandIn(known, finds=False), planned[:FEW]))["all"]
    assert row["hits"]["value"] <= row["best_fixed"] < 0.8
    assert row["moved_hits"]["value"] < 0.3


def test_random_is_the_share_of_crops_that_touch_the_cause(planned: list[Planned], found: dict) -> None:
    """Counted here from the boxes' corners alone."""
    expected = []
    for one in planned[:FEW]:
        for question in one.questions():
            cells = {
                (x // 32, y // 32)
                for x0, y0, x1, y1 in boxes(one.phantom, question.cause)
                for x in range(x0, x1)
                for y in range(y0, y1)
            }
            expected += [len(cells) / 36] if cells else []
    row = found["all"]
    assert row["random"] == pytest.approx(np.mean(expected))


def test_wrong_answers_have_no_place_to_point_at(planned: list[Planned], known: dict[str, Planned]) -> None:
    rows = summary(point(StandIn(known, liar=True), planned[:FEW]))
    assert rows["all"]["pointed"] == 0 and rows["all"]["hits"]["value"] is None
    assert "| all |" in markdown(rows) and "–" in markdown(rows)


def test_the_table_has_a_cell_for_each_heading(found: dict) -> None:
    lines = markdown(found).splitlines()
    assert len({line.count("|") for line in lines}) == 1 and lines[0].count("|") == 13
