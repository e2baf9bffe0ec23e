"""MultiMedEval, lmms-eval, Med-PaLM M and BiomedGPT, worked by hand from their sources."""

from __future__ import annotations

import pytest

from benchmarks.protocols import biomedgpt, lmms_eval, med_palm_m, multimedeval
from benchmarks.protocols.rule import Item


def item(prediction: str, answer: str, task: str = "slake", answer_type: str = "OPEN") -> Item:
    return Item("", answer, answer_type, prediction, task)


@pytest.mark.parametrize(
    ("prediction", "answer", "right"),
    [
        ("Yes, it is.", "yes", True),
        ("it is not", "No", True),  # {"not"} is half of {"no", "not"}, and half is over 0.4
        ("no and yes", "yes", True),
        ("abnormal", "no", False),  # words, not letters
        ("left upper lobe", "the left upper lung lobe", True),  # 3 of 4 words: "the" is none
        ("left lobe", "left upper lobe", False),  # 2 of 3
        ("two", "2", True),
    ],
)
def test_multimedeval_accuracy(prediction: str, answer: str, right: bool) -> None:
    assert multimedeval.ACCURACY.judge(item(prediction, answer)).score == right


def test_multimedeval_measures() -> None:
    """Said {left, lung, lobe} with "left" twice, gold {left, lung}: precision 2/3, recall 1, BLEU-1 2/4."""
    said = item("left left lung lobe", "the left lung")
    assert multimedeval.RECALL.judge(said).score == 1
    assert multimedeval.F1.judge(said).score == pytest.approx(0.8, abs=1e-7)
    assert multimedeval.BLEU_1.judge(said).score == 0.5
    assert multimedeval.BLEU_1.judge(item("left", "left lung")).score == pytest.approx(2.718281828459045**-1)


def test_multimedeval_calls_closed_what_is_answered_by_yes_or_no() -> None:
    groups = [multimedeval.ACCURACY.group(item("", gold, answer_type="CLOSED")) for gold in ("Yes.", "the no", "MRI")]
    assert groups == ["closed", "closed", "open"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("X-Ray", "xray"),
        ("x ray (chest)", "xray"),
        ("Yeah!", "yes"),
        ("False.", "no"),
        ("是的。", "yes"),
        ("没有", "no"),
        ("不正常", "no"),
        ("正常", "yes"),
        ("肺部（左）", "肺部"),
        ("brain edema,brain tumor", "brain edema brain tumor"),
        ("1．5", "1．5"),  # the one full-width mark that is not in the list
        ("(yes)", ""),
        ("yes it is", "yes it is"),
    ],
)
def test_lmms_eval_normalise(text: str, expected: str) -> None:
    assert lmms_eval.normalise(text) == expected


def test_lmms_eval_takes_two_empty_texts_for_equal() -> None:
    assert lmms_eval.EXACT.judge(item("", "(left)")).score == 1


def test_med_palm_m() -> None:
    """Said x ray → {"xray"}; "The left, left lung": 3 words, 2 of them in "left lung": F1 0.8, BLEU-1 2/3."""
    assert med_palm_m.words("An X-Ray of the lung.") == ["xray", "of", "lung"]
    said = item("The left, left lung", "Left Lung.")
    assert med_palm_m.TOKEN_F1.judge(said).score == pytest.approx(0.8)
    assert med_palm_m.BLEU_1.judge(said).score == pytest.approx(2 / 3)
    assert med_palm_m.TOKEN_F1.judge(item("the", "a")).score == 0


def test_biomedgpt() -> None:
    judge = biomedgpt.EXACT.judge
    assert [judge(item(said, "Left Lung")).score for said in ("Left Lung\n", "left lung", "Left Lung.")] == [1, 0, 0]
    # VQA-RAD's gold answers are put in lower case and lose their tabs, the predictions do not.
    assert [judge(item(said, "Left\t Lung ", "vqa_rad")).score for said in ("left lung", "Left Lung")] == [1, 0]
