"""The letters at the edges of a scan: which side of the patient lies there, or that nobody knows.

They come from the scan's affine and from nothing else: where the file does not say, there are none. The letters are
DICOM's (PS3.3 C.7.6.1.1.1): Right, Left, Anterior, Posterior, Head, Foot. This module knows no screen.
"""

from __future__ import annotations

import numpy as np

POSITIVE, NEGATIVE = "LPH", "RAF"
LEAST = 0.2
"""Of a direction's length: what is turned less than some 12° towards an axis is not said to point there."""

Letters = tuple[str, str, str, str]
"""At the left, right, upper and lower edge of the picture."""


def letters(affine: np.ndarray | None) -> Letters | None:
    """What lies at the edges. affine: see `Scan.affine` (LPS in millimetres); None where it says nothing.

    An oblique edge has two or three letters, the nearest axis first ("LA").
    """
    if affine is None:
        return None
    right, bottom = _towards(affine[:3, 0]), _towards(affine[:3, 1])
    if not right or not bottom:
        return None
    return _opposite(right), right, _opposite(bottom), bottom


def _towards(direction: np.ndarray) -> str:
    """The letters of a direction in LPS; empty where it has no length."""
    length = float(np.linalg.norm(direction))
    if not np.isfinite(length) or length == 0:
        return ""
    shares = direction / length
    axes = [axis for axis in np.argsort(-np.abs(shares), kind="stable") if abs(shares[axis]) > LEAST]
    return "".join((POSITIVE if shares[axis] > 0 else NEGATIVE)[axis] for axis in axes)


def _opposite(side: str) -> str:
    return side.translate(str.maketrans(POSITIVE + NEGATIVE, NEGATIVE + POSITIVE))
