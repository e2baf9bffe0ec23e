"""The overlay adds up, is even-handed, and is the Gaussian that its module promises: against erf, not itself."""

from __future__ import annotations

import math

import numpy as np
import pytest

from medfly.evidence.overlay import overlay
from medfly.geometry import LEVELS, Pyramid
from medfly.types import Box, Region


def high(box: Box, score: float) -> Region:
    return Region("high", 0, box, score)


def all_crops(pyramid: Pyramid, seed: int) -> list[Region]:
    rng = np.random.default_rng(seed)
    crops = [pyramid.crop(level, index) for level in LEVELS for index in range(pyramid.count(level))]
    return [Region(crop.level, crop.index, crop.box, float(rng.normal())) for crop in crops]


def cumulative(x: np.ndarray, deviation: float) -> np.ndarray:
    return np.array([0.5 * (1 + math.erf(one / deviation / math.sqrt(2))) for one in x])


def smooth_side(start: float, end: float, length: int, deviation: float) -> np.ndarray:
    """An even side convolved with a Gaussian, at the pixels' centres: a difference of two cumulative normals."""
    x = np.arange(length) + 0.5
    return (cumulative(x - start, deviation) - cumulative(x - end, deviation)) / (end - start)


@pytest.mark.parametrize("size", [(96, 96), (501, 337), (7, 203), (40, 1)])
@pytest.mark.parametrize("seed", [0, 1])
def test_it_sums_to_the_positive_scores(size: tuple[int, int], seed: int) -> None:
    """With boxes on fractions of pixels, along every border, and smaller than a pixel."""
    regions = all_crops(Pyramid(*size, 16, (2, 2), (6, 6)), seed)
    found = overlay(regions, size)
    assert found.shape == (size[1], size[0]) and found.dtype == np.float32
    assert found.min() >= 0
    assert found.sum(dtype=float) == pytest.approx(sum(max(r.score, 0) for r in regions), rel=1e-5)


def test_two_boxes_far_from_the_border_are_two_gaussians_on_boxes() -> None:
    """Unequal sides, so that each axis has its own blur; the wider box is blurred as the narrower one."""
    first, second = (60.0, 100.0, 84.0, 130.0), (130.0, 90.5, 200.0, 170.25)
    found = overlay([high(first, 2.0), high(second, 0.5)], (260, 240))
    x, y = 24 / math.sqrt(12), 30 / math.sqrt(12)
    expected = np.zeros((240, 260))
    for (x0, y0, x1, y1), score in ((first, 2.0), (second, 0.5)):
        expected += score * np.outer(smooth_side(y0, y1, 240, y), smooth_side(x0, x1, 260, x))
    assert np.abs(found - expected).max() < 0.003 * expected.max()  # a pixel is a step, erf is not


def test_at_the_border_what_would_leave_comes_back() -> None:
    """A box in the corner: each axis is its own side plus its mirror image."""
    found = overlay([high((0.0, 0.0, 20.0, 20.0), 1.0)], (120, 100))
    deviation = 20 / math.sqrt(12)
    sides = []
    for length in (100, 120):
        sides.append(smooth_side(0, 20, length, deviation) + smooth_side(-20, 0, length, deviation))
    expected = np.outer(*sides)
    assert np.abs(found - expected).max() < 0.003 * expected.max()
    assert found.sum(dtype=float) == pytest.approx(1, rel=1e-5)


def test_it_is_symmetric() -> None:
    """Mirrored boxes make the mirrored map, along both axes and over the diagonal; sizes are odd."""
    width, height = 151, 101
    regions = all_crops(Pyramid(width, height, 16, (2, 2), (6, 6)), 3)
    found = overlay(regions, (width, height))
    for flip in ("x", "y", "diagonal"):
        mirrored = []
        for region in regions:
            x0, y0, x1, y1 = region.box
            box = {
                "x": (width - x1, y0, width - x0, y1),
                "y": (x0, height - y1, x1, height - y0),
                "diagonal": (y0, x0, y1, x1),
            }[flip]
            mirrored.append(high(box, region.score))
        size = (height, width) if flip == "diagonal" else (width, height)
        expected = {"x": found[:, ::-1], "y": found[::-1], "diagonal": found.T}[flip]
        np.testing.assert_allclose(overlay(mirrored, size), expected, atol=1e-5 * found.max())


def test_equal_crops_make_an_even_map() -> None:
    """A level whose crops all say the same says nothing about where: also at seams and borders."""
    pyramid = Pyramid(90, 72, 16, (2, 2), (6, 6))
    regions = [Region("high", i, pyramid.crop("high", i).box, 1.0) for i in range(36)]
    np.testing.assert_allclose(overlay(regions, (90, 72)), 36 / (90 * 72), rtol=1e-4)


def test_the_brightest_place_is_in_the_best_crop() -> None:
    pyramid = Pyramid(96, 96, 16, (2, 2), (6, 6))
    for crop in range(36):
        regions = [Region("high", i, pyramid.crop("high", i).box, 3.0 if i == crop else 1.0) for i in range(36)]
        y, x = np.unravel_index(int(overlay(regions, (96, 96)).argmax()), (96, 96))
        assert (y // 16, x // 16) == divmod(crop, 6)


def test_what_spoke_against_the_answer_leaves_no_trace() -> None:
    """Nor does the order; but the smallest crop sets the blur, whatever it said."""
    low, small = Region("low", 0, (0, 0, 60, 60), 1.0), high((10, 10, 20, 20), 0.5)
    against = high((40, 40, 50, 50), -9.0)
    expected = overlay([low, small], (60, 60))
    np.testing.assert_array_equal(overlay([against, small, low], (60, 60)), expected)
    assert not overlay([against], (60, 50)).any() and overlay([], (60, 50)).shape == (50, 60)


def test_a_box_outside_is_told() -> None:
    with pytest.raises(ValueError, match="from 60 to 70 on 50 pixels"):
        overlay([high((60, 0, 70, 10), 1.0)], (50, 50))
