"""Frames within a bound, thumbnails behind the page: against the adapters' own reading and a plain dictionary."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.data import get_testdata_file

from app.studies import thumbnails
from app.studies.bounded import Bounded
from app.studies.frames import Frames, scan_bytes
from app.studies.library import Found, Listing
from app.studies.opened import Opened
from app.studies.thumbnails import NONE, Thumbnails, thumbnail
from data_adapters import read
from data_adapters.places import Places
from medfly.types import InputError, Scan

from .made_studies import series, waited


def only(folder: Path) -> Opened:
    (item,) = items(folder)
    return item


def items(folder: Path) -> tuple[Opened, ...]:
    found: Found = waited(Listing(str(folder), Places.of([folder])))
    return found.items


def package_file(name: str) -> bytes:
    return Path(str(get_testdata_file(name, download=False))).read_bytes()


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), max_size=60), st.lists(st.integers(1, 60), min_size=6, max_size=6))
def test_the_bound_holds_and_the_newest_stay(puts: list[int], sizes: list[int]) -> None:
    """Against the definition: from the newest back, each key once, until one does not fit."""
    kept: Bounded[int] = Bounded(100)
    for key in puts:
        kept.put("", key, key + 1, sizes[key])
    expected: list[int] = []
    for key in dict.fromkeys(reversed(puts)):
        if sum(sizes[key] for key in expected) + sizes[key] > 100:
            break
        expected.append(key)
    assert [key for key in range(6) if kept.get("", key) == key + 1] == sorted(expected)
    assert kept.bytes == sum(sizes[key] for key in expected) and len(kept) == len(expected)


def test_what_is_looked_at_stays_and_what_is_forgotten_never_comes_back() -> None:
    kept: Bounded[str] = Bounded(2, spared=1)
    kept.put("a", 1, "one", 1)
    kept.put("b", 1, "two", 1)
    assert kept.get("a", 1) == "one"
    kept.put("b", 2, "three", 1)
    assert kept.get("a", 1) == "one" and kept.get("b", 1) is None
    kept.put("b", 3, "large", 50)
    assert len(kept) == 1 and kept.get("b", 3) == "large", "spared although over the limit"
    kept.forget("b")
    kept.put("b", 4, "late", 1)
    assert kept.get("b", 4) is None and len(kept) == kept.bytes == 0


def test_frames_are_those_of_the_series_and_read_once(tmp_path: Path) -> None:
    paths = series(tmp_path, 4)
    item, frames = only(tmp_path), Frames()
    expected = read(paths)
    for index in (2, 0, 3):
        found = frames.frame(item, index)
        np.testing.assert_array_equal(found.pixels, expected[index].pixels)
        assert found.frame == index and found.input_hash == expected[index].input_hash
        assert frames.frame(item, index) is found
    for wrong in (4, -1):
        with pytest.raises(InputError, match="of 4; expected 0 to 3"):
            frames.frame(item, wrong)


def test_a_long_series_stays_within_the_bound(tmp_path: Path) -> None:
    series(tmp_path, 60, side=32)
    item = only(tmp_path)
    one = scan_bytes(Frames().frame(item, 0))
    frames = Frames(frame_bytes=5 * one)
    for index in range(60):
        assert frames.frame(item, index).pixels[0, 1] == index
    assert one >= 4 * 32 * 32 and frames.frames.bytes == 5 * one and len(frames.frames) == 5


def test_a_broken_slice_is_one_line_and_the_others_stay(tmp_path: Path) -> None:
    paths = series(tmp_path / "doe", 3)
    item, frames = only(tmp_path), Frames()
    paths[1].write_bytes(paths[1].read_bytes()[:-100])
    with pytest.raises(InputError) as caught:
        frames.frame(item, 1)
    assert "\n" not in str(caught.value) and "doe" not in str(caught.value)
    assert frames.frame(item, 2).pixels[0, 1] == 2


@pytest.mark.parametrize("name", ["examples_ybr_color.dcm", "CT_small.dcm"])
def test_files_of_one_and_of_many_frames(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(package_file(name))
    item, frames = only(tmp_path), Frames()
    whole = read(tmp_path / "file")
    last = 0 if isinstance(whole, Scan) else len(whole) - 1
    expected = whole if isinstance(whole, Scan) else whole[last]
    np.testing.assert_array_equal(frames.frame(item, last).pixels, expected.pixels)
    with pytest.raises(InputError):
        frames.frame(item, last + 1)


def test_a_file_of_many_frames_is_kept_though_it_is_over_the_limit(tmp_path: Path) -> None:
    (tmp_path / "cine").write_bytes(package_file("examples_ybr_color.dcm"))
    item, frames = only(tmp_path), Frames(file_bytes=1)
    assert frames.whole(item) is frames.whole(item)


def test_thumbnail_has_the_shape_in_millimetres_and_the_middle_frame(tmp_path: Path) -> None:
    pixels = np.zeros((20, 40), np.float32)
    pixels[:, 20:] = 100
    picture = Image.open(io.BytesIO(thumbnail(Scan(pixels, spacing=(4.0, 1.0)))))
    assert picture.size == (48, 96) and picture.mode == "L"
    assert np.asarray(picture)[50, 5] == 0 and np.asarray(picture)[50, 40] == 255
    colour = np.zeros((5, 5, 3), np.uint8)
    colour[..., 1] = 200
    assert Image.open(io.BytesIO(thumbnail(Scan(colour)))).getpixel((40, 40)) == (0, 200, 0)
    series(tmp_path, 3)
    made = Thumbnails().ready([only(tmp_path)], 30)
    assert list(made.values()) == [thumbnail(Frames().frame(only(tmp_path), 1))]


def test_a_thumbnail_that_fails_in_a_new_way_leaves_its_place_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    series(tmp_path)
    item = only(tmp_path)

    def failing(*_: object) -> None:
        raise RuntimeError("a decoder's own")

    monkeypatch.setattr(thumbnails, "middle", failing)
    made = Thumbnails()
    assert made.ready([item], 30) == {item.key: NONE} and not made._underway
    other = Thumbnails()
    monkeypatch.setattr(other._made, "put", failing)
    assert other.ready([item], 30) == {} and not other._underway


def test_thumbnails_of_what_is_broken_or_large(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    Image.new("L", (30, 30), 9).save(tmp_path / "good.png")
    bad, good = items(tmp_path)
    assert Thumbnails().ready([bad, good], 30)[bad.key] == NONE
    assert Thumbnails(largest=10).ready([good], 30)[good.key] == NONE
    assert Thumbnails().ready([good], 30)[good.key][:4] == b"\x89PNG"


def test_a_slice_that_becomes_a_link_is_not_read(tmp_path: Path) -> None:
    paths = series(tmp_path / "in", 3)
    (other,) = series(tmp_path / "out", 1)
    item, frames = only(tmp_path / "in"), Frames()
    frames.frame(item, 0)
    paths[1].unlink()
    paths[1].symlink_to(other)
    with pytest.raises(InputError, match="leads out"):
        frames.frame(item, 1)
    paths[1].unlink()
    paths[1].symlink_to(paths[2])
    assert frames.frame(item, 1).pixels[0, 1] == 2, "within the folder a link is followed"
