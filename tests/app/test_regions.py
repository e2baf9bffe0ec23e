"""A region's boxes in the whole frame, exactly, against rational numbers; its places in the patient; its map."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.asking.regions import LEAST, cut, heat, mapped, whole_pixels
from medfly.geometry import Pyramid, patient_point, sources
from medfly.types import Answer, Evidence, InputError, Region, Scan, Tile

SIDES = st.integers(LEAST, 3000)


@st.composite
def boxes(draw: st.DrawFn) -> tuple[tuple[int, int], tuple[float, float, float, float]]:
    """A frame's size, and a rectangle as a user may draw it: any corner first is the canvas's business, edges may
    reach beyond the frame."""
    size = draw(SIDES), draw(SIDES)
    edges = []
    for side in size:
        start = draw(st.floats(-50, side - LEAST))
        edges.append((start, draw(st.floats(max(start, 0) + LEAST, side + 50))))
    return size, (edges[0][0], edges[1][0], edges[0][1], edges[1][1])


def pyramid_answer(width: int, height: int) -> Answer:
    """What the engine makes of a picture of this size: every crop with its box."""
    pyramid = Pyramid(width, height, 64, (2, 2), (9, 4))
    regions = [Region(crop.level, crop.index, crop.box, 1.0) for crop in pyramid.crops()]
    return Answer("Q", "A", evidence=Evidence("made", tuple(regions)))


@given(boxes())
@settings(deadline=None)
def test_the_pixels_are_those_that_the_rectangle_touches(drawn) -> None:
    (width, height), box = drawn
    x0, y0, x1, y1 = whole_pixels(box, (width, height))
    columns = [x for x in range(width) if x < box[2] and x + 1 > box[0]]
    rows = [y for y in range(height) if y < box[3] and y + 1 > box[1]]
    assert (x0, x1) == (columns[0], columns[-1] + 1) and (y0, y1) == (rows[0], rows[-1] + 1)


@given(boxes())
@settings(max_examples=60, deadline=None)
def test_evidence_boxes_are_exact_in_the_whole_frame(drawn) -> None:
    (width, height), box = drawn
    scan = Scan(np.zeros((height, width), np.uint8))
    x0, y0, x1, y1 = whole_pixels(box, scan.size)
    part = cut(scan, box)
    assert part.size == (x1 - x0, y1 - y0)
    found = mapped(pyramid_answer(*part.size), scan, box).evidence
    assert found is not None and len(found.regions) == 1 + 4 + 36
    grids = {"low": (1, 1), "medium": (2, 2), "high": (9, 4)}
    for region in found.regions:
        columns, rows = grids[region.level]
        row, column = divmod(region.crop, columns)
        exact = (
            x0 + Fraction(column * (x1 - x0), columns),
            y0 + Fraction(row * (y1 - y0), rows),
            x0 + Fraction((column + 1) * (x1 - x0), columns),
            y0 + Fraction((row + 1) * (y1 - y0), rows),
        )
        for edge, wanted in zip(region.box, exact, strict=True):  # within the last bits of a float
            assert abs(Fraction(edge) - wanted) <= 4 * Fraction(math.ulp(float(wanted)))
            assert edge == wanted or wanted.denominator > 1  # whole pixels are met exactly
        if region.level == "low":
            assert region.box == (x0, y0, x1, y1)


@given(boxes(), st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_a_part_shows_the_same_pixels_padding_and_overlay(drawn, seed: int) -> None:
    (width, height), box = drawn
    numbers = np.random.default_rng(seed).integers(0, 2**16, (height, width)).astype(np.float32)
    scan = Scan(numbers, padding=numbers < 1000, overlay=numbers > 60000, notes=("lossy compression",))
    part = cut(scan, box)
    x0, y0, _, _ = whole_pixels(box, scan.size)
    for x, y in ((0, 0), (part.size[0] - 1, part.size[1] - 1), (part.size[0] // 2, part.size[1] // 3)):
        assert part.pixels[y, x] == scan.pixels[y + y0, x + x0]
        assert part.padding is not None and scan.padding is not None and part.overlay is not None
        assert scan.overlay is not None
        assert part.padding[y, x] == scan.padding[y + y0, x + x0]
        assert part.overlay[y, x] == scan.overlay[y + y0, x + x0]
    assert part.notes[0] == "lossy compression" and "a region was asked about" in part.notes[1]


@given(boxes(), st.lists(st.floats(-100, 100), min_size=12, max_size=12))
@settings(max_examples=40, deadline=None)
def test_a_point_of_the_part_is_the_same_point_of_the_patient(drawn, numbers: list[float]) -> None:
    (width, height), box = drawn
    affine = np.vstack([np.array(numbers).reshape(3, 4), [0, 0, 0, 1]])
    scan = Scan(np.zeros((height, width), np.uint8), affine=affine)
    x0, y0, _, _ = whole_pixels(box, scan.size)
    part = cut(scan, box)
    assert part.affine is not None
    for x, y in ((0.0, 0.0), (7.25, 3.5)):
        there, here = patient_point(affine, x + x0, y + y0), patient_point(part.affine, x, y)
        assert here == pytest.approx(there, rel=1e-9, abs=1e-6)


def test_on_a_montage_a_crop_is_told_by_its_frames_and_provenance_is_the_whole_frames() -> None:
    tiles = (Tile(3, (0, 0, 40, 40), (0, 0, 80, 80)), Tile(9, (40, 0, 80, 40), (0, 0, 80, 80)))
    scan = Scan(np.zeros((40, 80), np.float32), tiles=tiles, input_hash="ab")
    part = cut(scan, (20, 0, 60, 40))
    assert part.tiles == ()
    answer = mapped(
        Answer("Q", "A", 0.5, Evidence("m", (Region("low", 0, (0, 0, 40, 40), 1.0),))), scan, (20, 0, 60, 40)
    )
    assert answer.evidence is not None
    (region,) = answer.evidence.regions
    assert region.sources == sources((20, 0, 60, 40), tiles)
    assert {(one.frame, one.box) for one in region.sources} == {(3, (40, 0, 80, 80)), (9, (0, 0, 40, 80))}
    assert answer.provenance["region"] == [20, 0, 60, 40] and answer.provenance["frames"] == [3, 9]
    assert answer.provenance["size"] == [80, 40] and answer.confidence == 0.5


@pytest.mark.parametrize(
    "box",
    [(0, 0, 15, 100), (0, 0, 100, 0), (90, 0, 300, 100), (50, 50, 10, 10), (math.nan, 0, 50, 50), (0, 0, math.inf, 50)],
)
def test_what_is_no_region_is_refused(box) -> None:
    with pytest.raises(InputError, match=r"a region .*expected .*: draw it"):
        whole_pixels(box, (100, 100))


def test_the_map_of_a_region_lies_in_it_and_is_the_one_of_its_own_picture() -> None:
    regions = (Region("high", 0, (0, 0, 20, 20), 2.0), Region("high", 3, (20, 20, 40, 40), 0.5))
    alone = Answer("Q", "A", evidence=Evidence("m", regions))
    scan = Scan(np.zeros((60, 80), np.float32))
    box = (30.0, 10.0, 70.0, 50.0)
    whole = heat(mapped(alone, scan, box), scan.size, box)
    own = heat(alone, (40, 40), None)
    assert whole is not None and own is not None
    assert np.array_equal(whole[10:50, 30:70], own) and np.count_nonzero(whole) == np.count_nonzero(own)
    assert own.min() == 0 and 0.9 < own.max() <= 1
    assert heat(Answer("Q", "A"), (40, 40), None) is None
