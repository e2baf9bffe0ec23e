"""SLAKE with its boxes: which of a split's questions are about a structure that has one, and how many are not.

The splits are SLAKE's own, whole; `grounded` chooses among their questions by data_adapters.grounding, which has the
rules and their limits. The module knows neither evidence nor score.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from data_adapters.grounding import REASONS, Detections, Match, detections, match
from data_adapters.slake import Slake
from medfly.types import Sample

TARGET = "target"
"""The key of Sample.metadata under which `SlakeBoxes.grounded` puts a Target."""
KINDS = ("matched by the question", "matched by the answer", "of these several structures", *REASONS)
ANYWHERE = (2**31, 2**31)
"""A size that no box leaves to the right or below, where only words are compared."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Target:
    """Where to look for one answer. match: the boxes; size: (width, height) of the picture, in source pixels."""

    match: Match
    size: tuple[int, int]


@dataclass(frozen=True)
class Grounded:
    """A split's matched questions, in its order, and what became of all of them.

    counts: each of KINDS → questions. clipped, left_out: boxes that left the picture and were cut, or hold no pixel.
    """

    samples: list[Sample]
    counts: dict[str, int]
    clipped: int
    left_out: int


class SlakeBoxes(Slake):
    """SLAKE in English, with detection.json beside each picture."""

    def __init__(self, folder: str | Path) -> None:
        super().__init__(folder)
        self._grounded: dict[str, Grounded] = {}

    def grounded(self, split: str, progress: Progress | None = None) -> Grounded:
        """The questions of a split that name a boxed structure, each with its Target in metadata[TARGET].

        progress: (pictures opened, pictures in all): sizes are read off the pictures. A split is opened once.
        Raises InputError as `samples` does, and for boxes that are missing or of another form.
        """
        if split not in self._grounded:
            samples = self.samples(split)
            first = {sample.image: sample for sample in samples}
            sizes = {}
            for image, sample in first.items():
                sizes[image] = sample.scan().size
                if progress is not None:
                    progress(len(sizes), len(first))
            self._grounded[split] = self._matched(samples, sizes)
        return self._grounded[split]

    def counts(self, split: str) -> dict[str, int]:
        """KINDS of a split: as `grounded` found them, else without a picture opened (a box may lie outside of it).

        Raises InputError as `grounded` does.
        """
        if split in self._grounded:
            return self._grounded[split].counts
        samples = self.samples(split, pictures=False)
        return self._matched(samples, dict.fromkeys((sample.image for sample in samples), ANYWHERE)).counts

    def _matched(self, samples: Iterable[Sample], sizes: dict[str, tuple[int, int]]) -> Grounded:
        boxes: dict[str, Detections] = {name: detections(self.folder, name, size) for name, size in sizes.items()}
        counts, chosen = Counter[str](dict.fromkeys(KINDS, 0)), []
        for sample in samples:
            found = match(sample, boxes[sample.image])
            if not isinstance(found, Match):
                counts[found] += 1
                continue
            counts[f"matched by the {found.by}"] += 1
            counts["of these several structures"] += found.structures > 1
            target = Target(found, sizes[sample.image])
            chosen.append(replace(sample, metadata={**sample.metadata, TARGET: target}))
        clipped, empty = sum(one.clipped for one in boxes.values()), sum(one.empty for one in boxes.values())
        return Grounded(chosen, dict(counts), clipped, empty)
