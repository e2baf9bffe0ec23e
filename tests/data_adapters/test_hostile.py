"""Damaged and hostile files: a Scan or one line, never another exception. Each known attack stays as a regression."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from data_adapters import read
from data_adapters.dicom_header import MAX_INFLATED_BYTES
from medfly.types import InputError, Scan

Make = Callable[..., Any]
RAMP = np.arange(256, dtype=np.uint16).reshape(16, 16)


def refused(data: bytes, words: str, frame: int = 0) -> None:
    with pytest.raises(InputError) as caught:
        read(data, frame=frame)
    message = str(caught.value)
    assert words in message
    assert "\n" not in message and "Doe" not in message
    assert "found" in message and "expected" in message


@pytest.mark.filterwarnings("ignore:Invalid value for VR DS")  # meant
@pytest.mark.parametrize("slope", ["nan", "inf", "0"])
def test_slope_that_destroys(make_dicom: Make, slope: str) -> None:
    refused(make_dicom(RAMP, RescaleSlope=slope, RescaleIntercept=0), "Rescale Slope (0028,1053)")


@pytest.mark.filterwarnings("ignore:Invalid value for VR DS")
def test_intercept_that_is_not_finite(make_dicom: Make) -> None:
    refused(make_dicom(RAMP, RescaleSlope=1, RescaleIntercept="inf"), "Rescale Intercept (0028,1052)")


def test_slope_beyond_float32(make_dicom: Make) -> None:
    refused(make_dicom(RAMP, RescaleSlope="1e300", RescaleIntercept=0), "Rescale Slope (0028,1053)")


@pytest.mark.parametrize("sequence", ["VOILUTSequence", "ModalityLUTSequence"])
def test_table_shorter_than_its_descriptor(make_dataset: Make, to_bytes: Make, sequence: str) -> None:
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [256, 0, 16])
    table.add_new("LUTData", "OW", b"\0\0" * 100)
    dataset = make_dataset(RAMP)
    setattr(dataset, sequence, Sequence([table]))
    refused(to_bytes(dataset), "100 entries in LUT Data (0028,3006)")


def test_table_deeper_than_its_descriptor(make_dataset: Make, to_bytes: Make) -> None:
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [4, 0, 10])
    table.add_new("LUTData", "OW", struct.pack("<4H", 0, 1, 2, 1024))
    refused(to_bytes(make_dataset(RAMP, VOILUTSequence=Sequence([table]))), "entries up to 1024")


def test_absurd_size_is_refused_from_the_header(make_dicom: Make) -> None:
    refused(make_dicom(RAMP, Rows=65535, Columns=65535), "65535 × 65535 pixels")


def test_more_frames_than_fragments(make_dataset: Make, to_bytes: Make) -> None:
    dataset = make_dataset(RAMP)
    dataset.compress(RLELossless)
    dataset.NumberOfFrames = 200_000
    refused(to_bytes(dataset), "200,000 frames", frame=199_999)


def test_frames_that_native_data_cannot_hold(make_dicom: Make) -> None:
    refused(make_dicom(RAMP, NumberOfFrames=3), "512 bytes in Pixel Data (7FE0,0010); expected 1,536")


def test_deflated_bomb(make_dataset: Make, to_bytes: Make) -> None:
    dataset = make_dataset(RAMP, syntax=DeflatedExplicitVRLittleEndian)
    whole = to_bytes(dataset)
    head = whole[: 132 + 12 + struct.unpack_from("<I", whole, 140)[0]]
    assert np.array_equal(read(whole).pixels, RAMP)
    squeezer = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    chunk = bytes(2**20)
    body = b"".join(squeezer.compress(chunk) for _ in range(MAX_INFLATED_BYTES // 2**20 + 1)) + squeezer.flush()
    refused(head + body, "deflated")


def test_sequences_nested_500_deep(make_dicom: Make) -> None:
    opening = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    whole = make_dicom(RAMP)
    start = whole.index(b"\x08\x00\x60\x00")  # Modality
    refused(whole[:start] + opening * 500 + whole[start:], "RecursionError")


def test_rle_run_past_its_end(make_dataset: Make, to_bytes: Make) -> None:
    dataset = make_dataset(RAMP)
    header = struct.pack("<16I", 2, 64, 66, *[0] * 13)
    dataset.file_meta.TransferSyntaxUID = RLELossless
    dataset.PixelData = encapsulate([header + b"\x7f\x00" + b"\x7f\x00"])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    refused(to_bytes(dataset), "RLE Lossless")


def test_codestream_larger_than_the_header(make_dataset: Make, to_bytes: Make) -> None:
    size = struct.pack(">HHHIIIIIIII", 0xFF51, 41, 0, 60000, 60000, 0, 0, 60000, 60000, 0, 0)
    dataset = make_dataset(RAMP)
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.PixelData = encapsulate([b"\xff\x4f" + size + bytes(64)])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    refused(to_bytes(dataset), "codestream of 60000 × 60000; expected 16 × 16")


def test_unsupported_transfer_syntax_is_named(make_dataset: Make, to_bytes: Make) -> None:
    dataset = make_dataset(RAMP)
    dataset.PixelData = encapsulate([bytes(100)])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.100"
    refused(to_bytes(dataset), "transfer syntax MPEG2 Main Profile / Main Level")


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"Rows": 0}, "Rows (0028,0010)"),
        ({"PhotometricInterpretation": "HSV"}, "retired or unknown"),
        ({"PhotometricInterpretation": "RGB"}, "Samples per Pixel (0028,0002)"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "Palette"),
        ({"BitsAllocated": 12}, "pixel data"),
        ({"PixelRepresentation": 7}, "pixel data"),
        ({"PixelData": b""}, "no pixel data"),
    ],
)
def test_impossible_header(make_dicom: Make, attributes: dict[str, Any], words: str) -> None:
    refused(make_dicom(RAMP, **attributes), words)


def test_too_few_functional_groups(make_dicom: Make) -> None:
    two = np.stack([RAMP, RAMP])
    data = make_dicom(two, NumberOfFrames=2, PerFrameFunctionalGroupsSequence=Sequence([Dataset()]))
    assert read(data).frame == 0
    refused(data, "Per-Frame Functional Groups Sequence (5200,9230)", frame=1)


@pytest.fixture(scope="module")
def small_files(make_dataset: Make, to_bytes: Make) -> list[bytes]:
    """Native, RLE and enhanced: Python decodes all of them, so that nothing can crash the process."""
    values = RAMP[:4, :4].astype(np.int16)
    window = Dataset()
    window.WindowCenter, window.WindowWidth = [5, 7], [9, 11]
    group = Dataset()
    group.FrameVOILUTSequence = Sequence([window])
    native = make_dataset(values, Modality="CT", RescaleSlope=1, RescaleIntercept=-1024, PixelPaddingValue=0)
    native.PixelSpacing, native.WindowCenter, native.WindowWidth = [1, 2], 4, 8
    native.SharedFunctionalGroupsSequence = Sequence([group])
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [4, 0, 16])
    table.add_new("LUTData", "OW", bytes(8))
    native.VOILUTSequence = Sequence([table])
    rle: FileDataset = make_dataset(values)
    rle.compress(RLELossless, generate_instance_uid=False)  # the same bytes in every run
    return [to_bytes(native), to_bytes(rle)]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_mutations_give_a_scan_or_one_line(small_files: list[bytes], data: st.DataObject) -> None:
    whole = bytearray(data.draw(st.sampled_from(small_files)))
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(132, len(whole) - 1))] = data.draw(st.integers(0, 255))
    kept = bytes(whole[: data.draw(st.integers(0, len(whole)) | st.just(len(whole)))])
    try:
        scan = read(kept)
    except InputError as problem:
        assert "\n" not in str(problem) and "Doe" not in str(problem)
    else:
        assert isinstance(scan, Scan)
        assert scan.display().shape == (*scan.pixels.shape[:2], 3)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"\x08\x00\x05\x00", b"\x89PNG\r\n\x1a\n", b"II*\0", b"BM"]))
def test_noise_gives_a_scan_or_one_line(noise: bytes, magic: bytes) -> None:
    for data in (magic + noise, bytes(128) + b"DICM" + noise):
        try:
            assert isinstance(read(data), Scan)
        except InputError as problem:
            assert "\n" not in str(problem)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_RLE.dcm", "SC_rgb_jpeg_dcmtk.dcm", "693_J2KI.dcm"])
def test_truncated_anywhere(package_files: dict[str, Path], name: str) -> None:
    whole = package_files[name].read_bytes()
    for length in np.linspace(0, len(whole) * 0.8, 12).astype(int):
        try:
            read(whole[:length])
        except InputError as problem:
            assert "\n" not in str(problem)
        else:  # codecs may paint the rest grey, plain data may not
            assert name in ("SC_rgb_jpeg_dcmtk.dcm", "693_J2KI.dcm")
