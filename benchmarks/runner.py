"""Ask a model every question of a split and keep what it says, through interruptions.

A run's folder holds run.json (what was asked of whom, written first), predictions.jsonl (grown a line at a time) and
scores.json (written when all is answered). The runner knows a model only as a callable; it knows no data set.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import predictions
from benchmarks.progress import progress
from benchmarks.report import score
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
) -> Path:
    """Answer all samples into `output_path/TASK_SPLIT/` and score them; returns that folder.

    model: its "name" and its "hash", which must change whenever its answers may.
    A folder of the same run is resumed after the rows that it holds; a last line that was cut off is done again.
    Raises InputError where the folder belongs to another run, or there is no question; RuntimeError where the model
    does not give one answer per sample in their order. What had been answered by then is on disk.
    """
    asked = list(samples)
    if not asked:
        raise InputError(f"{task} {split}: found no questions; expected at least 1: look at the folder and the split")
    folder = Path(output_path) / f"{task}_{split}"
    _claim(folder, _manifest(asked, model, task, split))
    path = folder / "predictions.jsonl"
    done = _resume(path, asked)
    _stream(answer, asked, path, done, f"{task} {split}")
    predictions.write_json(folder / "scores.json", score(predictions.read(path)))
    return folder


def _manifest(samples: Sequence[Sample], model: Mapping[str, str], task: str, split: str) -> dict[str, Any]:
    questions = [[s.id, s.image, s.question, s.answer, s.answer_type] for s in samples]
    loaders = {s.image: s.scan for s in samples}  # the samples of one image share one scan
    images = sorted((name, scan.content_hash) for name, scan in loaders.items())
    return {
        "task": task,
        "split": split,
        "model": {"name": model["name"], "hash": model["hash"]},
        "samples": len(samples),
        "questions_hash": _hash(questions),
        "images_hash": _hash(images),  # the same questions about blank or shuffled images are another run
    }


def _hash(value: Any) -> str:
    """SHA-256 of the value's JSON, hexadecimal."""
    return hashlib.sha256(json.dumps(value, ensure_ascii=True).encode()).hexdigest()


def _claim(folder: Path, manifest: dict[str, Any]) -> None:
    """Make the folder this run's, or find that it is already. Raises InputError where it is another's."""
    path = folder / "run.json"
    remedy = "choose another --output_path, or remove that folder"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            if (folder / "predictions.jsonl").exists():
                raise InputError(f"{folder}: found predictions.jsonl without run.json; expected both or none: {remedy}")
            predictions.write_json(path, manifest)
            return
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be used ({error}); expected this run's record: {remedy}") from None
    for key, expected in manifest.items():
        there = found.get(key) if isinstance(found, dict) else None
        if key == "model":  # a renamed model is the same model
            key, expected, there = (
                "model hash",
                expected["hash"],
                there.get("hash") if isinstance(there, dict) else None,
            )
        if there != expected:
            raise InputError(f"{folder} holds another run: found {key} {there!r}, expected {expected!r}: {remedy}")


def _resume(path: Path, samples: Sequence[Sample]) -> int:
    """How many samples are answered in the file; cuts off a last line without its end.

    Raises InputError where a whole line is broken or is not about the sample that stands at its place.
    """
    if not path.exists():
        return 0
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    lines = whole.split(b"\n")[:-1]
    remedy = "remove this folder to start again"
    if len(lines) > len(samples):
        raise InputError(f"{path}: found {len(lines)} rows, expected at most {len(samples)}: {remedy}")
    for number, (line, sample) in enumerate(zip(lines, samples, strict=False), 1):
        row = predictions.parse(line, f"{path}, line {number}")
        if (row["id"], row["question"]) != (sample.id, sample.question):
            raise InputError(f"{path}, line {number}: found id {row['id']!r}, expected {sample.id!r}: {remedy}")
    if len(whole) < len(content):  # only now: a file that is refused is left as it was
        with path.open("r+b") as file:
            file.truncate(len(whole))
    return len(lines)


def _stream(answer: AnswerFunction, samples: Sequence[Sample], path: Path, done: int, label: str) -> None:
    """Append a row for each sample from number `done` on, as the answers come."""
    todo = samples[done:]
    if not todo:
        return
    count = 0
    with ExitStack() as stack:
        file = stack.enter_context(path.open("a", encoding="utf-8", newline="\n"))
        advance = stack.enter_context(progress(label, len(samples), done))
        for said in answer(todo):
            if count == len(todo):
                raise RuntimeError(f"the model gave more answers than the {len(todo)} samples that it was asked")
            sample = todo[count]
            if (
                said.question.split() != sample.question.split()
            ):  # shifted by one, every score would be wrong in silence
                raise RuntimeError(
                    f"the model's answers are out of order: sample {sample.id!r} asks {sample.question!r}, "
                    f"the answer is to {said.question!r}"
                )
            file.write(predictions.to_line(predictions.to_row(sample, said)))
            file.flush()
            count += 1
            advance()
    if count < len(todo):
        raise RuntimeError(f"the model gave {count} answers to {len(todo)} samples; the rest can be resumed")
