"""Frames of what was opened, one at a time and kept within a bound, so that 500 slices take no more memory than a few.

The store is one for all sessions of a server: what is shared is decoded once, what was uploaded is found only with
its session's own keys and goes with the session. It shows nothing and knows no Streamlit.
"""

from __future__ import annotations

from app.studies.bounded import Bounded
from app.studies.opened import Opened
from data_adapters.refusal import refusal
from medfly.types import Scan, Volume

FRAME_BYTES = 512 * 1024**2
FILE_BYTES = 1024**3
PANES = 2  # whose files stay although they alone are over the limit: else each frame would read its file again
SLICE_BYTES = 4096  # a loader in memory, about


class Frames:
    """frame_bytes: of decoded frames. file_bytes: of files that hold several frames and are kept whole."""

    def __init__(self, frame_bytes: int = FRAME_BYTES, file_bytes: int = FILE_BYTES) -> None:
        self.frames: Bounded[Scan] = Bounded(frame_bytes)
        self.files: Bounded[Scan | Volume] = Bounded(file_bytes, spared=PANES)

    def whole(self, opened: Opened) -> Scan | Volume:
        """A Volume that opens frames as they are asked for, or a single image. Raises InputError."""
        found = self.files.get(opened.owner, opened.key)
        if found is None:
            found = opened.open()
            self.files.put(opened.owner, opened.key, found, _size(found, opened))
        return found

    def frame(self, opened: Opened, index: int) -> Scan:
        """One frame, 0-based. Raises InputError for what is damaged, out of range or outside the folders."""
        whole = self.whole(opened)
        count = len(whole) if isinstance(whole, Volume) else 1
        if not 0 <= index < count:
            raise refusal(f"frame {index} of {count}", f"0 to {count - 1}", "choose a frame in this range")
        if isinstance(whole, Scan):
            return whole
        found = self.frames.get(opened.owner, (opened.key, index))
        if found is None:
            opened.check(index)
            found = whole[index]
            self.frames.put(opened.owner, (opened.key, index), found, scan_bytes(found))
        return found

    def forget(self, owner: str) -> None:
        """Drop all that was opened of a session's uploads."""
        self.frames.forget(owner)
        self.files.forget(owner)


def scan_bytes(scan: Scan) -> int:
    """Memory that a Scan takes: pixels, padding and overlay."""
    return sum(part.nbytes for part in (scan.pixels, scan.padding, scan.overlay) if part is not None)


def _size(whole: Scan | Volume, opened: Opened) -> int:
    if isinstance(whole, Scan):
        return scan_bytes(whole)
    return max(len(whole) * SLICE_BYTES, opened.bytes if opened.kind == "dicom" else 0)


STORE = Frames()
