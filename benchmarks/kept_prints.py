"""Fingerprints of published pictures, kept between runs so that a leakage check costs no minute each time.

One small SQLite file in the user's cache, by the pictures' content hash. A fingerprint holds its picture in 64 × 64
grey values: so only pictures of published data sets belong here, never a hospital's, and no path or name is kept.
It is a convenience only: what cannot be read or written is computed again. It knows neither data sets nor leakage.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

import numpy as np

from data_adapters.leakage import SMALL, Print
from medfly.cache import cache_folder

FORM = 1  # to be raised with any change of what a fingerprint is or of how a picture is decoded


def place() -> Path:
    """The file. Another Pillow or ImageHash may decode or hash to other values, so that each has a file of its own."""
    return cache_folder("fingerprints") / f"{FORM}-pillow-{version('pillow')}-imagehash-{version('imagehash')}.sqlite"


def kept(digests: Iterable[str]) -> dict[str, Print]:
    """Content hash → fingerprint, of those that are kept."""
    found: dict[str, Print] = {}
    with suppress(OSError, sqlite3.Error), _opened() as database:
        for digest in digests:
            row = database.execute("SELECT pixels, bits, shrunk FROM prints WHERE digest = ?", (digest,)).fetchone()
            if row is not None and (one := _print(digest, *row)) is not None:
                found[digest] = one
    return found


def keep(prints: Iterable[Print]) -> None:
    """Of pictures of published data sets only."""
    rows = [(one.file, one.pixels, f"{int(one.bits):016x}", one.shrunk.tobytes()) for one in prints]
    with suppress(OSError, sqlite3.Error), _opened() as database:
        database.executemany("INSERT OR REPLACE INTO prints VALUES (?, ?, ?, ?)", rows)
        database.commit()


def _print(digest: str, pixels: object, bits: object, shrunk: object) -> Print | None:
    """A row as it was written; None for any other."""
    fits = isinstance(pixels, str) and re.fullmatch("[0-9a-f]{64}", pixels)
    fits = fits and isinstance(bits, str) and re.fullmatch("[0-9a-f]{16}", bits)
    if not fits or not isinstance(shrunk, bytes) or len(shrunk) != SMALL * SMALL:
        return None
    return Print(digest, str(pixels), np.uint64(int(str(bits), 16)), np.frombuffer(shrunk, np.uint8))


@contextmanager
def _opened() -> Iterator[sqlite3.Connection]:
    """The database with its table; a file that is damaged is removed, for the next run to begin again."""
    file = place()
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(sqlite3.connect(file)) as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS prints (digest TEXT PRIMARY KEY, pixels TEXT, bits TEXT, shrunk BLOB)"
            )
            yield database
    except (
        sqlite3.OperationalError
    ):  # locked by another process, or a disk that is full: nothing is wrong with the file
        raise
    except sqlite3.DatabaseError:
        file.unlink(missing_ok=True)
        raise
