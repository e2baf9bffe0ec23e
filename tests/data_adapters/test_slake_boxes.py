"""SLAKE's matched questions: which they are, where they point, and what is counted with pictures and without."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from data_adapters.slake_boxes import KINDS, TARGET, SlakeBoxes
from medfly.types import InputError

from .made_sets import make_boxed_slake

DATA = Path(__file__).parents[3] / "shared" / "datasets" / "slake"


def test_each_matched_question_has_its_target_and_the_split_stays_whole(tmp_path: Path) -> None:
    dataset = SlakeBoxes(make_boxed_slake(tmp_path, (48, 24)))
    found = dataset.grounded("validate")
    assert [sample.id for sample in found.samples] == [10, 11, 20, 21, 30, 31]
    targets = [sample.metadata[TARGET] for sample in found.samples]
    assert {target.size for target in targets} == {(48, 24)}
    assert {target.match.boxes for target in targets} == {((0.0, 0.0, 8.0, 4.0),)}
    assert [target.match.by for target in targets] == ["answer", "question"] * 3
    assert (found.clipped, found.left_out) == (1, 0)
    assert found.samples[0].metadata["modality"] == "MRI"
    whole = dataset.samples("validate")
    assert len(whole) == 8 and not any(TARGET in sample.metadata for sample in whole)
    assert list(found.counts) == list(KINDS)
    assert sum(found.counts.values()) - found.counts["of these several structures"] == len(whole)


def test_a_split_is_counted_without_its_pictures_and_boxes_must_be_there(tmp_path: Path) -> None:
    folder = make_boxed_slake(tmp_path / "slake")
    with_pictures = SlakeBoxes(folder).grounded("train").counts
    for path in folder.glob("imgs/*/source.jpg"):
        path.unlink()
    dataset = SlakeBoxes(folder)
    assert dataset.counts("train") == with_pictures
    with pytest.raises(InputError, match="picture"):
        dataset.grounded("train")
    shutil.rmtree(folder / "imgs" / "xmlab2")
    with pytest.raises(InputError, match=r"xmlab2/detection\.json"):
        dataset.counts("train")


def test_the_real_counts() -> None:
    if not DATA.is_dir():
        pytest.skip("slake is not here")
    counts = SlakeBoxes(DATA).counts("validate")
    assert (counts["matched by the question"], counts["matched by the answer"]) == (119, 71)
    assert (counts["names no structure"], counts["not boxed"], counts["answered no"]) == (512, 194, 70)
