"""predictions.jsonl and its neighbours on disk: one JSON object per question, UTF-8, "\\n" line ends.

Keys of a row, in this order: id, image, question, answer, answer_type, prediction, confidence. id is the data set's
own, in its own JSON type; answer, answer_type and confidence may be null. Files by other tools may carry more keys.
Of tasks that score evidence there is one more, evidence: {"method": …, "regions": [{"level", "crop", "box", "score"},
…]}, the best first, as medfly.types.Evidence has them.
This module knows the format; it knows no model and no scoring rule.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from medfly.types import Answer, Evidence, InputError, Level, Region, Sample
from medfly.writing import whole

REGION = ("level", "crop", "box", "score")
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


def with_evidence(row: Row, evidence: Evidence) -> dict[str, Any]:
    """The row of a task that scores evidence."""
    regions = [dict(zip(REGION, (r.level, r.crop, list(r.box), r.score), strict=True)) for r in evidence.regions]
    return {**row, "evidence": {"method": evidence.method, "regions": regions}}


def as_evidence(value: Any) -> Evidence | None:
    """A row's "evidence"; None for what is none, whoever wrote it."""
    if not isinstance(value, dict) or not isinstance(value.get("method"), str):
        return None
    found = value.get("regions")
    regions = [_region(one) for one in found] if isinstance(found, list) else []
    if None in regions or len({(one.level, one.crop) for one in regions if one}) != len(regions) or not regions:
        return None
    return Evidence(value["method"], tuple(one for one in regions if one))


def _region(value: Any) -> Region | None:
    if not isinstance(value, dict) or not set(REGION) <= value.keys():
        return None
    level, crop, box, score = (value[key] for key in REGION)
    numbers = [*box, score] if isinstance(box, list) and len(box) == 4 else [None]
    if level not in get_args(Level) or type(crop) is not int or crop < 0 or not all(map(_is_finite, numbers)):
        return None
    x0, y0, x1, y1 = map(float, box)
    return Region(level, crop, (x0, y0, x1, y1), float(score)) if x0 < x1 and y0 < y1 else None


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


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


def finished(path: Path) -> list[bytes]:
    """The whole lines of a file that a run appends to; [] where there is none yet.

    A last line that a kill cut short is taken off the file, so that the run can go on behind the others.
    """
    data = path.read_bytes() if path.exists() else b""
    lines = data[: data.rfind(b"\n") + 1]
    if lines != data:
        path.write_bytes(lines)
    return lines.splitlines()


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
