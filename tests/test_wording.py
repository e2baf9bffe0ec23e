"""Lines that every output shows: those that a number can make wrong."""

from __future__ import annotations

import pytest

from medfly.wording import millimetre_line


@pytest.mark.parametrize(
    ("size", "line"),
    [
        (None, "size unknown"),
        ((120.4, 80.6), "120 × 81 mm"),
        ((1.2, 0.3), "1 × 0 mm"),
        ((0.4, 0.3125), "400 × 312 µm"),  # of a slide's region: "0 × 0 mm" says nothing
    ],
)
def test_sizes(size: tuple[float, float] | None, line: str) -> None:
    assert millimetre_line(size) == line
