"""The data sets that can be benchmarked: one explicit table, one line per task.

This module knows names and splits. It does not know file layouts (data_adapters does), models or scores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medfly.types import InputError, Sample

if TYPE_CHECKING:
    from data_adapters.dataset import DataSet


def _slake(folder: Path) -> DataSet:
    from data_adapters.slake import Slake  # adapters pull in image libraries: imported when a folder is read

    return Slake(folder)


def _slake_zh(folder: Path) -> DataSet:
    from data_adapters.slake import Slake

    return Slake(folder, language="zh")


def _vqa_rad(folder: Path) -> DataSet:
    from data_adapters.vqa_rad import VqaRad

    return VqaRad(folder)


def _path_vqa(folder: Path) -> DataSet:
    from data_adapters.path_vqa import PathVqa

    return PathVqa(folder)


def _institutional(folder: Path) -> DataSet:
    from data_adapters.institutional import Institutional

    return Institutional.from_folder(folder)


@dataclass(frozen=True)
class Task:
    """One data set as a benchmark.

    splits: the names that `samples` accepts, as the data set's authors spell them; none where the folder decides.
    open: folder → the data set in it. Raises InputError for another layout.
    """

    name: str
    splits: tuple[str, ...]
    open: Callable[[Path], DataSet]

    def samples(self, folder: Path, split: str, limit: int | None = None) -> list[Sample]:
        """The split's questions in the data set's order; the first `limit` of them if a limit is given.

        Raises InputError for an unknown split, a limit below 1, and whatever the adapter finds wrong.
        """
        if self.splits and split not in self.splits:
            raise InputError(
                f"task {self.name}: unknown split {split!r}; expected one of {', '.join(self.splits)}: "
                f"choose one of these"
            )
        if limit is not None and limit < 1:
            raise InputError(f"limit {limit}: expected at least 1; leave it off to take every question")
        return self.open(Path(folder)).samples(split)[:limit]

    def left_out(self, folder: Path) -> int:
        """How many rows at fault the folder's settings have left out of all its splits; published sets have none."""
        return self.open(Path(folder)).left_out


TASKS = (
    Task("slake", ("train", "validate", "test"), _slake),
    Task("slake_zh", ("train", "validate", "test"), _slake_zh),
    Task("vqa_rad", ("train", "test"), _vqa_rad),
    Task("path_vqa", ("train", "val", "test"), _path_vqa),
    Task("institutional", (), _institutional),
)


def get_task(name: str) -> Task:
    """The task called `name`. Raises InputError that lists the known ones."""
    for task in TASKS:
        if task.name == name:
            return task
    known = ", ".join(task.name for task in TASKS)
    raise InputError(f"unknown task {name!r}; expected one of {known}: choose one of these")
