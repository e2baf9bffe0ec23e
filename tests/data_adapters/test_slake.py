"""SLAKE: a folder made here, and the real one's counts where it is at hand."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data_adapters import slake
from medfly.types import InputError

REAL = Path(__file__).parents[3] / "shared" / "datasets" / "slake"


def row(**changes: Any) -> dict[str, Any]:
    first = {
        "img_id": 1,
        "img_name": "xmlab1/source.jpg",
        "question": "What modality is used?",
        "answer": "MRI",
        "q_lang": "en",
        "location": "Abdomen",
        "modality": "MRI",
        "answer_type": "OPEN",
        "base_type": "vqa",
        "content_type": "Modality",
        "triple": ["vhead", "_", "_"],
        "qid": 7,
    }
    return first | changes


def make(folder: Path, rows: Any, images: tuple[str, ...] = ("xmlab1",)) -> Path:
    (folder / "train.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    for name in images:
        (folder / "imgs" / name).mkdir(parents=True)
        Image.fromarray(np.full((4, 6), 80, dtype=np.uint8)).save(folder / "imgs" / name / "source.jpg")
    return folder


def test_row_becomes_sample(tmp_path: Path) -> None:
    make(tmp_path, [row(), row(qid=8, answer="", answer_type="closed "), row(qid=9, q_lang="zh", question="器官?")])
    first, second = slake.read_split(tmp_path, "train")
    assert (first.id, first.image, first.question) == (7, "xmlab1/source.jpg", "What modality is used?")
    assert (first.answer, first.answer_type) == ("MRI", "OPEN")
    assert first.metadata == {
        "content_type": "Modality",
        "modality": "MRI",
        "location": "Abdomen",
        "base_type": "vqa",
        "img_id": 1,
        "q_lang": "en",
    }
    assert (second.id, second.answer, second.answer_type) == (8, "", "CLOSED")
    assert first.scan is second.scan and first.scan().size == (6, 4)
    assert [sample.id for sample in slake.read_split(tmp_path, "train", "zh")] == [9]


@pytest.mark.parametrize(
    ("rows", "split", "language", "words"),
    [
        ([row()], "validation", "en", "split 'validation'; expected one of train, validate, test"),
        ([row()], "test", "en", "no readable file"),
        ([row()], "train", "de", "language 'de'"),
        ([row()], "train", "zh", "no 'zh' rows"),
        ({"a": 1}, "train", "en", "another form"),
        ([{"qid": 1}], "train", "en", "row 0 without img_name"),
        ([row(), row(img_name="xmlab2/source.jpg")], "train", "en", "1 of 2 pictures missing, the first 'xmlab2/"),
        ([row(img_name="../train.json")], "train", "en", "'../train.json'"),
    ],
)
def test_wrong_layout(tmp_path: Path, rows: Any, split: str, language: str, words: str) -> None:
    make(tmp_path, rows)
    with pytest.raises(InputError) as refused:
        slake.read_split(tmp_path, split, language)
    assert words in str(refused.value) and "\n" not in str(refused.value)


def test_no_json_and_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text("[")
    with pytest.raises(InputError, match="no JSON"):
        slake.read_split(tmp_path, "train")
    make(tmp_path, [row()], images=())
    with pytest.raises(InputError, match="no folder of pictures"):
        slake.read_split(tmp_path, "train")


@pytest.mark.skipif(not REAL.is_dir(), reason="SLAKE is not at hand")
@pytest.mark.parametrize("split", ["train", "validate"])
def test_real_sizes(split: str) -> None:
    samples = slake.read_split(REAL, split)
    assert len(samples) == slake.SPLIT_SIZES[split]["en"]
    assert len({sample.image for sample in samples}) == slake.IMAGE_COUNTS[split]
    assert len({sample.id for sample in samples}) == len(samples)
    assert {"train": (2976, 1943), "validate": (631, 422)}[split] == tuple(
        Counter(sample.answer_type for sample in samples)[kind] for kind in ("OPEN", "CLOSED")
    )
    assert sum(sample.answer == "" for sample in samples) == (split == "train")
    assert samples[0].scan().pixels.ndim == 3
