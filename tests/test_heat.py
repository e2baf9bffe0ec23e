"""The map of evidence lies where the evidence does, says how even it is, and leaves the scan as it was elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfly import drawing, montage, wording
from medfly.drawing.heatmap import PLASMA, colours, peak_pixel
from medfly.evidence.overlay import overlay
from medfly.geometry import Pyramid, sources
from medfly.types import Answer, Evidence, Region, Scan, Volume

WHITE = (255, 255, 255)


def grey(height: int, width: int, value: int = 100) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


@dataclass(frozen=True)
class Flat:
    """A frame of one value."""

    value: float

    @property
    def content_hash(self) -> str:
        return f"{self.value}"

    def __call__(self) -> Scan:
        return Scan(np.full((40, 50), self.value, np.float32), input_hash=self.content_hash)


def cross(image) -> tuple[float, float]:
    """Where the cross is: one of its lines lies on either median, also where the border cuts an arm off."""
    rows, columns = np.nonzero((np.asarray(image) == WHITE).all(axis=2))
    return float(np.median(columns)), float(np.median(rows))


@given(
    width=st.integers(40, 120),
    height=st.integers(40, 120),
    grid=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    aspect=st.floats(0.4, 2.5),
    scale=st.floats(0.5, 3),
    data=st.data(),
)
def test_the_most_lies_where_the_best_crop_is_drawn(width, height, grid, aspect, scale, data) -> None:
    crops = [c for c in Pyramid(width, height, 10, (1, 1), grid).crops() if c.level == "high"]
    others = st.floats(-1, 0.3)
    best = data.draw(st.integers(0, len(crops) - 1))
    scores = [1.0 if i == best else data.draw(others) for i in range(len(crops))]
    regions = [Region("high", c.index, c.box, score) for c, score in zip(crops, scores, strict=True)]
    picture, shares = grey(height, width), overlay(regions, (width, height))
    image = drawing.heat(picture, shares, scale=scale, aspect=aspect)
    assert image.size == drawing.highlight(picture, regions, scale=scale, aspect=aspect).size
    found = drawing.spread(shares)
    assert found is not None
    if not found.placed:
        assert (np.asarray(image) == 100).all()
        return
    x, y = cross(image)
    x0, y0, x1, y1 = drawing.canvas_box(crops[best].box, (width, height), image.size)
    assert x0 - 1 <= x <= x1 and y0 - 1 <= y <= y1


def test_colour_is_as_strong_as_the_map_and_the_picture_stays_as_it_was() -> None:
    shares = np.zeros((100, 200), np.float32)
    shares[:, 100:] = [[k / 100] for k in range(1, 101)]
    picture = grey(100, 200)
    picture.setflags(write=False)
    image = np.asarray(drawing.heat(picture, shares, 0.5)).astype(float)
    assert (image[:, :90] == 100).all() and (picture == 100).all()
    # half of the map's highest value, 50 / 100: half of the scale, at half of the opacity
    assert image[49, 110] == pytest.approx(0.75 * 100 + 0.25 * np.array(PLASMA[2]), abs=0.51)
    assert image[99, 110] == pytest.approx(0.5 * 100 + 0.5 * np.array(PLASMA[4]), abs=0.51)
    faint = np.asarray(drawing.heat(picture, shares, 0.0))
    assert (faint[:, :150][:, :140] == 100).all()


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_a_map_without_a_place_draws_nothing(value: float) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    image = drawing.heat(picture, np.full((30, 40), value, np.float32))
    assert np.array_equal(np.asarray(image), picture)


def test_spread_is_told_in_times_an_even_one() -> None:
    shares = np.ones((10, 20), np.float32)
    shares[:5, :10] = 4  # a quarter: the mean is 1.75
    found = drawing.spread(shares)
    assert found is not None and found.placed
    assert (found.peak, found.nowhere) == pytest.approx((4 / 1.75, 1 / 1.75))
    assert "marks the most, 2.3" in found.line and "57 % of it lies evenly" in found.line
    assert drawing.spread(np.zeros((3, 3))) is None


def test_a_nearly_even_map_stays_pale() -> None:
    shares = np.ones((60, 60), np.float32)
    shares[20:40, 20:40] = 1.2
    found = drawing.spread(shares)
    assert found is not None and found.ends[1] - found.ends[0] == 1  # not 0.2: its own peak is no full colour
    image = np.asarray(drawing.heat(grey(60, 60), shares)).astype(float)
    share = 0.6 * 0.2 / shares.mean()
    expected = (1 - share) * 100 + share * colours(np.array(0.2 / shares.mean()))
    assert image[22, 22] == pytest.approx(expected, abs=0.51)


def test_the_middle_of_a_plateau_is_marked() -> None:
    shares = np.zeros((50, 70))
    shares[10:31, 20:61] = 2
    assert peak_pixel(shares) == (40, 20)


def test_map_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="same size"):
        drawing.heat(grey(10, 20), np.ones((20, 10)))


def test_on_a_montage_the_most_lies_in_the_frame_that_the_best_crop_shows() -> None:
    whole = montage(Volume(tuple(Flat(value) for value in range(6)), "space"))
    width, height = whole.size
    pyramid = Pyramid(width, height, 10, (2, 2), (6, 6))
    marked = 0
    for index in range(36):
        box = pyramid.crop("high", index).box
        region = Region("high", index, box, 1.0, sources(box, whole.tiles))
        column, row = peak_pixel(overlay([region], whole.size))
        within = [t.frame for t in whole.tiles if t.box[0] <= column < t.box[2] and t.box[1] <= row < t.box[3]]
        shown = {source.frame for source in region.sources}
        assert set(within) <= shown  # of a crop on a border the middle may lie between the tiles
        assert box[0] <= column + 0.5 <= box[2] and box[1] <= row + 0.5 <= box[3]
        marked += len(within)
    assert marked >= 20


def test_answer_without_evidence_has_a_map_of_nothing() -> None:
    against = Evidence("", (Region("high", 0, (0, 0, 5, 5), -1.0),))
    for evidence in (None, against):
        shares = drawing.answer_map(Answer("q", "a", evidence=evidence), grey(10, 20))
        assert shares.shape == (10, 20) and not shares.any()


def luminance(colour) -> float:
    """WCAG 2.2, relative luminance of sRGB in 0 … 255."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in np.asarray(colour) / 255]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def test_the_scale_grows_lighter() -> None:
    lightness = [luminance(colours(np.array(value))) for value in np.linspace(0, 1, 50)]
    assert np.all(np.diff(lightness) > 0)


@pytest.mark.parametrize("ground", [drawing.BACKGROUND, drawing.PANEL])
@pytest.mark.parametrize("colour", [drawing.TEXT, drawing.MUTED, drawing.WARNING, *drawing.LEVEL_COLOURS.values()])
def test_words_in_figures_have_contrast(colour, ground) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1."""
    assert (luminance(colour) + 0.05) / (luminance(ground) + 0.05) >= 4.5


def test_legend_in_words() -> None:
    assert "points to no place" in wording.heat_line(None, 1.0)
    assert wording.heat_line(5.3, 0.0).endswith("marks the most, 5.3")
