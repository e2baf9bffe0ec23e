"""Rows of questions as a data set's files have them, the pictures that they name, and the samples made of both.

It knows neither the columns' meaning nor the splits, and repairs nothing but blanks and the type of an answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_adapters.archive import members
from data_adapters.files import FileScan
from data_adapters.refusal import naming, refusal
from medfly.types import InputError, Sample, Scan, ScanLoader

MAX_JSON_BYTES = 512 * 1024**2
ANSWER_TYPES = ("OPEN", "CLOSED")


@dataclass(frozen=True)
class Row:
    """One question as the file has it: any value may be of the wrong type, for nothing is checked yet."""

    id: Any
    image: Any
    question: Any
    answer: Any
    answer_type: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


Find = Callable[[str], ScanLoader | None]
"""A picture's name → what opens it, or None where it is missing."""


@dataclass(frozen=True)
class Contents:
    """One split: its rows in the file's order, its pictures, and in words where these were looked for."""

    rows: list[Row]
    find: Find
    pictures: str


@dataclass(frozen=True)
class NoPicture:
    """Stands for a picture that is not there, where only the text is wanted. Raises InputError when it is opened."""

    name: str

    @property
    def content_hash(self) -> str:
        raise self._refusal()

    def __call__(self) -> Scan:
        raise self._refusal()

    def _refusal(self) -> InputError:
        return refusal(f"no picture {self.name!r}", "its file", "add the data set's pictures")


def read_rows(path: Path, columns: Iterable[str]) -> list[dict[str, Any]]:
    """The rows of a JSON list of objects, each with at least `columns`. Raises InputError otherwise."""
    expected = f"a JSON list of questions in {str(path)!r}"
    try:
        size = path.stat().st_size
        if size > MAX_JSON_BYTES:
            raise refusal(f"{size:,} bytes", f"{expected} of at most {MAX_JSON_BYTES:,}", "use the official release")
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as problem:
        raise refusal(f"no readable file ({type(problem).__name__})", expected, "check the data set's folder") from None
    except (ValueError, RecursionError):
        raise refusal("a file that is no JSON", expected, "unpack the data set again") from None
    return with_columns(rows, columns, expected)


def with_columns(rows: Any, columns: Iterable[str], expected: str) -> list[dict[str, Any]]:
    """`rows` where it is a list of dictionaries that have all the columns. Raises InputError otherwise."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise refusal("content of another form", expected, "unpack the data set again")
    needed = tuple(columns)
    for number, row in enumerate(rows):
        missing = [column for column in needed if column not in row]
        if missing:
            raise refusal(f"row {number} without {', '.join(missing)}", expected, "use the data set's official release")
    return rows


def is_inside(name: str) -> bool:
    """Whether a picture's name stays within the folder of pictures, on any system."""
    parts = name.replace("\\", "/").split("/")
    absolute = name[:1] in ("/", "\\") or name[1:2] == ":"  # C: leads to a drive of Windows
    return not absolute and ".." not in parts and "\0" not in name


def pictures_in(folder: Path) -> Find:
    """Pictures that are files in a folder, looked for and not opened."""

    def find(name: str) -> ScanLoader | None:
        try:
            return FileScan(folder / name) if is_inside(name) and (folder / name).is_file() else None
        except OSError:  # a name that is too long for a file
            return None

    return find


def pictures_in_zip(path: Path, prefix: str) -> Find:
    """Pictures within a ZIP, which need not be unpacked. prefix: of their names in it, as in "imgs/".

    Raises InputError for a file that is no sound ZIP.
    """
    with naming(repr(str(path))):
        names = set(members(path))

    def find(name: str) -> ScanLoader | None:
        inside = is_inside(name) and prefix + name in names
        return FileScan(path, member=prefix + name) if inside else None

    return find


def samples_of(contents: Contents, *, pictures: bool = True) -> list[Sample]:
    """The rows as samples, in their order; rows about one picture share its loader.

    Runs of white space in a question become one blank (releases have stray tabs). Numbers among the answers become
    str, null stays None; otherwise answers are as in the file. An answer type other than OPEN or CLOSED, blanks
    and case aside, is None.
    pictures: False where only the text is wanted: a missing picture is no error then until it is opened.
    Raises InputError for a row without usable id, picture, question or answer, and one for all missing pictures.
    """
    for number, row in enumerate(contents.rows):
        _check(row, number)
    names = dict.fromkeys(row.image for row in contents.rows)
    scans = {name: contents.find(name) for name in names}
    missing = [name for name, scan in scans.items() if scan is None]
    if missing and pictures:
        raise refusal(
            f"{len(missing)} of {len(names)} pictures missing, the first {missing[0][:80]!r}",
            f"all of them in {contents.pictures}",
            "unpack the data set's pictures there",
        )
    return [_sample(row, scans[row.image] or NoPicture(row.image)) for row in contents.rows]


def _check(row: Row, number: int) -> None:
    remedy = "use the data set's official release, or correct the row"
    if not is_id(row.id):
        raise refusal(f"row {number} with an id of type {type(row.id).__name__}", "a whole number or a text", remedy)
    if not isinstance(row.image, str) or not is_inside(row.image):
        what = repr(row.image[:80]) if isinstance(row.image, str) else f"of type {type(row.image).__name__}"
        raise refusal(f"row {number} with the picture name {what}", "a name within the folder", remedy)
    if not isinstance(row.question, str):
        raise refusal(f"row {number} with a question of type {type(row.question).__name__}", "a text", remedy)
    if not is_answer(row.answer):
        raise refusal(f"row {number} with an answer of type {type(row.answer).__name__}", "a text", remedy)


def is_id(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_answer(value: Any) -> bool:
    return value is None or isinstance(value, str) or is_number(value)


def one_line(text: str) -> str:
    """Without white space at the ends, and with every run of it within as one blank."""
    return " ".join(text.split())


def is_yes_or_no(answer: Any) -> bool:
    return isinstance(answer, str) and answer.strip().lower() in ("yes", "no")


def answer_type(tag: Any) -> str | None:
    """ "OPEN" or "CLOSED" whatever the blanks and the case; None for all else."""
    folded = tag.strip().upper() if isinstance(tag, str) else None
    return folded if folded in ANSWER_TYPES else None


def _sample(row: Row, scan: ScanLoader) -> Sample:
    return Sample(
        id=row.id,
        image=row.image,
        question=one_line(row.question),
        scan=scan,
        answer=None if row.answer is None else str(row.answer),
        answer_type=answer_type(row.answer_type),
        metadata=row.metadata,
    )
