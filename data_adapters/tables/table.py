"""A hospital's table in, records out: CSV, TSV, Excel, Parquet, JSON and JSON Lines.

A record is a row by column name. What a column means, and whether a cell is right, is not known here.
Rows are counted as the user sees them: in CSV and Excel the header is row 1, in JSON Lines it is the line, in
JSON and Parquet the first row is 1. Messages name rows and columns, never what is in a cell.
"""

from __future__ import annotations

import csv
import io
import json
import math
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from data_adapters.refusal import refusal, refusing

Records = dict[int, dict[str, Any]]
"""Row number → column → cell: a str, or in JSON and Parquet also a list or a dict. An empty cell is ""."""

SEPARATORS = ",;\t"
MAX_CELL = 1_000_000  # characters; csv's own limit of 131,072 is less than some reports have
MAX_BYTES = 2 * 1024**3
MAX_UNPACKED = MAX_BYTES  # of a workbook, which is a ZIP file


def read_table(path: Path, encoding: str | None = None) -> Records:
    """All rows of a table, by the file name's ending.

    encoding: of CSV and JSON files; by default UTF-8, or UTF-16 where the file says so.
    Every cell that is no list or dict is text: dates as 2024-05-01, whole numbers without a point, and nothing
    for NaN, nulls and Excel's errors. Raises InputError for what cannot be read.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise refusal(f"a table called *{path.suffix}", f"one of {', '.join(READERS)}", "save it as one of these")
    expected = "a table of questions"
    try:
        if not path.is_file():
            raise refusal("no such file", expected, "check the path")
        if path.stat().st_size > MAX_BYTES:
            raise refusal(f"{path.stat().st_size:,} bytes", f"at most {MAX_BYTES:,}", "split the table")
        data = path.read_bytes()
    except OSError as problem:
        raise refusal(f"an unreadable file ({type(problem).__name__})", expected, "check the permissions") from None
    records = reader(data, path, encoding)
    if not records:
        raise refusal("a table without rows", "one row a question", "export it again")
    return {number: {name: _cell(value) for name, value in record.items()} for number, record in records.items()}


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == datetime.min.time() else value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():  # Excel and Parquet hold 17 as 17.0
        return str(int(value))
    return str(value).strip() if not isinstance(value, bytes) else value


def _text(data: bytes, encoding: str | None) -> str:
    if encoding is None:
        encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except LookupError:
        raise refusal("an unknown encoding", "a name such as utf-8 or cp1252", "choose another") from None
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise refusal(
            f"bytes that are no {encoding.removesuffix('-sig')} on line {line}",
            "text in that encoding",
            "save the table as UTF-8, or say --encoding cp1252 if it comes from an older Windows program",
        ) from None


def _header(names: Iterable[Any]) -> list[str]:
    header = [str(name).strip() if name is not None else "" for name in names]
    twice = [name for name, count in Counter(header).items() if count > 1 and name]
    if twice:
        raise refusal(f"{len(twice)} column names that occur twice", "a name a column", "rename the columns")
    return header


def _csv(data: bytes, path: Path, encoding: str | None) -> Records:
    if data[:4] == b"PK\x03\x04":
        raise refusal("a workbook under the name of a CSV file", "text", "call it .xlsx")
    text = _text(data, encoding)
    first = text.split("\n", 1)[0]
    separator = "\t" if path.suffix.lower() == ".tsv" else max(SEPARATORS, key=first.count)
    rows = _csv_rows(text, separator)
    header = _header(rows[0] if rows else [])
    records: Records = {}
    for number, row in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in row):
            continue  # spreadsheets end in rows of separators
        if len(row) != len(header):
            raise refusal(f"{len(row)} cells in row {number}", f"{len(header)}, as in the header", "quote or repair it")
        records[number] = {name: cell for name, cell in zip(header, row, strict=True) if name}
    return records


def _csv_rows(text: str, separator: str) -> list[list[str]]:
    """A line break within quotes begins no new row, in a spreadsheet's count too."""
    before = csv.field_size_limit(MAX_CELL)  # the module has it for the whole process only
    rows = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True):
            rows.append(row)
    except csv.Error:
        raise refusal(
            f"a quotation mark out of place or a cell of over {MAX_CELL:,} characters in row {len(rows) + 1}",
            "cells with line breaks or separators in quotes, and quotes in them doubled",
            "export the table again",
        ) from None
    finally:
        csv.field_size_limit(before)
    return rows


def _excel(data: bytes, path: Path, encoding: str | None) -> Records:
    import openpyxl

    expected, remedy = "an Excel workbook (.xlsx)", "save it again, or as CSV in UTF-8"
    with refusing("a workbook that cannot be read", expected, remedy):
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            if sum(part.file_size for part in parts.infolist()) > MAX_UNPACKED:
                raise refusal("a workbook that unpacks to over 2 GiB", expected, "save its rows as CSV")
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        filled = [_sheet(sheet) for sheet in book.worksheets]
        sheets = [rows for rows in filled if any(cell is not None for row in rows for cell in row)]
        if len(sheets) != 1:
            raise refusal(f"{len(sheets)} sheets with cells in them", "one", "save the sheet alone")
    header = _header(sheets[0][0])
    return {
        number: {name: row[place] if place < len(row) else None for place, name in enumerate(header) if name}
        for number, row in enumerate(sheets[0][1:], 2)
        if any(cell is not None for cell in row)
    }


def _sheet(sheet: Any) -> list[list[Any]]:
    """Values row by row; Excel's errors (#N/A, #REF!) are no values."""
    sheet.reset_dimensions()  # else one formatted cell far out fills every row up to it
    return [[None if cell.data_type == "e" else cell.value for cell in row] for row in sheet.iter_rows()]


def _parquet(data: bytes, path: Path, encoding: str | None) -> Records:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with refusing("a Parquet file that cannot be read", "a whole one", "export it again"):
        return dict(enumerate(pq.read_table(pa.BufferReader(data)).to_pylist(), 1))


def _json(data: bytes, path: Path, encoding: str | None) -> Records:
    return _objects({1: _text(data, encoding)}, "a JSON list of objects", whole=True)


def _json_lines(data: bytes, path: Path, encoding: str | None) -> Records:
    lines = _text(data, encoding).split("\n")  # not splitlines: a text may hold other line separators
    return _objects({n: line for n, line in enumerate(lines, 1) if line.strip()}, "one JSON object a line")


def _objects(texts: Mapping[int, str], expected: str, *, whole: bool = False) -> Records:
    records: Records = {}
    for number, text in texts.items():
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as problem:
            line = getattr(problem, "lineno", 1) + number - 1
            raise refusal(f"no JSON on line {line}", expected, "export the file again") from None
        rows = dict(enumerate(value, 1)) if whole and isinstance(value, list) else {number: value}
        for row, record in rows.items():
            if not isinstance(record, dict):
                raise refusal(f"no JSON object in row {row}", expected, "export the file again")
            records[row] = record
    return records


READERS: Mapping[str, Callable[[bytes, Path, str | None], Records]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".xlsx": _excel,
    ".parquet": _parquet,
    ".json": _json,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
}
