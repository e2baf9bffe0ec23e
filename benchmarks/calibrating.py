"""Every question with a known answer asked once, and what a calibration is fitted on kept: rows and pictures' features.

It appends one image at a time, so that a run that was killed goes on where it stopped. It knows a model as a call, and
fits nothing: see benchmarks.calibrating_fit. The rows hold ids, probabilities and what was right, and no question's
words; they stay where they were written, and only calibration.json is meant to be handed on.

Shapes: N questions, n images, F features.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
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
from data_adapters.check import ROLES
from medfly.trust import outside
from medfly.types import InputError, Sample

if TYPE_CHECKING:
    from medfly.trust.asking import Measured

ROWS, PICTURES = "rows.jsonl", "pictures.jsonl"
RULE = NORMALISED
FEWEST = 2 * max(LEAST, outside.LEAST)
"""Images or patients: half of them must do for a fit."""

Measure = Callable[[Sequence[Sample]], "tuple[Sequence[float], Sequence[Measured]]"]
"""Samples about one image → its features, and what the model gave to each, in their order."""


@dataclass(frozen=True)
class Known:
    """Questions whose answers are known, with what the model gave.

    questions [N]; images, clusters [N] int: which picture, and what intervals resample (patients where they are
    known, else images); confidences, hits [N]; shares [N]: a closed question's options' probabilities, None of others;
    gold [N]: the right one among them, −1 where it is none of them; features [n, F].
    """

    questions: tuple[str, ...]
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
            images,
            self.clusters[where],
            self.confidences[where],
            self.hits[where],
            tuple(self.shares[i] for i in where),
            self.gold[where],
            self.features[pictures],
        )


def usable(samples: Sequence[Sample], split: str) -> list[Sample]:
    """The questions with a known answer. Raises InputError for a training split, and for too few images."""
    if ROLES.get(split.lower()) == "train":
        raise InputError(
            f"split {split!r}: a model is surer of what it was trained on than of anything else; expected a split that "
            "it has not seen: take the validation split"
        )
    found = [Result(sample, "") for sample in samples]
    kept = [result for result in found if result.is_scored]
    clusters = len({result.cluster for result in kept})
    if clusters < FEWEST:
        raise InputError(
            f"{len(kept)} questions with a known answer about {clusters} images or patients; expected at least "
            f"{FEWEST}: half of them must do to fit what the other half is judged by"
        )
    return [result.sample for result in kept]


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
        images=np.array([names[sample.image] for sample in samples]),
        clusters=np.array([clusters[label] for label in own]),
        confidences=np.array([row["confidence"] for row in mine], np.float64),
        hits=np.array([row["right"] for row in mine], np.float64),
        shares=tuple(None if row["options"] is None else np.array(row["options"], np.float64) for row in mine),
        gold=np.array([row["gold"] for row in mine]),
        features=np.array([pictures[name] for name in names], np.float64),
    )
