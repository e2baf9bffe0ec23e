"""What of a split is in training data: on made data sets in the published layouts, a hospital's, and the real SLAKE."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from benchmarks import kept_prints
from benchmarks.contamination import Contamination, contamination
from benchmarks.tasks import get_task
from data_adapters.check import detect
from data_adapters.dataset import DataSet
from data_adapters.institutional import Institutional
from data_adapters.leakage import fingerprint
from data_adapters.vqa_rad import IMAGES, QUESTIONS
from medfly.types import Sample

REAL = Path(__file__).resolve().parents[3] / "shared" / "datasets"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for each test."""
    monkeypatch.setenv("MEDFLY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def scene(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(96, 80)), 6)
    Image.fromarray(np.uint8(255 * (noise - noise.min()) / np.ptp(noise))).save(path)


def vqa_rad(folder: Path, rows: Sequence[tuple[str, int]], files: bool = True) -> Path:
    """(phrase_type, picture) of each row; every question about a picture is worded by its place in its split."""
    for _, seed in rows if files else ():
        scene(folder / IMAGES / f"synpic{seed}.jpg", seed)
    fields: dict[str, Any] = {"question_type": "PRES", "image_organ": "CHEST", "qid_linked_id": "0"}
    values = [
        {"qid": i, "phrase_type": phrase, "image_name": f"synpic{seed}.jpg", "answer_type": "CLOSED", "answer": "Yes"}
        | {"question": "Is it there?" if seed % 2 else f"Is {i} there?"}
        | fields
        for i, (phrase, seed) in enumerate(rows)
    ]
    folder.mkdir(exist_ok=True)
    (folder / QUESTIONS).write_text(json.dumps(values))
    return folder


def looked(
    name: str, folder: Path, split: str, training: Sequence[DataSet] = (), limit: int | None = None
) -> tuple[Contamination | None, list[Sample]]:
    dataset = get_task(name).open(folder)
    texts_only = {} if isinstance(dataset, Institutional) else {"pictures": False}
    samples = dataset.samples(split, **texts_only)[:limit]
    return contamination(dataset, split, samples, training), samples


def test_vqa_rads_test_images_are_in_its_training(tmp_path: Path) -> None:
    """The release's 202 of 203, a tenth as large: 20 of 21 test images are asked about in train, too."""
    train = [("freeform", seed) for seed in range(31)]
    test = [("test_freeform", seed) for seed in (*range(20), 99)]
    folder = vqa_rad(tmp_path / "vqa_rad", [*train, *test])
    found, samples = looked("vqa_rad", folder, "test")
    assert found is not None
    assert found.sentence == (
        "20 of 21 images are in vqa_rad train, too (20 the same file), "
        "and 10 of 21 questions are, about them and with the same answer."
    )
    assert [s.image for s in samples if found.is_clean(s)] == ["synpic99.jpg"]
    told = found.to_dict({"percent": 50.0})
    counts = ("images", "not_compared", "shared_images", "questions", "shared_questions")
    assert [told[key] for key in counts] == [21, 0, 20, 21, 10]
    assert (told["training"], told["clean"]) == (["vqa_rad train"], {"percent": 50.0})
    assert {f["kind"]: f["count"] for f in told["findings"]} == {"same_file": 20, "same_question": 10}
    assert json.loads(json.dumps(told)) == told

    some, asked = looked("vqa_rad", folder, "test", limit=5)
    assert some is not None and (some.images, some.questions, len(some.shared)) == (5, 5, 5) and len(asked) == 5


def test_further_training_data_are_compared_once(tmp_path: Path) -> None:
    """Their training splits; the same folder named again is not a second data set, another of one name is."""
    folder = vqa_rad(tmp_path / "a", [("freeform", 1), ("test_freeform", 2), ("test_freeform", 3)])
    other = vqa_rad(tmp_path / "b", [("para", 3), ("test_para", 2)])
    found, samples = looked("vqa_rad", folder, "test", [*detect(folder), *detect(other), *detect(other)])
    assert found is not None
    assert found.training == (f"vqa_rad ({folder}) train", f"vqa_rad ({other}) train")
    assert [s.image for s in samples if found.is_clean(s)] == ["synpic2.jpg"]
    assert found.sentence.startswith(f"None of 2 images is in vqa_rad ({folder}) train. 1 of 2 images are in vqa_rad (")


def test_a_training_split_is_compared_with_itself_only_where_it_is_named(tmp_path: Path) -> None:
    folder = vqa_rad(tmp_path / "a", [("freeform", 1), ("freeform", 2)])
    assert looked("vqa_rad", folder, "train")[0] is None
    named, _ = looked("vqa_rad", folder, "train", detect(folder))
    assert named is not None and len(named.shared) == 2
    only_test = vqa_rad(tmp_path / "b", [("test_freeform", 1)])
    assert looked("vqa_rad", only_test, "test")[0] is None


def test_missing_pictures_are_told_and_are_not_clean(tmp_path: Path) -> None:
    rows = [("freeform", 1), ("freeform", 3), ("test_freeform", 5), ("test_freeform", 7)]
    folder = vqa_rad(tmp_path / "a", rows, files=False)
    found, samples = looked("vqa_rad", folder, "test")
    assert found is not None and not any(map(found.is_clean, samples))
    assert found.sentence == (
        "Whether images are in vqa_rad train, too, cannot be told. "
        "2 of 2 images of vqa_rad test are missing or unreadable: not compared. "
        "2 of 2 images of vqa_rad train are missing or unreadable: not compared."
    )
    told = found.to_dict(None)
    assert (told["shared_images"], told["shared_questions"], told["not_compared"]) == (None, None, 2)
    assert {f["kind"] for f in told["findings"]} == {"not_compared", "same_words"}

    scene(folder / IMAGES / "synpic5.jpg", 5)
    blind, samples = looked("vqa_rad", folder, "test")  # one of the asked is there, of training none
    assert blind is not None and not any(map(blind.is_clean, samples))
    assert blind.sentence.startswith("Whether images are in vqa_rad train, too, cannot be told. 1 of 2 images of")
    assert blind.to_dict(None)["shared_images"] is None

    scene(folder / IMAGES / "synpic1.jpg", 1)
    partly, samples = looked("vqa_rad", folder, "test")
    assert partly is not None and partly.sentence.startswith("None of 1 images is in vqa_rad train. 1 of 2 images of")
    assert partly.to_dict(None)["shared_images"] == 0
    assert [s.image for s in samples if partly.is_clean(s)] == ["synpic5.jpg"]


def hospital(folder: Path, rows: Sequence[tuple[str, int, str]]) -> Path:
    """(patient, picture, split) of each row."""
    lines = ["image,question,answer,patient,split"]
    for patient, seed, split in rows:
        scene(folder / f"{seed}.png", seed)
        lines.append(f"{seed}.png,Is it {seed}?,yes,{patient},{split}")
    (folder / "questions.csv").write_text("\n".join(lines))
    (folder / "dataset.yaml").write_text("table: questions.csv\nname: ours\n")
    return folder


def test_a_patient_in_training_is_not_clean_and_never_named_nor_kept(tmp_path: Path, cache: Path) -> None:
    rows = [("doe", 1, "train"), ("roe", 2, "train"), ("doe", 3, "test"), ("poe", 4, "test"), ("poe", 2, "test")]
    folder = hospital(tmp_path / "ours", rows)
    found, samples = looked("institutional", folder, "test")
    assert found is not None
    assert found.sentence == (
        "1 of 3 images are in ours train, too (1 the same file), and 1 of 3 questions are, about them and with the "
        "same answer; patients in common: 1."
    )
    assert [s.question for s in samples if found.is_clean(s)] == ["Is it 4?"]
    assert not {"doe", "roe", "poe"} & set(str(found.to_dict(None)).replace(",", " ").split())
    kept = sqlite3.connect(kept_prints.place()).execute("SELECT count(*) FROM prints").fetchone()
    assert kept == (0,)  # a fingerprint shows its picture, in small

    nothing, _ = looked("vqa_rad", vqa_rad(tmp_path / "rad", [("test_para", 7)]), "test", detect(folder))
    assert nothing is not None and nothing.sentence == "None of 1 images is in ours train."


def test_training_data_that_cannot_be_read_are_a_finding(tmp_path: Path) -> None:
    folder = vqa_rad(tmp_path / "a", [("freeform", 1), ("test_freeform", 2)])
    ours = hospital(tmp_path / "ours", [("doe", 3, "train")])
    (dataset,) = detect(ours)
    broken = Institutional(ours / "questions.csv", manifest=ours / "no such manifest.json", name="ours")
    found, samples = looked("vqa_rad", folder, "test", [dataset, broken])
    assert found is not None and not any(map(found.is_clean, samples))  # what nobody read may hold them
    assert found.to_dict(None)["shared_images"] is None
    (finding,) = [f for f in found.findings if f.kind == "not_compared"]
    assert (
        finding.message.startswith("no leakage check: found ") and "could not be read: not compared" in found.sentence
    )


def test_nothing_but_training_data_that_cannot_be_read_is_not_none_shared(tmp_path: Path) -> None:
    folder = vqa_rad(tmp_path / "a", [("test_freeform", 2)])
    ours = hospital(tmp_path / "ours", [("doe", 3, "train")])
    broken = Institutional(ours / "questions.csv", manifest=ours / "no such manifest.json", name="ours")
    found, samples = looked("vqa_rad", folder, "test", [broken])
    assert found is not None and not any(map(found.is_clean, samples))
    told = found.to_dict(None)
    assert (told["shared_images"], told["shared_questions"], told["not_compared"]) == (None, None, 1)


def test_fingerprints_are_kept_and_a_damaged_cache_is_nothing(tmp_path: Path) -> None:
    rows = [("freeform", 1), ("freeform", 2), ("test_freeform", 2), ("test_freeform", 3)]
    folder = vqa_rad(tmp_path / "a", rows)
    cold, samples = looked("vqa_rad", folder, "test")
    digests = [sample.scan.content_hash for sample in samples]
    kept = kept_prints.kept([*digests, "0" * 64])
    assert set(kept) == set(digests)
    for sample in samples:
        again, first = kept[sample.scan.content_hash], fingerprint(sample.scan)
        assert (again.file, again.pixels, again.bits) == (first.file, first.pixels, first.bits)
        assert again.small is not None and first.small is not None
        np.testing.assert_array_equal(again.small, first.small)
    content = kept_prints.place().read_bytes()
    assert b"synpic" not in content and str(tmp_path).encode() not in content

    def warm() -> Contamination | None:
        return looked("vqa_rad", folder, "test")[0]

    assert warm() == cold
    database = sqlite3.connect(kept_prints.place())
    with database:
        database.execute("UPDATE prints SET shrunk = x'00', bits = 'not a number'")
    database.close()
    assert warm() == cold and len(kept_prints.kept(digests)) == 2  # mended on the way
    kept_prints.place().write_bytes(b"no database" * 1000)
    assert warm() == cold
    assert warm() == cold and len(kept_prints.kept(digests)) == 2
    kept_prints.place().unlink()
    kept_prints.place().mkdir()  # where nothing can be kept
    assert warm() == cold


@pytest.mark.slow
@pytest.mark.skipif(not (REAL / "slake").is_dir(), reason="SLAKE is not here")
def test_slakes_validation_split() -> None:
    found, samples = looked("slake", REAL / "slake", "validate")
    assert found is not None
    assert found.sentence == (
        "17 of 96 images are in slake train, too (17 nearly the same), "
        "and 24 of 1,053 questions are, about them and with the same answer."
    )
    assert sum(map(found.is_clean, samples)) == 889
    both, samples = looked("slake", REAL / "slake", "validate", detect(REAL / "slake"))
    assert both is not None and both.training == ("slake train", "slake_zh train")
    assert "68 of 96 images are in slake_zh train, too (64 the same file, 4 nearly the same)" in both.sentence
    assert len(both.shared) == 69


@pytest.mark.slow
@pytest.mark.skipif(not (REAL / "path_vqa").is_dir(), reason="PathVQA is not here")
def test_path_vqa_without_its_pictures() -> None:
    found, _ = looked("path_vqa", REAL / "path_vqa", "val")
    assert found is not None and found.to_dict(None)["shared_images"] is None
    assert "832 of 832 images of path_vqa val are missing or unreadable: not compared." in found.sentence
    assert ("same_words", 3793) in {(f.kind, f.count) for f in found.findings}
