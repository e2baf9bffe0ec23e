"""Data sets under one check: what each says about itself, and what any two of their splits share.

It finds out which data set a folder is and which comparisons mean what; rows are checked by the data sets
themselves, pictures compared by data_adapters.leakage. It repairs nothing.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from data_adapters.captions import Captions
from data_adapters.dataset import DataSet, Finding, Size
from data_adapters.institutional import SETTINGS, Institutional
from data_adapters.leakage import EXAMPLES, Part, Print, Severity, fingerprints, leakage
from data_adapters.path_vqa import PathVqa
from data_adapters.refusal import refusal
from data_adapters.slake import Slake
from data_adapters.tables.published import OtherLayout, Published
from data_adapters.tables.rows import NoPicture
from data_adapters.vqa_rad import VqaRad
from medfly.types import InputError

Progress = Callable[[int, int], None]
"""(pictures done, pictures in all)."""

ROLES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validate", "validation", "valid", "val", "dev"), "validate"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""A split's name → what it is for. Of others, such as "all", that is not known."""


def detect(path: Path, institutional: Callable[[Path], Institutional] = Institutional) -> list[DataSet]:
    """The data sets at a path: a published one (SLAKE in each of its languages), captions, or a hospital's.

    path: a folder in a published layout, a folder with a dataset.yaml, or a table, which `institutional` opens.
    Raises InputError where it is none of these, and where it is one that cannot be read.
    """
    if path.is_file():
        return [institutional(path)]
    if (path / SETTINGS).is_file():
        return [Institutional.from_folder(path)]
    found: list[DataSet] = []
    problems: list[InputError] = []
    for known in (Slake, _chinese_slake, VqaRad, PathVqa, Captions):
        try:
            found.append(known(path))
        except OtherLayout:
            pass
        except InputError as problem:
            problems.append(problem)
    if not found and problems:
        raise problems[0]
    if not found:
        what = "a folder" if path.is_dir() else "no such file or folder"
        expected = f"SLAKE, VQA-RAD, PathVQA or captions in their layouts, a table, or a folder with {SETTINGS}"
        remedy = "check the path, name each of several data sets by its own folder, or see `medfly data fetch --help`"
        raise refusal(f"{str(path)!r}: {what}", expected, remedy)
    return found


def told_apart(datasets: Sequence[DataSet]) -> list[DataSet]:
    """The data sets, and those that bear one name by that and their folders."""
    count = Counter(dataset.name for dataset in datasets)
    return [_with_folder(dataset) if count[dataset.name] > 1 else dataset for dataset in datasets]


def _with_folder(dataset: DataSet) -> DataSet:
    if isinstance(dataset, Institutional):
        return replace(dataset, name=f"{dataset.name} ({dataset.path})")
    if isinstance(dataset, Published):
        dataset = copy.copy(dataset)
        dataset.name = f"{dataset.name} ({dataset.folder})"
    return dataset


def _chinese_slake(path: Path) -> DataSet:
    """Raises InputError for copies in English alone, too."""
    dataset = Slake(path, "zh")
    if not dataset.contents(dataset.splits()[0]).rows:
        raise OtherLayout("SLAKE in English alone")
    return dataset


def check(
    datasets: Sequence[DataSet], progress: Progress | None = None, *, trained: Collection[DataSet] = ()
) -> list[Finding]:
    """Everything that `validate` says about each data set, and the leakage between any two of their splits.

    Between splits of different use (train, validate, test) what is shared is an error. It is a warning between
    the same splits of two data sets, and where a split's use is not known. One data set's same split in two
    languages is not compared: it is about the same pictures by design.
    trained: those of the data sets that a model saw in training, all splits of them; the others' splits of
    unknown use then count as test. progress: called after each picture that was compared.
    A data set or split that cannot be read is a finding; the others are checked all the same. Of a split with
    pictures missing or rows at fault the rest is compared.
    """
    findings: list[Finding] = []
    parts: list[tuple[DataSet, str | None, Part]] = []
    for dataset in datasets:
        try:
            findings += dataset.validate()
            splits = dataset.splits()
        except InputError as problem:
            findings.append(Finding("error", "unreadable", dataset.name, str(problem)))
            continue
        for split in splits:
            try:
                parts.append((dataset, _role(dataset, split, trained), part_of(dataset, split)))
            except InputError as problem:
                where = f"{dataset.name} {split}"
                findings.append(Finding("error", "not_compared", where, f"no leakage check: {problem}"))
    printed = with_prints([part for _, _, part in parts], progress)
    findings += [finding for part in printed for finding in not_compared(part)]
    compared = [(dataset, role, part) for (dataset, role, _), part in zip(parts, printed, strict=True)]
    for (mine, role, a), (theirs, other, b) in combinations(compared, 2):
        if role == other and mine.source is not None and mine.source == theirs.source:
            continue
        severity: Severity = "error" if role != other and role and other else "warning"
        findings += leakage(a, b, severity) if _rank(role) <= _rank(other) else leakage(b, a, severity)
    return findings


def _role(dataset: DataSet, split: str, trained: Collection[DataSet]) -> str | None:
    if any(dataset is one for one in trained):
        return "train"
    return ROLES.get(split.lower(), "test" if trained else None)


def _rank(role: str | None) -> int:
    order = ("train", None, "validate", "test")
    return order.index(role)


def part_of(dataset: DataSet, split: str) -> Part:
    """A split ready to be compared but for its fingerprints. Raises InputError where it cannot be read.

    Pictures may be missing from published data sets; a hospital's rows at fault are left out.
    """
    where = f"{dataset.name} {split}"
    if not isinstance(dataset, Institutional):
        published = isinstance(dataset, Published)
        samples = dataset.samples(split, pictures=False) if published else dataset.samples(split)
        return Part(where, samples, {}, names_of=dataset.source if published else None)
    entries = dataset.entries(split, skip=True)
    keys = {
        "patient": [entry.identity.patient for entry in entries],
        "study": [entry.identity.study for entry in entries],
    }
    return Part(where, [entry.sample for entry in entries], {}, keys)


def with_prints(
    parts: Sequence[Part], progress: Progress | None, known: dict[str, Print | None] | None = None
) -> list[Part]:
    """The parts with their pictures' fingerprints; one file in several of them is opened once.

    known: content hash → fingerprint (None: unreadable), used and filled.
    """
    scans = [{sample.image: sample.scan for sample in part.samples} for part in parts]
    total, done = sum(map(len, scans)), 0
    known = {} if known is None else known

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    return [replace(part, prints=fingerprints(own, known, step)) for part, own in zip(parts, scans, strict=True)]


def not_compared(part: Part) -> list[Finding]:
    """Findings about its pictures that are missing, and those that cannot be read."""
    return _missing(part) + _unreadable(part)


def _missing(part: Part) -> list[Finding]:
    names = dict.fromkeys(sample.image for sample in part.samples)
    missing = dict.fromkeys(sample.image for sample in part.samples if isinstance(sample.scan, NoPicture))
    if not missing:
        return []
    message = f"{len(missing):,} of {len(names):,} pictures are missing: compared by name and by questions only"
    return [Finding("error", "not_compared", part.where, message, len(missing), part.labels(tuple(missing)[:EXAMPLES]))]


def _unreadable(part: Part) -> list[Finding]:
    here = [sample for sample in part.samples if not isinstance(sample.scan, NoPicture)]
    bad = dict.fromkeys(sample.image for sample in here if sample.image not in part.prints)
    if not bad:
        return []
    message = f"{len(bad):,} pictures cannot be read, or have several frames and a row names none: not compared"
    labels = part.labels(tuple(bad)[:EXAMPLES])
    return [Finding("error", "unreadable_images", part.where, message, len(bad), labels)]


def sizes(dataset: DataSet) -> dict[str, Size | None]:
    """Split → what is in it; None where it cannot be read. Pictures may be missing from published data sets."""
    found: dict[str, Size | None] = {}
    try:
        for split in dataset.splits():
            found[split] = None
            texts_only = {"pictures": False} if isinstance(dataset, Published) else {}
            samples = dataset.samples(split, **texts_only)
            found[split] = Size(len(samples), len({sample.image for sample in samples}))
    except InputError:
        pass  # `check` has a finding that says why
    return found
