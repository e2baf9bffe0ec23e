"""Whole slides through OpenSlide (extra `[slides]`) → an overview, and regions at a stated resolution.

Coordinates are those of level 0, the slide's finest: a box (x0, y0, x1, y1) in its pixels. Every Scan says through
`tiles` which part of level 0 it shows, so that evidence is reported there. What the scanner did not cover is white,
as glass is. Pixels are area averages of the next finer level. OpenSlide runs in a process of its own.
It never shows label and macro pictures, which may carry names, it knows no stain and no diagnosis, and it applies no
colour profile. Where a slide states no µm per pixel, none is assumed.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data_adapters.isolation import isolated
from data_adapters.refusal import refusal, refusing
from medfly.types import Box, InputError, Scan, Tile

MAX_PIXELS = 89_478_485  # of one Scan, and for a picture that needs no pyramid
MAX_READ = 1_000_000_000  # pixels to average for one Scan: some 20 s
BAND = 16_000_000  # pixels to hold at a time
CLOSE_ENOUGH = 0.95  # asked for 0.5 µm, a slide of 0.502 µm is shown as it is
FAINT = 13  # of 255: less chroma than that is glass, however Otsu would split it
INSTALL = 'pip install "medfly[slides]"'
# Without OpenSlide, names are all there is to go by.
SUFFIXES = (".svs", ".ndpi", ".scn", ".bif", ".mrxs", ".vms", ".vmu", ".svslide", ".czi")
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
DICOM_WSI = b"UI\x1e\x001.2.840.10008.5.1.4.1.1.77.1.6"  # VL Whole Slide Microscopy Image Storage, in the file meta


def looks_like_slide(path: Path) -> bool:
    """Is this a whole slide that wants OpenSlide? By content; a plain tiled TIFF of one level is a picture.

    Without OpenSlide the file's name decides, so that `open_slide` can say what is missing.
    """
    if not _has_openslide():
        return path.suffix.lower() in SUFFIXES
    with path.open("rb") as file:
        head = file.read(4096)
    beginnings = (*TIFF, b"ZISRAWFILE", b"SQLite format 3")
    if not (head.startswith(beginnings) or DICOM_WSI in head or path.suffix.lower() in (".mrxs", ".vms", ".vmu")):
        return False
    try:
        facts = _described(path)
    except InputError:
        return False
    width, height = facts["size"]
    return facts["vendor"] != "generic-tiff" or facts["levels"] > 1 or width * height > MAX_PIXELS


def open_slide(path: Path) -> Slide:
    """The slide's size and resolution. Raises InputError where it is no slide or OpenSlide is missing."""
    if not _has_openslide():
        raise refusal("a whole slide, and no OpenSlide to read it", "the extra [slides]", INSTALL)
    with refusing("a slide that cannot be opened", "a readable file", "check the path"):
        facts = _described(path)
    microns = tuple(facts["microns"]) if facts["microns"] else None
    return Slide(path, tuple(facts["size"]), microns)


@dataclass(frozen=True)
class Slide:
    """size: (width, height) of level 0 in pixels. microns_per_pixel: there, along x and y; None where not stated."""

    path: Path
    size: tuple[int, int]
    microns_per_pixel: tuple[float, float] | None

    @property
    def input_hash(self) -> str:
        """SHA-256 of the file at `path`, computed once; of a format of several files it covers that one only."""
        with refusing("a slide that cannot be read", "a readable file", "check the path"):
            status = self.path.stat()
            return _sha256(self.path.absolute(), status.st_size, status.st_mtime_ns)

    def thumbnail(self, max_side: int = 2048) -> Scan:
        """The whole slide, [H, W, 3] uint8, the longer side at most max_side pixels and never enlarged."""
        if max_side < 1:
            raise refusal(f"a side of {max_side}", "1 or more", "choose a larger one")
        width, height = self.size
        shrink = max(1.0, max(width, height) / max_side)
        return self._scan((0, 0, width, height), (round(width / shrink), round(height / shrink)))

    def region(self, box: Box, microns_per_pixel: float | None = None) -> Scan:
        """Part of the slide, [H, W, 3] uint8, at a resolution; a note gives the exact one, `spacing` in millimetres.

        box: in pixels of level 0; what lies outside the slide is cut off.
        microns_per_pixel: no finer than level 0; None for level 0 as it is.
        Raises InputError for a box beside the slide, for more than MAX_PIXELS, and where the slide does not state
        its own resolution but one is asked for.
        """
        clipped = (max(0.0, box[0]), max(0.0, box[1]), min(self.size[0], box[2]), min(self.size[1], box[3]))
        width, height = clipped[2] - clipped[0], clipped[3] - clipped[1]
        if not (all(map(math.isfinite, box)) and width >= 1 and height >= 1):
            raise refusal("a box without a pixel of the slide", f"some of {self.size[0]} × {self.size[1]}", "move it")
        x, y = self._shrink(microns_per_pixel)
        return self._scan(clipped, (round(width / x), round(height / y)))

    def _shrink(self, microns: float | None) -> tuple[float, float]:
        """How many level-0 pixels make one, along x and y."""
        if microns is None:
            return 1.0, 1.0
        if self.microns_per_pixel is None:
            raise refusal("a slide that states no µm per pixel", "one that does", "ask for level 0 or the thumbnail")
        if not (math.isfinite(microns) and microns >= CLOSE_ENOUGH * max(self.microns_per_pixel)):
            finest = max(self.microns_per_pixel)
            raise refusal(f"{microns:g} µm per pixel", f"{finest:g} or more, as the slide has", "choose a coarser one")
        x, y = (max(1.0, microns / own) for own in self.microns_per_pixel)
        return x, y

    def _scan(self, box: Box, size: tuple[int, int]) -> Scan:
        width, height = max(1, size[0]), max(1, size[1])
        if width * height > MAX_PIXELS:
            raise refusal(f"{width} × {height} pixels", f"at most {MAX_PIXELS:,}", "choose a smaller or coarser part")
        facts, pixels = isolated(area, b"", path=str(self.path.absolute()), box=box, size=(width, height))
        notes, spacing = [f"level {facts['level']} of the slide"], None
        if self.microns_per_pixel is not None:
            x = self.microns_per_pixel[0] * (box[2] - box[0]) / width
            y = self.microns_per_pixel[1] * (box[3] - box[1]) / height
            spacing = (y / 1000, x / 1000)
            notes.append(f"{x:.4g} × {y:.4g} µm per pixel")
        else:
            notes.append("no µm per pixel stated")
        tile = Tile(frame=0, box=(0, 0, width, height), source=box)
        return Scan(pixels, spacing=spacing, tiles=(tile,), input_hash=self.input_hash, notes=tuple(notes))


@functools.lru_cache(maxsize=64)  # a gigabyte takes seconds, and regions are asked for one after the other
def _sha256(path: Path, _size: int, _time: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tissue(pixels: np.ndarray) -> np.ndarray:
    """Where an overview shows tissue: [H, W, 3] uint8 → [H, W] bool.

    Stained tissue is colourful and glass is not: Otsu's threshold on the chroma (the largest less the smallest of
    R, G and B), but at least FAINT, so that an empty slide has none. Grey dirt and black ink count as glass, coloured
    ink as tissue.
    """
    chroma = pixels.max(axis=2) - pixels.min(axis=2)
    return chroma > max(_otsu(chroma), FAINT)


def _otsu(values: np.ndarray) -> int:
    """The level, of 0 … 255, that splits uint8 values with the largest variance between both parts (Otsu 1979)."""
    counts = np.bincount(values.ravel(), minlength=256).astype(float)
    below, total = counts.cumsum(), counts.sum()
    moment = (counts * np.arange(256)).cumsum()
    with np.errstate(invalid="ignore", divide="ignore"):
        between = (moment[-1] * below - total * moment) ** 2 / (below * (total - below))
    return int(np.nan_to_num(between, posinf=0).argmax())


def _has_openslide() -> bool:
    return importlib.util.find_spec("openslide") is not None


def _described(path: Path) -> dict[str, Any]:
    return isolated(description, b"", path=str(path.absolute()))[0]


# --- in the worker


def description(_: bytes, path: str) -> tuple[dict[str, Any], np.ndarray]:
    slide = _opened(path)
    stated = [slide.properties.get(f"openslide.mpp-{axis}") for axis in "xy"]
    microns = [float(value) for value in stated if value]
    known = len(microns) == 2 and all(math.isfinite(value) and value > 0 for value in microns)
    facts = {
        "vendor": slide.properties["openslide.vendor"],
        "size": slide.dimensions,
        "levels": slide.level_count,
        "microns": microns if known else None,
    }
    return facts, np.empty(0, np.uint8)


def area(_: bytes, path: str, box: list[float], size: list[int]) -> tuple[dict[str, Any], np.ndarray]:
    """Level-0 `box` as a picture of `size`: [height, width, 3] uint8, and the level that it was made of."""
    slide = _opened(path)
    x0, y0, x1, y1 = box
    width, height = size
    # A hair more than asked for: levels' sizes are rounded, and 4.0003 would miss the level of 4.
    level = slide.get_best_level_for_downsample(1.01 * min((x1 - x0) / width, (y1 - y0) / height))
    shrink = slide.level_downsamples[level]
    if (pixels := (x1 - x0) / shrink * (y1 - y0) / shrink) > MAX_READ:
        raise refusal(f"{pixels:,.0f} pixels to average", f"at most {MAX_READ:,}", "choose a smaller part")
    picture = np.empty((height, width, 3), np.uint8)
    rows = max(1, int(BAND / pixels * height))
    for top in range(0, height, rows):  # an area average needs nothing from beyond its own band
        bottom = min(height, top + rows)
        band = (x0, y0 + (y1 - y0) * top / height, x1, y0 + (y1 - y0) * bottom / height)
        picture[top:bottom] = _band(slide, level, band, (width, bottom - top))
    return {"level": level}, picture


def _band(slide: Any, level: int, box: Box, size: tuple[int, int]) -> np.ndarray:
    shrink = slide.level_downsamples[level]
    left, top = math.floor(box[0] / shrink), math.floor(box[1] / shrink)
    width, height = math.ceil(box[2] / shrink) - left, math.ceil(box[3] / shrink) - top
    origin = round(left * shrink), round(top * shrink)
    stored = slide.read_region(origin, level, (width, height))
    white = Image.new("RGBA", stored.size, "white")
    white.alpha_composite(stored)
    x0, x1 = (min(max(0.0, (x - origin[0]) / shrink), width) for x in (box[0], box[2]))
    y0, y1 = (min(max(0.0, (y - origin[1]) / shrink), height) for y in (box[1], box[3]))
    return np.asarray(white.convert("RGB").resize(size, Image.Resampling.BOX, (x0, y0, x1, y1)))


def _opened(path: str) -> Any:
    status = Path(path).stat()
    return _handle(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=2)  # regions of one slide are asked for one after the other
def _handle(path: str, _size: int, _time: int) -> Any:
    import openslide

    with refusing("a file that OpenSlide does not open", "a whole slide", "export it again as SVS or pyramidal TIFF"):
        return openslide.OpenSlide(path)
