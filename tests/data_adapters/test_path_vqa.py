"""PathVQA: folders made here, hostile ones among them, and the real questions' counts where they are at hand."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.baselines import QuestionOnlyMajority
from data_adapters.path_vqa import EXPECTED, PathVqa
from data_adapters.tables import parquet
from data_adapters.tables.plain_pickle import load_plain
from data_adapters.vqa_rad import VqaRad
from medfly.types import InputError, Sample

from .made_sets import ParquetRow, make_copy, make_path_vqa, picture
from .made_sets import path_vqa_row as row

REAL = Path(__file__).parents[3] / "shared" / "datasets" / "path_vqa"


def test_row_becomes_sample(tmp_path: Path) -> None:
    changes = {"label": {"Yes": 1}, "answer_type": "yes/no", "question_type": "is", "sent": "Is  it a cell?"}
    make_path_vqa(tmp_path, [row(), row(question_id=2, **changes), row(question_id=3, answer_type="number")])
    data = PathVqa(tmp_path)
    assert data.splits() == ("train",)
    first, second, third = data.samples("train")
    assert (first.id, first.image, first.question, first.answer) == (
        *(100001000, "train_0001", "What is shown?", "A made-up cell"),
    )
    assert first.metadata == {"kind": "other", "question_type": "what"}
    assert (second.question, second.answer, second.metadata["kind"]) == ("Is it a cell?", "Yes", "yes/no")
    assert [s.answer_type for s in (first, second, third)] == ["OPEN", "CLOSED", "OPEN"]
    assert first.scan is second.scan and first.scan().pixels.shape == (4, 6, 3)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_short_pickles_of_any_protocol(tmp_path: Path, protocol: int) -> None:
    rows = [{"image": "val_0001", "question": "is it so?", "answer": "no"}]
    rows.append({"image": "val_0001", "question": "what is it?", "answer": "naïve"})
    make_path_vqa(tmp_path, rows, split="val", images=["val_0001"], protocol=protocol)
    samples = PathVqa(tmp_path).samples("val")
    assert [(s.id, s.answer, s.answer_type) for s in samples] == [(0, "no", "CLOSED"), (1, "naïve", "OPEN")]


def test_the_full_pickle_comes_before_the_short_one(tmp_path: Path) -> None:
    make_path_vqa(tmp_path, [row()])
    (tmp_path / "qas" / "train").mkdir()
    short = [{"image": "train_0001", "question": "?", "answer": "no"}]
    (tmp_path / "qas" / "train" / "train_qa.pkl").write_bytes(pickle.dumps(short))
    assert [sample.id for sample in PathVqa(tmp_path).samples("train")] == [100001000]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"a": 1}, "another form"),
        ([[1]], "another form"),
        ([{"img_id": "train_0001"}], "row 0 without question_id"),
        ([row(img_id="train_0002")], "1 of 1 pictures missing, the first 'train_0002'"),
        ([row(img_id="../train/train_0001")], "picture name '../train/train_0001'"),
        ([row(img_id=1)], "picture name of type int"),
        ([row(label={"one": 1, "two": 1})], "answer of type dict"),
        ([row(label={})], "answer of type dict"),
        ([row(label={3.5: 1}, sent=b"What?")], "question of type bytes"),
    ],
)
def test_what_is_refused(tmp_path: Path, rows: Any, words: str) -> None:
    make_path_vqa(tmp_path, rows, protocol=2 if b"What?" not in str(rows).encode() else 4)
    with pytest.raises(InputError) as refused:
        PathVqa(tmp_path).samples("train")
    told = str(refused.value)
    assert words in told or "SHORT_BINBYTES" in told


def test_odd_labels_are_counted(tmp_path: Path) -> None:
    rows = [row(), row(question_id=2, sent="?", label={"a": 1, "b": 1}), row(question_id=3, sent="!", answer_type="?")]
    found = {one.kind: one.examples for one in PathVqa(make_path_vqa(tmp_path, rows)).validate()}
    assert (found["odd_answer"], found["unknown_answer_type"]) == (("2",), ("3",))


def test_another_layout(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"none of these; expected PathVQA in .*qas/train_vqa.pkl or .*data/validation"
    ):
        PathVqa(tmp_path)
    make_path_vqa(tmp_path, [row()])
    with pytest.raises(InputError, match="split 'validation'; expected one of train, val, test"):
        PathVqa(tmp_path).samples("validation")


# --- hostile pickles


class Harmful:
    """Makes a folder when it is unpickled by anyone who does not look first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path, protocol: int) -> None:
    made = tmp_path / "made"
    make_path_vqa(tmp_path, [row(sent=Harmful(made))], protocol=protocol)
    with pytest.raises(InputError, match=r"the pickle opcode (STACK_)?GLOBAL, which could run code.*do not trust"):
        PathVqa(tmp_path).samples("train")
    assert not made.exists()
    pickle.loads((tmp_path / "qas" / "train_vqa.pkl").read_bytes())  # the test's own check: it would have
    assert made.exists()


def load(folder: Path, data: bytes) -> Any:
    (folder / "some.pkl").write_bytes(data)
    return load_plain(folder / "some.pkl")


HOSTILE = {
    "old instance": b"(ios\nsystem\n.",
    "extension": b"\x80\x02\x82\x01.",
    "persistent id": b"Psomething\n.",
    "memory by a memo's number": b"\x80\x02Nr" + struct.pack("<I", 2**32 - 1) + b".",
    "memory by a memo's number in text": b"Np4000000000\n.",
    "negative memo": b"Np-1\n.",
    "memory by a byte array": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".",
    "a text that is longer than the file": b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b".",
    "a frame that is longer than the file": b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"N.",
    "cut off": pickle.dumps([row()])[:-5],
    "nothing": b"",
    "an empty stack": b".",
    "a memo that was never made": b"\x80\x02h\x05.",
    "a huge number in text": b"I" + b"9" * 10_000 + b"\n.",
    "of another kind": b"PK\x03\x04",
    "a list that cannot be a key": b"\x80\x02}](Ns.",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_pickles(tmp_path: Path, data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="expected a pickle of plain data"):
            load(tmp_path, data)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_deep_nesting_is_only_data(tmp_path: Path) -> None:
    make_path_vqa(tmp_path, [row()])
    (tmp_path / "qas" / "train_vqa.pkl").write_bytes(b"\x80\x02" + b"]" * 10**5 + b"a" * (10**5 - 1) + b".")
    with pytest.raises(InputError, match="another form"):
        PathVqa(tmp_path).samples("train")


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@settings(max_examples=50)
@given(PLAIN, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_data_comes_back(tmp_path_factory: pytest.TempPathFactory, value: Any, protocol: int) -> None:
    assert load(tmp_path_factory.getbasetemp(), pickle.dumps(value, protocol)) == value


@given(st.integers(0, 10**6), st.integers(0, 255), st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_damaged_pickles_are_refused_or_data(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int, protocol: int
) -> None:
    data = bytearray(pickle.dumps([row(), row(question_id=2)], protocol))
    data[place % len(data)] = value
    try:
        loaded = load(tmp_path_factory.getbasetemp(), bytes(data))
    except InputError as refused:
        assert "\n" not in str(refused)
    else:
        assert isinstance(loaded, list | dict | tuple | str | int | float | None)


# --- the hub's copy


def make(folder: Path, rows: Sequence[ParquetRow], **options: int) -> Path:
    """A copy with these rows in train, and one in validation, by which it is known for PathVQA."""
    return make_copy(folder, {"train": rows, "validation": [(picture(7), "is it so?", "yes")]}, **options)


def train_file(folder: Path) -> Path:
    (file,) = (folder / "data").glob("train-*")
    return file


def test_the_hubs_copy_with_cmyk_pictures(tmp_path: Path) -> None:
    ink, other = picture(255, "CMYK"), picture(128, "CMYK")
    rows = [(ink, "what is it?", "a made-up cell"), (other, "is it so?", "yes"), (ink, "is it blue?", "no")]
    make(tmp_path, rows)
    data = PathVqa(tmp_path)
    assert data.splits() == ("train", "val") and data.expected["val"].questions == 6259
    samples = data.samples("train")
    assert [s.answer_type for s in samples] == ["OPEN", "CLOSED", "CLOSED"]
    assert samples[0].scan is samples[2].scan and samples[0].image == hashlib.sha256(ink).hexdigest()
    for sample, (image, _, _) in zip(samples, rows, strict=True):
        right = np.asarray(Image.open(io.BytesIO(image)).convert("RGB")).astype(int)
        scan = sample.scan()
        assert np.abs(scan.pixels - right).max() == 0
        assert any("CMYK" in note for note in scan.notes) and scan.input_hash == sample.image


def test_rows_without_picture_question_or_answer(tmp_path: Path) -> None:
    rows = [(None, "what?", "a"), (picture(), None, "b"), (picture(), "what?", None)]
    data = PathVqa(make(tmp_path, rows))
    found = {one.kind: one.examples for one in data.validate() if one.kind[:4] not in ("size", "abse")}
    assert found == {"no_image_name": ("0",), "no_question": ("1",), "empty_answer": ("2",)}
    with pytest.raises(InputError, match="row 0 with the picture name of type NoneType"):
        data.samples("train")


def test_a_file_of_the_series_lacks(tmp_path: Path) -> None:
    make_copy(tmp_path, {"train": [(picture(), "what?", "a")] * 4, "validation": [(None, None, None)] * 2}, shards=2)
    next((tmp_path / "data").glob("train-00001-*")).unlink()
    with pytest.raises(InputError, match="1 Parquet files of the split train; expected 2"):
        PathVqa(tmp_path)


def test_broken_parquet_files(tmp_path: Path) -> None:
    file = train_file(make(tmp_path, [(picture(), "what?", "a")] * 4))
    whole = file.read_bytes()
    foreign = io.BytesIO()
    pq.write_table(pa.table({"image": [1], "question": ["what?"]}), foreign)
    for data, words in (
        (b"", "an unreadable file"),
        (whole[: len(whole) // 2], "an unreadable file"),
        (whole[:4] + b"\0" * (len(whole) - 12) + whole[-8:], "an unreadable file"),
        (foreign.getvalue(), "no answer and no image.bytes"),
    ):
        file.write_bytes(data)
        with pytest.raises(InputError, match=words) as refused:
            PathVqa(tmp_path).samples("train")
        assert "\n" not in str(refused.value)
        assert [one.message for one in PathVqa(tmp_path).validate() if one.kind == "unreadable"] == [str(refused.value)]


def test_pictures_of_any_size_are_not_taken_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = PathVqa(make(tmp_path, [(picture() + bytes(2000), "what?", "a")]))
    assert len(data.samples("train")) == 1
    for limit, words in ("MAX_PICTURE_BYTES", "a picture of 2,"), ("MAX_GROUP_BYTES", "bytes in row group 0"):
        with monkeypatch.context() as patch:
            patch.setattr(parquet, limit, 1000)
            with pytest.raises(InputError, match=words):
                data.samples("train")


def test_a_picture_that_is_damaged_or_changed(tmp_path: Path) -> None:
    folder = make(tmp_path, [(b"no picture", "what?", "a"), (picture(), "where?", "b")])
    broken, sound = PathVqa(folder).samples("train")
    with pytest.raises(InputError, match=r"row 0 of group 0 in .*parquet.*found"):
        broken.scan()
    file = train_file(folder)
    file.unlink()
    with pytest.raises(InputError, match="an unreadable file"):
        sound.scan()
    other = make(tmp_path / "other", [(picture(9), "what?", "a"), (picture(8), "where?", "b")])
    train_file(other).rename(file)
    with pytest.raises(InputError, match="another picture than before"):
        sound.scan()


READ = """
import sys, tracemalloc
import pyarrow as pa
from data_adapters.path_vqa import PathVqa

tracemalloc.start()
samples = PathVqa(sys.argv[1]).samples("train")
python, arrow = tracemalloc.get_traced_memory()[1], pa.default_memory_pool().max_memory()
print(len({sample.image for sample in samples}), python, arrow)
"""


def test_memory_does_not_grow_with_the_data_set(tmp_path: Path) -> None:
    """Pictures of 40 MB in 20 row groups: at most a few groups of 2 MB are held at a time.

    In a process of its own: pyarrow counts from its start, and to exchange its memory pool ends some processes.
    """
    noise = [np.random.default_rng(n).bytes(2**20) for n in range(40)]
    make(tmp_path, [(image, f"what {n}?", "a") for n, image in enumerate(noise)])
    done = subprocess.run([sys.executable, "-c", READ, tmp_path], capture_output=True, text=True, check=True)
    images, python, arrow = map(int, done.stdout.split())
    assert images == 40 and python < 8 * 2**20 and 2**20 < arrow < 16 * 2**20


def test_the_copies_of_two_data_sets_are_told_apart(tmp_path: Path) -> None:
    rows = [(picture(), "is it so?", "yes")]
    two, three = make_copy(tmp_path / "two", {"train": rows, "test": rows}), make(tmp_path / "three", rows)
    assert VqaRad(two).splits() == ("train", "test") and PathVqa(three).splits() == ("train", "val")
    for wrong, folder in (PathVqa, two), (VqaRad, three):
        with pytest.raises(InputError, match="a folder with none of these"):
            wrong(folder)


# --- the real questions


@pytest.fixture(scope="module")
def real() -> dict[str, list[Sample]]:
    if not REAL.is_dir():
        pytest.skip("PathVQA's questions are not at hand")
    return {split: PathVqa(REAL).samples(split, pictures=False) for split in ("train", "val")}


@pytest.mark.parametrize(("split", "closed", "copy"), [("train", 9806, 19654), ("val", 3135, 6259)])
def test_real_questions(real: dict[str, list[Sample]], split: str, closed: int, copy: int) -> None:
    samples = real[split]
    assert len(samples) == {"train": 19755, "val": 6279}[split] == EXPECTED[split].questions
    assert len({sample.image for sample in samples}) == EXPECTED[split].images
    # The rule for copies that have no tags gives exactly the release's tags.
    derived = ["CLOSED" if (s.answer or "").strip().lower() in ("yes", "no") else "OPEN" for s in samples]
    assert derived == [s.answer_type for s in samples] and derived.count("CLOSED") == closed
    # Without repetitions there are as many as the hub's copy has.
    assert len({(s.image, s.question.lower(), (s.answer or "").lower()) for s in samples}) == copy


def test_real_questions_suffice_for_checks_and_the_majority(real: dict[str, list[Sample]]) -> None:
    data = PathVqa(REAL)
    assert {(one.kind, one.where.split()[-1]): one.count for one in data.validate()} == {
        ("absent_split", "test"): 1,
        ("missing_images", "train"): 2599,
        ("missing_images", "val"): 832,
        ("untidy_answer", "train"): 202,
        ("untidy_answer", "val"): 63,
        ("untidy_question", "train"): 433,
        ("untidy_question", "val"): 113,
        ("duplicate_question", "train"): 101,
        ("duplicate_question", "val"): 20,
        ("conflicting_answers", "train"): 1085,
        ("conflicting_answers", "val"): 377,
    }
    with pytest.raises(InputError, match="832 of 832 pictures missing"):
        data.samples("val")
    answers = [answer.text for answer in QuestionOnlyMajority.fit(real["train"])(real["val"])]
    right = sum(a.lower() == (s.answer or "").strip().lower() for a, s in zip(answers, real["val"], strict=True))
    assert 0.25 < right / len(answers) < 0.45  # half of the questions are yes or no, and nearly evenly so
