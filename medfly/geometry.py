"""The only coordinate arithmetic in MedFly: crop ↔ source pixel ↔ millimetre.

Convention: continuous coordinates, x to the right, y down; pixel i covers [i, i + 1), so its centre is
i + 0.5 and a whole picture of width w is the interval [0, w). Each level of the pyramid is the whole source
picture, resized without padding to columns · R by rows · R, so a point maps by one factor per axis.
This module knows no pixels and no model.

Source: Dragonfly (arXiv 2406.00977), section 3; the reference implementation's choice among grids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medfly.types import Box, FrameBox, Level, Tile

Grid = tuple[int, int]
"""(columns, rows) of crops."""


def best_grid(width: int, height: int, crop_size: int, grids: Sequence[Grid]) -> Grid:
    """The grid whose picture wastes least of the source: most source pixels kept, then least area left over.

    This is the reference implementation's rule. Of equals the first wins.
    """

    def kept_and_wasted(grid: Grid) -> tuple[int, int]:
        grid_width, grid_height = grid[0] * crop_size, grid[1] * crop_size
        scale = min(grid_width / width, grid_height / height)
        kept = min(int(width * scale) * int(height * scale), width * height)
        return -kept, grid_width * grid_height - kept

    return min(grids, key=kept_and_wasted)


@dataclass(frozen=True)
class Crop:
    """One square of a level. index: 0-based within the level, row by row; box in source pixels."""

    level: Level
    index: int
    box: Box


@dataclass(frozen=True)
class Pyramid:
    """Where the crops of a width × height source lie.

    crop_size: R, the side of every crop in model pixels.
    medium, high: (columns, rows); the low level is always one crop.
    """

    width: int
    height: int
    crop_size: int
    medium: Grid
    high: Grid

    def grid(self, level: Level) -> Grid:
        return {"low": (1, 1), "medium": self.medium, "high": self.high}[level]

    def level_size(self, level: Level) -> tuple[int, int]:
        """(width, height) in model pixels of the picture that is cut into the level's crops."""
        columns, rows = self.grid(level)
        return columns * self.crop_size, rows * self.crop_size

    def crops(self) -> tuple[Crop, ...]:
        """All crops in the order in which the model sees them: low, medium, high, each row by row."""
        return tuple(self.crop(level, index) for level in LEVELS for index in range(self.count(level)))

    def count(self, level: Level) -> int:
        columns, rows = self.grid(level)
        return columns * rows

    def crop(self, level: Level, index: int) -> Crop:
        x0, y0 = self.to_source(level, index, 0, 0)
        x1, y1 = self.to_source(level, index, self.crop_size, self.crop_size)
        return Crop(level, index, (x0, y0, x1, y1))

    def to_source(self, level: Level, index: int, x: float, y: float) -> tuple[float, float]:
        """A point of a crop, in model pixels within [0, R], as a point of the source in source pixels."""
        columns, rows = self.grid(level)
        row, column = divmod(self._checked(level, index), columns)
        return (
            (column + x / self.crop_size) * self.width / columns,
            (row + y / self.crop_size) * self.height / rows,
        )

    def to_crop(self, level: Level, index: int, x: float, y: float) -> tuple[float, float]:
        """The inverse of `to_source`; a point outside of the crop gives coordinates outside of [0, R]."""
        columns, rows = self.grid(level)
        row, column = divmod(self._checked(level, index), columns)
        return (
            (x * columns / self.width - column) * self.crop_size,
            (y * rows / self.height - row) * self.crop_size,
        )

    def _checked(self, level: Level, index: int) -> int:
        if not 0 <= index < self.count(level):
            raise IndexError(f"crop {index} of level {level!r}: expected 0 to {self.count(level) - 1}")
        return index


LEVELS: tuple[Level, ...] = ("low", "medium", "high")


def zoom_box(width: int, height: int, factor: float) -> Box:
    """The part of a width × height picture that fills the same size when it is enlarged by `factor` about its centre.

    Under 1 it reaches beyond the picture on all sides.
    """
    x, y = width / factor / 2, height / factor / 2
    return width / 2 - x, height / 2 - y, width / 2 + x, height / 2 + y


def size_in_mm(box: Box, spacing: tuple[float, float] | None) -> tuple[float, float] | None:
    """(width, height) of a box in millimetres, or None where the spacing (between rows, between columns) is unknown."""
    if spacing is None:
        return None
    return (box[2] - box[0]) * spacing[1], (box[3] - box[1]) * spacing[0]


def sources(box: Box, tiles: Sequence[Tile]) -> tuple[FrameBox, ...]:
    """What a box of a composed scan shows: its part of each tile in the pixels of that tile's frame.

    The largest part of the box comes first; a box between the tiles shows nothing.
    """
    found = []
    for tile in tiles:
        x0, y0, x1, y1 = (*map(max, box[:2], tile.box[:2]), *map(min, box[2:], tile.box[2:]))
        if x0 < x1 and y0 < y1:
            edges = (_mapped(edge, i % 2, tile) for i, edge in enumerate((x0, y0, x1, y1)))
            found.append(((x1 - x0) * (y1 - y0), FrameBox(tile.frame, tuple(edges))))  # type: ignore[arg-type]
    return tuple(part for _, part in sorted(found, key=lambda one: -one[0]))


def _mapped(edge: float, axis: int, tile: Tile) -> float:
    """A coordinate of the composed scan as one of the tile's frame. axis: 0 for x, 1 for y."""
    low, high = tile.box[axis], tile.box[axis + 2]
    start, end = tile.source[axis], tile.source[axis + 2]
    return start + (edge - low) / (high - low) * (end - start)


def patient_point(affine: np.ndarray, x: float, y: float) -> tuple[float, float, float]:
    """A point of a scan, in source pixels, in the patient: LPS in millimetres. affine: see `Scan.affine`."""
    column, row = x - 0.5, y - 0.5  # the affine is that of pixel centres
    left, back, head = (affine @ np.array([column, row, 0.0, 1.0]))[:3]
    return float(left), float(back), float(head)
