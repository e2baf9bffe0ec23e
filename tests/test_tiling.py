"""A montage shows each frame where its tile says, in one picture, and evidence finds the way back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfly import geometry
from medfly.display import chosen_window
from medfly.tiling import montage
from medfly.types import Box, FrameBox, InputError, Scan, Tile, Volume, Window


@dataclass(frozen=True)
class Flat:
    """A frame of one value."""

    value: float
    size: tuple[int, int] = (40, 30)
    aspect: float | None = None

    @property
    def content_hash(self) -> str:
        return f"{self.value}"

    def __call__(self) -> Scan:
        pixels = np.full(self.size[::-1], self.value, np.float32)
        return Scan(
            pixels,
            windows=(Window(500, 1000, "LINEAR_EXACT"),),
            aspect=self.aspect,
            input_hash=str(self.value),
            notes=("derived image", f"value {self.value}"),
        )


def volume(count: int, **facts: object) -> Volume:
    return Volume(tuple(Flat(100.0 * i, **facts) for i in range(count)), "space")  # type: ignore[arg-type]


def inside(picture: np.ndarray, box: Box) -> np.ndarray:
    x0, y0, x1, y1 = map(int, box)
    return picture[y0:y1, x0:x1]


def test_each_frame_stands_where_its_tile_says() -> None:
    scan = montage(volume(9), [8, 2, 5])
    picture = scan.display()
    assert [tile.frame for tile in scan.tiles] == [8, 2, 5]
    for tile in scan.tiles:
        assert tile.source == (0, 0, 40, 30)
        assert (inside(picture, tile.box) == round(tile.frame * 100 / 1000 * 255)).all()
    assert "frames 8, 2, 5 of 9" in scan.notes[0]


def test_numbers_stand_above_and_not_on_the_frames() -> None:
    scan = montage(volume(1))  # a black frame
    picture = scan.display()
    assert picture.max() > 200 and inside(picture, scan.tiles[0].box).max() == 0


def test_remarks_that_hold_for_all_frames_are_kept() -> None:
    scan = montage(volume(9), [8, 2])
    assert scan.notes[1:] == ("derived image",)
    assert montage(volume(9), [8]).notes[1:] == ("derived image", "value 800.0")
    assert scan.input_hash != montage(volume(9), [8, 3]).input_hash == montage(volume(9), [8, 3]).input_hash


def test_window_is_applied_once_and_said() -> None:
    scan = montage(volume(3), window="100/200")
    values = [inside(scan.display(), tile.box)[0, 0, 0] for tile in scan.tiles]
    assert values[0] == 0 and values[1] == 0 and 120 <= values[2] <= 135  # 0, 100 and 200 around level 200
    assert "100/200" in scan.notes[0] and "100/200" in scan.windows[0].source


@dataclass(frozen=True)
class Noise:
    """A frame of its own range and without a window."""

    top: float
    content_hash: str = "a"

    def __call__(self) -> Scan:
        return Scan(np.random.default_rng(0).uniform(0, self.top, (30, 40)).astype(np.float32))


def test_frames_of_different_windows_are_shown_in_one() -> None:
    """Else the same value would be black in one frame and white in the next."""
    scan = montage(Volume(tuple(Noise(top) for top in (100.0, 110.0, 120.0, 130.0, 9000.0)), "space"))
    middle = chosen_window(Noise(120.0)())
    assert isinstance(middle, Window)
    for tile, top in zip(scan.tiles, (100.0, 110.0, 120.0, 130.0, 9000.0), strict=True):
        assert np.array_equal(inside(scan.display(), tile.box), Noise(top)().display(middle))
    assert "median of 5 frames" in scan.windows[0].source and "median of 5 frames" in scan.notes[0]


def test_numbers_stay_above_their_own_frames() -> None:
    """Of narrow frames the number alone: "frame 10" would run into its neighbour's."""
    picture = montage(volume(21, size=(24, 24)), [0, 20]).display()
    assert picture[:12, :24].max() > 200 and picture[:12, 24:].max() > 200
    assert picture[:12, 20:24].max() == 0


def test_too_many_frames() -> None:
    with pytest.raises(InputError, match="found 145 frames; expected at most 144"):
        montage(volume(145), range(145))


def test_frames_of_tall_pixels_are_shown_tall() -> None:
    (tile,) = montage(volume(1, aspect=2.0)).tiles
    assert tile.box[2] - tile.box[0] == 40 and tile.box[3] - tile.box[1] == 60
    assert tile.source == (0, 0, 40, 30)


def test_large_frames_are_reduced() -> None:
    tiles = montage(volume(2, size=(2000, 1000))).tiles
    assert {(t.box[2] - t.box[0], t.box[3] - t.box[1]) for t in tiles} == {(512, 256)}


def test_default_is_spread_evenly() -> None:
    assert [tile.frame for tile in montage(volume(160)).tiles] == list(range(5, 160, 10))


@pytest.mark.parametrize("frames", [[9], [-1], []])
def test_frames_that_are_not_there(frames: list[int]) -> None:
    with pytest.raises(InputError, match="expected 0 to 8"):
        montage(volume(9), frames)


TILES = (Tile(3, (0, 10, 100, 110), (0, 0, 50, 50)), Tile(7, (100, 10, 200, 110), (20, 30, 60, 80)))


def test_sources_by_hand() -> None:
    # A box over the right 20 of the first tile and the left 60 of the second.
    found = geometry.sources((80, 10, 160, 60), TILES)
    assert found == (FrameBox(7, (20, 30, 44, 55)), FrameBox(3, (40, 0, 50, 25)))
    assert geometry.sources((0, 0, 200, 10), TILES) == ()


@given(
    x=st.tuples(st.floats(0, 100), st.floats(0, 100)).filter(lambda p: p[0] < p[1]),
    y=st.tuples(st.floats(10, 110), st.floats(10, 110)).filter(lambda p: p[0] < p[1]),
)
def test_a_box_within_a_tile_comes_back(x: tuple[float, float], y: tuple[float, float]) -> None:
    (part,) = geometry.sources((x[0], y[0], x[1], y[1]), TILES[:1])
    back = (part.box[0] * 2, part.box[1] * 2 + 10, part.box[2] * 2, part.box[3] * 2 + 10)
    assert part.frame == 3 and back == pytest.approx((x[0], y[0], x[1], y[1]))
