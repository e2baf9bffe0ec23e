"""DICOM bytes → header: parsing, one frame's view of its attributes, and what they say besides pixels.

It decodes no pixel. Values from the header reach messages and notes only where they are numbers or coded
strings of a fixed form, for free text may name a patient.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zlib
from dataclasses import dataclass
from typing import Any

from pydicom import dcmread
from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.multival import MultiValue
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
)

from data_adapters.refusal import refusal, refusing

MAX_INFLATED_BYTES = 256 * 1024**2
REPAIR = "export it again from its source"
# The macros whose attributes correspond to top-level ones of single-frame objects (PS3.3 C.7.6.16.2).
MACROS = ("PixelMeasuresSequence", "PixelValueTransformationSequence", "FrameVOILUTSequence")


def looks_like_dicom(data: bytes) -> bool:
    """True for a DICOM file (PS3.10 7.1), or a bare dataset that begins with group 0002 or 0008."""
    if data[128:132] == b"DICM":
        return True
    if len(data) < 8:
        return False
    little, big = struct.unpack("<HH", data[:4]), struct.unpack(">HH", data[:4])
    return any(group in (0x0002, 0x0008) and element < 0x3000 for group, element in (little, big))


def parse(data: bytes) -> Dataset:
    """The dataset with its file meta information. Raises InputError for what cannot be parsed."""
    with refusing("a DICOM header that cannot be parsed", "a whole DICOM file", REPAIR):
        stream = io.BytesIO(data)
        if data[128:132] == b"DICM":
            stream.seek(132)
            meta = read_dataset(stream, False, True, stop_when=lambda tag, vr, length: tag.group != 2)
            if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
                dataset = read_dataset(io.BytesIO(_inflated(data[stream.tell() :])), False, True)
                dataset.file_meta = FileMetaDataset(meta)
                return dataset
            stream.seek(0)
        dataset = dcmread(stream, force=True)
        if len(dataset) == 0:
            raise refusal("no DICOM data elements", "a whole DICOM file", REPAIR)
        return dataset


def _inflated(data: bytes) -> bytes:
    """PS3.5 A.5. Bounded, because half a megabyte can deflate to half a gigabyte and dcmread would follow."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = inflater.decompress(data, MAX_INFLATED_BYTES)
    if inflater.unconsumed_tail:
        raise refusal("a deflated header beyond the limit", f"at most {MAX_INFLATED_BYTES:,} bytes", REPAIR)
    return inflated


def transfer_syntax(dataset: Dataset) -> UID:
    """The transfer syntax, or the plain one that the parser found where the file does not say."""
    declared = getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID")
    if declared:
        return UID(declared)
    implicit, little = dataset.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def sop_class_name(dataset: Dataset) -> str:
    """What kind of object it is, in the standard's words."""
    meta = getattr(dataset, "file_meta", Dataset())
    uid = UID(str(dataset.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID") or ""))
    return uid.name if uid.name != uid else "an object of unknown class"


@dataclass(frozen=True)
class FrameHeader:
    """The attributes that hold for one frame, as if it were a single-frame object.

    layers: per-frame functional groups, shared ones, top level: the first that has a value is right
        (PS3.3 C.7.6.16.1.1). pydicom's apply_rescale and apply_voi_lut see the top level only.
    """

    layers: tuple[Dataset, ...]

    def get(self, keyword: str) -> Any:
        """The value, or None where it is absent or empty. Raises InputError naming the tag if undecodable."""
        for layer in self.layers:
            with refusing(f"an undecodable {tag_name(keyword)}", "a valid value", REPAIR):
                value = layer.get(keyword)
            if value is not None and value != "" and not (isinstance(value, MultiValue) and not value):
                return value
        return None

    def item(self, keyword: str) -> Dataset | None:
        """The first item of a sequence, or None."""
        items = self.get(keyword)
        return items[0] if items is not None and len(items) else None

    def numbers(self, keyword: str, *, finite: bool = True) -> tuple[float, ...]:
        """All values as floats, () where there are none. Raises InputError naming the tag for anything else."""
        value = self.get(keyword)
        if value is None:
            return ()
        parts = list(value) if isinstance(value, MultiValue | list | tuple) else [value]
        with refusing(f"{tag_name(keyword)} that is no number", "a number", REPAIR):
            result = tuple(float(part) for part in parts)
        if finite and not all(map(math.isfinite, result)):
            raise refusal(f"{tag_name(keyword)} {result[0]:g}", "a finite number", REPAIR)
        return result

    def number(self, keyword: str) -> float | None:
        """The only value, or None where there is none. Raises InputError naming the tag for anything else."""
        values = self.numbers(keyword)
        if len(values) > 1:
            raise refusal(f"{len(values)} values in {tag_name(keyword)}", "one", REPAIR)
        return values[0] if values else None

    def code(self, keyword: str, index: int = 0) -> str | None:
        """One value of a coded string (PS3.5 6.2, CS), or None where it is absent or of another form."""
        value = self.get(keyword)
        parts = list(value) if isinstance(value, MultiValue) else [value]
        text = str(parts[index]).strip().upper() if index < len(parts) and parts[index] is not None else ""
        return text if re.fullmatch(r"[A-Z0-9 _]{1,16}", text) else None


def tag_name(keyword: str) -> str:
    """As in "Rescale Slope (0028,1053)"."""
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    return f"{dictionary_description(tag)} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


def frame_header(dataset: Dataset, frame: int) -> FrameHeader:
    """The header of one frame (0-based) of a single-frame, multi-frame or enhanced object."""
    top = FrameHeader((dataset,))
    per_frame, shared = top.get("PerFrameFunctionalGroupsSequence"), top.item("SharedFunctionalGroupsSequence")
    groups = []
    if per_frame is not None:
        if frame >= len(per_frame):
            raise refusal(
                f"{len(per_frame)} items in {tag_name('PerFrameFunctionalGroupsSequence')}", "one a frame", REPAIR
            )
        groups.append(per_frame[frame])
    if shared is not None:
        groups.append(shared)
    items = (FrameHeader((group,)).item(macro) for group in groups for macro in MACROS)
    return FrameHeader((*(item for item in items if item is not None), dataset))


def frame_count(header: FrameHeader) -> int:
    """Number of Frames, 1 where the file does not say or says 0."""
    number = header.number("NumberOfFrames")
    if number is not None and number < 0:
        raise refusal(f"{tag_name('NumberOfFrames')} {number:g}", "1 or more", REPAIR)
    return max(1, int(number or 1))


def spacing(header: FrameHeader) -> tuple[tuple[float, float] | None, list[str]]:
    """(between rows, between columns) in millimetres, or None, and remarks on where it is from.

    Pixel Spacing gives the distance between rows first (PS3.3 10.7.1.3).
    """
    sources = {
        "PixelSpacing": None,
        # At the detector and so larger than in the patient (PS3.3 C.8.11.4, 10.7.1.1).
        "ImagerPixelSpacing": "spacing at the detector (ImagerPixelSpacing), not corrected for magnification",
        "NominalScannedPixelSpacing": "spacing on the scanned film (NominalScannedPixelSpacing)",
    }
    for keyword, remark in sources.items():
        values = header.numbers(keyword, finite=False)
        if len(values) == 2 and all(math.isfinite(value) and value > 0 for value in values):
            return (values[0], values[1]), [remark] if remark else []
        if values:
            return None, [f"{keyword} ignored: not two positive numbers"]
    aspect = header.numbers("PixelAspectRatio", finite=False)  # C.7.6.3.1.7: vertical, horizontal
    if len(aspect) == 2 and aspect[0] != aspect[1]:
        return None, [f"pixels are not square: PixelAspectRatio {aspect[0]:g}:{aspect[1]:g}"]
    return None, []


def remarks(header: FrameHeader, syntax: UID) -> list[str]:
    """What a reader ought to know of the picture's history, in fixed words."""
    found = []
    declared = header.code("LossyImageCompression")  # C.7.6.1.1.5: 01 for good, once lossy at any time
    if syntax in LOSSY or (syntax in MAYBE_LOSSY and declared != "00"):
        found.append(f"lossy compression: {syntax.name}")
    elif declared == "01":
        found.append("lossy compression: at some time before")
    if header.code("ImageType") == "DERIVED":  # C.7.6.1.1.2
        found.append("derived image")
    if header.code("PresentationIntentType") == "FOR PROCESSING":  # C.8.11.1
        found.append("FOR PROCESSING: raw detector data, not meant to be looked at")
    if header.code("BurnedInAnnotation") == "YES":  # C.7.6.1: may identify the patient
        found.append("burned-in annotation")
    if any(0x6000 <= tag.group <= 0x60FF and tag.element == 0x3000 for tag in header.layers[-1]._dict):
        found.append("overlay present, not shown")  # C.9.2
    return found


LOSSY = (JPEGBaseline8Bit, JPEGExtended12Bit)
MAYBE_LOSSY = (JPEGLSNearLossless, JPEG2000, HTJ2K)  # these may hold lossless data, too
