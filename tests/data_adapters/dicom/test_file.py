"""DICOM attributes, one at a time, against analytic values and pydicom's own transformations."""

from __future__ import annotations

import logging
import threading
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000, ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

from data_adapters import read
from data_adapters.dicom import DicomFile
from data_adapters.dicom.header import MAX_INFLATED_BYTES, FrameHeader, quiet
from medfly.display import apply_window
from medfly.types import InputError, VoiLut, Window

from .made import item

Make = Callable[..., bytes]
RAMP = np.arange(0, 4096, 16, dtype=np.uint16).reshape(16, 16)
SIGNED = (RAMP.astype(np.int16) - 2048).astype(np.int16)


def table(values: np.ndarray, first: int, bits: int, signed: bool = False, **attributes: Any) -> Dataset:
    dataset = item(**attributes)
    dataset.add_new("LUTDescriptor", "SS" if signed else "US", [len(values), first, bits])
    dataset.add_new("LUTData", "OW", values.astype("<u2").tobytes())
    return dataset


def test_rescale_and_hounsfield(make_dicom: Make) -> None:
    scan = read(make_dicom(SIGNED, Modality="CT", RescaleSlope=2, RescaleIntercept=-1024))
    assert scan.pixels.dtype == np.float32 and scan.unit == "HU"
    assert np.array_equal(scan.pixels, SIGNED * 2.0 - 1024)


@pytest.mark.parametrize(
    ("attributes", "unit"),
    [
        ({"Modality": "CT"}, None),  # no rescale: stored values are no Hounsfield units
        ({"Modality": "MR", "RescaleSlope": 1, "RescaleIntercept": 0}, None),
        ({"Modality": "CT", "RescaleSlope": 1, "RescaleIntercept": 0, "RescaleType": "US"}, None),
        ({"Modality": "CR", "RescaleSlope": 1, "RescaleIntercept": 0, "RescaleType": "OD"}, "OD"),
        ({"Modality": "MR", "RescaleSlope": 1, "RescaleIntercept": 0, "RescaleType": "DOE JANE"}, None),  # free text
        ({"Modality": "PT", "RescaleSlope": 2, "RescaleIntercept": 0, "Units": "BQML"}, "BQML"),
    ],
)
def test_unit_is_said_or_none(make_dicom: Make, attributes: dict[str, Any], unit: str | None) -> None:
    assert read(make_dicom(RAMP, **attributes)).unit == unit


@pytest.mark.parametrize(
    ("attributes", "inverted"),
    [
        ({}, False),
        ({"PhotometricInterpretation": "MONOCHROME1"}, True),
        ({"PresentationLUTShape": "INVERSE"}, True),
        ({"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}, True),
        ({"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "IDENTITY"}, False),
    ],
)
def test_inversion(make_dicom: Make, attributes: dict[str, Any], inverted: bool) -> None:
    scan = read(make_dicom(RAMP, WindowCenter=2048, WindowWidth=4096, **attributes))
    assert scan.inverted is inverted
    contradicts = inverted is not (attributes.get("PhotometricInterpretation") == "MONOCHROME1")
    assert any("contradicts" in note for note in scan.notes) is contradicts
    picture = scan.display()
    assert (picture[0, 0, 0], picture[-1, -1, 0]) == ((255, 1) if inverted else (0, 254))


def test_padding_comes_from_stored_values_and_is_black_even_inverted(make_dicom: Make) -> None:
    scan = read(
        make_dicom(
            RAMP,
            PhotometricInterpretation="MONOCHROME1",
            RescaleSlope=-1,
            RescaleIntercept=5000,
            PixelPaddingValue=32,
            PixelPaddingRangeLimit=0,
            WindowCenter=2500,
            WindowWidth=6000,
        )
    )
    assert scan.padding is not None
    assert np.array_equal(scan.padding, RAMP <= 32)
    assert (scan.display()[scan.padding] == 0).all()
    assert (scan.display()[~scan.padding] > 0).all()


def test_padding_in_the_other_signedness(make_dataset: Callable[..., FileDataset], to_bytes: Make) -> None:
    dataset = make_dataset(SIGNED)
    dataset.add_new("PixelPaddingValue", "US", 65536 - 2048)
    scan = read(to_bytes(dataset))
    assert scan.padding is not None and np.array_equal(scan.padding, SIGNED == -2048)


def test_no_padding_is_none(make_dicom: Make) -> None:
    assert read(make_dicom(RAMP)).padding is None


def test_all_windows_in_order(make_dicom: Make) -> None:
    scan = read(make_dicom(RAMP, WindowCenter=[40, 400], WindowWidth=[80, 2000]))
    assert scan.windows == (
        Window(40, 80, source="WindowCenter/Width 1 of 2"),
        Window(400, 2000, source="WindowCenter/Width 2 of 2"),
    )


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_window_function_against_pydicom(
    make_dataset: Callable[..., FileDataset], to_bytes: Make, function: str
) -> None:
    dataset = make_dataset(RAMP, WindowCenter=1000, WindowWidth=700, VOILUTFunction=function)
    scan = read(to_bytes(dataset))
    expected = apply_voi_lut(RAMP, dataset) / 65535  # pydicom spans the stored range
    assert np.abs(apply_window(scan.pixels, scan.windows[0]) - expected).max() < 1e-9


def test_unusable_windows_are_left_out_with_a_remark(make_dicom: Make) -> None:
    scan = read(make_dicom(RAMP, WindowCenter=[40, 40, 50], WindowWidth=[0, 80]))
    assert [(w.center, w.width) for w in scan.windows if isinstance(w, Window)] == [(40, 80)]
    assert any("2 unusable of 3 windows" in note for note in scan.notes)
    odd = read(make_dicom(RAMP, WindowCenter=40, WindowWidth=80, VOILUTFunction="CUBIC"))
    assert odd.windows == () and any("VOILUTFunction" in note for note in odd.notes)


def test_voi_lut_goes_before_windows_and_agrees_with_pydicom(
    make_dataset: Callable[..., FileDataset], to_bytes: Make
) -> None:
    curve = np.rint(1023 * np.linspace(0, 1, 500) ** 2)
    dataset = make_dataset(SIGNED, WindowCenter=40, WindowWidth=80)
    dataset.VOILUTSequence = Sequence([table(curve, -300, 10, signed=True)])
    scan = read(to_bytes(dataset))
    lut, window = scan.windows
    assert isinstance(lut, VoiLut) and isinstance(window, Window)
    assert np.array_equal(np.rint(apply_window(scan.pixels, lut) * 1023), apply_voi_lut(SIGNED, dataset))


def test_voi_lut_is_in_modality_units(make_dicom: Make) -> None:
    step = np.array([0, 65535])  # 0 up to 100, full from 101 on
    scan = read(make_dicom(RAMP, RescaleSlope=1, RescaleIntercept=-1000, VOILUTSequence=[table(step, 100, 16)]))
    assert np.array_equal(apply_window(scan.pixels, scan.windows[0]), (RAMP - 1000.0 > 100).astype(float))


def test_modality_lut_replaces_rescale(make_dataset: Callable[..., FileDataset], to_bytes: Make) -> None:
    curve = np.arange(3000)[::-1]
    dataset = make_dataset(RAMP)
    dataset.ModalityLUTSequence = Sequence([table(curve, 100, 16, ModalityLUTType="OD")])
    expected = apply_modality_lut(RAMP, dataset)
    dataset.RescaleSlope, dataset.RescaleIntercept = 7, 7
    scan = read(to_bytes(dataset))
    assert np.array_equal(scan.pixels, expected) and scan.unit == "OD"


def test_unused_high_bits_of_signed_data(make_dicom: Make) -> None:
    masked = (SIGNED & 0x0FFF).astype(np.int16)  # 12 bits stored in 16, as PS3.5 8.1.1 allows
    assert np.array_equal(read(make_dicom(masked, BitsStored=12, HighBit=11)).pixels, SIGNED)


def test_values_that_stand_in_the_upper_bits_are_refused(
    make_dataset: Callable[..., FileDataset], to_bytes: Make
) -> None:
    """As ACR-NEMA allowed it. Read from the lower bits they would be noise; some writers only mistake the number."""
    dataset = make_dataset((RAMP << 4).astype(np.uint16), BitsStored=12, HighBit=15)
    expected = r"found 15 in High Bit \(0028,0102\); expected 11, for 12 in Bits Stored \(0028,0101\)"
    with pytest.raises(InputError, match=expected):
        read(to_bytes(dataset))
    dataset.compress(RLELossless)
    with pytest.raises(InputError, match=expected):
        read(to_bytes(dataset))


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, RLELossless])
def test_transfer_syntax_does_not_matter(make_dataset: Callable[..., FileDataset], to_bytes: Make, syntax: str) -> None:
    compressed = syntax == RLELossless
    dataset = make_dataset(SIGNED, **({} if compressed else {"syntax": syntax}), PixelPaddingValue=-2048)
    if compressed:
        dataset.compress(syntax)
    scan = read(to_bytes(dataset))
    assert np.array_equal(scan.pixels, SIGNED)
    assert scan.padding is not None and scan.padding.sum() == 1


def test_big_endian(make_dataset: Callable[..., FileDataset], to_bytes: Make) -> None:
    swapped = SIGNED.astype(">i2").tobytes()
    dataset = make_dataset(SIGNED, syntax=ExplicitVRBigEndian, PixelData=swapped)
    assert np.array_equal(read(to_bytes(dataset)).pixels, SIGNED)


def test_bare_dataset_without_preamble(make_dicom: Make) -> None:
    data = make_dicom(RAMP, syntax=ImplicitVRLittleEndian)
    start = data.index(b"\x08\x00\x16\x00")  # SOP Class UID, the first element after the meta information
    assert np.array_equal(read(data[start:]).pixels, RAMP)


def test_float_pixel_data(make_dataset: Callable[..., FileDataset], to_bytes: Make) -> None:
    values = np.linspace(-1, 1, 256, dtype=np.float32).reshape(16, 16)
    dataset = make_dataset(values, FloatPixelPaddingValue=-1.0)
    del dataset.PixelData, dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit
    dataset.FloatPixelData = values.tobytes()
    scan = read(to_bytes(dataset))
    assert np.array_equal(scan.pixels, values)
    assert scan.padding is not None and scan.padding.sum() == 1


@pytest.mark.parametrize(
    ("attributes", "spacing", "word"),
    [
        ({"PixelSpacing": [0.5, 0.25], "ImagerPixelSpacing": [9, 9]}, (0.5, 0.25), None),
        ({"ImagerPixelSpacing": [0.2, 0.1]}, (0.2, 0.1), "ImagerPixelSpacing"),
        ({"NominalScannedPixelSpacing": [0.2, 0.1]}, (0.2, 0.1), "NominalScannedPixelSpacing"),
        ({"PixelSpacing": [0, 0.25]}, None, "ignored"),
        ({"PixelAspectRatio": [2, 1]}, None, "not square"),
        ({}, None, None),
    ],
)
def test_spacing(make_dicom: Make, attributes: dict[str, Any], spacing: Any, word: str | None) -> None:
    scan = read(make_dicom(RAMP, **attributes))
    assert scan.spacing == spacing
    assert any(word in note for note in scan.notes) if word else not scan.notes


@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")  # meant
def test_remarks_never_name_the_patient(make_dicom: Make, caplog: pytest.LogCaptureFixture) -> None:
    scan = read(
        make_dicom(
            RAMP,
            BodyPartExamined="CHEST",
            BurnedInAnnotation="YES",
            PresentationIntentType="FOR PROCESSING",
            ImageType=["DERIVED", "PRIMARY"],
            WindowCenter=40,
            WindowWidth=80,
            WindowCenterWidthExplanation="Doe^Jane",
        )
    )
    assert scan.body_part == "CHEST"
    assert {"burned-in annotation", "derived image"} <= set(scan.notes)
    assert any(note.startswith("FOR PROCESSING") for note in scan.notes)
    assert "Doe" not in repr(scan)
    caplog.clear()
    assert read(make_dicom(RAMP, BodyPartExamined="Doe^Jane")).body_part is None
    logged = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(logged) == 1, "pydicom's remark while the test wrote the file, and none while it was read"


def rgb(colours: np.ndarray, **attributes: Any) -> dict[str, Any]:
    return {
        "SamplesPerPixel": 3,
        "PlanarConfiguration": 0,
        "PhotometricInterpretation": "RGB",
        "Rows": colours.shape[0],
        "Columns": colours.shape[1],
        **attributes,
    }


def test_rgb_of_8_and_16_bits(make_dicom: Make) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    assert np.array_equal(read(make_dicom(colours, **rgb(colours))).pixels, colours)
    deep = colours.astype(np.uint16) * 257
    assert np.array_equal(read(make_dicom(deep, **rgb(deep))).pixels, colours)


def test_ybr_full(make_dicom: Make) -> None:
    red = np.full((2, 2, 3), (76, 85, 255), dtype=np.uint8)  # C.7.6.3.1.2: red is Y 76, Cb 85, Cr 255
    scan = read(make_dicom(red, **rgb(red, PhotometricInterpretation="YBR_FULL")))
    assert np.abs(scan.pixels.astype(int) - (254, 0, 0)).max() <= 1


@pytest.mark.parametrize(("scale", "bits"), [(257, 16), (256, 16), (1, 8)])
def test_palette(make_dataset: Callable[..., FileDataset], to_bytes: Make, scale: int, bits: int) -> None:
    index = np.arange(256, dtype=np.uint8).reshape(16, 16)
    dataset = make_dataset(index, PhotometricInterpretation="PALETTE COLOR")
    colours = np.stack([np.arange(200), np.arange(200)[::-1], np.full(200, 7)], axis=1)
    for number, name in enumerate(("Red", "Green", "Blue")):
        dtype = "<u2" if bits == 16 else "u1"
        dataset.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [200, 10, bits])
        data = (colours[:, number] * scale).astype(dtype).tobytes()
        dataset.add_new(f"{name}PaletteColorLookupTableData", "OW", data)
    expected = colours[np.clip(index.astype(int) - 10, 0, 199)]
    assert np.array_equal(read(to_bytes(dataset)).pixels, expected)


def enhanced(make_dataset: Callable[..., FileDataset], frames: np.ndarray) -> FileDataset:
    """An enhanced object by hand: shared spacing; slope, intercept and window of each frame's own."""
    dataset = make_dataset(frames, Modality="CT", NumberOfFrames=len(frames), WindowCenter=9, WindowWidth=9)
    measures = item(PixelSpacing=[0.5, 0.25])
    dataset.SharedFunctionalGroupsSequence = Sequence([item(PixelMeasuresSequence=Sequence([measures]))])
    dataset.PerFrameFunctionalGroupsSequence = Sequence(
        item(
            PixelValueTransformationSequence=Sequence(
                [item(RescaleSlope=number + 1, RescaleIntercept=-1024, RescaleType="HU")]
            ),
            FrameVOILUTSequence=Sequence([item(WindowCenter=number, WindowWidth=100)]),
        )
        for number in range(len(frames))
    )
    return dataset


def test_enhanced_frames_have_their_own_header(make_dataset: Callable[..., FileDataset], to_bytes: Make) -> None:
    frames = np.stack([RAMP, RAMP // 2, RAMP // 4])
    data = to_bytes(enhanced(make_dataset, frames))
    for number, stored in enumerate(frames):
        scan = read(data, frame=number)
        assert np.array_equal(scan.pixels, stored * (number + 1.0) - 1024)
        assert (scan.unit, scan.spacing, scan.frame) == ("HU", (0.5, 0.25), number)
        assert scan.windows == (Window(number, 100, source="WindowCenter/Width 1 of 1"),)


def test_an_empty_value_does_not_hide_the_next_layer() -> None:
    header = FrameHeader((item(RescaleType="", RescaleSlope=None), item(RescaleType="OD", RescaleSlope=3)))
    assert (header.get("RescaleType"), header.number("RescaleSlope")) == ("OD", 3)


def test_table_of_65536_entries(make_dataset: Callable[..., FileDataset], to_bytes: Make) -> None:
    everything = item()
    everything.add_new("LUTDescriptor", "US", [0, 0, 16])  # C.11.1.1.1: 0 stands for 2**16
    everything.add_new("LUTData", "OW", np.arange(65536, dtype="<u2")[::-1].tobytes())
    high = RAMP * 16
    scan = read(to_bytes(make_dataset(high, ModalityLUTSequence=Sequence([everything]))))
    assert np.array_equal(scan.pixels, 65535.0 - high)


def test_count_of_entries_written_as_signed(make_dataset: Callable[..., FileDataset], to_bytes: Make) -> None:
    long = item()
    long.add_new("LUTDescriptor", "US", [40000, 65536 - 5, 16])
    long.add_new("LUTData", "OW", np.arange(40000, dtype="<u2").tobytes())
    data = to_bytes(make_dataset(SIGNED, VOILUTSequence=Sequence([long])))
    (lut,) = read(data.replace(b"\x28\x00\x02\x30US", b"\x28\x00\x02\x30SS")).windows
    assert isinstance(lut, VoiLut) and (len(lut.entries), lut.first) == (40000, -5)


def test_table_in_big_endian_words(make_dataset: Callable[..., FileDataset], to_bytes: Make) -> None:
    swapped = item()
    swapped.add_new("LUTDescriptor", "US", [3, 0, 16])
    swapped.add_new("LUTData", "OW", np.array([1, 2, 700], dtype=">u2").tobytes())
    stored = np.array([[0, 1], [2, 3]], dtype=np.uint16)
    dataset = make_dataset(stored, syntax=ExplicitVRBigEndian, PixelData=stored.astype(">u2").tobytes())
    dataset.ModalityLUTSequence = Sequence([swapped])
    assert read(to_bytes(dataset)).pixels.tolist() == [[1, 2], [700, 700]]


@pytest.mark.parametrize(("declared", "noted"), [("00", False), ("01", True), (None, True)])
def test_jpeg_2000_is_lossy_unless_it_says_otherwise(
    package_files: dict[str, Path], to_bytes: Make, declared: str | None, noted: bool
) -> None:
    dataset = dcmread(package_files["JPEG2000.dcm"])
    assert dataset.file_meta.TransferSyntaxUID == JPEG2000
    dataset.LossyImageCompression = declared
    assert any(note.startswith("lossy") for note in read(to_bytes(dataset)).notes) is noted


def test_windows_of_a_frame_are_not_mixed_with_those_of_the_file(
    make_dataset: Callable[..., FileDataset], to_bytes: Make
) -> None:
    """apply_voi_lut and apply_rescale would take the top level's: they know nothing of functional groups."""
    dataset = enhanced(make_dataset, np.stack([RAMP, RAMP]))
    dataset.VOILUTSequence = Sequence([table(np.array([0, 255]), 0, 8)])
    dataset.VOILUTFunction = "SIGMOID"
    dataset.ModalityLUTSequence = Sequence([table(np.arange(9), 0, 16)])
    scan = read(to_bytes(dataset), frame=1)
    assert scan.windows == (Window(1, 100, "LINEAR", "WindowCenter/Width 1 of 1"),)
    assert np.array_equal(scan.pixels, RAMP * 2.0 - 1024)
    without = dataset.PerFrameFunctionalGroupsSequence[1]
    del without.FrameVOILUTSequence, without.PixelValueTransformationSequence
    top = read(to_bytes(dataset), frame=1)
    assert isinstance(top.windows[0], VoiLut) and top.pixels.max() == 8 and top.unit is None


def test_attributes_that_found_no_macro_count(make_dataset: Callable[..., FileDataset], to_bytes: Make) -> None:
    """Of legacy converted objects (C.7.6.16.2.25)."""
    dataset = make_dataset(np.stack([RAMP, RAMP]), NumberOfFrames=2)
    groups = [
        item(UnassignedPerFrameConvertedAttributesSequence=Sequence([item(PixelPaddingValue=value)]))
        for value in (16, 32)
    ]
    dataset.PerFrameFunctionalGroupsSequence = Sequence(groups)
    for frame, value in enumerate((16, 32)):
        padding = read(to_bytes(dataset), frame=frame).padding
        assert padding is not None and np.array_equal(padding, value == RAMP)


def test_empty_sequence_does_not_hide_the_next_layer() -> None:
    header = FrameHeader((item(VOILUTSequence=Sequence()), item(VOILUTSequence=Sequence([item(LUTExplanation="x")]))))
    first = header.item("VOILUTSequence")
    assert first is not None and first.LUTExplanation == "x"


@pytest.mark.parametrize("frame", [-1, 3])
def test_frame_outside_of_the_file(make_dicom: Make, frame: int) -> None:
    file = DicomFile(make_dicom(np.stack([RAMP] * 3), NumberOfFrames=3))
    assert file.frames == 3
    with pytest.raises(InputError, match=f"frame {frame} of 3; expected 0 to 2"):
        file.scan(frame)
    with pytest.raises(InputError, match=f"frame {frame} of 3; expected 0 to 2"):
        file.header(frame)


def test_a_parsed_file_says_nothing_of_its_patient(make_dicom: Make) -> None:
    file = DicomFile(make_dicom(RAMP, PatientName="Doe^Jane"))
    assert "Doe" not in repr(file) and file.dataset.PatientName == "Doe^Jane"


def test_silence_holds_until_the_last_thread_has_read() -> None:
    """With one catch_warnings a thread, the first to end would let the other's pydicom speak, and of a patient."""
    entered, leave = threading.Event(), threading.Event()

    def reader() -> None:
        with quiet():
            entered.set()
            leave.wait(10)
            warnings.warn("Doe^Jane", UserWarning, stacklevel=1)

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        with quiet():
            other = threading.Thread(target=reader)
            other.start()
            assert entered.wait(10)
        leave.set()
        other.join()
        assert not seen and warnings.filters == before
        warnings.warn("heard", UserWarning, stacklevel=1)
        assert len(seen) == 1


def test_deflated_file_without_its_preamble(package_files: dict[str, Path]) -> None:
    """Inflated within the same limit: dcmread would inflate whatever there is."""
    whole = package_files["image_dfl.dcm"].read_bytes()
    assert np.array_equal(read(whole[132:], frame=0).pixels, read(whole, frame=0).pixels)
    meta = 12 + int.from_bytes(whole[140:144], "little")
    squeezer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    bomb = b"".join(squeezer.compress(bytes(2**24)) for _ in range(MAX_INFLATED_BYTES // 2**24 + 1)) + squeezer.flush()
    with pytest.raises(InputError, match="deflated header beyond the limit"):
        read(whole[132 : 132 + meta] + bomb)
