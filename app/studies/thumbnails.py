"""Small pictures of series for the sidebar: the middle frame in its own window, as PNG.

They are made in two threads behind the page, so that a slow file holds nobody up, and kept within a bound. A file that
is large as a whole gets none, since one glance is not worth reading it. It knows no Streamlit.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from PIL import Image

from app.studies.bounded import Bounded
from app.studies.opened import Opened
from medfly.types import Scan

SIDE = 96  # pixels
STORE_BYTES = 32 * 1024**2
LARGEST_FILE = 256 * 1024**2
WAITING = 64  # to be made for all sessions together; the others are asked for again when they are looked at
RECORD = 200  # bytes that an entry takes beside its picture, about
NONE = b""
"""In the place of a thumbnail: there is none to be had."""


class Thumbnails:
    """largest: bytes of a file from which one is still made; slides have an overview of their own."""

    def __init__(self, limit: int = STORE_BYTES, largest: int = LARGEST_FILE) -> None:
        self.largest = largest
        self._made: Bounded[bytes] = Bounded(limit)
        self._lock = threading.Lock()
        self._underway: dict[Opened, Future[None]] = {}
        self._workers = ThreadPoolExecutor(2, "medfly-thumbnails")

    def ready(self, wanted: Sequence[Opened], seconds: float) -> dict[str, bytes]:
        """Key → PNG, or NONE where none can be made, of those that are ready within the time."""
        with self._lock:
            for opened in wanted:
                known = opened in self._underway or self._made.get(opened.owner, opened.key) is not None
                if not known and len(self._underway) < WAITING:
                    self._underway[opened] = self._workers.submit(self._make, opened)
            waiting = [self._underway[opened] for opened in wanted if opened in self._underway]
        wait(waiting, seconds)
        found = ((opened.key, self._made.get(opened.owner, opened.key)) for opened in wanted)
        return {key: png for key, png in found if png is not None}

    def forget(self, owner: str) -> None:
        """Drop a session's thumbnails, and those that are still to be made."""
        self._made.forget(owner)
        with self._lock:
            for opened, future in self._underway.items():
                if opened.owner == owner:
                    future.cancel()
            self._underway = {key: future for key, future in self._underway.items() if not future.cancelled()}

    def _make(self, opened: Opened) -> None:
        try:
            png = self._png(opened)
            self._made.put(opened.owner, opened.key, png, len(png) + RECORD)
        finally:  # else its place among WAITING would be taken for ever
            with self._lock:
                self._underway.pop(opened, None)

    def _png(self, opened: Opened) -> bytes:
        try:
            large = opened.kind != "slide" and opened.bytes > self.largest
            return NONE if large else thumbnail(middle(opened))
        except Exception:  # told when the series itself is opened
            return NONE


def middle(opened: Opened) -> Scan:
    """The frame in the middle. Raises InputError."""
    whole = opened.open()
    if isinstance(whole, Scan):
        return whole
    opened.check(len(whole) // 2)
    return whole[len(whole) // 2]


def thumbnail(scan: Scan, side: int = SIDE) -> bytes:
    """PNG, its longer side `side` pixels, in the shape that the scan has in millimetres."""
    width, height = scan.size[0], scan.size[1] * scan.pixel_aspect
    shrink = max(width, height) / side
    size = max(1, round(width / shrink)), max(1, round(height / shrink))
    shown = scan.display()
    picture = Image.fromarray(shown[:, :, 0] if scan.pixels.ndim == 2 else shown)
    stream = io.BytesIO()
    picture.resize(size, Image.Resampling.BOX).save(stream, "PNG")
    return stream.getvalue()


STORE = Thumbnails()
