"""All crops' scores as one smooth map in source pixels: where on the picture an answer came from.

Each positive score is spread evenly over its crop's box, so that the map adds up to the sum of the positive scores,
in their unit (nats); negative ones, which spoke against the answer, are left out. The boxes are known, what lies
inside them is not: the map is then blurred as far as it cannot know better, by a Gaussian whose standard deviation is
d / √12 along each axis, d the side of the smallest crop. An even box of that side, blurred so, varies by d²/6, as does
linear interpolation between the crops' centres (with which RISE makes its masks smooth; Petsiuk et al., 2018), but
without its kinks. At the picture's border the blur is reflected, so nothing is lost to the outside.

The module knows no model and no colours.

Shapes: n boxes, H rows, W columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from medfly.types import Region

SPREAD = 1 / math.sqrt(12)
"""The blur's standard deviation as a share of the smallest crop's side."""
REACH = 4.0
"""The Gaussian is cut off at so many standard deviations: 6e-5 of it lie beyond."""


def overlay(regions: Sequence[Region], size: tuple[int, int]) -> np.ndarray:
    """[H, W] float32, never negative, summing to the positive scores; all 0 without any.

    regions: of an Evidence, in any order, also some only: no crop takes notice of another's score. size: (width,
    height) of the scan, as `Scan.size`. Raises ValueError for a positive score whose box lies outside of the scan.
    """
    width, height = size
    positive = [region for region in regions if region.score > 0]
    if not positive:
        return np.zeros((height, width), np.float32)
    across, down = (
        _profiles(
            [(region.box[axis], region.box[axis + 2]) for region in positive],
            size[axis],
            SPREAD * min(region.box[axis + 2] - region.box[axis] for region in regions),
        )
        for axis in (0, 1)
    )
    # A box is the product of its sides and so is a Gaussian: two profiles of each box are all that is blurred.
    scores = np.array([region.score for region in positive])
    return ((down * scores[:, None]).T @ across).astype(np.float32)


def _profiles(sides: Sequence[tuple[float, float]], length: int, deviation: float) -> np.ndarray:
    """[n, length]: how each side's unit of score lies along its axis, blurred. Crops of one column share theirs."""
    kernel = _gaussian(deviation)
    known = {side: _blurred(_even(side, length), kernel) for side in set(sides)}
    return np.array([known[side] for side in sides])


def _even(side: tuple[float, float], length: int) -> np.ndarray:
    """The share of a side (start, end) that each pixel covers; pixel i covers [i, i + 1)."""
    pixels = np.arange(length)
    covered = (np.minimum(side[1], pixels + 1) - np.maximum(side[0], pixels)).clip(min=0)
    if not covered.sum() > 0:
        raise ValueError(f"a box from {side[0]} to {side[1]} on {length} pixels; expected one on the scan")
    return covered / covered.sum()


def _gaussian(deviation: float) -> np.ndarray:
    """[2 r + 1], sum 1."""
    radius = math.ceil(REACH * deviation)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / deviation) ** 2)
    return kernel / kernel.sum()


def _blurred(profile: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    # Mirrored at the outer edge of the outermost pixel: what a symmetric kernel carries out comes back in.
    return np.convolve(np.pad(profile, len(kernel) // 2, mode="symmetric"), kernel, mode="valid")
