"""Normalised exact match against hand-made pairs and against what its four rules promise."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.protocols.exact import NORMALISED, STRICT, normalise, normalised_exact_match
from benchmarks.protocols.rule import Item


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yes", "yes"),
        (" Yes. ", "yes"),
        ("yes .", "yes"),
        ("etc..", "etc."),
        ("Transverse  Plane", "transverse plane"),
        ("left\n\tlung", "left lung"),
        ("left lung", "left lung"),  # no-break space
        ("ＣＴ", "ct"),  # full-width
        ("ﬁbula", "fibula"),  # ligature
        ("T₂", "t2"),
        ("Röntgen", "röntgen"),  # combining diaeresis
        ("1.5", "1.5"),
        (".", ""),
        ("", ""),
        ("the lung", "the lung"),  # articles are not forgiven
        ("X-Ray", "x-ray"),
        ("yes!", "yes!"),
    ],
)
def test_normalise_by_hand(text: str, expected: str) -> None:
    assert normalise(text) == expected


@pytest.mark.parametrize(
    ("prediction", "gold", "match"),
    [
        ("Lung.", "lung", True),
        ("brain edema, brain tumor", "Brain Edema,  Brain Tumor", True),
        ("Brain Tumor, Brain Edema", "Brain Edema, Brain Tumor", False),  # the order counts
        ("Yes, it is", "Yes", False),
        ("abnormal", "no", False),
        ("two", "2", False),
        ("", "yes", False),
    ],
)
def test_match_by_hand(prediction: str, gold: str, match: bool) -> None:
    assert normalised_exact_match(prediction, gold) is match


@given(st.text())
def test_result_is_folded(text: str) -> None:
    result = normalise(text)
    assert result == result.lower() == result.strip()
    assert result == " ".join(result.split())


@given(st.text())
def test_unicode_composition_is_forgiven(text: str) -> None:
    assert normalised_exact_match(unicodedata.normalize("NFD", text), unicodedata.normalize("NFC", text))


@given(st.text(alphabet="abcXYZ019 -,", min_size=1), st.sampled_from([" ", "\t", "\n ", " "]))
def test_case_white_space_and_one_stop_are_forgiven(text: str, blank: str) -> None:
    assert normalised_exact_match(blank + text.swapcase().replace(" ", blank + blank) + "." + blank, text)


@given(st.text(alphabet="abc", min_size=1), st.text(alphabet="abc", min_size=1))
def test_different_words_never_match(a: str, b: str) -> None:
    assert normalised_exact_match(a, b) == (a == b)
    assert not normalised_exact_match(f"{a} {b}", a)


@pytest.mark.parametrize(("prediction", "strict", "normalised"), [("Yes", 1, 1), ("yes.", 0, 1), ("Yes, it is", 0, 0)])
def test_rules(prediction: str, strict: float, normalised: float) -> None:
    item = Item("", "Yes", "CLOSED", prediction)
    assert (STRICT.judge(item).score, NORMALISED.judge(item).score) == (strict, normalised)
