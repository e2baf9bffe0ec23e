"""A phantom as a value: its background and what is planted in it; its picture, its boxes, the same with a cause moved.

Background and noise hang on the seed alone and are the same with a thing, without it and with it elsewhere, so that
two such pictures differ in the thing's pixels and nowhere else. It knows no questions and no files.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from benchmarks.phantoms.anatomy import Body, anatomy
from benchmarks.phantoms.placing import fitting, place_again
from benchmarks.phantoms.things import IntBox, Kind, Thing
from medfly.types import InputError, Scan, Window


@dataclass(frozen=True)
class Phantom:
    """size: side of the square picture in pixels. noise: standard deviation, contrast: factor, of the full range."""

    body: Body
    seed: int
    size: int
    contrast: float
    noise: float
    things: tuple[Thing, ...] = ()

    def of(self, kind: Kind) -> tuple[Thing, ...]:
        return tuple(thing for thing in self.things if thing.kind == kind)


def render(phantom: Phantom) -> np.ndarray:
    """[S, S] uint8, grey."""
    picture = anatomy(phantom.body, phantom.size, phantom.seed).picture()
    for thing in phantom.things:
        picture = thing.paint(picture)
    noise = np.random.default_rng([phantom.seed, 2]).normal(0, phantom.noise, picture.shape)
    return np.clip(255 * (picture * phantom.contrast + noise), 0, 255).round().astype(np.uint8)


def to_scan(phantom: Phantom) -> Scan:
    """The picture as a model is shown it, without a file between."""
    pixels = render(phantom)
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    return Scan(pixels.astype(np.float32), windows=(Window(127.5, 255, "LINEAR_EXACT"),), input_hash=digest)


def boxes(phantom: Phantom, *kinds: Kind) -> tuple[IntBox, ...]:
    """The boxes of what is planted, in order, of the given kinds only if any are given."""
    return tuple(thing.box(phantom.size) for thing in phantom.things if not kinds or thing.kind in kinds)


def without(phantom: Phantom, *kinds: Kind) -> Phantom:
    """The same phantom without what is of these kinds."""
    return replace(phantom, things=tuple(thing for thing in phantom.things if thing.kind not in kinds))


def moved(phantom: Phantom, kind: Kind, seed: int = 0) -> Phantom:
    """The same phantom with every thing of a kind elsewhere, in a box that touches none of the old ones of that kind.

    The answers to whether, how many and which letter stay; that to where may change. Raises InputError where nothing
    of this kind is planted, and where there is no room.
    """
    old = phantom.of(kind)
    if not old:
        raise InputError(f"a phantom without a {kind}; expected one to move: choose another phantom or kind")
    background = anatomy(phantom.body, phantom.size, phantom.seed)
    rng = np.random.default_rng([phantom.seed, 3, seed])
    things = list(without(phantom, kind).things)
    for thing in old:
        again = partial(place_again, thing, background, rng)
        things.append(fitting(again, phantom.size, things, boxes(phantom, kind)))
    return replace(phantom, things=tuple(things))
