"""What a Dragonfly model is made of: grids of crops, pooling, vision tower, decoder.

The defaults are the published layouts (arXiv 2406.00977): v2 with CLIP ViT-L/14-336, v1 with CLIP ViT-B/32,
both with a Llama 3 decoder. This module knows no weights and no pixels.
"""

from __future__ import annotations

import os
from typing import Any, Literal

from transformers import AutoConfig, PreTrainedConfig

from medfly.dragonfly.official import CLIP_TOWERS, LLAMA_3_8B, from_official, is_official
from medfly.geometry import LEVELS, Grid, Pyramid, best_grid
from medfly.types import Level

MEDIUM_GRIDS = [[2, 2], [1, 4], [4, 1]]
"""(columns, rows); the reference implementation's candidates, in its order."""

Version = Literal["v1", "v2"]
LAYOUTS: dict[Version, dict[str, Any]] = {
    "v1": {
        "crop_size": 224,
        "patch_grid": 7,
        "high_grids": [[6, 4], [4, 6], [3, 8], [8, 3], [2, 12], [12, 2]],
        "pool_windows": {"low": 1, "medium": 1, "high": 1},
        "kept_per_medium": 3,
    },
    "v2": {
        "crop_size": 336,
        "patch_grid": 24,
        "pool_windows": {"low": 1, "medium": 4, "high": 4},
    },
}
"""What the two published architectures differ in; medium_grids, class token and feature layer are the same."""


def pyramid_for(
    width: int,
    height: int,
    crop_size: int,
    medium_grids: list[list[int]],
    high_grids: list[list[int]] | None,
    high_scale: int,
) -> Pyramid:
    """Where the crops of a width × height source lie: the best medium grid and the best high grid.

    Without high_grids, the high level has high_scale² crops in each medium crop.
    """

    def best(grids: list[list[int]]) -> Grid:
        return best_grid(width, height, crop_size, [(columns, rows) for columns, rows in grids])

    medium = best(medium_grids)
    high = best(high_grids) if high_grids else (medium[0] * high_scale, medium[1] * high_scale)
    return Pyramid(width, height, crop_size, medium, high)


class DragonflyConfig(PreTrainedConfig):
    """Configuration of `DragonflyForCausalLM`.

    architecture_version: "v1" or "v2" of the published layouts; every field that is not given is as there. v1
        selects high crops, v2 pools all of them.
    vision_config: any transformers vision tower that yields a token grid; the default is the published CLIP.
    text_config: any Llama-type decoder; the default is Llama 3 8B's shape.
    crop_size: R, side of a crop in pixels. patch_grid: g, the tower yields g × g tokens a crop.
    class_token: whether the tower puts a class token before them; it is kept.
    vision_feature_layer: index into the tower's hidden states; -1 is its last output.
    medium_grids: candidate (columns, rows) of the medium level, all with the same number of crops.
    high_grids: candidates of the high level, chosen on their own; without them
    high_scale: high crops per medium crop and side.
    kept_per_medium: high crops that are kept of those that belong to a medium crop, by likeness; None keeps all.
    pool_windows: side of the mean-pooling window over the token grid, by level; 1 keeps all tokens.
    image_token_id, image_newline_token_id, end_of_turn_token_id: by default the ids that
        `<|reserved_special_token_0|>`, `_1|>` and `<|eot_id|>` have in Llama 3's vocabulary: two, three and nine
        after the beginning of text.

    `from_pretrained` also reads the layout of the published checkpoints, see `medfly.dragonfly.official`.
    Raises ValueError for what does not fit together.
    """

    model_type = "dragonfly"
    sub_configs = {"text_config": AutoConfig, "vision_config": AutoConfig}  # noqa: RUF012  # pyright: ignore

    architecture_version: Version = "v2"
    vision_config: dict | PreTrainedConfig | None = None
    text_config: dict | PreTrainedConfig | None = None
    crop_size: int | None = None
    patch_grid: int | None = None
    class_token: bool = True
    vision_feature_layer: int = -2
    medium_grids: list | None = None
    high_grids: list | None = None
    high_scale: int = 3
    kept_per_medium: int | None = None
    pool_windows: dict | None = None
    image_token_id: int | None = None
    image_newline_token_id: int | None = None
    end_of_turn_token_id: int | None = None
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        if self.architecture_version not in LAYOUTS:
            raise ValueError(
                f"architecture_version {self.architecture_version!r}: expected one of {', '.join(LAYOUTS)}"
            )
        for field, value in LAYOUTS[self.architecture_version].items():
            if getattr(self, field) is None:
                setattr(self, field, value)
        self.medium_grids = self.medium_grids or MEDIUM_GRIDS
        self.vision_config = _sub_config(self.vision_config, CLIP_TOWERS[self.architecture_version])
        self.text_config = _sub_config(self.text_config, LLAMA_3_8B)
        start = self.text_config.bos_token_id
        for field, after in (("image_token_id", 2), ("image_newline_token_id", 3), ("end_of_turn_token_id", 9)):
            if getattr(self, field) is None:
                setattr(self, field, start + after)
        self._check()
        super().__post_init__(**kwargs)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike, **kwargs: Any) -> Any:
        kwargs.setdefault("name_or_path", str(pretrained_model_name_or_path))
        return super().from_pretrained(pretrained_model_name_or_path, **kwargs)

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        # Every way to a configuration, AutoConfig's too, comes through here with the checkpoint's name.
        if is_official(config_dict):
            name, revision = str(kwargs.get("name_or_path", "")), config_dict.get("_commit_hash")
            config_dict = from_official(config_dict, name, revision=revision)
        return super().from_dict(config_dict, **kwargs)

    def _check(self) -> None:
        for name in ("medium_grids", "high_grids"):
            counts = {columns * rows for columns, rows in getattr(self, name) or [[1, 1]]}
            if len(counts) != 1:
                raise ValueError(
                    f"{name} {getattr(self, name)}: expected the same number of crops in each, found {counts}"
                )
        for level, window in (self.pool_windows or {}).items():
            if level not in LEVELS or self.patch_grid % window:
                raise ValueError(
                    f"pool_windows[{level!r}] = {window}: expected a divisor of patch_grid = {self.patch_grid} "
                    f"for each of {', '.join(LEVELS)}"
                )
        medium, high = self.crops_per_level["medium"], self.crops_per_level["high"]
        if self.kept_per_medium is not None and (high % medium or self.kept_per_medium > high // medium):
            raise ValueError(
                f"kept_per_medium = {self.kept_per_medium}: expected at most the number of high crops for each "
                f"medium one, found {high} for {medium}"
            )

    @property
    def crops_per_level(self) -> dict[Level, int]:
        """How many crops are cut and looked at."""
        medium, high = (grid[0][0] * grid[0][1] if grid else 0 for grid in (self.medium_grids, self.high_grids))
        return {"low": 1, "medium": medium, "high": high or medium * self.high_scale**2}

    @property
    def slots_per_level(self) -> dict[Level, int]:
        """How many crops reach the decoder: fewer than were cut where the best are selected."""
        crops = self.crops_per_level
        return crops if self.kept_per_medium is None else {**crops, "high": crops["medium"] * self.kept_per_medium}

    @property
    def tokens_per_crop(self) -> dict[Level, int]:
        """Positions of one crop by level, without the newline that follows it."""
        pools: dict[Level, int] = self.pool_windows  # type: ignore[assignment]
        return {level: ((self.patch_grid or 0) // pools[level]) ** 2 + int(self.class_token) for level in LEVELS}

    @property
    def num_image_positions(self) -> int:
        """Positions that stand before the beginning of text: 867 in the published v1, 2,098 in v2."""
        return sum(self.slots_per_level[level] * (self.tokens_per_crop[level] + 1) for level in LEVELS)


def _sub_config(value: Any, default: dict[str, Any]) -> PreTrainedConfig:
    value = default if value is None else value
    if isinstance(value, dict):
        value = dict(value)
        return AutoConfig.for_model(value.pop("model_type"), **value)
    return value
