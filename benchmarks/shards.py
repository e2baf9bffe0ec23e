"""Which process asks what, and where its answers lie until all of them are one file.

The image is the unit of work: the questions of a split are sorted by image, cut into batches of one image each, and
the images are dealt to the processes in turn. What is in a batch depends on the task and the batch size alone, not on
the number of processes or on where an earlier run stopped, so that every answer comes out the same.

One process writes predictions.jsonl itself; of several each writes a part of its own, which the first puts together
when all is answered. Any set of such files can be gone on with by any number of processes. Processes meet through
the folder only, which machines must share. This module knows files and samples; it knows no model.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from benchmarks import predictions
from medfly.types import InputError, Sample
from medfly.writing import whole

WHOLE = "predictions.jsonl"
PART = "predictions.part-{rank}-of-{world}.jsonl"
PARTS = "predictions.part-*.jsonl"
WAIT = 0.2  # seconds between two looks at what the other processes have done

Batch = tuple[Sample, ...]


@dataclass(frozen=True)
class Share:
    """Process number `rank`, from 0, of `world`; as torchrun and accelerate say in RANK and WORLD_SIZE."""

    rank: int = 0
    world: int = 1

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Share:
        """Raises InputError for values that are no such numbers."""
        said = environment.get("RANK", "0"), environment.get("WORLD_SIZE", "1")
        try:
            share = cls(*map(int, said))
            if not 0 <= share.rank < share.world:
                raise ValueError
        except ValueError:
            raise InputError(
                f"RANK={said[0]!r} and WORLD_SIZE={said[1]!r} in the environment; expected a number from 0 and a "
                "larger one: start the command by torchrun or accelerate launch, or unset both"
            ) from None
        return share

    @property
    def file(self) -> str:
        """The name of the file that this process writes."""
        return WHOLE if self.world == 1 else PART.format(rank=self.rank, world=self.world)


def batches(samples: Sequence[Sample], size: int) -> list[list[Batch]]:
    """Of each image, in order of first appearance, its questions in their order, at most `size` together."""
    images: dict[str, list[Sample]] = {}
    for sample in samples:
        images.setdefault(sample.image, []).append(sample)
    return [[tuple(q[start : start + size]) for start in range(0, len(q), size)] for q in images.values()]


class Answered:
    """What a run's folder holds so far: whole batches, wherever they lie."""

    def __init__(self, folder: Path, images: Sequence[Sequence[Batch]]) -> None:
        """images: as `batches` gives them."""
        self.folder = folder
        self.images = images
        self.batches = list(chain.from_iterable(images))
        self.by_first = {batch[0].id: number for number, batch in enumerate(self.batches)}

    def own(self, share: Share) -> list[Batch]:
        """The batches that a process has still to ask, in order."""
        there, number, todo = self.lines(), 0, []
        for image, mine in enumerate(self.images):
            for batch in mine:
                if number not in there and image % share.world == share.rank:
                    todo.append(batch)
                number += 1
        return todo

    def lines(self) -> dict[int, bytes]:
        """Number of the batch → its rows as they are on disk.

        Raises InputError where a file holds what this run cannot have written. Rows at the end that are no whole
        batch are no answer yet: another process may be writing them, or was killed while it did.
        """
        while True:
            found: dict[int, bytes] = {}
            try:
                for path in [*sorted(self.folder.glob(PARTS)), self.folder / WHOLE]:
                    if path.exists():
                        found.update(self._read(path)[0])
                return found
            except FileNotFoundError:  # the first process has just put the parts together
                continue

    def cut(self, share: Share) -> None:
        """Cut off what a killed process left of a batch at the end of the file that this one is to write."""
        path = self.folder / share.file
        if path.exists():
            _, end = self._read(path)
            if end < path.stat().st_size:
                with path.open("r+b") as file:
                    file.truncate(end)

    def join(self, heard: Callable[[int], None]) -> None:
        """Wait until every batch is there, then make them one file in order. For the first process only.

        heard: told how many questions are answered, whenever they are more.
        """
        before = -1
        while len(found := self.lines()) < len(self.batches):
            if (answered := sum(len(self.batches[number]) for number in found)) > before:
                heard(answered)
                before = answered
            time.sleep(WAIT)
        content = b"".join(found[number] for number in range(len(self.batches)))
        path = self.folder / WHOLE
        if not path.exists() or path.read_bytes() != content:
            with whole(path) as partial:
                partial.write_bytes(content)
        for part in self.folder.glob(PARTS):
            part.unlink(missing_ok=True)

    def _read(self, path: Path) -> tuple[dict[int, bytes], int]:
        """A file's whole batches, and where in it the last of them ends.

        The same rows may stand there twice, as after two starts of one command at a time; in the end they are once.
        """
        content = path.read_bytes()
        lines = content[: content.rfind(b"\n") + 1].splitlines(keepends=True)
        found: dict[int, bytes] = {}
        place = after = end = 0
        while place < len(lines):
            number = self._batch(lines[place], path, place + 1)
            batch = self.batches[number]
            rows = lines[place : place + len(batch)]
            after += sum(map(len, rows))
            for offset, (line, sample) in enumerate(zip(rows, batch, strict=False)):
                row = predictions.parse(line, f"{path}, line {place + offset + 1}")
                if (row["id"], row["question"]) != (sample.id, sample.question):
                    raise _foreign(path, place + offset + 1, f"an answer to another question than {sample.called}")
            if len(rows) == len(batch):
                if found.setdefault(number, b"".join(rows)) != b"".join(rows):
                    raise _foreign(path, place + 1, f"{batch[0].called} a second time, with other answers")
                end = after
            place += len(batch)
        return found, end

    def _batch(self, line: bytes, path: Path, number: int) -> int:
        first = predictions.parse(line, f"{path}, line {number}")["id"]
        known = self.by_first.get(first) if isinstance(first, int | str) else None
        if known is None:
            raise _foreign(path, number, "an id that begins no batch of this run")
        return known


def _foreign(path: Path, line: int, what: str) -> InputError:
    return InputError(f"{path}, line {line}: found {what}: remove this folder to start again")
