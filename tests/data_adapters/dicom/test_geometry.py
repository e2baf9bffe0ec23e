"""Where pixels are: against highdicom's transformers, pydicom's dictionary of codes, and by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import data_store
import highdicom
import numpy as np
import pydicom
import pytest
from highdicom.spatial import PixelToReferenceTransformer, create_affine_matrix_from_attributes
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes

from data_adapters.dicom import DicomFile
from data_adapters.dicom.geometry import VIEWS, affine
from data_adapters.dicom.header import FrameHeader

from .made import item, scan

MakeDataset = Callable[..., FileDataset]
Make = Callable[..., bytes]
STORED = np.arange(12, dtype=np.uint16).reshape(3, 4)
DATA = Path(data_store.__file__).parent / "data"
PLACED = {
    "ImagePositionPatient": [1, 2, 3],
    "ImageOrientationPatient": [0, 1, 0, 0, 0, -1],
    "PixelSpacing": [0.5, 0.25],
}


def test_affine_by_hand(make_dicom: Make) -> None:
    """A sagittal slice: columns go to the back, rows to the feet; the pixel in row 2, column 3."""
    matrix = scan(make_dicom(STORED, **PLACED)).affine
    assert matrix is not None and matrix.dtype == np.float64
    assert (matrix @ (3, 2, 0, 1)).tolist() == [1, 2 + 3 * 0.25, 3 - 2 * 0.5, 1]


@pytest.mark.parametrize(
    ("orientation", "words"),
    [
        ([1, 0, 0, 0, 1, 0], None),  # axial
        ([1, 0, 0, 0, 0, -1], None),  # coronal
        ([0, 1, 0, 0, 0, -1], None),  # sagittal
        ([0.8, 0.6, 0, 0, 0, -1], None),  # oblique
        ([-1, 0, 0, 0, 1, 0], "the patient's R is on the right and P below"),  # left and right are exchanged
        ([1, 0, 0, 0, -1, 0], "the patient's L is on the right and A below"),
        ([-1, 0, 0, 0, -1, 0], "the patient's R is on the right and A below"),  # as of a patient lying face down
        ([0, -1, 0, 0, 0, -1], "the patient's A is on the right and F below"),
        ([1, 0, 0, 0, 0, 1], "the patient's L is on the right and H below"),
    ],
)
def test_a_view_that_is_not_the_usual_one_is_said(
    make_dicom: Make, orientation: list[float], words: str | None
) -> None:
    notes = scan(make_dicom(STORED, **PLACED | {"ImageOrientationPatient": orientation})).notes
    assert [note for note in notes if "unusual" in note] == (
        [f"unusual view, shown as stored: {words}"] if words else []
    )


def test_exchanged_sides_of_a_real_file() -> None:
    file = DicomFile((DATA / "eCT_Supplemental.dcm").read_bytes())
    assert any("the patient's R is on the right and P below" in note for note in file.scan(0).notes)


numbers = st.floats(-1000, 1000)
angles = st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3))


@given(angles, st.tuples(numbers, numbers, numbers), st.floats(0.05, 5), st.floats(0.05, 5))
def test_affine_against_highdicom(
    turn: tuple[float, float, float], position: tuple[float, float, float], rows: float, columns: float
) -> None:
    directions, _ = np.linalg.qr(
        np.eye(3) + np.array([[0, -turn[2], turn[1]], [turn[2], 0, -turn[0]], [-turn[1], turn[0], 0]])
    )
    orientation = [*directions[:, 0], *directions[:, 1]]
    header = item()
    values = {"ImagePositionPatient": position, "ImageOrientationPatient": orientation, "PixelSpacing": (rows, columns)}
    for keyword, value in values.items():  # as a DS holds it: 16 characters
        setattr(header, keyword, [f"{number:.10g}"[:16] for number in value])
    found, notes = affine(FrameHeader((header,)), 0, 1)
    assert found is not None and not notes
    expected = create_affine_matrix_from_attributes(
        [float(v) for v in header.ImagePositionPatient],
        [float(v) for v in header.ImageOrientationPatient],
        [float(v) for v in header.PixelSpacing],
    )
    for pixel in ((0, 0), (7, 0), (0, 5), (511, 300)):
        assert np.allclose(found @ (*pixel, 0, 1), expected @ (*pixel, 0, 1), atol=1e-9)
    assert found[:3, 2] @ found[:3, 2] == pytest.approx(1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "rtdose_1frame.dcm", "examples_overlay.dcm"])
def test_affine_of_real_files(package_files: dict[str, Path], name: str) -> None:
    matrix = scan(package_files[name].read_bytes()).affine
    assert matrix is not None
    dataset = pydicom.dcmread(package_files[name])
    transformer = PixelToReferenceTransformer(
        dataset.ImagePositionPatient, dataset.ImageOrientationPatient, dataset.PixelSpacing
    )
    pixels = np.array([[0, 0], [5, 0], [0, 9], [9, 9]])
    assert np.allclose((matrix @ np.c_[pixels, np.zeros(4), np.ones(4)].T)[:3].T, transformer(pixels), atol=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["eCT_Supplemental.dcm", "liver.dcm"])
def test_affine_of_each_frame_of_enhanced_files(name: str) -> None:
    file, dataset = DicomFile((DATA / name).read_bytes()), pydicom.dcmread(DATA / name)
    for frame in range(file.frames):
        matrix = file.scan(frame).affine
        assert matrix is not None
        transformer = PixelToReferenceTransformer.for_image(dataset, frame_number=frame + 1)
        assert np.allclose((matrix @ (30, 40, 0, 1))[:3], transformer(np.array([[30, 40]]))[0], atol=1e-6)
    assert file.order == "space"


def test_dose_grid_has_a_place_for_each_plane(package_files: dict[str, Path]) -> None:
    file, dataset = DicomFile(package_files["rtdose.dcm"].read_bytes()), pydicom.dcmread(package_files["rtdose.dcm"])
    heights = [matrix[2, 3] for frame in range(15) if (matrix := file.scan(frame).affine) is not None]
    assert np.allclose(heights, float(dataset.ImagePositionPatient[2]) + np.array(dataset.GridFrameOffsetVector))
    assert file.order == "space"


@pytest.mark.parametrize(("normal", "first"), [(1, -50.0), (-1, -50.0)])
def test_dose_grid_in_absolute_heights(make_dicom: Make, normal: int, first: float) -> None:
    frames = np.stack([STORED] * 3)
    attributes = {
        "NumberOfFrames": 3,
        "SOPClassUID": pydicom.uid.RTDoseStorage,
        "ImagePositionPatient": [0, 0, first],
        "ImageOrientationPatient": [1, 0, 0, 0, normal, 0],
        "PixelSpacing": [1, 1],
        "GridFrameOffsetVector": [first, first + 4, first + 9],
        "DoseGridScaling": 1,
    }
    file = DicomFile(make_dicom(frames, **attributes))
    heights = [matrix[2, 3] for frame in range(3) if (matrix := file.scan(frame).affine) is not None]
    assert heights == [first, first + 4, first + 9]


def test_one_position_does_not_do_for_many_frames(make_dicom: Make) -> None:
    assert scan(make_dicom(np.stack([STORED] * 2), NumberOfFrames=2, **PLACED)).affine is None


@pytest.mark.parametrize("orientation", [[1, 0, 0, 1, 0, 0], [2, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0]])
def test_skew_directions_give_no_affine(make_dicom: Make, orientation: list[int]) -> None:
    found = scan(make_dicom(STORED, **{**PLACED, "ImageOrientationPatient": orientation}))
    assert found.affine is None and any("right angles" in note for note in found.notes)


@pytest.mark.parametrize(
    ("attributes", "aspect"),
    [
        ({"PixelAspectRatio": [4, 3]}, 4 / 3),  # C.7.6.3.1.7: vertical \ horizontal
        ({"PixelAspectRatio": [1, 1]}, 1.0),
        ({"PixelAspectRatio": [0, 1]}, None),
        ({"PixelAspectRatio": [1, 2], "PixelSpacing": [0.5, 0.25]}, None),  # the spacing says it
        ({}, None),
    ],
)
def test_aspect(make_dicom: Make, attributes: dict[str, Any], aspect: float | None) -> None:
    found = scan(make_dicom(STORED, **attributes))
    assert found.aspect == aspect
    assert found.pixel_aspect == (2.0 if "PixelSpacing" in attributes else aspect or 1.0)


@pytest.mark.parametrize("name", ["color-pl.dcm", "color-px.dcm"])
def test_aspect_of_real_files(name: str) -> None:
    assert scan((DATA / name).read_bytes()).aspect == 4 / 3


def region(x: float, y: float, unit: int = 3, space: int = 1) -> Dataset:
    """A calibrated region: centimetres in each pixel."""
    return item(
        RegionSpatialFormat=space,
        RegionDataType=1,
        PhysicalUnitsXDirection=unit,
        PhysicalUnitsYDirection=unit,
        PhysicalDeltaX=x,
        PhysicalDeltaY=y,
    )


@pytest.mark.parametrize(
    ("regions", "spacing"),
    [
        ([region(0.02, 0.03)], (0.3, 0.2)),
        ([region(0.02, 0.03), region(0.02, -0.03)], (0.3, 0.2)),  # a direction is no distance
        ([region(0.02, 0.03), region(0.04, 0.03)], None),  # two scales: none holds for all pixels
        ([region(0.02, 0.03), region(0.5, 0.1, unit=4)], (0.3, 0.2)),  # seconds: a spectrum's axes
        ([region(0.02, 0.03), region(0.5, 0.1, space=2)], (0.3, 0.2)),  # M-mode
        ([region(0.5, 0.1, unit=4)], None),
        ([region(0, 0.1)], None),
    ],
)
def test_spacing_of_ultrasound_regions(make_dicom: Make, regions: list[Dataset], spacing: Any) -> None:
    found = scan(make_dicom(STORED, Modality="US", SequenceOfUltrasoundRegions=Sequence(regions)))
    assert found.spacing == (pytest.approx(spacing) if spacing else None)
    assert any("region" in note for note in found.notes) == (spacing is not None or len(regions) == 2)


def test_spacing_of_a_projection_is_said_to_be_at_the_detector(make_dicom: Make) -> None:
    same = {"PixelSpacing": [0.1, 0.1], "ImagerPixelSpacing": [0.1, 0.1]}
    assert any("detector" in note for note in scan(make_dicom(STORED, Modality="DX", **same)).notes)
    calibrated = same | {"PixelSpacing": [0.09, 0.09]}
    assert not any("detector" in note for note in scan(make_dicom(STORED, Modality="DX", **calibrated)).notes)


@pytest.mark.parametrize(
    ("attributes", "side"),
    [
        ({"ImageLaterality": "L"}, "L"),
        ({"Laterality": "R"}, "R"),
        ({"ImageLaterality": "B", "Laterality": "R"}, "B"),
        ({"ImageLaterality": "U"}, "U"),
        ({"ImageLaterality": "L", "Laterality": "R"}, None),  # a guess could be the wrong breast
        ({"Laterality": ""}, None),
        ({}, None),
    ],
)
def test_laterality(make_dicom: Make, attributes: dict[str, str], side: str | None) -> None:
    found = scan(make_dicom(STORED, **attributes))
    assert found.laterality == side
    assert any("contradicts" in note for note in found.notes) == (len(attributes) == 2 and side is None)


def test_laterality_of_one_frame(make_dicom: Make) -> None:
    groups = [item(FrameAnatomySequence=Sequence([item(FrameLaterality=side)])) for side in "LR"]
    data = make_dicom(np.stack([STORED] * 2), NumberOfFrames=2, PerFrameFunctionalGroupsSequence=Sequence(groups))
    assert [DicomFile(data).scan(frame).laterality for frame in (0, 1)] == ["L", "R"]


# PS3.16 CID 4014 and 4010, as pydicom has them in words, and the terms that stand for them.
TERMS = {
    "CranioCaudal": "CC",
    "MedioLateralObliqueProjection": "MLO",
    "MedioLateralProjection": "ML",
    "LateroMedial": "LM",
    "LateroMedialOblique": "LMO",
    "CaudoCranial": "FB",
    "SuperolateralToInferomedialOblique": "SIO",
    "InferomedialToSuperolateralOblique": "ISO",
    "CranioCaudalExaggeratedLaterally": "XCCL",
    "CranioCaudalExaggeratedMedially": "XCCM",
    "AnteroPosterior": "AP",
    "PosteroAnterior": "PA",
    "LeftLateral": "LL",
    "RightLateral": "RL",
}


@pytest.mark.parametrize(("name", "term"), TERMS.items())
def test_view_codes_against_pydicom(make_dicom: Make, name: str, term: str) -> None:
    code = getattr(codes.cid4014, name, None) or getattr(codes.cid4010, name)
    coded = item(CodeValue=code.value, CodingSchemeDesignator="SCT", CodeMeaning="Doe^Jane")
    found = scan(make_dicom(STORED, ViewCodeSequence=Sequence([coded]), ViewPosition="OTHER"))
    assert found.view == term
    assert "Doe" not in repr(found)


def test_older_view_codes_against_pydicom() -> None:
    from pydicom.sr._snomed_dict import mapping  # SNOMED RT → SNOMED CT, as PS3.16 table O-1 has it

    retired = {code: term for code, term in VIEWS.items() if not code.isdigit()}
    assert len(retired) * 2 == len(VIEWS)
    assert {code: VIEWS[mapping["SRT"][code]] for code in retired} == retired


@pytest.mark.parametrize(("position", "view"), [("PA", "PA"), ("MLO", "MLO"), ("DOE", None), ("", None)])
def test_view_position(make_dicom: Make, position: str, view: str | None) -> None:
    assert scan(make_dicom(STORED, ViewPosition=position)).view == view


@pytest.mark.parametrize(
    ("attributes", "order"),
    [
        ({"Modality": "US"}, "time"),
        ({"Modality": "XA", "FrameIncrementPointer": 0x00181063}, "time"),
        ({"Modality": "NM", "FrameIncrementPointer": 0x00540020}, "pages"),  # Detector Vector: views
        ({"Modality": "NM", "FrameIncrementPointer": [0x00540010, 0x00540020]}, "pages"),
        ({"Modality": "NM", "FrameIncrementPointer": 0x00540080}, "space"),  # Slice Vector: reconstructed
        ({"Modality": "OT"}, "pages"),
    ],
)
def test_order_of_frames(make_dicom: Make, attributes: dict[str, Any], order: str) -> None:
    assert DicomFile(make_dicom(np.stack([STORED] * 2), NumberOfFrames=2, **attributes)).order == order


@pytest.mark.parametrize(("heights", "order"), [((0, 5, 10), "space"), ((10, 0, 5), "space"), ((0, 5, 5), "pages")])
def test_order_of_enhanced_frames(make_dicom: Make, heights: tuple[int, ...], order: str) -> None:
    shared = item(
        PixelMeasuresSequence=Sequence([item(PixelSpacing=[1, 1])]),
        PlaneOrientationSequence=Sequence([item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]),
    )
    places = [item(PlanePositionSequence=Sequence([item(ImagePositionPatient=[0, 0, height])])) for height in heights]
    groups = {
        "SharedFunctionalGroupsSequence": Sequence([shared]),
        "PerFrameFunctionalGroupsSequence": Sequence(places),
    }
    file = DicomFile(make_dicom(np.stack([STORED] * 3), NumberOfFrames=3, Modality="MR", **groups))
    assert file.order == order
    assert [matrix[2, 3] for frame in range(3) if (matrix := file.scan(frame).affine) is not None] == [*heights]


@pytest.mark.filterwarnings("ignore")
def test_legacy_converted_series_keeps_its_places(package_files: dict[str, Path], tmp_path: Path) -> None:
    slices = [pydicom.dcmread(path) for path in (package_files["17106"], package_files["17136"])]
    converted = highdicom.legacy.LegacyConvertedEnhancedCTImage(
        slices, highdicom.UID(), series_number=1, sop_instance_uid=highdicom.UID(), instance_number=1
    )
    converted.save_as(tmp_path / "enhanced.dcm")
    file = DicomFile((tmp_path / "enhanced.dcm").read_bytes())
    found = {tuple(matrix[:3, 3]) for frame in range(2) if (matrix := file.scan(frame).affine) is not None}
    assert found == {tuple(map(float, dataset.ImagePositionPatient)) for dataset in slices}
