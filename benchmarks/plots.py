"""Plots as inline SVG, drawn by hand: a page with them needs no library, and its style colours them, on paper too.

Every plot stands beside the same numbers as text. This module knows numbers in, SVG out; classes name what is drawn,
and the page's style decides how it looks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 360, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 44  # margins, for the numbers and the names of the axes


@dataclass(frozen=True)
class Axes:
    """x in 0 … 1 and y in 0 … top, drawn upwards, on a canvas of WIDTH × HEIGHT."""

    x_name: str
    y_name: str
    top: float = 1.0

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Canvas coordinates, rounded to a hundredth."""
        across = LEFT + x * (WIDTH - LEFT - RIGHT)
        down = HEIGHT - BOTTOM - y / self.top * (HEIGHT - TOP - BOTTOM)
        return round(across, 2), round(down, 2)

    def line(self, start: tuple[float, float], end: tuple[float, float], kind: str) -> str:
        (x1, y1), (x2, y2) = self.at(*start), self.at(*end)
        return f'<line class="{kind}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'

    def svg(self, drawn: Iterable[str], description: str) -> str:
        """The whole picture. description: for those who do not see it; plain text without quotes or markup."""
        names = (
            f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{self.x_name}</text>'
            f'<text transform="translate(12 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">'
            f"{self.y_name}</text>"
        )
        body = "".join((self._grid(), *drawn, names))
        return f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{description}">{body}</svg>'

    def _grid(self) -> str:
        parts = []
        for step in range(6):
            x, y = step / 5, step / 5 * self.top
            across, down = self.at(x, 0)[0], self.at(0, y)[1]
            parts += [
                self.line((x, 0), (x, self.top), "grid"),
                self.line((0, y), (1, y), "grid"),
                f'<text x="{across}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{x:.1f}</text>',
                f'<text x="{LEFT - 6}" y="{down + 4}" text-anchor="end">{y:.{1 if self.top == 1 else 2}f}</text>',
            ]
        return "".join(parts)


def interval_line(group: Mapping[str, Any]) -> str:
    """A dot at the percentage and a line over its interval, on a scale from 0 to 100 that is as wide as there is room.

    Empty for a group without a number. It is decoration: the numbers stand beside it.
    """
    if group["percent"] is None:
        return ""
    middle = 'y1="50%" y2="50%"'
    reach = ""
    if group["low"] is not None:
        reach = f'<line class="reach" x1="{group["low"]:.2f}%" x2="{group["high"]:.2f}%" {middle}/>'
    return (
        f'<svg class="track" aria-hidden="true"><line class="grid" x1="0%" x2="100%" {middle}/>{reach}'
        f'<circle class="dot" cx="{group["percent"]:.2f}%" cy="50%" r="4"/></svg>'
    )


MARKS = {"temperature": "diamond", "isotonic": "ring"}


def reliability(bins: Sequence[Mapping[str, Any]], calibrated: Mapping[str, Mapping[str, Any]] | None = None) -> str:
    """Accuracy against confidence, a dot a bin with its interval; a dot's area is the bin's share of the answers.

    bins: the summary's calibration["bins"], all in 0 … 1. An empty bin is not drawn. calibrated: its "calibrated",
    whose bins are drawn as hollow marks, with a key; their areas, too, are the shares of their own answers.
    """
    axes = Axes("confidence", "accuracy")
    drawn = [axes.line((0, 0), (1, 1), "diagonal")]
    filled = [b for b in bins if b["count"]]
    total = sum(b["count"] for b in filled)
    for found in filled:
        if found["accuracy_low"] is not None:
            start, end = (found["confidence"], found["accuracy_low"]), (found["confidence"], found["accuracy_high"])
            drawn.append(axes.line(start, end, "reach"))
        x, y = axes.at(found["confidence"], found["accuracy"])
        drawn.append(f'<circle class="dot" cx="{x}" cy="{y}" r="{_radius(found, total):.1f}"/>')
    for row, (name, fitted) in enumerate((calibrated or {}).items()):
        drawn += _calibrated(axes, fitted["bins"], name, row)
    return axes.svg(drawn, "reliability diagram: accuracy against confidence, a dot a bin")


def _calibrated(axes: Axes, bins: Sequence[Mapping[str, Any]], name: str, row: int) -> list[str]:
    """The hollow marks of a fit, and its row of the key."""
    filled, kind = [b for b in bins if b["count"]], MARKS[name]
    total = sum(b["count"] for b in filled)
    return [
        *(mark(kind, *axes.at(b["confidence"], b["accuracy"]), _radius(b, total)) for b in filled),
        mark(kind, LEFT + 16, TOP + 14 + 18 * row, 5),
        f'<text class="key" x="{LEFT + 28}" y="{TOP + 18 + 18 * row}">{name}</text>',
    ]


def _radius(found: Mapping[str, Any], total: int) -> float:
    """Of a bin's mark, on the canvas."""
    return 3 + 11 * math.sqrt(found["count"] / total)


def mark(kind: str, x: float, y: float, radius: float) -> str:
    """A hollow "ring" or "diamond" around a place on the canvas."""
    if kind == "ring":
        return f'<circle class="mark ring" cx="{x}" cy="{y}" r="{radius:.1f}"/>'
    corners = ((x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y))
    return f'<polygon class="mark {kind}" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in corners)}"/>'


def risk_coverage(points: Sequence[Mapping[str, Any]], risks: Sequence[Mapping[str, Any]] | None = None) -> str:
    """The share of wrong answers among those kept, against the share kept, the most confident first.

    points: the summary's calibration["risk_coverage"], all in 0 … 1. risks: its "risks", of which each that kept
    anything is a diamond with the stated risk beside it.
    """
    kept = [one for one in risks or () if one["risk_found"] is not None]
    highest = max((*(point["risk"] for point in points), *(one["risk_found"] for one in kept)), default=0.0)
    axes = Axes("coverage: share of questions answered", "risk: share wrong", max(math.ceil(highest * 20) / 20, 0.05))
    path = " ".join("{},{}".format(*axes.at(point["coverage"], point["risk"])) for point in points)
    drawn = [f'<polyline class="curve" points="{path}"/>']
    for one in kept:
        x, y = axes.at(one["coverage"], one["risk_found"])
        label = f'<text class="key" x="{x}" y="{y + 20:.2f}" text-anchor="middle">≤ {100 * one["risk"]:.0f} %</text>'
        drawn += [mark("diamond", x, y, 6), label]
    return axes.svg(drawn, "risk against coverage")
