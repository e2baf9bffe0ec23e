"""What stands behind the planted things: two lungs, mediastinum, heart and ribs, or a body's slice with organs.

Drawn anew for each seed, so that no two phantoms share a background. It knows nothing of what is planted; `fields`
says where a nodule may lie. Grey values are shares of the full range, lengths are source pixels, pixel centres at
i + 0.5. Shapes: S side of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

Body = Literal["chest", "ct"]
Side = Literal["left", "right"]
SIDES: tuple[Side, ...] = ("left", "right")
"""Of the picture, as the viewer sees it, never of the patient."""
TEXTURE_GRID = 8


def pixel_centres(size: int) -> tuple[np.ndarray, np.ndarray]:
    """x [1, S] and y [S, 1] of all pixel centres."""
    centres = np.arange(size) + 0.5
    return centres[None, :], centres[:, None]


@dataclass(frozen=True)
class Ellipse:
    """An upright ellipse in source pixels."""

    x: float
    y: float
    radius_x: float
    radius_y: float

    def coverage(self, size: int, edge: float) -> np.ndarray:
        """[S, S] in 0 … 1: 1 inside, 0 outside, about `edge` pixels between them."""
        x, y = pixel_centres(size)
        distance = np.hypot((x - self.x) / self.radius_x, (y - self.y) / self.radius_y)
        return np.clip((1 - distance) * min(self.radius_x, self.radius_y) / edge + 0.5, 0, 1)

    def holds(self, x: float, y: float, margin: float) -> bool:
        """Whether a disc of radius `margin` around the point lies within, but for a hair at the flat sides."""
        radius_x, radius_y = self.radius_x - margin, self.radius_y - margin
        if min(radius_x, radius_y) <= 0:
            return False
        return ((x - self.x) / radius_x) ** 2 + ((y - self.y) / radius_y) ** 2 <= 1


@dataclass(frozen=True)
class Anatomy:
    """layers: (ellipse, grey value), painted one over the other. fields: where nodules may lie, by side.

    ribs: how many pairs. texture: amplitude of a slow unevenness.
    """

    size: int
    seed: int
    layers: tuple[tuple[Ellipse, float], ...]
    fields: tuple[Ellipse, Ellipse]
    ribs: int
    texture: float

    def picture(self) -> np.ndarray:
        """[S, S] float64, about 0 … 1, without noise."""
        picture = np.full((self.size, self.size), 0.03)
        for ellipse, level in self.layers:
            coverage = ellipse.coverage(self.size, 0.02 * self.size)
            picture = picture * (1 - coverage) + level * coverage
        if self.ribs:
            picture += self._ribs() * self.layers[0][0].coverage(self.size, 0.02 * self.size)
        return picture + self._texture() * (0.3 + 0.7 * self.layers[0][0].coverage(self.size, 0.02 * self.size))

    def _ribs(self) -> np.ndarray:
        """[S, S]: bright arcs that fall away from the middle."""
        x, y = pixel_centres(self.size)
        out = np.abs(x / self.size - 0.5)
        arc = y / self.size - 0.9 * out**2 - 0.12
        phase = np.abs((arc * self.ribs / 0.75 + 0.5) % 1 - 0.5) * 0.75 / self.ribs
        return 0.07 * np.exp(-((phase / 0.012) ** 2)) * np.clip((out - 0.07) / 0.03, 0, 1)

    def _texture(self) -> np.ndarray:
        rng = np.random.default_rng([self.seed, 1])
        coarse = Image.fromarray(rng.normal(0, self.texture, (TEXTURE_GRID, TEXTURE_GRID)).astype(np.float32))
        return np.asarray(coarse.resize((self.size, self.size), Image.Resampling.BICUBIC), np.float64)


def anatomy(body: Body, size: int, seed: int) -> Anatomy:
    """The background that belongs to a seed."""
    rng = np.random.default_rng([seed, 0])
    return (_chest if body == "chest" else _slice)(size, seed, rng)


def _about(rng: np.random.Generator, size: int, x: float, y: float, radius_x: float, radius_y: float) -> Ellipse:
    """An ellipse given in shares of the picture, moved by up to 2 % of it and up to 12 % larger or smaller."""
    x, y = x + rng.uniform(-0.02, 0.02), y + rng.uniform(-0.02, 0.02)
    radius_x, radius_y = radius_x * rng.uniform(0.88, 1.12), radius_y * rng.uniform(0.88, 1.12)
    return Ellipse(*(float(length) * size for length in (x, y, radius_x, radius_y)))


def _chest(size: int, seed: int, rng: np.random.Generator) -> Anatomy:
    lungs = _about(rng, size, 0.28, 0.52, 0.155, 0.30), _about(rng, size, 0.72, 0.52, 0.155, 0.30)
    air, tissue = float(rng.uniform(0.14, 0.26)), float(rng.uniform(0.45, 0.6))
    layers = (
        (_about(rng, size, 0.5, 0.6, 0.46, 0.52), tissue),
        *((lung, air) for lung in lungs),
        (_about(rng, size, 0.5, 0.5, 0.07, 0.5), tissue + 0.08),  # mediastinum
        (_about(rng, size, 0.55, 0.65, 0.12, 0.12), tissue + 0.05),  # heart, to the right of the picture
    )
    return Anatomy(size, seed, layers, lungs, int(rng.integers(7, 11)), float(rng.uniform(0.04, 0.07)))


def _slice(size: int, seed: int, rng: np.random.Generator) -> Anatomy:
    tissue = float(rng.uniform(0.3, 0.42))
    organs = (
        (_about(rng, size, 0.33, 0.42, 0.17, 0.15), tissue + float(rng.uniform(0.05, 0.1))),  # liver-like
        (_about(rng, size, 0.74, 0.45, 0.09, 0.12), tissue + float(rng.uniform(0.04, 0.09))),  # spleen-like
        (_about(rng, size, 0.36, 0.66, 0.06, 0.05), tissue + float(rng.uniform(0.05, 0.1))),  # kidney-like, two
        (_about(rng, size, 0.64, 0.66, 0.06, 0.05), tissue + float(rng.uniform(0.05, 0.1))),
        (_about(rng, size, 0.5, 0.72, 0.05, 0.06), 0.85),  # spine
        (_about(rng, size, 0.5, 0.58, 0.025, 0.025), tissue + 0.15),  # aorta-like
    )
    fields = _about(rng, size, 0.29, 0.5, 0.15, 0.2), _about(rng, size, 0.71, 0.5, 0.15, 0.2)
    body = _about(rng, size, 0.5, 0.52, 0.43, 0.34), tissue
    return Anatomy(size, seed, (body, *organs), fields, 0, float(rng.uniform(0.04, 0.07)))
