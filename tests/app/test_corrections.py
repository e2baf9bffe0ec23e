"""Corrections as lines: what is read back by json is what was corrected."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from app.runs.corrections import LONGEST, Correction, correct, to_lines
from app.runs.folder import Run, open_run
from medfly.types import InputError

from .made_runs import make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return open_run(*make_run(tmp_path_factory.mktemp("run")))


def test_lines_name_the_question_and_both_answers(run: Run) -> None:
    at = datetime(2026, 11, 23, 12, 0, 30, 5, UTC)
    lines = to_lines(run, {4: Correction(None, at), 0: Correction('Überall "links"\u2028', at)}).split("\n")
    assert lines.pop() == ""
    first, second = (json.loads(line) for line in lines)
    assert first == {
        "task": "slake",
        "split": "validate",
        "questions_hash": run.record["questions_hash"],
        "id": 0,
        "image": "xmlab0/source.jpg",
        "question": "Where is the liver?",
        "answer": "Left",
        "corrected": 'Überall "links"\u2028',
        "corrected_at": "2026-11-23T12:00:30+00:00",
    }
    assert (second["id"], second["corrected"]) == (20, None)
    assert to_lines(run, {}) == ""


def test_blanks_become_single_ones(run: Run) -> None:
    made = correct(run, 0, "  upper \n left\t")
    assert made.answer == "upper left" and made.at.tzinfo is UTC
    assert correct(run, 0, None).answer is None
    assert correct(run, 0, "left").answer == "left"  # another spelling is another answer


@pytest.mark.parametrize("answer", ["", " \n", "Left", " Left ", "x" * (LONGEST + 1)])
def test_what_is_no_correction(run: Run, answer: str) -> None:
    with pytest.raises(InputError, match="expected"):
        correct(run, 0, answer)
