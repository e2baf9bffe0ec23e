"""Several ways to do one thing, timed in turn, so that a busy machine slows all of them alike.

It knows nothing of what it times.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

Timed = Callable[[], Any]
Spread = dict[str, float]


def interleaved(ways: Mapping[str, Timed], repeats: int) -> dict[str, list[float]]:
    """Way → seconds of each of `repeats` rounds; one round before them is not counted."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, call in ways.items():
            start = time.perf_counter()
            call()
            if turn:
                found[name].append(time.perf_counter() - start)
    return found


def spread(values: list[float], factor: float = 1.0) -> Spread:
    return {"median": median(values) * factor, "least": min(values) * factor, "most": max(values) * factor}


def ratios(above: list[float], below: list[float]) -> Spread:
    """above / below, round by round."""
    return spread([a / b for a, b in zip(above, below, strict=True)])


def cell(one: Spread, digits: int = 2) -> str:
    """Median, least and most in one cell of a table."""
    return f"{one['median']:.{digits}f} ({one['least']:.{digits}f} … {one['most']:.{digits}f})"
