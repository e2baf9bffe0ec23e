"""Augmentation never turns left into right."""

from __future__ import annotations

import numpy as np
import pytest

from medfly.training.augmentation import Augmentation, Augmenter

STRONG = Augmentation(rotate=30, scale=0.3, shift=0.1, brightness=0.2, contrast=0.3)


def marked() -> np.ndarray:
    """Dark, with a bright spot left of the middle and a grey one above it."""
    picture = np.full((80, 100, 3), 20, np.uint8)
    picture[35:45, 20:30] = 250
    picture[10:18, 46:54] = 130
    return picture


def centre(picture: np.ndarray, low: int, high: int) -> tuple[float, float]:
    y, x = np.nonzero((picture[..., 0] >= low) & (picture[..., 0] <= high))
    return float(x.mean()), float(y.mean())


@pytest.mark.parametrize("seed", range(40))
def test_left_stays_left_and_up_stays_up(seed: int) -> None:
    geometry_only = Augmentation(rotate=30, scale=0.3, shift=0.0, brightness=0, contrast=0)
    changed = Augmenter(geometry_only)(marked(), seed)
    left, top = centre(changed, 240, 255), centre(changed, 120, 140)
    assert left[0] < 50 and top[1] < 40
    # no mirror image: from the top mark, the left mark lies counter-clockwise about the middle
    a, b = np.array(top) - (50, 40), np.array(left) - (50, 40)
    assert a[0] * b[1] - a[1] * b[0] < 0


def test_same_seed_same_picture_other_seed_other() -> None:
    augmenter = Augmenter(STRONG)
    first = augmenter(marked(), 7)
    np.testing.assert_array_equal(first, augmenter(marked(), 7))
    np.testing.assert_array_equal(first, Augmenter(STRONG)(marked(), 7))
    assert (first != augmenter(marked(), 8)).any()


def test_shape_type_and_input_are_kept() -> None:
    picture = marked()
    picture[..., 2] = 7  # colour
    before = picture.copy()
    changed = Augmenter(STRONG)(picture, 1)
    assert changed.shape == picture.shape and changed.dtype == np.uint8
    np.testing.assert_array_equal(picture, before)
    grey = Augmenter(STRONG)(marked(), 1)
    assert (grey[..., 0] == grey[..., 2]).all()


def test_no_change_at_zero() -> None:
    nothing = Augmentation(rotate=0, scale=0, shift=0, brightness=0, contrast=0)
    difference = Augmenter(nothing)(marked(), 3).astype(int) - marked()
    assert abs(difference).max() <= 1


@pytest.mark.parametrize("wrong", [{"rotate": 90}, {"scale": 0.5}])
def test_what_could_break_left_and_right_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="expected 0 to"):
        Augmentation(**wrong)
