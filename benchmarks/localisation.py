"""How well a map or a ranking of crops finds an area: pointing game, energy, IoU of the best crop; and a random pixel.

Pure geometry and numpy: it knows no question, no data set and no model.
- pointing game: the map's maximum lies in the area (Zhang et al., "Top-down Neural Attention by Excitation Backprop",
  IJCV 126, 2018), without their tolerance of 15 pixels. Where several pixels share the maximum, the share of them
  that lies in it: the expected hit of one of them drawn at random.
- energy: the share of the map that lies in the area (Wang et al., "Score-CAM", CVPR workshops 2020).
- IoU: of the area with the best medium or the best high crop, whichever fits better.

Shapes: H rows, W columns. Boxes in source pixels, half-open; a pixel belongs to a box by its centre.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from medfly.evidence.overlay import overlay
from medfly.types import Box, Level, Region

PRIOR_WIDTH = 0.25
"""The centre prior's standard deviation, as a share of the image's width along x and of its height along y."""
TOP_LEVELS: tuple[Level, ...] = ("medium", "high")
MAP = "medfly.evidence.overlay: positive scores, each spread over its crop, smoothed"
MEASURES = ("pointing", "energy", "iou")


def saliency(regions: Sequence[Region], size: tuple[int, int]) -> np.ndarray:
    """[H, W] float64, never negative: the map that is judged. size: (width, height).

    The one place to put another; change MAP with it.
    """
    return overlay(regions, size).astype(np.float64)


def centre_prior(size: tuple[int, int]) -> np.ndarray:
    """[H, W]: a Gaussian centred on the image, PRIOR_WIDTH of each side wide. size: (width, height)."""
    across, down = _prior_sides(size)
    return down[:, None] * across[None]


def _prior_sides(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The prior is the product of these two: [W] and [H]."""
    across, down = (np.exp(-((((np.arange(n) + 0.5) / n - 0.5) / PRIOR_WIDTH) ** 2) / 2) for n in size)
    return across, down


def area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def cover(box: Box, size: tuple[int, int]) -> np.ndarray:
    """[H, W] in 0 … 1: how much of each pixel [i, i + 1) lies in the box. Edges of crops fall between pixels."""
    across, down = _cover_sides(box, size)
    return down[:, None] * across[None]


def _cover_sides(box: Box, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """`cover` is the product of these two: [W] and [H]."""
    across, down = (
        np.clip(np.minimum(np.arange(side) + 1, high) - np.maximum(np.arange(side), low), 0, 1)
        for low, high, side in ((box[0], box[2], size[0]), (box[1], box[3], size[1]))
    )
    return across, down


def mask_of(boxes: Iterable[Box], size: tuple[int, int]) -> np.ndarray:
    """[H, W] bool: pixels whose centre lies in any of the boxes."""
    mask = np.zeros((size[1], size[0]), bool)
    x, y = np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5
    for x0, y0, x1, y1 in boxes:
        mask |= ((y >= y0) & (y < y1))[:, None] & ((x >= x0) & (x < x1))[None]
    return mask


def pointing(saliency_map: np.ndarray, mask: np.ndarray) -> float:
    """The share of the map's maximal pixels that lies in the mask. A flat map gives the mask's share of the image."""
    return float(mask[saliency_map == saliency_map.max()].mean())


def energy(saliency_map: np.ndarray, mask: np.ndarray) -> float:
    """The share of the map, which has no negative values, in the mask; of a map of zeros as of any flat one."""
    total = saliency_map.sum()
    return float(saliency_map[mask].sum() / total) if total > 0 else float(mask.mean())


def iou(box: Box, mask: np.ndarray) -> float:
    """Intersection over union of a box within the image and a mask."""
    across, down = _cover_sides(box, (mask.shape[1], mask.shape[0]))
    columns, rows = across.nonzero()[0], down.nonzero()[0]  # of a small crop most are 0
    x, y = slice(columns[0], columns[-1] + 1), slice(rows[0], rows[-1] + 1)
    both = float(down[y] @ mask[y, x] @ across[x])
    return both / (area(box) + float(mask.sum()) - both)


def top_iou(regions: Sequence[Region], mask: np.ndarray) -> float:
    """The better IoU of the two best crops, medium and high; of crops that tie for the best, the expected value.

    Taking the better of two flatters any ranking: compare with the same of another. Crops that all tie are chance.
    Raises ValueError where there is neither a medium nor a high crop.
    """
    tops = [[iou(region.box, mask) for region in _tied(regions, level)] for level in TOP_LEVELS]
    tops = [values for values in tops if values]
    if not tops:
        raise ValueError("medium or high crops expected, got none")
    better = np.asarray(tops[0])
    for values in tops[1:]:
        better = np.maximum.outer(better, values).ravel()
    return float(better.mean())


def _tied(regions: Sequence[Region], level: Level) -> list[Region]:
    ranked = [region for region in regions if region.level == level]
    best = max((region.score for region in ranked), default=0.0)
    return [region for region in ranked if np.isclose(region.score, best, rtol=1e-9, atol=0)]


def measure(regions: Sequence[Region], boxes: Sequence[Box], size: tuple[int, int]) -> dict[str, Any]:
    """share of the image, and subject → measure → value for one answer's evidence; all in 0 … 1.

    Chance's pointing and energy are the share of the image, exactly; its IoU is that of one medium and
    one high crop drawn from those that have a score.
    Raises ValueError where the boxes hold no pixel's centre.
    """
    mask = mask_of(boxes, size)
    share = float(mask.mean())
    if not share:
        raise ValueError(f"boxes with a pixel in them expected, got {list(boxes)}")
    found, prior = saliency(regions, size), centre_prior(size)
    central = [_scored(region, _prior_within(region.box, size)) for region in regions]
    whole = iou((0.0, 0.0, float(size[0]), float(size[1])), mask)
    return {
        "share": share,
        "model": _three(pointing(found, mask), energy(found, mask), top_iou(regions, mask)),
        "centre": _three(pointing(prior, mask), energy(prior, mask), top_iou(central, mask)),
        "random": _three(share, share, top_iou([_scored(region, 0.0) for region in regions], mask)),
        "low": _three(share, share, whole),
    }


def _prior_within(box: Box, size: tuple[int, int]) -> float:
    """The centre prior's mean over the box."""
    (across, down), (prior_across, prior_down) = _cover_sides(box, size), _prior_sides(size)
    return float((across @ prior_across) * (down @ prior_down)) / area(box)


def _scored(region: Region, score: float) -> Region:
    return Region(region.level, region.crop, region.box, score)


def _three(*values: float) -> dict[str, float]:
    # A sum of a million shares may end a rounding error over 1, where an interval refuses it.
    return {name: min(value, 1.0) for name, value in zip(MEASURES, values, strict=True)}
