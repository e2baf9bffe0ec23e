"""Ask a model every question of a split and keep what it says, through interruptions and by several processes.

A run's folder holds run.json (what was asked of whom, benchmarks.manifest) and predictions.jsonl, which grows a batch
of one image's questions at a time, in the order of benchmarks.shards. The runner knows a model only as a callable;
it knows no data set and no score.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from benchmarks import predictions
from benchmarks.manifest import claim, identity, made
from benchmarks.progress import progress
from benchmarks.prompts import QUESTION, Prompt, asked
from benchmarks.results import Result
from benchmarks.shards import WHOLE, Answered, Batch, Share, batches
from medfly.types import Answer, InputError, Sample

AnswerFunction = Callable[[Iterable[Sample]], Iterator[Answer]]


def run(
    answer: AnswerFunction,
    samples: Iterable[Sample],
    output_path: Path,
    *,
    model: Mapping[str, str],
    task: str,
    split: str,
    prompt: Prompt = QUESTION,
    batch_size: int = 1,
    max_new_tokens: int | None = None,
    threads: int | None = None,
    evidence: str | None = None,
    share: Share | None = None,
) -> Path:
    """Answer all samples into `output_path/TASK_SPLIT/predictions.jsonl`; returns that folder.

    model: its "name" and its "hash", which must change whenever its answers may.
    batch_size: as many questions of one image stand side by side and are written together; a model that asks several
        at a time must take no other number, so that its answers depend on the task alone.
    max_new_tokens, threads: what the model was told and computes with, for the record.
    evidence: how the answers' evidence is made, which is then kept in their rows; None where it is not wanted.
    share: this process's part of the images, by default as the environment says. The first process waits for the
        others; to them the folder may still be incomplete on return.
    A folder of the same run is gone on with: what is answered in it is not asked again, and whether a run was killed
    or not, the finished file is the same, byte for byte, if the model's answers are.
    Raises InputError where the folder belongs to another run, or there is no question; RuntimeError where the model
    does not give one answer per sample in their order. What had been answered by then is on disk.
    """
    questions = list(samples)
    if not questions:
        raise InputError(f"{task} {split}: found no questions; expected at least 1: look at the folder and the split")
    share = share or Share.from_environment()
    folder = Path(output_path) / f"{task}_{split}"
    record = identity(
        questions,
        model=model,
        task=task,
        split=split,
        prompt={"name": prompt.name, "version": prompt.version},
        batch_size=batch_size,
        max_new_tokens=max_new_tokens,
    )
    if evidence is not None:
        record["evidence"] = evidence
    claim(folder, record, made(share, threads) if share.rank == 0 else None)
    answered = Answered(folder, batches(questions, batch_size))
    todo = answered.own(share)
    label = f"{task} {split}" if share.world == 1 else f"{task} {split}, process {share.rank + 1} of {share.world}"
    if todo:
        answered.cut(share)
        left = sum(map(len, todo))
        total = len(questions) if share.world == 1 else left
        with (folder / share.file).open("ab") as file, progress(label, total, total - left) as advance:
            _ask(answer, todo, prompt, partial(_line, evidence is not None), file, advance)
    if share.rank == 0:
        answered.join(partial(_wait, f"{task} {split}", len(questions), share))
    return folder


def _wait(label: str, total: int, share: Share, answered: int) -> None:
    if share.world == 1:
        raise RuntimeError(f"{label}: {answered} of {total} answers are in the folder, though all were written to it")
    said = f"{label}: waiting for the other {share.world - 1} processes; {answered:,} of {total:,} questions answered"
    print(said, file=sys.stderr, flush=True)


def read_results(folder: Path, samples: Sequence[Sample]) -> list[Result]:
    """A finished run's answers in the order of its samples. Raises InputError where the folder holds another run's."""
    rows = {row["id"]: row for row in predictions.read(folder / WHOLE)}
    if len(rows) != len(samples) or any(sample.id not in rows for sample in samples):
        raise InputError(
            f"{folder}: found answers to {len(rows)} questions that are not the {len(samples)} asked; expected this "
            "run's: remove this folder to start again"
        )
    return [_result(sample, rows[sample.id]) for sample in samples]


def _result(sample: Sample, row: predictions.Row) -> Result:
    return Result(sample, row["prediction"], row.get("confidence"), predictions.as_evidence(row.get("evidence")))


def _ask(
    answer: AnswerFunction,
    todo: Sequence[Batch],
    prompt: Prompt,
    line: Callable[[Sample, Sample, Answer], str],
    file: BinaryIO,
    advance: Callable[[], None],
) -> None:
    """Append the rows of each batch in one piece, as its answers are there."""
    samples = list(chain.from_iterable(todo))
    put = asked(samples, prompt)
    answers, pairs = answer(put), zip(samples, put, strict=True)
    given = 0
    for batch in todo:
        lines = []
        for pair in islice(pairs, len(batch)):
            said = next(answers, None)
            if said is None:
                raise RuntimeError(f"the model gave {given} answers to {len(samples)} samples; the rest can be resumed")
            lines.append(line(*pair, said))
            given += 1
        file.write("".join(lines).encode())
        file.flush()
        for _ in batch:
            advance()
    if next(answers, None) is not None:
        raise RuntimeError(f"the model gave more answers than the {len(samples)} samples that it was asked")


def _line(evidence: bool, sample: Sample, put: Sample, said: Answer) -> str:
    """The row of an answer to `put`, which is the sample as it was put to the model."""
    if said.question.split() != put.question.split():  # shifted by one, every score would be wrong in silence
        raise RuntimeError(f"the model's answers are out of order: one to another question stands at {sample.called}")
    row = predictions.to_row(sample, said)
    if evidence:
        if said.evidence is None:
            raise RuntimeError(f"the model gave no evidence with its answer to {sample.called}")
        row = predictions.with_evidence(row, said.evidence)
    return predictions.to_line(row)
