"""The whole check, on small data sets and on the real ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from data_adapters.check import check, detect, sizes, told_apart
from data_adapters.dataset import Finding, Size
from data_adapters.institutional import Institutional
from medfly.types import InputError

from .made_sets import make_copy, make_path_vqa, make_slake, path_vqa_row, slake_row, vqa_rad_row

REAL = Path(__file__).parents[3] / "shared" / "datasets"


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(96, 80)), 6)
    Image.fromarray(np.uint8(255 * (noise - noise.min()) / np.ptp(noise))).save(path)


def slake(folder: Path, splits: dict[str, list[tuple[str, int]]]) -> Path:
    """split → (language, picture) of each row."""
    for split, rows in splits.items():
        for _, seed in rows:
            picture(folder / f"imgs/xmlab{seed}/source.jpg", seed)
        fields = {"location": "Lung", "modality": "CT", "base_type": "vqa", "content_type": "Organ", "img_id": 0}
        values = [
            {"qid": i, "img_name": f"xmlab{seed}/source.jpg", "question": f"Clear {i}?", "answer": "Yes"}
            | {"answer_type": "CLOSED", "q_lang": language, "triple": []}
            | fields
            for i, (language, seed) in enumerate(rows)
        ]
        (folder / f"{split}.json").write_text(json.dumps(values))
    return folder


def table(path: Path, rows: list[dict[str, Any]]) -> Institutional:
    for one in rows:
        picture(path.parent / one["image"], int(one["image"].partition(".")[0]))
    pd.DataFrame([{"question": "Clear?", "answer": "Yes"} | one for one in rows]).to_csv(path, index=False)
    return Institutional(path, name=path.stem)


def leaks(findings: list[Finding]) -> set[tuple[str, str, str, int]]:
    kinds = ("same_", "near_", "unreadable", "not_compared")
    return {(f.severity, f.kind, f.where, f.count) for f in findings if f.kind.startswith(kinds)}


def test_chinese_training_rows_leak_english_validation_pictures(tmp_path: Path) -> None:
    """SLAKE is disjoint within a language and not across."""
    folder = slake(
        tmp_path,
        {"train": [("en", 1), ("en", 2), ("zh", 1), ("zh", 3)], "validate": [("en", 3), ("en", 4), ("zh", 5)]},
    )
    datasets = detect(folder)
    assert [dataset.name for dataset in datasets] == ["slake", "slake_zh"]
    seen: list[tuple[int, int]] = []
    findings = check(datasets, lambda done, total: seen.append((done, total)))
    assert leaks(findings) == {("error", "same_file", "slake validate", 1)}
    (leak,) = [f for f in findings if f.kind == "same_file"]
    assert leak.examples == ("xmlab3/source.jpg",) and "slake_zh train" in leak.message
    assert seen == [(i, 7) for i in range(1, 8)]
    english = slake(tmp_path / "en", {"train": [("en", 1)]})
    assert [dataset.name for dataset in detect(english)] == ["slake"]


def test_severity_follows_the_use_of_the_splits(tmp_path: Path) -> None:
    a = table(tmp_path / "a.csv", [{"image": "0.png", "split": "train"}, {"image": "1.png", "split": "Test"}])
    b = table(tmp_path / "b.csv", [{"image": "0.png", "split": "train"}])
    c = table(tmp_path / "c.csv", [{"image": "1.png"}])
    assert leaks(check([a])) == set()
    assert {(s, w) for s, _, w, _ in leaks(check([a, b]))} == {("warning", "b train")}
    assert {(s, w) for s, _, w, _ in leaks(check([a, c]))} == {("warning", "a Test")}
    assert {(s, w) for s, _, w, _ in leaks(check([c, a], trained=[a]))} == {("error", "c all")}
    assert {(s, w) for s, _, w, _ in leaks(check([a, c], trained=[c]))} == {("error", "a Test")}


def test_patients_on_two_sides(tmp_path: Path) -> None:
    rows = [
        {"image": "0.png", "split": "train", "patient_id": "0012", "study": "S1"},
        {"image": "1.png", "split": "test", "patient_id": "12", "study": "S2"},
        {"image": "2.png", "split": "test", "patient_id": "13", "study": "S3"},
    ]
    findings = check([table(tmp_path / "t.csv", rows)])
    assert leaks(findings) == {("error", "same_patient", "t test", 1)}
    assert [f.examples for f in findings if f.kind == "same_patient"] == [("row 3",)]


def test_what_cannot_be_read_is_a_finding_and_the_rest_goes_on(tmp_path: Path) -> None:
    good = table(tmp_path / "good.csv", [{"image": "0.png", "split": "train"}, {"image": "1.png", "split": "test"}])
    (tmp_path / "1.png").write_bytes(b"no picture")
    faulty = table(tmp_path / "faulty.csv", [{"image": "3.png"}, {"image": "4.png"}])
    (tmp_path / "3.png").unlink()
    faulty = Institutional(faulty.path, name="faulty")
    (folder := tmp_path / "slake").mkdir()
    (folder / "train.json").write_text("[")
    findings = check([*detect(folder), faulty, good])
    assert leaks(findings) == {
        ("error", "unreadable", "slake train", 1),
        ("error", "not_compared", "slake train", 1),
        ("error", "unreadable_images", "good test", 1),
        ("warning", "same_words", "good test", 1),
    }
    assert [(f.kind, f.count) for f in findings if f.where == "faulty"] == [("missing_images", 1)]
    assert [f.examples for f in findings if f.kind == "unreadable_images"] == [("row 3",)]
    assert sizes(faulty) == {"all": None} and sizes(good) == {"train": Size(1, 1), "test": Size(1, 1)}


def test_one_missing_picture_stops_no_comparison(tmp_path: Path) -> None:
    folder = slake(tmp_path, {"train": [("en", 1), ("en", 2)], "validate": [("en", 1), ("en", 2), ("en", 3)]})
    (folder / "imgs/xmlab2/source.jpg").unlink()
    findings = check(detect(folder))
    assert leaks(findings) == {
        ("error", "not_compared", "slake train", 1),
        ("error", "not_compared", "slake validate", 1),
        ("error", "same_file", "slake validate", 1),
        ("error", "same_name", "slake validate", 1),
        ("error", "same_question", "slake validate", 2),
    }
    by_name = {f.kind: (f.examples, f.message) for f in findings}
    assert by_name["same_name"][0] == ("xmlab2/source.jpg",) and "1 of 3 pictures" in by_name["same_name"][1]
    assert by_name["not_compared"][1].startswith("1 of 3 pictures are missing")


def test_without_any_picture_names_and_words_are_compared(tmp_path: Path) -> None:
    """SLAKE's Chinese rows show English pictures; PathVQA's names say nothing between splits."""
    make_slake(tmp_path / "slake", [slake_row(qid=1, q_lang="zh", question="肺？")], images=())
    (tmp_path / "slake/validate.json").write_text(
        json.dumps([slake_row(qid=2), slake_row(qid=3, img_name="other.jpg")])
    )
    found = leaks(check(detect(tmp_path / "slake")))
    assert ("error", "same_name", "slake validate", 1) in found and "same_words" not in {
        kind for _, kind, _, _ in found
    }
    for split, sents in ("train", ["What is it?", "Why?"]), ("val", ["what IS it", "Who?"]):
        rows = [path_vqa_row(img_id=f"{split}_1", question_id=i, sent=sent) for i, sent in enumerate(sents)]
        make_path_vqa(tmp_path / "path", rows, split, images=())
    findings = check(detect(tmp_path / "path"))
    assert leaks(findings) == {
        ("error", "not_compared", "path_vqa train", 1),
        ("error", "not_compared", "path_vqa val", 1),
        ("warning", "same_words", "path_vqa val", 1),
    }
    assert [f.examples for f in findings if f.kind == "same_words"] == [("0",)]


def test_vqa_rad_shows_one_picture_in_both_splits(tmp_path: Path) -> None:
    """As 202 of its 203 test pictures are in train, too; here one of two."""
    names = {"freeform": ["synpic1.jpg"], "test_freeform": ["synpic1.jpg", "synpic2.jpg"]}
    rows = [vqa_rad_row(phrase_type=phrase, image_name=name) for phrase, all_ in names.items() for name in all_]
    rows = [row | {"qid": i, "question": f"Is it {i}?"} for i, row in enumerate(rows)]
    (tmp_path / "VQA_RAD Dataset Public.json").write_text(json.dumps(rows))
    for i in 1, 2:
        picture(tmp_path / f"VQA_RAD Image Folder/synpic{i}.jpg", i)
    assert leaks(check(detect(tmp_path))) == {("error", "same_file", "vqa_rad test", 1)}


def dicom_table(folder: Path, make_dicom: Callable[..., bytes], patients: list[tuple[str, str]], **more: str) -> Path:
    """A row each with PatientID and StudyInstanceUID in the header only; the first half is train."""
    for i, (patient, study) in enumerate(patients):
        noise = gaussian_filter(np.random.default_rng(i).normal(size=(64, 64)), 4)
        pixels = np.uint16(1000 * (noise - noise.min()) / np.ptp(noise))
        (folder / f"{i}.dcm").write_bytes(make_dicom(pixels, PatientID=patient, StudyInstanceUID=study))
    split = ["train" if i < len(patients) / 2 else "test" for i in range(len(patients))]
    rows = [
        {"image": f"{i}.dcm", "question": f"{i}?", "answer": "Yes", "split": split[i]} for i in range(len(patients))
    ]
    pd.DataFrame([one | more for one in rows]).to_csv(folder / "t.csv", index=False)
    return folder / "t.csv"


def test_patients_and_studies_are_found_in_dicom_headers(tmp_path: Path, make_dicom: Callable[..., bytes]) -> None:
    train = [("SECRET7", "1.2.7"), ("SECRET8", "1.2.8"), ("SECRET1", "1.2.1")]
    path = dicom_table(tmp_path, make_dicom, [*train, (" secret7", "1.2.9"), ("SECRET9", "1.2.8"), ("", "")])
    findings = check([Institutional(path, name="t")])
    assert leaks(findings) == {("error", "same_patient", "t test", 1), ("error", "same_study", "t test", 1)}
    assert {f.kind: f.examples for f in findings if f.kind.startswith("same")} == {
        "same_patient": ("row 5",),
        "same_study": ("row 6",),
    }
    counts = {(f.kind, f.where): f.count for f in findings if f.kind.endswith("_patient")}
    assert counts["header_patient", "t train"] == 3 and counts["header_patient", "t test"] == 2
    assert counts["no_patient", "t test"] == 1
    assert "secret" not in repr(findings).lower() and "1.2.8" not in repr(findings)
    entries = Institutional(path).entries()
    assert "secret" not in repr([(one, one.header, one.identity) for one in entries]).lower()


def test_the_tables_patient_goes_before_the_headers(tmp_path: Path, make_dicom: Callable[..., bytes]) -> None:
    """Files that were made anonymous all name one patient; the table knows better, and says nothing of studies."""
    path = dicom_table(tmp_path, make_dicom, [("ANON", "1.2.1"), ("ANON", "1.2.2")], patient="")
    path.write_text(path.read_text().replace("train,", "train,A").replace("test,", "test,B"))
    assert leaks(check([Institutional(path, name="t")])) == set()
    both = dicom_table(tmp_path, make_dicom, [("A", "1.2.3"), ("ANON", "1.2.3")], patient="A")
    lines = both.read_text().splitlines()
    lines[1] = lines[1].removesuffix("A")  # its patient is in the header, the other's in the table
    both.write_text("\n".join(lines))
    found = leaks(check([Institutional(both, name="t")]))
    assert found == {("error", "same_patient", "t test", 1), ("error", "same_study", "t test", 1)}


def test_two_copies_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    folders = [slake(tmp_path / name, {"train": [("en", 1)], "validate": [("en", 2)]}) for name in "ab"]
    (own,) = [table(tmp_path / "slake.csv", [{"image": "3.png"}])]
    datasets = told_apart(
        [*detect(folders[0]), *detect(folders[1]), own, table(tmp_path / "c.csv", [{"image": "4.png"}])]
    )
    names = [f"slake ({folders[0]})", f"slake ({folders[1]})", f"slake ({own.path})", "c"]
    assert [one.name for one in datasets] == names
    assert {f.where for f in datasets[1].validate()} == {
        f"{names[1]} {split}" for split in ("train", "validate", "test")
    }
    assert detect(folders[0])[0].name == "slake"


def test_detect_says_what_it_looked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a folder; expected SLAKE, VQA-RAD, PathVQA or captions"):
        detect(tmp_path)
    with pytest.raises(InputError, match="no such file or folder"):
        detect(tmp_path / "none")
    make_copy(tmp_path / "copy", {"train": [(b"", "?", "")] * 2, "test": [(b"", "?", "")] * 2}, shards=2)
    next((tmp_path / "copy/data").glob("train-00001*")).unlink()
    with pytest.raises(InputError, match="1 Parquet files of the split train; expected 2"):
        detect(tmp_path / "copy")
    (tmp_path / "bad.csv").write_bytes(b"image,question\n\xff")
    with pytest.raises(InputError, match="--encoding"):
        detect(tmp_path / "bad.csv")
    table(tmp_path / "q.csv", [{"image": "0.png"}])
    assert isinstance(detect(tmp_path / "q.csv")[0], Institutional)
    (tmp_path / "dataset.yaml").write_text("table: q.csv")
    assert [one.name for one in detect(tmp_path)] == [str(tmp_path)]


@pytest.mark.slow
@pytest.mark.skipif(not (REAL / "slake").is_dir(), reason="the data sets are not at hand")
def test_the_real_data_sets() -> None:
    """As counted by hand from the files: 64 English validation pictures are in Chinese train, 66 the other way."""
    datasets = [one for name in ("slake", "vqa_rad", "path_vqa") for one in detect(REAL / name)]
    findings = check(datasets)
    assert {(f.kind, f.where, f.count) for f in findings if f.kind in ("same_file", "near_duplicate")} == {
        ("near_duplicate", "slake validate", 17),
        ("near_duplicate", "slake validate", 4),
        ("same_file", "slake validate", 64),
        ("same_file", "slake_zh validate", 66),
        ("near_duplicate", "slake_zh validate", 4),
        ("near_duplicate", "slake_zh validate", 14),
    }
    assert {f.count for f in findings if f.kind == "missing_images"} == {2599, 832}
