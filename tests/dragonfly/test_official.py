"""What the published config.json means: version, tower, refusals, and that nothing is fetched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoProcessor, CLIPVisionConfig, CLIPVisionModel

from medfly.dragonfly import DragonflyConfig, DragonflyForCausalLM
from medfly.dragonfly.vision import hidden_state

GOLDEN = Path(__file__).parent.parent / "golden"


def official(folder: Path, **changes: Any) -> Path:
    """The golden v1 configuration and its tower's, changed, in a folder without weights."""
    shutil.copytree(GOLDEN / "dragonfly-v1-tiny", folder, ignore=shutil.ignore_patterns("*.safetensors", "images"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    return folder


def change_json(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize(("version", "positions", "high"), [("v1", 867, 12), ("v2", 2098, 36)])
def test_the_version_is_told_by_the_grid(version: str, positions: int, high: int) -> None:
    for read in (AutoConfig.from_pretrained, DragonflyConfig.from_pretrained):
        config = read(GOLDEN / f"dragonfly-{version}-tiny")
        assert config.architecture_version == version
        assert config.num_image_positions == positions
        assert config.slots_per_level == {"low": 1, "medium": 4, "high": high}


@pytest.mark.parametrize(
    ("name", "version", "width", "layers", "parameters"),
    [
        ("openai/clip-vit-base-patch32", "v1", 768, 12, 87_456_000),
        ("openai/clip-vit-large-patch14-336", "v2", 1024, 24, 303_507_456),
    ],
)
def test_known_hub_names_need_no_network(
    tmp_path: Path, name: str, version: str, width: int, layers: int, parameters: int
) -> None:
    config = AutoConfig.from_pretrained(official(tmp_path / "model", image_encoder=name))
    assert (config.architecture_version, config.vision_config.hidden_size) == (version, width)
    assert config.vision_config.num_hidden_layers == layers
    with torch.device("meta"):
        tower = CLIPVisionModel(config.vision_config)
    assert sum(p.numel() for p in tower.parameters()) == parameters  # the sizes of OpenAI's vision towers


@pytest.mark.parametrize(("image_size", "patch_size", "grid"), [(224, 14, 16), (224, 16, 14)])
def test_another_grid_is_refused_by_name(tmp_path: Path, image_size: int, patch_size: int, grid: int) -> None:
    folder = official(tmp_path / "model")
    change_json(folder / "clip" / "config.json", image_size=image_size, patch_size=patch_size)
    with pytest.raises(ValueError, match=f"'clip' has a grid of {grid} × {grid} patches; expected 7 × 7"):
        AutoConfig.from_pretrained(folder)


def test_an_unknown_tower_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"image_encoder 'openai/clip-vit-huge': no openai/clip-vit-huge/config\.json"):
        AutoConfig.from_pretrained(official(tmp_path / "model", image_encoder="openai/clip-vit-huge"))


def test_a_folder_in_the_checkpoint_comes_before_the_table(tmp_path: Path) -> None:
    name = "openai/clip-vit-large-patch14-336"
    folder = official(tmp_path / "model", image_encoder=name)
    shutil.copytree(folder / "clip", folder / name)
    assert AutoConfig.from_pretrained(folder).architecture_version == "v1"


def test_a_relative_tower_is_the_checkpoints_and_not_the_working_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = official(tmp_path / "model")
    other = official(tmp_path / "elsewhere")
    change_json(other / "clip" / "config.json", hidden_size=32)
    monkeypatch.chdir(other)
    assert AutoConfig.from_pretrained(folder).vision_config.hidden_size == 64


def test_the_towers_own_normalisation_is_used_and_clips_where_there_is_none(tmp_path: Path) -> None:
    folder = official(tmp_path / "model")
    change_json(folder / "clip" / "preprocessor_config.json", image_mean=[0.5, 0.5, 0.5], image_std=[1.0, 1.0, 1.0])
    assert AutoProcessor.from_pretrained(folder).image_processor.image_mean == [0.5, 0.5, 0.5]
    (folder / "clip" / "preprocessor_config.json").unlink()
    images = AutoProcessor.from_pretrained(folder).image_processor
    assert images.image_mean == pytest.approx([0.4815, 0.4578, 0.4082], abs=1e-4)
    assert images.crop_size == 224


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_saved_again_it_says_its_version(tmp_path: Path, version: str) -> None:
    folder = GOLDEN / f"dragonfly-{version}-tiny"
    config, processor = AutoConfig.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    config.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["architecture_version"] == version
    again, processor_again = AutoConfig.from_pretrained(tmp_path), AutoProcessor.from_pretrained(tmp_path)
    for name in ("crop_size", "patch_grid", "high_grids", "kept_per_medium", "pool_windows", "num_image_positions"):
        assert getattr(again, name) == getattr(config, name)
    assert processor_again.image_ids() == processor.image_ids()
    assert processor_again.image_processor.to_dict() == processor.image_processor.to_dict()


def test_an_unknown_version_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="architecture_version 'v3': expected one of v1, v2"):
        DragonflyConfig(architecture_version="v3")  # type: ignore[arg-type]


def test_rope_is_kept_as_published(tmp_path: Path) -> None:
    """No scaling, though Llama 3.1 has one; the theta of the decoder's own part."""
    text = AutoConfig.from_pretrained(GOLDEN / "dragonfly-v2-tiny").text_config
    assert text.rope_parameters == {"rope_type": "default", "rope_theta": 500000.0}


def test_generation_ends_with_the_turn() -> None:
    """The published generation_config.json names <|end_of_text|>; the published implementation passes <|eot_id|>."""
    model = DragonflyForCausalLM.from_pretrained(GOLDEN / "dragonfly-v1-tiny")
    tokenizer = AutoProcessor.from_pretrained(GOLDEN / "dragonfly-v1-tiny").tokenizer
    assert model.generation_config.eos_token_id == tokenizer.convert_tokens_to_ids("<|eot_id|>")


@torch.inference_mode()
@pytest.mark.parametrize("layer", [-3, -2, -1, 0, 2])
def test_the_layers_behind_the_one_that_is_read_are_skipped(layer: int) -> None:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2}
    tower = CLIPVisionModel(CLIPVisionConfig(image_size=28, patch_size=14, **sizes)).eval()  # pyright: ignore
    crops, ran = torch.randn(2, 3, 28, 28), []
    whole = tower(crops, output_hidden_states=True).hidden_states[layer]
    for block in tower.encoder.layers:
        block.register_forward_hook(lambda *_: ran.append(1))
    assert torch.equal(hidden_state(tower, crops, layer), whole)
    assert len(ran) == layer % 4
