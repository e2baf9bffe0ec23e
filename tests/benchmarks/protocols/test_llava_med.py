"""LLaVA-Med's normalisation and closed questions, worked by hand from the released code."""

from __future__ import annotations

import pytest

from benchmarks.protocols import llava_med
from benchmarks.protocols.llava_med import hit_batch, hit_run_eval, normalise, open_scores
from benchmarks.protocols.rule import Item, Judged


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Left Lung.", "left lung"),
        ("X-Ray", "x ray"),  # the hyphen touches no blank
        ("MR - Flair, X-Ray", "mr flair xray"),  # it touches one somewhere: all of them go
        ("brain,heart", "brain heart"),
        ("brain, heart", "brain heart"),
        ("1,000 a/b", "1000 ab"),  # a number with a comma closes every gap
        ("T1.5", "t1.5"),
        ("1. 5", "1 5"),
        ("None", "0"),
        ("ten ones", "10 ones"),
        ("a dont", "don't"),
        ("couldnt've couldn'tve couldntve", "couldn't've couldn't've couldntve"),
        ("somebody'd", "somebodyd"),  # sic
        ("a" + "." * 40, "a" + "." * 8),  # 32 full stops go, and no more
        ("肺部。", "肺部。"),
        ("", ""),
    ],
)
def test_normalise(text: str, expected: str) -> None:
    assert normalise(text) == expected


@pytest.mark.parametrize(
    ("prediction", "answer", "run_eval", "batch"),
    [
        ("Yes, it is.", "yes", 1, 1),
        ("No", "Yes", None, 0),  # wrong: the first release does not count it
        ("maybe", "yes", 0, 0),
        ("MRI", "MRI", 0, 1),  # right, but neither yes nor no
        ("abnormal", "No", 1, 1),
        ("nodule", "nodule", 1, 1),
        ("", "no", 0, 0),
    ],
)
def test_closed(prediction: str, answer: str, run_eval: int | None, batch: int) -> None:
    assert (hit_run_eval(prediction, answer), hit_batch(prediction, answer)) == (run_eval, batch)


def test_repetitions_of_the_prediction_count_as_found() -> None:
    scores = open_scores("lung lung lung heart", "lung")
    assert (scores["precision"], scores["recall"], scores["exact"]) == (0.75, 1, 0.25)
    assert open_scores("edema, tumor", "Brain Edema, Brain Tumor")["recall"] == 0.5


def test_what_is_said_of_an_item() -> None:
    judge = llava_med.RUN_EVAL.judge
    assert judge(Item("", "yes", "CLOSED", "perhaps")) == Judged(0, unparsed=True)
    assert judge(Item("", "yes", "CLOSED", "no")) == Judged(None)
    assert judge(Item("", "yes", None, "yes")) == Judged(None)  # in neither branch of the script
    assert llava_med.F1.judge(Item("", "yes", "CLOSED", "yes")) == Judged(None)
