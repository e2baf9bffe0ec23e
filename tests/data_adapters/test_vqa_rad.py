"""VQA-RAD: a folder made here, and the real one's counts where it is at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data_adapters import vqa_rad
from medfly.types import InputError

REAL = Path(__file__).parents[3] / "shared" / "datasets" / "vqa_rad"


def row(**changes: Any) -> dict[str, Any]:
    first = {
        "qid": 5,
        "phrase_type": "freeform",
        "qid_linked_id": "03f4",
        "image_name": "synpic1.jpg",
        "image_organ": "HEAD",
        "question": "Are the liver \tsplee n\tvisible?",
        "question_type": "PRES",
        "answer": 3,
        "answer_type": "CLOSED ",
    }
    return first | changes


def make(folder: Path, rows: Any) -> Path:
    (folder / "VQA_RAD Dataset Public.json").write_text(json.dumps(rows))
    (folder / "VQA_RAD Image Folder").mkdir()
    Image.fromarray(np.zeros((4, 6), dtype=np.uint8)).save(folder / "VQA_RAD Image Folder" / "synpic1.jpg")
    return folder


def test_row_becomes_sample(tmp_path: Path) -> None:
    make(tmp_path, [row(), row(qid="0", phrase_type="test_para", answer="Yes")])
    (train,) = vqa_rad.read_split(tmp_path, "train")
    assert (train.id, train.image, train.question) == (5, "synpic1.jpg", "Are the liver splee n visible?")
    assert (train.answer, train.answer_type) == ("3", "CLOSED")
    assert train.metadata == {
        "question_type": "PRES",
        "image_organ": "HEAD",
        "phrase_type": "freeform",
        "qid_linked_id": "03f4",
    }
    assert train.scan().size == (6, 4)
    (test,) = vqa_rad.read_split(tmp_path, "test")
    assert test.id == "0" and test.scan.content_hash == train.scan.content_hash


@pytest.mark.parametrize(
    ("rows", "split", "words"),
    [
        ([row()], "validate", "split 'validate'; expected one of train, test"),
        ([row()], "test", "no test rows"),
        ([{"qid": 1}], "train", "row 0 without image_name"),
        ([row(image_name="synpic2.jpg")], "train", "1 of 1 pictures missing, the first 'synpic2.jpg'"),
    ],
)
def test_wrong_layout(tmp_path: Path, rows: Any, split: str, words: str) -> None:
    make(tmp_path, rows)
    with pytest.raises(InputError) as refused:
        vqa_rad.read_split(tmp_path, split)
    assert words in str(refused.value)


def test_absent_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no readable file"):
        vqa_rad.read_split(tmp_path / "absent", "train")


@pytest.mark.skipif(not REAL.is_dir(), reason="VQA-RAD is not at hand")
def test_real_sizes() -> None:
    samples = vqa_rad.read_split(REAL, "train")
    assert len(samples) == vqa_rad.SPLIT_SIZES["train"]
    assert len({sample.image for sample in samples}) == vqa_rad.IMAGE_COUNTS["train"]
    assert {sample.answer_type for sample in samples} == {"OPEN", "CLOSED"}
    assert {type(sample.id) for sample in samples} == {int, str}
    assert {type(sample.answer) for sample in samples} == {str}
    assert not any("\t" in sample.question for sample in samples)
    assert samples[0].scan().pixels.dtype in (np.uint8, np.float32)
