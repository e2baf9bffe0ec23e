"""The data sets that can be benchmarked: one explicit table, one line per task.

This module knows names and splits. It does not know file layouts (data_adapters does), models or scores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medfly.types import InputError, Sample


def _slake(folder: Path, split: str) -> list[Sample]:
    from data_adapters import slake  # adapters pull in image libraries: imported when a folder is read

    return slake.read_split(folder, split, language="en")


def _vqa_rad(folder: Path, split: str) -> list[Sample]:
    from data_adapters import vqa_rad

    return vqa_rad.read_split(folder, split)


@dataclass(frozen=True)
class Task:
    """One data set as a benchmark.

    splits: the names that `samples` accepts, as the data set itself spells them.
    read: (folder, split) → all samples of the split, in the data set's own order.
    """

    name: str
    splits: tuple[str, ...]
    read: Callable[[Path, str], list[Sample]]

    def samples(self, folder: Path, split: str, limit: int | None = None) -> list[Sample]:
        """The split's questions in the data set's order; the first `limit` of them if a limit is given.

        Raises InputError for an unknown split, a limit below 1, and whatever the adapter finds wrong.
        """
        if split not in self.splits:
            raise InputError(
                f"task {self.name}: unknown split {split!r}; expected one of {', '.join(self.splits)}: "
                f"choose one of these"
            )
        if limit is not None and limit < 1:
            raise InputError(f"limit {limit}: expected at least 1; leave it off to take every question")
        return self.read(Path(folder), split)[:limit]


TASKS = (
    Task("slake", ("train", "validate", "test"), _slake),
    Task("vqa_rad", ("train", "test"), _vqa_rad),
)


def get_task(name: str) -> Task:
    """The task called `name`. Raises InputError that lists the known ones."""
    for task in TASKS:
        if task.name == name:
            return task
    known = ", ".join(task.name for task in TASKS)
    raise InputError(f"unknown task {name!r}; expected one of {known}: choose one of these")
