"""The folders that the viewer may open, and what is in them: nothing else is read, whatever a link says.

data_adapters.catalogue follows links wherever they lead, which is right for a person at a command line and wrong for
a server; here a link that leads out is passed over and counted. Between looking at a path and opening it a user who
may write into the folder could still exchange it: the folders are to be trusted, not the links that happen to be there.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

# Its parts, because it takes a path and walks itself; what belongs together is decided there and nowhere else.
from data_adapters.catalogue import Catalogue, _look, _others, _patients
from data_adapters.files import FileScan, Kind
from data_adapters.listing import HIDDEN, Progress, is_dicomdir, listing
from data_adapters.refusal import refusal
from data_adapters.slice_header import SliceHeader
from medfly.types import InputError

VARIABLE = "MEDFLY_STUDIES"
"""Paths of folders, ZIP archives, DICOMDIRs or files, joined by os.pathsep: set by `medfly app`."""
OF_SEVERAL_FILES = (".mrxs", ".vms", ".vmu")  # slides: to look at one of these is to open its neighbours
LEADS_OUT = "link that leads out of the folders given at start"


@dataclass(frozen=True)
class Places:
    """Where files may be opened. roots: real paths of folders and single files."""

    roots: tuple[str, ...]

    @classmethod
    def of(cls, paths: Iterable[str | Path]) -> Places:
        """The paths as they are now; of a DICOMDIR the folder around it, as its files are there."""
        real = (Path(os.path.realpath(path)) for path in paths)
        return cls(tuple(str(path.parent if _names_others(path) else path) for path in real))

    def hold(self, path: str | Path) -> bool:
        """Is what the path leads to, through all links, in one of the roots?"""
        real = os.path.realpath(path)
        return any(real == root or real.startswith(root.rstrip(os.sep) + os.sep) for root in self.roots)

    def check(self, file: FileScan, *, beside: bool = False) -> None:
        """Raises InputError for a file outside. beside: also look at its neighbours, which OpenSlide opens, too."""
        paths = [Path(file.path), *(_neighbours(Path(file.path)) if beside else ())]
        if not all(self.hold(path) for path in paths):
            raise refusal(f"a {LEADS_OUT}", "files within them", "name the link's target at start, too")


def given() -> tuple[str, ...]:
    """The paths that were given at start, each once."""
    return tuple(dict.fromkeys(path for path in os.environ.get(VARIABLE, "").split(os.pathsep) if path))


def catalogue_of(path: str | Path, places: Places, progress: Progress) -> Catalogue:
    """What data_adapters.catalogue lists, without what lies outside `places`; see there for progress and errors."""
    files, skipped = _files(path, places, progress)
    headers: list[SliceHeader] = []
    others: list[tuple[Kind, FileScan]] = []
    for done, file in enumerate(files):
        progress(done, len(files))
        try:
            if Path(file.path).suffix.lower() in OF_SEVERAL_FILES:
                places.check(file, beside=True)
            found = _look(file)
        except InputError as problem:
            skipped[_reason(problem)] += 1
            continue
        if isinstance(found, SliceHeader):
            headers.append(found)
        else:
            others.append((found, file))
    progress(len(files), len(files))
    patients, copies = _patients(headers)
    skipped["copy of the same file"] += copies
    return Catalogue(patients, _others(others), len(files), dict(+skipped))


def _reason(problem: InputError) -> str:
    """Up to "expected" refusals are fixed words and numbers, see data_adapters.refusal."""
    return str(problem).removeprefix("found ").partition("; expected ")[0]


def _files(path: str | Path, places: Places, progress: Progress) -> tuple[list[FileScan], Counter[str]]:
    if Path(path).is_dir():
        return _walk(path, places, progress)
    found, skipped = listing(path, progress)
    inside = [file for file in found if places.hold(file.path)]
    return inside, +(skipped + Counter({LEADS_OUT: len(found) - len(inside)}))


def _walk(root: str | Path, places: Places, progress: Progress) -> tuple[list[FileScan], Counter[str]]:
    """Depth first, in the order of names; a folder is entered once, however it is reached."""
    found: list[FileScan] = []
    skipped: Counter[str] = Counter()
    seen, waiting = set(), [os.fspath(root)]
    while waiting:
        folder = waiting.pop()
        if (real := os.path.realpath(folder)) in seen:
            skipped["link to a folder that was seen already"] += 1
            continue
        seen.add(real)
        try:
            with os.scandir(folder) as entries:
                files, folders = _sorted_out(sorted(entries, key=lambda entry: entry.name), places, skipped)
        except OSError:
            skipped["folder that cannot be read"] += 1
            continue
        found += files
        waiting += reversed(folders)
        progress(len(found), None)
    return found, +skipped


def _sorted_out(
    entries: Sequence[os.DirEntry[str]], places: Places, skipped: Counter[str]
) -> tuple[list[FileScan], list[str]]:
    """The files and the folders among the entries of one folder; `skipped` counts the others."""
    files, folders = [], []
    for entry in entries:
        if entry.name.startswith("."):
            skipped[HIDDEN] += 1
        elif entry.is_symlink() and not places.hold(entry.path):  # what it leads to is not even looked at
            skipped[LEADS_OUT] += 1
        elif entry.is_dir():
            folders.append(entry.path)
        elif entry.is_file():
            files.append(FileScan(Path(entry.path)))
        else:
            skipped["broken link, pipe or device"] += 1
    return files, folders


def _names_others(path: Path) -> bool:
    """Is it a DICOMDIR? By its content, as the adapters tell it."""
    try:
        return path.is_file() and is_dicomdir(FileScan(path).head())
    except InputError:
        return False


def _neighbours(path: Path) -> list[Path]:
    """Links in the file's folder, and in the one that is called like it (MRXS): formats of several files."""
    folders = [folder for folder in (path.parent, path.with_suffix("")) if folder.is_dir()]
    return [entry for folder in folders for entry in folder.iterdir() if entry.is_symlink()]
