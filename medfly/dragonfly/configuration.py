"""What a Dragonfly model is made of: grids of crops, pooling, vision tower, decoder.

The defaults are the published v2 layout (arXiv 2406.00977; CLIP ViT-L/14-336 and a Llama 3 decoder). This
module knows no weights and no pixels.
"""

from __future__ import annotations

from typing import Any

from transformers import AutoConfig, CLIPVisionConfig, LlamaConfig, PreTrainedConfig

from medfly.geometry import LEVELS, Grid, Pyramid, best_grid
from medfly.types import Level

V2_MEDIUM_GRIDS = [[2, 2], [1, 4], [4, 1]]
"""(columns, rows); the reference implementation's candidates, in its order."""


def pyramid_for(
    width: int,
    height: int,
    crop_size: int,
    medium_grids: list[list[int]],
    high_scale: int,
) -> Pyramid:
    """Where the crops of a width × height source lie: the best medium grid, and high_scale² high crops in each."""
    candidates: list[Grid] = [(columns, rows) for columns, rows in medium_grids]
    medium = best_grid(width, height, crop_size, candidates)
    return Pyramid(width, height, crop_size, medium, (medium[0] * high_scale, medium[1] * high_scale))


class DragonflyConfig(PreTrainedConfig):
    """Configuration of `DragonflyForCausalLM`.

    vision_config: any transformers vision tower that yields a token grid; the default is CLIP ViT-L/14-336.
    text_config: any Llama-type decoder; the default is Llama 3.1 8B's shape.
    crop_size: R, side of a crop in pixels. patch_grid: g, the tower yields g × g tokens a crop.
    class_token: whether the tower puts a class token before them; it is kept.
    vision_feature_layer: index into the tower's hidden states; -1 is its last output.
    medium_grids: candidate (columns, rows) of the medium level, all with the same number of crops.
    high_scale: high crops per medium crop and side.
    pool_windows: side of the mean-pooling window over the token grid, by level; 1 keeps all tokens.
    image_token_id, image_newline_token_id: placeholders; by default `<|reserved_special_token_0|>` and `_1|>`,
        which in Llama 3's vocabulary stand two and three after the beginning of text.
    """

    model_type = "dragonfly"
    sub_configs = {"text_config": AutoConfig, "vision_config": AutoConfig}  # noqa: RUF012  # pyright: ignore

    vision_config: dict | PreTrainedConfig | None = None
    text_config: dict | PreTrainedConfig | None = None
    crop_size: int = 336
    patch_grid: int = 24
    class_token: bool = True
    vision_feature_layer: int = -2
    medium_grids: list | None = None
    high_scale: int = 3
    pool_windows: dict | None = None
    image_token_id: int | None = None
    image_newline_token_id: int | None = None
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        self.vision_config = _sub_config(self.vision_config, _clip_large_336)
        self.text_config = _sub_config(self.text_config, _llama_31_8b)
        self.medium_grids = self.medium_grids or V2_MEDIUM_GRIDS
        self.pool_windows = self.pool_windows or {"low": 1, "medium": 4, "high": 4}
        if self.image_token_id is None:
            self.image_token_id = self.text_config.bos_token_id + 2
        if self.image_newline_token_id is None:
            self.image_newline_token_id = self.text_config.bos_token_id + 3
        self._check()
        super().__post_init__(**kwargs)

    def _check(self) -> None:
        counts = {columns * rows for columns, rows in self.medium_grids or []}
        if len(counts) != 1:
            raise ValueError(
                f"medium_grids {self.medium_grids}: expected the same number of crops in each, found {counts}"
            )
        for level, window in (self.pool_windows or {}).items():
            if level not in LEVELS or self.patch_grid % window:
                raise ValueError(
                    f"pool_windows[{level!r}] = {window}: expected a divisor of patch_grid = {self.patch_grid} "
                    f"for each of {', '.join(LEVELS)}"
                )

    @property
    def crops_per_level(self) -> dict[Level, int]:
        medium = self.medium_grids[0][0] * self.medium_grids[0][1]  # type: ignore[index]
        return {"low": 1, "medium": medium, "high": medium * self.high_scale**2}

    @property
    def tokens_per_crop(self) -> dict[Level, int]:
        """Positions of one crop by level, without the newline that follows it."""
        pools: dict[Level, int] = self.pool_windows  # type: ignore[assignment]
        return {level: (self.patch_grid // pools[level]) ** 2 + int(self.class_token) for level in LEVELS}

    @property
    def num_image_positions(self) -> int:
        """Positions that stand before the beginning of text: 2,098 in the published layout."""
        return sum(self.crops_per_level[level] * (self.tokens_per_crop[level] + 1) for level in LEVELS)


def _sub_config(value: Any, default: Any) -> PreTrainedConfig:
    if value is None:
        return default()
    if isinstance(value, dict):
        value = dict(value)
        return AutoConfig.for_model(value.pop("model_type"), **value)
    return value


def _clip_large_336() -> PreTrainedConfig:
    return CLIPVisionConfig(
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        image_size=336,
        patch_size=14,
        projection_dim=768,
    )


def _llama_31_8b() -> PreTrainedConfig:
    # The published config has no rope scaling, unlike Llama 3.1 itself; it is kept as published.
    return LlamaConfig(
        vocab_size=128256,
        hidden_size=4096,
        intermediate_size=14336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        max_position_embeddings=8192,
        rms_norm_eps=1e-5,
        bos_token_id=128000,
        eos_token_id=128001,
        rope_parameters={"rope_type": "default", "rope_theta": 5e5},
    )
