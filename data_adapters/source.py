"""Whatever holds a scan → a Scan or a Volume: a file, a folder, a ZIP archive, a DICOMDIR, the slices of a series.

It chooses by content which module reads, and knows nothing of what they find.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import overload

from data_adapters.catalogue import catalogue
from data_adapters.files import FileScan, file_bytes, open_file
from data_adapters.listing import is_collection
from data_adapters.refusal import naming, refusal
from data_adapters.series import series_of_files
from medfly.types import Scan, Volume

__all__ = ["FileScan", "file_bytes", "read"]

Source = str | Path | bytes | Sequence[str | Path]


@overload
def read(source: Source, *, frame: int) -> Scan: ...
@overload
def read(source: Source, *, frame: None = None) -> Scan | Volume: ...
def read(source: Source, *, frame: int | None = None) -> Scan | Volume:
    """Read DICOM, NIfTI, PNG, JPEG, TIFF, WebP, BMP or a whole slide's overview, whatever the file is called.

    source: a file's path or bytes; a folder, a ZIP archive or a DICOMDIR with exactly one series (`catalogue` lists
        and opens more); or the paths of the slices of one DICOM series, in any order.
    frame: 0-based, gives a Scan: the frame or page of a file as the file counts, else the slice of the sorted series.
    Without it a single-frame file gives a Scan, and all that has several frames or slices a Volume.
    A Scan has [H, W] float32 physical values or [H, W, 3] uint8 colour.
    Raises InputError, and nothing else, for what is missing, damaged or unsupported.
    """
    if frame is not None and (isinstance(frame, bool) or not isinstance(frame, int) or frame < 0):
        raise refusal(f"frame {frame!r}", "a 0-based index", "choose 0 or more")
    if isinstance(source, bytes):
        return open_file(source, frame)
    if not isinstance(source, str | Path):
        with naming(f"{len(source)} files"):
            return _chosen(series_of_files([FileScan(path) for path in source]).open(), frame)
    with naming(repr(str(source))):
        collection = is_collection(source)
    if not collection:
        return open_file(FileScan(source), frame)
    with naming(repr(str(source))):
        found = catalogue(source)
        return _chosen(found.only().open(), frame)


def _chosen(opened: Scan | Volume, frame: int | None) -> Scan | Volume:
    if frame is None:
        return opened
    count = len(opened) if isinstance(opened, Volume) else 1
    if frame >= count:
        raise refusal(f"frame {frame} of {count}", f"0 to {count - 1}", "choose a frame in this range")
    return opened[frame] if isinstance(opened, Volume) else opened
