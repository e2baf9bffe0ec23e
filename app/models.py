"""One model for all sessions of a server, and whose turn it is to use it.

A model computes one thing at a time. Whoever needs it stands in a line, in order of arrival, and leaves the line
whatever happens to it: a cancelled answer, an error or a page that was reloaded does not keep the model. Long work
(a dozen pictures) lets the others go first between two of its steps, so that a short question need not wait for all
of it. The module knows neither scans nor questions; only `load` knows Streamlit, which keeps the models.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from medfly.types import InputError

if TYPE_CHECKING:
    from medfly.engine import MedFly, Prefix, View

Told = Callable[[int], None]
"""Is told every POLL seconds how many are before one in the line; what it raises ends the waiting."""
POLL = 0.1
MOST_KEPT = 2
"""Scans, of all sessions together, of which a model's keys and values are kept: some 400 MB each for an 8 B decoder."""


def _patient(_: int) -> None:
    """Waits without a word."""


class Line:
    """Who uses something that only one can use at a time: first come, first served, over all threads."""

    def __init__(self) -> None:
        self._tickets: deque[object] = deque()  # the first is whose turn it is
        self._moved = threading.Condition()

    def __len__(self) -> int:
        """How many use it or wait for it."""
        return len(self._tickets)

    @contextmanager
    def turn(self, told: Told = _patient) -> Iterator[Hold]:
        """Waits until it is one's turn, which lasts as long as the block."""
        hold = Hold(self, told)
        with self._moved:
            self._tickets.append(hold)
        try:
            self._wait(hold)
            yield hold
        finally:
            with self._moved:
                self._tickets.remove(hold)
                self._moved.notify_all()

    def go_last(self, hold: Hold) -> None:
        """To the end of the line, and wait again; at once back where nobody waits."""
        with self._moved:
            self._tickets.remove(hold)
            self._tickets.append(hold)
            self._moved.notify_all()
        self._wait(hold)

    def _wait(self, hold: Hold) -> None:
        while True:
            with self._moved:
                before = self._tickets.index(hold)
                if not before:
                    return
            hold.told(before)  # outside of the lock: it may take its time, or raise
            with self._moved:
                self._moved.wait_for(lambda: self._tickets[0] is hold, POLL)


@dataclass(eq=False)
class Hold:
    """A place in the line."""

    line: Line
    told: Told

    def pass_on(self) -> None:
        """Let those who wait go first, then go on."""
        self.line.go_last(self)


@dataclass(eq=False)
class Kept:
    """What a model has read of the scan that a session asked about last: later questions need not read it again.

    It belongs to the session, and goes with it.
    """

    of: tuple[object, str] | None = None
    prefix: Prefix | None = None

    def drop(self) -> None:
        self.of = self.prefix = None


@dataclass(eq=False)
class Shared:
    """A loaded model and its line. `fly` may be used inside of `line.turn()` only, but for MedFly.view."""

    fly: MedFly
    line: Line = field(default_factory=Line)
    _kept: deque[weakref.ref[Kept]] = field(default_factory=deque)

    def turn(self, told: Told = _patient):
        return self.line.turn(told)

    def read(self, view: View, kept: Kept) -> Prefix:
        """What the model makes of a view: read now, or kept from this session's question before. In one's turn only."""
        of = self, fingerprint(view)
        if kept.of != of or kept.prefix is None:
            kept.drop()
            kept.of, kept.prefix = of, self.fly.read(view)
            self._remember(kept)
        return kept.prefix

    def _remember(self, kept: Kept) -> None:
        """The newest of all sessions stay, so that memory does not grow with the number of open pages."""
        alive = [one for one in self._kept if one() is not None and one() is not kept]
        self._kept = deque([*alive, weakref.ref(kept)])
        while len(self._kept) > MOST_KEPT:
            oldest = self._kept.popleft()()
            if oldest is not None:
                oldest.drop()


def fingerprint(view: View) -> str:
    """Equal for views that a model cannot tell apart: of the crops' pixels, their places and their provenance."""
    import hashlib
    import json

    digest = hashlib.sha256(np.ascontiguousarray(view.pixels).data)
    about = (view.levels, vars(view.pyramid), [vars(tile) for tile in view.tiles], view.provenance)
    digest.update(json.dumps(about, default=str).encode())
    return digest.hexdigest()


def chosen() -> str:
    """The model's name as `medfly app --model` was given it."""
    return os.environ.get("MEDFLY_MODEL") or "mini"


def load(name: str = "mini") -> Shared:
    """The model of that name, loaded once for all sessions; from any thread. Raises InputError."""
    return _loader()(name)


def warm(name: str) -> None:
    """Begin to load a model, so that the first question need not wait for it. What fails is told to that question."""
    threading.Thread(target=_try_to_load, args=(name,), name="medfly-warm", daemon=True).start()


def _try_to_load(name: str) -> None:
    with suppress(InputError):
        load(name)


@cache
def _loader() -> Callable[[str], Shared]:
    import streamlit as st

    return st.cache_resource(show_spinner=False)(_load)


def _load(name: str) -> Shared:
    import medfly  # torch, which takes seconds

    return Shared(medfly.load(name))
