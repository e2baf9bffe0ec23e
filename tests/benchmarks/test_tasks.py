"""Tasks against the data sets where they are at hand; errors everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.tasks import TASKS, folder_of, get_task
from data_adapters.dataset import Finding, Size
from data_adapters.path_vqa import PathVqa
from data_adapters.slake import Slake
from data_adapters.tables.published import Published
from data_adapters.vqa_rad import VqaRad
from medfly.types import InputError, Sample

from ..data_adapters import made_sets
from .conftest import make_samples

DATA = Path(__file__).resolve().parents[3] / "shared" / "datasets"


@dataclass(frozen=True)
class MadeUp:
    """A data set without a folder."""

    name: str = "made_up"
    source: str | None = None
    licence: str | None = None
    left_out: int = 0
    expected: Mapping[str, Size] = field(default_factory=dict)

    def splits(self) -> tuple[str, ...]:
        return ("test",)

    def samples(self, split: str) -> list[Sample]:
        return make_samples()

    def validate(self) -> list[Finding]:
        return []


def test_unknown_task_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'slacke'.*slake, slake_zh, vqa_rad, path_vqa"):
        get_task("slacke")
    assert [get_task(task.name) for task in TASKS] == list(TASKS)


def test_unknown_split_lists_the_splits() -> None:
    with pytest.raises(InputError, match=r"'holdout'.*train, validate, test"):
        get_task("slake").split_of("holdout")
    with pytest.raises(InputError, match=r"'validate'.*train, test"):
        get_task("vqa_rad").split_of("validate")


def test_a_split_is_found_by_its_other_names() -> None:
    """So that one command can name the validation splits of several data sets."""
    assert {get_task("path_vqa").split_of(name) for name in ("val", "validate", "Validation", "dev")} == {"val"}
    assert get_task("slake").split_of("val") == "validate"
    assert get_task("institutional").split_of("dev") == "dev"  # its folder decides


def test_what_results_are_grouped_by() -> None:
    """The task's own table, and the columns that a hospital's folder hands on where it has none."""
    rows = make_samples()
    assert get_task("slake").group_keys(rows)["content type"] == "content_type"
    assert get_task("institutional").group_keys(rows) == {"content_type": "content_type"}


def test_a_task_opens_its_data_set(tmp_path: Path) -> None:
    """Name and splits of each task are those of the class that it opens."""
    rows = [made_sets.slake_row(), made_sets.slake_row(q_lang="zh", qid=8)]
    made_sets.make_slake(tmp_path / "slake", rows)
    for name in "vqa_rad", "path_vqa":
        (tmp_path / name).mkdir()
    made_sets.make_vqa_rad(tmp_path / "vqa_rad", [made_sets.vqa_rad_row()])
    made_sets.make_path_vqa(tmp_path / "path_vqa", [made_sets.path_vqa_row()])
    kinds = {"slake": Slake, "slake_zh": Slake, "vqa_rad": VqaRad, "path_vqa": PathVqa}
    for task in (task for task in TASKS if task.name in kinds):
        folder = tmp_path / task.name.removesuffix("_zh")
        opened = task.open(folder)
        assert isinstance(opened, Published) and type(opened) is kinds[task.name]
        assert (opened.name, opened.SPLITS) == (task.name, task.splits)
        assert set(opened.expected) == set(task.splits) and opened.licence and opened.source
        (sample,) = task.samples(opened, "train")
        assert sample.metadata.get("q_lang") in (None, "zh" if task.name == "slake_zh" else "en")


def test_the_folder_is_named_after_the_task_or_its_data_set(tmp_path: Path) -> None:
    for name in ("slake", "vqa_rad"):
        (tmp_path / name).mkdir()
    assert folder_of(tmp_path, "slake_grounding") == folder_of(tmp_path, "slake_zh") == tmp_path / "slake"
    assert folder_of(tmp_path / "slake", "slake_grounding") == tmp_path / "slake"
    assert folder_of(tmp_path, "path_vqa") == tmp_path
    (tmp_path / "slake_zh").mkdir()
    assert folder_of(tmp_path, "slake_zh") == tmp_path / "slake_zh"


def test_a_hospital_folder_says_its_own_splits(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "q.csv").write_text("image,question,answer,split\na.png,Why?,No,holdout\na.png,Who?,Yes,train\n")
    (tmp_path / "dataset.yaml").write_text("table: q.csv\n")
    task = get_task("institutional")
    (sample,) = task.samples(task.open(tmp_path), "holdout")
    assert (sample.question, sample.answer) == ("Why?", "No") and sample.scan().size == (8, 8)
    with pytest.raises(InputError, match=r"'test'.*train, holdout"):
        task.samples(task.open(tmp_path), "test")
    with pytest.raises(InputError, match=r"dataset\.yaml"):
        task.open(tmp_path / "nowhere")
    assert task.samples(task.open(tmp_path / "q.csv"), "holdout")[0].id == sample.id  # a table alone
    (tmp_path / "q.csv").write_text("image,question\na.png,Why?\na.png,\nb.png,Who?\n")
    (tmp_path / "dataset.yaml").write_text("table: q.csv\nskip: true\n")
    assert len(task.samples(task.open(tmp_path), "all")) == 1


@pytest.mark.parametrize(
    ("task", "split", "closed", "count"),
    [("slake", "train", 1943, 4919), ("slake", "validate", 422, 1053), ("vqa_rad", "train", 1027, 1797)],
)
def test_published_sizes(task: str, split: str, closed: int, count: int) -> None:
    if not (DATA / task).is_dir():
        pytest.skip(f"{task} is not here")
    samples = get_task(task).samples(get_task(task).open(DATA / task), split)
    assert len(samples) == count
    assert sum(s.answer_type == "CLOSED" for s in samples) == closed
    assert len({repr(s.id) for s in samples}) == count
