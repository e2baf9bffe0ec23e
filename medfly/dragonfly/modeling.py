"""The Dragonfly model: one vision tower over all crops, fewer tokens, a linear projector, a Llama decoder.

Source: arXiv 2406.00977 and its reference implementation, v1 and v2. The module knows no files, no text and no
screen; tokens and crops come from the processor.

Shapes: B batch, N crops, R crop side, g patch grid, K class tokens (0 or 1), C tower width, D decoder width,
P image positions, S sequence, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForCausalLM, Cache, GenerationMixin, PreTrainedModel
from transformers.utils.generic import ModelOutput

from medfly.dragonfly.configuration import DragonflyConfig
from medfly.dragonfly.reduction import ImageFeatures, reduction
from medfly.dragonfly.vision import hidden_state
from medfly.geometry import LEVELS


@dataclass
class DragonflyOutput(ModelOutput):
    """loss: scalar; logits [B, S, V]; image_features [B, T, D] and high_crops [B, n]: see `ImageFeatures`."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    past_key_values: Cache | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None
    image_features: Tensor | None = None
    high_crops: Tensor | None = None


class DragonflyForCausalLM(PreTrainedModel, GenerationMixin):
    """A Llama decoder that reads P image positions before the beginning of text.

    The names language_model, image_encoder and vision_embed_tokens are those of the published checkpoints.
    """

    config_class = DragonflyConfig
    main_input_name = "input_ids"
    # In force only where the configuration ties them.
    _tied_weights_keys = {"language_model.lm_head.weight": "language_model.model.embed_tokens.weight"}  # noqa: RUF012
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True

    def __init__(self, config: DragonflyConfig) -> None:
        super().__init__(config)
        self.language_model = AutoModelForCausalLM.from_config(config.text_config)
        self.image_encoder = AutoModel.from_config(config.vision_config)
        widths = cast(Any, config.vision_config).hidden_size, cast(Any, config.text_config).hidden_size
        self.vision_embed_tokens = nn.Linear(*widths)
        self.post_init()

    @property
    def precision(self) -> str:
        """What it computes in: the weights' type, or int8 or nf4 where the decoder is quantised."""
        quantised = getattr(self.config, "quantization_config", None)
        if quantised is None:
            return str(self.dtype).removeprefix("torch.")
        return "int8" if quantised.load_in_8bit else quantised.bnb_4bit_quant_type

    def get_input_embeddings(self) -> nn.Module:
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.language_model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        return self.language_model.get_output_embeddings()

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """As in transformers; what is generated ends where the published implementation ends it."""
        loaded = super().from_pretrained(*args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        # The published generation_config.json names <|end_of_text|>, which ends no turn.
        model.generation_config.eos_token_id = model.config.end_of_turn_token_id
        if model.generation_config.pad_token_id is None:
            model.generation_config.pad_token_id = model.config.text_config.eos_token_id
        return loaded

    def crop_tokens(self, crops: Tensor) -> Tensor:
        """The tower's tokens of each crop, class token first. [N, 3, R, R] → [N, K + g·g, C]"""
        tokens = hidden_state(self.image_encoder, crops, self.config.vision_feature_layer)
        expected = int(self.config.class_token) + self.config.patch_grid**2
        if tokens.shape[1] != expected:
            raise ValueError(
                f"the vision tower gave {tokens.shape[1]} tokens a crop; the configuration says {expected}"
            )
        return tokens

    def get_image_features(self, pixel_values: Tensor, crops_per_level: Sequence[int] | None = None) -> ImageFeatures:
        """The crops' projected tokens in the order of the image positions. [B, N, 3, R, R] → [B, T, D]

        crops_per_level: how many of the N crops are low, medium and high, where some are left out; by default
            all are there. The placeholders in input_ids must leave out the same ones.
        """
        batch = len(pixel_values)
        counts = list(crops_per_level or [self.config.crops_per_level[level] for level in LEVELS])
        if pixel_values.ndim != 5 or pixel_values.shape[1] != sum(counts):
            raise ValueError(
                f"pixel_values {tuple(pixel_values.shape)}: expected [batch, {sum(counts)}, 3, crop size, crop size]"
            )
        tokens = self.crop_tokens(pixel_values.flatten(0, 1).to(self.dtype)).unflatten(0, (batch, sum(counts)))
        levels = dict(zip(LEVELS, tokens.split(counts, dim=1), strict=True))
        return reduction(cast(DragonflyConfig, self.config))(levels, self.vision_embed_tokens)

    def forward(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int | Tensor = 0,
        crops_per_level: Sequence[int] | None = None,
        **kwargs,
    ) -> DragonflyOutput:
        """input_ids [B, S] with placeholders where image tokens go; pixel_values [B, N, 3, R, R] or None.

        attention_mask: [B, S], or [B, 1, S, S] bool (True: may be seen) for packed sequences.
        crops_per_level: see `get_image_features`.
        labels: [B, S], -100 where no loss is wanted; with num_items_in_batch the loss is a sum over it.
        """
        if inputs_embeds is None:
            inputs_embeds = cast(Tensor, self.get_input_embeddings()(input_ids))
        image_features = None
        if pixel_values is not None:
            image_features = self.get_image_features(pixel_values, crops_per_level)
            inputs_embeds = self.merge(input_ids, inputs_embeds, image_features.tokens)
        if attention_mask is not None and attention_mask.ndim == 4:
            attention_mask = self._additive_if_eager(attention_mask, inputs_embeds.dtype)
        outputs = self.language_model(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            labels=labels,
            logits_to_keep=logits_to_keep,
            **kwargs,
        )
        return DragonflyOutput(
            loss=outputs.loss,
            logits=outputs.logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            image_features=image_features.tokens if image_features else None,
            high_crops=image_features.high_crops if image_features else None,
        )

    def merge(self, input_ids: Tensor | None, inputs_embeds: Tensor, image_features: Tensor) -> Tensor:
        """Put the image tokens where the placeholders stand."""
        if input_ids is None:
            raise ValueError("pixel_values were given with inputs_embeds: expected input_ids, which say where they go")
        here = input_ids == self.config.image_token_id
        if int(here.sum()) != image_features.shape[0] * image_features.shape[1]:
            raise ValueError(
                f"{int(here.sum())} image placeholders in input_ids, {image_features.shape[0]} × "
                f"{image_features.shape[1]} image tokens: expected as many; the processor writes them"
            )
        return inputs_embeds.masked_scatter(here[..., None], image_features.to(inputs_embeds.dtype))

    def _additive_if_eager(self, mask: Tensor, dtype: torch.dtype) -> Tensor:
        # Only eager attention adds the mask to the scores; SDPA takes a boolean one in any precision.
        if self.config.text_config._attn_implementation != "eager" or mask.dtype != torch.bool:
            return mask
        return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, torch.finfo(dtype).min)

    def prepare_inputs_for_generation(
        self, *args, pixel_values: Tensor | None = None, is_first_iteration: bool = False, **kwargs
    ) -> dict[str, Any]:
        # The image is in the cache after the first step.
        inputs = super().prepare_inputs_for_generation(  # type: ignore[misc]
            *args, is_first_iteration=is_first_iteration, **kwargs
        )
        if is_first_iteration or kwargs.get("past_key_values") is None:
            inputs["pixel_values"] = pixel_values
        return inputs
