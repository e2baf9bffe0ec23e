"""Splits by patient: nobody on two sides, every row once, and a manifest that notices what changed."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data_adapters.institutional import Institutional
from data_adapters.splits import Manifest, assignment, changes, read_manifest, split, write_manifest
from medfly.types import InputError


def cohort(folder: Path, rows: list[dict[str, Any]], name: str = "t.csv") -> Institutional:
    """One small picture for each number in the column image."""
    defaults = {"question": "Clear?", "answer": "Yes", "patient": "", "study": ""}
    for number in {row["image"] for row in rows}:
        path = folder / f"{number}.png"
        if not path.exists():
            Image.new("L", (2, 2), number % 256).resize((2 + number // 256, 2)).save(path)
    records = [defaults | row | {"image": f"{row['image']}.png"} for row in rows]
    pd.DataFrame(records).to_csv(folder / name, index=False)
    return Institutional(folder / name)


def patients(count: int, rows_each: int = 3) -> list[dict[str, Any]]:
    return [
        {"image": patient * rows_each + i, "patient": f"P{patient}", "answer": ("Yes", "No")[i % 2]}
        for patient in range(count)
        for i in range(rows_each)
    ]


def placed(manifest: Manifest) -> dict[int, str]:
    return {member.row: name for name, members in manifest.splits.items() for member in members}


row = st.fixed_dictionaries(
    {
        "patient": st.integers(0, 25).map(str),
        "study": st.one_of(st.just(""), st.integers(0, 40).map(str)),
        "image": st.integers(0, 60),
        "answer": st.sampled_from(["Yes", "No", "a", "b", "c"]),
    }
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cohort")


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(row, min_size=8, max_size=60),
    fractions=st.sampled_from([{"train": 0.5, "test": 0.5}, {"train": 0.6, "validate": 0.2, "test": 0.2}]),
    stratify=st.sampled_from([None, "answer"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_nothing_is_on_two_sides_and_every_row_once(
    folder: Path, rows: list[dict], fractions: dict, stratify: Any, seed: int
) -> None:
    dataset = cohort(folder, rows)
    try:
        manifest = split(dataset, fractions, stratify=stratify, seed=seed)
    except InputError as problem:
        assert "at least" in str(problem)  # everything hangs together
        return
    where = placed(manifest)
    assert sorted(where) == list(range(2, len(rows) + 2))
    assert sum(map(len, manifest.splits.values())) == len(rows)
    for key in ("patient", "study", "image"):
        sides: dict[Any, set[str]] = {}
        for number, one in enumerate(rows, 2):
            sides.setdefault(one[key], set()).add(where[number])
        assert all(len(names) == 1 for value, names in sides.items() if value != "")
    again = split(dataset, fractions, stratify=stratify, seed=seed)
    assert placed(again) == where
    assert all(manifest.splits.values()), "no split is empty"


def test_shares_seeds_and_strata(tmp_path: Path) -> None:
    dataset = cohort(tmp_path, patients(100))
    manifest = split(dataset)
    assert {name: count["rows"] for name, count in manifest.counts().items()} == {
        "train": 240,
        "validate": 30,
        "test": 30,
    }
    assert {name: count["groups"] for name, count in manifest.counts().items()} == {
        "train": 80,
        "validate": 10,
        "test": 10,
    }
    assert placed(split(dataset, seed=1)) != placed(manifest)
    rows = [{"image": i, "patient": f"P{i}", "answer": "rare" if i < 20 else "Yes"} for i in range(200)]
    stratified = split(cohort(tmp_path, rows, "u.csv"), {"train": 0.75, "test": 0.25}, stratify="answer")
    rare = Counter(name for number, name in placed(stratified).items() if number - 2 < 20)
    assert rare == {"train": 15, "test": 5}


def test_the_manifest_can_be_checked_by_hand(tmp_path: Path) -> None:
    dataset = cohort(tmp_path, [{"patient": "Doe^Jane", "image": 1}, *patients(12, 1)[2:]])
    write_manifest(split(dataset, {"train": 0.5, "test": 0.5}, seed=3), tmp_path / "m.json")
    text = (tmp_path / "m.json").read_text()
    value = json.loads(text)
    assert value["table_hash"] == hashlib.sha256((tmp_path / "t.csv").read_bytes()).hexdigest()
    (member,) = [one for members in value["splits"].values() for one in members if one["row"] == 2]
    assert member["image"] == hashlib.sha256((tmp_path / "1.png").read_bytes()).hexdigest()
    assert value["seed"] == 3 and value["versions"]["scikit-learn"] and value["counts"]["train"]["rows"] > 0
    assert "Doe" not in text and "doe" not in text and hashlib.sha256(b"doe^jane").hexdigest()[:16] not in text
    assert read_manifest(tmp_path / "m.json").counts() == value["counts"]
    with pytest.raises(InputError, match="already there"):
        write_manifest(read_manifest(tmp_path / "m.json"), tmp_path / "m.json")
    with pytest.raises(InputError, match="cannot be written"):
        write_manifest(read_manifest(tmp_path / "m.json"), tmp_path / "no" / "m.json")
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".png") == ["m.json", "t.csv"]


def test_a_data_set_by_its_manifest(tmp_path: Path) -> None:
    dataset = cohort(tmp_path, patients(20))
    manifest = split(dataset)
    write_manifest(manifest, tmp_path / "m.json")
    served = Institutional(tmp_path / "t.csv", manifest=tmp_path / "m.json")
    assert served.splits() == ("train", "validate", "test")
    for name, members in manifest.splits.items():
        assert [sample.metadata["row"] for sample in served.samples(name)] == [member.row for member in members]
    assert not [finding for finding in served.validate() if finding.severity == "error"]


def test_what_changed_since_is_said_by_row(tmp_path: Path) -> None:
    rows = patients(10)
    write_manifest(split(cohort(tmp_path, rows), {"train": 0.5, "test": 0.5}), tmp_path / "m.json")
    Image.new("L", (5, 5), 9).save(tmp_path / "4.png")
    rows[0]["patient"] = "P5"
    rows[1]["answer"] = "Doe^Jane"
    cohort(tmp_path, [*rows, {"image": 0, "patient": "P0"}])
    (tmp_path / "7.png").unlink()
    changed = Institutional(tmp_path / "t.csv", manifest=tmp_path / "m.json", skip=True)
    findings = {finding.kind: (finding.count, finding.examples) for finding in changed.validate()}
    assert findings == {
        "missing_images": (1, ("row 9",)),
        "rows_gone": (1, ("row 9",)),
        "rows_added": (1, ("row 32",)),
        "rows_changed": (2, ("row 2", "row 3")),
        "images_changed": (1, ("row 6",)),
    }
    assert "Doe" not in str(changed.validate())
    with pytest.raises(InputError, match="changed since"):
        changed.splits()


def test_other_bytes_with_the_same_rows(tmp_path: Path) -> None:
    dataset = cohort(tmp_path, patients(10))
    manifest = split(dataset, {"train": 0.5, "test": 0.5})
    (tmp_path / "t.csv").write_bytes((tmp_path / "t.csv").read_bytes() + b"\r\n")
    (finding,) = changes(manifest, tmp_path / "t.csv", Institutional(tmp_path / "t.csv").entries(), "t")
    assert (finding.kind, finding.count) == ("table_changed", 30)


@pytest.mark.parametrize(
    ("fractions", "words"),
    [
        ({"train": 0.5, "test": 0.4}, "sum to 1"),
        ({"train": 1.5, "test": -0.5}, "over 0"),
        ({"train": 1.0}, "two or more"),
        ({}, "over 0"),
        ({"train": 0.123, "test": 0.877}, "hundredths"),
        (
            {"train": 0.99, "test": 0.01},
            "30 groups of rows; expected at least 100",
        ),
    ],
)
def test_shares_that_do_not_work(tmp_path: Path, fractions: dict[str, float], words: str) -> None:
    with pytest.raises(InputError) as refused:
        split(cohort(tmp_path, patients(30, 1)), fractions)
    assert words in str(refused.value)


def test_rows_without_a_patient_are_refused_unless_pictures_are_the_groups(tmp_path: Path) -> None:
    rows = [{"image": i // 2, "patient": "" if i == 3 else f"P{i % 5}"} for i in range(40)]
    with pytest.raises(InputError, match="1 of 40 rows without a patient in the table, the first row 5"):
        split(cohort(tmp_path, rows))
    where = placed(split(cohort(tmp_path, rows), group="image"))
    assert all(where[number] == where[number + 1] for number in range(2, 42, 2))


def test_patients_by_the_dicom_headers(tmp_path: Path, make_dicom: Callable[..., bytes]) -> None:
    for i in range(24):  # three files a patient, and a fourth as a multi-frame file of the second one
        pixels = np.full((2, 4, 4), i, np.uint16) if i == 5 else np.full((4, 4), i, np.uint16)
        frames = {"NumberOfFrames": 2} if i == 5 else {}
        (tmp_path / f"{i}.dcm").write_bytes(make_dicom(pixels, PatientID=f"Doe^{i // 3}", **frames))
    rows = [{"image": f"{i}.dcm", "question": "?", "frame": "0" if i == 5 else ""} for i in range(24)]
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    dataset = Institutional(tmp_path / "t.csv")
    with pytest.raises(InputError, match=r"24 of 24 rows without a patient in the table.*--group dicom_patient"):
        split(dataset)
    halves = {"train": 0.5, "test": 0.5}
    where = placed(split(dataset, halves, group="dicom_patient"))
    assert Counter(where.values()) == {"train": 12, "test": 12}
    assert all(len({where[2 + 3 * patient + i] for i in range(3)}) == 1 for patient in range(8))
    write_manifest(split(dataset, halves, group="dicom_patient"), tmp_path / "m.json")
    assert "doe" not in (tmp_path / "m.json").read_text().lower()
    assert read_manifest(tmp_path / "m.json").group == "dicom_patient"
    (tmp_path / "3.dcm").write_bytes(make_dicom(np.zeros((4, 4), np.uint16)))
    Image.new("L", (2, 2)).save(tmp_path / "6.dcm", "PNG")
    with pytest.raises(InputError, match="2 of 24 rows without a patient in a DICOM header, the first row 5"):
        split(Institutional(tmp_path / "t.csv"), halves, group="dicom_patient")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "medfly split 0"}', "[" * 100_000])
def test_what_is_no_manifest(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(InputError):
        read_manifest(tmp_path / "m.json")


def test_a_manifest_with_a_row_twice_is_refused(tmp_path: Path) -> None:
    write_manifest(split(cohort(tmp_path, patients(10)), {"train": 0.5, "test": 0.5}), tmp_path / "m.json")
    value = json.loads((tmp_path / "m.json").read_text())
    value["splits"]["test"].append(value["splits"]["train"][0])
    (tmp_path / "m.json").write_text(json.dumps(value))
    with pytest.raises(InputError, match="1 rows in two splits"):
        assignment(tmp_path / "m.json", tmp_path / "t.csv")
