"""Least recently used values within a bound in bytes, each with an owner who can take all of theirs away.

It is shared by the sessions of one server and safe between their threads. It knows nothing of what it keeps.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Bounded(Generic[Value]):
    """limit: bytes. spared: so many of the newest values stay although they alone are over the limit."""

    def __init__(self, limit: int, spared: int = 0) -> None:
        self.limit, self.spared = limit, spared
        self._kept: OrderedDict[tuple[str, Hashable], tuple[Value, int]] = OrderedDict()
        self._bytes = 0
        self._gone: set[str] = set()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def bytes(self) -> int:
        """The sum of what is kept now, as `put` was told."""
        return self._bytes

    def get(self, owner: str, key: Hashable) -> Value | None:
        with self._lock:
            found = self._kept.get((owner, key))
            if found is None:
                return None
            self._kept.move_to_end((owner, key))
            return found[0]

    def put(self, owner: str, key: Hashable, value: Value, size: int) -> None:
        """Keep a value of so many bytes; of an owner who was forgotten, nothing."""
        with self._lock:
            if owner in self._gone:
                return
            self._drop((owner, key))
            self._kept[owner, key] = value, size
            self._bytes += size
            while self._bytes > self.limit and len(self._kept) > self.spared:
                self._drop(next(iter(self._kept)))

    def forget(self, owner: str) -> None:
        """Drop all that an owner has, and keep nothing that a slower thread brings for them later."""
        with self._lock:
            self._gone.add(owner)
            for key in [key for key in self._kept if key[0] == owner]:
                self._drop(key)

    def _drop(self, key: tuple[str, Hashable]) -> None:
        _, size = self._kept.pop(key, (None, 0))
        self._bytes -= size
