"""SLAKE 1.0: questions in English and Chinese about radiology pictures.

    folder/train.json, validate.json, test.json           the official release; validation.json in the hub's copy
    folder/imgs/xmlab{N}/source.jpg                       or imgs.zip with the same within, read as it is

Source: Liu et al., "SLAKE: A Semantically-Labeled Knowledge-Enhanced Dataset for Medical Visual Question
Answering", ISBI 2021. Answers are handed over as the file has them: forgiving differences is a protocol's job.
It does not know which rows are fit for training: pictures are disjoint between splits within one language only.
Chinese training rows show 72 of the 96 English test pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_adapters.dataset import Size
from data_adapters.refusal import refusal
from data_adapters.tables.published import Published
from data_adapters.tables.rows import Contents, Find, Row, pictures_in, pictures_in_zip, read_rows

FILES = {
    "train": ("train.json",),
    "validate": ("validate.json", "validation.json"),
    "test": ("test.json",),
}
EXPECTED = {
    "en": {"train": Size(4919, 450), "validate": Size(1053, 96), "test": Size(1061, 96)},
    "zh": {"train": Size(4916, 450), "validate": Size(1046, 96), "test": Size(1033, 96)},
}
METADATA = ("content_type", "modality", "location", "base_type", "img_id", "q_lang")
COLUMNS = ("qid", "img_name", "question", "answer", "answer_type", *METADATA)


class Slake(Published):
    """SLAKE in one language, "en" or "zh". Sample.id is qid (int), Sample.image is img_name."""

    name = "slake"
    title = "SLAKE"
    source = "https://www.med-vqa.com/slake/"
    licence = "CC BY 4.0"
    repository = "BoKelvin/SLAKE"
    files = ("train.json", "validation.json", "test.json", "imgs.zip")
    SPLITS = tuple(FILES)

    def __init__(self, folder: str | Path, language: str = "en") -> None:
        if language not in EXPECTED:
            raise refusal(f"language {language!r}", f"one of {', '.join(EXPECTED)}", "choose one of these")
        self.language = language
        if language != "en":
            self.name = f"slake_{language}"
        super().__init__(folder)

    @property
    def expected(self) -> Mapping[str, Size]:
        return EXPECTED[self.language]

    def looked_for(self) -> str:
        return "train.json, validate.json or validation.json, test.json, and the pictures in imgs/ or imgs.zip"

    def splits(self) -> tuple[str, ...]:
        return tuple(split for split in self.SPLITS if self._file(split) is not None)

    def contents(self, split: str) -> Contents:
        path = self._file(split) or self.folder / FILES[split][0]
        rows = [row for row in read_rows(path, COLUMNS) if row["q_lang"] == self.language]
        find, where = self._pictures()
        return Contents([_row(row) for row in rows], find, where)

    def _file(self, split: str) -> Path | None:
        return next((self.folder / name for name in FILES[split] if (self.folder / name).is_file()), None)

    def _pictures(self) -> tuple[Find, str]:
        folder, archive = self.folder / "imgs", self.folder / "imgs.zip"
        if archive.is_file() and not folder.is_dir():
            return pictures_in_zip(archive, "imgs/"), repr(str(archive))
        return pictures_in(folder), repr(str(folder))


def _row(row: Mapping[str, Any]) -> Row:
    metadata = {name: row[name] for name in METADATA}
    return Row(row["qid"], row["img_name"], row["question"], row["answer"], row["answer_type"], metadata)
