"""Tables as hospitals' programs write them; pandas and openpyxl write, ours reads."""

from __future__ import annotations

import csv
import datetime
import json
import math
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.styles import Font

from data_adapters.tables.table import MAX_CELL, read_table
from medfly.types import InputError

ROWS = [
    {"image": "a.png", "question": 'Is it, "clear"?\nTwo lines', "patient": "0012"},
    {"image": "b.png", "question": "Wo ist die Läsion?", "patient": "7"},
]


@pytest.mark.parametrize(
    "write",
    [
        lambda frame, path: frame.to_csv(path.with_suffix(".csv"), index=False),
        lambda frame, path: frame.to_csv(path.with_suffix(".csv"), index=False, sep=";", encoding="utf-8-sig"),
        lambda frame, path: frame.to_csv(path.with_suffix(".csv"), index=False, sep="\t", encoding="utf-16"),
        lambda frame, path: frame.to_csv(path.with_suffix(".tsv"), index=False, sep="\t", lineterminator="\r\n"),
        lambda frame, path: frame.to_excel(path.with_suffix(".xlsx"), index=False),
        lambda frame, path: frame.to_parquet(path.with_suffix(".parquet")),
        lambda frame, path: frame.to_json(path.with_suffix(".json"), orient="records"),
        lambda frame, path: frame.to_json(path.with_suffix(".jsonl"), orient="records", lines=True),
    ],
)
def test_every_format_gives_the_same_cells(tmp_path: Path, write: Any) -> None:
    write(pd.DataFrame(ROWS), tmp_path / "table")
    (path,) = tmp_path.iterdir()
    records = read_table(path)
    got = [{k: v.replace("\r\n", "\n") for k, v in record.items()} for record in records.values()]
    assert got == ROWS
    assert list(records) == ([2, 3] if path.suffix in (".csv", ".tsv", ".xlsx") else [1, 2])


def test_values_that_programs_change_become_text_again(tmp_path: Path) -> None:
    """Excel's numbers and dates, NaN, nulls, formula errors."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["patient", "date", "time", "answer", "share", "nothing"])
    day = datetime.datetime(2024, 5, 1)
    sheet.append([17, day, datetime.datetime(2024, 5, 1, 8, 30), "#N/A", 0.5, None])
    sheet.append([None] * 6)
    sheet.append([17.0, day.date(), None, " yes ", 1e300, None])
    book.save(tmp_path / "t.xlsx")
    records = read_table(tmp_path / "t.xlsx")
    assert list(records) == [2, 4]
    assert list(records[2].values()) == ["17", "2024-05-01", "2024-05-01 08:30:00", "", "0.5", ""]
    assert (records[4]["patient"], records[4]["answer"]) == ("17", "yes")
    pd.DataFrame({"patient": [17, None], "answer": ["x", math.nan], "day": [day, None]}).to_parquet(
        tmp_path / "t.parquet"
    )
    first, second = read_table(tmp_path / "t.parquet").values()
    assert (first["patient"], first["day"], second) == ("17", "2024-05-01", {"patient": "", "answer": "", "day": ""})
    (tmp_path / "t.jsonl").write_text(
        '{"a": NaN, "b": null, "c": 3.0}\n\n{"a": ["x", "y"], "b": {"c": 1}, "c": true}\n'
    )
    assert read_table(tmp_path / "t.jsonl") == {
        1: {"a": "", "b": "", "c": "3"},
        3: {"a": ["x", "y"], "b": {"c": 1}, "c": "True"},
    }


SECRET = "Doe^Jane"


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("t.csv", f"image,patient\na.png,{SECRET} Müller\n".encode("cp1252"), "utf-8 on line 2"),
        ("t.csv", f"image,patient\na.png,{SECRET},more\n".encode(), "3 cells in row 2; expected 2"),
        ("t.csv", f'image,patient\na.png,"{SECRET}\n'.encode(), "row 2"),
        ("t.csv", f"image,patient\na.png,{'x' * (MAX_CELL + 1)}\n".encode(), "row 2"),
        ("t.csv", f"{SECRET},{SECRET}\n1,2\n".encode(), "1 column names that occur twice"),
        ("t.csv", b"image,patient\n", "without rows"),
        ("t.csv", b"", "without rows"),
        ("t.csv", b"PK\x03\x04", "call it .xlsx"),
        ("t.xlsx", b"PK\x03\x04" + SECRET.encode(), "workbook that cannot be read"),
        ("t.xls", b"\xd0\xcf", "*.xls"),
        ("t.parquet", b"PAR1" + SECRET.encode(), "Parquet"),
        ("t.json", b'{"a": 1', "no JSON on line 1"),
        ("t.json", b"[1]", "no JSON object in row 1"),
        ("t.json", b"[" * 100_000, "no JSON on line 1"),
        ("t.jsonl", f'{{"a": 1}}\n{{"{SECRET}": \n'.encode(), "no JSON on line 2"),
    ],
)
def test_refusals_name_rows_and_quote_nothing(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(data)
    before = csv.field_size_limit()
    with pytest.raises(InputError) as refused:
        read_table(tmp_path / name)
    text = str(refused.value)
    assert words in text and "\n" not in text and "Doe" not in text
    assert csv.field_size_limit() == before


def test_encodings_and_long_cells(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("image;question\na.png;Größe?\n".encode("cp1252"))
    assert read_table(tmp_path / "t.csv", "cp1252")[2]["question"] == "Größe?"
    with pytest.raises(InputError, match="unknown encoding"):
        read_table(tmp_path / "t.csv", "klingon")
    long = "x" * 200_000  # over the csv module's own limit
    (tmp_path / "t.csv").write_text(f"image,question\na.png,{long}\n")
    assert read_table(tmp_path / "t.csv")[2]["question"] == long
    with pytest.raises(InputError, match="no such file"):
        read_table(tmp_path / "no.csv")


def test_a_formatted_cell_far_out_costs_nothing(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["image"])
    sheet.append(["a.png"])
    sheet["XFD60000"].font = Font(bold=True)
    book.save(tmp_path / "t.xlsx")
    assert read_table(tmp_path / "t.xlsx") == {2: {"image": "a.png"}}  # 16,384 × 60,000 cells would take minutes


def test_a_workbook_of_two_sheets_and_one_that_unpacks_too_far(tmp_path: Path, monkeypatch) -> None:
    book = openpyxl.Workbook()
    for sheet in (book.active, book.create_sheet()):
        assert sheet is not None
        sheet.append(["image"])
        sheet.append(["a.png"])
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(InputError, match="2 sheets with cells"):
        read_table(tmp_path / "t.xlsx")
    monkeypatch.setattr("data_adapters.tables.table.MAX_UNPACKED", 1000)
    with pytest.raises(InputError, match="unpacks to over"):
        read_table(tmp_path / "t.xlsx")


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(cells, cells), min_size=1, max_size=5))
def test_what_pythons_csv_writes_comes_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple]) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("left", "right"), *rows])
    wanted = [{"left": a.strip(), "right": b.strip()} for a, b in rows if (a + b).strip()]
    if wanted:
        assert list(read_table(path).values()) == wanted
    lines = path.with_suffix(".jsonl")
    lines.write_text("".join(json.dumps({"left": a, "right": b}) + "\n" for a, b in rows), encoding="utf-8")
    assert [r["left"] for r in read_table(lines).values()] == [a.strip() for a, _ in rows]


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=200), suffix=st.sampled_from([".csv", ".tsv", ".json", ".jsonl", ".parquet", ".xlsx"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes, suffix: str) -> None:
    path = tmp_path_factory.mktemp("any") / f"t{suffix}"
    path.write_bytes(data)
    try:
        assert read_table(path)
    except InputError as problem:
        assert "\n" not in str(problem)
