"""Scores of results that are counted by hand, under rules that are written here, and the crosswalk of all rules."""

from __future__ import annotations

import json

import pytest

from benchmarks.protocols import RULES
from benchmarks.protocols.exact import NORMALISED
from benchmarks.protocols.medevalkit import F1_AS_RELEASED
from benchmarks.protocols.rule import Item, Judged, Rule
from benchmarks.results import Result
from benchmarks.scores import UNREADABLE, crosswalk, score, score_by, score_group
from benchmarks.statistics import proportion
from medfly.types import Sample

from .conftest import MemoryLoader


def result(
    number: int, answer: str | None, said: str, tag: str | None = "OPEN", image: str = "a", patient: int | None = None
) -> Result:
    sample = Sample(number, image, f"question {number}", MemoryLoader(1.0), answer, tag, patient=patient)
    return Result(sample, said)


RESULTS = [
    result(1, "Lung", "lung.", image="a"),
    result(2, "Heart", "lung", image="a"),
    result(3, "Liver", "Liver", image="b"),
    result(4, "", "", image="b"),  # unscored, though equal
    result(5, "Yes", "yes", "CLOSED", image="a"),
    result(6, "No", "It is no", "CLOSED ", image="b"),
    result(7, None, "no", "CLOSED", image="c"),  # unscored
    result(8, "Yes", "Yes", None, image="c"),  # in overall only
]


def test_scores_by_hand() -> None:
    scores = score(RESULTS, NORMALISED, "slake")
    assert scores["protocol"] == "normalised_exact_match" and scores["notes"] == {}
    groups = scores["groups"]
    assert {n: (g["numerator"], g["denominator"], g["clusters"]) for n, g in groups.items()} == {
        "open": (2, 3, 2),
        "closed": (1, 2, 2),
        "overall": (4, 6, 3),
    }
    assert groups["overall"]["percent"] == pytest.approx(400 / 6)
    expected = proportion([1, 0, 1, 1, 0, 1], ["a", "a", "b", "a", "b", "c"])
    assert expected.low is not None and expected.high is not None
    assert groups["overall"]["low"] == pytest.approx(100 * expected.low)
    assert groups["overall"]["high"] == pytest.approx(100 * expected.high)
    assert score_group(RESULTS, NORMALISED, "slake") == groups["overall"]
    assert score_group(RESULTS, NORMALISED, "slake", "open") == groups["open"]


def test_a_rules_own_groups_left_out_items_and_notes() -> None:
    """A rule that has no overall, goes by the gold answer, leaves out "lung", cannot read "Liver", and gives halves."""

    def judge(item: Item) -> Judged:
        if item.prediction.startswith("lung"):
            return Judged(None, note="dropped")
        return Judged(0.0, unparsed=True) if item.prediction == "Liver" else Judged(0.5, note="half")

    def by_gold(item: Item):
        return "closed" if item.answer in ("Yes", "No") else "open"

    rule = Rule("odd", "odd", "here", judge, {"open": "halves", "closed": "halves"}, by_gold)
    scores = score(RESULTS, rule, "slake")
    assert scores["notes"] == {"dropped": 2, "half": 3}
    found = {
        n: (g["metric"], g["numerator"], g["denominator"], g["unparsed"], g["left_out"])
        for n, g in scores["groups"].items()
    }
    assert found == {"open": ("halves", 0, 1, 1, 2), "closed": ("halves", 1.5, 3, 0, 0), "overall": (None, 0, 0, 0, 0)}
    assert scores["groups"]["overall"]["percent"] is None
    assert scores["groups"]["closed"]["percent"] == pytest.approx(50)


def test_groups_by_label() -> None:
    groups = score_by(RESULTS[:5], ["x", "y", "x", "x", "y"], NORMALISED, "slake")
    assert {k: (g["numerator"], g["denominator"]) for k, g in groups.items()} == {"x": (2, 2), "y": (1, 2)}
    assert list(groups) == ["x", "y"]


def test_the_crosswalk_has_every_rule_and_says_how_it_was_made() -> None:
    found = crosswalk(RESULTS, "slake")
    assert (found["questions"], found["unscored"], found["untagged"], found["clusters"]) == (8, 2, 1, "image")
    assert list(found["protocols"]) == [rule.name for rule in RULES]
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["interval"]["level"] == 0.95 and found["interval"]["seed"] == 0


def test_patients_are_resampled_where_they_are_known() -> None:
    """Two images of one patient are one cluster; an image without a patient is one of its own."""
    some = [result(i, "Yes", "yes" if i % 3 else "no", image=f"i{i}", patient=i // 2) for i in range(8)]
    some.append(result(9, "Yes", "yes", image="i9"))
    found = crosswalk(some, "slake", [NORMALISED])
    assert found["clusters"] == "patient"
    assert found["protocols"]["normalised_exact_match"]["groups"]["overall"]["clusters"] == 5


def test_nothing_to_count() -> None:
    groups = score([], NORMALISED, "slake")["groups"]
    assert all(group["percent"] is None and group["denominator"] == 0 for group in groups.values())


def test_notes_are_of_the_questions_that_are_in_the_score() -> None:
    """The script that ends with an error on an empty answer to an open question does not on one to a closed one."""
    empty = [result(1, "Lung", ""), result(2, "Heart", ""), result(3, "Yes", "", "CLOSED")]
    scores = score(empty, F1_AS_RELEASED, "slake")
    assert list(scores["notes"].values()) == [2] == [scores["groups"]["open"]["denominator"]]


def test_rules_that_part_words_at_blanks_say_that_they_cannot_read_chinese() -> None:
    """The very gold answers: a rule that gives them no number of its own worth is named with its number."""
    gold = [result(1, "肺", "肺"), result(2, "是", "是", "CLOSED"), result(3, "MRI", "MRI")]
    told = {rule.name: score(gold, rule, "slake_zh")["notes"].get(UNREADABLE, 0) for rule in RULES}
    assert {name for name, count in told.items() if count} == {
        *("llava_med_run_eval", "llava_med_run_eval_batch", "llava_med_f1", "llava_med_exact"),
        *("medevalkit_f1_as_released", "medevalkit_corrected", "med_palm_m_token_f1", "med_palm_m_bleu1"),
        *("multimedeval_accuracy", "multimedeval_recall", "multimedeval_f1", "multimedeval_bleu1"),
    }
    assert (told["med_palm_m_token_f1"], told["llava_med_f1"]) == (2, 1)
    assert not any(UNREADABLE in score(RESULTS, rule, "slake")["notes"] for rule in RULES)
