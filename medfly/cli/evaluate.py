"""`medfly eval`: a model through the benchmark runner, one task after the other.

It finds the questions, loads the model and prints the scores; benchmarks.runner asks, keeps and resumes.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmarks import runner
from benchmarks.report import table
from benchmarks.tasks import get_task
from medfly.cli.model import ModelChoice, open_model
from medfly.types import InputError


def run(
    tasks: Sequence[str],
    split: str,
    data: Path,
    output_path: Path,
    *,
    model: ModelChoice,
    limit: int | None,
    batch_size: int,
) -> None:
    """Answer and score each task into `output_path/TASK_SPLIT/`. Raises InputError."""
    names = list(dict.fromkeys(name.strip() for name in tasks))
    _check_output(output_path)
    questions = {name: get_task(name).samples(_folder(data, name), split, limit) for name in names}
    for name in names:
        if count := get_task(name).left_out(_folder(data, name)):
            print(f"medfly: {name}: {count:,} rows at fault left out: `medfly data check` lists them", file=sys.stderr)
    fly = open_model(model)
    console = Console()
    for name, samples in questions.items():
        answer = partial(fly.answer, batch_size=batch_size)
        folder = runner.run(answer, samples, output_path, model=model.identity(fly), task=name, split=split)
        scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
        console.print(table(scores, f"{name} {split}: {fly.name}"))
        print(f"predictions and scores: {folder}")


def _folder(data: Path, task: str) -> Path:
    """The data set's folder: `data` itself, or the folder in it that is named after the task."""
    return data / task if (data / task).is_dir() else data


def _check_output(path: Path) -> None:
    """Raises InputError where no folder can be made, before minutes are spent on a model."""
    there = path.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise InputError(
            f"output_path {str(path)!r}: {str(there)!r} is no folder to write to; expected one: choose another"
        )
