"""`medfly score`: anybody's predictions under every rule, without a model.

It reads predictions (benchmarks.submissions), has them scored (benchmarks.summary), and prints or writes the tables
and the page. Pictures are opened for the leakage check, for the page and for boxes on them; other scores need none.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import tables
from benchmarks.manifest import NAME as RUN
from benchmarks.manifest import check_folder
from benchmarks.progress import progress
from benchmarks.protocols import RULES
from benchmarks.protocols.rule import Rule
from benchmarks.results import Result
from benchmarks.shards import WHOLE
from benchmarks.submissions import ids_elsewhere, partial_sentence, read_results
from benchmarks.summary import summarise
from benchmarks.tasks import Task, folder_of, get_task
from medfly.cli.scored import Summary, expected_questions, look_for_leaks, show, write_report, write_tables
from medfly.cli.told import tell_left_out
from medfly.types import InputError

VERDICTS = "judge.jsonl"


@dataclass(frozen=True)
class JudgeChoice:
    """A model that judges answers, and the OpenAI-compatible server that has it; see benchmarks.judge."""

    model: str
    url: str
    allow_upload: bool = False


@dataclass(frozen=True)
class Manner:
    """How predictions are read. partial: score a part of the split. encoding: of text that is not Unicode.

    name: what the tables call the model; by default as the run's record has it, else the file's name.
    train_data: folders of what the model was trained on, for the leakage check. judge: as a protocol of its own.
    """

    partial: bool = False
    encoding: str | None = None
    name: str | None = None
    train_data: tuple[Path, ...] = ()
    judge: JudgeChoice | None = None


@dataclass(frozen=True)
class Output:
    """as_json: the summary on stdout, an object a line for each task, in place of the table. The others are files."""

    as_json: bool = False
    latex: Path | None = None
    markdown: Path | None = None
    html: Path | None = None


def run(predictions: Path, tasks: Sequence[str], split: str, data: Path, *, manner: Manner, output: Output) -> None:
    """Score one task's predictions, or several tasks' in a folder that holds a folder TASK_SPLIT for each.

    Raises InputError for predictions that cannot be read or do not fit the split, and for files that cannot be written.
    """
    chosen = [get_task(name) for name in dict.fromkeys(name.strip() for name in tasks)]
    if len(chosen) > 1 and output.html is not None:
        raise InputError(f"--html with {len(chosen)} tasks; a page is about one: score them one at a time")
    if output.html is not None and chosen[0].name == "captions":
        raise InputError("--html with captions; the page is about questions: take --markdown or --latex")
    _check_evidence(chosen, manner, output)
    for option in ("latex", "markdown", "html"):
        if (path := getattr(output, option)) is not None:
            check_folder(path.parent, f"--{option}: folder")
    scored = [_score(_place(predictions, task, split, len(chosen)), task, split, data, manner) for task in chosen]
    summaries = [summary for summary, _ in scored]
    for summary in summaries:
        if output.as_json:
            print(json.dumps(summary, allow_nan=False))
        else:
            show(summary)
    for path, render in ((output.latex, tables.to_latex), (output.markdown, tables.to_markdown)):
        if path is not None:
            write_tables(summaries, path, render)
    if output.html is not None and (lack := write_report(*scored[0], output.html)):
        print(f"medfly: {lack} mistakes are not on the page: their pictures cannot be opened", file=sys.stderr)


def _check_evidence(tasks: Sequence[Task], manner: Manner, output: Output) -> None:
    """Raises InputError for options about right and wrong answers with a task that scores their evidence."""
    for task in tasks:
        if task.evidence and output.html is not None:
            raise InputError(f"--html with {task.name}; the page is about answers: take --markdown or --latex")
        if task.evidence and manner.judge is not None:
            raise InputError(f"--judge with {task.name}; it judges answers, and this scores evidence: leave it off")


def _place(predictions: Path, task: Task, split: str, tasks: int) -> Path:
    """Where one task's predictions are: `predictions` itself, or the folder TASK_SPLIT in it."""
    if tasks > 1 and predictions.is_file():
        raise InputError(f"{predictions}: one file and {tasks} tasks; a file is about one: score them one at a time")
    folder = predictions / f"{task.name}_{task.split_of(split)}"
    if folder.is_dir():
        return folder
    if tasks > 1:
        raise InputError(f"{folder}: found no such folder; expected one for each of the {tasks} tasks: check the path")
    return predictions


def _score(path: Path, task: Task, split: str, data: Path, manner: Manner) -> tuple[Summary, list[Result]]:
    folder, split = folder_of(data, task.name), task.split_of(split)
    dataset = task.open(folder)
    tell_left_out(dataset)
    samples = expected_questions(task, dataset, split)
    results, warnings = read_results(
        path,
        samples,
        partial=manner.partial,
        other_splits=partial(ids_elsewhere, folder, task.name, split),
        encoding=manner.encoding,
    )
    found = look_for_leaks(dataset, split, [result.sample for result in results], manner.train_data)
    manifest = _manifest(path)
    known = {"name": path.name, "hash": None} if manifest is None else manifest["model"]
    summary = summarise(
        results,
        task,
        split,
        dataset=dataset,
        model=known if manner.name is None else {**known, "name": manner.name},
        manifest=manifest,
        contamination=found,
        partial=partial_sentence(results, samples),
        warnings=warnings,
        rules=RULES if manner.judge is None else (*RULES, _judged(manner.judge, results, task.name, path)),
    )
    return summary, results


def _judged(choice: JudgeChoice, results: Sequence[Result], task: str, path: Path) -> Rule:
    """The judge's verdicts as a rule. They are kept beside the predictions, so that each is asked for once."""
    from benchmarks.judge import judge_at

    kept = path / VERDICTS if path.is_dir() else path.with_name(f"{path.name}.{VERDICTS}")
    judge = judge_at(choice.url, choice.model, kept, allow_upload=choice.allow_upload)
    items = [result.item(task) for result in results if result.is_scored]
    with progress(f"judged by {choice.model}", len(items)) as advance:
        for _ in judge.fill(items):
            advance()
    return judge.rule


def _manifest(path: Path) -> Mapping[str, Any] | None:
    """The record of the run whose folder or file it is; None for predictions that came without one."""
    try:
        found = json.loads((path.parent if path.name == WHOLE else path).joinpath(RUN).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    model = found.get("model") if isinstance(found, dict) else None
    return found if isinstance(model, dict) and {"name", "hash"} <= model.keys() else None
