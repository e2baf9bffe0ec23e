"""What the user did on the canvas, as the browser tells it: read with distrust, for a browser may send anything.

It knows no Streamlit: the state is whatever came. What does not fit the view is left out, never guessed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args

from medfly.geometry import LEVELS
from medfly.types import Box, Level, Window, WindowFunction

MOST_NEEDED = 64
"""Frames at a time."""
MOST_CROPS = 4096
LONGEST_ORDER = 80
LONGEST_SOURCE = 80
"""Letters of a window's origin, such as "preset lung"."""


@dataclass(frozen=True)
class Acted:
    """What the user did to the series that is shown; None and () where nothing was done.

    frame: the one looked at, 0-based. window: as set by the user; None where it is the one begun with.
    need: frames that the browser lacks, the most urgent first; told once.
    region: the rectangle drawn, in source pixels, within the picture. crop: the one that was clicked last.
    order: the last `View.order` that was obeyed.
    """

    frame: int | None = None
    window: Window | None = None
    need: tuple[int, ...] = ()
    region: Box | None = None
    crop: tuple[Level, int] | None = None
    order: str | None = None


def acted(state: object, asked: object, *, series: str, frames: int) -> Acted:
    """state, asked: what the browser sent as "acted" and "need". What is about another series counts as nothing."""
    done = state if isinstance(state, Mapping) and state.get("series") == series else {}
    wanted = asked if isinstance(asked, Mapping) and asked.get("series") == series else {}
    return Acted(
        frame=_frame(done.get("frame"), frames),
        window=_window(done.get("window")),
        need=_need(wanted.get("frames"), frames),
        region=_box(done.get("region")),
        crop=_crop(done.get("crop")),
        order=_order(done.get("order")),
    )


def lacks_heat(asked: object) -> bool:
    """Whether the browser asks for the map of evidence: it was named to it, and it does not have it."""
    return isinstance(asked, Mapping) and asked.get("heat") is True


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _frame(value: Any, frames: int) -> int | None:
    frame = _whole(value)
    return frame if frame is not None and 0 <= frame < frames else None


def _order(value: Any) -> str | None:
    return value if isinstance(value, str) and len(value) <= LONGEST_ORDER else None


def _need(value: Any, frames: int) -> tuple[int, ...]:
    if not _listed(value):
        return ()
    found = (_frame(one, frames) for one in value[:MOST_NEEDED])
    return tuple(dict.fromkeys(frame for frame in found if frame is not None))


def _window(value: Any) -> Window | None:
    if not isinstance(value, Mapping):
        return None
    center, width = _finite(value.get("center")), _finite(value.get("width"))
    function, source = value.get("function"), value.get("source")
    if center is None or width is None or width <= 0 or function not in get_args(WindowFunction):
        return None
    named = source[:LONGEST_SOURCE] if isinstance(source, str) else "user"
    return Window(center, width, cast(WindowFunction, function), named)


def _box(value: Any) -> Box | None:
    if not _listed(value) or len(value) != 4:
        return None
    edges = [_finite(edge) for edge in value]
    if any(edge is None for edge in edges):
        return None
    x0, y0, x1, y1 = edges
    return (x0, y0, x1, y1) if 0 <= x0 < x1 and 0 <= y0 < y1 else None  # type: ignore[operator]


def _crop(value: Any) -> tuple[Level, int] | None:
    if not _listed(value) or len(value) != 2 or value[0] not in LEVELS:
        return None
    index = _whole(value[1])
    return (value[0], index) if index is not None and 0 <= index < MOST_CROPS else None


def _listed(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
