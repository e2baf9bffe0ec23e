"""Comparisons against hand counts, scipy and statsmodels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from scipy import stats

from benchmarks.comparison import compare
from benchmarks.protocols import RULES
from benchmarks.protocols.exact import NORMALISED
from benchmarks.protocols.rule import Item, Judged, Rule
from benchmarks.results import Result
from medfly.types import InputError, Sample

from .conftest import make_samples


def answered(samples: Sequence[Sample], wrong: Sequence[int] = ()) -> list[Result]:
    """Every question answered rightly but those at the places `wrong`."""
    return [Result(s, "no idea" if i in wrong else s.answer or "") for i, s in enumerate(samples)]


@pytest.fixture
def forty() -> list[Sample]:
    """40 images with an OPEN question and two CLOSED ones each."""
    return make_samples(40, 3)


def test_numbers_by_hand(forty: list[Sample]) -> None:
    """B is wrong on the first CLOSED question of images 0 to 9; A on the second one of images 0 to 2."""
    ours = answered(forty, [3 * image + 2 for image in range(3)])
    theirs = answered(forty, [3 * image + 1 for image in range(10)])
    found = compare(ours, theirs, [NORMALISED], "slake")
    closed = found["protocols"][NORMALISED.name]["groups"]["closed"]
    assert (closed["count"], closed["clusters"], closed["wins"], closed["losses"]) == (80, 40, 10, 3)
    assert (closed["first"], closed["second"]) == (pytest.approx(100 * 77 / 80), 87.5)
    assert closed["difference"] == pytest.approx(100 * 7 / 80)
    assert closed["low"] < closed["difference"] < closed["high"]
    assert closed["p_mcnemar"] == pytest.approx(stats.binomtest(10, 13).pvalue)
    assert closed["p_permutation"] == 2 / 2**7  # images 0 to 2 are even; the other 7 speak for A
    overall, opened = (found["protocols"][NORMALISED.name]["groups"][group] for group in ("overall", "open"))
    assert (overall["count"], overall["wins"], overall["losses"], overall["p_mcnemar"]) == (120, 10, 3, None)
    assert (opened["difference"], opened["p_permutation"], opened["detectable"]) == (0.0, 1.0, None)
    assert found["comparisons"] == 3
    assert [g["p_holm"] for g in (closed, overall, opened)] == [3 * 2 / 2**7, 3 * 2 / 2**7, 1.0]
    assert (found["questions"], found["unscored"], found["clusters"]) == (120, 0, "image")


def test_the_other_way_round_turns_the_signs(forty: list[Sample]) -> None:
    ours, theirs = answered(forty, [1, 4, 9]), answered(forty, range(0, 60, 2))
    one, other = (compare(a, b, RULES, "slake")["protocols"] for a, b in ((ours, theirs), (theirs, ours)))
    assert one.keys() == {rule.name for rule in RULES}
    for name, protocol in one.items():
        for group, forth in protocol["groups"].items():
            back = other[name]["groups"][group]
            assert (forth["metric"] is None) == (group not in {r.name: r for r in RULES}[name].metrics)
            assert (back["wins"], back["losses"]) == (forth["losses"], forth["wins"])
            for key in ("p_permutation", "p_holm", "p_mcnemar", "count", "unpaired", "detectable", "correlation"):
                assert back[key] == pytest.approx(forth[key])
            if forth["difference"] is not None:
                turned = (-back["difference"], -back["high"], -back["low"])
                assert (forth["difference"], forth["low"], forth["high"]) == pytest.approx(turned)


def test_the_correction_is_for_the_whole_table(forty: list[Sample]) -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    found = compare(answered(forty, [1, 4, 9]), answered(forty, range(0, 60, 2)), RULES, "slake")
    json.dumps(found, allow_nan=False)
    rows = [row for protocol in found["protocols"].values() for row in protocol["groups"].values()]
    tested = [row for row in rows if row["p_permutation"] is not None]
    assert found["comparisons"] == len(tested) > 20
    expected = multitest.multipletests([row["p_permutation"] for row in tested], method="holm")[1]
    assert [row["p_holm"] for row in tested] == pytest.approx(expected.tolist())
    assert all(row["p_holm"] is None for row in rows if row["p_permutation"] is None)


def drops_ignorance(item: Item) -> Judged:
    return Judged(None) if item.prediction == "no idea" else Judged(1.0)


def half_for_ignorance(item: Item) -> Judged:
    return Judged(0.5 if item.prediction == "no idea" else 1.0)


def test_pairs_that_a_rule_leaves_out_are_counted(forty: list[Sample]) -> None:
    rule = Rule("drops", "Drops", "made up", drops_ignorance, {"closed": "accuracy"})
    found = compare(answered(forty, [0, 1, 2]), answered(forty, [2, 4]), [rule], "slake")["protocols"]["drops"]
    closed, overall = found["groups"]["closed"], found["groups"]["overall"]
    assert (closed["count"], closed["unpaired"]) == (77, 3)  # questions 1 and 2 of the one, 2 and 4 of the other
    assert (overall["metric"], overall["count"], overall["difference"], overall["p_holm"]) == (None, 0, None, None)
    nothing = compare(answered(forty, range(120)), answered(forty), [rule], "slake")["protocols"]["drops"]["groups"]
    assert (nothing["closed"]["count"], nothing["closed"]["unpaired"], nothing["closed"]["difference"]) == (0, 80, None)


def test_fractions_have_no_mcnemar(forty: list[Sample]) -> None:
    rule = Rule("half", "Half", "made up", half_for_ignorance, {"closed": "recall"})
    found = compare(answered(forty, [1]), answered(forty, [4, 5]), [rule], "slake")
    closed = found["protocols"]["half"]["groups"]["closed"]
    assert (closed["wins"], closed["losses"], closed["p_mcnemar"]) == (2, 1, None)
    assert closed["difference"] == pytest.approx(100 * 0.5 / 80)


def test_patients_are_what_is_turned_where_they_are_known(forty: list[Sample]) -> None:
    """B is wrong about ten images of one patient: that is one observation."""
    samples = [replace(s, patient=str(max(i // 3, 9))) for i, s in enumerate(forty)]
    found = compare(answered(samples), answered(samples, [3 * image + 1 for image in range(10)]), [NORMALISED], "slake")
    overall = found["protocols"][NORMALISED.name]["groups"]["overall"]
    assert (found["clusters"], overall["clusters"], overall["p_permutation"]) == ("patient", 31, 1.0)


def test_questions_without_a_gold_answer_are_counted(forty: list[Sample]) -> None:
    samples = [replace(s, answer=None) if i < 5 else s for i, s in enumerate(forty)]
    found = compare(answered(samples), answered(samples), [NORMALISED], "slake")
    assert (found["questions"], found["unscored"]) == (120, 5)
    assert found["protocols"][NORMALISED.name]["groups"]["overall"]["count"] == 115


def test_other_questions_are_refused_without_their_text(forty: list[Sample]) -> None:
    with pytest.raises(InputError, match="120 and 119"):
        compare(answered(forty), answered(forty[:-1]), [NORMALISED], "slake")
    with pytest.raises(InputError, match="answer 1: found another id"):
        compare(answered(forty), answered(forty[::-1]), [NORMALISED], "slake")
    renamed = [*forty[:-1], replace(forty[-1], question="Has Mrs Example improved?")]
    with pytest.raises(InputError, match="answer 120: found another question") as told:
        compare(answered(forty), answered(renamed), [NORMALISED], "slake")
    assert "Example" not in str(told.value)
