"""PathVQA: questions about pathology pictures from textbooks and a digital library.

    folder/qas/{train,val,test}_vqa.pkl                   the official release: img_id, question_id, sent, label …
    folder/qas/{split}/{split}_qa.pkl                     … or only image, question, answer, read where that lacks
    folder/images/{split}/{img_id}.jpg
    folder/data/{train,validation,test}-*.parquet         the hub's copy: image, question and answer only

Source: He et al., "PathVQA: 30000+ Questions for Medical Visual Question Answering", arXiv:2003.10286.
Its sizes are those of the authors' release of February 2023. The hub's copy is in lower case and lacks the rows that
repeat picture, question and answer. It does not know the pictures' magnification or stain, which nobody recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_adapters.dataset import Size
from data_adapters.tables.parquet import parquet_contents, parquet_files
from data_adapters.tables.plain_pickle import load_plain
from data_adapters.tables.published import Published
from data_adapters.tables.rows import Contents, Find, Row, is_yes_or_no, pictures_in, with_columns

EXPECTED = {"train": Size(19755, 2599), "val": Size(6279, 832), "test": Size(6761, 858)}
EXPECTED_COPY = {"train": Size(19654), "val": Size(6259), "test": Size(6719)}
COPY_STEMS = {"train": "train", "val": "validation", "test": "test"}
# The release's own three kinds; the paper scores yes/no apart from all other, "open-ended" questions (section 5).
KINDS = {"yes/no": "CLOSED", "other": "OPEN", "number": "OPEN"}
COLUMNS = ("img_id", "question_id", "sent", "label", "answer_type", "question_type")
SHORT_COLUMNS = ("image", "question", "answer")


class PathVqa(Published):
    """PathVQA as its authors released it, or the hub's copy of it.

    Official: Sample.id is question_id (int), Sample.image is img_id, metadata the release's own `kind` ("yes/no",
    "number", "other") and `question_type`, its first word. In qa.pkl and in the hub's copy Sample.id is the row's
    number in its split, from 0, and a question is CLOSED where its answer is yes or no, else OPEN: the same tags as
    the release gives all 26,034 questions of train and val. In the copy Sample.image is the SHA-256 of the picture.
    """

    name = "path_vqa"
    title = "PathVQA"
    source = "https://github.com/UCSD-AI4H/PathVQA"
    licence = "MIT for the questions; the pictures belong to the textbooks' publishers and authors, and to PEIR"
    repository = "flaviagiammarino/path-vqa"
    files = ("data/*.parquet",)
    SPLITS = ("train", "val", "test")

    @property
    def expected(self) -> Mapping[str, Size]:
        return EXPECTED if self._is_official else EXPECTED_COPY

    @property
    def _is_official(self) -> bool:
        return any(path.is_file() for split in self.SPLITS for path in self._pickles(split))

    def looked_for(self) -> str:
        return (
            "qas/train_vqa.pkl or qas/train/train_qa.pkl (also val, test) with the pictures in images/train/, "
            "or data/validation-*.parquet (also train, test)"
        )

    def splits(self) -> tuple[str, ...]:
        if self._is_official:
            return tuple(s for s in self.SPLITS if any(path.is_file() for path in self._pickles(s)))
        if not parquet_files(self.folder, COPY_STEMS["val"]):  # VQA-RAD's copy looks the same, and has no such split
            return ()
        return tuple(split for split, stem in COPY_STEMS.items() if parquet_files(self.folder, stem))

    def contents(self, split: str) -> Contents:
        if not self._is_official:
            return parquet_contents(parquet_files(self.folder, COPY_STEMS[split]), _derived_type)
        full, short = self._pickles(split)
        rows = _full_rows(full) if full.is_file() else _short_rows(short)
        images = self.folder / "images" / split
        return Contents(rows, _jpegs_in(images), repr(str(images)))

    def _pickles(self, split: str) -> tuple[Path, Path]:
        return self.folder / "qas" / f"{split}_vqa.pkl", self.folder / "qas" / split / f"{split}_qa.pkl"


def _full_rows(path: Path) -> list[Row]:
    rows = with_columns(load_plain(path), COLUMNS, f"a pickled list of questions in {str(path)!r}")
    return [_full_row(row) for row in rows]


def _full_row(row: Mapping[str, Any]) -> Row:
    kind = row["answer_type"]
    metadata = {"kind": kind, "question_type": row["question_type"]}
    return Row(row["question_id"], row["img_id"], row["sent"], _answer(row["label"]), _type(kind), metadata)


def _short_rows(path: Path) -> list[Row]:
    rows = with_columns(load_plain(path), SHORT_COLUMNS, f"a pickled list of questions in {str(path)!r}")
    return [
        Row(number, row["image"], row["question"], row["answer"], _derived_type(row["answer"]))
        for number, row in enumerate(rows)
    ]


def _answer(label: Any) -> Any:
    """The one answer of a label {answer: 1}; any other label is handed on, and is no answer."""
    return next(iter(label)) if isinstance(label, dict) and len(label) == 1 else label


def _type(kind: Any) -> Any:
    """OPEN or CLOSED; a kind that the release does not have is handed on, and is no type."""
    return KINDS.get(kind, kind) if isinstance(kind, str) else kind


def _derived_type(answer: Any) -> str:
    return "CLOSED" if is_yes_or_no(answer) else "OPEN"


def _jpegs_in(folder: Path) -> Find:
    find = pictures_in(folder)
    return lambda name: find(f"{name}.jpg")
