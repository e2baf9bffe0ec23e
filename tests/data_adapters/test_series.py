"""Which DICOM files make one stack, in which order: against highdicom, real series, and made ones for each trap."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from pathlib import Path
from time import perf_counter as time_now
from typing import Any

import numpy as np
import pytest
from highdicom import spatial
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from data_adapters import FileScan, catalogue, read
from data_adapters.series import arrange
from data_adapters.slice_header import APART, TEXTS, SliceHeader, read_slice_header
from medfly.types import InputError, Scan, Volume

Make = Callable[..., Any]
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
FLIPPED = (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SMALL = np.zeros((4, 6), np.uint16)
CT5N = Path(str(get_testdata_file("CT_small.dcm", download=False))).parent / "dicomdirtests/98892001/CT5N"


def package_data(name: str) -> Path:
    """A file of pydicom-data's, or pydicom's own."""
    found = get_testdata_file(name, download=False)
    if found is None:
        pytest.skip(f"{name} needs pydicom-data")
    return Path(str(found))


def header(position: Any = None, orientation: Any = AXIAL, instance: int = 1, **more: Any) -> SliceHeader:
    """As read from a file that holds just this."""
    texts = dict.fromkeys(TEXTS, "") | {"SeriesInstanceUID": "1"} | {key: more.pop(key) for key in TEXTS if key in more}
    apart = dict.fromkeys(APART, "") | {key: more.pop(key) for key in APART if key in more}
    facts = {"modality": "CT", "rows": 4, "columns": 6, "samples": 1, "frames": 1, "spacing": (1.0, 1.0)} | more
    return SliceHeader(
        where=FileScan(f"{position} {orientation} {instance} {apart}"),
        texts=texts,
        apart=apart,
        body_part=None,
        series_number=1,
        instance=instance,
        orientation=None if position is None else tuple(orientation),
        position=None if position is None else tuple(position),
        **facts,
    )


def along_z(*places: float, **more: Any) -> list[SliceHeader]:
    return [header((0, 0, place), instance=number, **more) for number, place in enumerate(places)]


def heights(series: Any) -> list[float]:
    return [one.position[2] for one in series.headers]


@pytest.fixture
def write(tmp_path: Path, make_dataset: Make) -> Callable[..., list[Path]]:
    """write(positions, **attributes) → a file for each position, with its number in the first pixel."""

    def written(positions: Any, name: str = "slice", syntax: Any = None, **attributes: Any) -> list[Path]:
        paths = []
        for number, position in enumerate(positions):
            pixels = SMALL.copy()
            pixels[0, 0] = number
            more = {"Modality": "CT", "SeriesInstanceUID": "1.2.1", "StudyInstanceUID": "1.2", "PixelSpacing": [1, 1]}
            more |= {"SOPInstanceUID": f"1.2.1.{number}", "InstanceNumber": number + 1} | attributes
            if position is not None:
                more |= {"ImagePositionPatient": list(position)}
                more.setdefault("ImageOrientationPatient", list(AXIAL))
            dataset = make_dataset(pixels, **({"syntax": syntax} if syntax else {}), **more)
            paths.append(tmp_path / f"{name}{number}")
            dataset.save_as(paths[-1], enforce_file_format=True)
        return paths

    return written


# --- order and gap


@st.composite
def rotations(draw: st.DrawFn) -> np.ndarray:
    """[3, 3], uniformly random: oblique and flipped stacks included."""
    matrix = np.random.default_rng(draw(st.integers(0, 2**32))).normal(size=(3, 3))
    q, r = np.linalg.qr(matrix)
    return q * np.sign(np.diag(r))


@settings(max_examples=50)
@given(rotations(), st.integers(2, 12), st.floats(0.3, 9), st.randoms())
def test_any_order_of_files_gives_the_same_stack(turn: np.ndarray, count: int, gap: float, chance: Any) -> None:
    orientation = (*turn[0], *turn[1])
    normal = np.cross(turn[0], turn[1])
    positions = [turn[2] * 50 + normal * gap * number for number in range(count)]
    headers = [header(position, orientation, chance.randint(0, 5)) for position in positions]
    shuffled = chance.sample(headers, count)
    (series,) = arrange(shuffled)
    order = spatial.get_plane_sort_index([one.position for one in shuffled], orientation, index_convention="RD")
    assert [one.position for one in series.headers] == [shuffled[index].position for index in order]
    assert [one.position for one in series.headers] == [tuple(position) for position in positions]
    assert series.order == "space" and series.gap == pytest.approx(gap)
    assert series.notes == ()


def test_a_real_series_against_highdicom() -> None:
    """Its instance numbers run from head to feet, the other way than the normal."""
    paths = sorted(CT5N.iterdir())
    volume = read(random.Random(0).sample(paths, len(paths)))
    assert isinstance(volume, Volume) and volume.order == "space"
    datasets = [dcmread(path) for path in paths]
    expected = spatial.sort_datasets(datasets, index_convention="RD")  # rows × columns
    gap, _ = spatial.get_series_volume_positions(datasets)
    assert volume.gap == pytest.approx(gap) == pytest.approx(2.5)
    assert [one.InstanceNumber for one in expected] == [10, 9, 8, 7, 6]
    for scan, dataset in zip(volume, expected, strict=True):
        stored = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        assert np.array_equal(scan.pixels, stored)
        assert scan.affine is not None and scan.affine[:3, 3] == pytest.approx(dataset.ImagePositionPatient)
    assert [scan.frame for scan in volume] == [0, 1, 2, 3, 4]
    assert read(CT5N, frame=4).input_hash == volume[4].input_hash
    with pytest.raises(InputError, match="frame 5 of 5"):
        read(CT5N, frame=5)


@pytest.mark.parametrize(
    ("places", "gap", "notes"),
    [
        ((0, 2.5, 5, 7.5), 2.5, []),
        ((0, 0.6, 1.3, 1.9, 2.5), 0.625, []),  # rounded to 0.1 mm
        ((0, 1, 2, 4, 5), None, ["missing slice between 2 and 3"]),
        ((0, 1, 4, 5, 7, 8, 9), None, ["2 missing slices between 1 and 2", "missing slice between 3 and 4"]),
        ((0, 2, 4, 5, 7, 9, 11, 13, 15, 17, 19), None, ["uneven distances between slices: 1 to 2 mm"]),
        (
            (0, 1, 3, 4, 6, 7, 9, 10, 12, 13, 14, 15, 16),
            None,
            ["1 and 2", "3 and 4", "5 and 6", "slices missing at 1 more"],
        ),
    ],
)
def test_gaps(places: tuple[float, ...], gap: float | None, notes: list[str]) -> None:
    (series,) = arrange(along_z(*places))
    assert series.gap == (None if gap is None else pytest.approx(gap))
    assert len(series.notes) == len(notes) and all(a in b for a, b in zip(notes, series.notes, strict=True))


@settings(max_examples=50)
@given(st.integers(3, 200), st.data())
def test_one_missing_slice_is_never_overlooked(count: int, data: st.DataObject) -> None:
    hole = data.draw(st.integers(1, count - 2))
    gap = data.draw(st.floats(0.01, 10))
    (series,) = arrange(along_z(*(number * gap for number in range(count) if number != hole)))
    if count == 3:  # of two slices, no one can tell
        assert series.gap == pytest.approx(2 * gap)
    else:
        assert series.gap is None
        assert series.notes == (f"missing slice between {hole - 1} and {hole} (0-based)",)


def test_a_tilted_gantry_is_said() -> None:
    tilted = [header((0, np.tan(np.radians(12)) * place, place)) for place in range(5)]
    (series,) = arrange(tilted)
    assert series.gap == pytest.approx(1)
    assert series.notes == ("slices are shifted sideways, evenly: gantry tilted by 12.0°",)
    (odd,) = arrange([*tilted[:4], header((20, 0, 4))])
    assert odd.notes == ("slices are shifted sideways, unevenly",)


# --- what is apart


def test_orientations_are_apart() -> None:
    sagittal = [header((place, 0, 0), SAGITTAL) for place in (1, 2, 3)]
    flipped = [header((0, 0, place), FLIPPED) for place in (1, 2)]
    found = arrange([*along_z(1, 2, 3, 4), *sagittal, *flipped])
    assert [len(series.headers) for series in found] == [4, 3, 2]
    assert heights(found[2]) == [2, 1]  # their normal points to the feet
    assert all("one of 3 stacks of the same series" in series.notes for series in found)
    noisy = [header((0, 0, place), np.add(AXIAL, 1e-5 * place)) for place in range(5)]
    assert len(arrange(noisy)) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"rows": 5},
        {"spacing": (0.5, 0.5)},
        {"modality": "PT"},
        {"FrameOfReferenceUID": "2"},
        {"ImageType": "ORIGINAL\\PRIMARY\\LOCALIZER"},
        {"SeriesInstanceUID": "2"},
        {"StudyInstanceUID": "2"},
        {"PatientID": "2"},
    ],
)
def test_what_is_no_part_of_the_stack(other: dict[str, Any]) -> None:
    found = arrange([*along_z(1, 2, 3), *along_z(4, 5, **other)])
    assert [heights(series) for series in found] == [[1, 2, 3], [4, 5]]


@pytest.mark.parametrize(
    ("attribute", "word"),
    [
        ("EchoNumbers", "echo"),
        ("TemporalPositionIdentifier", "temporal position"),
        ("DiffusionBValue", "b-value"),
        ("ImageType", "image type"),
        ("AcquisitionNumber", "acquisition"),
    ],
)
def test_repeated_places_are_split_and_not_interleaved(attribute: str, word: str) -> None:
    mixed = [one for place in (3, 1, 2) for value in "ABC" for one in along_z(place, **{attribute: value})]
    found = arrange(mixed)
    assert [heights(series) for series in found] == [[1, 2, 3]] * 3
    assert [{one.apart[attribute] for one in series.headers} for series in found] == [{"A"}, {"B"}, {"C"}]
    assert all(f"split by {word}, because places repeat" in series.notes for series in found)


def test_two_attributes_split_together() -> None:
    mixed = [
        one
        for place in (1, 2, 3)
        for echo in "12"
        for time in "123"
        for one in along_z(place, EchoNumbers=echo, TemporalPositionIdentifier=time)
    ]
    assert [heights(series) for series in arrange(mixed)] == [[1, 2, 3]] * 6


def test_overlapping_acquisitions_are_split_and_adjacent_ones_are_not() -> None:
    first, second = along_z(1, 2, 3, 4, AcquisitionNumber="1"), along_z(3, 4, 5, 6, AcquisitionNumber="2")
    assert [heights(series) for series in arrange([*first, *second])] == [[1, 2, 3, 4], [3, 4, 5, 6]]
    (whole,) = arrange([*along_z(1, 2, AcquisitionNumber="1"), *along_z(3, 4, AcquisitionNumber="2")])
    assert heights(whole) == [1, 2, 3, 4] and whole.notes == ()


def test_two_halves_of_a_spine_are_split() -> None:
    upper = [header((place, 0, 0), SAGITTAL, 2 * place) for place in (1, 2, 3)]
    lower = [header((place, 10, -240), SAGITTAL, 2 * place + 1) for place in (1, 2, 3)]
    found = arrange([one for pair in zip(upper, lower, strict=True) for one in pair])
    assert [list(series.headers) for series in found] == [upper[::-1], lower[::-1]]
    assert found[0].notes[0] == "split by place in the plane, because places repeat"


def test_many_slices_take_no_time() -> None:
    many = [
        header((0, 0, place), instance=100 * time + place, AcquisitionTime=f"{time}.{place}")
        for time in range(50)
        for place in range(100)
    ]
    start = time_now()
    assert [len(series.headers) for series in arrange(many)] == [100] * 50
    assert time_now() - start < 5


def test_a_time_that_every_slice_has_of_its_own_splits_nothing() -> None:
    mixed = [
        header((0, 0, place), instance=10 * turn + place, AcquisitionTime=f"1200{turn}{place}")
        for turn in (0, 1)
        for place in (1, 2, 3)
    ]
    found = arrange(mixed)
    assert [heights(series) for series in found] == [[1, 2, 3]] * 2
    assert {one.instance for one in found[0].headers} == {1, 2, 3}
    assert "nothing tells the repeats apart" in found[0].notes[0]


def test_phases_of_one_slice_are_time() -> None:
    phases = [header((0, 0, 5), instance=9 - time, TriggerTime=str(time * 50)) for time in range(6)]
    (cine,) = arrange(phases)
    assert cine.order == "time" and cine.notes == ("all in one plane, sorted by trigger time",)
    assert [one.apart["TriggerTime"] for one in cine.headers] == ["0", "50", "100", "150", "200", "250"]
    (unknown,) = arrange([header((0, 0, 5), instance=number) for number in (2, 1)])
    assert unknown.order == "pages" and [one.instance for one in unknown.headers] == [1, 2]


@pytest.mark.parametrize(("modality", "order"), [("CR", "pages"), ("XA", "time")])
def test_without_positions_the_instance_number_decides(modality: str, order: str) -> None:
    (series,) = arrange([header(instance=number, modality=modality) for number in (10, 9, 1)])
    assert [one.instance for one in series.headers] == [1, 9, 10] and series.order == order
    assert series.notes == ("no positions in space: sorted by instance number",)
    placed = arrange([header(instance=1), *along_z(1, 2, 3)])
    assert [len(found.headers) for found in placed] == [1, 3]


def test_copies_are_left_out_and_said(write: Make) -> None:
    paths = write([(0, 0, place) for place in range(3)])
    copy = paths[1].with_name("copy")
    copy.write_bytes(paths[1].read_bytes())
    volume = read([*paths, copy])
    assert isinstance(volume, Volume) and len(volume) == 3
    assert volume.notes == ("1 copy of a file left out",)
    assert volume[0].notes[-1] == volume.notes[0]


def test_equal_instance_uids_alone_make_no_copy(write: Make) -> None:
    """As a careless de-identification leaves them."""
    volume = read(write([(0, 0, place) for place in range(3)], SOPInstanceUID="1.2.3"))
    assert isinstance(volume, Volume) and len(volume) == 3


# --- headers


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_headers_of_every_encoding(write: Make, syntax: Any, tmp_path: Path) -> None:
    attributes = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "EchoTime": 12.5, "DiffusionBValue": 800.0}
    (plain,) = write([(1, -2.5, 3)], **attributes)
    (path,) = write([(1, -2.5, 3)], name="other", syntax=syntax, **attributes)
    found, expected = read_slice_header(FileScan(path)), read_slice_header(FileScan(plain))
    assert expected.position == (1, -2.5, 3) and expected.is_localiser and expected.apart["EchoTime"] == "12.5"
    assert (expected.rows, expected.columns, expected.instance) == (4, 6, 1)
    for name in ("texts", "position", "orientation", "rows", "columns", "instance", "spacing", "is_localiser"):
        assert getattr(found, name) == getattr(expected, name), name
    bare = tmp_path / "bare"
    if syntax != DeflatedExplicitVRLittleEndian:
        data = path.read_bytes()
        bare.write_bytes(data[144 + int.from_bytes(data[140:144], "little") :])  # behind group 0002
        assert read_slice_header(FileScan(bare)).position == (1, -2.5, 3)


def test_a_deflated_header_is_inflated_no_further_than_needed(write: Make, tmp_path: Path) -> None:
    """Half a megabyte can hold half a gigabyte; with and without the preamble."""
    import tracemalloc
    import zlib

    (path,) = write([(0, 0, 0)], syntax=DeflatedExplicitVRLittleEndian)
    data = path.read_bytes()
    end = 144 + int.from_bytes(data[140:144], "little")
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = deflate.compress(b"\x28\x00\x02\x00UN\0\0\xf0\xff\xff\x0f" + bytes(64 * 1024**2)) + deflate.flush()
    for name, head in (("whole", data[:end]), ("bare", data[132:end])):
        (tmp_path / name).write_bytes(head + bomb)
        tracemalloc.start()
        with pytest.raises(InputError):
            read_slice_header(FileScan(tmp_path / name))
        assert tracemalloc.get_traced_memory()[1] < 24 * 1024**2
        tracemalloc.stop()


@given(st.binary(max_size=400), st.booleans())
def test_no_header_breaks_the_reader(tail: bytes, whole: bool) -> None:
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        file.write((bytes(128) + b"DICM" if whole else b"\x08\x00\x05\x00CS") + tail)
        file.flush()
        try:
            assert read_slice_header(FileScan(file.name)).rows
        except InputError as refused:
            assert "expected" in str(refused)


# --- files of several frames


def test_an_enhanced_object_is_sorted_and_keeps_the_files_numbers() -> None:
    path = package_data("eCT_Supplemental.dcm")
    volume = read(path)
    assert isinstance(volume, Volume) and volume.order == "space" and volume.gap == pytest.approx(10)
    dataset = dcmread(path)
    frames = dataset.PerFrameFunctionalGroupsSequence
    orientation = dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient
    positions = [frame.PlanePositionSequence[0].ImagePositionPatient for frame in frames]
    expected = spatial.get_plane_sort_index(positions, orientation, index_convention="RD")
    assert expected == [1, 0]  # so that this test tells something
    for place, frame in enumerate(expected):
        assert volume[place].frame == place
        assert f"frame {frame} of the file (0-based)" in volume[place].notes
        assert np.array_equal(volume[place].pixels, read(path, frame=frame).pixels)
        assert volume.loaders[place].content_hash == FileScan(path, frame).content_hash


def test_frames_share_one_parsed_file_and_pickle_without_it() -> None:
    volume = read(get_testdata_file("examples_ybr_color.dcm", download=False))
    assert isinstance(volume, Volume) and len(volume) == 30 and volume.order == "time"
    assert len({id(loader.file.parsed) for loader in volume.loaders}) == 1  # type: ignore[attr-defined]
    packed = pickle.dumps(volume)
    assert len(packed) < 10_000
    again = pickle.loads(packed)
    assert again.content_hash == volume.content_hash
    assert np.array_equal(again[29].pixels, volume[29].pixels)


def test_a_file_that_changed_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "cine"
    path.write_bytes(Path(str(get_testdata_file("rtdose.dcm", download=False))).read_bytes())
    packed = pickle.dumps(read(path))
    path.write_bytes(Path(str(get_testdata_file("CT_small.dcm", download=False))).read_bytes())
    with pytest.raises(InputError, match="another file than before"):
        pickle.loads(packed)[0]


@pytest.mark.parametrize(
    ("name", "order", "frames", "gap"),
    [
        ("rtdose.dcm", "space", 15, 5),  # Grid Frame Offset Vector
        ("SC_rgb_2frame.dcm", "pages", 2, None),
        ("color3d_jpeg_baseline.dcm", "time", 120, None),
        ("liver.dcm", "space", 3, 1),
        ("emri_small.dcm", "pages", 10, None),  # says nothing of places
    ],
)
def test_what_the_frames_of_real_files_mean(name: str, order: str, frames: int, gap: float | None) -> None:
    volume = read(package_data(name))
    assert isinstance(volume, Volume)
    assert (volume.order, len(volume)) == (order, frames)
    assert volume.gap == (None if gap is None else pytest.approx(gap))


def test_a_converted_series_reads_as_the_series_itself() -> None:
    from highdicom.legacy import LegacyConvertedEnhancedCTImage
    from pydicom.uid import generate_uid

    datasets = [dcmread(path) for path in sorted(CT5N.iterdir())]
    converted = LegacyConvertedEnhancedCTImage(datasets, generate_uid(), 1, generate_uid(), 1)
    import io

    stream = io.BytesIO()
    converted.save_as(stream)
    volume, plain = read(stream.getvalue()), read(CT5N)
    assert isinstance(volume, Volume) and isinstance(plain, Volume)
    assert (volume.order, volume.gap) == (plain.order, pytest.approx(plain.gap))
    for one, other in zip(volume, plain, strict=True):
        assert np.array_equal(one.pixels, other.pixels)
        assert one.affine == pytest.approx(other.affine)


# --- a list of files


def test_a_list_of_paths(write: Make, tmp_path: Path) -> None:
    paths = write([(0, 0, -place) for place in range(4)])
    volume = read(paths[::2] + paths[1::2])
    assert isinstance(volume, Volume)
    assert [scan.pixels[0, 0] for scan in volume] == [3, 2, 1, 0]
    assert read([str(path) for path in paths], frame=0).pixels[0, 0] == 3
    assert isinstance(read(paths[:1]), Scan)
    others = write([(0, 0, 9)], name="other", SeriesInstanceUID="1.2.9")
    with pytest.raises(InputError, match="found 2 series"):
        read([*paths, *others])
    (tmp_path / "text").write_text("a report")
    with pytest.raises(InputError, match="text'"):
        read([*paths, tmp_path / "text"])
    with pytest.raises(InputError, match="0 files"):
        read([])


def test_catalogue_and_list_agree(write: Make, tmp_path: Path) -> None:
    paths = write([(0, 0, place) for place in (5, 3, 4)])
    one, other = read(paths), read(tmp_path)
    assert isinstance(one, Volume) and isinstance(other, Volume)
    assert one.content_hash == other.content_hash == catalogue(tmp_path).series[0].open().content_hash  # type: ignore[union-attr]
