"""Which phantoms a data set holds and what is asked about them, balanced so that the words alone say little.

Every split holds both bodies alike, and within each every answer to a question is as frequent as its rivals, up to one
picture. An answer depends on what is planted in the picture and on nothing else. It knows no files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from benchmarks.phantoms import placing
from benchmarks.phantoms.anatomy import SIDES, Anatomy, Body, Side, anatomy
from benchmarks.phantoms.phantom import Phantom
from benchmarks.phantoms.things import Kind, Nodule, Thing
from medfly.types import InputError

T = TypeVar("T")
SPLITS = {"train": 0.7, "validate": 0.15, "test": 0.15}
BODIES: tuple[Body, ...] = ("chest", "ct")
COUNTS = (1, 2, 3)
SPREADS: tuple[Side | None, ...] = (*SIDES, None)  # None: on both sides
TOPICS = "nodule", "side", "count", "catheter", "pacemaker", "marker"
SIZE = 192
SMALLEST, LARGEST = 96, 1024
FEWEST = 40


@dataclass(frozen=True)
class Question:
    """cause: the kind of thing that the answer hangs on; where it is not planted, there is no box."""

    topic: str
    text: str
    answer: str
    answer_type: str
    cause: Kind


@dataclass(frozen=True)
class Planned:
    """One picture of the data set. count_zero: whether a picture without nodules is asked how many there are.

    topics: those that are asked about, as far as they apply.
    """

    name: str
    split: str
    phantom: Phantom
    count_zero: bool
    topics: tuple[str, ...] = TOPICS

    def questions(self) -> tuple[Question, ...]:
        return tuple(one for one in _questions(self.phantom, self.count_zero) if one.topic in self.topics)


def design(images: int, seed: int, size: int = SIZE, topics: Sequence[str] = TOPICS) -> list[Planned]:
    """All pictures of a data set, split by split. Raises InputError for too few, an odd size and an unknown topic.

    topics: what is asked; the pictures are the same whatever it is.
    """
    if images < FEWEST:
        raise InputError(
            f"{images} images; expected at least {FEWEST}, or the answers cannot be balanced: ask for more"
        )
    if not SMALLEST <= size <= LARGEST:
        raise InputError(f"size {size}; expected {SMALLEST} to {LARGEST} pixels: choose one in between")
    if seed < 0:
        raise InputError(f"seed {seed}; expected 0 or more: choose another")
    if unknown := [topic for topic in topics if topic not in TOPICS]:
        raise InputError(f"topic {unknown[0]!r}; expected some of {', '.join(TOPICS)}: choose from these")
    rng = np.random.default_rng([seed, images, size])
    planned: list[Planned] = []
    for split, count in _split_sizes(images).items():
        for body, some in zip(BODIES, (count - count // 2, count // 2), strict=True):
            for phantom, count_zero in _group(body, some, size, rng):
                planned.append(Planned(f"{len(planned):05d}.png", split, phantom, count_zero, tuple(topics)))
    return planned


def _split_sizes(images: int) -> dict[str, int]:
    held_out = {split: round(images * share) for split, share in SPLITS.items() if split != "train"}
    return {"train": images - sum(held_out.values()), **held_out}


def _balanced(levels: Sequence[T], count: int, rng: np.random.Generator) -> list[T]:
    """`count` of the levels in random order, each as often as any other up to one."""
    first = [levels[i] for i in rng.permutation(len(levels))]
    repeated = (first * (count // len(first) + 1))[:count]
    return [repeated[i] for i in rng.permutation(count)]


def _group(body: Body, count: int, size: int, rng: np.random.Generator) -> Iterator[tuple[Phantom, bool]]:
    """The phantoms of one body in one split."""
    # Empty and not is balanced first, then how many within: so that no odd picture tips the yes-or-no question.
    present = _balanced((True, False), count, rng)
    how_many = _balanced(COUNTS, sum(present), rng)
    spreads = {n: _balanced(SPREADS if n > 1 else SIDES, how_many.count(n), rng) for n in set(how_many)}
    zeros = _balanced((True, False, False), count - sum(present), rng)
    letters = _balanced(("L", "R"), count, rng)
    lines, boxes = (_balanced((True, False), count, rng) for _ in range(2))
    for letter, line, box, has_nodules in zip(letters, lines, boxes, present, strict=True):
        number = how_many.pop() if has_nodules else 0
        sides = _sides(number, spreads[number].pop() if number else None)
        phantom = _phantom(body, size, rng, letter, line, box, sides)
        yield phantom, bool(not number and zeros.pop())


def _sides(number: int, spread: Side | None) -> list[Side]:
    return [spread or SIDES[i % 2] for i in range(number)]


def _phantom(
    body: Body, size: int, rng: np.random.Generator, letter: str, line: bool, box: bool, sides: Sequence[Side]
) -> Phantom:
    """With just these things in it. Where they find no room, about once in a thousand, another background is taken."""
    while True:
        try:
            return _drawn(body, size, rng, letter, line, box, sides)
        except placing.NoRoom:
            pass


def _drawn(
    body: Body, size: int, rng: np.random.Generator, letter: str, line: bool, box: bool, sides: Sequence[Side]
) -> Phantom:
    seed = int(rng.integers(2**32))
    background = anatomy(body, size, seed)
    things: list[Thing] = [placing.marker(background, rng, letter)]
    if box and body == "chest":
        things.append(placing.fitting(partial(placing.pacemaker, background, rng), size, things))
    if line:
        things.append(placing.fitting(partial(placing.catheter, background, rng), size, things))
    for side in sides:
        things.append(placing.fitting(partial(_nodule, background, rng, side), size, things))
    contrast, noise = float(rng.uniform(0.75, 1.0)), float(rng.uniform(0.01, 0.04))
    return Phantom(body, seed, size, round(contrast, 3), round(noise, 4), tuple(things))


def _nodule(background: Anatomy, rng: np.random.Generator, side: Side) -> Nodule:
    return placing.nodule(background, rng, side)


def _questions(phantom: Phantom, count_zero: bool) -> Iterator[Question]:
    nodules, middle = phantom.of("nodule"), phantom.size / 2
    yield Question("nodule", "Is there a nodule?", _yes(bool(nodules)), "CLOSED", "nodule")
    sides = {SIDES[int(one.x > middle)] for one in nodules if isinstance(one, Nodule)}
    if len(sides) == 1:
        what = "Which lung" if phantom.body == "chest" else "Which half of the body"
        verb = "holds the nodule" if len(nodules) == 1 else "holds the nodules"
        yield Question("side", f"{what} {verb}, the left or the right of the picture?", min(sides), "OPEN", "nodule")
    if nodules or count_zero:
        yield Question("count", "How many nodules are there?", str(len(nodules)), "OPEN", "nodule")
    yield Question("catheter", "Is there a catheter?", _yes(bool(phantom.of("catheter"))), "CLOSED", "catheter")
    if phantom.body == "chest":
        yield Question("pacemaker", "Is there a pacemaker?", _yes(bool(phantom.of("pacemaker"))), "CLOSED", "pacemaker")
    letter = getattr(phantom.of("marker")[0], "letter", "")
    yield Question("marker", "Which side marker is shown, L or R?", letter, "OPEN", "marker")


def _yes(value: bool) -> str:
    return "yes" if value else "no"
