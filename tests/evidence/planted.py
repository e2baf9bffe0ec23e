"""A picture whose answer has one known cause, and no other.

The target is a bright checkerboard whose mean is the background's: resizing blurs it away at the low and the
medium level, so an answer that is right can only come from the high crop that holds it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medfly.types import Scan, Window

QUESTION = "Is there a bright square?"
SIDE, CELL = 96, 16  # six high crops a side, at native resolution


@dataclass(frozen=True)
class Planted:
    """Noise with a target of 10 × 10 pixels in one high crop, or without."""

    crop: int | None
    seed: int

    @property
    def content_hash(self) -> str:
        return f"{self.crop} {self.seed}"

    def __call__(self) -> Scan:
        pixels = np.random.default_rng(self.seed).integers(40, 90, (SIDE, SIDE)).astype(np.float32)
        if self.crop is not None:
            row, column = divmod(self.crop, SIDE // CELL)
            y, x = row * CELL + 3, column * CELL + 3
            pixels[y : y + 10, x : x + 10] = np.indices((10, 10)).sum(0) % 2 * 130
        return Scan(pixels, windows=(Window(127.5, 255, "LINEAR_EXACT"),))
