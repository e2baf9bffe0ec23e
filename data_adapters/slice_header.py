"""The header of one DICOM image file, as far as it decides which series it is part of and where in it.

Reading stops before group 0029 and so before pixels, and skips what is not asked for. It knows no other file.
Names, identifiers, dates and descriptions are kept for the caller's own use: no repr and no message holds them.
"""

from __future__ import annotations

import contextlib
import io
import math
import zlib
from dataclasses import dataclass, field
from typing import BinaryIO

from pydicom import uid
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from data_adapters.dicom.header import REPAIR, FrameHeader, quiet, sop_class_name
from data_adapters.dicom.lut import first_window
from data_adapters.files import FileScan
from data_adapters.refusal import refusal, refusing
from data_adapters.stack import is_orientation
from medfly.types import InputError, Window

DAMAGED = "a DICOM header that cannot be parsed"
MAX_DEFLATED_BYTES = 4 * 1024**2
MAX_INFLATED_BYTES = 4 * 1024**2

# What tells pictures at one place apart: keyword → how notes call it. The order is that of trying.
APART = {
    "ImageType": "image type",
    "EchoNumbers": "echo",
    "EchoTime": "echo time",
    "InversionTime": "inversion time",
    "DiffusionBValue": "b-value",
    "TemporalPositionIdentifier": "temporal position",
    "TriggerTime": "trigger time",
    "NominalPercentageOfCardiacPhase": "cardiac phase",
    "AcquisitionNumber": "acquisition",
    "ConvolutionKernel": "kernel",
    "AcquisitionDateTime": "acquisition date and time",
    "AcquisitionTime": "acquisition time",
    "ContentTime": "time of the content",
}
TEXTS = (
    "PatientID",
    "IssuerOfPatientID",
    "PatientName",
    "PatientBirthDate",
    "StudyInstanceUID",
    "StudyDate",
    "StudyDescription",
    "SeriesInstanceUID",
    "SeriesDescription",
    "SOPInstanceUID",
    "FrameOfReferenceUID",
)
NUMBERS = ("Rows", "Columns", "SamplesPerPixel", "NumberOfFrames", "SeriesNumber", "InstanceNumber")
OTHERS = (
    "SOPClassUID",
    "Modality",
    "BodyPartExamined",
    "PixelSpacing",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "VOILUTSequence",
)
TAGS = {keyword: Tag(keyword) for keyword in (*APART, *TEXTS, *NUMBERS, *OTHERS)}
# Of these the bytes are the text (PS3.5 6.2): no character set, no binary number. Taken as such they cost a tenth.
PLAIN = {keyword for keyword, tag in TAGS.items() if dictionary_VR(tag) in ("UI", "CS", "DS", "IS", "DA", "DT", "TM")}


@dataclass(frozen=True)
class SliceHeader:
    """What one file says of itself; None or empty where it says nothing that can be used.

    texts: keyword → free text, UID or date, as the file has it. apart: keyword → value, of those in APART.
    orientation, position: six cosines and three millimetres (PS3.3 C.7.6.2.1.1); both or neither.
    window: the first one of an MR, whose values have no unit that would make one window right for all slices.
    """

    where: FileScan = field(repr=False)
    texts: dict[str, str] = field(repr=False)
    apart: dict[str, str] = field(repr=False)
    modality: str | None
    body_part: str | None
    rows: int
    columns: int
    samples: int
    frames: int
    series_number: int | None = field(repr=False)
    instance: int | None = field(repr=False)
    spacing: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    position: tuple[float, ...] | None
    window: Window | None = None

    @property
    def is_localiser(self) -> bool:
        """An overview that other slices are planned on (PS3.3 C.8.2.1.1.1, Image Type value 3)."""
        return "LOCALIZER" in self.apart["ImageType"].split("\\")[2:3]


def read_slice_header(where: FileScan) -> SliceHeader:
    """Raises InputError, without the name, for a file that is damaged or no image."""
    with quiet(), refusing(DAMAGED, "a whole DICOM file", REPAIR), where.stream() as stream:
        dataset = _dataset(stream)
        if not (dataset.get("Rows") and dataset.get("Columns")):
            raise refusal(f"no image in {sop_class_name(dataset)}", "an image", "choose an image of the same study")
        return _slice_header(dataset, where)


def _dataset(stream: BinaryIO) -> Dataset:
    """The data elements of TAGS, without reading more than needed (PS3.10 7.1 for the beginning)."""
    if stream.read(132)[128:] != b"DICM":
        stream.seek(0)
    meta = read_dataset(stream, False, True, stop_when=lambda tag, vr, length: tag.group != 2)
    syntax = meta.get("TransferSyntaxUID")
    if syntax == uid.DeflatedExplicitVRLittleEndian:  # a rare syntax for images
        return _deflated(meta, stream.read(MAX_DEFLATED_BYTES))
    start = stream.tell()
    group = int.from_bytes(stream.read(2), "little")
    stream.seek(start)
    return read_dataset(
        stream,
        is_implicit_VR=syntax in (None, uid.ImplicitVRLittleEndian),  # only a first guess, pydicom looks
        is_little_endian=group < 0x0400,  # no group of a dataset begins at 0400, but swapped they all do
        stop_when=lambda tag, vr, length: tag.group > 0x0028,
        specific_tags=[*TAGS.values()],
    )


def _deflated(meta: Dataset, data: bytes) -> Dataset:
    """PS3.5 A.5. Inflated as far as headers reach, because half a megabyte can deflate to half a gigabyte."""
    head = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, MAX_INFLATED_BYTES)
    return read_dataset(io.BytesIO(head), False, True, stop_when=lambda tag, vr, length: tag.group > 0x0028)


def _slice_header(dataset: Dataset, where: FileScan) -> SliceHeader:
    header = FrameHeader((dataset,))
    orientation, position = (
        _numbers(dataset, "ImageOrientationPatient", 6),
        _numbers(dataset, "ImagePositionPatient", 3),
    )
    placed = orientation is not None and position is not None and is_orientation(orientation)
    return SliceHeader(
        where=where,
        texts={keyword: _text(dataset, keyword) for keyword in TEXTS},
        apart={keyword: _text(dataset, keyword) for keyword in APART},
        modality=header.code("Modality"),
        body_part=header.code("BodyPartExamined"),
        rows=_count(dataset, "Rows") or 0,
        columns=_count(dataset, "Columns") or 0,
        samples=_count(dataset, "SamplesPerPixel") or 1,
        frames=max(1, _count(dataset, "NumberOfFrames") or 1),
        series_number=_count(dataset, "SeriesNumber"),
        instance=_count(dataset, "InstanceNumber"),
        spacing=_numbers(dataset, "PixelSpacing", 2),
        orientation=orientation if placed else None,
        position=position if placed else None,
        window=_window(header),
    )


def _window(header: FrameHeader) -> Window | None:
    with contextlib.suppress(InputError):  # a damaged one is told when the file is opened
        return first_window(header) if header.code("Modality") == "MR" else None


def _text(dataset: Dataset, keyword: str) -> str:
    """The value as one line, several of them with a backslash between; "" for absent and undecodable ones."""
    element = dataset.get_item(TAGS[keyword]) if keyword in PLAIN else None
    if element is not None and isinstance(element.value, bytes):
        return element.value.decode("ascii", "replace").strip(" \0")
    try:
        value = dataset.get(keyword)
        if isinstance(value, MultiValue):
            return "\\".join(map(str, value))
        return "" if value is None else str(value).strip()
    except Exception:  # whatever pydicom's decoders raise: the file is listed without it
        return ""


def _numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    try:
        values = tuple(float(value) for value in _text(dataset, keyword).split("\\"))
    except ValueError:
        return None
    return values if len(values) == count and all(map(math.isfinite, values)) else None


def _count(dataset: Dataset, keyword: str) -> int | None:
    try:
        return int(_text(dataset, keyword))
    except ValueError:
        return None
