"""Overlay planes: against pydicom's overlay_array, a slow plain copy, and by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import data_store
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataelem import DataElement
from pydicom.dataset import FileDataset
from pydicom.uid import ExplicitVRBigEndian, RLELossless

from data_adapters.dicom import DicomFile
from data_adapters.dicom.overlay import _placed

from .made import scan

MakeDataset = Callable[..., FileDataset]
Make = Callable[..., bytes]
DATA = Path(data_store.__file__).parent / "data"
STORED = np.arange(35, dtype=np.uint16).reshape(5, 7)
BITS = np.random.default_rng(0).integers(0, 2, (3, 5, 7)).astype(np.uint8)
LAYER = "overlay present, in a layer of its own"


def add_plane(dataset: FileDataset, bits: np.ndarray, group: int = 0x6000, vr: str = "OB", **attributes: Any) -> None:
    """bits: [H, W] or [frames, H, W]; attributes as elements of the group: `x0050=[1, 1]`."""
    rows, columns = bits.shape[-2:]
    data = np.packbits(bits.ravel(), bitorder="little").tobytes()
    values = {0x10: ("US", rows), 0x11: ("US", columns), 0x40: ("CS", "G"), 0x50: ("SS", [1, 1]), 0x100: ("US", 1)}
    values |= {0x102: ("US", 0), 0x3000: (vr, data + b"\0" * (len(data) % 2))}
    kinds = {0x15: "IS", 0x51: "US", 0x50: "SS", 0x3000: vr, 0x100: "US", 0x102: "US", 0x10: "US", 0x11: "US"}
    values |= {int(name[1:], 16): (kinds[int(name[1:], 16)], value) for name, value in attributes.items()}
    for element, (kind, value) in values.items():
        if value is not None:
            dataset.add_new((group, element), kind, value)


@pytest.mark.parametrize("name", ["examples_overlay.dcm", "MR-SIEMENS-DICOM-WithOverlays.dcm"])
def test_real_files_against_pydicom(package_files: dict[str, Path], name: str) -> None:
    path = package_files.get(name) or DATA / name
    found, dataset = scan(path.read_bytes()), pydicom.dcmread(path)
    expected = dataset.overlay_array(0x6000)
    assert expected.any() and dataset[0x6000, 0x50].value == [1, 1]
    assert found.overlay is not None and np.array_equal(found.overlay, expected[: found.size[1], : found.size[0]])
    assert LAYER in found.notes


def test_overlay_is_no_part_of_the_picture(make_dataset: MakeDataset, to_bytes: Make) -> None:
    plain = make_dataset(STORED, WindowCenter=20, WindowWidth=20)
    without = scan(to_bytes(plain))
    add_plane(plain, BITS[0])
    found = scan(to_bytes(plain))
    assert without.overlay is None and found.overlay is not None
    assert np.array_equal(found.pixels, without.pixels) and np.array_equal(found.display(), without.display())


@given(st.integers(1, 6), st.integers(1, 6), st.integers(-8, 8), st.integers(-8, 8), st.randoms(use_true_random=False))
def test_origin_against_a_slow_copy(rows: int, columns: int, top: int, left: int, random: Any) -> None:
    bits = np.array([[random.random() < 0.5 for _ in range(columns)] for _ in range(rows)])
    expected, lost = np.zeros((4, 5), dtype=bool), 0
    for row in range(rows):
        for column in range(columns):
            y, x = row + top - 1, column + left - 1  # C.9.2: 1\1 is the upper left pixel
            if 0 <= y < 4 and 0 <= x < 5:
                expected[y, x] = bits[row, column]
            else:
                lost += int(bits[row, column])
    found, outside = _placed(bits, (top, left), (4, 5))
    assert np.array_equal(found, expected) and outside == lost


def test_what_lies_outside_is_counted(make_dataset: MakeDataset, to_bytes: Make) -> None:
    dataset = make_dataset(STORED)
    add_plane(dataset, np.ones((5, 7), np.uint8), x0050=[0, 3])  # one row above, two columns to the right
    found = scan(to_bytes(dataset))
    assert found.overlay is not None and found.overlay.sum() == 4 * 5
    assert found.overlay[:4, 2:].all()
    assert f"overlay 6000: {35 - 20} pixels outside of the picture left out" in found.notes


def test_frames_of_an_overlay_begin_within_bytes(make_dataset: MakeDataset, to_bytes: Make) -> None:
    dataset = make_dataset(np.stack([STORED] * 5), NumberOfFrames=5)
    add_plane(dataset, BITS, x0015=3, x0051=2)  # for the frames 2, 3 and 4
    expected = dataset.overlay_array(0x6000)
    assert np.array_equal(expected, BITS)
    file = DicomFile(to_bytes(dataset))
    overlays = [file.scan(frame).overlay for frame in range(5)]
    assert overlays[0] is None and overlays[4] is None
    for found, bits in zip(overlays[1:4], expected, strict=True):
        assert found is not None and np.array_equal(found, bits)


@pytest.mark.parametrize(
    ("attributes", "frames"),
    [({}, [0, 1, 2]), ({"x0015": 1}, [0]), ({"x0051": 3}, [2]), ({"x0015": 1, "x0051": 2}, [1])],
)
def test_single_overlay_of_a_multi_frame_picture(
    make_dataset: MakeDataset, to_bytes: Make, attributes: dict[str, int], frames: list[int]
) -> None:
    dataset = make_dataset(np.stack([STORED] * 3), NumberOfFrames=3)
    add_plane(dataset, BITS[0], **attributes)
    file = DicomFile(to_bytes(dataset))
    assert [frame for frame in range(3) if file.scan(frame).overlay is not None] == frames


def test_several_planes_are_laid_over_each_other(make_dataset: MakeDataset, to_bytes: Make) -> None:
    dataset = make_dataset(STORED)
    add_plane(dataset, BITS[0])
    add_plane(dataset, BITS[1], group=0x601E)
    found = scan(to_bytes(dataset)).overlay
    assert found is not None and np.array_equal(found, (BITS[0] | BITS[1]).astype(bool))


def test_big_endian_words(make_dataset: MakeDataset, to_bytes: Make) -> None:
    dataset = make_dataset(STORED, syntax=ExplicitVRBigEndian, PixelData=STORED.astype(">u2").tobytes())
    add_plane(dataset, BITS[0], vr="OW")
    element = dataset[0x6000, 0x3000]
    element.value = np.frombuffer(element.value, "<u2").astype(">u2").tobytes()
    found = scan(to_bytes(dataset)).overlay
    assert found is not None and np.array_equal(found, BITS[0].astype(bool))


@pytest.mark.parametrize("frame", [0, 1])
def test_overlay_in_unused_bits(make_dataset: MakeDataset, to_bytes: Make, frame: int) -> None:
    stored = np.stack([STORED, STORED + 100]) | BITS[:2].astype(np.uint16) << 13
    dataset = make_dataset(stored, NumberOfFrames=2, BitsStored=12, HighBit=11)
    add_plane(dataset, BITS[0], x3000=None, x0100=16, x0102=13)
    found = scan(to_bytes(dataset), frame)
    assert found.overlay is not None and np.array_equal(found.overlay, BITS[frame].astype(bool))
    assert np.array_equal(found.pixels, STORED + 100 * frame)  # and not in the values


def test_bit_of_the_value_is_no_overlay(make_dataset: MakeDataset, to_bytes: Make) -> None:
    dataset = make_dataset(STORED, BitsStored=12, HighBit=11)
    add_plane(dataset, BITS[0], x3000=None, x0100=16, x0102=3)
    found = scan(to_bytes(dataset))
    assert found.overlay is None and any("no unused bit" in note for note in found.notes)


def test_overlay_bits_in_compressed_pixels_are_not_guessed(make_dataset: MakeDataset, to_bytes: Make) -> None:
    dataset = make_dataset(STORED, BitsStored=12, HighBit=11)
    dataset.compress(RLELossless)
    add_plane(dataset, BITS[0], x3000=None, x0100=16, x0102=13)
    found = scan(to_bytes(dataset))
    assert found.overlay is None and any(note.startswith("overlay 6000 left out") for note in found.notes)


@pytest.mark.parametrize(
    "attributes",
    [
        {"x3000": b"\1\2"},  # cut short
        {"x0010": 0},
        {"x0010": 60000, "x0011": 60000},
        {"x0050": [1, 1, 1]},
        {"x0015": 3, "x3000": b"\1\2\3\4\5\6"},
    ],
)
def test_damaged_plane_is_left_out_and_the_picture_stays(
    make_dataset: MakeDataset, to_bytes: Make, attributes: dict[str, Any]
) -> None:
    dataset = make_dataset(np.stack([STORED] * 2), NumberOfFrames=2)
    add_plane(dataset, BITS[0], **attributes)
    found = scan(to_bytes(dataset), 1)
    assert found.overlay is None and np.array_equal(found.pixels, STORED)
    assert any(note.startswith("overlay 6000 left out") for note in found.notes)


words = st.one_of(st.none(), st.integers(0, 65535))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words, words, words, words, st.binary(max_size=12), st.lists(st.integers(-32768, 32767), max_size=3))
def test_whatever_a_plane_claims_the_picture_comes_out(
    make_dataset: MakeDataset,
    to_bytes: Make,
    rows: int | None,
    columns: int | None,
    position: int | None,
    first: int | None,
    data: bytes,
    origin: list[int],
) -> None:
    dataset = make_dataset(STORED)
    add_plane(dataset, BITS[0], x3000=data + b"\0" * (len(data) % 2), x0050=origin or None)
    for element, value in {0x10: rows, 0x11: columns, 0x102: position, 0x51: first}.items():
        if value is not None:
            dataset[0x6000, element] = DataElement((0x6000, element), "US", value)
    found = scan(to_bytes(dataset))
    assert np.array_equal(found.pixels, STORED)
    assert found.overlay is None or found.overlay.shape == STORED.shape
