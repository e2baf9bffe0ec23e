"""One file, on disk or inside a ZIP → a Scan, or the Volume of its frames; the reader is chosen by content.

It knows how files begin and nothing about what is in them. Which files belong together is for series.py to say.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from io import BufferedReader
from pathlib import Path
from typing import Literal

from data_adapters.archive import looks_like_zip, member_bytes, open_member
from data_adapters.dicom import looks_like_dicom
from data_adapters.dicom.volume import SharedFile, dicom_volume
from data_adapters.image import Picture, read_image
from data_adapters.nifti import looks_like_nifti, read_nifti
from data_adapters.refusal import naming, refusal, refusing
from data_adapters.slide import DICOM_WSI, looks_like_slide, open_slide
from medfly.types import Scan, Volume, frame_hash

Kind = Literal["dicom", "nifti", "slide", "picture"]

# Larger files are long cine runs or tiles of slides, which want a reader of their own: this one holds them in memory.
MAX_FILE_BYTES = 2 * 1024**3
HEAD_BYTES = 4096
EXPECTED = "an image file"
# PNG, JPEG, TIFF and BigTIFF, GIF, WebP, JPEG 2000 as file and as codestream, BMP with its four reserved zeros
PICTURE = re.compile(
    rb"\x89PNG|\xff\xd8\xff|II[*+]\0|MM\0[*+]|GIF8|RIFF....WEBP|\0\0\0\x0cjP  |\xff\x4f\xff\x51|BM....\0{4}", re.DOTALL
)


@dataclass(frozen=True)
class FileScan:
    """A scan in a file that is opened when it is called: frozen, picklable, a medfly.types.ScanLoader.

    path: as given; a relative one is looked up in the process that opens it.
    frame: 0-based, as the file counts its frames.
    member: the file's name inside the ZIP archive at `path`.
    label: what messages and repr call it instead; a name that was found in a folder may be a patient's.
    """

    path: str | Path
    frame: int = 0
    member: str | None = None
    label: str | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        return f"FileScan({self.name}{f', frame={self.frame}' if self.frame else ''})"

    @property
    def name(self) -> str:
        """How messages call the file."""
        return self.label or repr(str(self.path)) + (f", member {self.member!r}" if self.member is not None else "")

    @property
    def content_hash(self) -> str:
        """SHA-256 of the file's bytes, hexadecimal, computed once; "#N" behind it for frame N > 0.

        Raises InputError as `data_adapters.read` does.
        """
        known = self.__dict__.get("_content_hash")
        if known is None:
            with naming(self.name), _readable(), self.stream() as stream:
                known = frame_hash(hashlib.file_digest(stream, "sha256").hexdigest(), self.frame)
            object.__setattr__(self, "_content_hash", known)  # frozen for callers; a cache is no field
        return known

    def page(self, picture: Picture) -> FileScan:
        """The same file at the frame of `picture`, which was made of its bytes, so that nothing is hashed again."""
        scan = replace(self, frame=picture.frame)
        object.__setattr__(scan, "_content_hash", picture.content_hash)
        return scan

    def __call__(self) -> Scan:
        """Read the frame now. Raises InputError as `data_adapters.read` does."""
        scan = open_file(self, self.frame)
        assert isinstance(scan, Scan)  # as open_file says for a frame that is chosen
        return scan

    def stream(self) -> BufferedReader:
        """The file's bytes from its beginning. Raises InputError without the name."""
        if self.member is not None:
            return open_member(self.path, self.member)
        with _readable():
            return regular_file(self.path).open("rb")

    def head(self) -> bytes:
        """The first HEAD_BYTES. Raises InputError without the name."""
        with _readable(), self.stream() as stream:
            return stream.read(HEAD_BYTES)

    def data(self) -> bytes:
        """All bytes, at most MAX_FILE_BYTES. Raises InputError without the name."""
        return file_bytes(self.path) if self.member is None else member_bytes(self.path, self.member)


def _readable() -> AbstractContextManager[None]:
    """What the system, or a damaged archive, raises in the body becomes a refusal."""
    return refusing("an unreadable file", EXPECTED, "check the permissions, or fetch it again")


def file_bytes(path: str | Path) -> bytes:
    """The content of a regular file of at most MAX_FILE_BYTES; InputError (without the path) otherwise."""
    with _readable():
        path = regular_file(path)
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise refusal(f"{size:,} bytes", f"at most {MAX_FILE_BYTES:,}", "split it or export single frames")
        return path.read_bytes()


def regular_file(path: str | Path) -> Path:
    """The path if a file is there that ends. Raises InputError otherwise."""
    with _readable():
        path = Path(path)
        if path.is_dir():
            raise refusal("a folder", EXPECTED, "name one file in it")
        if not path.exists():
            raise refusal("no such file", EXPECTED, "check the path")
        if not path.is_file():  # a pipe or a device could block for ever
            raise refusal("a pipe or device", EXPECTED, "save it to a file first")
        return path


def kind_of(head: bytes, path: Path | None) -> Kind | None:
    """What a file is by its first HEAD_BYTES, and by more of it for a whole slide, which needs a path; else None."""
    if looks_like_dicom(head):
        return "slide" if path is not None and DICOM_WSI in head and looks_like_slide(path) else "dicom"
    if looks_like_nifti(head):
        return "nifti"
    if path is not None and looks_like_slide(path):
        return "slide"
    return "picture" if PICTURE.match(head) else None


def open_file(source: FileScan | bytes, frame: int | None) -> Scan | Volume:
    """A frame (0-based, as the file counts), or without one all there is: a Volume of a file with several frames.

    Of a whole slide it is the overview. Raises InputError that begins with the file's name.
    """
    name = "bytes" if isinstance(source, bytes) else source.name
    with naming(name):
        if isinstance(source, bytes):
            return _opened(_Origin(name, functools.partial(bytes, source), source[:HEAD_BYTES], None), frame)
        path = None if source.member is not None else regular_file(source.path)
        opened = _opened(_Origin(name, source.data, source.head(), path), frame)
        return _by_name(opened, source) if isinstance(opened, Volume) else opened


def _by_name(volume: Volume, source: FileScan) -> Volume:
    """Loaders that hold the bytes of a picture → loaders that name its file, and are small when they are pickled."""
    loaders = tuple(source.page(loader) if isinstance(loader, Picture) else loader for loader in volume.loaders)
    return replace(volume, loaders=loaders)


@dataclass(frozen=True)
class _Origin:
    """Where a file's bytes come from. load: picklable, gives all of them. path: None for a file in no folder."""

    name: str
    load: Callable[[], bytes]
    head: bytes
    path: Path | None


def _opened(file: _Origin, frame: int | None) -> Scan | Volume:
    if not file.head:
        raise refusal("an empty file", "a DICOM, NIfTI, PNG, JPEG, TIFF, WebP or BMP file", "fetch or export it again")
    if looks_like_zip(file.head):
        raise refusal("a ZIP archive", EXPECTED, "save it, and read or catalogue its path")
    kind = kind_of(file.head, file.path)
    if kind == "nifti":
        return read_nifti(file.path or file.load(), frame)
    if kind == "slide" and file.path is not None:
        if frame:
            raise refusal(f"frame {frame} of a whole slide", "frame 0, its overview", "use data_adapters.slide")
        return open_slide(file.path).thumbnail()
    if kind == "dicom":
        return _dicom(file, frame)
    return read_image(file.load(), frame)


def _dicom(file: _Origin, frame: int | None) -> Scan | Volume:
    shared = SharedFile(file.load, file.name)
    if frame is None and shared.parsed.frames > 1:
        return dicom_volume(shared)
    return shared.scan(frame or 0)
