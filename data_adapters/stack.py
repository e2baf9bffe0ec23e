"""Where planes lie in space → in which order they make a stack, how far apart, and what is odd about it.

Pure geometry in millimetres: it knows positions and directions (DICOM PS3.3 C.7.6.2.1.1), no file and no pixel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SAME_DIRECTION = 1e-3  # largest difference between cosines: 0.06°, or a quarter of a millimetre at the edge of a CT
SAME_PLACE = 1e-3  # millimetres; files give positions with three to six digits behind the point
EVEN = 0.05  # of the distance: how far a slice may lie beside its place in an even stack …
ROUNDING = 0.051  # … or in millimetres, for positions rounded to 0.1 mm
NAMED = 3  # so many missing slices are named one by one


@dataclass(frozen=True)
class Stack:
    """Parallel planes sorted along their normal.

    order: indices into the planes as given, ascending along the normal (row direction × column direction).
    distances: of these planes along the normal, millimetres, ascending.
    gap: millimetres between neighbouring planes; None for a single plane or where the distances are uneven.
    notes: what is odd, with 0-based indices into `order`.
    """

    order: tuple[int, ...]
    distances: tuple[float, ...]
    gap: float | None
    notes: tuple[str, ...]


def is_orientation(direction: Sequence[float]) -> bool:
    """Are these six numbers two perpendicular unit vectors, as C.7.6.2.1.1 demands?"""
    if len(direction) != 6 or not all(map(math.isfinite, direction)):
        return False
    row, column = direction[:3], direction[3:]
    dots = [sum(a * b for a, b in zip(*pair, strict=True)) for pair in ((row, row), (column, column), (row, column))]
    return all(abs(dot - due) <= 1e-2 for dot, due in zip(dots, (1, 1, 0), strict=True))


def is_parallel(one: Sequence[float], other: Sequence[float]) -> bool:
    """Do rows and columns of both point the same way? A flipped plane does not."""
    return all(abs(a - b) <= SAME_DIRECTION for a, b in zip(one, other, strict=True))


def along_normal(positions: np.ndarray, orientation: Sequence[float]) -> np.ndarray:
    """[n, 3] positions → [n] millimetres along the normal."""
    return np.asarray(positions) @ np.cross(orientation[:3], orientation[3:])


def places(distances: np.ndarray) -> np.ndarray:
    """[n] distances → [n] number of the place, ascending: what lies within SAME_PLACE of its neighbour shares one."""
    order = np.argsort(distances, kind="stable")
    steps = np.diff(distances[order], prepend=distances[order[:1]]) > SAME_PLACE
    found = np.empty(len(distances), dtype=int)
    found[order] = np.cumsum(steps)
    return found


def stacked(positions: np.ndarray, orientation: Sequence[float]) -> Stack:
    """Sort parallel planes along their normal. Repeated places keep the order in which they are given.

    positions: [n, 3] of the centre of each plane's first pixel. orientation: of all of them, six cosines.
    """
    positions = np.asarray(positions, dtype=float)
    distances = along_normal(positions, orientation)
    order = np.lexsort((np.arange(len(distances)), places(distances)))
    distances, positions = distances[order], positions[order]
    gap, notes = _gap(distances)
    return Stack(
        order=tuple(int(index) for index in order),
        distances=tuple(float(distance) for distance in distances),
        gap=gap,
        notes=(*notes, *_shift(positions, orientation)),
    )


def _gap(distances: np.ndarray) -> tuple[float | None, list[str]]:
    """The distance of an even stack, or None and what is odd."""
    if len(distances) < 2:
        return None, []
    steps = np.diff(distances)
    repeated = int((steps <= SAME_PLACE).sum())
    if repeated:
        return None, [f"{repeated} slices at a place that is taken already"]
    even = np.linspace(distances[0], distances[-1], len(distances))
    gap = float(steps.mean())
    # A missing slice moves others by half a gap at least: no tolerance may come near that.
    if np.abs(distances - even).max() <= min(max(EVEN * gap, ROUNDING), gap / 4):
        return gap, []
    return None, _missing(steps) or [f"uneven distances between slices: {steps.min():.3g} to {steps.max():.3g} mm"]


def _missing(steps: np.ndarray) -> list[str]:
    """Remarks on missing slices: all steps are whole multiples of the smallest, and half of them once that at least."""
    usual = float(np.median(steps[steps < 1.5 * steps.min()]))  # as exact as many steps make it
    counts = np.rint(steps / usual)
    if (counts < 1).any() or (np.abs(steps - counts * usual) > np.maximum(EVEN * usual, 2 * ROUNDING)).any():
        return []
    holes = np.flatnonzero(counts > 1)
    if 2 * len(holes) > len(steps):
        return []
    named = [
        f"{'missing slice' if counts[hole] == 2 else f'{counts[hole] - 1:.0f} missing slices'}"
        f" between {hole} and {hole + 1} (0-based)"
        for hole in holes[:NAMED]
    ]
    more = len(holes) - len(named)
    return [*named, f"slices missing at {more} more places"] if more else named


def _shift(positions: np.ndarray, orientation: Sequence[float]) -> list[str]:
    """Stacks whose slices are shifted sideways: evenly by a tilted gantry (CT), or otherwise."""
    if len(positions) < 2:
        return []
    travel = positions - positions[0]
    across = travel @ np.transpose([orientation[:3], orientation[3:]])  # [n, 2] mm along rows and columns
    along = travel @ np.cross(orientation[:3], orientation[3:])
    if np.abs(across).max() <= ROUNDING * 2:
        return []
    slope = across[-1] / along[-1] if along[-1] > SAME_PLACE else np.zeros(2)
    if np.abs(across - np.outer(along, slope)).max() > ROUNDING * 2:
        return ["slices are shifted sideways, unevenly"]
    return [
        f"slices are shifted sideways, evenly: gantry tilted by {np.degrees(np.arctan(np.linalg.norm(slope))):.1f}°"
    ]
