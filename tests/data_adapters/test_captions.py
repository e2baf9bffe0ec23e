"""Folders of captions: what is read, what is refused with its row, and that no path leaves the folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from data_adapters.captions import INSTRUCTION, Captions
from data_adapters.tables.published import OtherLayout
from medfly.types import InputError

SECRET = "Doe^Jane"


def picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 6), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "JPEG" if path.suffix == ".jpg" else "PNG")


def folder_of(folder: Path, rows: list[Any], images: int = 3) -> Path:
    for i in range(images):
        picture(folder / f"scans/{i}.png", i)
    (folder / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def row(i: int = 0, **changes: Any) -> dict[str, Any]:
    return {"image": f"scans/{i}.png", "captions": [f"Text number {i}."]} | changes


def test_rows_become_samples(tmp_path: Path) -> None:
    rows = [
        row(0, captions=["A  first\ntext.", "Another."], patient=SECRET, note=SECRET, question="What?"),
        {"image": "scans\\1.png", "caption": "One text.", "id": 7, "patient": " doe^JANE"},
        row(2, captions="Not letter by letter.", id="x"),
    ]
    data = Captions(folder_of(tmp_path, rows))
    assert (data.name, data.source, data.licence, data.expected, data.left_out) == ("captions", None, None, {}, 0)
    assert data.splits() == ("all",)
    first, second, third = data.samples("all")
    assert {sample.question for sample in (first, second, third)} == {INSTRUCTION}
    assert (first.id, second.id, third.id) == (1, "7", "x")
    assert first.answer is first.answer_type is None
    assert first.metadata == {"row": 1, "references": ("A first text.", "Another.")}
    assert second.metadata["references"] == ("One text.",)
    assert third.metadata["references"] == ("Not letter by letter.",)
    assert (first.patient, second.patient, third.patient) == (1, 1, None)
    assert second.scan().size == (6, 4)
    assert SECRET not in repr((data, first, second, third))
    assert data.validate() == []


def test_splits_and_frames(tmp_path: Path, make_dicom: Any) -> None:
    rows = [row(0, split="test"), row(1, split="train"), {"image": "c.dcm", "caption": "A", "frame": 1, "split": "dev"}]
    folder_of(tmp_path, rows)
    frames = np.arange(48, dtype=np.uint8).reshape(2, 4, 6)
    (tmp_path / "c.dcm").write_bytes(make_dicom(frames, NumberOfFrames=2))
    data = Captions(tmp_path)
    assert data.splits() == ("train", "dev", "test")
    (sample,) = data.samples("dev")
    assert sample.image == "c.dcm#1" and sample.scan().pixels[0, 0] == 24
    with pytest.raises(InputError, match="one of train, dev, test"):
        data.samples("all")


FAULTS: list[tuple[dict[str, Any], str]] = [
    (row(captions=[]), "no_captions"),
    (row(captions=["A text", "  "]), "no_captions"),
    (row(captions=None), "no_captions"),
    (row(captions=[1]), "odd_captions"),
    (row(captions={"text": "A"}), "odd_captions"),
    (row(captions=[["A"]]), "odd_captions"),
    (row(caption="A"), "two_captions"),
    ({"captions": ["A"]}, "no_image"),
    (row(image=["scans/0.png", "scans/1.png"]), "several_images"),
    (row(image={"bytes": "A"}), "embedded_image"),
    (row(image="https://example.org/a.png"), "embedded_image"),
    (row(image="scans/none.png"), "missing_images"),
    (row(image="../scans/0.png"), "image_outside"),
    (row(image="scans/../../captions.jsonl"), "image_outside"),
    (row(image="/etc/passwd"), "image_outside"),
    (row(image="C:\\scans\\0.png"), "image_outside"),
    (row(image="scans\\..\\..\\0.png"), "image_outside"),
    (row(image="scans/0.png\0"), "missing_images"),
    (row(image="x" * 5000), "missing_images"),
    (row(image="\ud800.png"), "odd_image"),
    (row(id="\udfff"), "odd_id"),
    (row(id=[1]), "odd_id"),
    (row(split={"a": 1}), "odd_split"),
    (row(frame="first"), "odd_frame"),
    (row(patient=[SECRET]), "odd_patient"),
]


@pytest.mark.parametrize(("bad", "kind"), FAULTS, ids=[f"{kind}{i}" for i, (_, kind) in enumerate(FAULTS)])
def test_rows_at_fault_are_counted_and_named_by_number(bad: dict[str, Any], kind: str, tmp_path: Path) -> None:
    good = {"split": "all"} if "split" in bad else {}
    data = Captions(folder_of(tmp_path, [row(1, **good), bad, row(2, **good), bad]))
    with pytest.raises(
        InputError, match=rf"^found 2 rows at fault \(2 {kind}\): rows 2, 4: .*; expected none"
    ) as caught:
        data.samples("all")
    assert "\n" not in str(caught.value) and SECRET not in str(caught.value)
    (finding,) = data.validate()
    assert (finding.severity, finding.kind, finding.count, finding.examples) == ("error", kind, 2, ("row 2", "row 4"))


def test_duplicate_ids_and_missing_splits(tmp_path: Path) -> None:
    rows = [row(0, id="a", split="test"), row(1, id="a", split="test"), row(2, id="b")]
    with pytest.raises(InputError, match=r"2 rows at fault \(1 duplicate_ids, 1 no_split\): rows 2, 3"):
        Captions(folder_of(tmp_path, rows)).samples("test")


def test_what_is_odd_but_kept(tmp_path: Path) -> None:
    rows = [
        row(0, split="train", patient="P"),
        row(0, captions=["Other"], split="train"),
        row(1, captions=["Other"], split="train"),
        row(0, captions=["Third"], split="test"),
        row(2, split="test", patient="p "),
    ]
    found = {(finding.kind, finding.where, finding.count) for finding in Captions(folder_of(tmp_path, rows)).validate()}
    assert found == {
        ("duplicate_images", "captions train", 1),
        ("same_texts", "captions train", 1),
        ("shared_images", "captions", 1),
        ("shared_patients", "captions", 1),
    }


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"{]\n", b"[1]\n", b"\xff\xfe\xff", b'{"image": "a"}\n7\n', b"[" * 9999]
)
def test_files_that_are_no_json_lines(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "captions.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=r"^captions.jsonl: found .*; expected ") as caught:
        Captions(tmp_path)
    assert "\n" not in str(caught.value)


def test_other_folders(tmp_path: Path) -> None:
    with pytest.raises(
        OtherLayout, match=r"none of these; expected captions in .*captions\.jsonl.*write captions\.jsonl"
    ):
        Captions(tmp_path)
    with pytest.raises(OtherLayout, match="no such folder"):
        Captions(tmp_path / "none")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("scans/0.png"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)
KEYS = st.sampled_from(["image", "captions", "caption", "id", "split", "patient", "frame", "question", "messages"])


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.dictionaries(KEYS, JSON, max_size=5), min_size=1, max_size=4))
def test_any_rows_give_samples_or_one_line(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    folder = folder_of(tmp_path, rows, images=1)
    try:
        data = Captions(folder)
        samples = [sample for split in data.splits() for sample in data.samples(split)]
    except InputError as problem:
        assert "\n" not in str(problem)
        return
    assert len(samples) == len(rows)
    for sample in samples:
        path = Path(sample.scan.path).resolve()
        assert path.exists() and path.is_relative_to(folder.resolve())
        assert all(isinstance(text, str) and text.strip() for text in sample.metadata["references"])


def test_roco(tmp_path: Path) -> None:
    base = tmp_path / "data/test/radiology"
    picture(base / "images/ROCO_00001.jpg")
    (base / "captions.txt").write_text('ROCO_00001\t Axial "MRI"\t(coronal view).\nROCO_00006\tNot fetched.\n')
    data = Captions(tmp_path)
    assert (data.name, data.title, data.splits(), data.left_out) == ("roco", "ROCO, radiology", ("test",), 1)
    (sample,) = data.samples("test")
    assert (sample.id, sample.image) == ("ROCO_00001", "data/test/radiology/images/ROCO_00001.jpg")
    assert sample.metadata["references"] == ('Axial "MRI" (coronal view).',)
    (finding,) = data.validate()
    assert (finding.severity, finding.kind, finding.count) == ("warning", "missing_images", 1)
    (base / "images/ROCO_00001.jpg").unlink()
    with pytest.raises(InputError, match="none of the 2 pictures"):
        Captions(tmp_path).samples("test")


@pytest.mark.parametrize(
    ("title", "pictures", "patients"),
    [("IU X-Ray", "iu_xray_images", [1, 1]), ("Peir Gross", "peir_gross_images", [None] * 2)],
)
def test_the_surveys_layouts(title: str, pictures: str, patients: list[int | None], tmp_path: Path) -> None:
    names = ("CXR12_IM-0001-1001.png", "CXR12_IM-0001-2001.png")
    for name in names:
        picture(tmp_path / pictures / name)
    (tmp_path / "test_images.tsv").write_text("".join(f"{name}\tNo effusion.\n" for name in names))
    data = Captions(tmp_path)
    assert (data.title, data.splits(), data.left_out) == (title, ("test",), 0)
    samples = data.samples("test")
    assert [sample.image for sample in samples] == [f"{pictures}/{name}" for name in names]
    assert [sample.patient for sample in samples] == patients
    (tmp_path / pictures / names[0]).unlink()
    with pytest.raises(InputError, match="1 missing_images"):
        Captions(tmp_path).samples("test")
    (tmp_path / "train_images.tsv").write_text("no tab\n")
    with pytest.raises(InputError, match="no tab on line 1"):
        Captions(tmp_path)
