"""VQA-RAD: clinicians' questions about radiology pictures, as released on OSF.

    folder/VQA_RAD Dataset Public.json
    folder/VQA_RAD Image Folder/synpic{N}.jpg

Source: Lau et al., "A dataset of clinically generated visual questions and answers about radiology images",
Scientific Data 2018. One file holds both splits: phrase_type tells them apart.
It does not know about leakage: 202 of the 203 test pictures also occur in train.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from data_adapters.refusal import refusal
from data_adapters.rows import Row, read_rows, scans_by_name
from medfly.types import Sample, ScanLoader

SOURCE = "https://osf.io/89kps/"
LICENCE = "CC0 1.0"
SPLIT_SIZES = {"train": 1797, "test": 451}
IMAGE_COUNTS = {"train": 313, "test": 203}
QUESTIONS = "VQA_RAD Dataset Public.json"
IMAGES = "VQA_RAD Image Folder"
TEST_PHRASES = ("test_freeform", "test_para")
METADATA = ("question_type", "image_organ", "phrase_type", "qid_linked_id")
COLUMNS = ("qid", "image_name", "question", "answer", "answer_type", *METADATA)


def read_split(folder: Path, split: str) -> list[Sample]:
    """The questions of one split, in the file's order.

    split: "train" (phrase_type freeform, para) or "test" (test_freeform, test_para).
    Sample.id is qid in the file's own type (int or str), Sample.image is image_name. Runs of white space in a
    question become one blank (the release has stray tabs); answers become str and are otherwise as in the file.
    Raises InputError for an unknown split, another layout or missing pictures.
    """
    folder = Path(folder)
    if split not in SPLIT_SIZES:
        raise refusal(f"split {split!r}", f"one of {', '.join(SPLIT_SIZES)}", "choose one of these")
    rows = read_rows(folder / QUESTIONS, COLUMNS)
    rows = [row for row in rows if (row["phrase_type"] in TEST_PHRASES) == (split == "test")]
    if not rows:
        raise refusal(f"no {split} rows in {QUESTIONS}", f"{SPLIT_SIZES[split]} of them", "use the OSF release")
    scans = scans_by_name(folder / IMAGES, (row["image_name"] for row in rows))
    return [_sample(row, scans) for row in rows]


def _sample(row: Row, scans: Mapping[str, ScanLoader]) -> Sample:
    return Sample(
        id=row["qid"],
        image=row["image_name"],
        question=" ".join(str(row["question"]).split()),
        scan=scans[row["image_name"]],
        answer=str(row["answer"]),
        answer_type=str(row["answer_type"]).strip().upper(),
        metadata={name: row[name] for name in METADATA},
    )
