"""A hospital's tables and conversations: every kind of row at fault is counted, and no cell is quoted."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data_adapters.institutional import Institutional
from data_adapters.tables.columns import parse_columns
from data_adapters.tables.entries import RowScan, _series
from data_adapters.tables.identity import Identity, fold, in_header, masked
from medfly.types import InputError

SECRET = "Doe^Jane"


def picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 6), dtype=np.uint8)).save(path, "PNG")


def table(folder: Path, rows: list[dict[str, Any]], images: int = 3, name: str = "questions.csv") -> Path:
    for i in range(images):
        picture(folder / f"scans/{i}.png", i)
    pd.DataFrame(rows).to_csv(folder / name, index=False)
    return folder / name


def row(i: int = 0, **changes: Any) -> dict[str, Any]:
    return {"image": f"scans/{i}.png", "question": "Is it  clear?", "answer": "Yes", "patient": f"P{i}"} | changes


def test_rows_become_samples(tmp_path: Path) -> None:
    rows = [row(0, answer_type="closed "), row(0, question="Where?", answer="", answer_type="OPEN"), row(1)]
    rows[2] |= {"image": "scans\\1.png", "answer_type": "?"}
    data = Institutional(table(tmp_path, rows))
    assert data.splits() == ("all",) and (data.source, data.licence, data.expected) == (None, None, {})
    first, second, third = data.samples("all")
    assert (first.id, first.image, first.question) == (2, "scans/0.png", "Is it clear?")
    assert (first.answer, first.answer_type) == ("Yes", "CLOSED")
    assert (second.answer, second.answer_type, third.answer_type) == ("", "OPEN", None)
    assert first.metadata == {"row": 2}, "patients stay out of the metadata"
    assert first.scan is second.scan and third.scan().size == (6, 8)
    assert first.scan.content_hash != third.scan.content_hash
    assert pickle.loads(pickle.dumps(first.scan)) == first.scan
    assert SECRET not in repr(Institutional(table(tmp_path, [row(patient=SECRET)])).entries())


def test_a_picture_at_fault_is_told_without_its_path(tmp_path: Path) -> None:
    """A file's name may be a patient's."""
    path = table(tmp_path, [row(image=f"scans/{SECRET}.png")], images=0)
    (tmp_path / "scans").mkdir()
    (tmp_path / f"scans/{SECRET}.png").write_text("no picture")
    (sample,) = Institutional(path).samples("all")
    with pytest.raises(InputError, match="the picture: found a file that is no known image") as told:
        sample.scan()
    assert SECRET not in str(told.value)
    (tmp_path / f"scans/{SECRET}.png").unlink()
    with pytest.raises(InputError, match="the picture") as told:
        sample.scan()
    assert SECRET not in str(told.value)


def test_patients_are_numbers_so_that_intervals_can_respect_them(tmp_path: Path) -> None:
    """Different spellings of blanks and case are one patient; a row without one stays without."""
    rows = [row(0, patient=f"{SECRET} b"), row(1, patient="p2"), row(2, patient=f" {SECRET}  B"), row(1, patient="")]
    samples = Institutional(table(tmp_path, rows)).samples("all")
    assert [sample.patient for sample in samples] == [1, 2, 1, None]
    assert SECRET not in repr(samples)


def test_columns_by_name_with_a_split_and_ids(tmp_path: Path) -> None:
    rows = [
        {"dcm": "0.png", "Frage": "Klar?", "Antwort": "Ja", "qid": "q7", "Set": "test", "site": "A", "note": SECRET},
        {"dcm": "1.png", "Frage": "Wo?", "Antwort": "Links", "qid": "q8", "Set": "train", "site": "B", "note": SECRET},
    ]
    given = parse_columns("image=dcm, question=Frage,answer=Antwort,split=Set")
    data = Institutional(table(tmp_path, rows), tmp_path / "scans", given, subgroups=("site",))
    assert data.splits() == ("train", "test")
    (one,) = data.samples("test")
    assert (one.id, one.answer, dict(one.metadata)) == ("q7", "Ja", {"row": 2, "site": "A"})
    assert SECRET not in repr(one)


def test_a_folder_with_settings(tmp_path: Path) -> None:
    table(tmp_path, [{"dcm": "0.png", "question": "Clear?"}], name="q.csv")
    (tmp_path / "dataset.yaml").write_text("table: q.csv\nimage_dir: scans\ncolumns: {image: dcm}\nname: ward\n")
    data = Institutional.from_folder(tmp_path)
    assert data.name == "ward" and data.samples("all")[0].answer is None
    with pytest.raises(InputError, match=r"no dataset\.yaml in .*write one"):
        Institutional.from_folder(tmp_path / "scans")
    for text in (
        "- q.csv",
        "tables: q.csv",
        "table: q.csv\nunknown: 1",
        "table: [",
        "image_dir: scans",
        "table: 7",
        "table: q.csv\ncolumns: x",
    ):
        (tmp_path / "dataset.yaml").write_text(text)
        with pytest.raises(InputError, match=r"dataset\.yaml"):
            Institutional.from_folder(tmp_path)


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"image": f"scans/{SECRET}.png"}, "missing_images"),
    ({"image": "../outside.png"}, "image_outside"),
    ({"image": "/etc/passwd"}, "image_outside"),
    ({"image": "C:\\scans\\0.png"}, "image_outside"),
    ({"image": ""}, "no_image"),
    ({"image": "[]"}, "no_image"),
    ({"image": '["scans/0.png", "scans/1.png"]'}, "several_images"),
    ({"image": "https://hospital.example/0.png"}, "embedded_image"),
    ({"question": " "}, "no_question"),
    ({"frame": "first"}, "odd_frame"),
    ({"frame": "-1"}, "odd_frame"),
    ({"split": ""}, "no_split"),
    ({"id": "1"}, "duplicate_ids"),
]


@pytest.mark.parametrize(("changes", "kind"), FAULTS, ids=[f"{k}-{i}" for i, (_, k) in enumerate(FAULTS)])
def test_rows_at_fault_are_refused_counted_and_left_out_on_request(
    tmp_path: Path, changes: dict[str, Any], kind: str
) -> None:
    more = {"frame": "", "split": "test", "patient": SECRET}
    rows = [row(0, id="1", **more), row(1, **({"id": "2"} | more | changes))]
    path = table(tmp_path, rows)
    picture(tmp_path.parent / "outside.png")
    data = Institutional(path)
    with pytest.raises(InputError) as refused:
        data.samples("test")
    found = [finding for finding in data.validate() if finding.severity == "error"]
    assert [(f.kind, f.count, f.examples) for f in found] == [(kind, 1, ("row 3",))]
    assert "row 3" in str(refused.value) and kind in str(refused.value)
    assert "Doe" not in f"{refused.value}{found}"
    kept = Institutional(path, skip=True)
    assert [sample.metadata["row"] for sample in kept.samples("test")] == [2]
    assert [f.severity for f in kept.validate() if f.kind == kind] == ["warning"]
    assert (kept.left_out, data.left_out) == (1, 0)


def test_an_image_is_a_text_or_a_list_never_letters(tmp_path: Path) -> None:
    picture(tmp_path / "a")  # a file for every letter of a name read wrongly
    picture(tmp_path / "b")
    picture(tmp_path / "ab")
    lines = [{"image": image, "question": "Clear?"} for image in ("ab", ["ab"], ["a", "b"], [["a"]], {"bytes": "x"}, 7)]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    data = Institutional(tmp_path / "q.jsonl", skip=True)
    assert [sample.image for sample in data.samples("all")] == ["ab", "ab"]
    kinds = {finding.kind: finding.count for finding in data.validate()}
    assert (kinds["several_images"], kinds["embedded_image"], kinds["missing_images"]) == (1, 2, 1)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["a.png", "../a", "/"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["from", "value", "type"]), inner),
    max_leaves=6,
)
names = ["image", "question", "answer", "answer_type", "patient", "study", "frame", "id", "conversations", "messages"]


@settings(max_examples=150, deadline=None)
@given(records=st.lists(st.dictionaries(st.sampled_from(names), json_values), min_size=1, max_size=4))
def test_every_record_becomes_questions_or_a_fault(tmp_path_factory: pytest.TempPathFactory, records: list) -> None:
    folder = tmp_path_factory.getbasetemp() / "records"
    picture(folder / "a.png")
    (folder / "q.jsonl").write_text("".join(json.dumps(record | {"image2": ""}) + "\n" for record in records))
    columns = {"image": "image" if any("image" in record for record in records) else "image2"}
    columns |= {} if any("question" in record for record in records) else {"question": "image2"}
    data = Institutional(folder / "q.jsonl", columns=columns, skip=True)
    kept = {entry.row for entry in data.entries()}
    faults = sum(f.count for f in data.validate() if f.where == "institutional")
    assert len(kept) + faults == len(records)
    scans = [entry.sample.scan for entry in data.entries()]
    assert all(isinstance(scan, RowScan) and Path(scan.path).is_relative_to(folder) for scan in scans)
    assert all(entry.sample.question for entry in data.entries())


def test_odd_rows_are_counted_by_row(tmp_path: Path) -> None:
    rows = [row(0), row(0), row(0, answer="No"), row(1, answer="", patient=""), row(2, answer=" a   b ")]
    findings = Institutional(table(tmp_path, rows)).validate()
    counts = {finding.kind: (finding.count, finding.examples) for finding in findings}
    assert counts["duplicate_question"] == (1, ("row 3",))
    assert counts["conflicting_answers"] == (1, ("row 4",))
    assert counts["empty_answer"] == (1, ("row 5",))
    assert counts["no_patient"] == (1, ("row 5",))
    assert counts["untidy_answer"] == (1, ("row 6",))
    assert all(finding.severity == "warning" for finding in findings)


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        ([{"bild": "0.png", "question": "?"}], {}, "no column for the image among bild, question"),
        ([{"image": "0.png", "img": "0.png", "question": "?"}], {}, "columns image, img"),
        ([{"image": "0.png", "question": "?"}], {"columns": {"answer": "label"}}, "no column 'label'"),
        ([{"image": "0.png", "question": "?"}], {"columns": {"label": "image"}}, "a column for 'label'"),
        ([{"image": "0.png", "question": "?"}], {"subgroups": ("site",)}, "no column 'site'"),
    ],
)
def test_columns_that_do_not_fit(tmp_path: Path, rows: list[dict], options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as refused:
        Institutional(table(tmp_path, rows), **options).samples("all")
    assert words in str(refused.value) and "questions.csv" in str(refused.value)


@pytest.mark.parametrize("columns", [{}, {"image": "scan"}])
def test_without_a_header_the_first_row_is_not_quoted(tmp_path: Path, columns: dict[str, str]) -> None:
    (tmp_path / "q.csv").write_text(f"a.png,What is it?,{SECRET}\nb.png,Who is it?,Roe\n")
    (tmp_path / "q.json").write_text(json.dumps({SECRET: {"image": "a.png"}}))
    for name in "q.csv", "q.json":
        with pytest.raises(InputError, match="none of a common name; the first row must hold") as refused:
            Institutional(tmp_path / name, columns=columns)
        assert SECRET not in str(refused.value)
    (tmp_path / "q.csv").write_text("Bild,Frage\na.png,Was?\n")
    with pytest.raises(InputError, match="no column 'Fage'; expected one of Bild, Frage"):
        Institutional(tmp_path / "q.csv", columns={"image": "Bild", "question": "Fage"})


def test_faults_of_one_kind_are_told_each(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    turns = "only text", [{"from": "gpt", "value": "?"}], [{"from": "gpt", "value": "!"}]
    (tmp_path / "q.json").write_text(json.dumps([{"image": "a.png", "conversations": one} for one in turns]))
    findings = Institutional(tmp_path / "q.json").validate()
    assert [(f.kind, f.count, f.examples) for f in findings] == [
        ("turns", 1, ("row 1",)),
        ("turns", 2, ("row 2", "row 3")),
    ]


@pytest.mark.parametrize(("no", "finds"), [(1, 19), (2, 18), (3, None)])
def test_nearly_all_answers_alike(tmp_path: Path, no: int, finds: int | None) -> None:
    answers = ["No"] * no + [(SECRET, f" {SECRET.lower()}")[i % 2] for i in range(20 - no)]
    path = table(tmp_path, [row(i % 3, question=f"{i}?", answer=one) for i, one in enumerate(answers)])
    found = {f.kind: f for f in Institutional(path).validate()}
    assert (found["one_sided"].count if "one_sided" in found else None) == finds
    assert "doe^" not in repr(found).lower()


def test_a_column_of_patients_taken_for_splits_is_refused_without_them(tmp_path: Path) -> None:
    rows = [row(0, patient=f"{SECRET} {i}") for i in range(30)]
    data = Institutional(table(tmp_path, rows), columns={"split": "patient"})
    with pytest.raises(InputError, match="30 different splits") as refused:
        data.splits()
    assert "Doe" not in str(refused.value)


@pytest.mark.parametrize("text", ["image", "image=", "=x", "image=a;question=b,", ""])
def test_other_forms_of_columns(text: str) -> None:
    with pytest.raises(InputError, match="columns of another form"):
        parse_columns(text)


def test_conversations_keep_what_was_said_before(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    turns = ["<image>\nWhat is it?", "A scan.", "Is it clear?", "Yes."]
    said = [{"from": ("human", "gpt")[i % 2], "value": text} for i, text in enumerate(turns)]
    records = [
        {"id": "x", "image": "a.png", "conversations": said, "answer_type": "OPEN", "patient": "P1"},
        {"id": "y", "image": ["a.png"], "conversations": said[:2], "answer_type": "OPEN", "patient": "P2"},
        {"id": "z", "conversations": said[:2], "answer_type": "OPEN", "patient": "P3"},
    ]
    (tmp_path / "llava.json").write_text(json.dumps(records))
    data = Institutional(tmp_path / "llava.json", skip=True)
    first, second, third = data.samples("all")
    assert [(s.id, s.question, s.answer) for s in (first, second, third)] == [
        ("x", "What is it?", "A scan."),
        ("x.2", "Is it clear?", "Yes."),
        ("y", "What is it?", "A scan."),
    ]
    assert second.metadata == {"row": 1, "earlier": (("What is it?", "A scan."),)}
    assert {f.kind: f.examples for f in data.validate()}["no_image"] == ("row 3",)


def test_messages_and_the_references_form(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    content = [{"type": "image_url", "image_url": {"url": "a.png"}}, {"type": "text", "text": "Clear?"}]
    said = [{"role": "user", "content": content}, {"role": "assistant", "content": "Yes"}]
    (tmp_path / "chat.jsonl").write_text(json.dumps({"messages": said}))
    (one,) = Institutional(tmp_path / "chat.jsonl").samples("all")
    assert (one.image, one.question, one.answer) == ("a.png", "Clear?", "Yes")
    text = "<|start_header_id|>user<|end_header_id|>\n\nClear?<|eot_id|><|start_header_id|>assistant<|end_header_id|>"
    record = {"image_url": "a.png", "conversations": text + "\n\nYes<|eot_id|>", "source": "llava"}
    pd.DataFrame([record]).to_parquet(tmp_path / "reference.parquet")
    (two,) = Institutional(tmp_path / "reference.parquet").samples("all")
    assert (two.image, two.question, two.answer) == ("a.png", "Clear?", "Yes")


def test_frames_are_named_or_refused(tmp_path: Path, make_dicom: Callable[..., bytes]) -> None:
    frames = np.arange(3 * 4 * 5, dtype=np.uint16).reshape(3, 4, 5)
    (tmp_path / "cine.dcm").write_bytes(make_dicom(frames, NumberOfFrames=3))
    volume = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    nib.save(nib.Nifti1Image(volume, np.eye(4)), tmp_path / "volume.nii")
    rows = [
        {"image": "cine.dcm", "question": "?", "frame": "2.0"},  # as pandas writes numbers beside gaps
        {"image": "cine.dcm", "question": "?", "frame": ""},
        {"image": "volume.nii", "question": "?", "frame": "1"},
        {"image": "volume.nii", "question": "?", "frame": "6"},
    ]
    named, unnamed, slice_1, beyond = Institutional(table(tmp_path, rows, images=0)).samples("all")
    assert (named.scan().pixels == frames[2]).all() and named.image == "cine.dcm#2"
    assert named.scan.content_hash == unnamed.scan.content_hash + "#2"
    with pytest.raises(InputError, match="a scan of 3 frames; expected a frame"):
        unnamed.scan()
    assert set(slice_1.scan().pixels.ravel()) == set(volume[..., 1].ravel())
    with pytest.raises(InputError):
        beyond.scan()


def test_a_folder_is_a_series(tmp_path: Path, package_files: dict[str, Path]) -> None:
    folder = next(path.parent for path in package_files.values() if "dicomdirtests/77654033/CT2" in path.as_posix())
    scan = RowScan(str(folder), 1)
    first, last = RowScan(str(folder), 0), RowScan(str(folder), 99)
    assert scan().modality == "CT" and scan().input_hash != first().input_hash
    assert scan.content_hash == first.content_hash + "#1"
    with pytest.raises(InputError, match="frame 99 of"):
        last()
    misses = _series.cache_info().misses
    assert len({RowScan(str(folder), frame)().input_hash for frame in (0, 1, 2)}) == 3
    assert _series.cache_info().misses == misses, "a series is sorted once for all its rows"
    with pytest.raises(InputError, match="expected a frame"):
        RowScan(str(folder))()


@pytest.mark.parametrize("other", ["0012", " 12 ", "12", "00 12"])
def test_patients_are_one_whatever_tables_lose(other: str) -> None:
    assert fold("0012") == fold(other) == fold("12.0") == "12"
    assert fold("1.2.0") != fold("1.2") and fold("1.2.840.10") != fold("1.2.840.1")
    assert fold("0") == fold("00") != fold("") and fold("Ab-1") == fold("aB-1") != fold("AB1")


@pytest.mark.parametrize("nothing", ["", " ", "nan", "NaN", "None", "NULL", "NaT", "<NA>"])
def test_no_patient_is_nobody(nothing: str) -> None:
    assert fold(nothing) == "" == masked(fold(nothing))
    assert fold("Nan Doe") == "nandoe" and masked("a") != masked("b") and masked("a") == masked("a") != "a"


def test_a_headers_identity(tmp_path: Path, package_files: dict[str, Path], make_dicom: Callable[..., bytes]) -> None:
    """pydicom's CT series: the files, their folder and an archive of it are one patient's."""
    folder = next(path.parent for path in package_files.values() if "dicomdirtests/77654033/CT2" in path.as_posix())
    whole = in_header(str(folder))
    assert whole.patient == masked("77654033") and whole.study and whole == in_header(str(next(folder.iterdir())))
    (tmp_path / "no.dcm").write_bytes(make_dicom(np.zeros((4, 4), np.uint8))[:200])
    picture(tmp_path / "a.png")
    assert {in_header(str(tmp_path / name)) for name in ("no.dcm", "a.png", "none")} == {Identity()}
