"""The evidence in a row: what is written comes back, and what is none is told from it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.predictions import as_evidence, to_line, with_evidence
from medfly.types import Box, Evidence, Level, Region

NUMBERS = st.floats(-1e6, 1e6)


@st.composite
def evidences(draw: st.DrawFn) -> Evidence:
    levels: tuple[Level, ...] = ("low", "medium", "high")
    places = draw(st.lists(st.tuples(st.sampled_from(levels), st.integers(0, 35)), min_size=1, unique=True))
    regions = []
    for level, crop in places:
        x0, y0, width, height = draw(st.tuples(NUMBERS, NUMBERS, st.floats(0.1, 1e3), st.floats(0.1, 1e3)))
        box: Box = (x0, y0, x0 + width, y0 + height)
        regions.append(Region(level, crop, box, draw(NUMBERS)))
    return Evidence(draw(st.text()), tuple(regions))


@settings(max_examples=30, deadline=None)
@given(evidences())
def test_what_is_written_comes_back_to_the_last_digit(evidence: Evidence) -> None:
    row = json.loads(to_line(with_evidence({"id": 1}, evidence)))
    assert as_evidence(row["evidence"]) == evidence and row["id"] == 1


REGION = {"level": "high", "crop": 3, "box": [0, 0.5, 4, 4], "score": -0.25}


def test_a_row_by_hand() -> None:
    found = as_evidence({"method": "told", "regions": [REGION], "more": 1})
    assert found == Evidence("told", (Region("high", 3, (0.0, 0.5, 4.0, 4.0), -0.25),))


@pytest.mark.parametrize(
    "change",
    [
        {"level": "highest"},
        {"level": ["high"]},
        {"crop": -1},
        {"crop": True},
        {"crop": 1.0},
        {"box": [0, 0, 4]},
        {"box": [0, 0, 0, 4]},
        {"box": [4, 0, 1, 4]},
        {"box": [0, 0, "4", 4]},
        {"box": None},
        {"score": float("nan")},
        {"score": True},
        {"score": None},
    ],
)
def test_one_region_at_fault_makes_it_none(change: dict[str, Any]) -> None:
    assert as_evidence({"method": "told", "regions": [REGION | {"crop": 0}, REGION | change]}) is None


@pytest.mark.parametrize(
    "value",
    [
        *(None, "x", [], {}, {"method": "told"}, {"method": 3, "regions": [REGION]}, {"method": "told", "regions": []}),
        *({"method": "told", "regions": some} for some in ({"0": REGION}, [REGION, REGION], ["x"])),
    ],
)
def test_what_is_no_evidence(value: Any) -> None:
    assert as_evidence(value) is None
