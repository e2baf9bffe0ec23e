"""How well a map finds an area: the measures against slow plain ones and analytic values."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.localisation import area, centre_prior, cover, energy, iou, mask_of, measure, pointing, top_iou
from medfly.geometry import Pyramid
from medfly.types import Box, Region

SIZE = (48, 24)  # width, height
FEW = settings(max_examples=20, deadline=None)  # each looks at a thousand pixels one by one
PYRAMID = Pyramid(*SIZE, 336, (2, 2), (6, 6))


def regions(**best: int) -> list[Region]:
    """All crops with score 0, save the given index of a level with score 1."""
    return [Region(c.level, c.index, c.box, float(best.get(c.level) == c.index)) for c in PYRAMID.crops()]


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    x, y = (sorted(draw(st.tuples(st.integers(0, side - 1), st.integers(1, side)))) for side in SIZE)
    return float(x[0]), float(y[0]), float(max(x[1], x[0] + 1)), float(max(y[1], y[0] + 1))


def plain_mask(some: list[Box]) -> np.ndarray:
    mask = np.zeros((SIZE[1], SIZE[0]), bool)
    for x, y in itertools.product(range(SIZE[0]), range(SIZE[1])):
        mask[y, x] = any(x0 <= x + 0.5 < x1 and y0 <= y + 0.5 < y1 for x0, y0, x1, y1 in some)
    return mask


@FEW
@given(st.lists(boxes(), min_size=1, max_size=3), st.integers(0, 1000))
def test_pointing_and_energy_are_what_loops_over_pixels_say(some: list[Box], seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 50, (SIZE[1], SIZE[0])).astype(float)  # the maximum many times
    mask = plain_mask(some)
    pixels = [(values[y, x], mask[y, x]) for y in range(SIZE[1]) for x in range(SIZE[0])]
    highest = max(value for value, _ in pixels)
    best = [inside for value, inside in pixels if value == highest]
    assert (mask_of(some, SIZE) == mask).all()
    assert pointing(values, mask) == pytest.approx(sum(best) / len(best))
    assert energy(values, mask) == pytest.approx(sum(v for v, i in pixels if i) / sum(v for v, _ in pixels))


@given(boxes(), boxes())
def test_iou_of_whole_pixels_is_that_of_the_rectangles(one: Box, other: Box) -> None:
    sides = [min(one[a + 2], other[a + 2]) - max(one[a], other[a]) for a in (0, 1)]
    both = max(sides[0], 0) * max(sides[1], 0)
    assert iou(one, mask_of([other], SIZE)) == pytest.approx(both / (area(one) + area(other) - both))


@given(st.tuples(*[st.floats(0, 1)] * 4))
def test_cover_adds_up_to_the_area_between_pixels_too(edges: tuple[float, ...]) -> None:
    (x0, x1), (y0, y1) = sorted(edges[:2]), sorted(edges[2:])
    box = (x0 * SIZE[0], y0 * SIZE[1], x1 * SIZE[0], y1 * SIZE[1])
    covered = cover(box, SIZE)
    assert covered.shape == (SIZE[1], SIZE[0])
    assert covered.sum() == pytest.approx(area(box), abs=1e-9)
    assert covered.min() >= 0 and covered.max() <= 1


@FEW
@given(st.lists(boxes(), min_size=1, max_size=3))
def test_chance_is_the_share_of_the_image_and_so_are_a_flat_map_and_one_of_zeros(some: list[Box]) -> None:
    mask = plain_mask(some)
    for flat in (np.zeros(mask.shape), np.full(mask.shape, 0.3)):
        assert pointing(flat, mask) == pytest.approx(mask.mean())
        assert energy(flat, mask) == pytest.approx(mask.mean())
    measured = measure(regions(), some, SIZE)
    assert measured["share"] == pytest.approx(mask.mean())
    for subject in ("random", "low"):
        assert measured[subject]["pointing"] == measured[subject]["energy"] == measured["share"]
    assert measured["low"]["iou"] == pytest.approx(mask.mean())  # of the whole image with a part of it


@FEW
@given(boxes())
def test_chance_of_the_top_crops_is_the_mean_over_all_pairs(box: Box) -> None:
    mask = mask_of([box], SIZE)
    medium, high = ([iou(r.box, mask) for r in regions() if r.level == level] for level in ("medium", "high"))
    pairs = [max(pair) for pair in itertools.product(medium, high)]
    assert len(pairs) == 4 * 36
    assert measure(regions(), [box], SIZE)["random"]["iou"] == pytest.approx(np.mean(pairs))
    assert top_iou(regions(medium=2, high=30), mask) == max(medium[2], high[30])


def test_top_crops_need_medium_or_high_and_do_with_one() -> None:
    mask = mask_of([(0.0, 0.0, 24.0, 12.0)], SIZE)
    assert top_iou([r for r in regions(medium=0) if r.level != "high"], mask) == 1
    assert top_iou([r for r in regions(medium=3) if r.level != "high"], mask) == 0
    with pytest.raises(ValueError, match="medium or high"):
        top_iou([r for r in regions() if r.level == "low"], mask)


def test_the_best_crop_is_the_best_where_all_spoke_against_the_answer() -> None:
    against = [Region(r.level, r.crop, r.box, r.score - 2) for r in regions(medium=1, high=3)]
    assert top_iou(against, mask_of([(24.0, 0.0, 48.0, 12.0)], SIZE)) == 1


def test_the_centre_prior_is_the_gaussian_that_is_stated() -> None:
    prior = centre_prior((401, 201))
    assert prior.shape == (201, 401)
    assert np.unravel_index(prior.argmax(), prior.shape) == (100, 200) and prior[100, 200] == 1
    sigma_x, sigma_y = 0.25 * 401, 0.25 * 201
    for x, y in ((0, 0), (37, 180), (300, 100)):
        expected = np.exp(-(((x - 200) / sigma_x) ** 2 + ((y - 100) / sigma_y) ** 2) / 2)
        assert prior[y, x] == pytest.approx(expected)
    assert np.allclose(prior, prior[::-1, ::-1])


@pytest.mark.parametrize("index", range(36))
def test_evidence_in_the_box_is_found_wherever_it_is_and_missed_elsewhere(index: int) -> None:
    box = PYRAMID.crop("high", index).box
    found = measure(regions(high=index), [box], SIZE)["model"]
    missed = measure(regions(high=(index + 14) % 36), [box], SIZE)["model"]
    assert found["pointing"] == 1 and found["iou"] == 1
    assert found["energy"] > 0.5 and missed["energy"] < 0.2
    assert missed["pointing"] == 0


def test_the_centre_prior_ranks_the_crops_in_the_middle_first() -> None:
    middle = (16.0, 8.0, 32.0, 16.0)  # four of the 36 crops, each a quarter of it; each medium crop overlaps a quarter
    measured = measure(regions(), [middle], SIZE)["centre"]
    assert measured["iou"] == pytest.approx(1 / 4)
    assert measured["pointing"] == 1


def test_boxes_without_a_pixel_are_refused() -> None:
    with pytest.raises(ValueError, match="a pixel in them"):
        measure(regions(), [(1.6, 0.0, 2.4, 5.0)], SIZE)


@FEW
@given(boxes(), st.integers(0, 1000))
def test_iou_between_pixels_and_the_prior_within_a_box_are_what_whole_arrays_say(box: Box, seed: int) -> None:
    """Both are computed side by side, not pixel by pixel."""
    mask, prior = mask_of([box], SIZE), centre_prior(SIZE)
    rng = np.random.default_rng(seed)
    x, y = np.sort(rng.uniform(0, SIZE[0], 2)), np.sort(rng.uniform(0, SIZE[1], 2))
    crop = (x[0], y[0], x[1], y[1])
    both = cover(crop, SIZE)[mask].sum()
    assert iou(crop, mask) == pytest.approx(both / (area(crop) + mask.sum() - both))
    central = [Region(r.level, r.crop, r.box, (prior * cover(r.box, SIZE)).sum() / area(r.box)) for r in regions()]
    assert measure(regions(), [box], SIZE)["centre"]["iou"] == pytest.approx(top_iou(central, mask))
