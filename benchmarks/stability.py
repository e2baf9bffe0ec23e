"""Do answers stay the same under changes that should not matter, and are those that stay the right ones?

    python -m benchmarks.stability --model mini --tasks slake --split validate --data SLAKE --output_path DIR

Every question is asked again under every variation of medfly.sensitivity. Per variation: the share of answers that
flip, and how many are right under it. And agreement, the share of a question's variations that say the same as its
answer, as a confidence beside the token probability: see benchmarks.stability_tables. Rows are written image by image,
and a run that was killed goes on where it stopped; they hold ids and judgements, no words. Right is by normalised exact
match; where left and right were exchanged, after the answer's were exchanged back.

This module knows a model as something that answers and varies. Nothing is fitted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import medfly
from benchmarks.heading import page_head
from benchmarks.manifest import check_folder, claim, hash_of
from benchmarks.predictions import finished
from benchmarks.progress import progress
from benchmarks.protocols.exact import normalised_exact_match
from benchmarks.stability_tables import markdown
from benchmarks.tasks import Task, get_task
from medfly.sensitivity import PLAN, said_of_original, with_variations
from medfly.types import Answer, InputError, Sample

ROWS, TABLE = "stability.jsonl", "stability.md"


def run(fly: Any, samples: Sequence[Sample], folder: Path, *, limit: int, **asked: Any) -> list[dict[str, Any]]:
    """Ask every question that has no row in the folder yet; all rows, in the order of `samples`.

    fly: a medfly.MedFly. limit: tokens of an answer at most. asked: what else tells this run from another.
    Raises InputError where the folder holds another run.
    """
    record = {"model": {"name": fly.name, "hash": fly.hash}, "medfly": medfly.__version__, "plan": PLAN}
    record |= {"max_new_tokens": limit, "questions_hash": hash_of([sample.id for sample in samples])}
    claim(folder, record | asked, None)
    rows = {row["id"]: row for row in map(json.loads, finished(folder / ROWS))}
    todo = [sample for sample in samples if sample.id not in rows]
    with (folder / ROWS).open("a", encoding="utf-8") as file, progress("stability", len(samples), len(rows)) as advance:
        for _, group in groupby(todo, key=lambda sample: sample.image):
            for row in _rows(fly, list(group), limit):
                rows[row["id"]] = row
                file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
                advance()
            file.flush()
    return [rows[sample.id] for sample in samples]


def _rows(fly: Any, group: Sequence[Sample], limit: int) -> Iterator[dict[str, Any]]:
    """The rows of one image's questions."""
    scan = group[0].scan()
    answers = fly.ask(scan, [sample.question for sample in group], evidence=False, max_new_tokens=limit)
    for sample, answer in zip(group, with_variations(fly, scan, answers, max_new_tokens=limit), strict=True):
        yield row_of(sample, answer)


def row_of(sample: Sample, answer: Answer) -> dict[str, Any]:
    """What became of one question: its answer and each variation's, without their words."""
    gold = sample.answer or ""
    return {
        "id": sample.id,
        "image": sample.image,
        "patient": sample.patient,
        "confidence": answer.confidence,
        "right": normalised_exact_match(answer.text, gold),
        "variations": [
            {
                "kind": one.kind,
                "name": one.name,
                "same": one.same,
                "right": normalised_exact_match(said_of_original(one.kind, one.text), gold),
            }
            for one in answer.variations
        ],
    }


def _samples(task: Task, options: argparse.Namespace) -> list[Sample]:
    """The questions that have an answer to compare with."""
    if options.limit is not None and options.limit < 1:
        raise InputError(f"found --limit {options.limit}; expected at least 1: correct it")
    samples = [one for one in task.samples(task.open(options.data), options.split) if one.answer][: options.limit]
    if not samples:
        raise InputError(f"found no answered question in {options.split}; expected at least 1: take another split")
    return samples


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stability", description="Answers asked again.")
    parser.add_argument("--model", required=True, help="a model folder, or a built-in name such as mini")
    parser.add_argument("--tasks", required=True, help="one data set, such as slake")
    parser.add_argument("--split", required=True, help="as the data set names it")
    parser.add_argument("--data", required=True, type=Path, help="the data set's folder")
    parser.add_argument("--limit", type=int, help="only the first so many questions")
    parser.add_argument("--output_path", required=True, type=Path, help=f"where {ROWS} and {TABLE} go")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None, load: Callable[[str], Any] | None = None) -> int:
    """The command. Returns the exit status: 0 done, 2 the user's input was at fault. load: in medfly's place."""
    options = _options(arguments)
    try:
        task = get_task(options.tasks)
        check_folder(options.output_path, "--output_path")
        samples = _samples(task, options)
        # medfly.load brings torch in: only once the data are known to be there
        fly = (load or medfly.load)(options.model)
        split = task.split_of(options.split)
        rows = run(fly, samples, options.output_path, limit=task.max_new_tokens, task=task.name, split=split)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    title = "Stability under changes that should not matter"
    table = page_head(title, model=fly.name, model_hash=fly.hash, task=task.name, split=split) + markdown(rows)
    (options.output_path / TABLE).write_text(table, encoding="utf-8")
    print(table, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
