"""Was the model trained on what it is asked? An evaluated split against training data, before its score is read.

It compares the questions asked with the same data set's training split and with whatever else is named, through
data_adapters.leakage, whose limits it has. It knows no model: whether one saw those data is for its user to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.kept_prints import keep, kept
from data_adapters.check import ROLES, not_compared, part_of, told_apart, with_prints
from data_adapters.dataset import DataSet, Finding
from data_adapters.leakage import PLURAL, Overlap, Part, Print
from medfly.types import InputError, Sample

HOW = {
    "same_name": "by name",
    "same_file": "the same file",
    "same_pixels": "the same pixels",
    "near_duplicate": "nearly the same",
}
UNKNOWN = "contamination: no training data here to compare with"
"""Stands where `contamination` gives None."""
NOTHING = f"{UNKNOWN}; name what the model was trained on with --train_data"
"""The same, as a warning of the commands that have that option."""


@dataclass(frozen=True)
class Contamination:
    """What of the questions asked is in training data.

    training: data set and split of each. images, questions: how many were asked about, asked.
    shared: those of `Sample.image` that are in any training data; related: those whose patient or study is; unseen:
    those that could be compared by name only, being missing or unreadable, or all images of a training split being so,
    and those that could not be compared with a training split at all, since it cannot be read.
    shared_questions: asked in training with the same words and answer, about a shared image.
    sentence: for people. findings: all that the check found, in numbers and examples.
    """

    training: tuple[str, ...]
    images: int
    shared: frozenset[str]
    related: frozenset[str]
    unseen: frozenset[str]
    questions: int
    shared_questions: int
    sentence: str
    findings: tuple[Finding, ...]

    def is_clean(self, sample: Sample) -> bool:
        """Whether its image was compared and is not in training data, nor known to be of a patient who is."""
        return not any(sample.image in images for images in (self.shared, self.related, self.unseen))

    def to_dict(self, clean: Mapping[str, Any] | None) -> dict[str, Any]:
        """As the summary holds it. clean: the score of the questions that are clean.

        Numbers of what is shared are None where no image could be compared with all of the training data.
        """
        unknown = not self.shared and len(self.unseen) == self.images
        return {
            "training": list(self.training),
            "images": self.images,
            "not_compared": len(self.unseen),
            "shared_images": None if unknown else len(self.shared),
            "questions": self.questions,
            "shared_questions": None if unknown else self.shared_questions,
            "sentence": self.sentence,
            "findings": [finding.to_dict() for finding in self.findings],
            "clean": None if clean is None else dict(clean),
        }


def contamination(
    own: DataSet,
    split: str,
    samples: Sequence[Sample],
    training: Sequence[DataSet] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Contamination | None:
    """samples: those of own's split that are asked. training: data sets that the model was trained on, beside own's
    training split, which is always taken where its folder has it: their training splits, or, where they name none,
    all. progress: (pictures done, pictures in all).

    None where there is nothing to compare with. A training split that cannot be read is a finding. Raises InputError
    where the evaluated split cannot be read.
    """
    asked = _asked(part_of(own, split), samples)
    parts, unreadable = _training_parts(own, split, training)
    if not parts and not unreadable:
        return None
    asked, *parts = _printed([asked, *parts], progress)
    overlaps = [Overlap.between(part, asked) for part in parts]
    seen = set() if unreadable or not all(part.prints for part in parts) else set(asked.prints)
    sentences = [*map(_sentence, overlaps), *map(_unseen, (asked, *parts)), *map(_unread, unreadable)]
    return Contamination(
        training=tuple(part.where for part in parts),
        images=len(_images(asked)),
        shared=frozenset(name for overlap in overlaps for name in overlap.stages),
        related=frozenset(s.image for overlap in overlaps for role in PLURAL for s in overlap.rows_of(role)),
        unseen=frozenset(_images(asked) - seen),
        questions=len(asked.samples),
        shared_questions=len({s.id for overlap in overlaps for s in overlap.questions}),
        sentence=" ".join(filter(None, sentences)),
        findings=tuple(chain(unreadable, *map(not_compared, (asked, *parts)), *(one.findings() for one in overlaps))),
    )


def _asked(part: Part, samples: Sequence[Sample]) -> Part:
    """The part with those questions only."""
    ids = {sample.id for sample in samples}
    places = [place for place, sample in enumerate(part.samples) if sample.id in ids]
    keys = {role: [column[place] for place in places] for role, column in part.keys.items()}
    return replace(part, samples=[part.samples[place] for place in places], keys=keys)


def _training_parts(own: DataSet, split: str, training: Sequence[DataSet]) -> tuple[list[Part], list[Finding]]:
    """Each training split once, without fingerprints, and a finding for each that cannot be read."""
    different = {_place(dataset): dataset for dataset in (own, *training)}
    named = {_place(dataset) for dataset in training}
    parts: list[Part] = []
    findings: list[Finding] = []
    for place, dataset in zip(different, told_apart(list(different.values())), strict=True):
        try:
            splits = [one for one in dataset.splits() if ROLES.get(one.lower()) == "train"]
            if place in named:
                splits = splits or list(dataset.splits())
            elif split in splits:
                splits.remove(split)  # that a training split is in itself is no news
            parts += [part_of(dataset, one) for one in splits]
        except InputError as problem:
            findings.append(Finding("error", "not_compared", dataset.name, f"no leakage check: {problem}"))
    return parts, findings


def _place(dataset: DataSet) -> tuple[str, Path]:
    where = getattr(dataset, "folder", None) or getattr(dataset, "path", "")
    return dataset.name, Path(where).resolve()


def _printed(parts: Sequence[Part], progress: Callable[[int, int], None] | None) -> list[Part]:
    """The parts with fingerprints; those of published pictures are taken from and given to the user's cache."""
    known: dict[str, Print | None] = {**kept(_digests(parts))}
    before = set(known)
    printed = with_prints(parts, progress, known)
    keep(one for digest in set(_digests(parts)) - before if (one := known.get(digest)) is not None)
    return printed


def _digests(parts: Sequence[Part]) -> Iterator[str]:
    """The content hashes of published pictures that are there."""
    for part in parts:
        if part.names_of is not None:
            for scan in {sample.image: sample.scan for sample in part.samples}.values():
                try:
                    yield scan.content_hash
                except InputError:
                    continue  # missing or unreadable, which `not_compared` tells


def _images(part: Part) -> set[str]:
    return {sample.image for sample in part.samples}


def _sentence(overlap: Overlap) -> str:
    """As in "17 of 96 images are in slake train, too (17 nearly the same), and 24 of 1,053 questions …"."""
    a, b = overlap.a, overlap.b
    total, seen = len(_images(b)), len(b.prints)
    if overlap.stages:
        kinds = Counter(kind for kind, _ in overlap.stages.values())
        how = ", ".join(f"{kinds[kind]:,} {text}" for kind, text in HOW.items() if kinds[kind])
        told = f"{len(overlap.stages):,} of {total:,} images are in {a.where}, too ({how}), and "
        told += f"{len(overlap.questions):,} of {len(b.samples):,} questions are, about them and with the same answer"
    elif seen and a.prints:
        told = f"None of {seen:,} images is in {a.where}"
    else:
        told = f"Whether images are in {a.where}, too, cannot be told"
    shared = {role: len(overlap.shared_keys(role)) for role in PLURAL}
    keys = [f"{PLURAL[role]} in common: {count:,}" for role, count in shared.items() if count]
    return "; ".join((told, *keys)) + "."


def _unseen(part: Part) -> str:
    total = len(_images(part))
    unseen = total - len(part.prints)
    return f"{unseen:,} of {total:,} images of {part.where} are missing or unreadable: not compared." if unseen else ""


def _unread(finding: Finding) -> str:
    return f"{finding.where} could not be read: not compared."
