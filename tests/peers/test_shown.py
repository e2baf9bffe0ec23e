"""What a peer is shown: the picture of the viewer, in square pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from medfly.peers.shown import shown, with_pictures
from medfly.types import InputError, Sample, Window


@pytest.mark.parametrize(
    "spacing, aspect, size",
    [
        (None, None, (20, 12)),
        ((0.5, 0.5), None, (20, 12)),
        ((1.0, 0.5), None, (20, 24)),  # pixels twice as high as wide
        ((0.5, 1.0), None, (40, 12)),
        (None, 2.5, (20, 30)),
    ],
)
def test_square_pixels(made, spacing, aspect, size: tuple[int, int]) -> None:
    seen = shown(made(spacing=spacing, aspect=aspect)())
    assert seen.picture.size == size and seen.picture.mode == "RGB"
    resampled = [note for note in seen.provenance["notes"] if "square pixels" in note]
    assert resampled == (
        [] if size == (20, 12) else [f"resampled to square pixels for the model: {size[0]} × {size[1]}"]
    )
    assert seen.provenance["size"] == [20, 12]


def test_the_picture_is_the_one_on_the_screen(made: Callable) -> None:
    """Windowed as the file says, and that is told; a plain picture is changed in no pixel."""
    scan = made(windows=(Window(40, 400, source="file"),))()
    seen = shown(scan)
    assert np.array_equal(np.asarray(seen.picture), scan.display())
    assert seen.provenance["window"]["width"] == 400


def test_colour_stays(made: Callable) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    scan = made()()
    seen = shown(type(scan)(colour))
    assert np.array_equal(np.asarray(seen.picture), colour) and seen.provenance["window"] is None


def test_a_picture_is_opened_once_for_neighbours(samples: list[Sample]) -> None:
    first, second = samples[0].scan, samples[2].scan
    seen = [one for _, one in with_pictures(samples)]
    assert (first.opened, second.opened) == (1, 1)  # type: ignore[attr-defined]
    assert seen[0] is seen[1] and seen[1] is not seen[2]
    list(with_pictures([samples[0], samples[2], samples[1]]))
    assert first.opened == 3  # type: ignore[attr-defined]


def test_an_empty_question_is_told_by_its_id(samples: list[Sample], made: Callable) -> None:
    with pytest.raises(InputError, match=r"^question 'x': an empty question"):
        list(with_pictures([Sample("x", "a", " \n", made())]))
    with pytest.raises(InputError, match=r"^row 4: an empty question"):  # a hospital's ids may name patients
        list(with_pictures([Sample("MRN1", "a", " \n", made(), metadata={"row": 4})]))
