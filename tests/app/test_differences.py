"""Two answers compared: words by hand, evidence against areas of rectangles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.comparing.differences import difference, shared_evidence
from medfly.geometry import Pyramid
from medfly.types import Answer, Evidence, Region

SIZE = (120, 80)
PYRAMID = Pyramid(*SIZE, 8, (2, 2), (6, 6))
CROPS = PYRAMID.crops()


def answer(scores: dict[int, float], text: str = "Yes", method: str = "m") -> Answer:
    """scores: by the crop's number among 1 + 4 + 36; all others 0."""
    regions = [Region(crop.level, crop.index, crop.box, scores.get(n, 0.0)) for n, crop in enumerate(CROPS)]
    return Answer("Q", text, 0.5, Evidence(method, tuple(regions)))


def test_words_and_evidence() -> None:
    found = difference(answer({1: 1.0}, "Left Lung"), answer({1: 1.0}, " left  lung."), SIZE)
    assert found.same and found.shared == pytest.approx(1.0)
    assert not difference(answer({1: 1.0}), answer({1: 1.0}, "No"), SIZE).same


def test_the_same_half_and_another_place() -> None:
    """Opposite corners share nothing; of two crops side by side, one in common is half."""
    first, last = 5, 40  # the high crops at the upper left and the lower right
    assert shared_evidence(answer({first: 1.0}), answer({last: 1.0}), SIZE) == pytest.approx(0.0, abs=1e-6)
    middle, far = 5 + 14, 5 + 35
    both = answer({middle: 1.0, far: 1.0})
    assert shared_evidence(answer({middle: 2.0}), both, SIZE) == pytest.approx(0.5, abs=1e-3)


def test_what_lies_everywhere_is_not_shared() -> None:
    """The low crop's share covers both pictures alike and would make any two maps look like one another."""
    left, right = answer({0: 50.0, 5: 1.0}), answer({0: 50.0, 40: 1.0})
    assert shared_evidence(left, right, SIZE) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("other", [Answer("Q", "Yes"), answer({}), answer({0: 3.0}), answer({5: 1.0}, method="n")])
def test_no_place_no_share(other: Answer) -> None:
    assert shared_evidence(answer({5: 1.0}), other, SIZE) is None
    assert shared_evidence(other, answer({5: 1.0}), SIZE) is None


scores = st.dictionaries(st.integers(1, 40), st.floats(0.1, 5.0), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None)
@given(scores, scores, st.floats(0.5, 20.0))
def test_a_share_is_symmetric_and_free_of_scale(one: dict[int, float], other: dict[int, float], factor: float) -> None:
    left, right = answer(one), answer(other)
    found = shared_evidence(left, right, SIZE)
    if found is None:
        return
    assert -1e-9 <= found <= 1 + 1e-9
    assert shared_evidence(right, left, SIZE) == pytest.approx(found)
    scaled = answer({number: factor * score for number, score in one.items()})
    assert shared_evidence(scaled, right, SIZE) == pytest.approx(found, abs=1e-4)
    assert shared_evidence(left, left, SIZE) == pytest.approx(1.0)
    assert np.isfinite(found)
