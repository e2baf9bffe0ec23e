"""From stored values to physical ones, and the file's suggestions how to look at them.

Modality transformation: PS3.3 C.11.1. Value-of-interest transformation: C.11.2.
It applies no window and makes no 8-bit picture: that is medfly.display's.
"""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
from pydicom.dataset import Dataset

from data_adapters.dicom.header import REPAIR, FrameHeader, tag_name
from data_adapters.refusal import refusal
from medfly.types import VoiLut, Window, WindowFunction

# Explanations of windows that scanners write (C.11.2.1.2) and that can be no name.
EXPLANATIONS = (
    *("NORMAL", "HARDER", "SOFTER", "DEFAULT", "WINDOW1", "WINDOW2"),
    *("LUNG", "MEDIASTINUM", "ABDOMEN", "LIVER", "BONE", "BRAIN", "HEAD", "SUBDURAL", "STROKE", "ANGIO"),
)
# C.11.1.1.2, without US, "unspecified". Other values are allowed, and with them free text.
UNITS = ("OD", "HU", "MGML", "Z_EFF", "ED", "EDW", "HU_MOD", "PCT")
BLOCK = 1 << 16  # pixels that are rescaled at a time: few enough to stay in the processor's cache


def modality_values(stored: np.ndarray, header: FrameHeader, little_endian: bool) -> tuple[np.ndarray, str | None]:
    """Stored values [H, W] → ([H, W] float32 physical values, their unit or None).

    Raises InputError naming the tag for a table that is short and for a slope or intercept that is not finite.
    """
    modality, units = header.code("Modality"), header.code("Units")
    header = header.layer_with("ModalityLUTSequence", "RescaleSlope", "RescaleIntercept")
    table = header.item("ModalityLUTSequence")
    if table is not None:  # C.11.1.1: where there is a table it takes the place of slope and intercept
        lut = FrameHeader((table,))
        count, first, bits = descriptor(lut, "LUTDescriptor")
        values = entries(lut, "LUTData", count, bits, little_endian)
        index = np.clip(stored.astype(np.int64) - first, 0, count - 1)
        return values[index].astype(np.float32), _unit(lut.code("ModalityLUTType"))
    slope, intercept = header.number("RescaleSlope"), header.number("RescaleIntercept")
    if slope is None and intercept is None:
        return stored.astype(np.float32), None
    if slope == 0:
        raise refusal(f"{tag_name('RescaleSlope')} 0", "a slope that keeps the image", REPAIR)
    slope, intercept = 1.0 if slope is None else slope, intercept or 0.0
    values = np.empty(stored.shape, np.float32)
    rows = max(BLOCK // max(stored.shape[-1], 1), 1)
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(stored), rows):
            block = slice(start, start + rows)
            values[block] = stored[block].astype(np.float64) * slope + intercept
    if stored.dtype.kind != "f" and not np.isfinite(values).all():
        raise refusal(f"{tag_name('RescaleSlope')} {slope:g}", "values within 32-bit floats", REPAIR)
    if modality == "PT" and units is not None:  # C.8.9.1: Units are those of the rescaled values
        return values, units
    declared = header.code("RescaleType")
    # C.8.2.1.1.2: Hounsfield units unless Rescale Type says otherwise
    return values, _unit("HU" if declared is None and modality == "CT" else declared)


def _unit(declared: str | None) -> str | None:
    return declared if declared in UNITS else None


def suggestions(header: FrameHeader, little_endian: bool) -> tuple[tuple[Window | VoiLut, ...], list[str]]:
    """The file's ways of looking at its physical values, tables before windows, and remarks on those left out.

    C.11.2.1: a table and a window are alternatives; of several, the first is the one to start with.
    Raises InputError for a table that is shorter than its descriptor.
    """
    header = header.layer_with("VOILUTSequence", "WindowCenter", "WindowWidth")
    items = header.get("VOILUTSequence") or ()
    luts = [_voi_lut(item, f"VOILUTSequence {n} of {len(items)}", little_endian) for n, item in enumerate(items, 1)]
    found, notes = _windows(header)
    return (*luts, *found), notes


def first_window(header: FrameHeader) -> Window | None:
    """The file's first window of a frame whose values no table comes before; None where it has none that is usable."""
    header = header.layer_with("VOILUTSequence", "WindowCenter", "WindowWidth")
    found, _ = _windows(header)
    return found[0] if found and header.get("VOILUTSequence") is None else None


def _voi_lut(item: Dataset, source: str, little_endian: bool) -> VoiLut:
    lut = FrameHeader((item,))
    count, first, bits = descriptor(lut, "LUTDescriptor")
    table = entries(lut, "LUTData", count, bits, little_endian)
    return VoiLut(first, table, bits, source + _explained(lut, "LUTExplanation"))


def _explained(header: FrameHeader, keyword: str, index: int = 0) -> str:
    """What a window is for, where it is one of the known words: free text may name a patient."""
    word = header.code(keyword, index)
    return f" ({word})" if word in EXPLANATIONS else ""


def _windows(header: FrameHeader) -> tuple[list[Window], list[str]]:
    centers = header.numbers("WindowCenter", finite=False)
    widths = header.numbers("WindowWidth", finite=False)
    declared = header.code("VOILUTFunction") or "LINEAR"  # C.11.2.1.3: LINEAR where absent
    function = next((known for known in get_args(WindowFunction) if known == declared), None)
    if function is None:
        return [], ["windows of an unknown VOILUTFunction ignored"] if centers else []
    count = min(len(centers), len(widths))
    pairs = [
        Window(
            center,
            width,
            function,
            f"WindowCenter/Width {number} of {count}" + _explained(header, "WindowCenterWidthExplanation", number - 1),
        )
        for number, (center, width) in enumerate(zip(centers, widths, strict=False), start=1)
        if math.isfinite(center)
        and math.isfinite(width)
        # C.11.2.1.2.1: at least 1 for LINEAR; C.11.2.1.3: above 0 for the others
        and (width >= 1 if function == "LINEAR" else width > 0)
    ]
    ignored = max(len(centers), len(widths)) - len(pairs)
    return pairs, [f"{ignored} unusable of {ignored + len(pairs)} windows ignored"] if ignored else []


def descriptor(header: FrameHeader, keyword: str) -> tuple[int, int, int]:
    """(number of entries, first input, bits of an entry) of a table (C.11.1.1.1, C.11.2.1.1)."""
    values = header.numbers(keyword)
    if len(values) != 3:
        raise refusal(f"{len(values)} values in {tag_name(keyword)}", "three", REPAIR)
    count, first, bits = (int(value) for value in values)
    if not 1 <= bits <= 16:
        raise refusal(f"a table of {bits} bits in {tag_name(keyword)}", "8 to 16", REPAIR)
    return count or 2**16, first, bits  # 0 stands for 2**16


def entries(header: FrameHeader, keyword: str, count: int, bits: int, little_endian: bool) -> np.ndarray:
    """[count] uint16 entries of a table. Raises InputError where it is shorter or deeper than its descriptor."""
    value = header.get(keyword)
    if isinstance(value, bytes | bytearray):
        # 8-bit entries may be packed two to a word, or have a word each (C.7.6.3.1.6)
        packed = bits <= 8 and len(value) < 2 * count
        dtype = np.dtype("u1") if packed else np.dtype("<u2" if little_endian else ">u2")
        found = np.frombuffer(value, dtype, len(value) // dtype.itemsize)
    else:
        found = np.array(header.numbers(keyword), dtype=np.int64) % 2**16
    if len(found) < count:
        raise refusal(f"{len(found)} entries in {tag_name(keyword)}", f"{count} as in its descriptor", REPAIR)
    found = found[:count].astype(np.uint16)
    if int(found.max()) >= 2**bits:
        raise refusal(f"entries up to {found.max()} in {tag_name(keyword)}", f"{bits} bits as described", REPAIR)
    return found
