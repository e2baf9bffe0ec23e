"""The architecture against plain arithmetic, and its generality."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForImageTextToText, CLIPVisionConfig, LlamaConfig

from medfly.dragonfly import ConvTowerConfig, DragonflyConfig, DragonflyForCausalLM
from medfly.dragonfly.reduction import mean_pool

DECODER = {
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "bos_token_id": 40,
    "eos_token_id": 41,
}


def clip_model(**changes: object) -> DragonflyForCausalLM:
    torch.manual_seed(0)
    vision = CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2, image_size=32, patch_size=8
    )
    options = {"crop_size": 32, "patch_grid": 4, "pool_windows": {"low": 1, "medium": 2, "high": 4}, **changes}
    config = DragonflyConfig(vision_config=vision, text_config=LlamaConfig(**DECODER), **options)
    return DragonflyForCausalLM(config).eval()


def crops(model: DragonflyForCausalLM, batch: int = 1) -> torch.Tensor:
    count = sum(model.config.crops_per_level.values())
    side = model.config.crop_size
    return torch.rand(batch, count, 3, side, side, generator=torch.Generator().manual_seed(1))


def test_mean_pool_by_hand() -> None:
    tokens = torch.rand(2, 1 + 16, 3)
    pooled = mean_pool(tokens, 2, class_tokens=1)
    assert pooled.shape == (2, 1 + 4, 3)
    torch.testing.assert_close(pooled[:, 0], tokens[:, 0])
    # the second of four windows covers columns 2 and 3 of rows 0 and 1 of the 4 × 4 grid
    torch.testing.assert_close(pooled[:, 2], tokens[:, [1 + 2, 1 + 3, 1 + 6, 1 + 7]].mean(1))


@torch.inference_mode()
def test_image_features_equal_the_papers_order() -> None:
    """Project every token first and pool then, one crop at a time, from CLIP's hidden states themselves."""
    model = clip_model()
    pixels = crops(model)
    features = model.get_image_features(pixels).tokens[0]
    slow = []
    for number, crop in enumerate(pixels[0]):
        window = 1 if number == 0 else 2 if number < 5 else 4
        hidden = model.image_encoder(crop[None], output_hidden_states=True).hidden_states[-2]
        slow.append(mean_pool(model.vision_embed_tokens(hidden), window, class_tokens=1)[0])
    torch.testing.assert_close(features, torch.cat(slow), atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_left_out_crops_do_not_change_the_others() -> None:
    model = clip_model()
    pixels, per_crop = crops(model), model.config.tokens_per_crop
    whole = model.get_image_features(pixels).tokens
    part = model.get_image_features(pixels[:, [1, 2, 3, 4, 10]], [0, 4, 1]).tokens
    medium = slice(per_crop["low"], per_crop["low"] + 4 * per_crop["medium"])
    high = medium.stop + (10 - 5) * per_crop["high"]
    torch.testing.assert_close(part[:, : 4 * per_crop["medium"]], whole[:, medium])
    torch.testing.assert_close(part[:, 4 * per_crop["medium"] :], whole[:, high : high + per_crop["high"]])


@pytest.mark.parametrize(
    "options",
    [
        {"medium_grids": [[1, 1]], "high_scale": 2},
        {"medium_grids": [[3, 2], [2, 3]], "high_scale": 1, "pool_windows": {"low": 2, "medium": 2, "high": 2}},
    ],
)
@torch.inference_mode()
def test_other_grids(options: dict) -> None:
    model = clip_model(**options)
    ids = torch.full((1, model.config.num_image_positions), model.config.image_token_id)
    start = 0
    for level, count in model.config.crops_per_level.items():
        for _ in range(count):
            start += model.config.tokens_per_crop[level] + 1
            ids[0, start - 1] = model.config.image_newline_token_id
    assert model(input_ids=ids, pixel_values=crops(model)).logits.shape == (1, start, 50)


def test_save_and_load_give_equal_logits_and_official_names(tiny_model: Path, tmp_path: Path) -> None:
    model = clip_model()
    model.save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        names = {name.split(".")[0] for name in file.keys()}  # noqa: SIM118  not a dict
    assert names == {"language_model", "image_encoder", "vision_embed_tokens"}
    again, report = AutoModelForImageTextToText.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report.values())
    pixels = crops(model)
    with torch.inference_mode():
        torch.testing.assert_close(
            again.get_image_features(pixels).tokens, model.get_image_features(pixels).tokens, atol=0, rtol=0
        )
    assert again.config.to_dict()["pool_windows"] == model.config.pool_windows
    tied = AutoModelForImageTextToText.from_pretrained(tiny_model)
    assert tied.language_model.lm_head.weight is tied.language_model.model.embed_tokens.weight


def test_the_default_is_the_published_layout() -> None:
    config = DragonflyConfig()
    assert config.num_image_positions == 2098
    assert config.crops_per_level == {"low": 1, "medium": 4, "high": 36}
    assert (config.image_token_id, config.image_newline_token_id) == (128002, 128003)
    with torch.device("meta"):
        model = DragonflyForCausalLM(config)
    assert sum(p.numel() for p in model.parameters()) == 8_337_967_104  # as ../shared/golden/official says of v2


def test_a_convolutional_tower_yields_the_same_grid_in_either_memory_order() -> None:
    config = DragonflyConfig(
        vision_config=ConvTowerConfig(widths=[4, 4, 8, 8]),
        text_config=LlamaConfig(**DECODER),
        crop_size=32,
        patch_grid=2,
        class_token=False,
        vision_feature_layer=-1,
        pool_windows={"low": 1, "medium": 2, "high": 2},
    )
    model = DragonflyForCausalLM(config).eval()
    pixels = crops(model)[0]
    with torch.inference_mode():
        tokens = model.crop_tokens(pixels)
        grid = model.image_encoder(pixels).last_hidden_state
    assert tokens.shape == (41, 4, 8)
    torch.testing.assert_close(tokens[7, 1], grid[7, :, 0, 1])  # token 1 is row 0, column 1


def test_wrong_shapes_are_named() -> None:
    model = clip_model()
    with pytest.raises(ValueError, match=r"expected \[batch, 41, 3"):
        model.get_image_features(torch.zeros(1, 40, 3, 32, 32))
    with pytest.raises(ValueError, match="0 image placeholders"):
        model(input_ids=torch.zeros(1, 5, dtype=torch.long), pixel_values=crops(model))
    with pytest.raises(ValueError, match="expected a divisor of patch_grid = 4"):
        clip_model(pool_windows={"low": 1, "medium": 3, "high": 1})
    with pytest.raises(ValueError, match="same number of crops"):
        clip_model(medium_grids=[[2, 2], [1, 3]])
