"""Kinds of objects that the packages lack, made by hand with known values, and those that are no plain picture."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom
import imagecodecs
import numpy as np
import pydicom
import pytest
from highdicom.pixels import apply_voi_window
from pydicom import uid
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence

from data_adapters import read
from data_adapters.dicom import DicomFile
from medfly.display import apply_window, chosen_window
from medfly.types import InputError, Volume, Window

from .made import item, scan

MakeDataset = Callable[..., FileDataset]
Make = Callable[..., bytes]
RAMP = np.arange(0, 4096, 16, dtype=np.uint16).reshape(16, 16)


def test_mammogram(make_dicom: Make) -> None:
    """MONOCHROME1 with a sigmoid and padding, of the left breast."""
    stored = RAMP.copy()
    stored[:, :4] = 4000  # background
    data = make_dicom(
        stored,
        SOPClassUID=uid.DigitalMammographyXRayImageStorageForPresentation,
        Modality="MG",
        PhotometricInterpretation="MONOCHROME1",
        PresentationLUTShape="INVERSE",
        PresentationIntentType="FOR PRESENTATION",
        WindowCenter=2000,
        WindowWidth=800,
        VOILUTFunction="SIGMOID",
        PixelPaddingValue=4000,
        ImageLaterality="L",
        ViewCodeSequence=Sequence([item(CodeValue="399368009", CodingSchemeDesignator="SCT")]),
        ImagerPixelSpacing=[0.07, 0.07],
        BodyPartExamined="BREAST",
    )
    found = scan(data)
    assert (found.modality, found.laterality, found.view, found.body_part) == ("MG", "L", "MLO", "BREAST")
    assert found.spacing == (0.07, 0.07) and found.inverted and not any("PROCESSING" in n for n in found.notes)
    assert found.padding is not None and np.array_equal(found.padding, stored == 4000)
    expected = 1 - 1 / (1 + np.exp(-4 * (stored - 2000.0) / 800))  # C.11.2.1.3.1
    picture = found.display()[:, :, 0]
    assert (picture[stored == 4000] == 0).all()
    assert np.abs(picture - expected * 255)[stored != 4000].max() <= 0.5 + 1e-9


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_radiograph_against_highdicom(make_dicom: Make, function: str) -> None:
    attributes = {
        "SOPClassUID": uid.DigitalXRayImageStorageForPresentation,
        "Modality": "DX",
        "PhotometricInterpretation": "MONOCHROME1",
        "RescaleSlope": 1,
        "RescaleIntercept": -5,
        "WindowCenter": 1000,
        "WindowWidth": 900,
        "VOILUTFunction": function,
        "PatientOrientation": ["L", "F"],
        "ViewPosition": "PA",
    }
    found = scan(make_dicom(RAMP, **attributes))
    (window,) = found.windows
    assert found.view == "PA" and isinstance(window, Window) and window.function == function
    expected = 1 - apply_voi_window(RAMP - 5.0, 1000, 900, voi_lut_function=function)
    assert np.abs(1 - apply_window(found.pixels, window) - expected).max() < 1 / 65535


def test_raw_radiograph_is_flagged(make_dicom: Make) -> None:
    for modality in ("CR", "DX", "MG"):
        notes = scan(make_dicom(RAMP, Modality=modality, PresentationIntentType="FOR PROCESSING")).notes
        assert "FOR PROCESSING: raw detector data, not meant to be looked at" in notes


def test_angiogram(make_dicom: Make) -> None:
    """Frames in time with one header; several windows stay in the order of the file, their words where harmless."""
    frames = np.stack([RAMP, RAMP[::-1], RAMP.T])
    data = make_dicom(
        frames,
        SOPClassUID=uid.XRayAngiographicImageStorage,
        Modality="XA",
        NumberOfFrames=3,
        FrameIncrementPointer=0x00181063,
        FrameTime=66,
        ImagerPixelSpacing=[0.3, 0.3],
        WindowCenter=[2048, 1000, 50],
        WindowWidth=[4096, 500, 20],
        WindowCenterWidthExplanation=["NORMAL", "DOE", "Bone"],
    )
    file = DicomFile(data)
    assert (file.frames, file.order) == (3, "time")
    for number, frame in enumerate(frames):
        found = file.scan(number)
        assert np.array_equal(found.pixels, frame) and found.frame == number and found.affine is None
        assert found.windows == (
            Window(2048, 4096, source="WindowCenter/Width 1 of 3 (NORMAL)"),
            Window(1000, 500, source="WindowCenter/Width 2 of 3"),  # the word may be a name
            Window(50, 20, source="WindowCenter/Width 3 of 3 (BONE)"),
        )


@pytest.mark.parametrize("syntax", [uid.HTJ2KLossless, uid.HTJ2K])
def test_high_throughput_jpeg_2000(make_dataset: MakeDataset, to_bytes: Make, syntax: str) -> None:
    dataset = make_dataset(RAMP, Modality="CT", RescaleSlope=1, RescaleIntercept=-1024)
    dataset.PixelData = encapsulate([imagecodecs.htj2k_encode(RAMP, reversible=True)])
    dataset.file_meta.TransferSyntaxUID = syntax
    found = scan(to_bytes(dataset))
    assert np.array_equal(found.pixels, RAMP - 1024.0) and found.unit == "HU"
    assert any(note.startswith("lossy") for note in found.notes) == (syntax == uid.HTJ2K)


def enhanced_mr(make: MakeDataset, windows: list[tuple[float, float] | None], **attributes: Any) -> FileDataset:
    frames = np.stack([RAMP] * len(windows))
    groups = [item(FrameContentSequence=Sequence([item(StackID="1")])) for _ in windows]
    for group, window in zip(groups, windows, strict=True):
        if window is not None:
            values = item(WindowCenter=window[0], WindowWidth=window[1], **attributes)
            group.FrameVOILUTSequence = Sequence([values])
    return make(frames, Modality="MR", NumberOfFrames=len(windows), PerFrameFunctionalGroupsSequence=Sequence(groups))


def test_an_enhanced_mr_is_shown_in_one_window(make_dataset: MakeDataset, to_bytes: Make) -> None:
    windows = [(100, 200), (130, 260), (900, 2000), None]
    volume = read(to_bytes(enhanced_mr(make_dataset, windows)))
    assert isinstance(volume, Volume)
    one = Window(130, 260, source="median of 4 frames")
    for number, shown in enumerate(pickle.loads(pickle.dumps(volume))):
        assert shown.windows[0] == one and chosen_window(shown) == one
        own = windows[number]
        assert [(w.center, w.width) for w in shown.windows[1:]] == ([own] if own else [])
        assert np.array_equal(shown.display(), volume[0].display())  # the same values everywhere, the same grey
    third = chosen_window(volume[2], "file:2")
    assert isinstance(third, Window) and (third.center, third.width) == (900, 2000)


@pytest.mark.parametrize("windows", [[(100, 200)] * 3, [None] * 3])
def test_windows_that_agree_stay(make_dataset: MakeDataset, to_bytes: Make, windows: list[Any]) -> None:
    volume = read(to_bytes(enhanced_mr(make_dataset, windows)))
    assert isinstance(volume, Volume) and volume.window is None


def test_each_slice_of_an_mr_series_has_its_own_window(package_files: dict[str, Path]) -> None:
    """No preset in Hounsfield units, no window of another slice, no unit."""
    series = sorted(package_files["4950"].parent.iterdir())
    for path in series:
        found, dataset = scan(path.read_bytes()), pydicom.dcmread(path)
        assert found.unit is None
        assert found.windows[0] == Window(
            float(dataset.WindowCenter), float(dataset.WindowWidth), source="WindowCenter/Width 1 of 1"
        )


def test_an_mr_series_is_shown_in_one_window(make_dataset: MakeDataset, tmp_path: Path) -> None:
    """The median of its slices' windows first, each one's own next; a CT, whose HU mean the same everywhere, stays."""
    pairs = [(100, 200), (130, 260), (900, 2000)]
    for modality in ("MR", "CT"):
        (tmp_path / modality).mkdir()
        for number, (center, width) in enumerate(pairs):
            placed = {"ImagePositionPatient": [0, 0, 5 * number], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
            header = {"Modality": modality, "SeriesInstanceUID": "1.2", "SOPInstanceUID": f"1.2.{number}", **placed}
            dataset = make_dataset(
                RAMP, WindowCenter=[center, 7], WindowWidth=[width, 9], PixelSpacing=[1, 1], **header
            )
            dataset.save_as(tmp_path / modality / str(number), enforce_file_format=True)
    one = Window(130, 260, source="median of 3 slices")
    for volume in (read(tmp_path / "MR"), read(sorted((tmp_path / "MR").iterdir()))):
        assert isinstance(volume, Volume)
        for shown, own in zip(volume, pairs, strict=True):
            assert shown.windows[0] == one
            assert [(w.center, w.width) for w in shown.windows[1:] if isinstance(w, Window)] == [own, (7, 9)]
    ct = read(tmp_path / "CT")
    assert isinstance(ct, Volume) and [scan.windows[0].to_dict()["center"] for scan in ct] == [100, 130, 900]


def real_world_map() -> Dataset:
    dataset = item(LUTLabel="1", RealWorldValueIntercept=-7000.0, RealWorldValueSlope=100.0)
    dataset.add_new("RealWorldValueFirstValueMapped", "US", 0)
    dataset.add_new("RealWorldValueLastValueMapped", "US", 4095)
    return dataset


@pytest.mark.parametrize("per_frame", [False, True])
def test_real_world_values_are_not_mixed_in(make_dicom: Make, per_frame: bool) -> None:
    mapping = Sequence([real_world_map()])
    group = Sequence([item(RealWorldValueMappingSequence=mapping)])
    where = {"SharedFunctionalGroupsSequence": group} if per_frame else {"RealWorldValueMappingSequence": mapping}
    found = scan(make_dicom(RAMP, Modality="MR", RescaleSlope=2, RescaleIntercept=1, **where))
    assert np.array_equal(found.pixels, RAMP * 2.0 + 1)
    assert any("Real World Value Mapping Sequence (0040,9096) not applied" in note for note in found.notes)


def test_real_world_values_make_highdicom_skip_the_window(make_dataset: MakeDataset, to_bytes: Make) -> None:
    """Why the oracle is called with apply_real_world_transform=False."""
    attributes = {"WindowCenter": 100, "WindowWidth": 50, "RescaleSlope": 1, "RescaleIntercept": 0}
    dataset = make_dataset(RAMP, SOPClassUID=uid.MRImageStorage, Modality="MR", **attributes)
    dataset.RealWorldValueMappingSequence = Sequence([real_world_map()])
    image = highdicom.Image.from_dataset(pydicom.dcmread(pydicom.filebase.DicomBytesIO(to_bytes(dataset))))
    skipped = image.get_frames([1], apply_voi_transform=None)[0]
    assert skipped.min() == -7000
    shown = image.get_frames([1], apply_voi_transform=None, apply_real_world_transform=False)[0]
    found = scan(to_bytes(dataset))
    assert isinstance(found.windows[0], Window)
    assert np.abs(apply_window(found.pixels, found.windows[0]) - shown).max() < 1 / 65535


def floats(make_dataset: MakeDataset, values: np.ndarray, **attributes: Any) -> FileDataset:
    dataset = make_dataset(values, SOPClassUID=uid.ParametricMapStorage, **attributes)
    del dataset.PixelData, dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit
    setattr(dataset, {4: "FloatPixelData", 8: "DoubleFloatPixelData"}[values.itemsize], values.tobytes())
    return dataset


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_parametric_map_with_holes(make_dataset: MakeDataset, to_bytes: Make, kind: type) -> None:
    values = np.linspace(0, 1, 16, dtype=kind).reshape(4, 4)
    values[0, :2], values[0, 2], values[0, 3] = np.nan, np.inf, -np.inf
    found = scan(to_bytes(floats(make_dataset, values)))
    assert found.padding is not None and np.array_equal(found.padding, np.isnan(values))
    assert "2 pixels without a value" in found.notes
    assert "parametric map: values calculated from pictures" in found.notes
    picture = found.display(Window(0.5, 1.0, "LINEAR_EXACT"))[:, :, 0]
    assert picture[0].tolist() == [0, 0, 255, 0] and picture[3, 3] == 255
    assert found.display()[:, :, 0][3, 3] > 200, "percentiles are of the numbers that are there"


def test_holes_and_padding_together(make_dataset: MakeDataset, to_bytes: Make) -> None:
    values = np.array([[np.nan, -1], [0.5, 1]], dtype=np.float32)
    found = scan(to_bytes(floats(make_dataset, values, FloatPixelPaddingValue=-1.0)))
    assert found.padding is not None and found.padding.tolist() == [[True, True], [False, False]]


def test_segmentation_and_dose_say_what_they_are(
    package_files: dict[str, Path], make_dataset: MakeDataset, to_bytes: Make
) -> None:
    notes = scan(package_files["liver_1frame.dcm"].read_bytes()).notes
    assert "segmentation: a mask that somebody drew, not a picture" in notes
    labels = to_bytes(make_dataset(RAMP, SOPClassUID="1.2.840.10008.5.1.4.1.1.66.7"))
    assert "segmentation: numbered labels, not a picture" in scan(labels).notes
    assert "radiotherapy dose, not a picture of the patient" in scan(package_files["rtdose.dcm"].read_bytes()).notes


@pytest.mark.parametrize(("units", "unit"), [("GY", "GY"), ("RELATIVE", None)])
def test_dose_is_scaled(make_dicom: Make, units: str, unit: str | None) -> None:
    attributes = {"SOPClassUID": uid.RTDoseStorage, "Modality": "RTDOSE", "DoseUnits": units}
    found = scan(make_dicom(RAMP, DoseGridScaling=0.001, **attributes))
    assert found.unit == unit and np.allclose(found.pixels, RAMP * 0.001, rtol=1e-6)
    assert "no Dose Grid Scaling: values in no known unit" in scan(make_dicom(RAMP, **attributes)).notes
    with pytest.raises(InputError, match="DoseGridScaling -1; expected a positive number"):
        scan(make_dicom(RAMP, DoseGridScaling=-1, **attributes))


@pytest.mark.parametrize("frame", ["LABEL", "VOLUME", "OVERVIEW"])
def test_tiles_of_a_slide_are_sent_to_the_slide_reader(make_dicom: Make, frame: str) -> None:
    data = make_dicom(
        RAMP,
        SOPClassUID=uid.VLWholeSlideMicroscopyImageStorage,
        ImageType=["ORIGINAL", "PRIMARY", frame, "NONE"],
        TotalPixelMatrixRows=100_000,
        TotalPixelMatrixColumns=100_000,
    )
    with pytest.raises(InputError, match=r"Whole Slide Microscopy.*data_adapters\.slide"):
        scan(data)


def test_supplemental_colours_are_missed_aloud(make_dicom: Make) -> None:
    assert any("colours" in note for note in scan(make_dicom(RAMP, PixelPresentation="COLOR")).notes)


def test_derived_frame_of_an_original_object(make_dicom: Make) -> None:
    frame_type = Sequence([item(CTImageFrameTypeSequence=Sequence([item(FrameType=["DERIVED", "PRIMARY"])]))])
    data = make_dicom(RAMP, ImageType=["ORIGINAL", "PRIMARY"], PerFrameFunctionalGroupsSequence=frame_type)
    assert "derived image" in scan(data).notes
