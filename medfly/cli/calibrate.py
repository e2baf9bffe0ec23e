"""`medfly calibrate`: a model asked what is known, and a calibration.json that says when to rely on its answers.

It finds the questions and asks the model; benchmarks.calibrating keeps the rows, benchmarks.calibrating_fit fits and
tells what the fit is worth on images that it has not seen.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmarks.calibrating import gather, usable
from benchmarks.calibrating_fit import best_curve, curves, fitted, worth
from benchmarks.calibrating_table import markdown
from benchmarks.contamination import UNKNOWN
from benchmarks.manifest import check_folder, claim, identity, made
from benchmarks.prompts import get_prompt
from benchmarks.shards import Share
from benchmarks.tasks import TASKS, Task, folder_of, get_task
from data_adapters.check import ROLES
from data_adapters.dataset import DataSet
from data_adapters.institutional import Institutional
from medfly.cli.model import ModelChoice, open_model
from medfly.cli.scored import look_for_leaks
from medfly.cli.told import tell_left_out
from medfly.trust.calibrated import NAME
from medfly.types import InputError, Sample

TABLE = "calibration.md"
BATCH = 16
REFUSED = ("captions",)  # a caption is not right or wrong


def run(
    task_name: str, split: str, data: Path, output_path: Path, *, model: ModelChoice, risk: float, limit: int | None
) -> Path:
    """Write NAME and TABLE into output_path and print the table; returns the former's path. Raises InputError."""
    if not 0 < risk < 1:
        raise InputError(f"--risk {risk:g}; expected a share between 0 and 1, such as 0.1: correct it")
    task = _task(task_name)
    check_folder(output_path, "output_path")
    split = task.split_of(split)
    dataset = _open(task, folder_of(data, task.name))
    samples = task.samples(dataset, split)[:limit]
    samples = usable(samples, split, _own_splits(dataset, split, samples))
    tell_left_out(dataset)
    _warn_of(split)
    fly = open_model(model)
    prompt, identified = get_prompt("question", task.name), model.identity(fly, fly.model.device.type)
    record = identity(
        samples,
        model=identified,
        task=task.name,
        split=split,
        prompt={"name": prompt.name, "version": prompt.version},
        batch_size=BATCH,
        max_new_tokens=task.max_new_tokens,
    )
    claim(output_path, {"calibration": True, **record}, made(Share.from_environment(), None))
    leaks = _leaks(dataset, split, samples)
    from medfly.trust.asking import measured

    known = gather(partial(measured, fly, max_new_tokens=task.max_new_tokens, batch_size=BATCH), samples, output_path)
    with Console(stderr=True).status("fitting, and judging each half by the other …"):
        calibration = fitted(fly, known, task=task.name, split=split, data=dataset.name, risk=risk)
        table = markdown(calibration, curves(known), worth(known, risk), best_curve(known), leaks)
    calibration.write(output_path / NAME)
    (output_path / TABLE).write_text(table, encoding="utf-8", newline="\n")
    print(table, end="")
    return output_path / NAME


def _task(name: str) -> Task:
    if "," in name:
        raise InputError(f"--tasks {name}: found several data sets; one data set expected: calibrate on one of them")
    known = [task.name for task in TASKS if task.name not in REFUSED]
    if name not in known:
        raise InputError(
            f"--tasks {name}: expected one of {', '.join(known)}, whose answers are right or wrong: choose"
        )
    return get_task(name)


def _open(task: Task, folder: Path) -> DataSet:
    """A table's name is told unless it is but its path, which may name a hospital or a patient."""
    dataset = task.open(folder)
    if isinstance(dataset, Institutional) and dataset.name == str(folder):
        return replace(dataset, name=task.name)
    return dataset


def _own_splits(dataset: DataSet, split: str, samples: Sequence[Sample]) -> list[str]:
    """What the rows of a hospital's table say themselves: a manifest goes before their column."""
    if not isinstance(dataset, Institutional):
        return []
    asked = {sample.id for sample in samples}
    return [entry.split for entry in dataset.entries(split) if entry.sample.id in asked]


def _warn_of(split: str) -> None:
    role = ROLES.get(split.lower())
    if role == "test":
        told = "answers to this split must not be scored with it, as they are what it was fitted on"
    elif role is None:
        told = "nothing says what this split is for; what the model was trained on must not be in it"
    else:
        return
    print(f"medfly: warning: a calibration fitted on {split!r}: {told}", file=sys.stderr)


def _leaks(dataset: DataSet, split: str, samples: Sequence[Sample]) -> str:
    """What of the questions is in training data, as `medfly eval` tells it; printed, too."""
    found = look_for_leaks(dataset, split, samples, ())
    told = f"{UNKNOWN}." if found is None else found.sentence
    print(f"medfly: {told}", file=sys.stderr)
    return told
