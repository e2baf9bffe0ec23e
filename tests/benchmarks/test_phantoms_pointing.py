"""The pointing game tells evidence that finds a planted cause from evidence that always points at one place."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.phantoms import boxes, moved, to_scan
from benchmarks.phantoms.design import Planned, Question, design
from benchmarks.phantoms.pointing import ROWS, Pointing, kept, point
from benchmarks.phantoms.scored import Pointed, markdown, summary
from benchmarks.phantoms.things import Kind
from medfly.evidence import Wanted
from medfly.types import Answer, Evidence, InputError, Region, Scan

FEW = 6


@pytest.fixture(scope="module")
def planned() -> list[Planned]:
    return design(40, seed=5)


@dataclass
class StandIn:
    """A model that knows the pictures by their hash. finds: it points at the cause; else always at the first crop.

    liar: it answers "banana". known: hash → the picture and its questions. asked: how evidence was wanted, by call.
    """

    known: dict[str, Planned]
    finds: bool = True
    liar: bool = False
    asked: list[Wanted] = field(default_factory=list)

    def ask(self, scan: Scan, question: list[str], *, evidence: Wanted) -> list[Answer]:
        self.asked.append(evidence)
        one = self.known[scan.input_hash]
        asked = {q.text: q for q in one.questions()}
        return [self._answer(one, asked[text], evidence) for text in question]

    def _answer(self, one: Planned, question: Question, evidence: Wanted) -> Answer:
        if not evidence:
            return Answer(question.text, self._text(question))
        cells = [(x * 32.0, y * 32.0, x * 32.0 + 32, y * 32.0 + 32) for y in range(6) for x in range(6)]
        regions = [Region("high", i, box, float(-i)) for i, box in enumerate(cells)]
        if self.finds:
            x0, y0, _, _ = (*boxes(one.phantom, question.cause), (0, 0, 0, 0))[0]
            regions.sort(key=lambda region: region.crop != y0 // 32 * 6 + x0 // 32)
        found = Evidence("planted", (Region("low", 0, (0, 0, 192, 192), 9), *regions))
        return Answer(question.text, self._text(question), evidence=found)

    def _text(self, question: Question) -> str:
        return "banana" if self.liar else question.answer.upper()


def pointed(model: Pointing, planned: Sequence[Planned], evidence: Wanted = True) -> list[Pointed]:
    return [row for rows in point(model, planned, evidence) for row in rows]


@pytest.fixture(scope="module")
def known(planned: list[Planned]) -> dict[str, Planned]:
    some = planned[:FEW]
    kinds: tuple[Kind, ...] = ("nodule", "catheter", "pacemaker", "marker")
    again = [replace(p, phantom=moved(p.phantom, kind)) for p in some for kind in kinds if p.phantom.of(kind)]
    return {to_scan(p.phantom).input_hash: p for p in (*some, *again)}


@pytest.fixture(scope="module")
def found(planned: list[Planned], known: dict[str, Planned]) -> dict:
    return summary(pointed(StandIn(known), planned[:FEW]))


def test_pointing_tells_a_model_that_finds_the_cause(planned: list[Planned], found: dict) -> None:
    row = found["all"]
    assert row["accuracy"]["value"] == row["hits"]["value"] == row["moved_hits"]["value"] == 1
    assert row["pointed"] == sum(bool(boxes(p.phantom, q.cause)) for p in planned[:FEW] for q in p.questions())
    assert row["majority"] < 0.8 and row["best_fixed"] < 0.8 and row["random"] < 0.4 and row["stayed"] < 0.4
    assert row["moved_above_fixed"]["value"] == pytest.approx(1 - row["moved_fixed"]) and row["moved_fixed"] < 0.8
    for above, rival in (("above_majority", "majority"), ("above_random", "random"), ("above_fixed", "best_fixed")):
        assert row[above]["value"] == pytest.approx(1 - row[rival])
        assert row[above]["low"] > 0


def test_pointing_tells_a_model_that_always_points_at_one_place(
    planned: list[Planned], known: dict[str, Planned]
) -> None:
    row = summary(pointed(StandIn(known, finds=False), planned[:FEW]))["all"]
    assert row["hits"]["value"] <= row["best_fixed"] < 0.8
    assert row["moved_hits"]["value"] < 0.3
    assert row["above_fixed"]["value"] <= 0 and row["moved_above_fixed"]["value"] <= 0
    assert row["moved_above_random"]["low"] < 0.1


def test_whoever_names_the_same_crop_for_each_topic_is_no_better_than_the_best_of_those(found: dict) -> None:
    """A prior that knows the question and never looks must not pass for evidence."""
    topics = [name for name in found if name != "all"]
    counts = [found[name]["pointed"] for name in topics]
    assert found["all"]["best_fixed"] == pytest.approx(
        np.average([found[name]["best_fixed"] or 0 for name in topics], weights=counts)
    )


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
    rows = summary(pointed(StandIn(known, liar=True), planned[:FEW]))
    assert rows["all"]["pointed"] == 0 and rows["all"]["hits"]["value"] is None
    assert "| all |" in markdown(rows) and "–" in markdown(rows)


def test_the_table_has_a_cell_for_each_heading(found: dict) -> None:
    lines = markdown(found).splitlines()
    assert len({line.count("|") for line in lines}) == 1 and lines[0].count("|") == 20


@pytest.mark.parametrize("evidence", [True, "causal_all"])
def test_evidence_is_asked_for_only_where_it_counts(
    planned: list[Planned], known: dict[str, Planned], evidence: Wanted
) -> None:
    """It takes several times as long as an answer."""
    model, wrong = StandIn(known), StandIn(known, liar=True)
    pointed(model, planned[:FEW], evidence)
    assert set(model.asked) == {False, evidence}
    pointed(wrong, planned[:FEW], evidence)
    assert wrong.asked == [False] * FEW


class Killed(Exception):
    pass


class Dying(StandIn):
    """Ends at its 12th call, as a machine might."""

    def ask(self, scan: Scan, question: list[str], *, evidence: Wanted) -> list[Answer]:
        if len(self.asked) == 12:
            raise Killed
        return super().ask(scan, question, evidence=evidence)


def test_a_killed_run_goes_on_and_scores_the_same(
    planned: list[Planned], known: dict[str, Planned], found: dict, tmp_path: Path
) -> None:
    some = planned[:FEW]
    with pytest.raises(Killed):
        kept(Dying(known), some, "gradients", tmp_path, hash="a")
    before = len((tmp_path / ROWS).read_bytes().splitlines())
    with (tmp_path / ROWS).open("a", encoding="utf-8") as file:
        file.write('[{"image": "cut sh')
    second, rest = StandIn(known), StandIn(known)
    rows = kept(second, some, "gradients", tmp_path, hash="a")
    pointed(rest, some[before:])
    assert 0 < before < FEW and second.asked == rest.asked
    assert summary(rows) == found
    assert [json.loads(line)[0]["image"] for line in (tmp_path / ROWS).read_text("utf-8").splitlines()] == [
        p.name for p in some
    ]


def test_another_runs_folder_is_left_alone(planned: list[Planned], known: dict[str, Planned], tmp_path: Path) -> None:
    kept(StandIn(known), planned[:1], "gradients", tmp_path, hash="a")
    before = (tmp_path / ROWS).read_bytes()
    with pytest.raises(InputError, match="holds another run"):
        kept(StandIn(known), planned[:1], "gradients", tmp_path, hash="b")
    assert (tmp_path / ROWS).read_bytes() == before
