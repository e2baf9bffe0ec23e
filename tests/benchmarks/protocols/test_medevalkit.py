"""What MedEvalKit's rules read from a prediction, which questions they call closed, and what they tell."""

from __future__ import annotations

import pytest

from benchmarks.protocols.medevalkit import AS_RELEASED, CORRECTED, EMPTY, F1_AS_RELEASED, closed_exact, judgement
from benchmarks.protocols.rule import Item, Judged


@pytest.mark.parametrize(
    ("prediction", "answer", "right"),
    [
        ("so it is \\boxed{Left {lung} }", "left {lung}", True),
        ("\\boxed{liver} or \\boxed{lung}", "Lung", True),
        ("not boxed at all", "lung", False),
        ("\\boxed{lung", "lung", False),
        ("<answer>lung</answer> thanks", "lung", True),
        ("<answer>left</answer><answer>lung</answer>", "left lung", True),
        ("<answer>lung", "<answer>lung", True),
        ("the answer is lung", "lung", False),  # the blank stays
        ("Answer:lung", "lung", True),
        ("答案:肺", "肺", True),
        ("L.u\nng.", "lung", True),
    ],
)
def test_what_is_read(prediction: str, answer: str, right: bool) -> None:
    assert closed_exact(prediction, answer) is right


@pytest.mark.parametrize(
    ("prediction", "right"), [("Yes.", True), ("yes and no", False), ("yes, abnormal", False), ("maybe", False)]
)
def test_judgement(prediction: str, right: bool) -> None:
    assert judgement(prediction, "Yes") is right


def test_slake_goes_by_the_tag_and_the_others_by_the_answer() -> None:
    for task, answer, tag, group in [
        ("slake", "Yes", "OPEN", "open"),
        ("slake_zh", "肺", "CLOSED", "closed"),
        ("vqa_rad", "Yes ", "OPEN", "closed"),
        ("vqa_rad", "MRI", "CLOSED", "open"),
        ("path_vqa", "no", None, "closed"),
    ]:
        assert AS_RELEASED.group(Item("", answer, tag, "", task)) == group


def test_slakes_yes_with_a_capital_has_to_match_exactly() -> None:
    assert AS_RELEASED.judge(Item("", "Yes", "CLOSED", "Yes, it is", "slake")).score == 0
    assert AS_RELEASED.judge(Item("", "yes", "CLOSED", "Yes, it is", "slake")).score == 1
    assert AS_RELEASED.judge(Item("", "Yes", "CLOSED", "Yes, it is", "vqa_rad")).score == 1


@pytest.mark.parametrize("rule", [AS_RELEASED, F1_AS_RELEASED, CORRECTED], ids=lambda rule: rule.name)
@pytest.mark.parametrize("prediction", ["", " \n", ".", "...", "\\boxed{}"])
def test_no_answer_to_an_open_question(rule, prediction: str) -> None:
    assert rule.judge(Item("", "lung", "OPEN", prediction, "slake")) == Judged(0, unparsed=True, note=EMPTY)


def test_no_answer_to_a_closed_question_is_simply_wrong() -> None:
    assert AS_RELEASED.judge(Item("", "no", "CLOSED", "", "slake")) == Judged(0, unparsed=True)
    assert AS_RELEASED.judge(Item("", "MRI", "CLOSED", "", "slake")) == Judged(0)


def test_the_released_f1_is_the_recall() -> None:
    """By hand: of four words said two are in the gold answer's two: precision 1/2, recall 1, F1 2/3."""
    item = Item("", "left lung", "OPEN", "in the left lung", "slake")
    assert (F1_AS_RELEASED.judge(item).score, CORRECTED.judge(item).score) == (1, pytest.approx(2 / 3))


def test_a_long_answer() -> None:
    assert CORRECTED.judge(Item("", "lung", "OPEN", "lung " * 5000, "slake")).score == 1
