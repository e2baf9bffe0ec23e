"""Segmented palettes (DICOM PS3.3 C.7.9.2): from a few segments to a table of a known number of entries.

pydicom's expansion makes whatever the segments ask for, which can be 10,000 times their size, and takes the byte
offset of indirect segments for an index. It knows tables only, no pixel.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

DISCRETE, LINEAR, INDIRECT = 0, 1, 2


def expanded(data: bytes, count: int, bits: int, little_endian: bool) -> np.ndarray:
    """[count] uint16 entries. Raises ValueError or IndexError for segments that make fewer; more are left unmade."""
    words = np.frombuffer(data, "u1" if bits <= 8 else "<u2" if little_endian else ">u2")
    table = np.empty(count, np.uint16)
    filled = 0
    for values in _segments(words, little_endian):
        part = values[: count - filled]
        table[filled : filled + len(part)] = part
        filled += len(part)
        if filled == count:
            return table
    raise ValueError(f"{filled} entries instead of {count}")


def _segments(words: np.ndarray, little_endian: bool) -> Iterator[np.ndarray]:
    """Each segment's entries, at least one of them, so that there are no more steps than entries."""
    position, last = 0, None
    while position + 1 < len(words):
        copies, start, after = 1, position, None
        if words[position] == INDIRECT:  # C.7.9.2.3: so many segments, none of them indirect, from a byte offset on
            copies = int(words[position + 1])
            start, after = _offset(words, position + 2, little_endian)
        if copies == 0:
            raise ValueError("an indirect segment of nothing")
        for _ in range(copies):
            values, start = _segment(words, start, last)
            last = int(values[-1])
            yield values
        position = start if after is None else after


def _segment(words: np.ndarray, position: int, last: int | None) -> tuple[np.ndarray, int]:
    """The entries of a discrete or linear segment, and where the next one begins. last: the entry before."""
    opcode, length = (int(word) for word in words[position : position + 2])
    begin = position + 2
    if opcode == DISCRETE and 0 < length <= len(words) - begin:  # C.7.9.2.1
        return words[begin : begin + length], begin + length
    if opcode == LINEAR and length > 0 and last is not None:  # C.7.9.2.2: the last entry is the one named
        end = int(words[begin])
        return np.rint(np.linspace(last + (end - last) / length, end, length)), begin + 1
    raise ValueError(f"a segment of type {opcode} and length {length}")


def _offset(words: np.ndarray, position: int, little_endian: bool) -> tuple[int, int]:
    """The index that an indirect segment names by its byte offset, low word first, and where the next one begins."""
    if words.itemsize == 2:
        low, high = (int(word) for word in words[position : position + 2])
        return (high << 16 | low) // 2, position + 2
    one, two, three, four = (int(word) for word in words[position : position + 4])
    low, high = (two << 8 | one, four << 8 | three) if little_endian else (one << 8 | two, three << 8 | four)
    return high << 16 | low, position + 4
