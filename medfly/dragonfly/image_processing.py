"""Picture → crops at three zoom levels.

Each level is the whole picture resized by Pillow's default filter to the level's grid, without padding, and
cut into squares. The module knows no DICOM: it takes 8-bit RGB pictures as `Scan.display()` makes them.

Shapes: H, W picture; B images, N crops, R crop side.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image
from transformers import BatchFeature
from transformers.image_processing_utils import BaseImageProcessor
from transformers.utils.constants import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from medfly.dragonfly.configuration import MEDIUM_GRIDS, DragonflyConfig, pyramid_for
from medfly.geometry import LEVELS, Pyramid

Picture = Image.Image | np.ndarray


class DragonflyImageProcessor(BaseImageProcessor):
    """The published v2 layout by default: 1 + 4 + 36 crops of 336 pixels, CLIP's mean and deviation.

    medium_grids, high_grids, high_scale: see `DragonflyConfig`.
    """

    model_input_names = ["pixel_values"]  # noqa: RUF012

    def __init__(
        self,
        crop_size: int = 336,
        medium_grids: list[list[int]] | None = None,
        high_grids: list[list[int]] | None = None,
        high_scale: int = 3,
        image_mean: Sequence[float] = OPENAI_CLIP_MEAN,
        image_std: Sequence[float] = OPENAI_CLIP_STD,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.crop_size = crop_size if isinstance(crop_size, int) else crop_size["height"]
        self.medium_grids = medium_grids or MEDIUM_GRIDS
        self.high_grids = high_grids
        self.high_scale = high_scale
        self.image_mean = list(image_mean)
        self.image_std = list(image_std)

    @classmethod
    def from_config(cls, config: DragonflyConfig, **options: Any) -> DragonflyImageProcessor:
        """The image processor that fits a model. options: image_mean and image_std, where they are not CLIP's."""
        return cls(config.crop_size or 0, config.medium_grids, config.high_grids, config.high_scale, **options)

    def pyramid(self, width: int, height: int, aspect: float = 1.0) -> Pyramid:
        """Where the crops of a width × height picture lie.

        aspect: height of a pixel over its width; the grid is chosen for the picture as it would be seen.
        """
        seen = max(round(height * aspect), 1)
        found = pyramid_for(width, seen, self.crop_size, self.medium_grids, self.high_grids, self.high_scale)
        return dataclasses.replace(found, height=height)

    def crops(self, picture: Picture, aspect: float = 1.0) -> np.ndarray:
        """The crops of one picture, 8-bit: [N, R, R, 3] uint8 in the order low, medium, high, each row by row."""
        image = picture if isinstance(picture, Image.Image) else Image.fromarray(np.ascontiguousarray(picture))
        image = image.convert("RGB")
        pyramid, side = self.pyramid(*image.size, aspect), self.crop_size
        levels = []
        for level in LEVELS:
            columns, rows = pyramid.grid(level)
            pixels = np.asarray(image.resize(pyramid.level_size(level)))
            tiles = pixels.reshape(rows, side, columns, side, 3).swapaxes(1, 2)
            levels.append(tiles.reshape(rows * columns, side, side, 3))
        return np.concatenate(levels)

    def normalise(self, crops: np.ndarray) -> np.ndarray:
        """[…, R, R, 3] uint8 → […, 3, R, R] float32, by a table of all 256 values (exactly CLIP's arithmetic)."""
        values = (np.arange(256, dtype=np.float64) * (1 / 255)).astype(np.float32)[:, None]
        table = (values - np.array(self.image_mean, np.float32)) / np.array(self.image_std, np.float32)
        return np.stack([table[:, channel][crops[..., channel]] for channel in range(3)], axis=-3)

    def preprocess(self, images: Any, return_tensors: str | None = None, **kwargs: Any) -> BatchFeature:
        """One picture, several, or a list of one-picture lists → pixel_values [B, N, 3, R, R] float32."""
        pixel_values = np.stack([self.normalise(self.crops(picture)) for picture in flat(images)])
        return BatchFeature({"pixel_values": pixel_values}, tensor_type=return_tensors)


def flat(images: Any) -> list[Picture]:
    """Pictures, however they are nested: [H, W] or [H, W, 3] uint8 arrays, stacks of them, Pillow images, lists."""
    if isinstance(images, Image.Image) or (isinstance(images, np.ndarray) and images.ndim in (2, 3)):
        return [images]
    if isinstance(images, list | tuple | np.ndarray):
        return [picture for one in images for picture in flat(one)]
    raise TypeError(f"a picture of type {type(images).__name__}: expected a Pillow image or a uint8 array")
