"""What one session uploaded: kept in a private folder of its own and removed when the session or the server ends.

Files get numbers for names. What the browser calls them is text for the screen and never a path; only which of them
came from one folder, and their order, is taken from it. It knows no Streamlit: a file is a name and a stream.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from app.studies import frames, server_folder, thumbnails
from app.studies.library import Listing
from data_adapters.archive import looks_like_zip
from data_adapters.places import Places
from data_adapters.refusal import refusal, refusing

SPARE = 512 * 1024**2  # bytes of the disk that uploads leave free
LOOSE, ARCHIVES = "loose", "archives"


@dataclass(frozen=True)
class Limits:
    """Of one session, told before. files: how many. total: bytes of all."""

    files: int = 5_000
    total: int = 4 * 1024**3


@dataclass(frozen=True)
class Upload:
    """name: as the browser has it, with its folders where a folder was chosen. stream: at its beginning."""

    name: str
    size: int
    stream: BinaryIO


class Uploads:
    """owner: random; it makes the keys of all that is uploaded here unlike those of any other session.

    listings: "loose" for all loose files together, then "archive 1", "archive 2", … called: an archive's own name.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.owner = secrets.token_hex(16)
        self.folder = server_folder.new()
        for kind in (LOOSE, ARCHIVES):
            (self.folder / kind).mkdir(mode=0o700)
        self.bytes = self.files = 0
        self.listings: dict[str, Listing] = {}
        self.called: dict[str, str] = {}
        self._names: dict[Path, str] = {}
        self._groups = 0
        self._timer: threading.Timer | None = None
        self._end = weakref.finalize(self, _remove, self.folder, self.owner)

    @property
    def closed(self) -> bool:
        return not self._end.alive

    def add(self, uploads: Sequence[Upload]) -> str:
        """Keep these, and begin to list them: all loose files anew, as a series may come in parts.

        Which listing the newest is in. Raises InputError where they are over the limits, and keeps none of them.
        """
        size = sum(upload.size for upload in uploads)
        self._check(len(uploads), size)
        archives, loose = self._kept(uploads)
        self.files += len(uploads)
        self.bytes += size
        newest = LOOSE
        for path in archives:
            newest = f"archive {sum(name != LOOSE for name in self.listings) + 1}"
            self.listings[newest] = self._list(path)
            self.called[newest] = self._names[path]
        if not loose:
            return newest
        if LOOSE in self.listings:
            self.listings[LOOSE].stop()
        self.listings[LOOSE] = self._list(self.folder / LOOSE)
        return LOOSE

    def close(self) -> None:
        """Remove all of it, from the disk and from what is kept in memory; nothing can be added any more."""
        self.back()
        for listing in self.listings.values():
            listing.stop()
        self._end()

    def left(self, seconds: float) -> None:
        """The page is gone: remove all after so many seconds, unless it is `back` by then."""
        self.back()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def back(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self, files: int, size: int) -> None:
        if self.closed:
            raise refusal("an upload after the session's end", "an open page", "load the page again")
        if self.files + files > self.limits.files:
            raise refusal(f"{self.files + files:,} files", f"at most {self.limits.files:,}", "upload fewer, or a ZIP")
        if self.bytes + size > self.limits.total:
            told = f"at most {self.limits.total:,} in one session"
            raise refusal(f"{self.bytes + size:,} bytes", told, "upload less, or load the page again")
        if shutil.disk_usage(self.folder).free < size + SPARE:
            raise refusal(f"{size:,} bytes and a full disk", "free space on the server", "ask whoever runs it")

    def _kept(self, uploads: Sequence[Upload]) -> tuple[list[Path], list[Path]]:
        """Archives and loose files, written: all of them, or none where one fails."""
        zipped: dict[bool, list[Upload]] = {True: [], False: []}
        written: dict[bool, list[Path]] = {True: [], False: []}
        try:
            for upload in uploads:
                zipped[looks_like_zip(_head(upload))].append(upload)
            for kind, name in ((True, ARCHIVES), (False, LOOSE)):
                self._write(zipped[kind], name, written[kind])
        except BaseException:
            for path in (*written[True], *written[False]):
                path.unlink(missing_ok=True)
                self._names.pop(path, None)
            raise
        return written[True], written[False]

    def _write(self, uploads: Sequence[Upload], kind: str, written: list[Path]) -> None:
        """The files, numbered in the order of their names, those of one folder in one folder; their paths into
        `written`, each before its first byte."""
        groups: dict[str, Path] = {}
        for number, upload in enumerate(sorted(uploads, key=lambda upload: upload.name), 1):
            name = PurePosixPath(upload.name.replace("\\", "/"))
            if str(name.parent) not in groups:
                self._groups += 1
                groups[str(name.parent)] = self.folder / kind / f"{self._groups:06d}"
                groups[str(name.parent)].mkdir(mode=0o700)
            path = groups[str(name.parent)] / f"{number:06d}"
            written.append(path)
            _keep(upload.stream, path)
            self._names[path] = upload.name

    def _list(self, path: Path) -> Listing:
        return Listing(str(path), Places.of([self.folder]), owner=self.owner, names=dict(self._names))


def _head(upload: Upload) -> bytes:
    head = upload.stream.read(4)
    upload.stream.seek(0)
    return head


def _keep(stream: BinaryIO, path: Path) -> None:
    refused = refusing("an upload that cannot be kept", "space on the server's disk", "ask whoever runs it")
    with refused, open(path, "xb", opener=_private) as file:
        shutil.copyfileobj(stream, file, 1024**2)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _remove(folder: Path, owner: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    frames.STORE.forget(owner)
    thumbnails.STORE.forget(owner)
