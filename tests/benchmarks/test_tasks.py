"""Tasks against the data sets where they are at hand; errors everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.tasks import TASKS, Task, get_task
from medfly.types import InputError

from .conftest import make_samples

DATA = Path(__file__).resolve().parents[3] / "shared" / "datasets"


def made_up(folder: Path, split: str) -> list:
    return make_samples() if split == "test" else []


def test_unknown_task_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'slacke'.*slake, vqa_rad"):
        get_task("slacke")
    assert [get_task(task.name) for task in TASKS] == list(TASKS)


def test_unknown_split_lists_the_splits(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'validation'.*train, validate, test"):
        get_task("slake").samples(tmp_path, "validation")
    with pytest.raises(InputError, match=r"'validate'.*train, test"):
        get_task("vqa_rad").samples(tmp_path, "validate")


def test_limit_takes_the_first_questions(tmp_path: Path) -> None:
    task = Task("made_up", ("test",), made_up)
    assert task.samples(tmp_path, "test") == make_samples()
    assert task.samples(tmp_path, "test", limit=5) == make_samples()[:5]
    assert task.samples(tmp_path, "test", limit=99) == make_samples()
    for limit in (0, -1):
        with pytest.raises(InputError, match="at least 1"):
            task.samples(tmp_path, "test", limit=limit)


@pytest.mark.parametrize(
    ("task", "split", "closed", "count"),
    [("slake", "train", 1943, 4919), ("slake", "validate", 422, 1053), ("vqa_rad", "train", 1027, 1797)],
)
def test_published_sizes(task: str, split: str, closed: int, count: int) -> None:
    if not (DATA / task).is_dir():
        pytest.skip(f"{task} is not here")
    pytest.importorskip(f"data_adapters.{task}", reason="the adapter is being written")
    samples = get_task(task).samples(DATA / task, split)
    assert len(samples) == count
    assert sum(s.answer_type == "CLOSED" for s in samples) == closed
    assert len({repr(s.id) for s in samples}) == count
