"""What a folder or an archive holds, listed in a thread behind the page that can be stopped.

The folders given at start are listed once for all sessions, which is what a Library is for; a session lists its
uploads for itself. It knows no Streamlit.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.studies.opened import EVERYBODY, Opened, opened_of
from data_adapters.catalogue import catalogue
from data_adapters.places import Places
from medfly.types import InputError


class _StopError(Exception):
    """Raised through the catalogue by its own progress call."""


@dataclass(frozen=True)
class Found:
    """files: looked at. skipped: reason → how many were passed over; safe to show. problem: why there is nothing."""

    items: tuple[Opened, ...] = ()
    files: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    problem: str | None = None


class Listing:
    """One path being listed. done, total: of files; total is None while they are being found.

    owner, names: as for `opened_of`.
    """

    def __init__(
        self, path: str, places: Places, *, owner: str = EVERYBODY, names: Mapping[Path, str] | None = None
    ) -> None:
        self.done: int = 0
        self.total: int | None = None
        self.stopped = False
        self._path, self._places, self._owner, self._names = path, places, owner, names
        self._stop = threading.Event()
        self._found: Found | None = None
        self._thread = threading.Thread(target=self._run, name="medfly-listing", daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> Found | None:
        """What was found, or None where it takes longer, or was stopped."""
        self._thread.join(seconds)
        return self._found

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        """End it at the next file."""
        self._stop.set()

    def _run(self) -> None:
        try:
            found = catalogue(self._path, progress=self._advance, places=self._places)
            items = opened_of(found, self._places, owner=self._owner, names=self._names)
            self._found = Found(items, found.files, found.skipped)
        except _StopError:
            self.stopped = True
        except InputError as problem:
            self._found = Found(problem=str(problem))
        except Exception as problem:
            # Its message may quote what a file says; the class alone is told, and the other folders stay.
            self._found = Found(problem=f"found a folder that cannot be listed ({type(problem).__name__})")

    def _advance(self, done: int, total: int | None) -> None:
        self.done, self.total = done, total
        if self._stop.is_set():
            raise _StopError


class Library:
    """Listings by path, each made when it is first asked for."""

    def __init__(self) -> None:
        self._listings: dict[tuple[str, Places], Listing] = {}
        self._lock = threading.Lock()

    def listing(self, path: str, places: Places, *, anew: bool = False) -> Listing:
        """The listing of a path for all sessions. anew: list it again, if it is not being listed now."""
        name = os.path.abspath(path), places
        with self._lock:
            known = self._listings.get(name)
            if known is None or (anew and not known.running):
                known = self._listings[name] = Listing(path, places)
            return known


SHARED = Library()
