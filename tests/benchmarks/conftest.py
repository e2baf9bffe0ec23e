"""Made-up samples with an in-memory loader: no file, no model, all of it real values of medfly.types."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pytest

from medfly.types import Sample, Scan


@dataclass(frozen=True)
class MemoryLoader:
    """A grey 4×6 scan whose every pixel is `value`, the last one padding; or a colour picture."""

    value: float
    colour: bool = False

    @property
    def content_hash(self) -> str:
        return hashlib.sha256(f"{self.value} {self.colour}".encode()).hexdigest()

    def __call__(self) -> Scan:
        if self.colour:
            pixels = np.full((4, 6, 3), int(self.value), np.uint8)
        else:
            pixels = np.full((4, 6), self.value, np.float32)
        padding = np.arange(24).reshape(4, 6) == 23
        return Scan(
            pixels, padding=padding, unit="HU", spacing=(0.5, 0.25), modality="CT", input_hash=self.content_hash
        )


def make_samples(images: int = 4, questions: int = 3) -> list[Sample]:
    """`questions` per image; the first is OPEN and asks which image it is, the others are CLOSED."""
    samples = []
    for i in range(images):
        for q in range(questions):
            samples.append(
                Sample(
                    id=i * questions + q if q else f"q{i}",  # both JSON types occur
                    image=f"img{i}.png",
                    question=f"Which image is this?\tPart {q}" if q == 0 else f"Is part {q} bright?",
                    scan=MemoryLoader(float(i)),
                    answer=f"Image {i}" if q == 0 else ("Yes" if (i + q) % 2 else "No"),
                    answer_type="CLOSED" if q else "OPEN",
                    metadata={"content_type": "Organ" if q == 0 else "Size"},
                )
            )
    return samples


@pytest.fixture
def samples() -> list[Sample]:
    return make_samples()
