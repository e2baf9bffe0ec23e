"""Pictures in every form that people hand over give the same crops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from medfly.dragonfly import DragonflyImageProcessor

ARRAY = np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8)
PICTURE = Image.fromarray(ARRAY)


@pytest.mark.parametrize(
    "images",
    [PICTURE, ARRAY, [PICTURE] * 2, [[PICTURE], [PICTURE]], (ARRAY, PICTURE), [[ARRAY], [ARRAY]], ARRAY[None]],
    ids=["picture", "array", "list", "nested", "mixed", "nested arrays", "stack"],
)
def test_every_form_gives_the_same_crops(images: Any) -> None:
    processor = DragonflyImageProcessor(32)
    pixels = processor(images, return_tensors="np")["pixel_values"]
    expected = processor.normalise(processor.crops(PICTURE))
    assert pixels.shape[1:] == (41, 3, 32, 32)
    assert all(np.array_equal(one, expected) for one in pixels)


def test_grey_pictures_are_as_their_rgb_form() -> None:
    grey = ARRAY[..., 0]
    processor = DragonflyImageProcessor(32)
    as_rgb = processor(np.stack([grey] * 3, axis=-1))["pixel_values"]
    for image in (grey, Image.fromarray(grey), [grey]):
        assert np.array_equal(processor(image)["pixel_values"], as_rgb)


def test_what_is_no_picture_is_said_without_its_content() -> None:
    with pytest.raises(TypeError, match="a picture of type str: expected a Pillow image"):
        DragonflyImageProcessor(32)(["name.png"])


def test_the_grid_is_chosen_for_the_picture_as_it_is_seen() -> None:
    """100 × 100 pixels, each four times as high as wide, are a tall picture; boxes stay in source pixels."""
    processor = DragonflyImageProcessor(32)
    plain, tall = processor.pyramid(100, 100), processor.pyramid(100, 100, aspect=4.0)
    assert (plain.medium, tall.medium) == ((2, 2), (1, 4))
    assert [crop.box for crop in tall.crops()[1:5]] == [(0, 25 * i, 100, 25 * i + 25) for i in range(4)]
    square = np.ascontiguousarray(ARRAY[:50, :50])
    crops = processor.crops(square, aspect=4.0)
    assert np.array_equal(crops[2], np.asarray(Image.fromarray(square).resize((32, 128)))[32:64])
