"""Splits of a hospital's questions that keep each patient on one side, written down so that they can be proven.

Rows that share a patient, a study or a picture file stay together; scikit-learn's StratifiedGroupKFold deals the
groups out. The manifest names each row's split with hashes of the table, the row and the picture. Its labels of groups
are made from row numbers and no patient; the rows' salted hashes cover patient and study, so that who holds a manifest
and knows a row can prove it: a manifest stays where the table stays. What is in the pictures is not known here.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import secrets
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from data_adapters.dataset import Finding
from data_adapters.institutional import EXAMPLES, Institutional
from data_adapters.refusal import refusal, refusing
from data_adapters.tables.entries import Entry
from medfly.types import InputError

FORMAT = "medfly split 1"
FRACTIONS = {"train": 0.8, "validate": 0.1, "test": 0.1}
MOST_FOLDS = 100

Group = Literal["patient", "dicom_patient", "image"]
Stratify = Literal["answer", "answer_type"]


@dataclass(frozen=True)
class Member:
    """One row of the table.

    image: its scan's content_hash. content: salted hash of question, answer, patient and study; group: a label that
        the rows of one group share. Both are 16 hexadecimal digits.
    """

    row: int
    content: str
    image: str
    group: str


@dataclass(frozen=True)
class Manifest:
    """Which row is in which split, and what it was made from. table_hash: SHA-256 of the table's bytes."""

    table: str
    table_hash: str
    salt: str
    group: Group
    stratify: Stratify | None
    seed: int
    fractions: Mapping[str, float]
    versions: Mapping[str, str]
    splits: Mapping[str, Sequence[Member]]

    def counts(self) -> dict[str, dict[str, int]]:
        """Split → rows, groups and pictures in it."""
        return {
            name: {
                "rows": len(members),
                "groups": len({member.group for member in members}),
                "images": len({member.image for member in members}),
            }
            for name, members in self.splits.items()
        }


def split(
    dataset: Institutional,
    fractions: Mapping[str, float] = FRACTIONS,
    *,
    group: Group = "patient",
    stratify: Stratify | None = None,
    seed: int = 0,
) -> Manifest:
    """Deal out the data set's rows; the same rows, fractions and seed give the same splits.

    fractions: split → share of the rows, in hundredths, summing to 1; shares come out as near as whole groups allow.
    group: "patient", which every row must then have in the table; "dicom_patient", which every row's scan must have
        in its DICOM header; or "image" where neither is so: rows of one picture stay together, but one patient's
        pictures may not.
    stratify: keep the shares of the answers (or answer types) alike in all splits.
    Raises InputError for rows at fault or without a patient, unreadable pictures and fewer groups than folds.
    """
    folds = _folds(fractions)
    rows = _by_row(dataset.entries())
    images = {row: entries[0].sample.scan.content_hash for row, entries in rows.items()}
    groups = _groups(rows, images, group)
    if (count := len(set(groups.values()))) < folds:
        raise refusal(
            f"{count} groups of rows",
            f"at least {folds} for shares of {', '.join(map(str, fractions.values()))}",
            f"take rounder shares or more data (rows that share a {TIES[group]} are one group)",
        )
    fold_of = _deal(groups, _labels(rows, stratify, folds), folds, seed)
    names = [name for name, share in fractions.items() for _ in range(round(share * folds))]
    salt = secrets.token_hex(16)
    splits: dict[str, list[Member]] = {name: [] for name in fractions}
    for row, entries in rows.items():
        member = Member(row, _content(entries, salt), images[row], _salted(salt, str(groups[row])))
        splits[names[fold_of[row]]].append(member)
    return Manifest(
        dataset.path.name, _file_hash(dataset.path), salt, group, stratify, seed, dict(fractions), _versions(), splits
    )


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Whole or not at all. Raises InputError where there is a file: a split that moves is none."""
    if path.exists():
        raise refusal(f"{str(path)!r} already there", "a new file", "choose another name, or delete it first")
    value = {"format": FORMAT, **asdict(manifest), "counts": manifest.counts()}
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        partial.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(partial, path)
    except OSError as problem:
        raise refusal(f"{str(path)!r} cannot be written ({type(problem).__name__})", "a folder", "choose one") from None
    finally:
        partial.unlink(missing_ok=True)


def read_manifest(path: Path) -> Manifest:
    """Raises InputError for what is no manifest."""
    expected, remedy = f"a manifest by `medfly data split` in {str(path)!r}", "check the path, or split again"
    with refusing("no readable manifest", expected, remedy):
        value = json.loads(path.read_text("utf-8"))
        if value.pop("format") != FORMAT:
            raise refusal("another format", expected, remedy)
        value.pop("counts")
        splits = {name: tuple(Member(**one) for one in members) for name, members in value.pop("splits").items()}
        manifest = Manifest(**value, splits=splits)
    rows = [member.row for members in splits.values() for member in members]
    if len(rows) != len(set(rows)):
        raise refusal(f"{len(rows) - len(set(rows))} rows in two splits", expected, remedy)
    return manifest


def assignment(path: Path, table: Path) -> dict[int, str]:
    """Row → split. Raises InputError where the table is not the very file that was split."""
    manifest = read_manifest(path)
    if _file_hash(table) != manifest.table_hash:
        raise refusal(
            f"a table that changed since {str(path)!r} was written",
            f"SHA-256 {manifest.table_hash[:12]}…",
            "`medfly data check` says what changed: take the old table, or split again",
        )
    return {member.row: name for name, members in manifest.splits.items() for member in members}


def changes(manifest: Manifest, table: Path, entries: Sequence[Entry], where: str) -> list[Finding]:
    """What is no longer as the manifest says: rows by number and pictures by row. Reads every picture's file.

    entries: those that the table has now. where: the data set's name, for the findings.
    """
    rows = _by_row(entries)
    members = {member.row: member for split in manifest.splits.values() for member in split}
    both = [row for row in members if row in rows]
    found = {
        "rows_gone": [row for row in members if row not in rows],
        "rows_added": [row for row in rows if row not in members],
        "rows_changed": [row for row in both if _content(rows[row], manifest.salt) != members[row].content],
        "images_changed": [row for row in both if _image_hash(rows[row]) != members[row].image],
    }
    if not any(found.values()) and _file_hash(table) != manifest.table_hash:
        found["table_changed"] = list(rows)
    return [
        Finding(
            "error",
            kind,
            where,
            f"{len(numbers):,} rows since the manifest was written: {CHANGES[kind]}",
            len(numbers),
            tuple(f"row {row}" for row in numbers[:EXAMPLES]),
        )
        for kind, numbers in found.items()
        if numbers
    ]


CHANGES = {
    "rows_gone": "gone, or no longer usable",
    "rows_added": "in the table and in no split",
    "rows_changed": "other words, answers, patients or studies, or other columns named for them",
    "images_changed": "another picture under the same name, or none",
    "table_changed": "all as they were, in a file with other bytes; split again to use it",
}


def _folds(fractions: Mapping[str, float]) -> int:
    """The smallest number of equal parts that the shares can be put together from."""
    shares = list(fractions.values())
    told = ", ".join(map(str, shares)) or "of nothing"
    if len(shares) < 2 or min(shares) <= 0 or not math.isclose(sum(shares), 1, abs_tol=1e-6):
        raise refusal(f"shares {told}", "two or more over 0 that sum to 1", "correct them")
    for folds in range(2, MOST_FOLDS + 1):
        if all(math.isclose(share * folds, round(share * folds), abs_tol=1e-6) for share in shares):
            return folds
    raise refusal(f"shares {told}", "hundredths", "round them")


def _by_row(entries: Sequence[Entry]) -> dict[int, list[Entry]]:
    rows: dict[int, list[Entry]] = {}
    for entry in entries:
        rows.setdefault(entry.row, []).append(entry)
    return rows


def _groups(rows: Mapping[int, list[Entry]], images: Mapping[int, str], group: Group) -> dict[int, int]:
    """Row → the first row that it hangs together with, by way of any chain of shared patients, studies, pictures."""
    ties = {
        row: {"image": images[row].partition("#")[0], **_people(entries[0], group)} for row, entries in rows.items()
    }
    nameless = [row for row, tie in ties.items() if not tie.get(group)]
    if nameless:
        where, remedy = NAMELESS[group]
        raise refusal(
            f"{len(nameless):,} of {len(rows):,} rows without a patient in {where}, the first row {nameless[0]}",
            "a patient in every row",
            f"{remedy}; with --group image patients may be on two sides",
        )
    leader: dict[Any, Any] = {}

    def find(key: Any) -> Any:
        while leader.setdefault(key, key) != key:
            leader[key] = leader[leader[key]]  # shorter next time
            key = leader[key]
        return key

    for row, tie in ties.items():
        for shared in tie.items():
            if shared[1]:
                leader[find(shared)] = find(row)
    first: dict[Any, int] = {}
    return {row: first.setdefault(find(row), row) for row in rows}


TIES = {
    "patient": "patient, study or picture",
    "dicom_patient": "patient, study or picture",
    "image": "picture",
}
NAMELESS = {
    "patient": ("the table", "fill the column, name it (patient=COLUMN), or take --group dicom_patient"),
    "dicom_patient": ("a DICOM header", "take --group patient with a column of patients"),
}


def _people(entry: Entry, group: Group) -> dict[str, str]:
    """What of a row, apart from its picture, no other split may have; kind → key, "" where unknown."""
    if group == "image":
        return {}
    people = {"patient": entry.patient, "study": entry.study}
    if group == "dicom_patient":
        people |= {"dicom_patient": entry.header.patient, "dicom_study": entry.header.study}
    return people


def _labels(rows: Mapping[int, list[Entry]], stratify: Stratify | None, folds: int) -> list[str]:
    """One a row, for stratifying; those too rare to be dealt out are one class."""
    if stratify is None:
        return [""] * len(rows)
    labels = [str(getattr(entries[0].sample, stratify) or "").strip().casefold() for entries in rows.values()]
    count = Counter(labels)
    return [label if count[label] >= folds else "\0rare" for label in labels]


def _deal(groups: Mapping[int, int], labels: list[str], folds: int, seed: int) -> dict[int, int]:
    """Row → fold."""
    from sklearn.model_selection import StratifiedGroupKFold

    rows = list(groups)
    dealer = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer members than folds is dealt out as it comes
        parts = dealer.split(rows, labels, [groups[row] for row in rows])
        return {rows[place]: fold for fold, (_, places) in enumerate(parts) for place in places}


def _salted(salt: str, text: str) -> str:
    return hashlib.sha256(f"{salt}\n{text}".encode()).hexdigest()[:16]


def _content(entries: Sequence[Entry], salt: str) -> str:
    samples = [(one.sample.question, one.sample.answer, one.sample.answer_type) for one in entries]
    return _salted(salt, json.dumps([samples, entries[0].patient, entries[0].study]))


def _image_hash(entries: Sequence[Entry]) -> str | None:
    try:
        return entries[0].sample.scan.content_hash
    except InputError:
        return None


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in ("medfly", "scikit-learn", "numpy"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # run from a folder of sources
            versions[name] = "unknown"
    return versions
