"""What a model must beat: answers without looking, and the same model with the image taken away or exchanged.

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
        return self._hash(self.source.content_hash)

    @staticmethod
    def _hash(of: str) -> str:
        return hashlib.sha256(f"blank mid-grey image in place of {of}".encode()).hexdigest()

    def __call__(self) -> Scan:
        scan = self.source()
        if scan.pixels.ndim == 3:
            pixels = np.full_like(scan.pixels, MID_GREY)
        else:
            pixels = np.full(scan.pixels.shape, 0.5, np.float32)
        return _instead(scan, pixels, self._hash(scan.input_hash), "blank image")


@dataclass(frozen=True)
class NoiseLoader:
    """Opens `source` and gives a scan of its size, modality and spacing that shows white noise.

    Each pixel is drawn evenly from black to white, each channel of a colour picture on its own. The same source and
    seed give the same noise; sources of other content give other noise.
    """

    source: ScanLoader
    seed: int = 0

    @property
    def content_hash(self) -> str:
        """Differs from the source's and between seeds."""
        return self._hash(self.source.content_hash)

    def _hash(self, of: str) -> str:
        return hashlib.sha256(f"noise of seed {self.seed} in place of {of}".encode()).hexdigest()

    def __call__(self) -> Scan:
        scan = self.source()
        rng = np.random.default_rng(int(self.content_hash, 16))
        if scan.pixels.ndim == 3:
            pixels = rng.integers(0, 256, scan.pixels.shape, dtype=np.uint8)
        else:
            pixels = rng.random(scan.pixels.shape, dtype=np.float32)
        return _instead(scan, pixels, self._hash(scan.input_hash), "noise image")


def _instead(scan: Scan, pixels: np.ndarray, input_hash: str, note: str) -> Scan:
    """The scan with other pixels: colour as uint8, or grey in 0 … 1, which is shown as it is.

    What outlines or explains the old pixels goes: padding, overlay, tiles, windows, the unit and the notes.
    """
    windows = () if pixels.ndim == 3 else (Window(0.5, 1.0, "LINEAR_EXACT", source=note),)
    kept = replace(scan, pixels=pixels, windows=windows, unit=None, input_hash=input_hash, notes=(note,))
    return replace(kept, padding=None, overlay=None, tiles=())


def blank_images(samples: Iterable[Sample]) -> list[Sample]:
    """The same questions about images that show nothing: mid-grey of the same size and kind."""
    return [replace(s, scan=BlankLoader(s.scan)) for s in samples]


def noise_images(samples: Iterable[Sample], seed: int = 0) -> list[Sample]:
    """The same questions about images of white noise, of the same size and kind."""
    return [replace(s, scan=NoiseLoader(s.scan, seed)) for s in samples]
