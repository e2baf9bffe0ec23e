"""A DICOM file of several frames → Volume: parsed once, its frames in the order that they have in space or time.

It knows one file. Series of single-frame files are made in series.py.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from data_adapters.dicom import DicomFile
from data_adapters.dicom.lut import first_window
from data_adapters.refusal import naming, refusal
from data_adapters.stack import stacked
from medfly.types import InputError, Scan, Volume, Window, frame_hash, one_window


class SharedFile:
    """A file that the frames of one volume share: parsed once in each process, pickled without what was parsed.

    load: picklable, gives the file's bytes. name: what messages call it.
    """

    def __init__(self, load: Callable[[], bytes], name: str) -> None:
        self.load, self.name = load, name
        data = load()
        self.digest = hashlib.sha256(data).hexdigest()
        self._parsed: DicomFile | None = DicomFile(data)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_parsed": None}

    @property
    def parsed(self) -> DicomFile:
        """Raises InputError where the file has changed since the volume was made."""
        if self._parsed is None:
            data = self.load()
            if hashlib.sha256(data).hexdigest() != self.digest:
                raise refusal("another file than before", "the one that the volume was made of", "read it again")
            self._parsed = DicomFile(data)
        return self._parsed

    def scan(self, frame: int) -> Scan:
        return dataclasses.replace(self.parsed.scan(frame), input_hash=self.digest)


@dataclass(frozen=True)
class FrameScan:
    """One frame of a file that others share, a medfly.types.ScanLoader.

    frame: 0-based, as the file counts. moved: the volume has it at another place, which a note says.
    """

    file: SharedFile
    frame: int
    moved: bool = False

    def __repr__(self) -> str:
        return f"FrameScan({self.file.name}, frame={self.frame})"

    @property
    def content_hash(self) -> str:
        return frame_hash(self.file.digest, self.frame)

    def __call__(self) -> Scan:
        """Decode the frame now. Raises InputError."""
        with naming(self.file.name):
            scan = self.file.scan(self.frame)
        notes = (f"frame {self.frame} of the file (0-based)",) if self.moved else ()
        return dataclasses.replace(scan, notes=(*scan.notes, *notes))


def dicom_volume(file: SharedFile) -> Volume:
    """All frames of a DICOM file. Slices ascend along their normal (see stack.Stack), all others are as in the file."""
    parsed = file.parsed
    sequence, order, gap, notes = tuple(range(parsed.frames)), parsed.order, None, ()
    known = parsed.places
    if order == "space" and known is not None:
        along, across = (known[0][:3, i] / np.linalg.norm(known[0][:3, i]) for i in (0, 1))
        stack = stacked(np.array([place[:3, 3] for place in known]), (*along, *across))
        sequence, gap, notes = stack.order, stack.gap, stack.notes
    loaders = tuple(FrameScan(file, frame, moved=frame != place) for place, frame in enumerate(sequence))
    return Volume(loaders, order, gap, notes, _window(parsed))


def _window(parsed: DicomFile) -> Window | None:
    """See Volume.window: of an MR, whose values have no unit that would make one window right for all its frames."""
    groups = parsed.dataset.get("PerFrameFunctionalGroupsSequence") or ()
    if parsed.dataset.get("Modality") != "MR" or not any("FrameVOILUTSequence" in group for group in groups):
        return None
    with contextlib.suppress(InputError):  # a damaged one is told when its frame is opened
        own = [first_window(parsed.header(frame)) for frame in range(parsed.frames)]
        return one_window(own, f"median of {parsed.frames} frames")
    return None
