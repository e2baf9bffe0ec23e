"""VQA-RAD: clinicians' questions about radiology pictures.

    folder/VQA_RAD Dataset Public.json                    the release on OSF
    folder/VQA_RAD Image Folder/synpic{N}.jpg
    folder/data/train-*.parquet, test-*.parquet           the hub's copy: image, question and answer only

Source: Lau et al., "A dataset of clinically generated visual questions and answers about radiology images",
Scientific Data 2018. The JSON file holds both splits: phrase_type tells them apart.
It does not know about leakage: 202 of the 203 test pictures also occur in train. A copy that somebody split anew shows
by its sizes only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data_adapters.dataset import Size
from data_adapters.refusal import refusal
from data_adapters.tables.parquet import parquet_contents, parquet_files
from data_adapters.tables.published import Published
from data_adapters.tables.rows import Contents, Row, is_yes_or_no, pictures_in, read_rows

QUESTIONS = "VQA_RAD Dataset Public.json"
IMAGES = "VQA_RAD Image Folder"
EXPECTED = {"train": Size(1797, 313), "test": Size(451, 203)}
# Four rows fewer: three that stand twice in train, and one that also stands in test (the copy's own card).
EXPECTED_COPY = {"train": Size(1793), "test": Size(451)}
PHRASE_SPLITS = {"freeform": "train", "para": "train", "test_freeform": "test", "test_para": "test"}
METADATA = ("question_type", "image_organ", "phrase_type", "qid_linked_id")
COLUMNS = ("qid", "image_name", "question", "answer", "answer_type", *METADATA)


class VqaRad(Published):
    """VQA-RAD as released on OSF, or the hub's copy of it.

    OSF: "train" has phrase_type freeform and para, "test" test_freeform and test_para. Sample.id is qid in the file's
    own type (int or str), Sample.image is image_name.
    Copy: Sample.id is the row's number in its split, from 0, Sample.image the SHA-256 of the picture's file. It has
    no answer types: a question answered by yes or no is CLOSED (so are all 942 of OSF's train); of another it is
    unknown, and None (85 of OSF's 855 are CLOSED, too).
    """

    name = "vqa_rad"
    title = "VQA-RAD"
    source = "https://osf.io/89kps/"
    licence = "CC0 1.0"
    repository = "flaviagiammarino/vqa-rad"
    files = ("data/*.parquet",)
    SPLITS = ("train", "test")

    @property
    def expected(self) -> Mapping[str, Size]:
        return EXPECTED if self._is_official else EXPECTED_COPY

    @property
    def _is_official(self) -> bool:
        return (self.folder / QUESTIONS).is_file()

    def looked_for(self) -> str:
        return f"{QUESTIONS} with the pictures in {IMAGES}/, or data/train-*.parquet and test-*.parquet alone"

    def splits(self) -> tuple[str, ...]:
        if not self._is_official:
            if parquet_files(self.folder, "validation"):  # PathVQA's copy looks the same, and has three splits
                return ()
            return tuple(split for split in self.SPLITS if parquet_files(self.folder, split))
        here = {_split(row) for row in read_rows(self.folder / QUESTIONS, COLUMNS)}
        return tuple(split for split in self.SPLITS if split in here)

    def contents(self, split: str) -> Contents:
        if not self._is_official:
            return parquet_contents(parquet_files(self.folder, split), _known_type)
        rows = [row for row in read_rows(self.folder / QUESTIONS, COLUMNS) if _split(row) == split]
        images = self.folder / IMAGES
        return Contents([_row(row) for row in rows], pictures_in(images), repr(str(images)))


def _known_type(answer: Any) -> str | None:
    return "CLOSED" if is_yes_or_no(answer) else None


def _split(row: Mapping[str, Any]) -> str:
    phrase = row["phrase_type"]
    if not isinstance(phrase, str) or phrase not in PHRASE_SPLITS:
        raise refusal(
            "a phrase_type that belongs to no split", f"one of {', '.join(PHRASE_SPLITS)}", "use the release on OSF"
        )
    return PHRASE_SPLITS[phrase]


def _row(row: Mapping[str, Any]) -> Row:
    metadata = {name: row[name] for name in METADATA}
    return Row(row["qid"], row["image_name"], row["question"], row["answer"], row["answer_type"], metadata)
