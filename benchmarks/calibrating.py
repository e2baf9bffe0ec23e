"""Every question with a known answer asked once, and what a calibration is fitted on kept: rows and pictures' features.

It appends one image at a time, so that a run that was killed goes on where it stopped. It knows a model as a call, and
fits nothing: see benchmarks.calibrating_fit. The rows hold ids, probabilities and what was right, and no question's
words; they stay where they were written, and only calibration.json is meant to be handed on.

Shapes: N questions, n images, F features.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.predictions import finished
from benchmarks.progress import progress
from benchmarks.protocols.exact import NORMALISED, normalised_exact_match
from benchmarks.results import Result
from benchmarks.statistics import LEAST
from benchmarks.subgroups import spelt
from data_adapters.check import ROLES
from medfly.trust import outside
from medfly.types import InputError, Sample

if TYPE_CHECKING:
    from medfly.trust.asking import Measured

ROWS, PICTURES = "rows.jsonl", "pictures.jsonl"
RULE = NORMALISED
FEWEST = 2 * max(LEAST, outside.LEAST)
"""Images or patients: half of them must do for a fit."""
KIND = "content_type"
"""The key of Sample.metadata that says what is asked about: SLAKE's."""

Measure = Callable[[Sequence[Sample]], "tuple[Sequence[float], Sequence[Measured]]"]
"""Samples about one image → its features, and what the model gave to each, in their order."""


@dataclass(frozen=True)
class Known:
    """Questions whose answers are known, with what the model gave.

    questions, kinds [N]: its words, and what it is about (see `kinds`); images, clusters [N] int: which picture, and
    what intervals resample (patients where they are known, else images); confidences, hits [N]; shares [N]: a closed
    question's options' probabilities, None of others; gold [N]: the right one among them, −1 where it is none of them;
    features [n, F].
    """

    questions: tuple[str, ...]
    kinds: tuple[str, ...]
    images: np.ndarray
    clusters: np.ndarray
    confidences: np.ndarray
    hits: np.ndarray
    shares: tuple[np.ndarray | None, ...]
    gold: np.ndarray
    features: np.ndarray

    def part(self, chosen: np.ndarray) -> Known:
        """The chosen questions, [N] bool, with the pictures that they are about."""
        where = np.flatnonzero(chosen)
        pictures, images = np.unique(self.images[where], return_inverse=True)
        return Known(
            tuple(self.questions[i] for i in where),
            tuple(self.kinds[i] for i in where),
            images,
            self.clusters[where],
            self.confidences[where],
            self.hits[where],
            tuple(self.shares[i] for i in where),
            self.gold[where],
            self.features[pictures],
        )


def usable(samples: Sequence[Sample], split: str, own: Iterable[str] = ()) -> list[Sample]:
    """The questions with a known answer. Raises InputError for training questions, and for too few images.

    own: the splits that a table's rows name themselves, whatever the split that they are asked for is called.
    """
    _not_trained_on(samples, split, own)
    found = [Result(sample, "") for sample in samples]
    kept = [result for result in found if result.is_scored]
    clusters = len({result.cluster for result in kept})
    if clusters < FEWEST:
        unit = "patients" if any(result.sample.patient is not None for result in kept) else "images"
        raise InputError(
            f"found {len(kept)} questions with a known answer about {clusters} {unit}; expected at least {FEWEST} "
            f"{unit}, as one half is judged by what was fitted on the other: raise --limit, or take a larger split"
        )
    return [result.sample for result in kept]


def _not_trained_on(samples: Sequence[Sample], split: str, own: Iterable[str]) -> None:
    why = "a model is surer of what it was trained on than of anything else; expected questions that it has not seen"
    if _is_training(split):
        raise InputError(f"split {split!r}: {why}: take the validation split")
    told = [*own, *(sample.metadata.get("split") for sample in samples)]
    if count := sum(map(_is_training, told)):
        raise InputError(
            f"split {split!r}: {count:,} of its rows are of the training split by the table: {why}: part them"
        )


def _is_training(split: Any) -> bool:
    return ROLES.get(str(split).strip().lower()) == "train"


def kinds(samples: Sequence[Sample]) -> tuple[str, ...]:
    """[N] What each question is about: its content type, as the report's subgroups have it; else its answer type."""
    if any(sample.metadata.get(KIND) for sample in samples):
        return tuple(spelt([sample.metadata.get(KIND) for sample in samples]))
    return tuple(spelt([(Result(sample, "").tag or "").lower() for sample in samples]))


def gather(measure: Measure, samples: Sequence[Sample], folder: Path) -> Known:
    """Ask every question that has no row in the folder yet, whose run it is (benchmarks.manifest.claim); all of them.

    samples: those of one image side by side, or else the image is read again.
    """
    rows = {row["id"]: row for row in map(json.loads, finished(folder / ROWS))}
    pictures = {row["image"]: row["features"] for row in map(json.loads, finished(folder / PICTURES))}
    todo = [sample for sample in samples if sample.id not in rows]
    with (
        (folder / ROWS).open("a", encoding="utf-8") as kept,
        (folder / PICTURES).open("a", encoding="utf-8") as seen,
        progress("calibrating", len(samples), len(samples) - len(todo)) as advance,
    ):
        for image, group in groupby(todo, key=lambda sample: sample.image):
            asked = list(group)
            features, given = measure(asked)
            if image not in pictures:  # written first: a row whose picture lacks would never be asked again
                pictures[image] = list(features)
                seen.write(_line({"image": image, "features": pictures[image]}))
                seen.flush()
            new = [_row(sample, one) for sample, one in zip(asked, given, strict=True)]
            kept.write("".join(map(_line, new)))
            kept.flush()
            for row in new:
                rows[row["id"]] = row
                advance()
    return _known(samples, rows, pictures)


def _row(sample: Sample, given: Measured) -> dict[str, Any]:
    answer = sample.answer or ""
    right = [normalised_exact_match(option, answer) for option in given.options or ()]
    return {
        "id": sample.id,
        "image": sample.image,
        "confidence": given.confidence,
        "right": normalised_exact_match(given.text, answer),
        "options": None if given.options is None else list(given.options.values()),
        "gold": right.index(True) if any(right) else -1,
    }


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"


def _known(samples: Sequence[Sample], rows: Mapping[Any, Mapping[str, Any]], pictures: Mapping[str, Any]) -> Known:
    names = {name: number for number, name in enumerate(dict.fromkeys(sample.image for sample in samples))}
    own = [Result(sample, "").cluster for sample in samples]
    clusters = {label: number for number, label in enumerate(dict.fromkeys(own))}
    mine = [rows[sample.id] for sample in samples]
    return Known(
        questions=tuple(sample.question for sample in samples),
        kinds=kinds(samples),
        images=np.array([names[sample.image] for sample in samples]),
        clusters=np.array([clusters[label] for label in own]),
        confidences=np.array([row["confidence"] for row in mine], np.float64),
        hits=np.array([row["right"] for row in mine], np.float64),
        shares=tuple(None if row["options"] is None else np.array(row["options"], np.float64) for row in mine),
        gold=np.array([row["gold"] for row in mine]),
        features=np.array([pictures[name] for name in names], np.float64),
    )
