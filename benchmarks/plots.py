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


def reliability(bins: Sequence[Mapping[str, Any]]) -> str:
    """Accuracy against confidence, a dot a bin with its interval; a dot's area is the bin's share of the answers.

    bins: the summary's calibration["bins"], all in 0 … 1. An empty bin is not drawn.
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
        drawn.append(f'<circle class="dot" cx="{x}" cy="{y}" r="{3 + 11 * math.sqrt(found["count"] / total):.1f}"/>')
    return axes.svg(drawn, "reliability diagram: accuracy against confidence, a dot a bin")


def risk_coverage(points: Sequence[Mapping[str, Any]]) -> str:
    """The share of wrong answers among those kept, against the share kept, the most confident first.

    points: the summary's calibration["risk_coverage"], all in 0 … 1.
    """
    highest = max((point["risk"] for point in points), default=0.0)
    axes = Axes("coverage: share of questions answered", "risk: share wrong", max(math.ceil(highest * 20) / 20, 0.05))
    path = " ".join("{},{}".format(*axes.at(point["coverage"], point["risk"])) for point in points)
    return axes.svg([f'<polyline class="curve" points="{path}"/>'], "risk against coverage")
