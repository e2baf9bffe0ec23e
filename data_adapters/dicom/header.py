"""DICOM bytes → header: parsing, and one frame's view of its attributes.

It decodes no pixel and knows no meaning of an attribute. Values from the header reach messages and notes only
where they are numbers or coded strings of a fixed form, for free text may name a patient.
"""

from __future__ import annotations

import io
import logging
import math
import re
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydicom import dcmread
from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from data_adapters.refusal import refusal, refusing

MEDIA_DIRECTORY = b"1.2.840.10008.1.3.10"  # SOP class of a DICOMDIR (PS3.4 I.4)
MAX_INFLATED_BYTES = 256 * 1024**2
REPAIR = "export it again from its source"
# The macros whose attributes correspond to top-level ones of single-frame objects (PS3.3 C.7.6.16.2). The last two
# are of legacy converted objects and hold what their writers found no macro for (C.7.6.16.2.25).
MACROS = (
    "PixelMeasuresSequence",
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelValueTransformationSequence",
    "FrameVOILUTSequence",
    "FrameAnatomySequence",
    "CTImageFrameTypeSequence",
    "MRImageFrameTypeSequence",
    "PETFrameTypeSequence",
    "XRay3DFrameTypeSequence",
    "USImageDescriptionSequence",
    "ParametricMapFrameTypeSequence",
    "UnassignedPerFrameConvertedAttributesSequence",
    "UnassignedSharedConvertedAttributesSequence",
)

_reading: ContextVar[bool] = ContextVar("reading", default=False)
logging.getLogger("pydicom").addFilter(lambda record: not _reading.get())


class _Silence:
    """Warnings' filters belong to the whole process, so the first reader sets one and the last takes it away.

    With one catch_warnings a reader, threads would restore each other's filters while pydicom quotes a name.
    """

    def __init__(self) -> None:
        self._lock, self._readers, self._filters = threading.Lock(), 0, warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            self._readers += 1
            if self._readers == 1:
                self._filters = warnings.catch_warnings(action="ignore", category=UserWarning)
                self._filters.__enter__()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._readers -= 1
            if self._readers == 0:
                self._filters.__exit__(None, None, None)


_silence = _Silence()


@contextmanager
def quiet() -> Iterator[None]:
    """No remarks by pydicom on the console, nor in logs: it quotes invalid values, and those may name a patient.

    The oddities that matter are checked for by name. Other threads' pydicom may log as before.
    """
    token = _reading.set(True)
    try:
        with _silence:
            yield
    finally:
        _reading.reset(token)


def looks_like_dicom(data: bytes) -> bool:
    """True for a DICOM file (PS3.10 7.1), or a bare dataset that begins with group 0002 or 0008."""
    if data[128:132] == b"DICM":
        return True
    if len(data) < 8:
        return False
    little, big = struct.unpack("<HH", data[:4]), struct.unpack(">HH", data[:4])
    return any(group in (0x0002, 0x0008) and element < 0x3000 for group, element in (little, big))


def is_dicomdir(head: bytes) -> bool:
    """By its SOP class, which stands at the beginning of the file meta information (PS3.10 7.1)."""
    return head[128:132] == b"DICM" and MEDIA_DIRECTORY in head[132:512]


def parse(data: bytes) -> Dataset:
    """The dataset with its file meta information. Raises InputError for what cannot be parsed."""
    with refusing("a DICOM header that cannot be parsed", "a whole DICOM file", REPAIR):
        stream = io.BytesIO(data)
        start = 132 if data[128:132] == b"DICM" else 0
        if start or data[:2] == b"\2\0":  # file meta information, with or without the preamble before it
            stream.seek(start)
            meta = read_dataset(stream, False, True, stop_when=lambda tag, vr, length: tag.group != 2)
            if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
                dataset = read_dataset(io.BytesIO(_inflated(data[stream.tell() :])), False, True)
                dataset.file_meta = FileMetaDataset(meta)
                return dataset
            stream.seek(0)
        dataset = dcmread(stream, force=True)
        if len(dataset) == 0:
            found = "no data element that is whole: the file may be cut short"
            raise refusal(found, "a whole DICOM file", REPAIR)
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

    layers: items of per-frame functional groups and of shared ones, the groups, the top level: the first that has a
        value is right (PS3.3 C.7.6.16.1.1). pydicom's apply_rescale and apply_voi_lut see the top level only.
    """

    layers: tuple[Dataset, ...]

    def get(self, keyword: str) -> Any:
        """The value, or None where it is absent or empty. Raises InputError naming the tag if undecodable."""
        tag = tag_of(keyword)
        for layer in self.layers:
            if tag not in layer:
                continue
            with quiet(), refusing(f"an undecodable {tag_name(keyword)}", "a valid value", REPAIR):
                value = layer[tag].value
            if value is not None and value != "" and not (isinstance(value, MultiValue | Sequence) and not value):
                return value
        return None

    def layer_with(self, *keywords: str) -> FrameHeader:
        """The first layer in which any of the keywords has a value; one without attributes where there is none.

        For attributes that mean something together only, such as a slope and its unit: those of one frame are not
        to be completed by another group's.
        """
        layers = (FrameHeader((layer,)) for layer in self.layers)
        found = (layer for layer in layers if any(layer.get(keyword) is not None for keyword in keywords))
        return next(found, FrameHeader(()))

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


@cache
def tag_of(keyword: str) -> BaseTag:
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    return Tag(tag)


@cache
def tag_name(keyword: str) -> str:
    """As in "Rescale Slope (0028,1053)"."""
    tag = tag_of(keyword)
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
    return FrameHeader((*(item for group in groups for item in _macros(group)), *groups, dataset))


def _macros(group: Dataset) -> Iterator[Dataset]:
    present = group.keys()  # looked up in a dictionary: an object may have 20,000 groups
    for macro in MACROS:
        if tag_of(macro) in present and (item := FrameHeader((group,)).item(macro)) is not None:
            yield item


def frame_count(header: FrameHeader) -> int:
    """Number of Frames, 1 where the file does not say or says 0."""
    number = header.number("NumberOfFrames")
    if number is not None and number < 0:
        raise refusal(f"{tag_name('NumberOfFrames')} {number:g}", "1 or more", REPAIR)
    return max(1, int(number or 1))
