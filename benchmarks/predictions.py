"""predictions.jsonl and its neighbours on disk: one JSON object per question, UTF-8, "\\n" line ends.

Keys of a row, in this order: id, image, question, answer, answer_type, prediction, confidence. id is the data set's
own, in its own JSON type; answer, answer_type and confidence may be null. Files by other tools may carry more keys.
This module knows the format; it knows no model and no scoring rule.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medfly.types import Answer, InputError, Sample
from medfly.writing import whole

KEYS = ("id", "image", "question", "answer", "answer_type", "prediction", "confidence")
Row = Mapping[str, Any]


def to_row(sample: Sample, answer: Answer) -> dict[str, Any]:
    """One question and what the model said, as a row of the file."""
    return {
        "id": sample.id,
        "image": sample.image,
        "question": sample.question,
        "answer": sample.answer,
        "answer_type": sample.answer_type,
        "prediction": answer.text,
        "confidence": None if answer.confidence is None else float(answer.confidence),
    }


def to_line(row: Row) -> str:
    """The row as its line, line end included. Raises ValueError for NaN, which JSON does not have."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"


def read(path: Path) -> list[dict[str, Any]]:
    """All rows of a finished predictions file.

    Raises InputError that names the line where the file is missing, a line is no JSON object, a key is missing or
    of the wrong type, or an id stands twice (a question counted twice moves the score).
    """
    try:
        lines = path.read_bytes().split(b"\n")  # not splitlines: a text may hold other line separators
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected a predictions.jsonl") from None
    rows = [parse(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    seen: set[str] = set()
    for row in rows:
        key = json.dumps(row["id"])
        if key in seen:
            raise InputError(f"{path}: id {key} stands twice; expected one row per question: remove one of them")
        seen.add(key)
    return rows


def parse(line: bytes, where: str) -> dict[str, Any]:
    """One line → its row. Raises InputError that starts with `where`."""
    try:
        row = json.loads(line)
    except ValueError:  # UnicodeDecodeError is one, too
        raise InputError(f"{where}: not JSON; expected one object per line: repair or remove the line") from None
    missing = [key for key in KEYS[:-1] if key not in row] if isinstance(row, dict) else list(KEYS)
    if missing:
        raise InputError(f"{where}: no {', '.join(missing)}; expected an object with {', '.join(KEYS)}: add what lacks")
    for key in ("image", "question", "prediction"):
        if not isinstance(row[key], str):
            raise InputError(f"{where}: {key} is {row[key]!r}; expected a string: put one there")
    if not isinstance(row["answer"], str | None):
        raise InputError(f"{where}: answer is {row['answer']!r}; expected a string or null: put quotes around it")
    return row


def write_json(path: Path, value: Any, *, anew: bool = False) -> None:
    """Write a JSON file whole or not at all. anew: leave a file alone that is there by then."""
    with whole(path, anew=anew) as partial:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2) + "\n"
        partial.write_text(text, encoding="utf-8", newline="\n")
