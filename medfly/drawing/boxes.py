"""Boxes and crops on a picture: which parts an answer looked at. Numpy and Pillow only.

A picture is [H, W, 3] uint8 as `Scan.display` makes it and is never changed; boxes are source pixels, x right,
y down, half-open (medfly.types.Box). This module knows no scan and no model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from medfly.drawing.letters import BACKGROUND, Colour, sized_font
from medfly.types import Answer, Box, Level, Region

LEVEL_COLOURS: dict[Level, Colour] = {  # told apart with every common colour vision
    "low": (160, 170, 184),
    "medium": (255, 190, 60),
    "high": (64, 200, 255),
}
DIMMED = 0.6
"""Brightness of what no drawn box covers."""


def canvas_box(box: Box, source: tuple[int, int], canvas: tuple[int, int]) -> tuple[int, int, int, int]:
    """A box of the source as whole canvas pixels, half-open, at least one pixel a side, within the canvas.

    source, canvas: (width, height).
    """
    edges = []
    for axis in (0, 1):
        factor = canvas[axis] / source[axis]
        first = min(max(round(box[axis] * factor), 0), canvas[axis] - 1)
        edges.append((first, min(max(round(box[axis + 2] * factor), first + 1), canvas[axis])))
    return edges[0][0], edges[1][0], edges[0][1], edges[1][1]


def highlight(
    picture: np.ndarray,
    regions: Sequence[Region],
    *,
    scale: float = 1.0,
    aspect: float = 1.0,
    stroke: int = 3,
    labels: bool = True,
) -> Image.Image:
    """The picture, enlarged by `scale`, with the regions' boxes in their level's colour and the rest dimmed.

    aspect: height of a source pixel over its width; the drawing's own pixels are square.
    regions: best first; each is labelled with its rank from 1. An outline lies inside its box: its outermost
    pixels are the first and the last of the box. Without regions nothing is dimmed.
    """
    height, width = picture.shape[:2]
    canvas = max(round(width * scale), 1), max(round(height * aspect * scale), 1)
    image = Image.fromarray(picture)
    if canvas != image.size:
        image = image.resize(canvas, Image.Resampling.BICUBIC)
    if not regions:
        return image.copy()
    boxes = [canvas_box(region.box, (width, height), canvas) for region in regions]
    values = np.array(image)  # a copy: the caller's picture stays as it is
    outside = np.ones(values.shape[:2], dtype=bool)
    for x0, y0, x1, y1 in boxes:
        outside[y0:y1, x0:x1] = False
    values[outside] = np.rint(values[outside] * DIMMED).astype(np.uint8)
    image = Image.fromarray(values)
    draw = ImageDraw.Draw(image)
    for region, (x0, y0, x1, y1) in reversed(list(zip(regions, boxes, strict=True))):  # the best lies on top
        thick = min(stroke, max((min(x1 - x0, y1 - y0)) // 2, 1))
        draw.rectangle((x0, y0, x1 - 1, y1 - 1), outline=LEVEL_COLOURS[region.level], width=thick)
    if labels:
        _label(draw, regions, boxes)
    return image


def _label(draw: ImageDraw.ImageDraw, regions: Sequence[Region], boxes: Sequence[tuple[int, int, int, int]]) -> None:
    """The rank in a corner of each box that no better box has taken; none where the box has no room for it."""
    taken: list[tuple[int, int]] = []
    for rank, (region, (x0, y0, x1, y1)) in enumerate(zip(regions, boxes, strict=True), 1):
        side = min(26, max(min(x1 - x0, y1 - y0) // 3, 12))
        if min(x1 - x0, y1 - y0) < side:
            continue
        corners = [(x0, y0), (x1 - side, y0), (x0, y1 - side), (x1 - side, y1 - side)]
        free = [(x, y) for x, y in corners if all(abs(x - a) >= side or abs(y - b) >= side for a, b in taken)]
        x, y = (free or corners)[0]
        taken.append((x, y))
        draw.rectangle((x, y, x + side - 1, y + side - 1), fill=LEVEL_COLOURS[region.level])
        middle = x + side / 2, y + side / 2
        draw.text(middle, str(rank), font=sized_font(side * 0.75), fill=BACKGROUND, anchor="mm")


def fitted(picture: np.ndarray, side: int, aspect: float = 1.0) -> float:
    """The `scale` at which `highlight` draws the picture with its longer side `side` pixels."""
    return side / max(picture.shape[1], picture.shape[0] * aspect)


def crop_picture(picture: np.ndarray, region: Region, size: int, aspect: float = 1.0) -> Image.Image:
    """One crop on its own, its longer side `size` pixels. aspect: see `highlight`.

    It is cut out of the enlarged whole, as for the model: its outermost pixels blend with what lies beyond them.
    """
    x0, y0, x1, y1 = region.box
    factor = size / max(x1 - x0, (y1 - y0) * aspect)
    target = max(round((x1 - x0) * factor), 1), max(round((y1 - y0) * aspect * factor), 1)
    return Image.fromarray(picture).resize(target, Image.Resampling.BICUBIC, box=region.box)


def shown_regions(answer: Answer, medium: int = 1, high: int = 2) -> tuple[Region, ...]:
    """The crops that are worth showing, best first: so many of each level that points somewhere.

    A score is a sum over the crop's pixels, so that in one ranking the larger medium crops would hide the high ones.
    """
    if answer.evidence is None:
        return ()
    best = answer.evidence.top(medium, "medium") + answer.evidence.top(high, "high")
    return tuple(sorted(best, key=lambda region: -region.score))
