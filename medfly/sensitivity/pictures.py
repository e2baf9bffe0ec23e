"""Pictures changed in ways that leave what they show: brightness, contrast, inversion, zoom, shift, JPEG, mirror.

A picture is [H, W, 3] uint8 as `Scan.display` makes it, and is never changed in place; what comes out has the same
shape. Numpy and Pillow only; this module knows no scan and no question.

Borders: what a zoom out or a shift uncovers repeats the picture's outermost pixels. Black would draw an edge where a
picture is bright up to its border.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
from PIL import Image

from medfly.geometry import zoom_box

Edit = Callable[[np.ndarray], np.ndarray]
MIDDLE = 127.5
"""Of the 256 grey levels; contrast is spread about it."""


def levelled(picture: np.ndarray, brightness: float = 0.0, contrast: float = 1.0) -> np.ndarray:
    """Every value v becomes (v − 127.5) · contrast + 127.5 + 255 · brightness, rounded half up, cut off at 0 and 255.

    That is the display window made narrower by the factor and moved down by that share of its first width. What the
    window had cut off before stays cut off.
    """
    levels = (np.arange(256) - MIDDLE) * contrast + MIDDLE + 255 * brightness
    levels = np.floor(np.round(levels, 9) + 0.5)  # half to even would make one level of two at a shift by 25.5
    return np.clip(levels, 0, 255).astype(np.uint8)[picture]


def inverted(picture: np.ndarray) -> np.ndarray:
    """White for black: every value v becomes 255 − v."""
    return 255 - picture


def zoomed(picture: np.ndarray, factor: float) -> np.ndarray:
    """Enlarged about the centre, and cut or filled to the same size; see `medfly.geometry.zoom_box`.

    Pillow's bicubic filter, which widens where the picture becomes smaller.
    """
    height, width = picture.shape[:2]
    box = zoom_box(width, height, factor)
    margin = max(math.ceil(-min(box[0], box[1])), 0)
    filled = _bordered(picture, margin, margin)
    inside = tuple(edge + margin for edge in box)
    image = Image.fromarray(filled).resize((width, height), Image.Resampling.BICUBIC, box=inside)  # type: ignore[arg-type]
    return np.asarray(image)


def shifted(picture: np.ndarray, right: float, down: float) -> np.ndarray:
    """Moved by these shares of its width and height, rounded to whole pixels and at least one where they are not 0.

    Whole pixels: nothing is resampled, so that a flip comes from the place alone.
    """
    height, width = picture.shape[:2]
    x, y = _whole(right, width), _whole(down, height)
    filled = _bordered(picture, abs(y), abs(x))
    return filled[abs(y) - y : abs(y) - y + height, abs(x) - x : abs(x) - x + width].copy()


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    """Written as JPEG by Pillow at this quality (1 … 95, its default subsampling of colour) and read again."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=quality)
    with Image.open(stream) as image:
        return np.asarray(image.convert("RGB"))


def mirrored(picture: np.ndarray) -> np.ndarray:
    """Left for right."""
    return picture[:, ::-1].copy()


def is_grey(picture: np.ndarray) -> bool:
    """Whether its three channels are the same."""
    return bool((picture == picture[:, :, :1]).all())


def _whole(share: float, side: int) -> int:
    """That share of a side in whole pixels, away from 0."""
    pixels = round(abs(share) * side) if share else 0
    return int(math.copysign(max(pixels, 1), share)) if share else 0


def _bordered(picture: np.ndarray, rows: int, columns: int) -> np.ndarray:
    return np.pad(picture, ((rows, rows), (columns, columns), (0, 0)), mode="edge")
