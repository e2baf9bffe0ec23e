"""Where the pixels of a frame are: spacing, aspect ratio, position in the patient, side and view.

Every function looks at one frame's header and returns its finding, None where the file does not say, with remarks.
It corrects no magnification, and it knows no other file of the series.
"""

from __future__ import annotations

import math

import numpy as np
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from data_adapters.dicom.header import FrameHeader, frame_header
from medfly.types import Order

Spacing = tuple[float, float]
PROJECTIONS = ("CR", "DX", "MG", "XA", "RF", "IO", "PX")
NOT_MAGNIFIED = "not corrected for magnification"
# PS3.16 CID 4014 and 4010: the code of a view in SNOMED CT, and in the SNOMED RT of older files, → the defined term
# of View Position (PS3.3 C.8.1.2, C.8.11.5) or the abbreviation that CID 4014 gives for mammography.
VIEWS = {
    "399162004": "CC",
    "R-10242": "CC",
    "399368009": "MLO",
    "R-10226": "MLO",
    "399260004": "ML",
    "R-10224": "ML",
    "399352003": "LM",
    "R-10228": "LM",
    "399099002": "LMO",
    "R-10230": "LMO",
    "399196006": "FB",
    "R-10244": "FB",
    "399188001": "SIO",
    "R-102D0": "SIO",
    "441555000": "ISO",
    "R-40AAA": "ISO",
    "399192008": "XCCL",
    "R-1024A": "XCCL",
    "399101009": "XCCM",
    "R-1024B": "XCCM",
    "399348003": "AP",
    "R-10206": "AP",
    "272479007": "PA",
    "R-40888": "PA",
    "399173006": "LL",
    "R-10236": "LL",
    "399198007": "RL",
    "R-10232": "RL",
}
USUAL = (("L", "P"), ("L", "F"), ("P", "F"))  # axial, coronal, sagittal: what is on the right, and what below
DEFINED_VIEWS = {*VIEWS.values(), "RLD", "LLD", "RLO", "LLO"}


def spacing(header: FrameHeader) -> tuple[Spacing | None, list[str]]:
    """(between rows, between columns) in millimetres, or None, and remarks on where it is from.

    Pixel Spacing gives the distance between rows first (PS3.3 10.7.1.3).
    """
    sources = {
        "PixelSpacing": None,
        # At the detector and so larger than in the patient (PS3.3 C.8.11.4, 10.7.1.1).
        "ImagerPixelSpacing": f"spacing at the detector (ImagerPixelSpacing), {NOT_MAGNIFIED}",
        "NominalScannedPixelSpacing": "spacing on the scanned film (NominalScannedPixelSpacing)",
    }
    for keyword, remark in sources.items():
        pair = _two_positive(header, keyword)
        if pair is not None:
            if keyword == "PixelSpacing" and _is_at_detector(header, pair):
                remark = f"PixelSpacing is that of the detector, {NOT_MAGNIFIED}"
            return pair, [remark] if remark else []
        if header.get(keyword) is not None:
            return None, [f"{keyword} ignored: not two positive numbers"]
    return _ultrasound_spacing(header)


def _two_positive(header: FrameHeader, keyword: str) -> Spacing | None:
    values = header.numbers(keyword, finite=False)
    return (values[0], values[1]) if len(values) == 2 and all(math.isfinite(v) and v > 0 for v in values) else None


def _is_at_detector(header: FrameHeader, pair: Spacing) -> bool:
    """PS3.3 10.7.1.1: a projection's Pixel Spacing that equals Imager Pixel Spacing was not calibrated."""
    return header.code("Modality") in PROJECTIONS and _two_positive(header, "ImagerPixelSpacing") == pair


def _ultrasound_spacing(header: FrameHeader) -> tuple[Spacing | None, list[str]]:
    """From the calibrated 2-D regions (PS3.3 C.8.5.5), if there are any and all of them agree."""
    regions = [FrameHeader((region,)) for region in header.get("SequenceOfUltrasoundRegions") or ()]
    flat = [region for region in regions if region.number("RegionSpatialFormat") == 1]  # C.8.5.5.1.1: 2D
    found = {pair for region in flat if (pair := _region_spacing(region)) is not None}
    if not found:
        return None, []
    first = min(found)
    if any(not np.allclose(pair, first, rtol=1e-3) for pair in found):
        return None, [f"{len(found)} ultrasound regions of different spacing: none given"]
    return first, ["spacing in ultrasound regions (SequenceOfUltrasoundRegions), unknown outside of them"]


def _region_spacing(region: FrameHeader) -> Spacing | None:
    """In millimetres; None for a region whose axes are not both in centimetres (C.8.5.5.1.15: code 3)."""
    if any(region.number(f"PhysicalUnits{axis}Direction") != 3 for axis in "XY"):
        return None
    across, down = (abs(region.number(f"PhysicalDelta{axis}") or 0.0) * 10 for axis in "XY")
    return (down, across) if across > 0 and down > 0 else None


def aspect(header: FrameHeader) -> tuple[float | None, list[str]]:
    """Height of a pixel over its width from Pixel Aspect Ratio (PS3.3 C.7.6.3.1.7: vertical \\ horizontal)."""
    pair = _two_positive(header, "PixelAspectRatio")
    if pair is None:
        return None, ["PixelAspectRatio ignored"] if header.get("PixelAspectRatio") is not None else []
    remark = f"pixels are not square: PixelAspectRatio {pair[0]:g}:{pair[1]:g}"
    return pair[0] / pair[1], [remark] if pair[0] != pair[1] else []


def affine(header: FrameHeader, frame: int, frames: int) -> tuple[np.ndarray | None, list[str]]:
    """[4, 4] float64, (column, row, 0, 1) of a pixel's centre → (x, y, z, 1) in millimetres (PS3.3 C.7.6.2.1.1).

    The third column is the unit normal of the plane, row × column direction. None where the file does not say, and
    for the frames of classic multi-frame objects: their one position is the first frame's, save for dose grids.
    """
    position, orientation = header.numbers("ImagePositionPatient"), header.numbers("ImageOrientationPatient")
    pair = _two_positive(header, "PixelSpacing")
    if len(position) != 3 or len(orientation) != 6 or pair is None:
        return None, []
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    if not np.allclose([row @ row, column @ column, row @ column], [1, 1, 0], atol=1e-3):
        return None, ["position in the patient ignored: directions that are not at right angles"]
    matrix = np.eye(4)
    matrix[:3] = np.stack([row * pair[1], column * pair[0], np.cross(row, column), np.array(position)], axis=1)
    if frames > 1 and FrameHeader(header.layers[:-1]).get("ImagePositionPatient") is None:
        offset = _dose_offset(header, frame, matrix[2, 2])
        if offset is None:
            return None, []
        matrix[:3, 3] += offset * matrix[:3, 2]
    return matrix, []


def unusual_view(matrix: np.ndarray | None) -> list[str]:
    """A remark on a plane that is not stored as radiologists look at it: it is shown as it is stored.

    Usual are the patient's left on the right and the back below in axial planes, the left on the right and the feet
    below in coronal, the back on the right and the feet below in sagittal ones; oblique planes count as the nearest.
    """
    if matrix is None:
        return []
    right, below = (_letter(matrix[:3, axis]) for axis in (0, 1))
    if (right, below) in USUAL:
        return []
    return [f"unusual view, shown as stored: the patient's {right} is on the right and {below} below"]


def _letter(direction: np.ndarray) -> str:
    """Where in the patient it points to: L or R, P or A, H or F (PS3.3 C.7.6.1.1.1)."""
    axis = int(np.abs(direction).argmax())
    return ("LPH" if direction[axis] > 0 else "RAF")[axis]


def _dose_offset(header: FrameHeader, frame: int, normal_z: float) -> float | None:
    """How far a dose grid's plane is along the normal from the first one, in millimetres (PS3.3 C.8.8.3.2)."""
    offsets = header.numbers("GridFrameOffsetVector")
    if frame >= len(offsets):
        return None
    # A first value other than 0 says that these are z coordinates of transverse planes.
    return (offsets[frame] - offsets[0]) * (1.0 if offsets[0] == 0 else round(normal_z))


def laterality(header: FrameHeader) -> tuple[str | None, list[str]]:
    """R, L, B (both) or U (unpaired) of the frame, the image, or the series; None where they contradict each other."""
    found = [header.code(keyword) for keyword in ("FrameLaterality", "ImageLaterality", "Laterality")]
    known = [side for side in found if side in ("R", "L", "B", "U")]
    if {"R", "L"} <= set(known):
        return None, ["laterality contradicts itself: R and L"]
    return (known[0] if known else None), []


def view(header: FrameHeader) -> str | None:
    """The projection as a defined term (CC, MLO, PA, …): from the coded view, else from View Position."""
    item = header.item("ViewCodeSequence")
    code = None if item is None else FrameHeader((item,)).code("CodeValue")
    if code in VIEWS:
        return VIEWS[code]
    position = header.code("ViewPosition")
    return position if position in DEFINED_VIEWS else None


def frame_places(dataset: Dataset, frames: int) -> list[np.ndarray] | None:
    """The affine of every frame, or None where one has none."""
    known: list[np.ndarray] = []
    for frame in range(frames):
        matrix, _ = affine(frame_header(dataset, frame), frame, frames)
        if matrix is None:  # the first one tells, as a rule: a cine of thousands of frames has no places
            return None
        known.append(matrix)
    return known


def frame_order(dataset: Dataset, places: list[np.ndarray] | None) -> Order:
    """What the order of a multi-frame object's frames means.

    "space" only where each frame has its own place along one normal, or lies in a reconstructed nuclear volume.
    Frames of ultrasound, angiography and others with a frame time are "time". The rest is "pages": views of a
    gamma camera, phases and echoes mixed with places.
    """
    header = FrameHeader((dataset,))
    if _are_slices(places or []) or _points_to(header, "SliceVector"):
        return "space"
    timed = any(_points_to(header, keyword) for keyword in ("FrameTime", "FrameTimeVector", "TimeSlotVector"))
    return "time" if timed or header.code("Modality") in ("US", "IVUS", "XA", "RF") else "pages"


def _are_slices(known: list[np.ndarray]) -> bool:
    if len(known) < 2:
        return False
    normals, origins = np.array([m[:3, 2] for m in known]), np.array([m[:3, 3] for m in known])
    along = np.sort(origins @ normals[0])
    return bool(np.allclose(normals, normals[0], atol=1e-3) and np.diff(along).min() > 1e-3)


def _points_to(header: FrameHeader, keyword: str) -> bool:
    """Is it what the frames advance along (PS3.3 C.7.6.6.1.1, Frame Increment Pointer)?"""
    pointer = header.get("FrameIncrementPointer")
    tags = list(pointer) if isinstance(pointer, MultiValue) else [pointer]
    return tags == [tag_for_keyword(keyword)]
