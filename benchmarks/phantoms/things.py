"""What can be planted: nodules, a catheter, a pacemaker, a side marker. Each knows its own pixels and nothing else.

Lengths and places in source pixels, x to the right, y down, pixel centres at i + 0.5. Boxes are half-open.
Shapes: S side of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, ClassVar, Literal

import numpy as np

from benchmarks.phantoms.anatomy import pixel_centres

Kind = Literal["nodule", "catheter", "pacemaker", "marker"]
IntBox = tuple[int, int, int, int]
METAL = 0.97
LETTERS = {
    "L": ("10000", "10000", "10000", "10000", "10000", "10000", "11111"),
    "R": ("11110", "10001", "10001", "11110", "10100", "10010", "10001"),
}
"""Drawn by hand, so that no font's version changes a picture."""


@dataclass(frozen=True)
class Thing:
    """Something planted. Of one kind it says where it may reach to, and how much of each pixel there it takes."""

    kind: ClassVar[Kind]

    def reach(self) -> tuple[float, float, float, float]:
        """A box that holds all of it, not always the smallest."""
        raise NotImplementedError

    def covered(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """[h, w] in 0 … 1 at pixel centres x [1, w], y [h, 1]; exactly 0 where it is not."""
        raise NotImplementedError

    def coverage(self, size: int) -> np.ndarray:
        """[S, S]: `covered` within its reach, 0 elsewhere."""
        x, y = pixel_centres(size)
        x0, y0, x1, y1 = (int(np.clip(edge, 0, size)) for edge in self.reach())
        coverage = np.zeros((size, size))
        coverage[y0 : y1 + 1, x0 : x1 + 1] = self.covered(x[:, x0 : x1 + 1], y[y0 : y1 + 1])
        return coverage

    def paint(self, picture: np.ndarray) -> np.ndarray:
        """A new picture [S, S] with the thing in it; it hides what lies behind it."""
        coverage = self.coverage(len(picture))
        return picture * (1 - coverage) + METAL * coverage

    def box(self, size: int) -> IntBox:
        """The smallest box of whole pixels that holds every pixel it changes. Raises ValueError outside the picture."""
        rows, columns = np.nonzero(self.coverage(size))
        if not len(rows):
            raise ValueError(f"{self}: found no pixel of it in a picture of side {size}; expected some")
        return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True)
class Nodule(Thing):
    """A disc that adds `strength` to what lies behind it, as shadows add up."""

    kind: ClassVar[Kind] = "nodule"
    x: float
    y: float
    diameter: float
    strength: float

    def reach(self) -> tuple[float, float, float, float]:
        return _around((self.x, self.y), (self.x, self.y), self.diameter / 2)

    def covered(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.clip(self.diameter / 2 - np.hypot(x - self.x, y - self.y) + 0.5, 0, 1)

    def paint(self, picture: np.ndarray) -> np.ndarray:
        return picture + self.strength * self.coverage(len(picture))


@dataclass(frozen=True)
class Catheter(Thing):
    """A bright line along the quadratic Bézier curve of three points."""

    kind: ClassVar[Kind] = "catheter"
    start: tuple[float, float]
    control: tuple[float, float]
    end: tuple[float, float]
    width: float

    def reach(self) -> tuple[float, float, float, float]:
        points = self.points()
        return _around(points.min(0), points.max(0), self.width / 2)

    def covered(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        points = self.points()
        nearest = np.full((y.shape[0], x.shape[1]), np.inf)
        for a, b in pairwise(points):
            along = ((x - a[0]) * (b - a)[0] + (y - a[1]) * (b - a)[1]) / ((b - a) @ (b - a))
            at = np.clip(along, 0, 1)
            nearest = np.minimum(nearest, np.hypot(x - a[0] - at * (b - a)[0], y - a[1] - at * (b - a)[1]))
        return np.clip(self.width / 2 - nearest + 0.5, 0, 1)

    def points(self, count: int = 13) -> np.ndarray:
        """[count, 2] along the curve."""
        t = np.linspace(0, 1, count)[:, None]
        start, control, end = map(np.array, (self.start, self.control, self.end))
        return (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end


@dataclass(frozen=True)
class Pacemaker(Thing):
    """A bright upright rectangle with rounded corners, around (x, y)."""

    kind: ClassVar[Kind] = "pacemaker"
    x: float
    y: float
    width: float
    height: float

    def reach(self) -> tuple[float, float, float, float]:
        return _around((self.x, self.y), (self.x, self.y), max(self.width, self.height) / 2)

    def covered(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        corner = min(self.width, self.height) / 4
        beyond_x = np.maximum(np.abs(x - self.x) - self.width / 2 + corner, 0)
        beyond_y = np.maximum(np.abs(y - self.y) - self.height / 2 + corner, 0)
        return np.clip(corner - np.hypot(beyond_x, beyond_y) + 0.5, 0, 1)


@dataclass(frozen=True)
class Marker(Thing):
    """The letter L or R, 5 × 7 dots of `dot` pixels a side, from the pixel (column, row) on."""

    kind: ClassVar[Kind] = "marker"
    letter: Literal["L", "R"]
    column: int
    row: int
    dot: int

    def reach(self) -> tuple[float, float, float, float]:
        dots = LETTERS[self.letter]
        return self.column, self.row, self.column + self.dot * len(dots[0]), self.row + self.dot * len(dots)

    def covered(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        dots = np.pad([[float(dot) for dot in line] for line in LETTERS[self.letter]], 1)
        row, column = (((at - start) // self.dot).astype(int) + 1 for at, start in ((y, self.row), (x, self.column)))
        return dots[row.clip(0, dots.shape[0] - 1), column.clip(0, dots.shape[1] - 1)]


def _around(
    low: Sequence[float] | np.ndarray, high: Sequence[float] | np.ndarray, radius: float
) -> tuple[float, float, float, float]:
    """The box of two corners, wider by a radius and one pixel on every side."""
    margin = radius + 1
    return float(low[0] - margin), float(low[1] - margin), float(high[0] + margin), float(high[1] + margin)
