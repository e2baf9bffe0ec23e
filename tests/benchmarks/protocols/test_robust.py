"""The "medfly" rule against answers judged by hand, and against what must not change a verdict."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.protocols.exact import normalised_exact_match
from benchmarks.protocols.robust import MEDFLY
from benchmarks.protocols.rule import Item

JUDGED = Path(__file__).parents[2] / "golden" / "judged_answers"

# Prediction → the rule's verdict, and why it cannot know better. Everything else in first.jsonl it has to agree with.
DISAGREEMENTS = {
    "The heart is enlarged.": ("unparsed", "the question says 'grown beyond its normal size'"),
    "It does show a granuloma, with epithelioid cells and a rim of lymphocytes.": (
        "unparsed",
        "asked was a well formed one; which adjectives may be left out is medicine",
    ),
    "Negative for fracture.": ("unparsed", "the question says 'broken'"),
    "The ventricles are of normal size.": ("unparsed", "that normal size is the opposite of dilated is medicine"),
    "None are enlarged.": ("unparsed", "what 'none' stands for is in the question's grammar"),
    "Based on the image, the distal radius shows a transverse fracture.": (
        "unparsed",
        "a transverse fracture is a fracture, but a lung cancer is no lung",
    ),
}


def verdict(question: str, answer: str, prediction: str) -> str:
    judged = MEDFLY.judge(Item(question, answer, None, prediction))
    assert judged.score in (0, 1)
    assert not (judged.score and judged.unparsed)
    return "right" if judged.score else "unparsed" if judged.unparsed else "wrong"


def judged_by_hand(half: str) -> tuple[Counter[tuple[str, str]], dict[str, str]]:
    """(verdict by hand, the rule's) → how many; and the rule's verdict on each prediction on which they disagree."""
    pairs = Counter[tuple[str, str]]()
    disagreements: dict[str, str] = {}
    for row in map(json.loads, (JUDGED / half).read_text(encoding="utf-8").splitlines()):
        found = verdict(row["question"], row["answer"], row["prediction"])
        pairs[row["verdict"], found] += 1
        if found != row["verdict"]:
            disagreements[row["prediction"]] = found
    return pairs, disagreements


def test_agreement_with_the_answers_that_the_rule_was_written_with() -> None:
    pairs, disagreements = judged_by_hand("first.jsonl")
    assert disagreements == {prediction: found for prediction, (found, _) in DISAGREEMENTS.items()}
    assert sum(pairs.values()) == 170
    assert pairs["wrong", "right"] == pairs["unparsed", "right"] == 0


def test_agreement_with_the_answers_that_its_author_did_not_see() -> None:
    """What the README beside them says; a rule that does worse is no better rule."""
    pairs, _ = judged_by_hand("second.jsonl")
    assert pairs == {
        ("right", "right"): 66,
        ("right", "wrong"): 6,
        ("right", "unparsed"): 3,
        ("wrong", "wrong"): 62,
        ("wrong", "unparsed"): 4,
        ("unparsed", "unparsed"): 25,
        ("unparsed", "wrong"): 3,
        ("unparsed", "right"): 1,
    }


# Written after the rule, by its author: what a reader that looks for words falls for.
@pytest.mark.parametrize(
    ("question", "answer", "prediction", "expected"),
    [
        ("Is there a fracture?", "yes", "Yes, there is no fracture.", "unparsed"),
        ("Is there a fracture?", "no", "No large fracture.", "unparsed"),
        ("Is there an effusion?", "no", "There is no mass, effusion or pneumothorax.", "right"),
        ("Is there an effusion on the left?", "yes", "There is an effusion on the right.", "unparsed"),
        ("Is there a mass?", "yes", "A mass cannot be excluded.", "unparsed"),
        ("Is there a mass?", "yes", '```json\n{"answer": "Yes"}\n```', "right"),
        ("Is there a mass?", "no", "I can't see a mass.", "right"),
        ("Is there a mass?", "yes", "It is.", "right"),
        ("Is there a mass?", "no", "I see no mass. However, there is a mass in the right lobe.", "unparsed"),
        ("Is there a mass?", "no", "No. There is a mass in the right lobe.", "unparsed"),
        ("Is there an abnormality?", "yes", "There is no abnormality.", "wrong"),
        ("Is the heart enlarged?", "yes", "The heart is visible.", "unparsed"),
        ("Is the heart enlarged?", "yes", "The liver is enlarged.", "unparsed"),
        ("Is the transverse colon in view?", "yes", "Colon, small bowel", "unparsed"),
        ("Is the right lung normal?", "no", "The right lung is abnormal.", "right"),
        ("Is the lung clear?", "yes", "The heart is not enlarged and the lung is clear.", "right"),
        ("Is the liver larger than the spleen?", "yes", "The liver is larger than the spleen.", "right"),
        ("Is the liver larger than the spleen?", "yes", "The spleen is larger than the liver.", "unparsed"),
        ("What organ is this?", "Lung", "Lung cancer", "wrong"),
        ("What organ is this?", "Lung", "Yes, the lung is seen in this image.", "right"),
        ("What organ is this?", "Lung", "It might be the lung or the heart.", "unparsed"),
        ("What organ is this?", "Lung", "The lung and the heart.", "wrong"),
        ("What organ is this?", "Lung", "<think>Not a lung?</think><answer>Lung</answer>", "right"),
        ("What organ is this?", "Lung", "Answer: heart\nExplanation: it lies beside the lung.", "wrong"),
        ("What is the diagnosis?", "Pneumonia", "Pneumonia-like picture", "wrong"),
        ("What is the diagnosis?", "Pneumonia", "Effusion rather than pneumonia", "wrong"),
        ("What is the diagnosis?", "Pneumonia", "Pneumonia cannot be ruled out.", "unparsed"),
        ("What disease is shown?", "Brain enhancing tumor", "Brain non-enhancing tumor", "wrong"),
        ("What disease is shown?", "None", "No disease is shown.", "right"),
        ("What disease is shown?", "None", "The disease shown is", "unparsed"),
        ("Where is the mass?", "Right lung", "Left lung. The right lung is clear.", "wrong"),
        ("Where is the mass?", "Left Lung, Right Lung", "Both lungs", "right"),
        ("Where is the mass?", "Right Lung, Left", "Left Lung, Right", "wrong"),
        ("Where in the lung is the mass?", "Lower Left Lung", "Lower left", "right"),
        ("Which is bigger, left kidney or spleen?", "Left Kidney", "Right kidney", "wrong"),
        ("Is it in the left or right lung?", "left", "The left lung.", "right"),
        ("Which is it? A) liver B) spleen", "A", "A) liver", "right"),
        ("Which is it? A) liver B) spleen", "liver", "B", "wrong"),
        ("Which is it? A) liver B) spleen", "A", "A) spleen", "wrong"),
        ("How many lungs are shown?", "2", "Twenty-two", "wrong"),
        ("How many lungs are shown?", "2", "About 2", "unparsed"),
        ("How many lungs are shown?", "0", "I have no idea.", "unparsed"),
        ("How wide is it?", "1.5 cm", "5 cm", "wrong"),
        ("How many cells are shown?", "1", "1,000", "wrong"),
        ("How wide is it?", "2 cm", "2", "unparsed"),
        ("是CT吗?", "是", "是或不是", "unparsed"),
        ("这张图片是正常的吗?", "不是", "不规则", "unparsed"),
        ("图中有肝脏吗?", "没有", "图中没有肝脏。", "right"),
        ("图中有哪些器官?", "肝脏、肺", "肝脏", "wrong"),
    ],
)
def test_by_hand(question: str, answer: str, prediction: str, expected: str) -> None:
    assert verdict(question, answer, prediction) == expected


ROWS = [json.loads(line) for line in (JUDGED / "first.jsonl").read_text(encoding="utf-8").splitlines()]
ENGLISH = st.sampled_from([row for row in ROWS if row["prediction"].isascii()])
PIECES = [
    "yes",
    "No",
    "not ",
    "abnormal",
    "1.5 cm",
    "two",
    ".",
    " ",
    "\n",
    "- ",
    "{",
    "}",
    '"answer":',
    "<answer>",
    "是",
]
TEXTS = st.text(max_size=30) | st.lists(st.sampled_from([*PIECES, " or ", "A)", "\\boxed{", "、", ":"])).map("".join)


@given(TEXTS, TEXTS.filter(bool), TEXTS)
def test_every_text_has_one_verdict(question: str, answer: str, prediction: str) -> None:
    assert verdict(question, answer, prediction) == verdict(question, answer, prediction)
    assert not normalised_exact_match(prediction, answer) or verdict(question, answer, prediction) == "right"


@given(ENGLISH, st.sampled_from(["  {}\n", "{}.", "**{}**", "Answer: {}", "<answer>{}</answer>"]), st.data())
def test_form_does_not_change_a_verdict(row: dict[str, str], form: str, data: st.DataObject) -> None:
    said = data.draw(st.sampled_from([row["prediction"], row["prediction"].lower(), row["prediction"].upper()]))
    expected = verdict(row["question"], row["answer"], row["prediction"])
    assert verdict(row["question"], row["answer"], form.format(said)) == expected


PHRASES = [row for row in ROWS if row["answer_type"] == "OPEN" and "\n" not in row["prediction"]]


@given(st.sampled_from(PHRASES), st.sampled_from(["a", "An", "The"]))
def test_articles_do_not_change_a_verdict(row: dict[str, str], article: str) -> None:
    expected = verdict(row["question"], row["answer"], row["prediction"])
    assert verdict(row["question"], row["answer"], f"{article} {row['prediction']}") == expected


def test_a_long_answer_takes_no_longer_than_its_length() -> None:
    begin = time.perf_counter()
    for piece in ("\n", " ", "<think>", "no "):
        for gold in ("yes", "2", "liver, spleen"):
            verdict("Is there a mass?", gold, piece * (20_000 // len(piece)) + "x")
    assert time.perf_counter() - begin < 20  # half a minute and more for one of them, were it quadratic


@given(st.sampled_from([row for row in ROWS if row["answer"].lower() in ("yes", "no")]) | st.none(), TEXTS)
def test_the_other_gold_answer_turns_the_verdict_round(row: dict[str, str] | None, text: str) -> None:
    question, said = (row["question"], row["prediction"]) if row else ("Is it so?", text)
    other = {"right": "wrong", "wrong": "right", "unparsed": "unparsed"}
    assert verdict(question, "Yes", said) == other[verdict(question, "No", said)]


FINDINGS = ["liver", "left kidney", "right kidney", "small bowel", "non-enhancing tumor", "T2", "lung cancer", "lungs"]


@given(
    st.lists(st.sampled_from(FINDINGS), min_size=1, unique=True), st.randoms(), st.sampled_from([", ", "; ", "\n- "])
)
def test_a_list_is_all_of_its_items_and_no_others_in_any_order(items: list[str], random, separator: str) -> None:
    question, gold = "What can be seen in this image?", ", ".join(items)
    shuffled = random.sample(items, len(items))
    assert verdict(question, gold, separator.join(shuffled)) == "right"
    assert verdict(question, gold, f"The image shows the {' and the '.join(shuffled)}.") == "right"
    assert verdict(question, gold, separator.join([*shuffled, "spleen"])) == "wrong"
    assert len(items) == 1 or verdict(question, gold, separator.join(shuffled[1:])) == "wrong"


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_numbers_are_compared_whole(gold: int, said: int) -> None:
    expected = "right" if gold == said else "wrong"
    assert verdict("How many are there?", str(gold), f"There are {said}.") == expected
