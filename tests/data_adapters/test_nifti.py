"""NIfTI against nibabel: every voxel is looked up in its array through the scan's affine and the file's own."""

from __future__ import annotations

import gzip
import itertools
import pickle
import struct
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.affines import from_matvec
from nibabel.quaternions import quat2mat

from data_adapters.nifti import looks_like_nifti, read_nifti
from medfly.types import InputError, Scan, Volume

RNG = np.random.default_rng(0)
NIBABEL = Path(nib.__file__).parent / "tests" / "data"
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
FORMS = [nib.Nifti1Image, nib.Nifti2Image]


def saved(values: np.ndarray, affine: np.ndarray | None = None, form: Any = nib.Nifti1Image, **header: Any) -> bytes:
    """A file by nibabel. header: fields to set afterwards; endian: "<" or ">"."""
    start = None
    if "endian" in header:
        start = form.header_class(endianness=header.pop("endian"))
        start.set_data_dtype(values.dtype)
    image = form(values, np.eye(4) if affine is None else affine, start)
    data = bytearray(image.to_bytes())
    changed = form.header_class(bytes(data[: image.header.sizeof_hdr]), check=False)
    for name, value in header.items():
        changed[name] = value
    data[: image.header.sizeof_hdr] = changed.binaryblock
    return bytes(data)


def voxel_of(affine: np.ndarray, scan: Scan, column: float, row: float) -> np.ndarray:
    """The voxel's indices, by the way that the module's docstring promises."""
    assert scan.affine is not None
    return (np.linalg.inv(affine) @ LPS_TO_RAS @ scan.affine @ (column, row, 0, 1))[:3]


def check_against_nibabel(image: Any, volume: Volume, stack: int = 0) -> None:
    """Every pixel of every slice is the voxel that the affines say, and every voxel is shown once."""
    values = np.asarray(image.dataobj, dtype=np.float32)
    values = values.reshape(*values.shape[:3], -1)[..., stack]
    seen = np.zeros(values.shape, int)
    for scan in volume:
        height, width = scan.pixels.shape
        rows, columns = np.mgrid[:height, :width]
        points = np.stack([columns, rows, 0 * rows, 0 * rows + 1]).reshape(4, -1)
        assert scan.affine is not None
        exact = (np.linalg.inv(image.affine) @ LPS_TO_RAS @ scan.affine @ points)[:3]
        voxels = np.rint(exact).astype(int)
        assert np.abs(exact - voxels).max() < 1e-3
        expected = values[tuple(voxels)].reshape(height, width)
        nothing = ~np.isfinite(expected)
        assert np.array_equal(scan.pixels, np.where(nothing, 0, expected))
        assert np.array_equal(nothing, nothing & False if scan.padding is None else scan.padding)
        seen[tuple(voxels)] += 1
    assert (seen == 1).all()


def directions(scan: Scan) -> str:
    """Where columns and rows ascend to in the patient, as letters."""
    assert scan.affine is not None
    letters = ("LR", "PA", "SI")
    axes = scan.affine[:3, :2].T
    return "".join(letters[np.abs(a).argmax()][int(a[np.abs(a).argmax()] < 0)] for a in axes)


@pytest.mark.parametrize(
    "name",
    ["anatomical.nii", "example4d.nii.gz", "example_nifti2.nii.gz", "functional.nii", "resampled_anat_moved.nii"],
)
def test_nibabels_own_files(name: str) -> None:
    image: Any = nib.load(NIBABEL / name)
    for source in (NIBABEL / name, (NIBABEL / name).read_bytes()):
        volume = read_nifti(source)
        assert isinstance(volume, Volume) and volume.order == "space" and len(volume) == image.shape[2]
        check_against_nibabel(image, volume)
        scan = volume[0]
        zooms = image.header.get_zooms()
        assert scan.spacing == pytest.approx((zooms[1], zooms[0]), rel=1e-4)
        assert volume.gap == pytest.approx(zooms[2], rel=1e-4)
        assert directions(scan) == "LP"  # the patient's right on the left, the front up
        assert (scan.unit, scan.modality, scan.windows, scan.body_part) == (None, None, (), None)
        assert scan.affine is not None and volume[1].affine is not None
        assert volume[1].affine[2, 3] > scan.affine[2, 3]  # towards the head


@pytest.mark.parametrize("codes", ["".join(c) for c in itertools.product("RL", "AP", "SI")] + ["PIR", "AIL", "SLP"])
def test_every_orientation_comes_out_alike(codes: str) -> None:
    """One body, stored in many ways: an axial stack is the same picture in all, a marked corner stays in its place."""
    body = RNG.integers(0, 999, (4, 5, 6)).astype(np.int16)  # axes R, A, S
    affine = np.array([[2.0, 0, 0, -7], [0, 3, 0, -11], [0, 0, 7, 5], [0, 0, 0, 1]])
    image: Any = nib.Nifti1Image(body, affine)
    stored = image.as_reoriented(
        nib.orientations.ornt_transform(nib.io_orientation(affine), nib.orientations.axcodes2ornt(codes))
    )
    volume = read_nifti(stored.to_bytes())
    assert isinstance(volume, Volume)
    check_against_nibabel(stored, volume)
    # Steps of 7 mm: these are axial slices wherever they are stored. Right on the left, front up, feet first.
    for number, scan in enumerate(volume):
        assert np.array_equal(scan.pixels, body[::-1, ::-1, number].T)
        assert scan.spacing == pytest.approx((3, 2))
        assert any(f"axial slices, stored {codes}, shown LPS" in note for note in scan.notes)
    assert volume.gap == pytest.approx(7)


@pytest.mark.parametrize(
    ("normal", "shown", "step"),
    [("A", "LI", (0, 1, 0)), ("P", "LI", (0, 1, 0)), ("R", "PI", (-1, 0, 0)), ("L", "PI", (-1, 0, 0))],
)
def test_coronal_and_sagittal_volumes_keep_their_plane(normal: str, shown: str, step: tuple[int, ...]) -> None:
    """The third axis is the one of the slices; they are upright and ascend along columns × rows, as DICOM's do."""
    rest = {"A": "RS", "P": "RS", "R": "AS", "L": "AS"}[normal]
    affine = np.eye(4)
    for axis, letter in enumerate(rest + normal):
        world = next(n for n, pair in enumerate(("LR", "PA", "IS")) if letter in pair)
        affine[:3, axis] = np.eye(3)[world] * (1 if letter in "RAS" else -1)
    image = nib.Nifti1Image(RNG.integers(0, 99, (8, 9, 5)).astype(np.int16), affine)
    volume = read_nifti(image.to_bytes())
    assert isinstance(volume, Volume) and len(volume) == 5
    check_against_nibabel(image, volume)
    first, second = volume[0].affine, volume[1].affine
    assert first is not None and second is not None
    assert directions(volume[0]) == shown
    moved = (second - first)[:3, 3]
    assert np.allclose(moved, step)
    assert np.allclose(np.cross(first[:3, 0], first[:3, 1]), moved)


def test_slice_axis_by_the_header_by_length_and_by_steps() -> None:
    cube = RNG.integers(0, 99, (4, 5, 6)).astype(np.int16)
    named = nib.Nifti1Image(cube, np.eye(4))
    named.header.set_dim_info(slice=1)
    volume = read_nifti(named.to_bytes())
    assert isinstance(volume, Volume) and len(volume) == 5 and directions(volume[0]) == "LI"
    check_against_nibabel(named, volume)
    single = read_nifti(saved(cube[:, 2:3]))
    assert isinstance(single, Scan) and single.size == (4, 6)
    coarse = nib.Nifti1Image(cube, np.diag([5.0, 1, 1, 1]))
    volume = read_nifti(coarse.to_bytes())
    assert isinstance(volume, Volume) and len(volume) == 4 and volume.gap == 5 and directions(volume[0]) == "PI"
    check_against_nibabel(coarse, volume)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(*[st.integers(1, 6)] * 3),
    st.tuples(*[st.floats(0.3, 9)] * 3),
    st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1),
    st.booleans(),
    st.sampled_from(FORMS),
)
def test_boxes_find_back_to_voxels(
    shape: tuple[int, int, int], zooms: tuple[float, ...], quaternion: list[float], mirrored: bool, form: Any
) -> None:
    """Oblique and mirrored, anisotropic and flat: each pixel's centre is its voxel's."""
    turn = quat2mat(quaternion) @ np.diag(np.array(zooms) * (1, 1, -1 if mirrored else 1))
    affine = from_matvec(turn, RNG.uniform(-99, 99, 3))
    image = form(RNG.integers(0, 2**15, shape).astype(np.int16), affine)
    read = read_nifti(image.to_bytes())
    volume = Volume((lambda: read,), "space") if isinstance(read, Scan) else read  # type: ignore[arg-type]
    check_against_nibabel(image, volume)


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_every_type_of_number(dtype: str, form: Any, endian: str) -> None:
    values = RNG.integers(0, 100, (3, 4, 2)).astype(dtype)
    data = saved(values, form=form, endian=endian)
    for packed in (data, gzip.compress(data)):
        assert looks_like_nifti(packed) and looks_like_nifti(packed[:4096])
        volume = read_nifti(packed)
        assert isinstance(volume, Volume)
        assert volume[0].pixels.dtype == np.float32
        assert np.array_equal(volume[1].pixels, values[::-1, ::-1, 1].T)


def test_complex_and_other_types_are_refused() -> None:
    with pytest.raises(InputError, match="complex values"):
        read_nifti(saved(np.ones((2, 2, 2), np.complex64)))
    for code in (0, 1, 3, 1537):  # unknown, binary, no code at all, a Python-sized one
        with pytest.raises(InputError):
            read_nifti(saved(np.ones((2, 2, 2), np.uint8), datatype=code))


def test_rgb() -> None:
    values = RNG.integers(0, 256, (3, 4, 2, 3), dtype=np.uint8)
    voxels = np.ascontiguousarray(values).view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    volume = read_nifti(saved(voxels, scl_slope=2))  # scaling does not apply to colour, says nifti1.h
    assert isinstance(volume, Volume)
    assert volume[1].pixels.dtype == np.uint8
    assert np.array_equal(volume[1].pixels, values[::-1, ::-1, 1].transpose(1, 0, 2))
    clear = np.zeros((3, 4), [(name, "u1") for name in "RGBA"])
    scan = read_nifti(saved(clear))
    assert isinstance(scan, Scan) and scan.pixels.shape == (4, 3, 3) and "transparency ignored" in scan.notes


@pytest.mark.parametrize(
    ("slope", "inter", "factor"), [(0.5, -3, 0.5), (0, 7, None), (np.nan, np.nan, None), (1, 0, 1)]
)
def test_scaling(slope: float, inter: float, factor: float | None) -> None:
    values = RNG.integers(-999, 999, (3, 4, 2)).astype(np.int16)
    data = saved(values, scl_slope=slope, scl_inter=inter)
    volume = read_nifti(data)
    assert isinstance(volume, Volume)
    expected = values if factor is None else values * factor + inter
    assert np.array_equal(volume[0].pixels, expected[::-1, ::-1, 0].T)
    check_against_nibabel(nib.Nifti1Image.from_bytes(data), volume)


@pytest.mark.parametrize(("slope", "inter"), [(np.inf, 0), (-np.inf, 0), (1, np.nan), (2, np.inf)])
def test_scaling_by_no_finite_number_is_refused(slope: float, inter: float) -> None:
    with pytest.raises(InputError, match="finite"):
        read_nifti(saved(np.ones((2, 2, 2), np.int16), scl_slope=slope, scl_inter=inter))


def test_what_is_no_number_is_padding() -> None:
    values = np.array([[[1.5], [np.nan]], [[-np.inf], [2.5e38 * 1e9]]])
    scan = read_nifti(saved(values, np.diag([-1.0, -1, 1, 1])))
    assert isinstance(scan, Scan) and scan.padding is not None
    assert scan.pixels.tolist() == [[1.5, 0], [0, 0]] and scan.padding.tolist() == [[False, True], [True, True]]
    assert any("3 voxels" in note for note in scan.notes)


def test_unknown_orientation_is_said() -> None:
    values = RNG.integers(0, 99, (3, 4, 2)).astype(np.int16)
    volume = read_nifti(saved(values, sform_code=0, qform_code=0))
    assert isinstance(volume, Volume) and volume.gap is None
    scan = volume[1]
    assert np.array_equal(scan.pixels, values[:, :, 1].T)  # i are the columns, j the rows
    assert scan.affine is None and "orientation unknown: shown as stored" in scan.notes


@pytest.mark.parametrize("unit", ["mm", "unknown"])
def test_steps_are_known_without_an_orientation(unit: str) -> None:
    """pixdim holds without the forms; without a unit it is no more than a ratio."""
    image = nib.Nifti1Image(np.ones((3, 4, 2), np.int16), np.diag([2.0, 3, 4, 1]))
    image.header.set_xyzt_units(unit)
    image.set_sform(None, 0)
    image.set_qform(None, 0)
    volume = read_nifti(image.to_bytes())
    assert isinstance(volume, Volume)
    assert volume[0].affine is None and volume[0].pixel_aspect == 1.5
    assert (volume[0].spacing, volume.gap) == (((3, 2), 4) if unit == "mm" else (None, None))


def test_the_sform_goes_before_the_qform() -> None:
    image = nib.Nifti1Image(RNG.integers(0, 99, (3, 4, 2)).astype(np.int16), None)
    image.set_qform(np.diag([2.0, 2, 2, 1]), 1)
    volume = read_nifti(image.to_bytes())
    assert isinstance(volume, Volume) and volume[0].spacing == (2, 2)
    image.set_sform(np.diag([-3.0, 3, 3, 1]), 2)
    volume = read_nifti(image.to_bytes())
    assert isinstance(volume, Volume) and volume[0].spacing == (3, 3)
    check_against_nibabel(image, volume)


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1000), ("micron", 0.001), ("mm", 1), ("unknown", 1)])
def test_units_of_length(unit: str, factor: float) -> None:
    image = nib.Nifti1Image(np.ones((3, 4, 2), np.int16), np.diag([2.0, 3, 5, 1]))
    image.header.set_xyzt_units(unit)
    volume = read_nifti(image.to_bytes())
    assert isinstance(volume, Volume)
    assert volume[0].spacing == pytest.approx((3 * factor, 2 * factor)) and volume.gap == pytest.approx(5 * factor)
    assert any("taken as millimetres" in note for note in volume[0].notes) == (unit == "unknown")


def test_a_unit_that_does_not_exist_is_an_unknown_one() -> None:
    volume = read_nifti(saved(np.ones((3, 4, 2), np.int16), xyzt_units=7))
    assert isinstance(volume, Volume) and volume[0].spacing == (1, 1)
    assert "no unit of length named: taken as millimetres" in volume[0].notes


def test_4d() -> None:
    image: Any = nib.load(NIBABEL / "functional.nii")
    path = NIBABEL / "functional.nii"
    first = read_nifti(path)
    assert isinstance(first, Volume) and len(first) == 3
    assert {"volume 0 of 20 (0-based)", "the first volume of a 4-D file, as none was asked for"} <= set(first[0].notes)
    third = read_nifti(path, volume=3)
    assert isinstance(third, Volume) and len(third) == 3
    check_against_nibabel(image, third, stack=3)
    assert "volume 3 of 20 (0-based)" in third[1].notes and not any("asked for" in note for note in third[1].notes)
    in_time = read_nifti(path, at_slice=1)
    assert isinstance(in_time, Volume) and (len(in_time), in_time.order, in_time.gap) == (20, "time", None)
    assert np.array_equal(in_time[3].pixels, third[1].pixels)
    single = read_nifti(path, 3 * 3 + 1)
    assert isinstance(single, Scan) and np.array_equal(single.pixels, third[1].pixels) and single.frame == 10
    assert len({loader.content_hash for loader in (*first.loaders, *third.loaders)}) == 6
    for wrong in ({"frame": 60}, {"frame": -1}, {"volume": 20}, {"at_slice": 3}, {"volume": 1, "at_slice": 1}):
        with pytest.raises(InputError, match="expected"):
            read_nifti(path, **wrong)


def test_flat_files_and_further_dimensions() -> None:
    flat = RNG.integers(0, 99, (3, 4)).astype(np.int16)
    scan = read_nifti(saved(flat))
    assert isinstance(scan, Scan) and np.array_equal(scan.pixels, flat[::-1, ::-1].T)
    cine = read_nifti(saved(RNG.integers(0, 99, (3, 4, 1, 6)).astype(np.int16)))
    assert isinstance(cine, Volume) and (len(cine), cine.order) == (6, "time")
    with pytest.raises(InputError, match="2 to 4 dimensions"):
        read_nifti(saved(np.ones((3, 4, 2, 1, 3), np.float32)))  # a vector a voxel


def test_volumes_travel_to_other_processes_and_read_lazily(tmp_path: Path) -> None:
    values = RNG.integers(0, 99, (3, 4, 5)).astype(np.int16)
    for name, data in (("a.nii", saved(values)), ("b.nii.gz", gzip.compress(saved(values)))):
        path = tmp_path / name
        path.write_bytes(data)
        volume = pickle.loads(pickle.dumps(read_nifti(path)))
        assert np.array_equal(volume[2].pixels, values[::-1, ::-1, 2].T)
        assert volume[2].input_hash == volume.loaders[0].content_hash
        assert str(values.tobytes()) not in repr(read_nifti(data))


def test_pairs_and_analyze_are_refused_with_the_way_out() -> None:
    for name in ("nifti1.hdr", "nifti2.hdr", "analyze.hdr"):
        data = (NIBABEL / name).read_bytes()
        assert looks_like_nifti(data)
        with pytest.raises(InputError, match=r"pair of files.*nibabel\.save"):
            read_nifti(data)


def test_other_files_do_not_look_like_nifti() -> None:
    for name in ("0.dcm", "simple.tck", "tiny.mnc", "test.mgz", "tinypet.v", "README.rst"):
        assert not looks_like_nifti((NIBABEL / name).read_bytes())
    for data in (b"", b"\x1f\x8b", gzip.compress(b"text"), struct.pack("<i", 348), b"\x89PNG" + bytes(999)):
        assert not looks_like_nifti(data)


def test_the_command_in_the_refusal_of_pairs_works(tmp_path: Path) -> None:
    image = nib.Nifti1Pair(RNG.integers(0, 99, (3, 4, 2)).astype(np.int16), np.eye(4))
    nib.save(image, tmp_path / "x.hdr")
    nib.save(nib.Nifti1Image.from_image(nib.load(tmp_path / "x.hdr")), tmp_path / "x.nii.gz")
    volume = read_nifti(tmp_path / "x.nii.gz")
    assert isinstance(volume, Volume)
    check_against_nibabel(image, volume)
