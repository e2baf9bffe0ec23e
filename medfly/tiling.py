"""Several frames of a volume as one picture, each under its number, for models that take one picture.

The frames are shown in one window and at one size; which stands where is kept as tiles, so that evidence names the
frame. It does not know which frames matter: without a choice it takes them evenly, see `Volume.key_frames`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from medfly import wording
from medfly.display import chosen_window
from medfly.types import InputError, Scan, Tile, VoiLut, Volume, Window, one_window

FRAMES = 16
CELL = 512
"""Longer side of a frame in the montage, at most; smaller frames keep their size."""
MOST_FRAMES = 144
"""More would be stamps of a few pixels to a model, and gigabytes to us."""
LABEL = 0.07
"""Height of the line above a frame, as a share of the cell's width."""


def montage(
    volume: Volume, frames: Sequence[int] | None = None, *, window: Window | VoiLut | str | None = None
) -> Scan:
    """Frames side by side, row by row: a Scan with [H, W] float32 or [H, W, 3] uint8, already windowed.

    frames: 0-based indices, at most 144, by default 16 spread evenly. Remarks that hold for all of them are kept.
    window: for all frames, see `Scan.display`; by default their own or, where those differ, the median of them.
    Raises InputError for a frame that is not there and for a window that does not fit.
    """
    chosen = volume.key_frames(FRAMES) if frames is None else tuple(frames)
    outside = [frame for frame in chosen if not 0 <= frame < len(volume)]
    if outside or not chosen:
        found = f"frame {outside[0]}" if outside else "no frames"
        raise InputError(f"montage: found {found}; expected 0 to {len(volume) - 1}: choose frames in this range")
    if len(chosen) > MOST_FRAMES:
        raise InputError(f"montage: found {len(chosen)} frames; expected at most {MOST_FRAMES}: choose fewer")
    first = volume[chosen[0]]
    cell = _cell(first)
    label = max(round(cell[0] * LABEL), 12)
    columns = math.ceil(math.sqrt(len(chosen) * (cell[1] + label) / cell[0]))
    rows = math.ceil(len(chosen) / columns)
    canvas = Image.new("RGB", (columns * cell[0], rows * (cell[1] + label)))
    tiles, windows, hashes, remarks = [], [], [], []
    for place, frame in enumerate(chosen):
        scan = first if place == 0 else volume[frame]
        left, top = place % columns * cell[0], place // columns * (cell[1] + label) + label
        width, height = _size(scan, cell)
        windows.append(chosen_window(scan, window))
        canvas.paste(Image.fromarray(scan.display(windows[-1])).resize((width, height)), (left, top))
        _number(canvas, frame, (left, top - label), (cell[0], label))
        tiles.append(Tile(frame, (left, top, left + width, top + height), (0, 0, *scan.size)))
        hashes.append(scan.input_hash)
        remarks.append(scan.notes)
    common = one_window(windows, f"median of {len(windows)} frames") if None not in windows else None
    if common is not None:
        return montage(volume, chosen, window=common)
    composed = _composed(np.asarray(canvas), first, chosen, tiles, windows, len(volume))
    of_all = tuple(note for note in first.notes if all(note in notes for notes in remarks))
    input_hash = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    return dataclasses.replace(composed, input_hash=input_hash, notes=(*composed.notes, *of_all))


def _cell(scan: Scan) -> tuple[int, int]:
    """(width, height) of the space for a frame, in which its pixels are square."""
    width, height = scan.size[0], scan.size[1] * scan.pixel_aspect
    scale = min(1.0, CELL / max(width, height))
    return max(round(width * scale), 1), max(round(height * scale), 1)


def _size(scan: Scan, cell: tuple[int, int]) -> tuple[int, int]:
    """A frame's own size in the cell: the same as the cell's for all frames of a plain volume."""
    width, height = scan.size[0], scan.size[1] * scan.pixel_aspect
    scale = min(cell[0] / width, cell[1] / height)
    return max(min(round(width * scale), cell[0]), 1), max(min(round(height * scale), cell[1]), 1)


def _number(canvas: Image.Image, frame: int, corner: tuple[int, int], space: tuple[int, int]) -> None:
    """In the line above a frame; the number alone where there is no room for more."""
    (x, y), (width, height) = corner, space
    font = ImageFont.load_default(size=max(round(height * 0.75), 8))
    text = f"frame {frame}" if font.getlength(f"frame {frame}") <= width - 4 else str(frame)
    ImageDraw.Draw(canvas).text((x + 2, y + height / 2), text, font=font, fill=(255, 255, 255), anchor="lm")


def _composed(
    pixels: np.ndarray,
    first: Scan,
    chosen: Sequence[int],
    tiles: Sequence[Tile],
    windows: Sequence[Window | VoiLut | None],
    count: int,
) -> Scan:
    shown = dict.fromkeys(wording.window_line({"window": window and window.to_dict()}) for window in windows)
    how = next(iter(shown)) if len(shown) == 1 else "each in its own window"
    grey = bool((pixels == pixels[..., :1]).all())
    identity = Window(127.5, 255, "LINEAR_EXACT", source=f"montage: {how}")
    return Scan(
        pixels[..., 0].astype(np.float32) if grey else pixels,
        windows=(identity,) if grey else (),
        modality=first.modality,
        body_part=first.body_part,
        tiles=tuple(tiles),
        frame=chosen[0],
        notes=(f"montage of frames {', '.join(map(str, chosen))} of {count} (0-based), {how}",),
    )
