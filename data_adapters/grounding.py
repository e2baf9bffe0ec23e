"""SLAKE's boxes of organs and lesions, and which question is about which of them.

    folder/imgs/xmlab{N}/detection.json    [{"Liver": [x, y, width, height]}, …], source pixels of source.jpg;
                                           or imgs.zip with the same within, read as it is

Source: Liu et al., "SLAKE", ISBI 2021. In the 546 files of train and validation every box lies within its picture,
53 lists are empty and 97 name a label several times (parts of one organ, several lesions). Left and right are the
patient's. Only some structures of a picture are labelled: a structure without a box may be there all the same.

A match is by words alone: it does not know synonyms beyond ALIASES, no anatomy (a cardiomegaly is not taken for a
heart, a lung cancer not for a lung), nor "brian". What it is unsure of is left out, and counted by reason.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from data_adapters.archive import member_bytes
from data_adapters.files import file_bytes
from data_adapters.refusal import naming, refusal
from data_adapters.tables.rows import is_inside, is_number
from medfly.types import Box, Sample

# fmt: off
SINGLE = (
    "atelectasis", "bladder", "brain edema", "brain enhancing tumor", "brain non enhancing tumor", "brain stem",
    "cardiomegaly", "colon", "duodenum", "effusion", "esophagus", "heart", "infiltrate", "larynx", "liver",
    "liver cancer", "lung cancer", "mass", "nodule", "pneumonia", "pneumothorax", "rectum", "small bowel",
    "spinal cord", "spleen", "stomach", "tooth", "trachea",
)
# fmt: on
PAIRED = ("ear", "eye", "femoral head", "kidney", "lung", "mandible", "parotid", "temporal lobe")
ALIASES = {
    "pleural effusion": "effusion",
    "pulmonary infiltration": "infiltrate",
    "infiltration": "infiltrate",
    "pulmonary mass": "mass",
    "pulmonary nodule": "nodule",
}
"""How SLAKE's questions and answers call what its boxes call otherwise. "Large bowel" is none: more than colon."""
SIDES = ("left", "right")
NAMES = {
    **{name: frozenset({name}) for name in SINGLE},
    **{f"{side} {name}": frozenset({f"{side} {name}"}) for name in PAIRED for side in SIDES},
    **{name: frozenset(f"{side} {name}" for side in SIDES) for name in PAIRED},
    **{alias: frozenset({name}) for alias, name in ALIASES.items()},
}
"""Folded words → the folded labels that they may stand for; a paired organ without its side is either or both."""
DENIALS = frozenset({"no", "none", "0", "not seen"})
STATES = frozenset({"healthy", "unhealthy", "normal", "abnormal", "abnormality"})

Reason = Literal["no boxes in the picture", "names no structure", "not boxed", "side unclear", "answered no"]
REASONS: tuple[Reason, ...] = (
    "no boxes in the picture",
    "names no structure",
    "not boxed",
    "side unclear",
    "answered no",
)


@dataclass(frozen=True)
class LabelledBox:
    """label: as the file spells it. box: within the picture, half-open, source pixels."""

    label: str
    box: Box


@dataclass(frozen=True)
class Detections:
    """One picture's boxes in the file's order.

    clipped: how many of them left the picture and were cut. empty: how many more hold no pixel of it (its
    centre) and were left out.
    """

    boxes: tuple[LabelledBox, ...]
    clipped: int = 0
    empty: int = 0


@dataclass(frozen=True)
class Match:
    """What a question is about: all boxes of all structures that it names, to be taken as one area.

    labels: as the file spells them, sorted, each once. by: whether the question's words or its answer named them.
    structures: how many were named ("heart or lung": 2; "lung" with a box left and right: 1).
    """

    labels: tuple[str, ...]
    boxes: tuple[Box, ...]
    by: Literal["question", "answer"]
    structures: int


def detections(folder: Path, image: str, size: tuple[int, int]) -> Detections:
    """The boxes of a SLAKE picture. folder: the data set's. image: as in Sample.image. size: (width, height), pixels.

    Raises InputError for a file that is missing or of another form.
    """
    name = f"{image.rpartition('/')[0]}/detection.json"
    if not is_inside(name):
        raise refusal(f"the picture name {image[:80]!r}", "a name within the folder", "use the official release")
    with naming(f"imgs/{name}"):
        if (folder / "imgs").is_dir():
            return parse(file_bytes(folder / "imgs" / name), size)
        return parse(member_bytes(folder / "imgs.zip", f"imgs/{name}"), size)


def parse(data: bytes, size: tuple[int, int]) -> Detections:
    """The content of a detection.json. Raises InputError that names the entry which cannot be used."""
    remedy = "use the official release"
    try:
        entries = json.loads(data)
    except (ValueError, RecursionError):
        raise refusal("a file that is no JSON", "a list of boxes", remedy) from None
    if not isinstance(entries, list):
        raise refusal(f"a {type(entries).__name__}", "a list of boxes", remedy)
    for number, entry in enumerate(entries):
        if not _is_entry(entry):
            raise refusal(f"entry {number} of another form", '{"Label": [x, y, width, height]}', remedy)
    return _within([(label, corner) for entry in entries for label, corner in entry.items()], size)


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict) or len(entry) != 1:
        return False
    [(label, box)] = entry.items()
    return bool(label.strip()) and isinstance(box, list) and len(box) == 4 and all(map(_is_finite, box))


def _is_finite(value: Any) -> bool:
    return is_number(value) and math.isfinite(value)


def _within(entries: Iterable[tuple[str, list[float]]], size: tuple[int, int]) -> Detections:
    found, clipped, empty = [], 0, 0
    for label, (x, y, width, height) in entries:
        whole = (float(x), float(y), float(x + width), float(y + height))
        box = (max(whole[0], 0.0), max(whole[1], 0.0), min(whole[2], float(size[0])), min(whole[3], float(size[1])))
        if not _holds_pixel(box):  # none of an empty one either
            empty += 1
            continue
        clipped += box != whole
        found.append(LabelledBox(label, box))
    return Detections(tuple(found), clipped, empty)


def _holds_pixel(box: Box) -> bool:
    """Does the centre of any pixel lie in it, at i + 0.5?"""
    return all(math.ceil(low - 0.5) < math.ceil(high - 0.5) for low, high in (box[::2], box[1::2]))


def match(sample: Sample, found: Detections) -> Match | Reason:
    """The boxes that a question is about, or why it has none.

    The question's words decide; where they name no structure, the answer does, if all of its parts ("Lung, Heart")
    are names. Every structure named must have a box: a map that shines on an organ nobody boxed would be called wrong.
    A paired organ without its side takes the boxes of either side. Where "left" or "right" stands elsewhere in the
    question, that and a structure with several boxes are left out: which of them is meant, is not said in pixels.
    Where the answer is no, the structure is not there, or not where the question puts it; such a question is left out
    unless it asks about the structure's state ("Is the lung healthy?").
    """
    if not found.boxes:
        return "no boxes in the picture"
    words = fold(sample.question)
    names, by = named(words), "question"
    if not names:
        names, by = _parts(sample.answer or ""), "answer"
    if not names:
        return "names no structure"
    if by == "question" and fold(sample.answer or "") in DENIALS and not STATES & set(words.split()):
        return "answered no"
    chosen = _boxes_of(names, found)
    if not chosen:
        return "not boxed"
    labels = tuple(sorted({one.label for one in chosen}))
    if _mentions_side(words) and len(labels) < len(chosen) + any(len(NAMES[name]) > 1 for name in names):
        return "side unclear"
    structures = len({NAMES[name] for name in names})
    return Match(labels, tuple(one.box for one in chosen), "question" if by == "question" else "answer", structures)


def _boxes_of(names: tuple[str, ...], found: Detections) -> list[LabelledBox]:
    """The boxes of all structures named; none where one of them has no box."""
    present = {fold(one.label) for one in found.boxes}
    if not all(NAMES[name] & present for name in names):
        return []
    wanted = frozenset().union(*(NAMES[name] for name in names))
    return [one for one in found.boxes if fold(one.label) in wanted]


def _mentions_side(words: str) -> bool:
    """Is left or right mentioned, of an organ or of the picture, other than in a structure's own name?"""
    return any(side in _pattern().sub(" ", words).split() for side in SIDES)


def named(words: str) -> tuple[str, ...]:
    """The keys of NAMES in folded words, the longest first where they overlap ("lung cancer" is no "lung")."""
    return tuple(dict.fromkeys(_pattern().findall(words)))


def _parts(answer: str) -> tuple[str, ...]:
    """The names that an answer consists of; none where a part of it is something else."""
    parts = tuple(dict.fromkeys(fold(part) for part in answer.split(",")))
    return parts if all(part in NAMES for part in parts) else ()


def fold(text: str) -> str:
    """Lower case, words only, a plural's s off; "left and right lungs" become "left lung and right lung"."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    folded = " ".join(word[:-1] if _is_plural(word) else word for word in words)
    return _both_sides().sub(r"\1 \4 \2 \3 \4", folded)


def _is_plural(word: str) -> bool:
    """Light: "lungs" and "eyes" are. "Mass", "esophagus", "atelectasis" and "is" end in s by themselves."""
    return len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is"))


@cache
def _pattern() -> re.Pattern[str]:
    longest_first = sorted(NAMES, key=lambda name: (-len(name), name))
    return re.compile(rf"\b(?:{'|'.join(longest_first)})\b")


@cache
def _both_sides() -> re.Pattern[str]:
    return re.compile(rf"\b(left|right) (and|or) (?:the )?(left|right) ({'|'.join(PAIRED)})\b")
