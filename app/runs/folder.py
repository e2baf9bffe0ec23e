"""A finished run of `medfly eval` joined with its data set: its questions, what was said, and who is right by a rule.

It reads through benchmarks, as `medfly score` does, and refuses in one line what does not belong together: a folder
that is no run, another run's questions, another run's pictures. Pictures are opened one at a time, when they are
shown. This module knows no page and no model.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.manifest import NAME as RECORD
from benchmarks.manifest import hash_of
from benchmarks.prompts import Prompt, get_prompt
from benchmarks.protocols.rule import Rule
from benchmarks.results import Result
from benchmarks.scores import in_group
from benchmarks.shards import WHOLE
from benchmarks.subgroups import SEPARATOR, spelt
from benchmarks.submissions import partial_sentence, questions_of, read_results
from benchmarks.tasks import Task, folder_of, get_task
from medfly.trust.calibrated import Calibration
from medfly.types import InputError, Sample

Outcome = Literal["right", "wrong", "unparsed", "left out", "unscored"]
Order = Literal["surest", "least sure", "as asked"]
OUTCOMES: tuple[Outcome, ...] = ("right", "wrong", "unparsed", "left out", "unscored")
ORDERS: tuple[Order, ...] = ("surest", "least sure", "as asked")
RIGHT = 0.5
"""From this score of a rule on an answer counts as right here; rules that measure words in common give any number."""
MOST_LABELS = 60
"""A column with more different labels is no subgroup: in a hospital's table it may name each row."""
ANSWER_TYPE = "answer type"
KEYS = {"task": str, "split": str, "model": dict, "prompt": dict, "samples": int, "questions_hash": str}


@dataclass(frozen=True, eq=False)
class Run:
    """A run with its questions.

    folder: TASK_SPLIT, which holds run.json. record: what run.json says. results: the N answered questions, in the
    data set's order. labels: subgroup's title → [N] the labels of each question, at least one. remarks: to be known
    beside it, a line each.
    """

    folder: Path
    record: Mapping[str, Any]
    task: Task
    split: str
    prompt: Prompt
    results: tuple[Result, ...]
    labels: Mapping[str, tuple[tuple[str, ...], ...]]
    remarks: tuple[str, ...] = ()

    @property
    def model(self) -> str:
        return str(self.record["model"].get("name"))

    @property
    def model_hash(self) -> str:
        """The model's hash; behind a "+" what was chosen beside it, such as a precision or a GPU."""
        return str(self.record["model"].get("hash"))

    @property
    def mark(self) -> str:
        """Tells this run from others on one machine, in a few letters that name no folder."""
        return hash_of([str(self.folder), self.record["questions_hash"]])[:12]

    def asked(self, number: int) -> str:
        """The question as it was put to the model."""
        return self.prompt.apply(self.results[number].sample)


@dataclass(frozen=True)
class Filter:
    """What is to be seen. An empty set means all.

    labels: title → any of these; several titles must all hold. deferred: only those that are, or only the others.
    words: all of these, in any order and case, in question, expected answer or prediction.
    """

    outcomes: frozenset[Outcome] = frozenset()
    labels: Mapping[str, frozenset[str]] = field(default_factory=dict)
    deferred: bool | None = None
    words: str = ""


def runs_in(folders: Sequence[Path]) -> list[Path]:
    """The run folders among these and directly in them, in order, each once.

    A link that leads out of the folders given is not followed.
    """
    found: dict[Path, None] = {}
    for folder in folders:
        root = folder.resolve()
        for one in (root, *(sorted(root.iterdir()) if root.is_dir() else ())):
            place = (one / RECORD).resolve()
            if place.is_file() and place.is_relative_to(root):
                found[place.parent] = None
    return list(found)


def open_run(folder: Path, data: Path | None) -> Run:
    """The run with its data set, which lies in `data`. Pictures may be missing: see `pictures_gone`.

    Raises InputError for a folder that is no run, one without answers, and data that are not the run's.
    """
    record = _record(folder)
    task = get_task(record["task"])
    if task.name == "captions":
        raise InputError(f"{folder}: a run of captions; expected one of questions: read its scores.md instead")
    prompt = _prompt(record, task.name)
    samples = _samples(folder, record, task, data)
    if not (folder / WHOLE).is_file():
        raise InputError(f"{folder}: no {WHOLE} yet; expected a run with answers: start its medfly eval again")
    results, warnings = read_results(folder, samples, partial=True)
    lack = partial_sentence(results, samples)
    remarks = [*warnings, *([] if lack is None else [lack])]
    return Run(folder, record, task, record["split"], prompt, tuple(results), _labels(results, task), tuple(remarks))


def _record(folder: Path) -> dict[str, Any]:
    path = folder / RECORD
    expected = "expected a folder that `medfly eval` wrote: check the path"
    try:
        found = json.loads(path.read_bytes())
    except OSError:
        raise InputError(f"{folder}: no readable {RECORD}; {expected}") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: not JSON; {expected}") from None
    lack = [key for key, kind in KEYS.items() if not isinstance(found, dict) or not isinstance(found.get(key), kind)]
    if lack:
        raise InputError(f"{path}: no usable {', '.join(lack)}; {expected}")
    return found


def _prompt(record: Mapping[str, Any], task: str) -> Prompt:
    """As the questions were put. Raises InputError where a prompt of that name asks in other words today."""
    told = record["prompt"]
    prompt = get_prompt(str(told.get("name")), task)
    if prompt.version != told.get("version"):
        raise InputError(
            f"prompt {prompt.name!r}: the run has version {str(told.get('version'))[:12]}, this MedFly "
            f"{prompt.version}; expected the same: open it with the MedFly that made it"
        )
    return prompt


def _samples(folder: Path, record: Mapping[str, Any], task: Task, data: Path | None) -> list[Sample]:
    """The run's questions, compared by their hash. Raises InputError where they are others."""
    if data is None:
        raise InputError(f"{folder}: no data folder was given; expected the run's data set: start with --data FOLDER")
    if not data.exists():
        raise InputError(f"data {str(data)!r}: no such folder; expected the run's data set: check --data")
    dataset, split = task.open(folder_of(data, task.name)), record["split"]
    samples = task.samples(dataset, split) if task.evidence else questions_of(dataset, split)
    samples = samples[: record["samples"]]  # --limit asks the first ones
    if hash_of([[s.id, s.image, s.question, s.answer, s.answer_type] for s in samples]) != record["questions_hash"]:
        raise InputError(
            f"{folder}: its {record['samples']:,} questions are not those of {task.name} {split} in {str(data)!r}; "
            "expected the data that the run was asked about: check --data"
        )
    return samples


def pictures_gone(run: Run) -> list[str]:
    """The names of pictures that cannot be read. Where all are there, they are compared with the run's by their hash.

    Raises InputError where they are others: what would be shown is not what the model saw.
    """
    hashes, gone = [], []
    for name, scan in {result.sample.image: result.sample.scan for result in run.results}.items():
        try:
            hashes.append((name, scan.content_hash))
        except (InputError, OSError):
            gone.append(name)
    expected = run.record.get("images_hash")
    if not gone and len(run.results) == run.record["samples"] and hash_of(sorted(hashes)) != expected:
        raise InputError(
            f"{run.folder}: the pictures in the data folder are not those that this run was asked about; expected the "
            "very same files: check --data (an audit's runs saw changed pictures and cannot be shown)"
        )
    return gone


def _labels(results: Sequence[Result], task: Task) -> dict[str, tuple[tuple[str, ...], ...]]:
    """As benchmarks.subgroups groups them."""
    keys = task.group_keys(result.sample for result in results)
    found = {ANSWER_TYPE: _spelt([[(result.tag or "").lower()] for result in results])}
    for title, key in keys.items():
        cells = [result.sample.metadata.get(key) for result in results]
        parts = [str(cell).split(SEPARATOR) if title in task.several and cell else [cell] for cell in cells]
        found[title] = _spelt(parts)
    return {title: cells for title, cells in found.items() if len(set().union(*cells)) <= MOST_LABELS}


def _spelt(parts: Sequence[Sequence[Any]]) -> tuple[tuple[str, ...], ...]:
    """Each question's cells as labels, each label once."""
    labels = iter(spelt([cell for cells in parts for cell in cells]))
    return tuple(tuple(dict.fromkeys(next(labels) for _ in cells)) for cells in parts)


def outcomes(run: Run, rule: Rule) -> tuple[Outcome, ...]:
    """[N] What each answer is by a rule."""
    return tuple(outcome(result, rule, run.task.name) for result in run.results)


def outcome(result: Result, rule: Rule, task: str) -> Outcome:
    """unscored: there is no gold answer. left out: the rule has no number for it. unparsed: it read no answer."""
    if not result.is_scored:
        return "unscored"
    judged = rule.judge(result.item(task))
    if judged.score is None or not any(in_group(result, rule, task, group) for group in rule.metrics):
        return "left out"
    if judged.unparsed:
        return "unparsed"
    return "right" if judged.score >= RIGHT else "wrong"


def deferred(run: Run, calibration: Calibration) -> tuple[bool, ...]:
    """[N] Whether an answer as sure as this would be deferred. By its confidence alone: no picture is read for it."""
    told = {sure: calibration.assess(sure).deferred for sure in {result.confidence for result in run.results}}
    return tuple(told[result.confidence] for result in run.results)


def counted(run: Run) -> list[tuple[str, str, int]]:
    """All labels as (title, label, questions), by title, the largest first."""
    found = []
    for title, cells in run.labels.items():
        count = Counter(label for labels in cells for label in labels)
        found += [(title, label, number) for label, number in sorted(count.items(), key=lambda one: (-one[1], one[0]))]
    return found


def chosen(
    run: Run, found: Sequence[Outcome], left: Sequence[bool] | None, wanted: Filter, order: Order = "surest"
) -> list[int]:
    """The numbers of the questions that are to be seen, in their order.

    found: [N] as `outcomes` gives it. left: [N] as `deferred` gives it, None where that is not known. Answers without
    a confidence come last in both orders; equal ones in the data set's.
    """
    words = wanted.words.casefold().split()
    numbers = [number for number in range(len(run.results)) if _is_wanted(run, number, found, left, wanted, words)]
    if order == "as asked":
        return numbers
    sign = -1 if order == "surest" else 1

    def key(number: int) -> tuple[bool, float]:
        sure = run.results[number].confidence
        return sure is None, sign * (sure or 0.0)

    return sorted(numbers, key=key)


def _is_wanted(
    run: Run, number: int, found: Sequence[Outcome], left: Sequence[bool] | None, wanted: Filter, words: Sequence[str]
) -> bool:
    if wanted.outcomes and found[number] not in wanted.outcomes:
        return False
    if wanted.deferred is not None and left is not None and left[number] != wanted.deferred:
        return False
    if any(labels and not labels & set(run.labels[title][number]) for title, labels in wanted.labels.items()):
        return False
    if not words:
        return True
    result = run.results[number]
    text = f"{result.sample.question}\n{result.sample.answer or ''}\n{result.prediction}".casefold()
    return all(word in text for word in words)
