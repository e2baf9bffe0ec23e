"""Every file of pydicom's package against highdicom and pydicom: same values, same window, or a stated refusal."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from highdicom.pixels import apply_voi_window
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_color_lut, apply_modality_lut, pixel_array

from data_adapters import read
from medfly.display import apply_window
from medfly.types import InputError, Scan

ROOT = Path(str(get_testdata_file("CT_small.dcm", download=False))).parent
ONE_LEVEL = 1 / 65535

# Files with pixel data that `read` refuses, and words that the refusal must hold.
REFUSED = {
    "JPEG-lossy.dcm": "JPEG Extended",  # 12 bits: the free decoders are all under the GPL
    "JPGExtended.dcm": "JPEG Extended",  # the same
    "JPEG2000-embedded-sequence-delimiter.dcm": "codestream of 3722445056",  # damaged on purpose; nothing decodes it
    "MR_truncated.dcm": "cut short",
    "meta_missing_tsyntax.dcm": "Photometric Interpretation (0028,0004) that is absent",  # no image attributes
    "nested_priv_SQ.dcm": "Photometric Interpretation (0028,0004) that is absent",  # the same
    "badVR.dcm": "Number of Frames (0028,0008)",  # "1A"
}


def named(name: str) -> Path:
    return next(path for path in ROOT.rglob("*") if path.name == name)


def files_with_pixels() -> Iterator[Path]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in sorted(ROOT.rglob("*")):
            if path.is_file() and path.suffix in (".dcm", "") and path.read_bytes()[128:132] == b"DICM":
                dataset = pydicom.dcmread(path)
                if "PixelData" in dataset:
                    yield path


PIXEL_FILES = {str(path.relative_to(ROOT)): path for path in files_with_pixels()}


def displayed(scan: Scan) -> np.ndarray:
    """Brightness before 8-bit rounding where the file has a window, else the values."""
    if not scan.windows:
        return scan.pixels.astype(np.float64)
    brightness = apply_window(scan.pixels, scan.windows[0])
    return 1 - brightness if scan.inverted else brightness


def reference(path: Path, dataset: pydicom.Dataset) -> np.ndarray:
    """highdicom's pipeline; where it is not to be used, pydicom's modality values and highdicom's window.

    It refuses big-endian files. With a slope other than 1 it moves the window into stored units before it
    subtracts the ½ and 1 of C.11.2.1.2.1, which belong to the physical unit (5 of 65535 levels off).
    """
    if dataset.file_meta.TransferSyntaxUID.is_little_endian and float(dataset.get("RescaleSlope", 1)) == 1:
        image = highdicom.imread(path)
        return image.get_frames([1], apply_real_world_transform=False, apply_voi_transform=None)[0]
    values = apply_modality_lut(pixel_array(dataset, index=0), dataset).astype(np.float64)
    if "WindowCenter" not in dataset:
        return values
    brightness = apply_voi_window(values, float(dataset.WindowCenter), float(dataset.WindowWidth))
    return 1 - brightness if dataset.PhotometricInterpretation == "MONOCHROME1" else brightness


def test_enough_files_are_compared() -> None:
    assert len(PIXEL_FILES) >= 85


@pytest.mark.filterwarnings("ignore")  # highdicom's and pydicom's about odd headers
@pytest.mark.parametrize("name", PIXEL_FILES)
def test_package_file(name: str) -> None:
    path = PIXEL_FILES[name]
    if path.name in REFUSED:
        with pytest.raises(InputError) as refused:
            read(path)
        assert REFUSED[path.name] in str(refused.value)
        return
    scan = read(path)
    dataset = pydicom.dcmread(path)
    if dataset.SamplesPerPixel == 3 or dataset.PhotometricInterpretation == "PALETTE COLOR":
        check_colour(scan, dataset)
        return
    difference = np.abs(displayed(scan) - reference(path, dataset)).max()
    # Values without a window are compared in float32, in which they are handed over.
    assert difference <= (ONE_LEVEL if scan.windows else np.abs(scan.pixels).max() * 2**-24)


def check_colour(scan: Scan, dataset: pydicom.Dataset) -> None:
    expected = pixel_array(dataset, index=0)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        expected = apply_color_lut(expected, dataset)
    expected = expected.astype(np.float64)
    depth = 8 * (2 if expected.max() > 255 else 1)
    if dataset.SamplesPerPixel == 3:
        depth = dataset.BitsStored
    # JPEG decoders differ by up to 3 levels (gdcm is pydicom's first choice, Pillow ours).
    tolerance = 3 if dataset.file_meta.TransferSyntaxUID.is_compressed else 1
    assert scan.pixels.dtype == np.uint8 and scan.pixels.shape == (*expected.shape[:2], 3)
    assert scan.windows == () and scan.padding is None
    assert np.abs(scan.pixels - expected * 255 / (2**depth - 1)).max() <= tolerance


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("test-SR.dcm", "Comprehensive SR Storage"),
        ("waveform_ecg.dcm", "12-lead ECG Waveform Storage"),
        ("rtplan.dcm", "RT Plan Storage"),
        ("DICOMDIR", "Media Storage Directory Storage"),
        ("ExplVR_BigEndNoMeta.dcm", "RT Ion Plan Storage"),
        ("ExplVR_LitEndNoMeta.dcm", "RT Ion Plan Storage"),
    ],
)
def test_object_without_pixels_is_named(name: str, kind: str) -> None:
    with pytest.raises(InputError, match=f"no pixel data in {kind}"):
        read(named(name))


def test_nothing_but_scan_or_one_line() -> None:
    outcomes = {"scan": 0, "refused": 0}
    for path in (path for path in ROOT.rglob("*") if path.is_file()):
        try:
            assert len(read(path).input_hash) == 64
            outcomes["scan"] += 1
        except InputError as refused:
            assert "\n" not in str(refused) and "expected" in str(refused)
            outcomes["refused"] += 1
    assert outcomes == {"scan": 88, "refused": 88}


def test_console_stays_quiet(
    recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("badVR.dcm", "MR_truncated.dcm", "SC_rgb_jpeg_dcmd.dcm", "examples_ybr_color.dcm"):
        with pytest.raises(InputError) if name in REFUSED else warnings.catch_warnings():
            read(named(name))
    assert not recwarn.list and not caplog.records
    assert capfd.readouterr() == ("", "")


def test_ct_header_becomes_facts() -> None:
    scan = read(named("CT_small.dcm"))
    assert (scan.unit, scan.modality, scan.spacing) == ("HU", "CT", (0.661468, 0.661468))
    assert scan.padding is not None  # PixelPaddingValue −2000
    dataset = pydicom.dcmread(named("CT_small.dcm"))
    assert np.array_equal(scan.pixels, dataset.pixel_array - 1024.0)


def test_lossy_and_derived_are_noted() -> None:
    notes = read(named("examples_ybr_color.dcm")).notes
    assert "lossy compression: JPEG Baseline (Process 1)" in notes
    assert "decoded by pillow" in notes and "derived image" in notes
    assert "derived image" not in read(named("CT_small.dcm")).notes
    # The frames were JPEG once; the file is uncompressed now.
    assert "lossy compression: at some time before" in read(named("SC_ybr_full_422_uncompressed.dcm")).notes
    assert "overlay present, not shown" in read(named("examples_overlay.dcm")).notes


def test_frames_of_a_cine_differ_and_end() -> None:
    path = named("examples_ybr_color.dcm")
    dataset = pydicom.dcmread(path)
    last = read(path, frame=29)
    assert last.frame == 29
    assert np.abs(last.pixels.astype(int) - pixel_array(dataset, index=29)).max() <= 3
    assert not np.array_equal(last.pixels, read(path).pixels)
    with pytest.raises(InputError, match="frame 30 of 30; expected 0 to 29"):
        read(path, frame=30)


@pytest.mark.filterwarnings("ignore")
def test_enhanced_object_equals_the_slices_that_it_is_made_of(tmp_path: Path) -> None:
    slices = sorted((ROOT / "dicomdirtests" / "77654033" / "CT2").iterdir())
    converted = highdicom.legacy.LegacyConvertedEnhancedCTImage(
        [pydicom.dcmread(path) for path in slices],
        series_instance_uid=highdicom.UID(),
        series_number=1,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
    )
    path = tmp_path / "enhanced.dcm"
    converted.save_as(path)
    singles = {read(single).pixels.tobytes(): read(single) for single in slices}
    assert len(slices) == len(singles) == 4
    for frame in range(4):
        scan = read(path, frame=frame)
        single = singles.pop(scan.pixels.tobytes())  # the same HU, whatever the order of the frames is
        assert (scan.unit, scan.spacing) == (single.unit, single.spacing) == ("HU", (0.488281, 0.488281))
        assert np.array_equal(displayed(scan), displayed(single))
        assert scan.padding is not None and single.padding is not None
        assert np.array_equal(scan.padding, single.padding)
