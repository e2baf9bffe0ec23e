"""Changed pictures against numpy, Pillow, medfly.display and analytic values."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from medfly.display import apply_window
from medfly.sensitivity.pictures import inverted, is_grey, jpeg, levelled, mirrored, shifted, zoomed
from medfly.types import Window

FEW = settings(max_examples=25, deadline=None)
sides = st.integers(1, 60)


def noise(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def ramp(width: int, height: int) -> np.ndarray:
    """Grey by the place of the pixel's centre, 0 … 200 from left to right, and the same from top to bottom."""
    x, y = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    return np.repeat((100 * (x[None, :] + y[:, None]))[:, :, None], 3, axis=2)


@pytest.mark.parametrize("brightness, contrast", [(0.1, 1.0), (-0.1, 1.0), (0.0, 1.25), (0.0, 0.8), (0.05, 2.0)])
def test_levels_are_those_of_the_display_window(brightness: float, contrast: float) -> None:
    values = np.arange(256, dtype=np.uint8)
    picture = np.repeat(values[None, :, None], 3, axis=2)
    window = Window(127.5 - 255 * brightness / contrast, 255 / contrast, "LINEAR_EXACT")
    expected = 255 * apply_window(values, window)
    found = levelled(picture, brightness, contrast)[0, :, 0].astype(float)
    assert np.abs(found - expected).max() <= 0.5 + 1e-9
    if contrast == 1 and not brightness:
        assert (found == values).all()
    inside = (expected > 0) & (expected < 255)
    if contrast >= 1:
        assert (np.diff(found[inside]) > 0).all()  # no two levels become one


def test_values_are_inverted_and_sides_mirrored() -> None:
    picture = noise(7, 5)
    kept = picture.copy()
    assert (inverted(picture).astype(int) + picture == 255).all()
    assert (mirrored(picture) == np.asarray(Image.fromarray(picture).transpose(Image.Transpose.FLIP_LEFT_RIGHT))).all()
    assert (picture == kept).all() and mirrored(picture).flags.owndata


@FEW
@given(sides, sides, st.sampled_from([-0.02, 0.0, 0.02, 0.5]), st.sampled_from([-0.02, 0.0, 0.02]))
def test_a_shift_takes_every_pixel_from_whole_pixels_away_or_the_edge(
    w: int, h: int, right: float, down: float
) -> None:
    picture = noise(w, h)
    x, y = (0 if not s else int(np.sign(s)) * max(round(abs(s) * side), 1) for s, side in ((right, w), (down, h)))
    found = shifted(picture, right, down)
    assert found.shape == picture.shape
    for row in range(h):
        for column in range(w):
            source = picture[min(max(row - y, 0), h - 1), min(max(column - x, 0), w - 1)]
            assert (found[row, column] == source).all()


@pytest.mark.parametrize("factor", [1.02, 0.98, 1.25, 0.8])
@pytest.mark.parametrize("size", [(100, 60), (61, 101), (240, 240)])
def test_zoom_samples_a_ramp_where_the_centre_says(factor: float, size: tuple[int, int]) -> None:
    width, height = size
    picture = np.rint(ramp(width, height)).astype(np.uint8)
    found = zoomed(picture, factor).astype(float)[:, :, 0]
    assert found.shape == (height, width)
    place = [((np.arange(side) + 0.5) / side - 0.5) / factor + 0.5 for side in (width, height)]
    expected = 100 * (place[0][None, :] + place[1][:, None])
    if factor < 1:  # beyond the picture its edge is repeated
        edge = [np.clip(p, 0.5 / side, 1 - 0.5 / side) for p, side in zip(place, size, strict=True)]
        expected = 100 * (edge[0][None, :] + edge[1][:, None])
    margin = 3  # the filter reaches across the border, where the ramp bends
    inner = np.zeros((height, width), bool)
    inner[margin:-margin, margin:-margin] = True
    off = np.abs(found - expected)
    assert off[inner].max() < 1.5 and off.max() < 4


@FEW
@given(sides, sides, st.sampled_from([1.02, 0.98, 0.5, 3.0]), st.integers(0, 255))
def test_zoom_leaves_a_flat_picture_flat_and_its_size(w: int, h: int, factor: float, value: int) -> None:
    picture = np.full((h, w, 3), value, np.uint8)
    assert (zoomed(picture, factor) == picture).all()


def test_zoom_moves_a_square_as_far_as_it_says_and_by_one_changes_nothing() -> None:
    picture = np.zeros((200, 400, 3), np.uint8)
    picture[80:120, 300:340] = 255  # its centre is 120 right of the middle and on its height
    for factor in (1.02, 0.98, 1.3):
        weights = zoomed(picture, factor)[:, :, 0].astype(float)
        x = (weights.sum(0) * (np.arange(400) + 0.5)).sum() / weights.sum()
        y = (weights.sum(1) * (np.arange(200) + 0.5)).sum() / weights.sum()
        assert (x, y) == pytest.approx((200 + 120 * factor, 100), abs=0.05)
        assert weights.sum() / 255 == pytest.approx(1600 * factor**2, rel=0.02)
    assert (zoomed(picture, 1.0) == picture).all()


@pytest.mark.parametrize("quality", [50, 75, 95])
def test_jpeg_is_what_pillow_writes_and_reads(quality: int) -> None:
    picture = noise(40, 24)
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=quality)
    assert (jpeg(picture, quality) == np.asarray(Image.open(stream))).all()
    assert jpeg(picture, quality).shape == picture.shape
    smooth = np.rint(ramp(64, 64)).astype(np.uint8)
    assert 0 < np.abs(jpeg(smooth, quality).astype(int) - smooth).mean() < 3
    assert is_grey(jpeg(smooth, quality))


def test_grey_is_three_equal_channels() -> None:
    grey = np.repeat(noise(5, 4)[:, :, :1], 3, axis=2)
    assert is_grey(grey)
    grey[3, 4, 2] ^= 1
    assert not is_grey(grey)
