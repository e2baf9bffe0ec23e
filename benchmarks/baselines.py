"""What a model must beat: answers without looking, and the same model with the image taken away.

The majority baseline reads questions and training answers only. The image baselines change what `Sample.scan` opens
and nothing else: questions, gold answers and `Sample.image` (the cluster) stay, so scores pair up with the plain run.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.protocols.exact import normalise
from medfly.types import Answer, InputError, Sample, Scan, ScanLoader, Window

MID_GREY = 128


@dataclass(frozen=True)
class QuestionOnlyMajority:
    """The most frequent training answer to the same normalised question, else to the same answer type.

    Answers are counted in normalised form and given in their first spelling; of equally frequent ones the first in
    training order wins. A question of a type that training never showed is answered "". Call it like a model.
    """

    by_question: Mapping[str, str]
    by_type: Mapping[str | None, str]

    @classmethod
    def fit(cls, training: Iterable[Sample]) -> QuestionOnlyMajority:
        """Count the training answers; samples without one are left out. InputError where none has one."""
        by_question: dict[str, Counter[str]] = {}
        by_type: dict[str | None, Counter[str]] = {}
        spelling: dict[str, str] = {}
        for sample in training:
            answer = normalise(sample.answer or "")
            if not answer:
                continue
            spelling.setdefault(answer, (sample.answer or "").strip())
            by_question.setdefault(normalise(sample.question), Counter())[answer] += 1
            by_type.setdefault(sample.answer_type, Counter())[answer] += 1
        if not spelling:
            raise InputError("majority baseline: found no training answers; expected at least 1: look at --train_data")

        def top(counts: Counter[str]) -> str:
            return spelling[counts.most_common(1)[0][0]]  # most_common keeps the order of equal counts

        return cls({q: top(c) for q, c in by_question.items()}, {t: top(c) for t, c in by_type.items()})

    def __call__(self, samples: Iterable[Sample]) -> Iterator[Answer]:
        for sample in samples:
            fallback = self.by_type.get(sample.answer_type, "")
            yield Answer(sample.question, self.by_question.get(normalise(sample.question), fallback))

    @property
    def hash(self) -> str:
        """SHA-256 of the learned tables, hexadecimal."""
        tables = [sorted(self.by_question.items()), sorted((str(t), a) for t, a in self.by_type.items())]
        return hashlib.sha256(json.dumps(tables).encode()).hexdigest()


def shuffled_images(samples: Iterable[Sample], seed: int = 0) -> list[Sample]:
    """The same questions, each image's questions about one other image of the set; no image keeps its own.

    Every image is used exactly once. Images of equal content under two names count as one image here. Same seed,
    same exchange. Raises InputError where no such exchange exists: more than half of the images are the same.
    """
    kept = list(samples)
    loaders = {s.image: s.scan for s in kept}
    same: dict[str, list[str]] = {}
    for image in sorted(loaders):
        same.setdefault(loaders[image].content_hash, []).append(image)
    groups = list(same.values())
    order = np.random.default_rng(seed).permutation(len(groups))
    line = [image for i in order for image in groups[i]]
    # With equal images side by side, a shift by the longest stretch moves every image out of its own stretch.
    shift = max((len(group) for group in groups), default=0)
    if 2 * shift > len(line):
        raise InputError(
            f"shuffled images: found {len(line)} images, {shift} of them the same; expected at least 2 different ones, "
            f"none in the majority: take more questions"
        )
    partner = {image: line[(i + shift) % len(line)] for i, image in enumerate(line)}
    return [replace(s, scan=loaders[partner[s.image]]) for s in kept]


@dataclass(frozen=True)
class BlankLoader:
    """Opens `source` and gives a scan of its size, modality and spacing that shows mid-grey everywhere."""

    source: ScanLoader

    @property
    def content_hash(self) -> str:
        """Differs from the source's, so that no cache can hand out the real image's features."""
        return _blank_hash(self.source.content_hash)

    def __call__(self) -> Scan:
        scan = self.source()
        # Padding is dropped, for it shows the outline of what was there; so are windows and the unit of the old values.
        blank = replace(scan, padding=None, unit=None, input_hash=_blank_hash(scan.input_hash), notes=("blank image",))
        if scan.pixels.ndim == 3:
            return replace(blank, pixels=np.full_like(scan.pixels, MID_GREY), windows=())
        window = Window(0.5, 1.0, "LINEAR_EXACT", source="blank image")
        return replace(blank, pixels=np.full(scan.pixels.shape, 0.5, np.float32), windows=(window,))


def _blank_hash(of: str) -> str:
    return hashlib.sha256(f"blank mid-grey image in place of {of}".encode()).hexdigest()


def blank_images(samples: Iterable[Sample]) -> list[Sample]:
    """The same questions about images that show nothing: mid-grey of the same size and kind."""
    return [replace(s, scan=BlankLoader(s.scan)) for s in samples]
