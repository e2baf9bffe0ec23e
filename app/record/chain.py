"""Lines of JSON in a file that only grows, each with its number, the SHA-256 of the line before it and one of itself.

A whole chain proves that no line was changed, lost, doubled, moved or put in between, from the first to the last that
is there. It proves no more: lines cut off at the end leave a whole chain, and whoever may write the file and knows this
format can make a whole chain of other lines. Both show only against a `Tip`, the number and hash of a line, that was
kept elsewhere; the viewer's exports carry one. This module does not know what the lines say.

Several processes and threads may append: a lock file beside the log lets them take turns.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from medfly.types import InputError

START = "0" * 64
"""Stands in the first line for the hash of the line before it."""
LONGEST = 1 << 14
"""Bytes of a line with its end; a longer one is none of ours."""
WAIT = 10.0
"""Seconds for which another process may hold the lock."""
PRIVATE = 0o600
SEALED = re.compile(rb'(\{.+),"sum":"([0-9a-f]{64})"\}\n')
EXPECTED = "expected a log that was only appended to: keep it apart and give another path"


@dataclass(frozen=True)
class Tip:
    """A line of a chain: its number, from 1, and its SHA-256 as 64 hexadecimal digits. 0 and START before the first."""

    line: int = 0
    hash: str = START

    def __str__(self) -> str:
        return f"{self.line}:{self.hash}"


@dataclass(frozen=True)
class Checked:
    """tip: of the last line that is right. broken: the number of the first that is not, None in a whole chain.
    found: what is wrong with it, in words."""

    tip: Tip
    broken: int | None = None
    found: str = ""

    @property
    def whole(self) -> bool:
        return self.broken is None


def parse_tip(text: str) -> Tip:
    """ "37:3fa2…", as a Tip prints itself. Raises InputError for anything else."""
    match = re.fullmatch(r"(\d{1,12}):([0-9a-f]{64})", text.strip())
    if match is None:
        raise InputError(f"tip {text!r}: expected LINE:HASH with 64 hexadecimal digits, as an export states it")
    return Tip(int(match[1]), match[2])


def check(path: Path, known: Iterable[Tip] = ()) -> Checked:
    """The first line that does not belong, if any. An empty file is a whole chain of no lines.

    known: tips that were kept elsewhere; a chain that ends before one of them or holds another line there is broken.
    Raises InputError for a file that cannot be read.
    """
    wanted = {tip.line: tip.hash for tip in known if tip.line}
    tip = Tip()
    try:
        with path.open("rb") as file:
            while raw := file.readline(LONGEST + 1):
                found = _wrong(raw, tip)
                new = Tip(tip.line + 1, _sha256(raw))
                if not found and wanted.get(new.line, new.hash) != new.hash:
                    found = "is not the line that was there when its hash was noted"
                if found:
                    return Checked(tip, new.line, found)
                tip = new
    except OSError as error:
        raise InputError(f"log {str(path)!r}: cannot be read ({error.strerror}); expected a file") from None
    if max(wanted, default=0) > tip.line:
        return Checked(tip, tip.line + 1, f"is missing: line {max(wanted)} was there when its hash was noted")
    return Checked(tip)


def begin(path: Path, fields: Mapping[str, Any]) -> dict[str, Any]:
    """What the first line says; an empty or absent file gets one with these fields. Raises InputError as `append`."""
    with locked(path):
        if tail(path) == Tip():
            grow(path, _sealed(fields, Tip()))
        with path.open("rb") as file:
            return _opened(file.readline(LONGEST + 1)) or {}


def append(path: Path, fields: Mapping[str, Any]) -> Tip:
    """Write one line, safely on the disk when this returns; its Tip.

    fields: JSON values; "n", "previous" and "sum" are the chain's own names. Raises InputError where the file cannot be
    written, is locked for long, or ends in no line of a chain; it is then as it was.
    """
    with locked(path):
        before = tail(path)
        line = _sealed(fields, before)
        grow(path, line)
    return Tip(before.line + 1, _sha256(line))


def tail(path: Path) -> Tip:
    """Of the last line, which is checked by itself; Tip() of an empty or absent file. Raises InputError."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - LONGEST - 1, 0))
            end = file.read()
    except FileNotFoundError:
        return Tip()
    except OSError as error:
        raise InputError(f"log {str(path)!r}: cannot be read ({error.strerror}); expected a file") from None
    if not end:
        return Tip()
    raw = end[end.rfind(b"\n", 0, -1) + 1 :]
    values = _opened(raw)
    if values is None or not isinstance(values.get("n"), int):
        raise InputError(f"log {str(path)!r}: found a last line that is not whole; {EXPECTED}")
    return Tip(values["n"], _sha256(raw))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone with the file among all that ask. Raises InputError where another holds it for longer than WAIT."""
    lock = FileLock(f"{path}.lock", timeout=WAIT, mode=PRIVATE)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(
            f"log {str(path)!r}: another process has held {path.name}.lock for {WAIT:.0f} s; expected a turn: try again"
        ) from None
    except OSError as error:
        raise InputError(f"log {str(path)!r}: cannot be locked ({error.strerror}); choose another folder") from None
    try:
        yield
    finally:
        lock.release()


def grow(path: Path, data: bytes) -> None:
    """Put bytes at the end of a locked file and onto the disk, or leave it as it was and raise InputError."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, PRIVATE)
        try:
            before = os.fstat(handle).st_size
            try:
                _write(handle, data)
            except OSError:
                os.ftruncate(handle, before)  # of our own line, which nobody has been told of
                raise
        finally:
            os.close(handle)
    except OSError as error:
        raise InputError(f"log {str(path)!r}: cannot be written ({error.strerror}); make room there") from None


def _write(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]
    os.fsync(handle)


def _sealed(fields: Mapping[str, Any], tip: Tip) -> bytes:
    """The line that follows `tip`."""
    values = {"n": tip.line + 1, "previous": tip.hash, **fields}
    text = json.dumps(values, separators=(",", ":"), allow_nan=False).encode("ascii")[:-1]
    line = text + b',"sum":"' + _sha256(text).encode() + b'"}\n'
    if len(line) > LONGEST:
        raise ValueError(f"a line of {len(line)} bytes; expected at most {LONGEST}")
    return line


def _opened(raw: bytes) -> dict[str, Any] | None:
    """What a line says, without its seal; None where the seal is broken."""
    match = SEALED.fullmatch(raw)
    if match is None or _sha256(match[1]) != match[2].decode():
        return None
    try:
        values = json.loads(match[1] + b"}")
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _wrong(raw: bytes, before: Tip) -> str:
    """Why a line does not follow `before`, in words; empty where it does."""
    values = _opened(raw)
    if values is None:
        return "is not as it was written"
    if values.get("n") != before.line + 1:
        return f"has the number {values.get('n')}: lines were lost, doubled or moved"
    if values.get("previous") != before.hash:
        return "does not follow the line before it, which was changed"
    return ""


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
