"""The ids of a data set's other splits: for saying whose they are when a file holds ids that the split has not."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from data_adapters.check import detect
from data_adapters.dataset import DataSet
from data_adapters.tables.published import Published
from medfly.types import InputError, Sample


def ids_elsewhere(folder: Path, task: str, split: str) -> Mapping[str, set[int | str]]:
    """ "slake train" → its ids, for all splits in the folder but this one, those of SLAKE's other language included.

    It serves a message only: what cannot be read is left out.
    """
    found: dict[str, set[int | str]] = {}
    with suppress(InputError):
        for dataset in detect(folder):
            name = dataset.name if isinstance(dataset, Published) else task
            for other in dataset.splits():
                if (name, other) != (task, split):
                    with suppress(InputError):
                        found[f"{name} {other}"] = {sample.id for sample in questions_of(dataset, other)}
    return found


def questions_of(dataset: DataSet, split: str) -> list[Sample]:
    """A split's questions; pictures that are missing are no hindrance where the data set is a published one."""
    return dataset.samples(split, pictures=False) if isinstance(dataset, Published) else dataset.samples(split)
