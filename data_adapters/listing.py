"""Which files a folder, a ZIP archive or a DICOMDIR holds, and what was passed over, by reason.

It opens no file but the archive and the DICOMDIR, follows links without running in circles, and judges no content.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from pydicom.dataset import Dataset

from data_adapters import archive
from data_adapters.dicom.header import is_dicomdir, parse, quiet
from data_adapters.files import FileScan, file_bytes
from data_adapters.places import LEADS_OUT, Places
from data_adapters.refusal import refusing

HIDDEN = "hidden file or folder"
OUTSIDE, MISSING = "DICOMDIR names a file outside its folder", "DICOMDIR names a file that is missing"
Progress = Callable[[int, int | None], None]


def is_collection(path: str | Path) -> bool:
    """A folder, a ZIP archive or a DICOMDIR? Raises InputError where nothing is there."""
    if Path(path).is_dir():
        return True
    head = FileScan(path).head()
    return archive.looks_like_zip(head) or is_dicomdir(head)


def listing(path: str | Path, progress: Progress, places: Places | None = None) -> tuple[list[FileScan], Counter[str]]:
    """The files in the order of their names, and reason → how many were passed over.

    path: of a folder, an archive, a DICOMDIR or any other single file.
    progress: called with the number of files found, and None while the total is unknown.
    places: where links may lead; anywhere by default.
    Raises InputError for what is missing or damaged as a whole.
    """
    if Path(path).is_dir():
        return _walk(Path(path), progress, places)
    found, skipped = _named(path)
    if places is None:
        return found, skipped
    inside = [file for file in found if places.hold(file.path)]
    return inside, +(skipped + Counter({LEADS_OUT: len(found) - len(inside)}))


def _named(path: str | Path) -> tuple[list[FileScan], Counter[str]]:
    """What a file names, or itself."""
    head = FileScan(path).head()
    if archive.looks_like_zip(head):
        return _members(path)
    if is_dicomdir(head):
        return _referenced(Path(path))
    return [FileScan(path)], Counter()


def _walk(folder: Path, progress: Progress, places: Places | None) -> tuple[list[FileScan], Counter[str]]:
    """Depth first. Linked folders are entered once each, however they are reached, and so are all others."""
    found: list[FileScan] = []
    skipped: Counter[str] = Counter()
    seen, waiting = set(), [folder]
    while waiting:
        folder = waiting.pop()
        try:
            status = folder.stat()
            entries = sorted(folder.iterdir())
        except OSError:
            skipped["folder that cannot be read"] += 1
            continue
        if (status.st_dev, status.st_ino) in seen:
            skipped["link to a folder that was seen already"] += 1
            continue
        seen.add((status.st_dev, status.st_ino))
        visible = [entry for entry in entries if not entry.name.startswith(".")]
        skipped[HIDDEN] += len(entries) - len(visible)
        if places is not None:  # what a link that leads out leads to is not even looked at
            inside = [entry for entry in visible if not entry.is_symlink() or places.hold(entry)]
            skipped[LEADS_OUT] += len(visible) - len(inside)
            visible = inside
        waiting += reversed([entry for entry in visible if entry.is_dir()])
        for entry in visible:
            if entry.is_file():
                found.append(FileScan(entry))
            elif not entry.is_dir():
                skipped["broken link, pipe or device"] += 1
        progress(len(found), None)
    return found, +skipped


def _members(path: str | Path) -> tuple[list[FileScan], Counter[str]]:
    names = sorted(archive.members(path))
    visible = [name for name in names if not re.search(r"(^|[/\\])(\.(?!\.?[/\\])|__MACOSX/)", name)]
    return [FileScan(path, member=name) for name in visible], +Counter({HIDDEN: len(names) - len(visible)})


def _referenced(dicomdir: Path) -> tuple[list[FileScan], Counter[str]]:
    """The files that a DICOMDIR's records name (PS3.3 F.3.2.2), as far as they are in its folder."""
    found: dict[Path, FileScan] = {}
    skipped: Counter[str] = Counter()
    with quiet(), refusing("a DICOMDIR that cannot be read", "a whole DICOMDIR", "name its folder instead"):
        records = parse(file_bytes(dicomdir)).get("DirectoryRecordSequence") or ()
        names = [name for record in records if (name := _referenced_name(record))]
    for parts in names:
        if any(part in ("", "..") or os.path.basename(part) != part for part in parts):
            skipped[OUTSIDE] += 1
            continue
        # Media are often mounted, or copied, with their names in small letters.
        candidates = (dicomdir.parent.joinpath(*spelled) for spelled in (parts, [part.lower() for part in parts]))
        place = next((candidate for candidate in candidates if candidate.is_file()), None)
        if place is None:
            skipped[MISSING] += 1
        else:
            found[place] = FileScan(place)
    return list(found.values()), skipped


def _referenced_name(record: Dataset) -> list[str]:
    """The parts of the file's name, [] for a record without one or not in use (F.3.2.2: 0000H marks a deleted one)."""
    name = record.get("ReferencedFileID")
    if not name or record.get("RecordInUseFlag") == 0:
        return []
    return [name] if isinstance(name, str) else [str(part) for part in name]
