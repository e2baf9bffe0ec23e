"""`medfly eval`: a model through the benchmark runner, one task after the other, and the report on what it said.

It finds the questions, loads the model and prints the scores; benchmarks.runner asks, keeps and resumes. Started by
torchrun or accelerate launch, the processes share the questions, and the first alone scores.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import tables
from benchmarks.audit import AS_IS, audit, conditions
from benchmarks.manifest import NAME as RUN
from benchmarks.manifest import check_folder, threads_of
from benchmarks.predictions import write_json
from benchmarks.prompts import Prompt, get_prompt
from benchmarks.protocols.exact import NORMALISED
from benchmarks.runner import AnswerFunction, read_results
from benchmarks.runner import run as ask_all
from benchmarks.shards import Share
from benchmarks.summary import summarise
from benchmarks.tasks import TASKS, Task, folder_of, get_task
from data_adapters.dataset import DataSet
from medfly.cli.model import Answerer, ModelChoice, open_answerer
from medfly.cli.scored import look_for_leaks, show, write_report, write_tables
from medfly.cli.told import bar, tell_left_out
from medfly.evidence import Wanted
from medfly.types import Answer, InputError, Sample, Scan


@dataclass(frozen=True)
class Manner:
    """How the questions are asked, and what is found out beside the scores.

    limit: only the first so many questions. batch_size: questions of one image at a time. prompt: a name of
    benchmarks.prompts. audit: ask again with the images blank, noise and shuffled. evidence: of the mistakes that the
    report shows. causal: the evidence that a task scores is made by leaving every crop out, not by gradients.
    train_data: folders of what the model was trained on, for the leakage check and the majority.
    """

    limit: int | None = None
    batch_size: int = 16
    prompt: str = "question"
    audit: bool = False
    evidence: bool = True
    train_data: tuple[Path, ...] = ()
    causal: bool = False

    def wanted(self, task: Task) -> Wanted:
        """The evidence that comes with every answer of a task."""
        return task.evidence and ("causal_all" if self.causal else True)


@dataclass(frozen=True)
class Asked:
    """One task, ready to be asked."""

    task: Task
    split: str
    dataset: DataSet
    samples: list[Sample]
    prompt: Prompt
    partial: str | None


def run(tasks: Sequence[str], split: str, data: Path, output_path: Path, *, model: ModelChoice, manner: Manner) -> None:
    """Answer and score each task into `output_path/TASK_SPLIT/`. Raises InputError."""
    names = list(dict.fromkeys(name.strip() for name in tasks))
    check_folder(output_path, "output_path")
    _check_causal([get_task(name) for name in names], manner)
    opened = [_open(get_task(name), split, folder_of(data, name), manner) for name in names]
    for one in opened:
        tell_left_out(one.dataset)
    answerer = open_answerer(model)
    _check_evidence([one.task for one in opened], answerer)
    for one in opened:
        _evaluate(one, answerer, output_path, manner)


def _check_causal(tasks: Sequence[Task], manner: Manner) -> None:
    if manner.causal and not any(task.evidence for task in tasks):
        known = ", ".join(task.name for task in TASKS if task.evidence)
        raise InputError(f"--causal: found no task that scores evidence; expected {known} among --tasks: leave it off")


def _check_evidence(tasks: Sequence[Task], answerer: Answerer) -> None:
    """Before anything is asked. Raises InputError where a task scores evidence and the model has none to give."""
    for task in tasks:
        if task.evidence and not answerer.evidence:
            raise InputError(
                f"task {task.name} scores the evidence of answers: {answerer.identity['name']!r} gives none; expected "
                "one of MedFly's own models, asked without --base_url: choose another --model, or leave the task off"
            )


def _open(task: Task, split: str, folder: Path, manner: Manner) -> Asked:
    dataset = task.open(folder)
    with bar(f"{task.name}: looking for questions") as progress:
        samples = task.samples(dataset, split, progress)
    partial = None
    if manner.limit is not None and manner.limit < len(samples):
        partial = f"partial: only the first {manner.limit:,} of {len(samples):,} questions were asked (--limit)"
        samples = samples[: manner.limit]
    return Asked(task, task.split_of(split), dataset, samples, get_prompt(manner.prompt, task.name), partial)


def _evaluate(asked: Asked, answerer: Answerer, output_path: Path, manner: Manner) -> None:
    """Look for leakage, ask, score and report one task. Of several processes all ask, and the first does the rest."""
    first = Share.from_environment().rank == 0
    found = look_for_leaks(asked.dataset, asked.split, asked.samples, manner.train_data) if first else None
    folders, warnings = _ask(asked, answerer, output_path, manner)
    if not first:
        return
    results = {name: read_results(folder, asked.samples) for name, folder in folders.items()}
    folder = folders[AS_IS]
    summary = summarise(
        results[AS_IS],
        asked.task,
        asked.split,
        dataset=asked.dataset,
        model=answerer.identity,
        manifest=json.loads((folder / RUN).read_bytes()),
        contamination=found,
        audit=audit(results, NORMALISED, asked.task.name) if len(results) > 1 else None,
        partial=asked.partial,
        warnings=warnings,
    )
    write_json(folder / "scores.json", summary)
    write_tables([summary], folder / "scores.md", tables.to_markdown)
    write_tables([summary], folder / "scores.tex", tables.to_latex)
    if summary["scores"] is not None:  # the page is about questions that are right or wrong
        explain = partial(_explain, answerer, asked.prompt) if manner.evidence else _no_evidence
        write_report(summary, results[AS_IS], folder / "report.html", explain)
    show(summary)
    print(f"predictions, scores and {'report' if summary['scores'] is not None else 'tables'}: {folder}")


def _ask(asked: Asked, answerer: Answerer, output_path: Path, manner: Manner) -> tuple[dict[str, Path], list[str]]:
    """Condition → the folder of its answers, "as_is" alone without an audit; and what the audit had to leave out."""
    batch, longest = manner.batch_size if answerer.batches else 1, asked.task.max_new_tokens
    wanted = manner.wanted(asked.task)
    answer: AnswerFunction = partial(answerer.answer, max_new_tokens=longest)
    if wanted:
        answer = partial(answer, evidence=wanted)
    if answerer.batches:
        answer = partial(answer, batch_size=batch)
    ask = partial(
        ask_all,
        task=asked.task.name,
        split=asked.split,
        prompt=asked.prompt,
        batch_size=batch,
        max_new_tokens=longest,
        threads=_threads(answerer, output_path / f"{asked.task.name}_{asked.split}"),
        evidence=None if not wanted else "gradients" if wanted is True else wanted,
    )
    folders = {AS_IS: ask(answer, asked.samples, output_path, model=answerer.identity)}
    if not manner.audit:
        return folders, []
    if wanted:
        return folders, ["no audit: it is about what the answers score, and this task scores their evidence"]
    others, warnings = conditions(answer, answerer.identity, asked.samples, _training(asked))
    del others[AS_IS]
    for name, one in others.items():
        folders[name] = ask(one.answer, one.samples, output_path / "audit" / name, model=one.model)
    return folders, warnings


def _threads(answerer: Answerer, folder: Path) -> int | None:
    """As many as the run in the folder was begun with: sums in another order differ in their last digits."""
    if not answerer.computes_here:
        return None
    import torch

    if begun := threads_of(folder):
        torch.set_num_threads(begun)
    return torch.get_num_threads()


def _explain(answerer: Answerer, prompt: Prompt, sample: Sample, scan: Scan) -> Answer | None:
    """The answer once more, with its evidence, to the question as it was put."""
    return answerer.explain(scan, prompt.apply(sample))


def _no_evidence(sample: Sample, scan: Scan) -> None:
    return None


def _training(asked: Asked) -> list[Sample]:
    """The questions of the data set's own training split, none where it is not at hand."""
    if "train" not in asked.dataset.splits() or asked.split == "train":
        return []
    return asked.dataset.samples("train")
