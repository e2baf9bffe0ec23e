"""One file in, one Scan out: chooses the reader by content and holds the loader that datasets hand around.

It knows how files begin and nothing about what is in them.
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path

from data_adapters.dicom import looks_like_dicom, read_dicom
from data_adapters.image import read_image
from data_adapters.refusal import refusal
from medfly.types import InputError, Scan

# Larger files are whole slides or long cine runs, which want a reader of their own: this one holds them in memory.
MAX_FILE_BYTES = 2 * 1024**3


def read(source: str | Path | bytes, *, frame: int = 0) -> Scan:
    """Read one frame of a DICOM, PNG, JPEG, TIFF, WebP or BMP file, whatever the file is called.

    source: a path, or the file's bytes.
    frame: 0-based index of the frame or page.
    Returns a Scan with [H, W] float32 physical values or [H, W, 3] uint8 colour.
    Raises InputError, and nothing else, for a file that is missing, damaged or unsupported.
    """
    name = "bytes" if isinstance(source, bytes) else repr(str(source))
    try:
        data = source if isinstance(source, bytes) else file_bytes(source)
        scan = _read_bytes(data, frame)
    except InputError as problem:
        raise InputError(f"{name}: {problem}") from None
    return dataclasses.replace(scan, input_hash=hashlib.sha256(data).hexdigest())


def _read_bytes(data: bytes, frame: int) -> Scan:
    if isinstance(frame, bool) or not isinstance(frame, int) or frame < 0:
        raise refusal(f"frame {frame!r}", "a 0-based index", "choose 0 or more")
    if not data:
        raise refusal("an empty file", "a DICOM, PNG, JPEG, TIFF, WebP or BMP file", "fetch or export it again")
    return read_dicom(data, frame) if looks_like_dicom(data) else read_image(data, frame)


def file_bytes(path: str | Path) -> bytes:
    """The content of a regular file of at most MAX_FILE_BYTES; InputError (without the path) otherwise."""
    expected = "an image file"
    try:
        path = Path(path)
        if path.is_dir():
            raise refusal("a folder", expected, "name one file in it")
        if not path.exists():
            raise refusal("no such file", expected, "check the path")
        if not path.is_file():  # a pipe or a device could block for ever
            raise refusal("a pipe or device", expected, "save it to a file first")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise refusal(f"{size:,} bytes", f"at most {MAX_FILE_BYTES:,}", "split it or export single frames")
        return path.read_bytes()
    except (OSError, ValueError) as problem:  # ValueError: a null byte in the name
        raise refusal(f"an unreadable file ({type(problem).__name__})", expected, "check the permissions") from None


@dataclass(frozen=True)
class FileScan:
    """A scan on disk that is opened when it is called: frozen, picklable, a medfly.types.ScanLoader.

    path: as given; a relative one is looked up in the process that opens it.
    frame: 0-based.
    """

    path: str | Path
    frame: int = 0

    @property
    def content_hash(self) -> str:
        """SHA-256 of the file's bytes, hexadecimal, computed once; "#N" behind it for frame N > 0.

        Raises InputError as `read` does.
        """
        known = self.__dict__.get("_content_hash")
        if known is None:
            try:
                known = hashlib.sha256(file_bytes(self.path)).hexdigest() + (f"#{self.frame}" if self.frame else "")
            except InputError as problem:
                raise InputError(f"{str(self.path)!r}: {problem}") from None
            object.__setattr__(self, "_content_hash", known)  # frozen for callers; a cache is no field
        return known

    def __call__(self) -> Scan:
        """Read the file now. Raises InputError as `read` does."""
        return read(self.path, frame=self.frame)
