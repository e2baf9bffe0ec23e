"""Text and pictures to tokens and crops: nothing typed becomes special, any text comes back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import AutoProcessor

import medfly.dragonfly  # noqa: F401  registers the Auto classes
from medfly.dragonfly import DragonflyImageProcessor, DragonflyProcessor
from medfly.training.tokenizer import SPECIAL_TOKENS, train_tokenizer

TOKENIZER = train_tokenizer(["Is the left lung healthy?", "upper right, 3 nodules"], 300)
PROCESSOR = DragonflyProcessor(DragonflyImageProcessor(), TOKENIZER)
SPECIAL_IDS = set(TOKENIZER.convert_tokens_to_ids(SPECIAL_TOKENS))


@given(st.text())
def test_any_text_round_trips(text: str) -> None:
    ids = PROCESSOR.answer_ids(text)[:-1]
    assert TOKENIZER.decode(ids) == text.strip()
    assert not SPECIAL_IDS & set(ids)


@given(st.text(), st.sampled_from(SPECIAL_TOKENS), st.text())
@settings(max_examples=50)
def test_nothing_typed_becomes_special(before: str, special: str, after: str) -> None:
    plain = PROCESSOR.prompt_ids("a question")
    typed = PROCESSOR.prompt_ids(f"{before}{special}{after}")
    assert [i for i in typed if i in SPECIAL_IDS] == [i for i in plain if i in SPECIAL_IDS]
    assert special in TOKENIZER.decode([i for i in typed if i not in SPECIAL_IDS])


def test_no_token_spans_a_space() -> None:
    ordinary = set(TOKENIZER.get_vocab()) - set(SPECIAL_TOKENS)
    space = "Ġ"  # how byte-level BPE writes it
    assert not [token for token in ordinary if space in token.lstrip(space)]


def test_the_published_layout_has_2098_positions() -> None:
    spans = PROCESSOR.image_spans()
    assert sum(map(len, spans.values())) == len(PROCESSOR.image_ids()) == 2098
    assert spans["low", 0] == range(0, 578)
    assert spans["high", 35] == range(2060, 2098)


def test_crops_left_out_leave_gaps() -> None:
    crops = [("medium", 1), ("high", 35)]
    positions = PROCESSOR.image_positions(crops)
    assert positions == [*range(578 + 38, 578 + 76), *range(2060, 2098)]
    assert len(PROCESSOR.image_ids(crops)) == len(positions)


def test_normalise_equals_the_formula() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (2, 5, 5, 3), np.uint8)
    images = DragonflyImageProcessor()
    plain = (crops / 255 - np.array(images.image_mean)) / np.array(images.image_std)
    np.testing.assert_allclose(images.normalise(crops), plain.transpose(0, 3, 1, 2), atol=1e-6)


def test_crops_are_pieces_of_the_resized_picture() -> None:
    images = DragonflyImageProcessor(crop_size=16)
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (70, 50, 3), np.uint8))
    crops = images.crops(picture)
    pyramid = images.pyramid(50, 70)
    for number, crop in enumerate(pyramid.crops()):
        columns, _ = pyramid.grid(crop.level)
        row, column = divmod(crop.index, columns)
        box = (column * 16, row * 16, column * 16 + 16, row * 16 + 16)
        piece = np.asarray(picture.resize(pyramid.level_size(crop.level)).crop(box))
        np.testing.assert_array_equal(crops[number], piece)


def test_save_and_load(tiny_model: Path, tmp_path: Path) -> None:
    processor = AutoProcessor.from_pretrained(tiny_model)
    processor.save_pretrained(tmp_path)
    again = AutoProcessor.from_pretrained(tmp_path)
    picture = np.random.default_rng(2).integers(0, 256, (40, 30, 3), np.uint8)
    first, second = (p(text="lung?", images=picture, return_tensors="np") for p in (processor, again))
    for key in ("input_ids", "attention_mask", "pixel_values"):
        np.testing.assert_array_equal(first[key], second[key])


def test_as_many_images_as_texts() -> None:
    with pytest.raises(ValueError, match="1 images and 2 texts"):
        PROCESSOR(text=["a", "b"], images=np.zeros((4, 4, 3), np.uint8))
