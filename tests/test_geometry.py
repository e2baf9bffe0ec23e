"""Coordinates: round trips, tilings, and the reference implementation's choice among grids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from medfly.geometry import LEVELS, Pyramid, best_grid, patient_point, size_in_mm, zoom_box

side = st.integers(1, 4000)
pyramids = st.builds(
    lambda width, height, crop, medium, scale: Pyramid(
        width, height, crop, medium, (medium[0] * scale, medium[1] * scale)
    ),
    side,
    side,
    st.sampled_from([16, 64, 336]),
    st.sampled_from([(2, 2), (1, 4), (4, 1)]),
    st.integers(1, 4),
)
fraction = st.floats(0, 1)


@given(pyramids, st.data(), fraction, fraction)
def test_crop_to_source_to_crop(pyramid: Pyramid, data: st.DataObject, x: float, y: float) -> None:
    level = data.draw(st.sampled_from(LEVELS))
    index = data.draw(st.integers(0, pyramid.count(level) - 1))
    x, y = x * pyramid.crop_size, y * pyramid.crop_size
    back = pyramid.to_crop(level, index, *pyramid.to_source(level, index, x, y))
    assert back == pytest.approx((x, y), abs=1e-6 * pyramid.crop_size)


@given(pyramids, st.data(), fraction, fraction)
def test_source_to_crop_to_source(pyramid: Pyramid, data: st.DataObject, x: float, y: float) -> None:
    level = data.draw(st.sampled_from(LEVELS))
    index = data.draw(st.integers(0, pyramid.count(level) - 1))
    x, y = x * pyramid.width, y * pyramid.height
    back = pyramid.to_source(level, index, *pyramid.to_crop(level, index, x, y))
    assert back == pytest.approx((x, y), abs=1e-6 * max(pyramid.width, pyramid.height))


@given(pyramids, fraction, fraction)
def test_every_source_point_lies_in_one_crop_of_each_level(pyramid: Pyramid, x: float, y: float) -> None:
    # half-open: the right and lower edges belong to no crop
    px, py = min(x, 1 - 1e-9) * pyramid.width, min(y, 1 - 1e-9) * pyramid.height
    for level in LEVELS:
        boxes = [crop.box for crop in pyramid.crops() if crop.level == level]
        assert sum(x0 <= px < x1 and y0 <= py < y1 for x0, y0, x1, y1 in boxes) == 1
        area = sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in boxes)
        assert area == pytest.approx(pyramid.width * pyramid.height)


def test_boxes_say_where_pillow_took_the_pixels_from() -> None:
    """A white rectangle drawn in exactly one crop's box is all that this crop shows, and no other crop has any."""
    pyramid = Pyramid(240, 120, 16, (4, 1), (12, 3))
    for level, index in (("medium", 2), ("high", 17), ("high", 35)):
        x0, y0, x1, y1 = map(round, pyramid.crop(level, index).box)
        picture = np.zeros((120, 240), np.uint8)
        picture[y0:y1, x0:x1] = 255
        columns, rows = pyramid.grid(level)
        resized = np.asarray(Image.fromarray(picture).resize(pyramid.level_size(level), Image.Resampling.BOX))
        tiles = resized.reshape(rows, 16, columns, 16).swapaxes(1, 2).reshape(-1, 16, 16)
        assert (tiles[index] == 255).all()
        assert not np.delete(tiles, index, axis=0).any()


def test_best_grid_by_hand() -> None:
    grids = [(2, 2), (1, 4), (4, 1)]
    assert best_grid(512, 512, 336, grids) == (2, 2)
    assert best_grid(800, 200, 336, grids) == (4, 1)
    assert best_grid(190, 760, 336, grids) == (1, 4)
    # 100 × 100 fits whole into all; the first is also the one with least area, since all areas are equal
    assert best_grid(100, 100, 336, grids) == (2, 2)


def test_a_crop_that_does_not_exist() -> None:
    with pytest.raises(IndexError, match="expected 0 to 3"):
        Pyramid(10, 10, 16, (2, 2), (6, 6)).crop("medium", 4)


def test_size_in_mm_is_per_axis_and_unknown_stays_unknown() -> None:
    assert size_in_mm((10, 20, 30, 60), (0.5, 0.25)) == (5.0, 20.0)  # 20 columns · 0.25 mm, 40 rows · 0.5 mm
    assert size_in_mm((10, 20, 30, 60), None) is None


def test_patient_point_by_hand() -> None:
    """Pixels of 2 mm across and 3 mm down; the first one's centre lies at (10, 20, 30)."""
    affine = np.array([[2.0, 0, 0, 10], [0, 3, 0, 20], [0, 0, 1, 30], [0, 0, 0, 1]])
    assert patient_point(affine, 0.5, 0.5) == (10, 20, 30)
    assert patient_point(affine, 0, 2.5) == (9, 26, 30)


@given(side, side, st.floats(0.5, 2))
def test_a_zoom_keeps_the_centre_and_the_shape(width: int, height: int, factor: float) -> None:
    x0, y0, x1, y1 = zoom_box(width, height, factor)
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((width / 2, height / 2))
    assert ((x1 - x0) * factor, (y1 - y0) * factor) == pytest.approx((width, height))
    back = zoom_box(width, height, 1 / factor)
    assert (x0 - width / 2) * (back[0] - width / 2) == pytest.approx(width**2 / 4)  # the inverse undoes it
