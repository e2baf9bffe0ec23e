"""Runs for tests: the harness asks a callable of ours, or a model, about pictures of noise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.runner import AnswerFunction
from benchmarks.runner import run as ask_all
from benchmarks.tasks import get_task
from medfly.types import Answer, Sample

from ..data_adapters.made_sets import make_noise_slake

SAID = ("left.", "Yes", "Right", "", "LEFT", "No")
SURE = (0.9, 0.8, 0.7, None, 0.5, 0.95)
"""To the questions of make_noise_slake in their order, which expect Left, Yes, Left, Yes, …"""


def spoken(samples: Iterable[Sample]) -> Iterator[Answer]:
    """SAID with SURE, over and over."""
    for number, sample in enumerate(samples):
        yield Answer(sample.question, SAID[number % len(SAID)], SURE[number % len(SURE)])


def make_run(
    folder: Path,
    answer: AnswerFunction = spoken,
    *,
    images: int = 3,
    limit: int | None = None,
    model_hash: str = "0" * 64,
    batch_size: int = 1,
) -> tuple[Path, Path]:
    """(run's folder, data folder) of a finished run over the validation split."""
    data = make_noise_slake(folder / "data" / "slake", images)
    task = get_task("slake")
    samples: Sequence[Sample] = task.samples(task.open(data), "validate")[:limit]
    model = {"name": "spoken", "hash": model_hash}
    ask = {"model": model, "task": "slake", "split": "validate", "batch_size": batch_size, "max_new_tokens": 8}
    return ask_all(answer, samples, folder / "runs", **ask), data.parent


def other_answer(sample: Sample, answer: str) -> Sample:
    return replace(sample, answer=answer)
