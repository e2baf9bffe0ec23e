"""Damaged and hostile files: a Scan or one line, never another exception. Each known attack stays as a regression."""

from __future__ import annotations

import importlib
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from data_adapters import catalogue, read
from data_adapters.dicom import pixels as dicom_pixels
from data_adapters.dicom.header import MAX_INFLATED_BYTES
from data_adapters.isolation import close
from medfly.types import InputError, Scan

Make = Callable[..., Any]
GROWTH_BYTES = 64 * 1024**2  # that a refusal may take for a moment, beyond the file itself
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


def encapsulated(dataset: FileDataset, syntax: str, stream: bytes) -> FileDataset:
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([stream])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    return dataset


def absurd_size(make: Make, to_bytes: Make) -> bytes:
    return to_bytes(make(RAMP, Rows=65535, Columns=65535))


def absurd_depth(make: Make, to_bytes: Make) -> bytes:
    return to_bytes(make(RAMP, Rows=10_000, Columns=10_000, BitsAllocated=64))


def absurd_number_of_frames(make: Make, to_bytes: Make) -> bytes:
    return to_bytes(make(RAMP, NumberOfFrames=2**31 - 1))


def frames_that_native_data_cannot_hold(make: Make, to_bytes: Make) -> bytes:
    return to_bytes(make(RAMP, NumberOfFrames=3))


def more_frames_than_fragments(make: Make, to_bytes: Make) -> bytes:
    return to_bytes(rle(make, NumberOfFrames=200_000))


def one_fragment_for_forty_frames(make: Make, to_bytes: Make) -> bytes:
    return to_bytes(rle(make, NumberOfFrames=40))


def rle(make: Make, **attributes: Any) -> FileDataset:
    dataset = make(RAMP)
    dataset.compress(RLELossless, generate_instance_uid=False)
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def deflated_bomb(make: Make, to_bytes: Make) -> bytes:
    whole = to_bytes(make(RAMP, syntax=DeflatedExplicitVRLittleEndian))
    assert np.array_equal(read(whole, frame=0).pixels, RAMP)
    head = whole[: 132 + 12 + struct.unpack_from("<I", whole, 140)[0]]
    squeezer = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    chunk = bytes(2**20)
    return head + b"".join(squeezer.compress(chunk) for _ in range(512)) + squeezer.flush()


def nested_sequences(make: Make, to_bytes: Make) -> bytes:
    opening = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    whole = to_bytes(make(RAMP))
    start = whole.index(b"\x08\x00\x60\x00")  # Modality
    return whole[:start] + opening * 500 + whole[start:]


def rle_past_its_end(make: Make, to_bytes: Make) -> bytes:
    header = struct.pack("<16I", 2, 64, 66, *[0] * 13)
    return to_bytes(encapsulated(make(RAMP), RLELossless, header + b"\x7f\x00" + b"\x7f\x00"))


def rle_bomb(make: Make, to_bytes: Make) -> bytes:
    """Half a megabyte that swells to 32; pydicom then takes the first 512 bytes."""
    header = struct.pack("<16I", 2, 64, 250_064, *[0] * 13)
    return to_bytes(encapsulated(make(RAMP), RLELossless, header + b"\x81\x00" * 250_000))


def jpeg_2000(size: int, components: int) -> bytes:
    siz = struct.pack(">HHHIIIIIIII", 0xFF51, 38 + 3 * components, 0, size, size, 0, 0, size, size, 0, 0)
    return b"\xff\x4f" + siz + struct.pack(">H", components) + b"\x0f\x01\x01" * components + bytes(64)


def codestream_larger_than_the_header(make: Make, to_bytes: Make) -> bytes:
    return to_bytes(encapsulated(make(RAMP), JPEG2000Lossless, jpeg_2000(60_000, 1)))


def codestream_of_many_components(make: Make, to_bytes: Make) -> bytes:
    dataset = encapsulated(make(RAMP), JPEG2000Lossless, jpeg_2000(10_000, 16_000))
    dataset.Rows = dataset.Columns = 10_000
    return to_bytes(dataset)


def jpeg_larger_than_the_header(make: Make, to_bytes: Make) -> bytes:
    frame = struct.pack(">HHBHHBBBB", 0xFFC0, 11, 8, 65500, 65500, 1, 1, 0x11, 0)
    return to_bytes(encapsulated(make(RAMP), JPEGBaseline8Bit, b"\xff\xd8" + frame + b"\xff\xd9"))


def palette_bomb(make: Make, to_bytes: Make) -> bytes:
    """Segments (C.7.9.2) of 200 kB that ask for two billion entries."""
    dataset = make(RAMP.astype(np.uint8), PhotometricInterpretation="PALETTE COLOR")
    segments = struct.pack("<3H", 0, 1, 5) + struct.pack("<3H", 1, 65535, 9) * 33_000
    for colour in ("Red", "Green", "Blue"):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(dataset, f"Segmented{colour}PaletteColorLookupTableData", segments)
    return to_bytes(dataset)


# What is tried, and words of the answer. The last of clinical.md's table; slopes and tables are above.
ATTACKS: dict[Callable[[Make, Make], bytes], str] = {
    absurd_size: "65535 × 65535 pixels",
    absurd_depth: "800,000,000 bytes",
    absurd_number_of_frames: "2,147,483,647 frames",
    frames_that_native_data_cannot_hold: "512 bytes in Pixel Data (7FE0,0010); expected 1,536",
    more_frames_than_fragments: "200,000 frames",
    one_fragment_for_forty_frames: "do not fit their description",
    deflated_bomb: "deflated",
    nested_sequences: "RecursionError",
    rle_past_its_end: "RLE Lossless",
    codestream_larger_than_the_header: "codestream of 60000 × 60000; expected 16 × 16",
    codestream_of_many_components: "JPEG 2000",
    jpeg_larger_than_the_header: "codestream of 65500 × 65500; expected 16 × 16",
}
FRAME = {one_fragment_for_forty_frames: 39}


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_is_refused(make_dataset: Make, to_bytes: Make, attack: Callable[[Make, Make], bytes]) -> None:
    refused(attack(make_dataset, to_bytes), ATTACKS[attack], frame=FRAME.get(attack, 0))


def test_attacks_in_a_folder_stop_no_other_file(make_dataset: Make, to_bytes: Make, tmp_path: Path) -> None:
    """What the headers give away is counted by its reason, the rest is refused when it is opened; one file is fine."""
    for number, attack in enumerate(ATTACKS):
        attributes = {"SeriesInstanceUID": f"1.{number}"}

        def made(*args: Any, more: dict[str, str] = attributes, **kwargs: Any) -> FileDataset:
            return make_dataset(*args, **kwargs, **more)

        (tmp_path / attack.__name__).write_bytes(attack(made, to_bytes))
    (tmp_path / "good").write_bytes(to_bytes(make_dataset(RAMP, SeriesInstanceUID="1.99")))
    found = catalogue(tmp_path)
    assert "Doe" not in str(found)
    assert sum(found.skipped.values()) + sum(len(series.files) for series in found.series) == len(ATTACKS) + 1
    opened = []
    for series in found.series:
        try:
            scan = series.open()
        except InputError as problem:
            assert "\n" not in str(problem) and "Doe" not in str(problem)
        else:
            opened.append(scan if isinstance(scan, Scan) else series.label)
    # Of forty frames the file has one fragment: its first can be shown, and only the others are refused.
    assert len(opened) == 2 and any(isinstance(scan, Scan) and np.array_equal(scan.pixels, RAMP) for scan in opened)


MEMORY = """
import json, resource, sys
from data_adapters import read
from data_adapters.dicom import pixels as dicom_pixels
from data_adapters.isolation import close
from medfly.types import InputError

def peak(who=resource.RUSAGE_SELF):
    return resource.getrusage(who).ru_maxrss * 1024

paths, good = sys.argv[1:-1], sys.argv[-1]
read(good)
before = peak()
outcomes = []
for path in paths:
    try:
        read(path, frame=39 if "forty" in path else 0)
        outcomes.append("scan")
    except InputError:
        outcomes.append("refused")
grown = peak() - before
close()
print(json.dumps({"outcomes": outcomes, "grown": grown, "worker": peak(resource.RUSAGE_CHILDREN)}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="getrusage counts in other units elsewhere")
def test_memory_of_refusals(make_dataset: Make, to_bytes: Make, package_files: dict[str, Path], tmp_path: Path) -> None:
    """The peak over all attacks, one after the other: none may leave anything behind, either."""

    def measured(*attacks: Callable[[Make, Make], bytes]) -> dict[str, Any]:
        paths = [tmp_path / attack.__name__ for attack in attacks]
        for path, attack in zip(paths, attacks, strict=True):
            path.write_bytes(attack(make_dataset, to_bytes))
        command = [sys.executable, "-c", MEMORY, *map(str, paths), str(package_files["MR_small_RLE.dcm"])]
        return json.loads(subprocess.run(command, capture_output=True, check=True, timeout=120).stdout)

    found = measured(*(attack for attack in ATTACKS if attack is not deflated_bomb), rle_bomb, palette_bomb)
    assert found["outcomes"] == [*["refused"] * (len(ATTACKS) - 1), "scan", "scan"]
    assert found["grown"] < GROWTH_BYTES
    assert found["worker"] < 512 * 1024**2
    # Inflated data are kept up to their limit, and for a moment twice.
    assert measured(deflated_bomb)["grown"] < 2 * MAX_INFLATED_BYTES + GROWTH_BYTES


def test_worker_that_a_codec_ends(make_dataset: Make, to_bytes: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line that a user sees when a codec crashes: a real process, a real SIGABRT, by way of `read`."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    functions = importlib.import_module("isolated_functions")
    monkeypatch.setattr(dicom_pixels, "decoded_frame", functions.crash_of_a_codec)
    close()  # so that the next worker can import the function
    try:
        refused(to_bytes(rle(make_dataset)), "data that end the decoder (SIGABRT)")
    finally:
        close()


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
    assert read(data, frame=0).frame == 0
    refused(data, "Per-Frame Functional Groups Sequence (5200,9230)", frame=1)


@pytest.fixture(scope="module")
def described(make_dataset: Make, to_bytes: Make) -> bytes:
    """Native, with all that a header may say about values."""
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
    return to_bytes(native)


def outcome(data: bytes) -> None:
    """A scan that can be shown, or one line."""
    try:
        scan = read(data, frame=0)
    except InputError as problem:
        assert "\n" not in str(problem) and "Doe" not in str(problem)
    else:
        assert isinstance(scan, Scan)
        assert scan.display().shape == (*scan.pixels.shape[:2], 3)


@st.composite
def damage(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Some bytes changed, most of them near the beginning or the end, and perhaps the rest cut off."""
    changes = draw(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6))
    kept = draw(st.floats(0, 1) | st.just(1.0))

    def apply(whole: bytes) -> bytes:
        changed = bytearray(whole)
        for place, byte in changes:
            changed[132 + int(place * (len(whole) - 133))] = byte
        return bytes(changed[: int(kept * len(whole))])

    return apply


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(change=damage())
def test_mutations_of_a_header(described: bytes, change: Callable[[bytes], bytes]) -> None:
    outcome(change(described))


COMPRESSED = (
    "SC_rgb_jpeg_dcmtk.dcm",
    "JPGExtended.dcm",
    "SC_rgb_jpeg_gdcm.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_RLE.dcm",
    "OT-PAL-8-face.dcm",
    "liver_1frame.dcm",
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=st.sampled_from(COMPRESSED), change=damage())
def test_mutations_of_package_files(name: str, change: Callable[[bytes], bytes]) -> None:
    outcome(change(Path(str(get_testdata_file(name, download=False))).read_bytes()))


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
