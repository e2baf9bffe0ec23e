"""`medfly calibrate`: a model asked what is known, and a calibration.json that says when to rely on its answers.

It finds the questions and asks the model; benchmarks.calibrating keeps the rows, benchmarks.calibrating_fit fits and
tells what the fit is worth on images that it has not seen.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmarks.calibrating import RULE, Known, gather, usable
from benchmarks.calibrating_fit import COVERAGE, best_curve, curves, fit, worth
from benchmarks.calibrating_table import markdown
from benchmarks.calibration import FITS
from benchmarks.manifest import claim, identity, made
from benchmarks.prompts import get_prompt
from benchmarks.shards import Share
from benchmarks.tasks import folder_of, get_task
from data_adapters.check import ROLES
from data_adapters.dataset import DataSet
from medfly.cli.model import ModelChoice, open_model
from medfly.cli.scored import check_folder
from medfly.cli.told import tell_left_out
from medfly.trust.calibrated import NAME, Calibration, Fitted
from medfly.types import InputError

TABLE = "calibration.md"
BATCH = 16


def run(
    task_name: str, split: str, data: Path, output_path: Path, *, model: ModelChoice, risk: float, limit: int | None
) -> Path:
    """Write NAME and TABLE into output_path and print the table; returns the former's path. Raises InputError."""
    if not 0 < risk < 1:
        raise InputError(f"--risk {risk:g}; expected a share between 0 and 1, such as 0.1: correct it")
    task = get_task(task_name)
    if task.name == "captions":
        raise InputError("--tasks captions; a caption is not right or wrong: take a task of questions")
    check_folder(output_path, "output_path")
    folder, split = folder_of(data, task.name), task.split_of(split)
    dataset = task.open(folder)
    samples = usable(task.samples(dataset, split)[:limit], split)
    tell_left_out(dataset)
    if ROLES.get(split.lower()) == "test":
        told = "answers to this split must not be scored with it, as they are what it was fitted on"
        print(f"medfly: warning: a calibration fitted on {split!r}: {told}", file=sys.stderr)
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
    from medfly.trust.asking import measured

    known = gather(partial(measured, fly, max_new_tokens=task.max_new_tokens, batch_size=BATCH), samples, output_path)
    about = Fitted(
        task=task.name,
        split=split,
        data=_name(dataset, folder, task.name),
        rule=RULE.title,
        questions=len(known.questions),
        images=len(known.features),
        with_options=sum(one is not None for one in known.shares),
    )
    with Console(stderr=True).status("fitting, and judging each half by the other …"):
        calibration, table = _fitted(known, about, fly.name, fly.hash, fly.model.precision, risk)
    calibration.write(output_path / NAME)
    (output_path / TABLE).write_text(table, encoding="utf-8", newline="\n")
    print(table, end="")
    return output_path / NAME


def _fitted(
    known: Known, about: Fitted, name: str, model_hash: str, precision: str, risk: float
) -> tuple[Calibration, str]:
    """The calibration of all answers, and the table of what such a one is worth on others."""
    told = curves(known)
    chosen = best_curve(told)
    curve = FITS[chosen]
    parts = fit(known, risk, curve)
    calibration = Calibration(
        model=name.rstrip("/").rsplit("/", 1)[-1],  # a folder's path is nobody's concern
        model_hash=model_hash,
        precision=precision,
        fitted=about,
        curve=parts.curve,
        risk=risk,
        threshold=parts.threshold,
        coverage=COVERAGE,
        quantile=parts.quantile,
        familiar=parts.familiar,
    )
    return calibration, markdown(calibration, told, worth(known, risk, curve), chosen)


def _name(dataset: DataSet, folder: Path, task: str) -> str:
    """The data set's name, unless it is but its path, which may name a hospital or a patient."""
    return task if dataset.name == str(folder) else dataset.name
