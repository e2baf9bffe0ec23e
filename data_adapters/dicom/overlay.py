"""Overlay planes of a DICOM file → one layer of graphics in the picture's pixels (PS3.3 C.9.2, C.9.3; PS3.5 8.1.2).

The layer stays beside the picture: burned in, it would hide what the model is to look at. A damaged plane is left
out with a remark, for the picture without it is whole. Overlays in presentation states are other files.
"""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID

from data_adapters.dicom.pixels import MAX_PIXELS, Layout

GROUPS = range(0x6000, 0x6100, 2)
ROWS, COLUMNS, FRAMES, ORIGIN, FRAME_ORIGIN = 0x0010, 0x0011, 0x0015, 0x0050, 0x0051
POSITION, DATA = 0x0102, 0x3000


class _Unusable(Exception):
    """Why a plane is left out, in words that quote nothing."""


def overlay(dataset: Dataset, syntax: UID, found: Layout, frame: int) -> tuple[np.ndarray | None, list[str]]:
    """All planes of one frame (0-based) laid over each other, [H, W] bool, or None, and remarks."""
    layer, notes = None, []
    tags = dataset.keys()  # and not the dataset itself, which would decode every element
    for group in sorted({tag.group for tag in tags if tag.group in GROUPS and tag.element == ROWS}):
        try:
            bits = _bits(dataset, group, syntax, found, frame)
            if bits is None:
                continue
            plane, outside = _placed(bits, _numbers(dataset, group, ORIGIN) or (1, 1), (found.rows, found.columns))
        except _Unusable as problem:
            notes.append(f"overlay {group:04X} left out: {problem}")
            continue
        layer = plane if layer is None else layer | plane
        notes += [f"overlay {group:04X}: {outside} pixels outside of the picture left out"] if outside else []
    return layer, notes if layer is None else ["overlay present, in a layer of its own", *notes]


def _numbers(dataset: Dataset, group: int, element: int) -> tuple[int, ...]:
    """All values of one attribute of a plane; () where it is absent or empty."""
    try:
        value = dataset[group, element].value if (group, element) in dataset else None
        parts = [] if value is None or value == "" else value if hasattr(value, "__len__") else [value]
        return tuple(int(part) for part in parts)
    except (ValueError, TypeError, ArithmeticError, NotImplementedError):
        raise _Unusable("damaged attributes") from None


def _bits(dataset: Dataset, group: int, syntax: UID, found: Layout, frame: int) -> np.ndarray | None:
    """One plane's graphics for one frame: [overlay rows, overlay columns] bool; None where it is not for this frame."""
    rows, columns = (next(iter(_numbers(dataset, group, element)), 0) for element in (ROWS, COLUMNS))
    if rows < 1 or columns < 1 or rows * columns > MAX_PIXELS:
        raise _Unusable(f"{columns} × {rows} pixels")
    index = _frame_within(dataset, group, frame)
    if index is None:
        return None
    element = dataset.get((group, DATA))
    if element is None or not element.value:
        return _embedded(dataset, group, syntax, found, frame, (rows, columns))
    data = bytes(element.value)
    if element.VR == "OW" and not syntax.is_little_endian:  # PS3.5 8.1.2: the first pixel is a word's lowest bit
        data = np.frombuffer(data[: len(data) // 2 * 2], dtype=">u2").astype("<u2").tobytes()
    # C.9.3: frames follow each other without padding, so that they may begin within a byte
    start, stop = index * rows * columns, (index + 1) * rows * columns
    if len(data) * 8 < stop:
        raise _Unusable(f"{len(data)} bytes for {columns} × {rows} × {index + 1} bits")
    packed = np.frombuffer(data, np.uint8)[start // 8 : -(-stop // 8)]
    unpacked = np.unpackbits(packed, bitorder="little")[start % 8 :][: rows * columns]
    return unpacked.reshape(rows, columns).astype(bool)


def _frame_within(dataset: Dataset, group: int, frame: int) -> int | None:
    """Which of the plane's frames belongs to the picture's frame; None for none of them (C.9.3.1.1).

    A plane that names neither a number of frames nor its first one is for all.
    """
    count, first = _numbers(dataset, group, FRAMES), _numbers(dataset, group, FRAME_ORIGIN)
    if not count and not first:
        return 0
    index = frame - (first[0] - 1 if first else 0)
    return index if 0 <= index < (count[0] if count else 1) else None


def _embedded(
    dataset: Dataset, group: int, syntax: UID, found: Layout, frame: int, shape: tuple[int, int]
) -> np.ndarray:
    """A plane in a bit of the pixels' words that their values do not use (retired; PS3.5-2004 8.1.1)."""
    position = next(iter(_numbers(dataset, group, POSITION)), 0)
    if syntax.is_encapsulated or found.keyword != "PixelData":
        raise _Unusable("no data of its own, and no plain pixel data that could hold it")
    value_bits = range(found.bits_stored)  # as pydicom decodes it: High Bit is Bits Stored − 1 (PS3.5 8.1.1)
    is_free = position not in value_bits and 0 <= position < found.bits_allocated
    if found.samples != 1 or found.bits_allocated not in (8, 16) or shape != (found.rows, found.columns) or not is_free:
        raise _Unusable("no data of its own, and no unused bit of the pixels that could hold it")
    dtype = np.dtype("u1" if found.bits_allocated == 8 else "<u2" if syntax.is_little_endian else ">u2")
    pixels = found.rows * found.columns
    words = np.frombuffer(dataset.PixelData, dtype, pixels, frame * pixels * dtype.itemsize)
    return (words.reshape(shape) >> position & 1).astype(bool)


def _placed(bits: np.ndarray, origin: tuple[int, ...], shape: tuple[int, int]) -> tuple[np.ndarray, int]:
    """The plane in the picture's pixels, [H, W] bool, and how many of its set pixels lie outside.

    origin: (row, column) of the picture's pixel, 1-based, under the plane's first one; may be below 1 (C.9.2).
    """
    if len(origin) != 2:
        raise _Unusable("an origin that is not two numbers")
    top, left = origin[0] - 1, origin[1] - 1
    picture = np.zeros(shape, dtype=bool)
    inside = bits[max(0, -top) : max(0, shape[0] - top), max(0, -left) : max(0, shape[1] - left)]
    row, column = max(0, top), max(0, left)
    picture[row : row + inside.shape[0], column : column + inside.shape[1]] = inside
    return picture, int(bits.sum()) - int(picture.sum())
