"""Paraphrases by hand, and what holds for all of them; questions that a change would change the answer of."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfly.sensitivity.questions import (
    asks_about_greys,
    asks_about_quality,
    asks_for_a_measure,
    knows_its_side,
    paraphrases,
)


@pytest.mark.parametrize(
    "question, expected",
    [
        (
            "Is there a liver in this image?",
            {
                "small letters": "is there a liver in this image?",
                "question mark": "Is there a liver in this image",
                "image or picture": "Is there a liver in this picture?",
                "the for this": "Is there a liver in the image?",
                "can be seen": "Can a liver be seen in this image?",
            },
        ),
        (
            "What is the MRI weighting of T2 X-Ray?",
            {
                "small letters": "what is the MRI weighting of T2 X-Ray?",
                "question mark": "What is the MRI weighting of T2 X-Ray",
                "what's": "What's the MRI weighting of T2 X-Ray?",
            },
        ),
        ("is it healthy", {"question mark": "is it healthy?"}),
        ("describe it", {}),
        ("Größe?", {}),
        ("肝脏正常吗？", {}),
        ("", {}),
        ("?", {}),  # without its mark there would be no question
    ],
)
def test_all_of_a_question(question: str, expected: dict[str, str]) -> None:
    assert dict(paraphrases(question)) == expected


@pytest.mark.parametrize(
    "template, question, said",
    [
        ("can be seen", "Does the picture contain spinal cord?", "Can spinal cord be seen in the picture?"),
        ("can be seen", "Does the larynx appear in the image?", "Can the larynx be seen in the image?"),
        ("can be seen", "Can a small nodule be seen in the scan?", "Is there a small nodule in the scan?"),
        (
            "can be seen",
            "Can mass be observed on the left lung in this picture?",
            "Can mass be seen on the left lung in this picture?",
        ),
        ("image or picture", "Is this an image?", "Is this a picture?"),
        ("image or picture", "Is this a picture?", "Is this an image?"),
        ("image for scan", "What is wrong in this scan?", "What is wrong in this image?"),
        ("what's", "Where is the liver?", "Where's the liver?"),
    ],
)
def test_a_template(template: str, question: str, said: str) -> None:
    assert dict(paraphrases(question))[template] == said


@pytest.mark.parametrize(
    "template, question",
    [
        ("can be seen", "Is there no nodule in this image?"),
        ("can be seen", "Is there a nodule?"),  # it may be there and not be seen
        ("can be seen", "Is there a nodule or a mass in this image?"),
        ("can be seen", "Is there a sign of stroke in this image?"),
        ("can be seen", "Can the patient be observed at home?"),
        ("can be seen", "Can a nodule clearly be seen in this image?"),
        ("can be seen", "Does the picture contain the organ that could be used for digestion?"),
        ("can be seen", "Does the heart appear enlarged in this image?"),
        ("image or picture", "Does the clinical picture fit?"),
        ("image or picture", "Is ultrasound good to image the liver?"),
        ("image or picture", "Is this a mirror image?"),
        ("image or picture", "What imaging modality is pictured?"),
        ("image or picture", "What is the image quality?"),
        ("image for scan", "What is this scan plane?"),
        ("image for scan", "Should we scan?"),
        ("the for this", "Is this image-guided?"),
        ("what's", "What is cancer?"),
    ],
)
def test_no_template_where_the_meaning_is_not_sure(template: str, question: str) -> None:
    assert template not in dict(paraphrases(question))


WORDS = ["Is there", "a", "the", "an", "this", "image", "picture", "scan", "in", "Can", "be seen", "What is", "Does"]
WORDS += ["contain", "CT", "T2", "left", "?", "no", "nodule", ".", ","]
questions = st.one_of(st.text(), st.lists(st.sampled_from(WORDS)).map(" ".join))


@given(questions)
def test_paraphrases_differ_from_the_question_and_from_each_other(question: str) -> None:
    said = [text for _, text in paraphrases(question)]
    names = [name for name, _ in paraphrases(question)]
    assert len({*said, " ".join(question.split())}) == len(said) + 1 and len(set(names)) == len(names)
    for text in said:
        assert text.strip() and "  " not in text
        # what names a side, a number or a sequence is the same in all
        marked = re.compile(r"\b(?:left|right|[A-Z]*\d\w*|CT|MRI)\b")
        assert marked.findall(text) == marked.findall(question)


def test_a_long_question_takes_no_time() -> None:
    began = time.perf_counter()
    for word in ("a", "a-", "a ", "can be observed "):
        paraphrases("Is there a " + word * 5_000 + " in this image?")
        knows_its_side(word * 5_000)
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize(
    "rule, yes, no",
    [
        (asks_about_greys, "What color is the lung? Which MR weighting? Is it hyperdense?", "Is the heart big?"),
        (asks_about_greys, "Is this T2?", "Where is T12?"),
        (asks_about_greys, "肝脏是什么颜色？密度", "肝脏在哪里？"),
        (asks_for_a_measure, "How large is the nodule? 5 mm? In pixels?", "What is the largest organ?"),
        (asks_about_quality, "Is the image noisy? Is the quality good?", "Is the heart normal?"),
        (knows_its_side, "Is there situs inversus? Is it RUL? What does the marker say?", "Where is the left lung?"),
        (knows_its_side, "What is left? Is that right now so?", "Is the right lung or the left lobe abnormal?"),
    ],
)
def test_rules(rule, yes: str, no: str) -> None:
    assert not rule(no)
    for question in yes.split("? "):
        assert rule(question + "?"), question
