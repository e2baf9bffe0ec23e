"""An answer's smooth map of evidence, laid over the picture as colour. Numpy and Pillow only.

What lies evenly over the whole picture, such as the low crop's share, points nowhere: the colour shows what a place has
beyond the map's lowest value, and its legend tells how much that leaves out. The scale reaches from there to the map's
highest value, but at least over as much as an even spread would give each pixel, so that a map which is nearly even
stays pale: scaled to its own peak, it would look as certain as any other.

The colours are five of matplotlib's "plasma" (S. van der Walt, N. Smith, 2015): lightness grows evenly, so that it can
be read with every common colour vision and in grey; and blue to yellow, without grey, stands out on a grey scan. Their
opacity grows with the value, so that where there is no evidence the scan is as it was. The module knows no model.

Shapes: H rows, W columns of the source.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from medfly import wording
from medfly.drawing.letters import Colour
from medfly.evidence.overlay import overlay
from medfly.types import Answer

PLASMA: tuple[Colour, ...] = ((13, 8, 135), (126, 3, 168), (204, 71, 120), (248, 149, 64), (240, 249, 33))
OPACITY = 0.6
"""Of the colour where the map is highest; in proportion below."""
LEAST = 0.05
"""A map whose highest and lowest values are no further apart, in even spreads, points to no place."""
PLATEAU = 1e-3
"""Of the highest value: what is as near to it counts as highest too."""


@dataclass(frozen=True)
class Spread:
    """Where a map's sum lies. peak: its highest value, in times an even spread. nowhere: the share of the sum that is
    spread evenly over the whole picture, 0 … 1: the map's lowest value, in times an even spread."""

    peak: float
    nowhere: float

    @property
    def placed(self) -> bool:
        """Whether the map points anywhere."""
        return self.peak - self.nowhere > LEAST

    @property
    def ends(self) -> tuple[float, float]:
        """What the scale's two ends stand for, in times an even spread."""
        return self.nowhere, max(self.peak, self.nowhere + 1)

    @property
    def line(self) -> str:
        """The legend in words."""
        return wording.heat_line(self.peak if self.placed else None, self.nowhere)


def answer_map(answer: Answer, picture: np.ndarray) -> np.ndarray:
    """[H, W] float32: the answer's evidence in the pixels of the picture (see `overlay`); all 0 without any."""
    regions = () if answer.evidence is None else answer.evidence.regions
    return overlay(regions, (picture.shape[1], picture.shape[0]))


def spread(shares: np.ndarray) -> Spread | None:
    """How a map [H, W], never negative, is spread; None where it is 0 everywhere."""
    mean = float(shares.mean(dtype=np.float64))
    return Spread(float(shares.max()) / mean, float(shares.min()) / mean) if mean > 0 else None


def strength(shares: np.ndarray) -> np.ndarray | None:
    """[H, W] float32 in 0 … 1, how strongly a map colours each pixel (see the module's text); None for a map that
    points to no place."""
    found = spread(shares)
    if found is None or not found.placed:
        return None
    low, high = found.ends
    return ((shares / shares.mean(dtype=np.float64) - low) / (high - low)).clip(0, 1).astype(np.float32)


def heat(
    picture: np.ndarray, shares: np.ndarray, opacity: float = OPACITY, *, scale: float = 1.0, aspect: float = 1.0
) -> Image.Image:
    """The picture, enlarged by `scale`, with the map as colour over it and a cross where it is highest.

    picture: [H, W, 3] uint8, never changed. shares: [H, W], never negative, as `overlay` makes it; only its proportions
    count. opacity: 0 … 1, where the map is highest. aspect: height of a source pixel over its width. A map that points
    to no place (see `Spread.placed`) draws nothing. Raises ValueError for a map of another size.
    """
    height, width = picture.shape[:2]
    if shares.shape != (height, width):
        raise ValueError(f"a map of {shares.shape} for a picture of {(height, width)}; expected the same size")
    canvas = max(round(width * scale), 1), max(round(height * aspect * scale), 1)
    image = Image.fromarray(picture)
    image = image.resize(canvas, Image.Resampling.BICUBIC) if canvas != image.size else image.copy()
    found = strength(shares)
    if found is None:
        return image
    enlarged = Image.fromarray(found).resize(canvas, Image.Resampling.BILINEAR)
    image = Image.fromarray(_blend(np.asarray(image), np.asarray(enlarged), opacity))
    column, row = peak_pixel(shares)
    _cross(image, (column + 0.5) * canvas[0] / width, (row + 0.5) * canvas[1] / height)
    return image


def peak_pixel(shares: np.ndarray) -> tuple[int, int]:
    """(column, row) of the highest value; where a plateau is highest, of the pixel of it nearest to its middle."""
    top = np.argwhere(shares >= shares.max() * (1 - PLATEAU))
    row, column = top[((top - top.mean(axis=0)) ** 2).sum(axis=1).argmin()]
    return int(column), int(row)


def colours(values: np.ndarray) -> np.ndarray:
    """Values in 0 … 1 of any shape as [..., 3] float64 colours, 0 … 255."""
    steps = np.linspace(0, 1, len(PLASMA))
    return np.stack([np.interp(values, steps, channel) for channel in np.transpose(PLASMA)], axis=-1)


def ramp(width: int, height: int, ground: int = 90, opacity: float = OPACITY) -> Image.Image:
    """The scale from none to most, left to right, over an even grey as of a scan."""
    rising = np.broadcast_to(np.linspace(0, 1, width, dtype=np.float32), (height, width))
    return Image.fromarray(_blend(np.full((height, width, 3), ground), rising, opacity))


def _blend(values: np.ndarray, strength: np.ndarray, opacity: float) -> np.ndarray:
    share = opacity * strength[..., None]
    return np.rint(values * (1 - share) + colours(strength) * share).astype(np.uint8)


def _cross(image: Image.Image, x: float, y: float) -> None:
    """A white cross in a black outline, to be seen on every ground."""
    arm = max(max(image.size) / 40, 4)
    thin = max(round(max(image.size) / 250), 1)
    draw = ImageDraw.Draw(image)
    for colour, width, more in (((0, 0, 0), 3 * thin, thin), ((255, 255, 255), thin, 0)):
        draw.line((x - arm - more, y, x + arm + more, y), colour, width)
        draw.line((x, y - arm - more, x, y + arm + more), colour, width)
