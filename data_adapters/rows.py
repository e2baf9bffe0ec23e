"""What the question data sets have in common: a JSON list of rows, and pictures in a folder.

It knows neither the columns' meaning nor the splits.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from data_adapters.refusal import refusal
from data_adapters.source import FileScan

Row = dict[str, Any]


def read_rows(path: Path, columns: Iterable[str]) -> list[Row]:
    """The rows of a JSON list of objects, each with at least `columns`. Raises InputError otherwise."""
    expected = f"a JSON list of questions in {str(path)!r}"
    try:
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as problem:
        raise refusal(f"no readable file ({type(problem).__name__})", expected, "check the data set's folder") from None
    except (ValueError, RecursionError):
        raise refusal("a file that is no JSON", expected, "unpack the data set again") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise refusal("JSON of another form", expected, "unpack the data set again")
    for number, row in enumerate(rows):
        missing = [column for column in columns if column not in row]
        if missing:
            raise refusal(f"row {number} without {', '.join(missing)}", expected, "use the data set's official release")
    return rows


def scans_by_name(folder: Path, names: Iterable[str]) -> dict[str, FileScan]:
    """One loader per picture name, so that questions about one picture share its content hash.

    The files are checked for presence and not opened. Raises one InputError for all that are missing.
    """
    if not folder.is_dir():
        raise refusal("no folder of pictures", str(folder), "check the data set's folder")
    unique = dict.fromkeys(names)
    outside = [name for name in unique if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts]
    if outside:
        raise refusal(f"the picture name {outside[0]!r}", "a name within the folder", "use the official release")
    missing = [name for name in unique if not (folder / name).is_file()]
    if missing:
        raise refusal(
            f"{len(missing)} of {len(unique)} pictures missing, the first {missing[0]!r}",
            f"all of them in {str(folder)!r}",
            "unpack the data set's pictures again",
        )
    return {name: FileScan(folder / name) for name in unique}
