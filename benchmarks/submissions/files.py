"""From a path to records: JSON Lines, a JSON list, CSV, TSV or Parquet; a file, or the folder of a run.

It reads a file as a stream where its format allows that, and knows no column: what a record means is `forms`' part.
Messages name files, lines and bytes, never what stands in a record: that may be patient data.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.shards import PARTS, WHOLE
from data_adapters.refusal import refusing
from medfly.types import InputError

SEPARATORS = ",;\t"
EXPECTED = "predictions as JSON Lines, a JSON list, CSV, TSV or Parquet"
# lm-eval puts the date behind the task's name (lm_eval/loggers/evaluation_tracker.py, 034ab03), lmms-eval before it
# (lmms_eval/loggers/evaluation_tracker.py, 0716c69); both write into a folder a model.
LOG = re.compile(r"(?:.*_)?samples_(?P<task>.+?)(?:_\d{4}-\d{2}-\d{2}T[\d.:-]+)?\.jsonl")
LOGS = "*samples_*.jsonl"
MEDEVALKIT = "results.json"


class Record(NamedTuple):
    """place: where in the file, for messages. cells: by column. typed: whether 12 and "12" differ in this format."""

    place: str
    cells: Mapping[str, Any]
    typed: bool = True


def files_of(path: Path) -> list[Path]:
    """The files that hold the predictions: `path` itself, or those of the run whose folder it is.

    A folder by `medfly eval` (also an unfinished one), by lm-eval or lmms-eval with --log_samples (one task), or by
    MedEvalKit. Raises InputError where there is none.
    """
    if not path.is_dir():
        if not path.is_file():
            raise InputError(f"{path}: found no such file; expected {EXPECTED}, or a run's folder: check the path")
        return [path]
    try:
        ours = [*sorted(path.glob(PARTS)), *path.glob(WHOLE)]
        return ours or _logs(path) or _medevalkit(path)
    except OSError as problem:
        raise _unreadable(path, problem) from None


def _logs(folder: Path) -> list[Path]:
    logs = sorted(folder.glob(LOGS)) or sorted(folder.glob(f"*/{LOGS}"))
    named = {path: match["task"] for path in logs if (match := LOG.fullmatch(path.name))}
    runs = sorted({str(path.parent / task) for path, task in named.items()})
    if len(runs) > 1:
        raise InputError(
            f"{folder}: found the samples of {len(runs)} tasks or models ({', '.join(runs[:5])}); expected one: name "
            "the file that is to be scored"
        )
    return list(named)


def _medevalkit(folder: Path) -> list[Path]:
    if not (folder / MEDEVALKIT).is_file():
        raise InputError(
            f"{folder}: found a folder without predictions; expected {WHOLE}, samples_TASK_DATE.jsonl or {MEDEVALKIT} "
            "in it: name the file"
        )
    return [folder / MEDEVALKIT]


def records(
    path: Path, columns: tuple[str, ...], encoding: str | None, *, partial: bool, warnings: list[str]
) -> Iterator[Record]:
    """All records of a file, in its order.

    columns: those worth reading where a format lets one choose. encoding: by default UTF-8, or UTF-16 where the file
    says so. partial: a last line that was cut off is left out, which is added to `warnings`; else it is an error.
    Raises InputError for what cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4)
        if head == b"PAR1":
            yield from _parquet(path, columns)
        elif head == b"PK\x03\x04":
            raise InputError(
                f"{path}: found a ZIP file or a workbook; expected {EXPECTED}: unpack it, or save it as CSV"
            )
        elif path.suffix.lower() in (".csv", ".tsv"):
            yield from _csv(path, _lines(path, encoding or _encoding(head)))
        else:
            yield from _json(path, _lines(path, encoding or _encoding(head)), partial, warnings)
    except OSError as problem:
        raise _unreadable(path, problem) from None


def _unreadable(path: Path, problem: OSError) -> InputError:
    return InputError(f"{path}: cannot be read ({problem.strerror}); expected {EXPECTED}: check the permissions")


def _encoding(head: bytes) -> str:
    return "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _lines(path: Path, encoding: str) -> Iterator[str]:
    """Line ends are "\\n" only: a text may hold other line separators."""
    try:
        "".encode(encoding)
    except (LookupError, ValueError):
        raise InputError(
            f"unknown encoding; expected a name such as utf-8 or cp1252: choose another for {path}"
        ) from None
    try:
        with path.open(encoding=encoding, newline="\n") as file:
            yield from file
    except UnicodeError:
        raise InputError(
            f"{path}: found {_undecodable(path, encoding)}, no {encoding.removesuffix('-sig')}; expected text in that "
            "encoding: save the file as UTF-8, or say --encoding cp1252 if it comes from an older Windows program"
        ) from None


def _undecodable(path: Path, encoding: str) -> str:
    """Where the first byte stands that is wrong. Reads the file once more, whole: the stream knows its blocks only."""
    data = path.read_bytes()
    try:
        data.decode(encoding)
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        end = ", where the file ends within a character" if problem.end == len(data) else ""
        return f"byte 0x{data[problem.start]:02x} at {problem.start:,} (line {line:,}{end})"
    except UnicodeError:
        pass
    return "other bytes"


def _json(path: Path, lines: Iterator[str], partial: bool, warnings: list[str]) -> Iterator[Record]:
    numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    first = next(numbered, None)
    if first is None:
        raise InputError(f"{path}: found an empty file; expected {EXPECTED}: write it again")
    if first[1].lstrip().startswith("["):
        yield from _list(path, "".join(line for _, line in chain([first], numbered)))
        return
    for number, line in chain([first], numbered):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            if line.endswith("\n") or number == 1:
                raise _no_json(path, f"line {number:,}") from None
            if not partial:
                raise InputError(
                    f"{path}: found a last line, {number:,}, that is cut off; expected a whole object: write it again, "
                    "or score a part with --partial"
                ) from None
            warnings.append(f"the last line, {number:,}, is cut off and was not read")
            return
        yield _record(path, f"line {number:,}", value)


def _list(path: Path, text: str) -> Iterator[Record]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise _no_json(path, f"line {getattr(problem, 'lineno', 1):,}") from None
    for number, value in enumerate(values, 1):
        yield _record(path, f"row {number:,}", value)


def _record(path: Path, place: str, value: Any) -> Record:
    if not isinstance(value, dict):
        raise InputError(f"{path}, {place}: found no object; expected one a question: write it again")
    return Record(place, value)


def _no_json(path: Path, place: str) -> InputError:
    return InputError(f"{path}, {place}: found no JSON; expected one object a line, or one list of objects: repair it")


def _csv(path: Path, lines: Iterator[str]) -> Iterator[Record]:
    first = next(lines, "")
    separator = "\t" if path.suffix.lower() == ".tsv" else max(SEPARATORS, key=first.count)
    rows = csv.reader(chain([first], lines), delimiter=separator, strict=True)
    header: list[str] = []
    number = 0
    try:
        for number, row in enumerate(rows, 1):
            if number == 1:
                header = [name.strip() for name in row]
            elif any(cell.strip() for cell in row):  # spreadsheets end in rows of separators
                if len(row) != len(header) or len(set(header)) != len(header):
                    raise InputError(
                        f"{path}, row {number:,}: found {len(row)} cells; expected {len(set(header))}, one for each of "
                        "the header's different names: quote cells that hold a separator"
                    )
                yield Record(f"row {number:,}", dict(zip(header, row, strict=True)), typed=False)
    except csv.Error:
        raise InputError(
            f"{path}, row {number + 1:,}: found a quotation mark out of place, or a cell of over "
            f"{csv.field_size_limit():,} characters; expected cells with separators or line breaks in quotes, and "
            "quotes in them doubled: write it again"
        ) from None


def _parquet(path: Path, columns: tuple[str, ...]) -> Iterator[Record]:
    import pyarrow.parquet as pq

    fault = f"{path}: a Parquet file that cannot be read", "a whole one", "write it again"
    with refusing(*fault):
        file = pq.ParquetFile(path)
        batches = file.iter_batches(columns=[name for name in columns if name in file.schema_arrow.names])
    number = 0
    while True:
        with refusing(*fault):
            batch = next(batches, None)
            rows = [] if batch is None else batch.to_pylist()
        if batch is None:
            return
        for number, row in enumerate(rows, number + 1):  # noqa: B020 (counts on over the batches)
            yield Record(f"row {number:,}", row)
