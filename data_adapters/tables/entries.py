"""Records of a hospital's table → questions with their scans, or what is wrong with the row.

Rows are told by number and columns by name: what is in a cell may be patient data and is in no message. Which split
a row belongs to, and whether rows at fault may be left out, is not decided here.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from data_adapters.refusal import refusal
from data_adapters.source import FileScan, read
from data_adapters.tables.conversations import Exchange, Unfit, exchanges, is_conversation
from data_adapters.tables.identity import WHOLE_FLOAT, Identity, fold, in_header, masked
from data_adapters.tables.rows import answer_type, one_line
from data_adapters.tables.table import Records
from medfly.types import InputError, Sample, Scan, Volume, frame_hash

REMOTE = ("http://", "https://", "data:", "s3://", "gs://")


@dataclass(frozen=True)
class RowScan:
    """A row's scan, opened when it is called: a medfly.types.ScanLoader.

    path: a file of any kind that data_adapters.read takes, or the folder of one series.
    frame: 0-based; None where the row says nothing, which fits a scan of one frame only.
    """

    path: str
    frame: int | None = None

    @property
    def content_hash(self) -> str:
        """As medfly.types.ScanLoader says, computed once; of a folder, over its frames' own hashes."""
        with _unnamed(self.path):
            return self._hash

    @cached_property
    def _hash(self) -> str:
        if not os.path.isdir(self.path):
            return FileScan(self.path, self.frame or 0).content_hash
        opened = self._opened()
        whole = opened.input_hash if isinstance(opened, Scan) else opened.content_hash
        return frame_hash(whole, self.frame or 0)

    @cached_property
    def identity(self) -> Identity:
        """Patient and study as a DICOM header names them, masked; read once."""
        return in_header(self.path)

    def __call__(self) -> Scan:
        """Raises InputError as `read` does, without the path, and for several frames where the row names none."""
        with _unnamed(self.path):
            return self._scan()

    def _scan(self) -> Scan:
        if self.frame is not None and not os.path.isdir(self.path):
            return read(self.path, frame=self.frame)
        opened = self._opened()
        count = 1 if isinstance(opened, Scan) else len(opened)
        if self.frame is None and count > 1:
            raise refusal(f"a scan of {count} frames", "a frame for it", "add a column frame, counted from 0")
        if (self.frame or 0) >= count:
            raise refusal(f"frame {self.frame} of {count}", f"0 to {count - 1}", "correct the row")
        return opened if isinstance(opened, Scan) else opened[self.frame or 0]

    def _opened(self) -> Scan | Volume:
        return _series(self.path, os.stat(self.path).st_mtime_ns) if os.path.isdir(self.path) else read(self.path)


@contextmanager
def _unnamed(path: str) -> Iterator[None]:
    """An error without the path, which is a cell of the table and may name a patient; its row is told elsewhere."""
    try:
        yield
    except InputError as error:
        text = str(error)
        for name in {path, repr(path)[1:-1]}:
            text = re.sub(rf"""(['"]){re.escape(name)}[^'"]*\1""", "the picture", text).replace(name, "the picture")
        raise InputError(text) from None


@functools.lru_cache(maxsize=2)
def _series(folder: str, changed: int) -> Scan | Volume:
    """The series in a folder, kept for its next rows, as sorting it for each row would take the square of the time.

    changed: when files came or went. Pixels are not kept.
    """
    return read(folder)


@dataclass(frozen=True)
class Entry:
    """One question, and what only splitting and the leakage check may see of it: never printed.

    split: as the table says; "" where there is no such column.
    patient, study: as the table says, folded, "" where it does not.
    """

    row: int
    turn: int
    sample: Sample = field(repr=False)
    split: str
    patient: str = field(repr=False)
    study: str = field(repr=False)

    @property
    def header(self) -> Identity:
        """What the scan's DICOM header says; opens the file when it is first asked."""
        return self.sample.scan.identity if isinstance(self.sample.scan, RowScan) else Identity()

    @property
    def identity(self) -> Identity:
        """As the table says, else as the DICOM header does; masked."""
        patient, study = masked(self.patient), masked(self.study)
        if patient and study:
            return Identity(patient, study)
        return Identity(patient or self.header.patient, study or self.header.study)


@dataclass(frozen=True)
class Fault:
    """A row that cannot become a question, and why."""

    row: int
    problem: Unfit


@dataclass(frozen=True)
class Reader:
    """How the records of one table become entries.

    columns: what is held → column (data_adapters.tables.columns.assign). image_dir: what no path may leave.
    subgroups: further columns for Sample.metadata.
    """

    columns: Mapping[str, str]
    image_dir: Path
    subgroups: Sequence[str] = ()

    def read(self, records: Records) -> tuple[list[Entry], list[Fault]]:
        """All entries in order, and the rows that became none; ids that stand twice are a fault."""
        entries: list[Entry] = []
        faults: list[Fault] = []
        scans: dict[tuple[str, int | None], RowScan] = {}
        patients: dict[str, int] = {}
        ids: set[int | str] = set()
        for number, record in records.items():
            try:
                found = list(self._entries(number, record, scans, patients))
                if ids & {entry.sample.id for entry in found}:
                    raise Unfit("duplicate_ids", "an id that stands twice", "an id a question")
            except Unfit as problem:
                faults.append(Fault(number, problem))
                continue
            ids |= {entry.sample.id for entry in found}
            entries += found
        return entries, faults

    def _entries(
        self, number: int, record: Mapping[str, Any], scans: dict[Any, RowScan], patients: dict[str, int]
    ) -> Iterator[Entry]:
        """scans, patients: those of the rows before, so that rows share them."""
        asked, pictures = self._asked(record)
        name = self._picture([*_several(self._value(record, "image")), *pictures])
        frame = _frame(self._text(record, "frame"))
        path = self._path(name)
        scan = scans.setdefault((path, frame), RowScan(path, frame))
        if "split" in self.columns and not self._text(record, "split"):
            raise Unfit("no_split", f"nothing in column {self.columns['split']}", "the name of a split")
        first = self._text(record, "id") or number
        patient, study = (fold(self._text(record, role)) for role in ("patient", "study"))
        for turn, one in enumerate(asked, 1):
            if not one.question:
                raise Unfit("no_question", "no words", "a question")
            metadata = {"row": number, **{key: record.get(key, "") for key in self.subgroups}}
            if is_conversation(record):
                metadata["earlier"] = one.earlier
            sample = Sample(
                id=first if turn == 1 else f"{first}.{turn}",
                image=name if frame is None else f"{name}#{frame}",
                question=one_line(one.question),
                scan=scan,
                answer=one.answer,
                answer_type=answer_type(self._text(record, "answer_type")),
                metadata=metadata,
                patient=patients.setdefault(patient, len(patients) + 1) if patient else None,
            )
            yield Entry(number, turn, sample, self._text(record, "split"), patient, study)

    def _asked(self, record: Mapping[str, Any]) -> tuple[list[Exchange], list[Any]]:
        if is_conversation(record):
            return exchanges(record)
        answer = self._text(record, "answer") if "answer" in self.columns else None
        return [Exchange(self._text(record, "question"), answer, ())], []

    def _value(self, record: Mapping[str, Any], role: str) -> Any:
        column = self.columns.get(role)
        return "" if column is None else record.get(column, "")

    def _text(self, record: Mapping[str, Any], role: str) -> str:
        value = self._value(record, role)
        if not isinstance(value, str):
            kind = type(value).__name__
            raise Unfit(f"odd_{role}", f"a {kind} in column {self.columns[role]}", "text or a number")
        return value

    def _picture(self, names: list[Any]) -> str:
        names = [name for name in names if name not in ("", None)]
        if len(names) != 1:
            kind = "several_images" if names else "no_image"
            found = "several pictures" if names else "no picture"
            raise Unfit(kind, found, "one: MedFly asks about one picture at a time")
        name = names[0]
        if not isinstance(name, str) or name.lower().startswith(REMOTE):
            raise Unfit("embedded_image", "a picture within the table or on the web", "the path of a file")
        return name

    def _path(self, name: str) -> str:
        """The file or folder that a cell names. Links are followed: who can set one there can put the file there."""
        folder = os.path.abspath(self.image_dir)
        path = os.path.normpath(os.path.join(folder, name.replace("\\", "/")))
        if ":" in name[:2] or os.path.commonpath([folder, path]) != folder:  # C: is outside on any system
            raise Unfit("image_outside", "a path out of the folder of pictures", "one within it, see --image_dir")
        if not os.path.exists(path):
            raise Unfit("missing_images", "no such file", "the picture that the row names")
        return path


def _several(value: Any) -> list[Any]:
    """One picture or a list of them, also as JSON in a cell; a text is never taken letter by letter."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return [value]
    return value if isinstance(value, list) else [value]


def _frame(text: str) -> int | None:
    if not text:
        return None
    digits = WHOLE_FLOAT.sub(r"\1", text)
    if not (digits.isascii() and digits.isdigit() and len(digits) < 8):
        raise Unfit("odd_frame", "no whole number", "the frame, counted from 0")
    return int(digits)
