"""Small data sets made up for tests, in each layout that is read; no question or picture is anyone's real one."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def picture(value: int = 80, mode: str = "L", form: str = "JPEG") -> bytes:
    """A file of 6 × 4 pixels of one value; for CMYK of one ink."""
    image = Image.new(mode, (6, 4), (value, 0, 0, 0) if mode == "CMYK" else value)
    stream = io.BytesIO()
    image.save(stream, form, quality=100) if form == "JPEG" else image.save(stream, form)
    return stream.getvalue()


def slake_row(**changes: Any) -> dict[str, Any]:
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


def make_slake(
    folder: Path, rows: Any, images: Sequence[str] = ("xmlab1",), split: str = "train", zipped: bool = False
) -> Path:
    """The official layout, or with split "validation" and zipped the hub copy's."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{split}.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    if zipped:
        with zipfile.ZipFile(folder / "imgs.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name in images:
                archive.writestr(f"imgs/{name}/source.jpg", picture())
        return folder
    for name in images:
        (folder / "imgs" / name).mkdir(parents=True)
        (folder / "imgs" / name / "source.jpg").write_bytes(picture())
    return folder


def vqa_rad_row(**changes: Any) -> dict[str, Any]:
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


def make_vqa_rad(folder: Path, rows: Any) -> Path:
    (folder / "VQA_RAD Dataset Public.json").write_text(json.dumps(rows))
    (folder / "VQA_RAD Image Folder").mkdir()
    (folder / "VQA_RAD Image Folder" / "synpic1.jpg").write_bytes(picture(0))
    return folder


def path_vqa_row(**changes: Any) -> dict[str, Any]:
    first = {
        "img_id": "train_0001",
        "question_id": 100001000,
        "sent": "What is shown?",
        "label": {"A made-up cell": 1},
        "answer_type": "other",
        "question_type": "what",
    }
    return first | changes


def make_path_vqa(
    folder: Path, rows: Any, split: str = "train", images: Sequence[str] = ("train_0001",), protocol: int = 4
) -> Path:
    """The official release; rows of three columns go to its qa.pkl."""
    short = isinstance(rows, list) and rows and "question" in rows[0]
    file = folder / "qas" / split / f"{split}_qa.pkl" if short else folder / "qas" / f"{split}_vqa.pkl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(pickle.dumps(rows, protocol))
    (folder / "images" / split).mkdir(parents=True)
    for name in images:
        (folder / "images" / split / f"{name}.jpg").write_bytes(picture(mode="CMYK"))
    return folder


ParquetRow = tuple[bytes | None, str | None, str | None]


def make_copy(folder: Path, splits: Mapping[str, Sequence[ParquetRow]], group: int = 2, shards: int = 1) -> Path:
    """The layout of the hub's copies of VQA-RAD and PathVQA: split in the files' spelling → picture, question, answer.

    group: rows in a row group. shards: files a split.
    """
    (folder / "data").mkdir(parents=True)
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema([("image", kind), ("question", pa.string()), ("answer", pa.string())])
    for split, rows in splits.items():
        for shard, part in enumerate(np.array_split(np.arange(len(rows)), shards)):
            table = [
                {"image": {"bytes": image, "path": None}, "question": question, "answer": answer}
                for image, question, answer in (rows[i] for i in part)
            ]
            name = f"{split}-{shard:05d}-of-{shards:05d}-0a1b2c.parquet"
            pq.write_table(pa.Table.from_pylist(table, schema), folder / "data" / name, row_group_size=group)
    return folder


def make_boxed_slake(folder: Path, size: tuple[int, int] = (48, 24), train_image: int | None = None) -> Path:
    """Four pictures with two questions each, the first answered "Liver", the second naming it; and a training split.

    The liver lies in the upper left corner, of 8 × 4 pixels; the last picture has no boxes, and the first one more,
    which leaves it. train_image: what all of training is about; by default it is as the validation split.
    """
    rows = []
    for image in (1, 2, 3, 4) if train_image is None else (1, 2, 3, 4, train_image):
        (folder / f"imgs/xmlab{image}").mkdir(parents=True)
        pixels = np.random.default_rng(image).integers(0, 256, (size[1], size[0]), np.uint8)
        Image.fromarray(pixels).save(folder / f"imgs/xmlab{image}/source.jpg")
        boxes = [] if image == 4 else [{"Liver": [0, 0, 8, 4]}]
        boxes += [{"Spleen": [size[0] - 5, 4, 20, 9]}] if image == 1 else []
        (folder / f"imgs/xmlab{image}/detection.json").write_text(json.dumps(boxes))
        for part, (question, answer) in enumerate(
            (("What is the main organ?", "Liver"), ("Where is it: the liver?", "Top"))
        ):
            asked = {"question": question, "answer": answer, "qid": 10 * image + part, "img_id": image}
            rows.append(slake_row(**asked, img_name=f"xmlab{image}/source.jpg"))
    mine = [row for row in rows if row["img_id"] != train_image]
    training = mine if train_image is None else rows[len(mine) :]
    (folder / "validate.json").write_text(json.dumps(mine))
    (folder / "train.json").write_text(json.dumps([{**row, "qid": 1000 + row["qid"]} for row in training]))
    return folder


def make_noise_slake(folder: Path, images: int = 18, shared: int = 0) -> Path:
    """Pictures of noise with two questions each in the validation split, an OPEN and a CLOSED one, of two contents.

    Training: one picture of its own, and the first `shared` of the validation split's.
    """

    def rows(image: int, first: int) -> list[dict[str, Any]]:
        asked = (
            ("Where is the liver?", "Left", "OPEN", "Position"),
            ("Is the lung healthy?", "Yes", "CLOSED", "Organ"),
        )
        names = ("question", "answer", "answer_type", "content_type")
        of_image = {"img_id": image, "img_name": f"xmlab{image}/source.jpg"}
        return [
            slake_row(**of_image, qid=first + part, **dict(zip(names, one, strict=True)))
            for part, one in enumerate(asked)
        ]

    for image in range(images + 1):
        (folder / f"imgs/xmlab{image}").mkdir(parents=True)
        pixels = np.random.default_rng(image).integers(0, 256, (48, 48), np.uint8)
        Image.fromarray(pixels).save(folder / f"imgs/xmlab{image}/source.jpg")
    training = [*range(shared), images]
    (folder / "validate.json").write_text(json.dumps([row for i in range(images) for row in rows(i, 10 * i)]))
    (folder / "train.json").write_text(json.dumps([row for i in training for row in rows(i, 1000 + 10 * i)]))
    return folder
