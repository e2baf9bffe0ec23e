"""Our reader inside MONAI's own pipeline: where both are right they agree, and where MONAI's is wrong ours is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nibabel import Nifti1Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_modality_lut

from data_adapters import read
from medfly.types import InputError

monai = pytest.importorskip("monai")
from monai.data import NibabelReader, PydicomReader  # noqa: E402
from monai.transforms import (  # noqa: E402
    Compose,
    EnsureChannelFirstd,
    LoadImage,
    LoadImaged,
    Orientation,
    Orientationd,
    ScaleIntensityRanged,
    Spacingd,
)

from data_adapters.monai_reader import MedFlyReader  # noqa: E402

Make = Callable[..., Any]
pytestmark = pytest.mark.filterwarnings("ignore:NvImgCodec", "ignore:PydicomReader. ImageOrientation")  # MONAI's own
CT = str(get_testdata_file("CT_small.dcm", download=False))
BOTH = MedFlyReader(), PydicomReader()
SERIES = Path(CT).parent / "dicomdirtests/98892001/CT5N"


def packaged(name: str) -> str:
    found = get_testdata_file(name, download=False)
    if found is None:
        pytest.skip(f"{name} needs pydicom-data")
    return str(found)


def test_a_plain_slice_agrees_with_monai() -> None:
    ours, theirs = LoadImage(reader=MedFlyReader())(CT), LoadImage(reader=PydicomReader())(CT)
    assert ours.shape == theirs.shape == (128, 128) and np.array_equal(ours, theirs)
    assert ours.affine.numpy() == pytest.approx(theirs.affine.numpy())
    for key in ("space", "spatial_shape", "original_affine"):
        assert np.array_equal(ours.meta[key], theirs.meta[key]) or ours.meta[key] == pytest.approx(theirs.meta[key])
    assert (ours.meta["unit"], ours.meta["modality"], ours.meta["placed"]) == ("HU", "CT", True)


def test_a_plain_series_agrees_with_monai_in_the_patient() -> None:
    """MONAI's order is that of the instance numbers, which run down here; the affines make up for it."""
    ours, theirs = (LoadImage(reader=one, ensure_channel_first=True)(SERIES) for one in BOTH)
    assert np.array_equal(ours.numpy(), theirs.numpy()[..., ::-1])
    ours, theirs = map(Orientation("RAS", labels=None), (ours, theirs))
    assert ours.shape == (1, 16, 16, 5) and np.array_equal(ours, theirs)
    assert ours.affine.numpy() == pytest.approx(theirs.affine.numpy(), abs=1e-4)


def test_nifti_agrees_with_nibabel(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    affine = np.array([[0, -2.0, 0, 10], [1.5, 0, 0, -7], [0, 0, 3, 2], [0, 0, 0, 1]])
    path = tmp_path / "a.nii.gz"
    Nifti1Image(chance.normal(size=(5, 6, 7)).astype(np.float32), affine).to_filename(path)
    readers = MedFlyReader(), NibabelReader()
    loaded = (LoadImage(reader=one, ensure_channel_first=True)(path) for one in readers)
    ours, theirs = map(Orientation("RAS", labels=None), loaded)
    assert ours.shape == theirs.shape and np.array_equal(ours, theirs)
    assert ours.affine.numpy() == pytest.approx(theirs.affine.numpy(), abs=1e-5)


def test_a_pipeline_finds_a_spot_in_an_oblique_series(tmp_path: Path, make_dataset: Make) -> None:
    """One bright pixel of slice 2, of which DICOM's formula (PS3.3 C.7.6.2.1.1) gives the place. Numbers mislead."""
    row, column = np.array([0.8, 0.6, 0]), np.array([0.0, 0, -1])
    normal, corner = np.cross(row, column), np.array([-20.0, 30, 40])
    for number in range(5):
        pixels = np.zeros((16, 20), np.int16)
        pixels[4, 7] = 2000 if number == 2 else 0
        make_dataset(
            pixels,
            Modality="CT",
            RescaleSlope=1,
            RescaleIntercept=-1000,
            PixelSpacing=[1.5, 0.75],
            ImageOrientationPatient=[*row, *column],
            ImagePositionPatient=[float(f"{x:.6f}") for x in corner + 3 * number * normal],
            InstanceNumber=(number * 3) % 5,
            SeriesInstanceUID="1.2",
            SOPInstanceUID=f"1.2.{number}",
        ).save_as(tmp_path / f"{number}.dcm", enforce_file_format=True)
    pipeline = Compose(
        [
            LoadImaged("image", reader=MedFlyReader()),
            EnsureChannelFirstd("image"),
            Orientationd("image", axcodes="RAS", labels=None),
            ScaleIntensityRanged("image", -1000, 1000, 0, 1),
        ]
    )
    image = pipeline({"image": tmp_path})["image"]
    assert float(image.max()) == 1 and float(image.min()) == 0
    place = np.argwhere(image[0].numpy() == 1)[0]
    x, y, z = corner + 7 * 0.75 * row + 4 * 1.5 * column + 2 * 3 * normal
    assert (image.affine.numpy() @ [*place, 1])[:3] == pytest.approx([-x, -y, z], abs=1e-4)
    spaced = Spacingd("image", pixdim=(1, 1, 1))({"image": image})["image"]
    hottest = np.unravel_index(int(spaced[0].argmax()), spaced[0].shape)
    assert (spaced.affine.numpy() @ [*hottest, 1])[:3] == pytest.approx([-x, -y, z], abs=1.3)


def test_a_modality_lut_that_monai_overlooks() -> None:
    path = packaged("mlut_18.dcm")
    dataset = dcmread(path)
    truth = apply_modality_lut(dataset.pixel_array, dataset).T
    ours, theirs = LoadImage(reader=MedFlyReader())(path), LoadImage(reader=PydicomReader())(path)
    assert np.array_equal(ours, truth)
    assert not np.array_equal(theirs, truth)


def test_an_enhanced_object_that_monai_leaves_unscaled_and_unplaced() -> None:
    """Slope and intercept, orientation and position are in functional groups: MONAI reads the top level only."""
    path = packaged("eCT_Supplemental.dcm")
    dataset = dcmread(path)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    rescale = shared.PixelValueTransformationSequence[0]
    truth = dataset.pixel_array * float(rescale.RescaleSlope) + float(rescale.RescaleIntercept)
    position = dataset.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence[0].ImagePositionPatient
    ours = LoadImage(reader=MedFlyReader())(path)
    assert np.allclose(ours, truth[[1, 0]].transpose(2, 1, 0))  # the frames are stored from the far end
    assert ours.affine.numpy()[:3, 3] == pytest.approx([-position[0], -position[1], position[2]])
    with pytest.warns(UserWarning, match="affine matrix cannot be derived"):
        theirs = LoadImage(reader=PydicomReader())(path)
    assert theirs.shape == (512, 2, 512)  # a frame's rows taken for slices
    assert np.array_equal(theirs.affine[:3, 3], [0, 0, 0])
    assert float(theirs.max()) == dataset.pixel_array.max() != pytest.approx(truth.max())


def test_windows_show_what_is_seen(tmp_path: Path, make_dicom: Make) -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    path = tmp_path / "film"
    path.write_bytes(make_dicom(ramp, PhotometricInterpretation="MONOCHROME1", Modality="CR"))
    physical = LoadImage(reader=MedFlyReader())(path)
    assert np.array_equal(physical, ramp.T) and physical.meta["inverted"]
    seen = LoadImage(reader=MedFlyReader(window="100/128"))(path)
    assert not seen.meta["inverted"]
    assert np.array_equal(seen, read(path).display("100/128")[..., 0].T)  # type: ignore[union-attr]
    assert seen[0, 0] == 255 and seen[-1, -1] == 0


def test_what_is_refused_is_not_read_by_another_reader(tmp_path: Path, make_dataset: Make) -> None:
    """LoadImage tries MONAI's readers after ours when `read` raises, and they would read this one happily."""
    for number, z in enumerate((0, 1, 2, 4, 5)):
        place = {
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "ImagePositionPatient": [0, 0, z],
            "PixelSpacing": [1, 1],
        }
        dataset = make_dataset(np.zeros((4, 6), np.uint8), InstanceNumber=number, SeriesInstanceUID="1.2", **place)
        dataset.SOPInstanceUID = f"1.2.{number}"
        dataset.save_as(tmp_path / f"{number}", enforce_file_format=True)
    assert LoadImage(reader=PydicomReader())(tmp_path).shape == (6, 4, 5)
    with pytest.raises(InputError, match="missing slice between 2 and 3"):
        LoadImage(reader=MedFlyReader())(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        LoadImage(reader=MedFlyReader())(tmp_path / "absent.dcm")
    assert LoadImage(reader=MedFlyReader(frame=3))(tmp_path).shape == (6, 4)


def test_time_colour_and_several_paths_are_channels() -> None:
    cine = LoadImage(reader=MedFlyReader(), ensure_channel_first=True)(packaged("emri_small.dcm"))
    assert cine.shape == (10, 64, 64)
    assert np.array_equal(cine[3], read(packaged("emri_small.dcm"), frame=3).pixels.T)
    colour = LoadImage(reader=MedFlyReader(), ensure_channel_first=True)(packaged("SC_rgb.dcm"))
    assert colour.shape == (3, 100, 100)
    with pytest.raises(InputError, match="30 colour pictures"):
        LoadImage(reader=MedFlyReader())(packaged("examples_ybr_color.dcm"))
    twice = LoadImage(reader=MedFlyReader(), ensure_channel_first=True)([CT, CT])
    assert twice.shape == (2, 128, 128) and np.array_equal(twice[0], twice[1])
    with pytest.raises(InputError, match="different size or place"):
        LoadImage(reader=MedFlyReader())([CT, packaged("MR_small.dcm")])
