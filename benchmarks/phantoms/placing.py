"""Where things may lie: nodules in the lungs or the body, devices where they are worn, markers in the corners.

No two things share a pixel, so that each one's box holds its cause and the whole of it. It knows no questions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from benchmarks.phantoms.anatomy import SIDES, Anatomy, Side
from benchmarks.phantoms.things import Catheter, IntBox, Marker, Nodule, Pacemaker, Thing
from medfly.types import InputError

T = TypeVar("T", bound=Thing)
TRIES = 500
GAP = 3
"""Pixels between a nodule and all else, so that two nodules are seen as two."""
DIAMETERS = (0.05, 0.11)
STRENGTHS = (0.28, 0.45)


class NoRoom(InputError):
    """A thing finds no free place in this background, among what is planted already."""


def nodule(anatomy: Anatomy, rng: np.random.Generator, side: Side) -> Nodule:
    """One of random size and strength, whole within the field of that side of the picture."""
    diameter = float(rng.uniform(*DIAMETERS)) * anatomy.size
    return nodule_at(anatomy, rng, side, Nodule(0, 0, round(diameter, 1), round(float(rng.uniform(*STRENGTHS)), 3)))


def nodule_at(anatomy: Anatomy, rng: np.random.Generator, side: Side, form: Nodule) -> Nodule:
    """`form` at a random place within the field of that side. Raises NoRoom where it is too large for it."""
    field = anatomy.fields[SIDES.index(side)]
    for _ in range(TRIES):
        x = float(rng.uniform(field.x - field.radius_x, field.x + field.radius_x))
        y = float(rng.uniform(field.y - field.radius_y, field.y + field.radius_y))
        if field.holds(x, y, form.diameter / 2 + 1):
            return replace(form, x=round(x, 2), y=round(y, 2))
    raise NoRoom(f"a nodule of {form.diameter} pixels; expected one that fits a lung: make it smaller")


def catheter(anatomy: Anatomy, rng: np.random.Generator) -> Catheter:
    """From the upper edge of the body's half down to the middle, on a random side."""
    sign = int(rng.choice([-1, 1]))
    if anatomy.ribs:
        shares = (0.5 + sign * rng.uniform(0.12, 0.25), 0.02), (0.5 + sign * rng.uniform(0.0, 0.1), 0.15)
    else:
        shares = (
            (0.5 + sign * rng.uniform(0.42, 0.47), rng.uniform(0.2, 0.8)),
            (0.5 + sign * 0.3, rng.uniform(0.3, 0.7)),
        )
    end = 0.5 + sign * rng.uniform(0.03, 0.08), rng.uniform(0.35, 0.5)
    start, control, end = (tuple(round(float(v) * anatomy.size, 2) for v in point) for point in (*shares, end))
    return Catheter(start, control, end, round(0.015 * anatomy.size, 2))  # pyright: ignore[reportArgumentType]


def pacemaker(anatomy: Anatomy, rng: np.random.Generator) -> Pacemaker:
    """Below a collarbone, or there on the other side; on a slice at the front of the body."""
    size, sign = anatomy.size, int(rng.choice([-1, 1]))
    x, y = 0.5 + sign * rng.uniform(0.2, 0.28), rng.uniform(0.2, 0.32)
    width, height = rng.uniform(0.07, 0.1), rng.uniform(0.08, 0.12)
    return Pacemaker(*(round(float(v) * size, 2) for v in (x, y, width, height)))


def marker(anatomy: Anatomy, rng: np.random.Generator, letter: str) -> Marker:
    """In one of the four corners, whatever the letter: its place says nothing about what it reads."""
    size = anatomy.size
    dot = max(1, round(size * float(rng.choice([2, 3])) / 192))
    margin = size // 64
    high, wide = (int(rng.integers(margin, margin + size // 24)) for _ in range(2))
    column = wide if rng.random() < 0.5 else size - wide - 5 * dot
    row = high if rng.random() < 0.5 else size - high - 7 * dot
    return Marker("L" if letter == "L" else "R", column, row, dot)


def place_again(thing: Thing, anatomy: Anatomy, rng: np.random.Generator) -> Thing:
    """The same thing, of the same size, at a random place where such things lie."""
    if isinstance(thing, Nodule):
        return nodule_at(anatomy, rng, SIDES[int(rng.integers(2))], thing)
    if isinstance(thing, Catheter):
        return replace(catheter(anatomy, rng), width=thing.width)
    if isinstance(thing, Pacemaker):
        other = pacemaker(anatomy, rng)
        return replace(thing, x=other.x, y=other.y)
    if isinstance(thing, Marker):
        corners = [c for c in (marker(anatomy, rng, thing.letter) for _ in range(50)) if c.dot == thing.dot]
        return corners[0]
    raise TypeError(f"{type(thing).__name__}: expected a nodule, catheter, pacemaker or marker")


def fitting(draw: Callable[[], T], size: int, taken: Sequence[Thing], forbidden: Sequence[IntBox] = ()) -> T:
    """The first of what `draw` gives that shares no pixel with `taken` and whose box touches no forbidden one.

    Raises NoRoom where there is none.
    """
    occupied = np.zeros((size, size), bool)
    for one in taken:
        occupied |= one.coverage(size) > 0
    for _ in range(TRIES):
        thing = draw()
        if is_free(thing, occupied) and not any(touch(thing.box(size), box) for box in forbidden):
            return thing
    raise NoRoom(f"no room among {len(taken)} things; expected some: choose another seed or a larger size")


def is_free(thing: Thing, occupied: np.ndarray) -> bool:
    """Whether its pixels are free; of a nodule, its box and GAP pixels around it."""
    if not isinstance(thing, Nodule):
        return not occupied[thing.coverage(len(occupied)) > 0].any()
    x0, y0, x1, y1 = thing.box(len(occupied))
    return not occupied[max(y0 - GAP, 0) : y1 + GAP, max(x0 - GAP, 0) : x1 + GAP].any()


def touch(a: IntBox, b: IntBox) -> bool:
    """Whether two half-open boxes share a pixel."""
    return max(a[0], b[0]) < min(a[2], b[2]) and max(a[1], b[1]) < min(a[3], b[3])
