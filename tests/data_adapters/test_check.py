"""The whole check, on small data sets and on the real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from data_adapters.check import check, detect, sizes
from data_adapters.dataset import Finding, Size
from data_adapters.institutional import Institutional
from medfly.types import InputError

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
        ("error", "not_compared", "faulty all", 1),
        ("error", "unreadable_images", "good test", 1),
    }
    assert [f.examples for f in findings if f.kind == "unreadable_images"] == [("row 3",)]
    assert sizes(faulty) == {"all": None} and sizes(good) == {"train": Size(1, 1), "test": Size(1, 1)}


def test_detect_says_what_it_looked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a folder; expected SLAKE, VQA-RAD or PathVQA"):
        detect(tmp_path)
    with pytest.raises(InputError, match="no such file or folder"):
        detect(tmp_path / "none")
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
