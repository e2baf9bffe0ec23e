"""Samples → packed, augmented training items, one an image.

The samples come from an adapter, by way of the caller; this module opens their scans, shows them to the
image processor and packs their questions. It knows no file format.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from medfly.dragonfly import DragonflyProcessor
from medfly.training.augmentation import Augmentation, Augmenter
from medfly.training.packing import Packed, Turn, collate, pack
from medfly.types import Sample, ScanLoader

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImageTurns:
    """One image and every question about it that has an answer."""

    image: str
    scan: ScanLoader
    turns: tuple[Turn, ...]


def by_image(samples: Sequence[Sample], processor: DragonflyProcessor) -> list[ImageTurns]:
    """Group samples by their image, in order of first appearance; those without an answer are counted and left out."""
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        if sample.answer:
            groups.setdefault((sample.image, sample.scan.content_hash), []).append(sample)
    unanswered = sum(not sample.answer for sample in samples)
    if unanswered:
        log.warning("%d of %d questions have no answer and are left out of training", unanswered, len(samples))
    return [
        ImageTurns(
            image,
            group[0].scan,
            tuple(Turn(processor.prompt_ids(s.question), processor.answer_ids(s.answer or "")) for s in group),
        )
        for (image, _), group in groups.items()
    ]


@dataclass
class PackedImages(Dataset):
    """A torch data set with one packed item an image.

    Pictures larger than the model's high level are reduced once and kept in memory as 8-bit.
    high_crops: how many high crops a step sees, drawn anew each time; 0 for all. The others leave a gap in the
        positions. It saves most of the tower's work and keeps the model from leaning on a single crop.
    """

    items: Sequence[ImageTurns]
    processor: DragonflyProcessor
    augmentation: Augmentation | None = None
    high_crops: int = 0
    _augmenter: Augmenter | None = field(default=None, repr=False)
    _pictures: dict[int, tuple[np.ndarray, float]] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.items)

    def lengths(self) -> list[int]:
        """Text tokens of each item, for batches of like length."""
        return [sum(len(t.prompt) + len(t.answer) for t in item.turns) for item in self.items]

    def __getitem__(self, index: int) -> tuple[Packed, torch.Tensor]:
        picture, aspect = self._picture(index)
        if self.augmentation is not None:
            self._augmenter = self._augmenter or Augmenter(self.augmentation)
            # Drawn from torch's generator, which the Trainer seeds by run, epoch and worker.
            picture = self._augmenter(picture, int(torch.randint(2**31, ())))
        images, spans = self.processor.image_processor, list(self.processor.image_spans())
        crops = images.crops(picture, aspect)
        if self.high_crops:
            kept = self._kept(len(spans))
            crops, spans = crops[kept], [spans[i] for i in kept]
        ids, positions = self.processor.image_ids(spans), self.processor.image_positions(spans)
        end = sum(map(len, self.processor.image_spans().values()))
        return pack(ids, positions, end, self.items[index].turns), torch.from_numpy(images.normalise(crops))

    def _kept(self, count: int) -> list[int]:
        """The crops of the low and medium level and some of the high level's, drawn anew."""
        high = self.processor.crops_per_level["high"]
        drawn = torch.randperm(high)[: self.high_crops].sort().values + count - high
        return [*range(count - high), *drawn.tolist()]

    def _picture(self, index: int) -> tuple[np.ndarray, float]:
        """The picture to show, reduced if it is larger than the model sees, and its pixels' height over their width."""
        if index not in self._pictures:
            scan = self.items[index].scan()
            picture, aspect = scan.display(), scan.pixel_aspect
            width, height = self.processor.image_processor.pyramid(*scan.size, aspect).level_size("high")
            if scan.size[0] > width and scan.size[1] > height:
                picture, aspect = np.array(Image.fromarray(picture).resize((width, height))), 1.0
            self._pictures[index] = picture, aspect
        return self._pictures[index]

    def collate(self, items: Sequence[tuple[Packed, torch.Tensor]]) -> dict[str, Any]:
        packs, pixels = zip(*items, strict=True)
        batch: dict[str, Any] = collate(packs, pixels, self.processor.tokenizer.pad_token_id)
        if self.high_crops:
            all_crops = self.processor.crops_per_level
            batch["crops_per_level"] = [all_crops["low"], all_crops["medium"], min(self.high_crops, all_crops["high"])]
        return batch
