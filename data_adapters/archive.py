"""ZIP archives: their members listed and read without anything being unpacked to disk.

Names of members are keys here and never paths, so `../` in one leads nowhere. Sizes are checked as the archive's
directory claims them, and Python inflates no more than that. It opens no ZIP within a ZIP and knows no password.
"""

from __future__ import annotations

import functools
import io
import os
import struct
import zipfile
from pathlib import Path
from typing import BinaryIO

from data_adapters.refusal import refusal, refusing

MAX_MEMBERS = 100_000
MAX_DIRECTORY_BYTES = 256 * MAX_MEMBERS
MAX_MEMBER_BYTES = 2 * 1024**3
MAX_TOTAL_BYTES = 256 * 1024**3
# Deflate reaches 1032-fold on zeros. An empty slice may come near that; a whole archive of scans does not.
MAX_RATIO = 200
RATIO_FROM_BYTES = 64 * 1024**2
EXPECTED = "a ZIP archive of scans"
END, END_64 = b"PK\5\6", b"PK\6\6"
ENCRYPTED = 1  # bit 0 of the general purpose flags (APPNOTE 4.4.4)


def looks_like_zip(head: bytes) -> bool:
    """Does the file begin with a member, or is it an empty archive (APPNOTE 4.3.7, 4.3.16)?"""
    return head[:4] in (b"PK\3\4", END)


def members(path: str | Path) -> list[str]:
    """Names of the files in it, in the archive's order; a name that is there twice means its last member.

    Raises InputError for damage, encryption and what is over the limits: far more is claimed than scans need.
    """
    with refusing("a damaged ZIP archive", EXPECTED, "fetch or export it again"):
        infos = [info for info in _opened(path).infolist() if not info.is_dir()]
        _check(infos)
        return list(dict.fromkeys(info.filename for info in infos))


def open_member(path: str | Path, name: str) -> io.BufferedReader:
    """A stream of one member's bytes, inflated as it is read. Raises InputError; reading it may raise, too."""
    with refusing("a damaged ZIP archive", EXPECTED, "fetch or export it again"):
        archive = _opened(path)
        info = archive.getinfo(name)
        _check([info])
        if info.file_size > MAX_MEMBER_BYTES:
            raise refusal(f"{info.file_size:,} bytes", f"at most {MAX_MEMBER_BYTES:,}", "unpack the archive first")
        return io.BufferedReader(archive.open(info), 2**16)  # type: ignore[arg-type]  # pydicom steps back at times


def member_bytes(path: str | Path, name: str) -> bytes:
    """All bytes of one member, its checksum tested. Raises InputError."""
    damaged = refusing("a damaged member of a ZIP archive", EXPECTED, "fetch or export it again")
    with damaged, open_member(path, name) as stream:
        return stream.read()


def _check(infos: list[zipfile.ZipInfo]) -> None:
    if any(info.flag_bits & ENCRYPTED for info in infos):
        raise refusal("an encrypted ZIP archive", "one without a password", "unpack it and name the folder")
    total, packed = sum(info.file_size for info in infos), sum(info.compress_size for info in infos)
    if len(infos) > MAX_MEMBERS or total > MAX_TOTAL_BYTES:
        raise refusal(
            f"{len(infos):,} files of {total:,} bytes in a ZIP archive",
            f"at most {MAX_MEMBERS:,} of {MAX_TOTAL_BYTES:,}",
            "split it, or unpack it and name the folder",
        )
    if total > RATIO_FROM_BYTES and total > MAX_RATIO * packed:
        raise refusal(
            f"a ZIP archive that inflates {total // max(1, packed):,}-fold", f"at most {MAX_RATIO}", "leave it out"
        )


def _opened(path: str | Path) -> zipfile.ZipFile:
    with refusing("an archive that cannot be opened", EXPECTED, "check the path and the permissions"):
        status = os.stat(path)
        return _cached(os.fspath(path), status.st_size, status.st_mtime_ns, os.getpid())


@functools.lru_cache(maxsize=2)
def _cached(path: str, size: int, modified: int, process: int) -> zipfile.ZipFile:
    """The archive with its directory parsed, kept because a series asks for its members one by one.

    size, modified: another file under the same name is another archive. process: a fork shares the position in an
    open file with its parent, and both would read the other's bytes.
    """
    with open(path, "rb") as file:
        directory = _directory_bytes(file, size)
    if directory > MAX_DIRECTORY_BYTES:
        raise refusal(f"a ZIP directory of {directory:,} bytes", f"at most {MAX_DIRECTORY_BYTES:,}", "split it")
    return zipfile.ZipFile(path)


def _directory_bytes(file: BinaryIO, size: int) -> int:
    """Length of the central directory as the end of the archive claims it (APPNOTE 4.3.14, 4.3.16)."""
    file.seek(max(0, size - 2**16 - 128))  # the longest comment and both records
    tail = file.read()
    at, at_64 = tail.rfind(END), tail.rfind(END_64)
    if at_64 >= 0:
        return struct.unpack_from("<Q", tail, at_64 + 40)[0]
    return struct.unpack_from("<I", tail, at + 12)[0] if at >= 0 else 0
