"""The options of closed questions: stated cases, properties of made questions, and SLAKE's own golds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.protocols.exact import normalise
from medfly.trust.options import YES_NO, forms, options

SLAKE = Path("/work/shared/datasets/slake/train.json")
NAMES = st.sampled_from(["lung", "heart", "left kidney", "small bowel", "T1", "X-Ray", "upper left", "spleen"])
VERBS = st.sampled_from(["Is", "are", "Does", "Do", "Can", "has", "Was", "Is/Are", "Isn't", "Could"])


@pytest.mark.parametrize(
    "question, expected",
    [
        ("Is the lung healthy?", YES_NO),
        ("  does the picture\tcontain liver ", YES_NO),
        ("Are/Is there kidneys in the picture?", YES_NO),
        ("Can you see a fracture?", YES_NO),
        ("Which is bigger, the lung or the heart?", ("lung", "heart")),
        ("Which is the biggest in this image,lung,liver or heart?", ("lung", "liver", "heart")),
        ("Which type of modality is shown about this image, MRI, CT, or X-Ray?", ("MRI", "CT", "X-Ray")),
        ("Where is the spleen in this image, right or lower right?", ("right", "lower right")),
        ("Which is bigger in this image, heart , Heart or lung ?", ("heart", "lung")),
        ("Which is bigger in this image, heart or heart?", None),
        ("Is this a CT or an MRI?", None),
        ("Is the mass in the left/right lung?", None),
        ("Is there a mass, and where?", None),
        ("Is there a mass? Where is it?", None),
        ("Can you describe the heart?", None),
        ("Do you know what this is?", None),
        ("Have a look at the heart", None),
        ("Do tell me more", None),
        ("Which organ is abnormal?", None),
        ("What, if any, is left or right?", None),
        ("Which side is abnormal, left, right or neither?", None),
        ("Which organ is abnormal, heart or something else?", None),
        ("What is shown, the part of the lung that lies behind the heart or the liver?", None),
        ("Island of what?", None),
        ("Is", None),
        ("Is?", None),
        ("", None),
        ("图像中有肝脏吗？", None),
    ],
)
def test_stated_cases(question: str, expected: tuple[str, ...] | None) -> None:
    assert options(question) == expected


@given(
    st.lists(NAMES, min_size=2, max_size=4, unique=True), st.booleans(), st.booleans(), st.sampled_from(["", "the "])
)
def test_stated_alternatives_come_back_in_their_order(
    names: list[str], oxford: bool, spaced: bool, article: str
) -> None:
    listed = (", " if spaced else ",").join(article + name for name in names[:-1])
    tail = f"{listed}{',' if oxford else ''} or {article}{names[-1]}"
    assert options(f"Which is bigger in this image, {tail}?") == tuple(names)


@given(VERBS, st.lists(st.from_regex(r"[a-z]{2,8}", fullmatch=True), min_size=2, max_size=5))
def test_a_verb_first_is_yes_or_no_until_it_offers_alternatives(verb: str, words: list[str]) -> None:
    words = [f"x{word}" for word in words]  # none of them a word of grammar
    assert options(f"{verb} the {' '.join(words)}?") == YES_NO
    assert options(f"{verb} the {words[0]} or {' '.join(words[1:])}?") is None
    assert options(f"The {' '.join(words)}, {verb}?") is None


@given(st.text(max_size=80))
def test_any_text_is_read_and_options_stand_in_it(text: str) -> None:
    found = options(text)
    if found is not None and found != YES_NO:
        plain = " ".join(text.split())
        assert len(found) > 1 and all(option in plain for option in found)
        assert len({option.casefold() for option in found}) == len(found)


def test_forms_differ_in_capitals_only() -> None:
    assert forms("small bowel") == ("small bowel", "Small bowel", "Small Bowel")
    assert forms("CT") == ("CT",)


@pytest.mark.skipif(not SLAKE.is_file(), reason="SLAKE is not here")
def test_slakes_closed_questions_have_options_that_hold_the_answer() -> None:
    """Counted on the training split: 1,926 of 1,943 have options, and 3 of those an answer that is none of them."""
    rows = [row for row in json.loads(SLAKE.read_text("utf-8")) if row["q_lang"] == "en"]
    closed = [(options(row["question"]), row["answer"]) for row in rows if row["answer_type"] == "CLOSED"]
    told = [(found, answer) for found, answer in closed if found]
    held = [1 for found, answer in told if normalise(answer) in map(normalise, found)]
    assert (len(closed), len(told), len(held)) == (1943, 1926, 1923)
    open_ones = [row for row in rows if row["answer_type"] == "OPEN" and options(row["question"])]
    assert [row["answer"] for row in open_ones] == [""]
