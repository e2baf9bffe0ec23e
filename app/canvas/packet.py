"""What the canvas in the browser is sent: a view of one series as one run of bytes.

    uint32, little-endian: the header's length n
    n bytes of UTF-8 JSON: the header
    the blobs, which the header names by [offset, length] in bytes from the end of the header; each offset is a
    multiple of 4 (the header is filled up with spaces so that the first is, too)

An image is one of
    "u16"  [H, W] uint16 k, little-endian; the scan's value is float32(k · slope + intercept), exactly
    "f32"  [H, W] float32, the values themselves, where 16 bits do not hold them exactly
    "rgb"  [H, W, 3] uint8, colour, never windowed
The map of evidence is uint8 [h, w]; where the browser has it already, its header says which one it is and no more.
Masks are bits, row by row, the lowest bit of a byte first. Where a picture is to be seen through a table (VoiLut), its
8-bit picture comes too, as `medfly.display.render` makes it, so that what is seen is what the model sees.

This module knows scans and numpy; it knows no Streamlit and no screen.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np

from app.canvas.orientation import letters
from app.texts import part, table
from medfly.display import chosen_window, percentile_window, render
from medfly.drawing import DIMMED, LEVEL_COLOURS, OPACITY, PLASMA
from medfly.geometry import Crop
from medfly.types import Box, Region, Scan, VoiLut, Window

VERSION = 1
HEIGHT = 720
"""Of the canvas with its tools, in CSS pixels, where nobody says otherwise."""
MOST_CODES = 65535
"""So many values at most are sent as 16 bits: one code is left over for pixels without an image."""
SAMPLED = 8192
"""So many pixels tell the step between the values of a frame that are no whole numbers."""


@dataclass(frozen=True, eq=False, kw_only=True)
class View:
    """What the canvas shows.

    series: names the series; another one drops what the browser has kept and fits the picture anew.
    frames: how many there are. frame: the one to begin with, 0-based. order: names an order to go to `frame`; obeyed
        once, then told back (`Acted.order`), and to be repeated until then. None: the user stays where he is.
    images: the frames sent with this packet; those that the browser lacks it asks for (`Acted.need`). missing: frames
        that cannot be opened; said once, they are not asked for again.
    window: the one to begin with and to come back to; None: each frame's own.
    crops: an answer's, best first. grid: all that the model saw. heat: [h, w] 0 … 1 over the whole picture, of any
        size; the browser keeps the last one. opacity: of the heat where it is 1.
    evidence_frame: the frame that crops, grid and heat are about; None: all.
    region: the rectangle drawn by the user, in source pixels. focus: the box to be zoomed to when it changes.
    texts: of app.texts, area "canvas", by their bare names; English for those left out.
    Window, region and focus are obeyed when they change; a view that repeats them leaves the user alone.
    """

    series: str
    frames: int
    frame: int = 0
    order: str | None = None
    images: Mapping[int, Scan] = field(default_factory=dict)
    missing: Sequence[int] = ()
    window: Window | VoiLut | None = None
    presets: Sequence[tuple[str, Window]] = ()
    crops: Sequence[Region] = ()
    grid: Sequence[Crop] = ()
    heat: np.ndarray | None = None
    opacity: float = OPACITY
    evidence_frame: int | None = None
    region: Box | None = None
    focus: Box | None = None
    texts: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def heat_id(self) -> str | None:
        """Names the map of evidence by its content; None for none."""
        if self.heat is None:
            return None
        found = sha256(f"{self.heat.shape} {self.heat.dtype}".encode())
        found.update(np.ascontiguousarray(self.heat).data)
        return found.hexdigest()


class Blobs:
    """Bytes one after the other, each beginning at a multiple of 4."""

    def __init__(self) -> None:
        self.data = bytearray()

    def add(self, values: np.ndarray) -> list[int]:
        """[offset, length] of the array's bytes, little-endian."""
        offset = len(self.data)
        content = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"), copy=False)).tobytes()
        self.data += content + bytes(-len(content) % 4)
        return [offset, len(content)]

    def mask(self, values: np.ndarray | None) -> list[int] | None:
        """A mask's bits; None for one that is empty."""
        if values is None or not values.any():
            return None
        return self.add(np.packbits(values, bitorder="little"))


def pack(view: View, height: int = HEIGHT, *, known: str | None = None) -> bytes:
    """The packet as the module's text says. height: of the canvas with its tools, CSS pixels.

    known: `View.heat_id` of the map that the browser has: megabytes that need not be sent with each view.

    A view's window is for its grey frames; colour is shown as it is.
    """
    blobs = Blobs()
    header = {
        "version": VERSION,
        "series": view.series,
        "frames": view.frames,
        "frame": view.frame,
        "order": view.order,
        "missing": list(view.missing),
        "height": height,
        "images": [_image(blobs, frame, scan, view.window) for frame, scan in view.images.items()],
        "window": view.window.to_dict() if isinstance(view.window, Window) else None,
        "presets": [[name, window.to_dict()] for name, window in view.presets],
        "crops": [_crop(region, region.score) for region in view.crops],
        "grid": [_crop(Region(crop.level, crop.index, crop.box, math.nan), None) for crop in view.grid],
        "heat": _heat(blobs, view, known),
        "opacity": float(np.clip(view.opacity, 0, 1)),
        "evidence_frame": view.evidence_frame,
        "region": _box(view.region),
        "focus": _box(view.focus),
        "texts": part(table(), "canvas") | dict(view.texts),
        "colours": {"levels": dict(LEVEL_COLOURS), "heat": PLASMA, "dimmed": DIMMED},
    }
    text = json.dumps(header, allow_nan=False).encode()
    text += b" " * (-(4 + len(text)) % 4)
    return len(text).to_bytes(4, "little") + text + bytes(blobs.data)


def _image(blobs: Blobs, frame: int, scan: Scan, window: Window | VoiLut | None) -> dict[str, Any]:
    width, height = scan.size
    facts: dict[str, Any] = {
        "frame": frame,
        "width": width,
        "height": height,
        "unit": scan.unit,
        "inverted": scan.inverted,
        "aspect": scan.pixel_aspect,
        "spacing": None if scan.spacing is None else [float(step) for step in scan.spacing],
        "letters": letters(scan.affine),
        "overlay": blobs.mask(scan.overlay),
    }
    if scan.pixels.ndim == 3:
        return facts | {"kind": "rgb", "pixels": blobs.add(scan.pixels)}
    return facts | _values(blobs, scan) | _shown(blobs, scan, window)


def _values(blobs: Blobs, scan: Scan) -> dict[str, Any]:
    """A grey scan's values and where there are none: padding, and what is no number."""
    unknown = np.isnan(scan.pixels) if scan.padding is None else np.isnan(scan.pixels) | scan.padding
    facts = {"padding": blobs.mask(unknown)}
    found = codes(np.where(unknown, np.nan, scan.pixels) if facts["padding"] else scan.pixels)
    if found is None:
        pixels = scan.pixels.astype(np.float32, copy=False)
        return facts | {"kind": "f32", "pixels": blobs.add(pixels)}
    values, slope, intercept = found
    top = int(values.max(initial=0))
    return facts | {"kind": "u16", "pixels": blobs.add(values), "slope": slope, "intercept": intercept, "top": top}


def _shown(blobs: Blobs, scan: Scan, window: Window | VoiLut | None) -> dict[str, Any]:
    """The frame's own window; where it is seen through a table, that picture, and the window to be changed from."""
    own = chosen_window(scan)
    begin = own if window is None else chosen_window(scan, window)
    facts: dict[str, Any] = {"table": None}
    if isinstance(begin, VoiLut):
        facts["table"] = blobs.add(render(scan, begin)[..., 0])
    if not isinstance(own, Window):
        own = next((one for one in scan.windows if isinstance(one, Window)), None) or percentile_window(scan)
    return facts | {"own": own.to_dict()}


def codes(pixels: np.ndarray) -> tuple[np.ndarray, float, float] | None:
    """(codes, slope, intercept) with pixels == float32(codes · slope + intercept), or None where 16 bits do not do.

    pixels: [H, W]; not-a-number stands for no image and has code 0. codes: [H, W] uint16.
    """
    known = pixels[~np.isnan(pixels)].astype(np.float64)
    if not known.size:
        return np.zeros(pixels.shape, np.uint16), 1.0, 0.0
    low, high = float(known.min()), float(known.max())
    step = _step(known)
    if step is None or not (high - low) / step < MOST_CODES:
        return None
    found = np.rint((pixels.astype(np.float64) - low) / step)
    same = (found * step + low).astype(np.float32) == pixels.astype(np.float32)
    if not (same | np.isnan(pixels)).all():
        return None
    return np.nan_to_num(found, nan=0).astype(np.uint16), step, low


def _step(known: np.ndarray) -> float | None:
    """What lies between neighbouring values, as far as some of them tell: 1 for whole numbers."""
    if not np.isfinite(known).all():
        return None
    if (known == np.rint(known)).all():
        return 1.0
    steps = np.diff(np.unique(known[:: max(known.size // SAMPLED, 1)]))
    return float(steps.min()) if steps.size else None


def _crop(region: Region, score: float | None) -> dict[str, Any]:
    finite = score is not None and math.isfinite(score)
    return {
        "level": region.level,
        "crop": region.crop,
        "box": _box(region.box),
        "score": float(score) if score is not None and finite else None,
    }


def _heat(blobs: Blobs, view: View, known: str | None) -> dict[str, Any] | None:
    """The map in 256 steps. What is no number counts as none. known: the one whose values are left out."""
    heat = view.heat
    if heat is None:
        return None
    facts: dict[str, Any] = {"id": view.heat_id, "width": heat.shape[1], "height": heat.shape[0], "values": None}
    if view.heat_id != known:
        steps = np.rint(np.clip(np.nan_to_num(heat, nan=0, posinf=1, neginf=0), 0, 1) * 255).astype(np.uint8)
        facts["values"] = blobs.add(steps)
    return facts


def _box(box: Box | None) -> list[float] | None:
    return None if box is None else [float(edge) for edge in box]
