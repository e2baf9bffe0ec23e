"""What two sets of questions share: pictures, questions about them, patients.

Three stages find a shared picture: the same file (SHA-256), the same pixels as shown (hash of the decoded, upright,
windowed picture), and nearly the same (perceptual hash, then correlation). Of pictures that are missing only names and
the words of questions are left to compare.

Nearly the same means a perceptual hash (imagehash.phash, 64 bits) of at most NEAR_BITS different bits, and a
correlation of at least NEAR_CORRELATION between the two pictures shrunk to 64 × 64 grey values. Measured on the 859
pictures of SLAKE's train and validation halves and of VQA-RAD's train half: 107 of 368,511 pairs are nearly the
same, all of them neighbouring or repeated slices of one scan; no two of the 149 chest X-rays come above 0.92, none of
VQA-RAD's pictures above 0.95. Of 200 pictures each copy was found after JPEG at quality 25, halving, resizing to
224 × 224, brightness × 1.15, contrast × 1.2 and gamma 0.8.

It does not reliably find pictures that were cropped (of those by a per cent a side, two in three), padded, mirrored,
turned or equalised, and it cannot tell a copy from a neighbouring slice: both are one patient's. Questions are compared
by their words: the same in another language is another question.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from PIL import Image

from data_adapters.dataset import Finding
from medfly.types import InputError, Sample, ScanLoader

NEAR_BITS = 10
NEAR_CORRELATION = 0.97
SMALL = 64
FLAT = 1.0  # grey levels; the correlation of a picture with less spread says nothing
EXAMPLES = 5
CHUNK = 512

Severity = Literal["error", "warning"]
Step = Callable[[], None]


@dataclass(frozen=True, eq=False)
class Print:
    """A picture's fingerprint.

    file, pixels: SHA-256. bits: the perceptual hash, uint64. shrunk: [SMALL * SMALL] uint8, the picture in grey.
    """

    file: str
    pixels: str
    bits: np.uint64
    shrunk: np.ndarray

    @cached_property
    def small(self) -> np.ndarray | None:
        """`shrunk` with mean 0 and norm 1, so that a product of two is their correlation; None for a flat picture."""
        values = self.shrunk.astype(np.float32)
        centred = values - values.mean()
        return centred / np.linalg.norm(centred) if float(values.std()) >= FLAT else None


@dataclass(frozen=True, eq=False)
class Part:
    """One split, ready to be compared.

    where: data set and split. prints: Sample.image → fingerprint; missing and unreadable pictures are not in it.
    keys: "patient" and "study" → one a sample, "" where unknown; empty for data sets that do not say.
    names_of: whose names Sample.image has; in two parts of the same one, a name is one picture. None: only its own.
    """

    where: str
    samples: Sequence[Sample]
    prints: Mapping[str, Print]
    keys: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)
    names_of: str | None = None

    def labels(self, images: Sequence[str]) -> tuple[str, ...]:
        """The first pictures by name, or by row for a hospital's own, whose names may be patients'."""
        if not self.keys:
            return tuple(images[:EXAMPLES])
        first = {sample.image: sample for sample in reversed(self.samples)}
        return _sample_labels([first[name] for name in images])


def fingerprint(loader: ScanLoader) -> Print:
    """Opens the scan. Raises InputError as the loader does."""
    import imagehash

    shown = loader().display()
    grey = Image.fromarray(shown).convert("L")
    bits = np.packbits(imagehash.phash(grey).hash.ravel()).view(">u8")[0]
    return Print(
        loader.content_hash,
        hashlib.sha256(repr(shown.shape).encode() + np.ascontiguousarray(shown).tobytes()).hexdigest(),
        np.uint64(bits),
        np.asarray(grey.resize((SMALL, SMALL), Image.Resampling.BOX)).ravel(),
    )


def fingerprints(
    scans: Mapping[str, ScanLoader], known: dict[str, Print | None] | None = None, step: Step = lambda: None
) -> dict[str, Print]:
    """Name → fingerprint; pictures that cannot be read are left out, for the caller to count.

    known: content hash → fingerprint, filled as it goes, so that data sets with the same files share the work.
    step: called after each picture.
    """
    known = {} if known is None else known
    prints: dict[str, Print] = {}
    for name, loader in scans.items():
        try:
            digest = loader.content_hash
            if digest not in known:
                known[digest] = None  # unless it can be read
                known[digest] = fingerprint(loader)
            if (one := known[digest]) is not None:
                prints[name] = one
        except InputError:
            pass
        step()
    return prints


@dataclass(frozen=True, eq=False)
class Overlap:
    """What of `b` is in `a`, too, row by row.

    stages: b's pictures that are in a → the first stage that finds them (a key of HOW), and all of a's pictures that
    any stage finds. questions: b's that are in a with the same words and answer, about such a picture.
    """

    a: Part
    b: Part
    stages: Mapping[str, tuple[str, set[str]]]
    questions: Sequence[Sample]

    @classmethod
    def between(cls, a: Part, b: Part) -> Overlap:
        stages = _shared_pictures(a, b)
        return cls(a, b, stages, _same_questions(a, b, {name: twins for name, (_, twins) in stages.items()}))

    def shared_keys(self, role: str) -> set[str]:
        """Patients or studies (`role`, a key of PLURAL) of both; none where either does not say. Never to be shown."""
        return (set(self.a.keys.get(role, ())) & set(self.b.keys.get(role, ()))) - {""}

    def rows_of(self, role: str) -> list[Sample]:
        """b's rows whose patient or study is in a."""
        shared = self.shared_keys(role)
        return [s for s, key in zip(self.b.samples, self.b.keys[role], strict=True) if key in shared] if shared else []

    def findings(self, severity: Severity = "error") -> list[Finding]:
        """As `leakage` says."""
        found = [_same_pictures(self, kind) for kind in HOW]
        found.append(_told_questions(self))
        found += [_same_keys(self, role) for role in PLURAL]
        findings = [
            Finding(severity, kind, self.b.where, f"{message}: leave them out on one side", count, labels)
            for kind, message, count, labels in found
            if count
        ]
        return findings + _same_words(self.a, self.b, self.stages)


def leakage(a: Part, b: Part, severity: Severity = "error") -> list[Finding]:
    """What of `b` is in `a`, too: one finding each for same_name (only of pictures that are missing), same_file,
    same_pixels, near_duplicate (a picture counts for the first of these only), same_question (same words and answer
    about such a picture), same_patient, same_study.

    same_words, a warning always: words and answer are the same, and whether the picture is cannot be told, because
    b's is missing, or all of a's. `where` is b's; count: pictures, rows, or patients and studies of `b`.
    """
    return Overlap.between(a, b).findings(severity)


HOW = {
    "same_name": "by their names, for the files are missing",
    "same_file": "as the same files",
    "same_pixels": "with the same pixels in other files",
    "near_duplicate": "nearly, as copies and neighbouring slices of one scan are alike",
}
PLURAL = {"patient": "patients", "study": "studies"}
Told = tuple[str, str, int, tuple[str, ...]]
"""Kind, message, count and examples of a finding."""


def _same_pictures(overlap: Overlap, kind: str) -> Told:
    a, b = overlap.a, overlap.b
    names = [name for name, (stage, _) in overlap.stages.items() if stage == kind]
    total = len({sample.image for sample in b.samples})
    message = f"{len(names):,} of {total:,} pictures are also in {a.where}, {HOW[kind]}"
    return kind, message, len(names), b.labels(names)


def _shared_pictures(a: Part, b: Part) -> dict[str, tuple[str, set[str]]]:
    """b's picture → the first stage that finds it in a, and all of a's pictures that any stage finds."""
    found: dict[str, tuple[str, set[str]]] = {}
    if a.names_of is not None and a.names_of == b.names_of:
        both = {sample.image for sample in a.samples} & {sample.image for sample in b.samples}
        unseen = [name for name in sorted(both) if name not in a.prints or name not in b.prints]
        found = {name: ("same_name", {name}) for name in unseen}
    # Of a file of several frames, any two are one patient's.
    for kind, same in ("same_file", lambda p: p.file.partition("#")[0]), ("same_pixels", lambda p: p.pixels):
        known: dict[str, set[str]] = {}
        for name, one in a.prints.items():
            known.setdefault(same(one), set()).add(name)
        for name, one in b.prints.items():
            if twins := known.get(same(one)):
                found.setdefault(name, (kind, set()))[1].update(twins)
    for name, twin in _near(a.prints, b.prints):
        found.setdefault(name, ("near_duplicate", set()))[1].add(twin)
    return found


def _near(a: Mapping[str, Print], b: Mapping[str, Print]) -> Iterable[tuple[str, str]]:
    """Pairs (b's name, a's name) of pictures that are nearly the same."""
    mine = {name: one for name, one in a.items() if one.small is not None}
    theirs = {name: one for name, one in b.items() if one.small is not None}
    if not mine or not theirs:
        return
    names_a, names_b = list(mine), list(theirs)
    bits_a, bits_b = (np.array([p.bits for p in side.values()]) for side in (mine, theirs))
    for start in range(0, len(names_b), CHUNK):  # so that memory holds for tens of thousands of pictures
        different = np.bitwise_count(bits_b[start : start + CHUNK, None] ^ bits_a[None])
        for j, i in zip(*np.nonzero(different <= NEAR_BITS), strict=True):
            one, other = theirs[names_b[start + j]], mine[names_a[i]]
            if one.small is not None and other.small is not None and one.small @ other.small >= NEAR_CORRELATION:
                yield names_b[start + j], names_a[i]


def _same_questions(a: Part, b: Part, twins: Mapping[str, set[str]]) -> list[Sample]:
    def key(sample: Sample, image: str) -> tuple[str, str, str]:
        return image, words(sample.question), words(sample.answer or "")

    known = {key(sample, sample.image) for sample in a.samples}
    return [one for one in b.samples if any(key(one, twin) in known for twin in twins.get(one.image, ()))]


def _told_questions(overlap: Overlap) -> Told:
    a, b, rows = overlap.a, overlap.b, overlap.questions
    message = f"{len(rows):,} of {len(b.samples):,} questions are also in {a.where}, about shared pictures and with "
    return "same_question", message + "the same answers", len(rows), _sample_labels(rows)


def _same_words(a: Part, b: Part, shared: Collection[str]) -> list[Finding]:
    known = {(words(sample.question), words(sample.answer or "")) for sample in a.samples}
    unseen = [one for one in b.samples if one.image not in shared and not (a.prints and one.image in b.prints)]
    rows = [one for one in unseen if (words(one.question), words(one.answer or "")) in known]
    message = (
        f"{len(rows):,} of {len(unseen):,} questions have words and answer of one in {a.where}: "
        "without the pictures it cannot be told whether they are about the same"
    )
    return [Finding("warning", "same_words", b.where, message, len(rows), _sample_labels(rows))] if rows else []


def _same_keys(overlap: Overlap, role: str) -> Told:
    count, rows = len(overlap.shared_keys(role)), overlap.rows_of(role)
    message = f"{count:,} {PLURAL[role]}, with {len(rows):,} rows here, are also in {overlap.a.where}"
    return f"same_{role}", message, count, _sample_labels(rows)


def words(text: str) -> str:
    """The words of a text without case, punctuation and form: for comparing questions, in any script."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


def _sample_labels(samples: Sequence[Sample]) -> tuple[str, ...]:
    labels = (f"row {s.metadata['row']}" if "row" in s.metadata else str(s.id) for s in samples)
    return tuple(dict.fromkeys(labels))[:EXAMPLES]
