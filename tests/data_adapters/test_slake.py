"""SLAKE: folders made here, and the real one's counts where it is at hand."""

from __future__ import annotations

import hashlib
import json
import ntpath
import pickle
import posixpath
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_adapters.slake import EXPECTED, Slake
from data_adapters.tables.rows import is_inside
from medfly.types import InputError

from .made_sets import make_slake, picture
from .made_sets import slake_row as row

REAL = Path(__file__).parents[3] / "shared" / "datasets" / "slake"


def kinds(folder: Path, rows: Any, **options: Any) -> dict[str, int]:
    """Kind → count of what validate finds in a split of these rows, sizes and absent splits apart."""
    found = Slake(make_slake(folder, rows, **options)).validate()
    told = {one.kind: one.count for one in found if not one.kind.startswith(("size", "absent"))}
    assert all(one.where == "slake train" and "\n" not in one.message for one in found if one.kind in told)
    return told


def test_row_becomes_sample(tmp_path: Path) -> None:
    make_slake(tmp_path, [row(), row(qid=8, answer="", answer_type="closed "), row(qid=9, q_lang="zh", answer="是")])
    first, second = Slake(tmp_path).samples("train")
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
    assert [(sample.id, sample.answer) for sample in Slake(tmp_path, "zh").samples("train")] == [(9, "是")]


def test_lists_in_open_answers_stay_in_their_order(tmp_path: Path) -> None:
    """Such as "Liver, Kidney": exact match counts their order, so nothing may sort, split or tidy them."""
    answers = ["Liver, Kidney", "Kidney, Liver", "Liver,Kidney"]
    rows = [row(qid=i, answer=answer) for i, answer in enumerate(answers)]
    assert [sample.answer for sample in Slake(make_slake(tmp_path, rows)).samples("train")] == answers


def test_null_answers_and_unknown_types_stay_unknown(tmp_path: Path) -> None:
    make_slake(tmp_path, [row(answer=None), row(qid=8, answer_type="CHOICE"), row(qid=9, answer_type=3)])
    samples = Slake(tmp_path).samples("train")
    assert [(s.answer, s.answer_type) for s in samples] == [(None, "OPEN"), ("MRI", None), ("MRI", None)]


def test_the_hubs_copy_is_read_without_unpacking(tmp_path: Path) -> None:
    make_slake(tmp_path, [row(), row(qid=8)], split="validation", zipped=True)
    data = Slake(tmp_path)
    assert data.splits() == ("validate",)
    first, second = data.samples("validate")
    assert first.scan is second.scan
    loader = pickle.loads(pickle.dumps(first.scan))
    assert loader().size == (6, 4) and loader.content_hash == hashlib.sha256(picture()).hexdigest()
    assert not (tmp_path / "imgs").exists()
    assert [one.count for one in data.validate() if one.kind == "missing_images"] == []
    make_slake(tmp_path, [row(img_name="xmlab2/source.jpg")], split="validation", zipped=True)
    with pytest.raises(InputError, match=r"1 of 1 pictures missing, the first 'xmlab2/source.jpg'.*imgs.zip"):
        data.samples("validate")
    (tmp_path / "imgs.zip").write_bytes(b"PK no archive")
    with pytest.raises(InputError, match=r"imgs.zip': found an archive that cannot be opened"):
        data.samples("validate")


@pytest.mark.parametrize(
    ("rows", "split", "words"),
    [
        ([row()], "validation", "split 'validation'; expected one of train, validate, test"),
        ([row()], "test", "no test split"),
        ([row(q_lang="zh")], "train", "no questions for slake train"),
        ({"a": 1}, "train", "another form"),
        ([{"qid": 1}], "train", "row 0 without img_name"),
        ([row(), row(img_name="xmlab2/source.jpg")], "train", "1 of 2 pictures missing, the first 'xmlab2/"),
        ([row(img_name="../train.json")], "train", "picture name '../train.json'"),
        ([row(img_name="C:\\secret.jpg")], "train", "picture name 'C:"),
        ([row(img_name="/etc/passwd")], "train", "picture name '/etc/passwd'"),
        ([row(img_name="a\0b")], "train", "picture name"),
        ([row(img_name="x" * 5000)], "train", "1 of 1 pictures missing"),
        ([row(), row(img_name=["xmlab1/source.jpg"])], "train", "row 1 with the picture name of type list"),
        ([row(img_name=None)], "train", "picture name of type NoneType"),
        ([row(question=7)], "train", "question of type int"),
        ([row(answer=["MRI"])], "train", "answer of type list"),
        ([row(qid=True)], "train", "id of type bool"),
    ],
)
def test_what_is_refused(tmp_path: Path, rows: Any, split: str, words: str) -> None:
    make_slake(tmp_path, rows)
    with pytest.raises(InputError) as refused:
        Slake(tmp_path).samples(split)
    assert words in str(refused.value) and "\n" not in str(refused.value) and len(str(refused.value)) < 500


@given(st.text(st.sampled_from("ab./\\:\0"), max_size=12))
def test_names_that_are_inside_stay_inside(name: str) -> None:
    if is_inside(name):
        for system, root in (posixpath, "/data/imgs"), (ntpath, "D:\\data\\imgs"):
            path = system.normpath(system.join(root, name))
            assert path == root or path.startswith(root + system.sep)
    else:
        assert {"..", "/", "\\", ":", "\0"} & {name[:1], name[1:2], *name, *name.replace("\\", "/").split("/")}


def test_another_layout(tmp_path: Path) -> None:
    for folder, words in (tmp_path, "a folder with none of these"), (tmp_path / "absent", "no such folder"):
        with pytest.raises(InputError, match=rf"{words}; expected SLAKE in .*train.json, validate.json or validation"):
            Slake(folder)
    with pytest.raises(InputError, match="language 'de'"):
        Slake(tmp_path, "de")
    (tmp_path / "train.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="no JSON"):
        Slake(tmp_path).samples("train")
    (unreadable,) = [one for one in Slake(tmp_path).validate() if one.severity == "error"]
    assert (unreadable.kind, unreadable.where) == ("unreadable", "slake train") and "no JSON" in unreadable.message


def test_questions_without_pictures(tmp_path: Path) -> None:
    make_slake(tmp_path, [row()], images=())
    with pytest.raises(
        InputError, match=r"1 of 1 pictures missing, the first 'xmlab1/source.jpg'; expected all .*imgs"
    ):
        Slake(tmp_path).samples("train")
    (sample,) = Slake(tmp_path).samples("train", pictures=False)
    assert sample.answer == "MRI"
    for use in sample.scan, lambda: sample.scan.content_hash:
        with pytest.raises(InputError, match=r"no picture 'xmlab1/source.jpg'"):
            use()


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"answer": ""}, "empty_answer"),
        ({"answer": None}, "empty_answer"),
        ({"answer": 3}, "number_answer"),
        ({"answer": "MRI "}, "untidy_answer"),
        ({"answer": {"a": 1}}, "odd_answer"),
        ({"question": "Is\tthis so?"}, "untidy_question"),
        ({"question": " "}, "no_question"),
        ({"question": 3}, "no_question"),
        ({"qid": 2.5}, "odd_id"),
        ({"qid": "x"}, "text_id"),
        ({"qid": 7}, "duplicate_id"),
        ({"answer_type": "CHOICE"}, "unknown_answer_type"),
        ({"answer_type": "open"}, "untidy_answer_type"),
        ({"answer_type": None}, "no_answer_type"),
        ({"answer_type": "CLOSED", "answer": "Left"}, "closed_not_yes_no"),
        ({"img_name": 1}, "no_image_name"),
        ({"img_name": "../a.jpg"}, "image_outside"),
        ({"img_name": "xmlab9/source.jpg"}, "missing_images"),
    ],
)
def test_one_odd_row_gives_one_finding(tmp_path: Path, changes: dict[str, Any], kind: str) -> None:
    assert kinds(tmp_path, [row(), row(**{"qid": 8, "question": "Another?"} | changes)]) == {kind: 1}


def test_rows_are_compared(tmp_path: Path) -> None:
    rows = [row(qid=i, answer=answer) for i, answer in enumerate(["MRI", "mri ", "CT", "CT", "X-ray"])]
    rows += [row(qid=5, question="what  modality is USED?"), row(qid=6, question="Where?")]
    assert kinds(tmp_path, rows) == {
        "untidy_answer": 1,
        "untidy_question": 1,
        "duplicate_question": 3,  # "mri ", the second CT, and the question in another spelling
        "conflicting_answers": 1,
    }


def test_sizes_and_absent_splits(tmp_path: Path) -> None:
    found = Slake(make_slake(tmp_path, [row(), row(qid=8, question="Where?")])).validate()
    assert {(one.severity, one.kind, one.where, one.count) for one in found} == {
        ("error", "size_questions", "slake train", 4917),
        ("error", "size_images", "slake train", 449),
        ("warning", "absent_split", "slake validate", 1),
        ("warning", "absent_split", "slake test", 1),
    }
    assert json.loads(json.dumps([one.to_dict() for one in found]))[2]["message"].startswith(
        "2 questions, expected 4,9"
    )


def test_examples_are_few_and_short(tmp_path: Path) -> None:
    rows = [row(qid=f"{number} " + "x" * 500, question=f"Question {number}?", answer="") for number in range(9)]
    (empty,) = [one for one in Slake(make_slake(tmp_path, rows)).validate() if one.kind == "empty_answer"]
    assert empty.count == 9 and len(empty.examples) == 5 and max(map(len, empty.examples)) <= 60


@pytest.mark.skipif(not REAL.is_dir(), reason="SLAKE is not at hand")
@pytest.mark.parametrize("split", ["train", "validate"])
def test_real_sizes(split: str) -> None:
    samples = Slake(REAL).samples(split)
    assert len(samples) == {"train": 4919, "validate": 1053}[split] == EXPECTED["en"][split].questions
    assert len({sample.image for sample in samples}) == {"train": 450, "validate": 96}[split]
    assert len({sample.id for sample in samples}) == len(samples)
    assert {"train": (2976, 1943), "validate": (631, 422)}[split] == tuple(
        Counter(sample.answer_type for sample in samples)[kind] for kind in ("OPEN", "CLOSED")
    )
    assert sum(sample.answer == "" for sample in samples) == (split == "train")
    assert samples[0].scan().pixels.ndim == 3


@pytest.mark.skipif(not REAL.is_dir(), reason="SLAKE is not at hand")
def test_real_oddities() -> None:
    """Sizes as published and nothing wrong in English; the Chinese rows about English test pictures are not here."""
    english = {(one.kind, one.where): one for one in Slake(REAL).validate()}
    assert {one.severity for one in english.values()} == {"warning"}
    assert english["empty_answer", "slake train"].examples == ("1622",)
    assert {
        key: one.count for key, one in english.items() if key[0] in ("closed_not_yes_no", "duplicate_question")
    } == {
        ("closed_not_yes_no", "slake train"): 262,
        ("closed_not_yes_no", "slake validate"): 64,
        ("duplicate_question", "slake train"): 7,
    }
    chinese = {(one.kind, one.where): one.count for one in Slake(REAL, "zh").validate()}
    assert chinese["size_questions", "slake_zh train"] == 4916 - 4124
    assert chinese["size_images", "slake_zh train"] == 72  # as many English test pictures as its train rows show
