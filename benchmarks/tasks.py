"""The data sets that can be benchmarked: one explicit table, one line per task.

This module knows names and splits. It does not know file layouts (data_adapters does), models or scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medfly.types import InputError, Sample

if TYPE_CHECKING:
    from data_adapters.dataset import DataSet
    from data_adapters.slake_boxes import SlakeBoxes

Progress = Callable[[int, int], None]


def _slake(folder: Path) -> DataSet:
    from data_adapters.slake import Slake  # adapters pull in image libraries: imported when a folder is read

    return Slake(folder)


def _slake_zh(folder: Path) -> DataSet:
    from data_adapters.slake import Slake

    return Slake(folder, language="zh")


def _slake_boxes(folder: Path) -> SlakeBoxes:
    from data_adapters.slake_boxes import SlakeBoxes

    return SlakeBoxes(folder)


def _vqa_rad(folder: Path) -> DataSet:
    from data_adapters.vqa_rad import VqaRad

    return VqaRad(folder)


def _path_vqa(folder: Path) -> DataSet:
    from data_adapters.path_vqa import PathVqa

    return PathVqa(folder)


def _institutional(folder: Path) -> DataSet:
    from data_adapters.institutional import Institutional

    return Institutional(folder) if folder.is_file() else Institutional.from_folder(folder)


def _captions(folder: Path) -> DataSet:
    from data_adapters.captions import Captions

    return Captions(folder)


def _boxed(dataset: SlakeBoxes, split: str, progress: Progress | None) -> list[Sample]:
    return dataset.grounded(split, progress).samples


@dataclass(frozen=True)
class Task:
    """One data set as a benchmark.

    splits: the names that `samples` accepts, as the data set's authors spell them; none where the folder decides.
    open: folder → the data set in it. Raises InputError for another layout.
    subgroups: what results are split up by → the key in Sample.metadata. Of a hospital's own, its columns.
    several: those of them whose cells may hold more than one label ("PRES, POS").
    max_new_tokens: of an answer, at most.
    chosen: of what `open` gave, the split's questions that are asked, where it is not all of them.
    evidence: answers are asked for with their evidence, and that is scored instead of them (benchmarks.grounding).
    """

    name: str
    splits: tuple[str, ...]
    open: Callable[[Path], DataSet]
    subgroups: Mapping[str, str] = field(default_factory=dict)
    several: tuple[str, ...] = ()
    max_new_tokens: int = 64
    chosen: Callable[[Any, str, Progress | None], list[Sample]] | None = None
    evidence: bool = False

    def samples(self, dataset: DataSet, split: str, progress: Progress | None = None) -> list[Sample]:
        """The split's questions that are asked, in the data set's order.

        dataset: what `open` gave. split: as in `split_of`. progress: (done, total), of what takes seconds. Raises
        InputError for an unknown split, where there is none, and whatever the adapter finds wrong.
        """
        split = self.split_of(split)
        return dataset.samples(split) if self.chosen is None else self.chosen(dataset, split, progress)

    def split_of(self, name: str) -> str:
        """The split as this data set's authors call it: `validate`, `validation`, `val` and `dev` are one.

        Raises InputError for a split that it does not have.
        """
        from data_adapters.check import ROLES

        if not self.splits or name in self.splits:
            return name
        for split in self.splits:
            if ROLES[split] == ROLES.get(name.lower()):
                return split
        raise InputError(
            f"task {self.name}: unknown split {name!r}; expected one of {', '.join(self.splits)}: choose one of these"
        )

    def group_keys(self, samples: Iterable[Sample]) -> Mapping[str, str]:
        """`subgroups`; where it names none, every further column that the samples bring along."""
        if self.subgroups:
            return self.subgroups
        columns = dict.fromkeys(key for sample in samples for key in sample.metadata)
        return {key: key for key in columns if key not in NO_GROUPS}


NO_GROUPS = ("row", "earlier", "references")
"""Keys of Sample.metadata that say nothing to group by."""
SLAKE_GROUPS = {
    "content type": "content_type",
    "modality": "modality",
    "organ": "location",
    "question type": "base_type",
    "language": "q_lang",
}
VQA_RAD_GROUPS = {"organ": "image_organ", "question type": "question_type", "phrasing": "phrase_type"}
PATH_VQA_GROUPS = {"question type": "question_type", "answer kind": "kind"}

TASKS = (
    Task("slake", ("train", "validate", "test"), _slake, SLAKE_GROUPS),
    Task("slake_zh", ("train", "validate", "test"), _slake_zh, SLAKE_GROUPS),
    Task("vqa_rad", ("train", "test"), _vqa_rad, VQA_RAD_GROUPS, several=("question type",)),
    Task("path_vqa", ("train", "val", "test"), _path_vqa, PATH_VQA_GROUPS),
    Task("institutional", (), _institutional),
    Task("captions", (), _captions, max_new_tokens=256),
    Task("slake_grounding", ("train", "validate", "test"), _slake_boxes, chosen=_boxed, evidence=True),
)
FOLDERS = {"slake_zh": "slake", "slake_grounding": "slake"}
"""Tasks about another task's data set."""


def get_task(name: str) -> Task:
    """The task called `name`. Raises InputError that lists the known ones."""
    for task in TASKS:
        if task.name == name:
            return task
    known = ", ".join(task.name for task in TASKS)
    raise InputError(f"unknown task {name!r}; expected one of {known}: choose one of these")


def folder_of(data: Path, task: str) -> Path:
    """The data set's folder: `data` itself, or the folder in it that is named after the task or its data set."""
    names = (task, FOLDERS.get(task, task))
    return next((data / name for name in names if (data / name).is_dir()), data)
