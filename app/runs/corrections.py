"""Corrections of a data set's answers, made while a run was read, and the JSON lines that they are handed on as.

The data set's own files are never written, and no score is made from a correction: whoever changes labels after he has
seen the predictions has to say so. A line names the question by the data set's own id and holds both answers, so that
it can be applied, reviewed or refused. This module knows no page; nothing is kept here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from app.runs.folder import Run
from medfly.types import InputError

LONGEST = 1000
"""Letters of a corrected answer."""


@dataclass(frozen=True)
class Correction:
    """answer: what is expected instead; None: the question has no right answer. at: when, in UTC."""

    answer: str | None
    at: datetime


def correct(run: Run, number: int, answer: str | None) -> Correction:
    """A correction of one question's answer, its white space made single blanks.

    Raises InputError for an empty or overlong answer and for the data set's own.
    """
    before = run.results[number].sample.answer
    text = None if answer is None else " ".join(answer.split())
    if text == "":
        raise InputError("an empty answer; expected words, or that the question has no right answer: choose that")
    if text is not None and len(text) > LONGEST:
        raise InputError(f"an answer of {len(text):,} letters; expected at most {LONGEST:,}: shorten it")
    if text == before:
        raise InputError("the data set's own answer; expected another: change it, or take the correction back")
    return Correction(text, datetime.now(UTC))


def to_lines(run: Run, corrections: Mapping[int, Correction]) -> str:
    """A JSON object a line, in the data set's order.

    Keys: task, split, questions_hash (of the run: which data), id, image, question, answer (the data set's),
    corrected (null: no right answer), corrected_at (ISO 8601, UTC).
    """
    return "".join(_line(run, number, corrections[number]) for number in sorted(corrections))


def _line(run: Run, number: int, correction: Correction) -> str:
    sample = run.results[number].sample
    value = {
        "task": run.task.name,
        "split": run.split,
        "questions_hash": run.record["questions_hash"],
        "id": sample.id,
        "image": sample.image,
        "question": sample.question,
        "answer": sample.answer,
        "corrected": correction.answer,
        "corrected_at": correction.at.isoformat(timespec="seconds"),
    }
    return json.dumps(value, ensure_ascii=False) + "\n"
