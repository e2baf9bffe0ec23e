"""Every file of pydicom's and pydicom-data's packages against highdicom and pydicom, or a stated refusal.

The comparison is that of the documentation's page (benchmarks/dicom_files.py): one run serves both.
"""

from __future__ import annotations

import ast
import warnings
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_modality_lut, pixel_array

from benchmarks.dicom_files import NOT_COMPARED, NOT_HIGHDICOM, Row, package_folders, page, rows
from data_adapters import read
from data_adapters.dicom import looks_like_dicom, read_dicom
from medfly.display import apply_window
from medfly.types import InputError, Scan

FOLDERS = package_folders()
ROOT = FOLDERS["pydicom"]
PROJECT, CODE = Path(__file__).parents[3], ("app", "benchmarks", "data_adapters", "medfly", "tests")
PAGE = PROJECT / "docs" / "dicom_files.md"

# Files with pixel data that are refused, and words that the refusal must hold.
REFUSED = {
    "JPEG2000-embedded-sequence-delimiter.dcm": "codestream of 3722445056",  # damaged on purpose; nothing decodes it
    "MR_truncated.dcm": "cut short",
    "meta_missing_tsyntax.dcm": "Photometric Interpretation (0028,0004) that is absent",  # no image attributes
    "nested_priv_SQ.dcm": "Photometric Interpretation (0028,0004) that is absent",  # the same
    "badVR.dcm": "Number of Frames (0028,0008)",  # "1A"
    "emri_small_jpeg_2k_lossless_too_short.dcm": "no data element that is whole",
}
JPEG = ("JPEG Baseline", "JPEG Extended")  # of which decoders differ by up to 3 of 255 levels


def named(name: str) -> Path:
    return next(path for folder in FOLDERS.values() for path in folder.rglob("*") if path.name == name)


def with_pixels(path: Path) -> bool:
    return "PixelData" in pydicom.dcmread(path, force=True) or path.name in REFUSED


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Row]:
    """What became of every file; the page is made of the same."""
    return {f"{row.package}: {row.name}": row for row in rows()}


def all_files() -> list[str]:
    found = ((package, folder, path) for package, folder in FOLDERS.items() for path in sorted(folder.rglob("*")))
    return [
        f"{package}: {path.relative_to(folder).as_posix()}"
        for package, folder, path in found
        if path.is_file() and looks_like_dicom(path.read_bytes()[:1024])
    ]


def test_the_page_is_of_this_code(outcomes: dict[str, Row]) -> None:
    """Where it differs: `python -m benchmarks.dicom_files --output docs/dicom_files.md`, and look at the change."""
    written = page(list(outcomes.values()))
    assert written == PAGE.read_text(encoding="utf-8")
    assert str(ROOT.parent) not in written and str(Path.home()) not in written


def test_nothing_is_downloaded() -> None:
    """pydicom's get_testdata_file fetches what is not there, unless it is told not to."""
    asked = []
    for path in (file for folder in CODE for file in (PROJECT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "").startswith("get_testdata_file"):
                options = {option.arg: ast.unparse(option.value) for option in node.keywords}
                asked.append((path, node.lineno, options.get("download")))
    assert len(asked) > 20 and [call for call in asked if call[2] != "False"] == []


def test_enough_files_are_compared(outcomes: dict[str, Row]) -> None:
    judged = [row for row in outcomes.values() if row.judge]
    assert list(outcomes) == all_files()
    assert len(judged) >= 150 and sum(row.judge.startswith("highdicom") for row in judged) >= 115


@pytest.mark.filterwarnings("ignore")  # pydicom's about odd headers
@pytest.mark.parametrize("name", all_files())
def test_every_frame_agrees_within_one_level(outcomes: dict[str, Row], name: str) -> None:
    row, path = outcomes[name], named(name.split("/")[-1].split(": ")[-1])
    if not with_pixels(path):
        assert "no pixel data in" in row.refusal
    elif path.name in REFUSED:
        assert REFUSED[path.name] in row.refusal
    elif path.name in NOT_COMPARED:
        assert not row.refusal and row.levels is None
        with pytest.raises(RuntimeError):  # the day that pydicom reads it, it is to be compared
            pixel_array(path)
    else:
        assert not row.refusal and row.levels is not None
        assert row.levels <= (3 if row.scale == 255 and row.syntax.startswith(JPEG) else 1 if row.scale > 255 else 0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NOT_HIGHDICOM)
def test_highdicom_is_left_out_for_a_reason(name: str) -> None:
    """It raises, or contradicts pydicom; once that is mended, the file is to be taken from the list."""
    try:
        image = highdicom.imread(named(name))
        values = image.get_frames([1], apply_real_world_transform=False, apply_voi_transform=False)[0]
    except Exception:
        return
    dataset = pydicom.dcmread(named(name))
    assert np.abs(values - apply_modality_lut(dataset.pixel_array, dataset)).max() > 1


def test_big_endian_palette_is_the_little_endian_one() -> None:
    """For these pydicom, which takes big-endian words of a palette for little-endian, is no judge as it stands."""
    for name in ("OBXXXX1A", "gdcm-US-ALOKA-16"):
        other = {"OBXXXX1A": "OBXXXX1A_expb", "gdcm-US-ALOKA-16": "gdcm-US-ALOKA-16_big"}[name]
        pixels = [read_dicom(named(f"{each}.dcm").read_bytes()).pixels for each in (name, other)]
        assert np.array_equal(*pixels)


def test_table_deeper_than_the_stored_values() -> None:
    """vlut_04: 8 bits stored, a table of 4096 entries of 16 bits."""
    dataset = pydicom.dcmread(named("vlut_04.dcm"))
    count, first, bits = dataset.VOILUTSequence[0].LUTDescriptor
    assert bits > dataset.BitsStored
    scan = read_dicom(named("vlut_04.dcm").read_bytes())
    table = np.array(dataset.VOILUTSequence[0].LUTData)
    expected = table[np.clip(dataset.pixel_array.astype(int) - first, 0, count - 1)] / (2**bits - 1)
    assert np.array_equal(apply_window(scan.pixels, scan.windows[0]), expected)


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
        read_dicom(named(name).read_bytes())


def test_nothing_but_scan_or_one_line() -> None:
    outcomes = {"scan": 0, "refused": 0}
    for path in (path for path in ROOT.rglob("*") if path.is_file()):
        try:
            assert len(read(path, frame=0).input_hash) == 64
            outcomes["scan"] += 1
        except InputError as refused:
            assert "\n" not in str(refused) and "expected" in str(refused)
            outcomes["refused"] += 1
    assert outcomes["scan"] >= 88 and sum(outcomes.values()) == 176


def test_console_stays_quiet(
    recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("badVR.dcm", "MR_truncated.dcm", "SC_rgb_jpeg_dcmd.dcm", "examples_ybr_color.dcm"):
        with pytest.raises(InputError) if name in REFUSED else warnings.catch_warnings():
            read(named(name), frame=0)
    assert not recwarn.list and not caplog.records
    assert capfd.readouterr() == ("", "")


def test_ct_header_becomes_facts() -> None:
    scan = read(named("CT_small.dcm"))
    assert (scan.unit, scan.modality, scan.spacing) == ("HU", "CT", (0.661468, 0.661468))
    assert scan.padding is not None  # PixelPaddingValue −2000
    dataset = pydicom.dcmread(named("CT_small.dcm"))
    assert np.array_equal(scan.pixels, dataset.pixel_array - 1024.0)


def test_lossy_and_derived_are_noted() -> None:
    notes = read(named("examples_ybr_color.dcm"), frame=0).notes
    assert "lossy compression: JPEG Baseline (Process 1)" in notes
    assert "decoded by pillow" in notes and "derived image" in notes
    assert "derived image" not in read(named("CT_small.dcm")).notes
    # The frames were JPEG once; the file is uncompressed now.
    assert "lossy compression: at some time before" in read(named("SC_ybr_full_422_uncompressed.dcm")).notes
    assert "overlay present, in a layer of its own" in read(named("examples_overlay.dcm")).notes


def test_frames_of_a_cine_differ_and_end() -> None:
    path = named("examples_ybr_color.dcm")
    dataset = pydicom.dcmread(path)
    last = read(path, frame=29)
    assert last.frame == 29
    assert np.abs(last.pixels.astype(int) - pixel_array(dataset, index=29)).max() <= 3
    assert not np.array_equal(last.pixels, read(path, frame=0).pixels)
    with pytest.raises(InputError, match="frame 30 of 30; expected 0 to 29"):
        read(path, frame=30)


def displayed(scan: Scan) -> np.ndarray:
    """Brightness before 8-bit rounding."""
    brightness = apply_window(scan.pixels, scan.windows[0])
    return 1 - brightness if scan.inverted else brightness


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
