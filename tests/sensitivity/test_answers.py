"""When two answers are the same: against the harness's own rule, and by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.protocols.exact import normalised_exact_match
from medfly.sensitivity import exchange_sides, normalised, said_of_original, same_answer

PIECES = st.lists(
    st.sampled_from(["the ", "A", "an ", " left", "Lung", ",", ", ", ".", "…", "?", " ", "Ｘ", "ß", "no"])
)
texts = st.one_of(st.text(), PIECES.map("".join))


@given(texts, st.sampled_from([str.upper, str.lower, str.swapcase, lambda t: f" {t}\t", lambda t: t + "."]))
def test_what_the_harness_takes_as_equal_is_the_same_answer(text: str, changed) -> None:
    other = changed(text)
    if normalised_exact_match(text, other):
        assert same_answer(text, other)


@given(texts)
def test_normalised_is_normalised(text: str) -> None:
    once = normalised(text)
    assert same_answer(text, text) and same_answer(text + " . ", text)
    assert once == once.strip() and once == once.lower()


@pytest.mark.parametrize(
    "one, other, same",
    [
        ("The lung", "lung.", True),
        ("An  MRI", "mri", True),
        ("Liver,Heart", "liver , heart", True),
        ("A", "the", False),  # an article alone is no article
        ("Hepatitis A", "hepatitis", False),
        ("No", "None", False),
        ("Heart, Liver", "Liver, Heart", False),  # no meaning is known
        ("", ".", True),
        ("Theatre", "atre", False),
    ],
)
def test_the_same_or_not(one: str, other: str, same: bool) -> None:
    assert same_answer(one, other) is same


@given(st.text())
def test_sides_exchanged_twice_are_the_text(text: str) -> None:
    for some in (text, f"Left {text} right LEFT"):
        assert exchange_sides(exchange_sides(some)) == some


@pytest.mark.parametrize(
    "text, other",
    [
        ("Left Lung, Right", "Right Lung, Left"),
        ("the leftmost, LEFT-sided; rightward", "the rightmost, RIGHT-sided; leftward"),
        ("左肺", "右肺"),
        ("bright copyright cleft leftover", "bright copyright cleft leftover"),
    ],
)
def test_sides(text: str, other: str) -> None:
    assert exchange_sides(text) == other
    assert said_of_original("sides", text) == other
    assert said_of_original("zoom", text) == text
