"""A part of a scan asked about on its own, and what came out mapped back into the whole.

The part is a scan like any other: the model sees nothing else of it, and cuts it into its crops. It is cut at whole
pixels, so that a box in it, moved by two whole numbers, is the box in the whole frame, without any rounding of its
own. The module knows no model and no screen; boxes are (x0, y0, x1, y1) in source pixels, half-open.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from medfly import drawing, wording
from medfly.geometry import sources
from medfly.types import Answer, Box, Evidence, InputError, Region, Scan

LEAST = 16
"""Pixels a side: below, a model's crops are blurs of a few pixels."""


def whole_pixels(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The pixels that a drawn box touches, half-open, within a frame of size (width, height).

    Raises InputError for a box with less than LEAST pixels a side, or with no number in it.
    """
    if not all(math.isfinite(edge) for edge in box):
        raise InputError("a region without numbers; expected a rectangle on the scan: draw it again")
    x0, y0 = (max(math.floor(edge), 0) for edge in box[:2])
    x1, y1 = (min(math.ceil(edge), side) for edge, side in zip(box[2:], size, strict=True))
    if min(x1 - x0, y1 - y0) < LEAST:
        found = f"{max(x1 - x0, 0)} × {max(y1 - y0, 0)}"
        raise InputError(f"a region of {found} pixels of the scan; expected at least {LEAST} × {LEAST}: draw it larger")
    return x0, y0, x1, y1


def cut(scan: Scan, box: Box) -> Scan:
    """The part of a scan as a scan of its own, in the same values. box: see `whole_pixels`, which raises.

    Its windows stay the file's. A window that is made from the scan's own values must be chosen from the whole before.
    """
    x0, y0, x1, y1 = whole_pixels(box, scan.size)
    part = (slice(y0, y1), slice(x0, x1))
    return replace(
        scan,
        pixels=scan.pixels[part],
        padding=None if scan.padding is None else scan.padding[part],
        overlay=None if scan.overlay is None else scan.overlay[part],
        affine=None if scan.affine is None else _moved(scan.affine, x0, y0),
        tiles=(),  # which part of which frame is shown is looked up in the whole, by `mapped`
        notes=(*scan.notes, note((x0, y0, x1, y1))),
    )


def note(box: Box) -> str:
    """What provenance says of it."""
    return (
        f"a region was asked about: {wording.box_line(box)}; the model saw nothing else, boxes are of the whole frame"
    )


def mapped(answer: Answer, scan: Scan, box: Box) -> Answer:
    """An answer about `cut(scan, box)` with its boxes and its provenance in the whole scan's terms."""
    x0, y0, x1, y1 = whole_pixels(box, scan.size)
    provenance = {
        **answer.provenance,
        "region": [x0, y0, x1, y1],
        "size": list(scan.size),
        "frame": None if scan.tiles else scan.frame,
        "frames": [tile.frame for tile in scan.tiles],
    }
    return replace(answer, evidence=_moved_evidence(answer.evidence, scan, x0, y0), provenance=provenance)


def heat(answer: Answer, size: tuple[int, int], box: Box | None) -> np.ndarray | None:
    """[H, W] float32 in 0 … 1, where the answer's evidence lies in a frame of (width, height); None where nowhere.

    As medfly.drawing scales it, in the part that was asked about: outside there is none. box: None for all.
    """
    width, height = size
    x0, y0, x1, y1 = whole_pixels(box, size) if box else (0, 0, width, height)
    inside = replace(answer, evidence=_shifted(answer.evidence, -x0, -y0))
    found = drawing.strength(drawing.answer_map(inside, np.empty((y1 - y0, x1 - x0, 0))))
    if found is None:
        return None
    whole = np.zeros((height, width), np.float32)
    whole[y0:y1, x0:x1] = found
    return whole


def _moved_evidence(evidence: Evidence | None, scan: Scan, x: int, y: int) -> Evidence | None:
    moved = _shifted(evidence, x, y)
    if moved is None:
        return None
    return replace(moved, regions=tuple(replace(one, sources=sources(one.box, scan.tiles)) for one in moved.regions))


def _shifted(evidence: Evidence | None, x: int, y: int) -> Evidence | None:
    if evidence is None:
        return None
    return replace(evidence, regions=tuple(_shift(region, x, y) for region in evidence.regions))


def _shift(region: Region, x: int, y: int) -> Region:
    x0, y0, x1, y1 = region.box
    return replace(region, box=(x0 + x, y0 + y, x1 + x, y1 + y))


def _moved(affine: np.ndarray, x: int, y: int) -> np.ndarray:
    """The affine of a part that begins at column x, row y."""
    moved = affine.copy()
    moved[:3, 3] += affine[:3, :2] @ (x, y)
    return moved
