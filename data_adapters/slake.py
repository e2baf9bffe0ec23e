"""SLAKE 1.0: questions in English and Chinese about radiology pictures, in the official layout.

    folder/train.json, validate.json, test.json
    folder/imgs/xmlab{N}/source.jpg

Source: Liu et al., "SLAKE: A Semantically-Labeled Knowledge-Enhanced Dataset for Medical Visual Question
Answering", ISBI 2021. Answers are handed over as the file has them: forgiving differences is a protocol's job.
It does not know which rows are fit for training: pictures are disjoint between splits within one language only.
Chinese training rows show 72 of the 96 English test pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from data_adapters.refusal import refusal
from data_adapters.rows import Row, read_rows, scans_by_name
from medfly.types import Sample, ScanLoader

SOURCE = "https://www.med-vqa.com/slake/"
LICENCE = "CC BY 4.0"
SPLIT_SIZES = {
    "train": {"en": 4919, "zh": 4916},
    "validate": {"en": 1053, "zh": 1046},
    "test": {"en": 1061, "zh": 1033},
}
IMAGE_COUNTS = {"train": 450, "validate": 96, "test": 96}  # per language
METADATA = ("content_type", "modality", "location", "base_type", "img_id", "q_lang")
COLUMNS = ("qid", "img_name", "question", "answer", "answer_type", *METADATA)


def read_split(folder: Path, split: str, language: str = "en") -> list[Sample]:
    """The questions of one split in one language, in the file's order.

    split: "train", "validate" or "test". language: "en" or "zh".
    Sample.id is qid (int), Sample.image is img_name. A row with an empty answer is kept with answer "".
    Raises InputError for an unknown split or language, another layout or missing pictures.
    """
    folder = Path(folder)
    if split not in SPLIT_SIZES:
        raise refusal(f"split {split!r}", f"one of {', '.join(SPLIT_SIZES)}", "choose one of these")
    languages = SPLIT_SIZES[split]
    if language not in languages:
        raise refusal(f"language {language!r}", f"one of {', '.join(languages)}", "choose one of these")
    rows = [row for row in read_rows(folder / f"{split}.json", COLUMNS) if row["q_lang"] == language]
    if not rows:
        raise refusal(
            f"no {language!r} rows in {split}.json",
            f"{languages[language]} of them",
            "use the official release",
        )
    scans = scans_by_name(folder / "imgs", (row["img_name"] for row in rows))
    return [_sample(row, scans) for row in rows]


def _sample(row: Row, scans: Mapping[str, ScanLoader]) -> Sample:
    return Sample(
        id=row["qid"],
        image=row["img_name"],
        question=row["question"],
        scan=scans[row["img_name"]],
        answer=str(row["answer"]),
        answer_type=str(row["answer_type"]).strip().upper(),
        metadata={name: row[name] for name in METADATA},
    )
