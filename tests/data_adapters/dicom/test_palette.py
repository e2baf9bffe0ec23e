"""Segmented palettes against pydicom's expansion where that is right, and against the standard's words elsewhere."""

from __future__ import annotations

import struct
import time
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut

from data_adapters.dicom.palette import expanded

Segment = tuple[int, list[int]]


def words(segments: list[Segment], bits: int) -> bytes:
    """Discrete: (0, its entries). Linear: (length, [its last entry])."""
    flat = [
        word for length, values in segments for word in ([1, length, *values] if length else [0, len(values), *values])
    ]
    return struct.pack(f"<{len(flat)}{'B' if bits == 8 else 'H'}", *flat)


def by_pydicom(data: bytes, count: int, bits: int) -> np.ndarray:
    dataset = Dataset()
    dataset.set_original_encoding(False, True)
    for colour in ("Red", "Green", "Blue"):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [count % 2**16, 0, bits])
        setattr(dataset, f"Segmented{colour}PaletteColorLookupTableData", data)
    return apply_color_lut(np.arange(count), dataset)[:, 0]


@st.composite
def segmented(draw: st.DrawFn) -> tuple[list[Segment], int]:
    bits = draw(st.sampled_from([8, 16]))
    value = st.integers(0, 2**bits - 1)
    discrete = st.tuples(st.just(0), st.lists(value, min_size=1, max_size=20))
    linear = st.tuples(st.integers(1, 60), value.map(lambda last: [last]))
    return [draw(discrete), *draw(st.lists(discrete | linear, max_size=5))], bits


@given(segmented())
def test_discrete_and_linear_segments_against_pydicom(made: tuple[list[Segment], int]) -> None:
    segments, bits = made
    count = sum(length or len(values) for length, values in segments)
    assume(count <= 2**bits)  # pydicom counts entries in the type of their values
    data = words(segments, bits)
    assert np.array_equal(expanded(data, count, bits, True), by_pydicom(data, count, bits))


@pytest.mark.parametrize("little_endian", [True, False])
def test_indirect_segments_count_their_offset_in_bytes(little_endian: bool) -> None:
    """C.7.9.2.3. Segments: 5, 7; up to 10 in three steps; the second again, from 20 on; the first two again."""
    offset_of_linear = 2 * 4
    numbers = [0, 2, 5, 7, 1, 3, 10, 0, 1, 20, 2, 1, offset_of_linear, 0, 2, 2, 0, 0]
    data = struct.pack(f"{'<' if little_endian else '>'}{len(numbers)}H", *numbers)
    table = expanded(data, 14, 16, little_endian)
    assert table.tolist() == [5, 7, 8, 9, 10, 20, 17, 13, 10, 5, 7, 8, 9, 10]


def test_indirect_segment_of_bytes() -> None:
    data = bytes([0, 2, 5, 7, 2, 1, 0, 0, 0, 0])
    assert expanded(data, 4, 8, True).tolist() == expanded(data, 4, 8, False).tolist() == [5, 7, 5, 7]


@pytest.mark.parametrize(
    "numbers",
    [
        [],
        [1, 4, 9],  # linear from nowhere
        [0, 3, 1, 2],  # cut short
        [0, 0],  # nothing
        [0, 1, 5, 2, 0, 0, 0],  # no copy
        [0, 1, 5, 2, 9, 6, 0],  # of itself
        [0, 1, 5, 2, 1, 60000, 60000],  # beyond the end
        [0, 1, 5, 3, 1, 1],  # reserved
        [0, 1, 5, 1, 100],  # the end is missing
    ],
)
def test_segments_that_are_none(numbers: list[int]) -> None:
    with pytest.raises((ValueError, IndexError)):
        expanded(struct.pack(f"<{len(numbers)}H", *numbers), 100, 16, True)


def test_a_bomb_stops_at_the_count() -> None:
    """1.2 MB that would make 13 billion entries."""
    data = struct.pack("<3H", 0, 1, 5) + struct.pack("<3H", 1, 65535, 9) * 200_000
    begun = time.perf_counter()
    assert len(expanded(data, 256, 16, True)) == 256
    assert time.perf_counter() - begun < 1


@given(st.binary(max_size=200), st.integers(1, 300), st.sampled_from([8, 16]), st.booleans())
def test_noise_is_a_table_or_refused(noise: bytes, count: int, bits: int, little_endian: bool) -> None:
    with suppress(ValueError, IndexError):
        assert expanded(noise, count, bits, little_endian).shape == (count,)
