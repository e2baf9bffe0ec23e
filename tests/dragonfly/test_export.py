"""What is exported is the same model: the published files themselves come back, and so do their logits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    LlamaConfig,
)

from medfly.dragonfly import DragonflyConfig
from medfly.dragonfly.export import encoder_name, export_llama, export_official, misfits, official_fields
from medfly.dragonfly.hub import BUILT_IN
from medfly.types import InputError

GOLDEN = Path(__file__).parent.parent / "golden"
VERSIONS = ("v1", "v2")
QUESTION = "Is the lung healthy?"


def golden(version: str) -> Path:
    return GOLDEN / f"dragonfly-{version}-tiny"


def read(file: Path) -> Any:
    return json.loads(file.read_text())


def change_json(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps(read(file) | changes))


def copy_of(folder: Path, to: Path) -> Path:
    return shutil.copytree(folder, to, ignore=shutil.ignore_patterns("images", "expected.safetensors", "cases.json"))


def logits(folder: Path, version: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Of a golden case by the model in `folder`: the last eight positions', and the reference's."""
    case = read(golden(version) / "cases.json")[0]
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    inputs = AutoProcessor.from_pretrained(folder)(
        text=[case["prompt"]], images=[Image.open(golden(version) / case["image"])], return_tensors="pt"
    )
    with torch.inference_mode():
        found = model(**inputs, logits_to_keep=8).logits[0]
    return found, load_file(golden(version) / "expected.safetensors")["0.last_logits"]


def assert_same_model(config: Any, expected: Any) -> None:
    names = ("name_or_path", "_name_or_path")
    one, two = ({k: v for k, v in c.to_dict().items() if k not in names} for c in (config, expected))
    assert one == two


@pytest.mark.parametrize("version", VERSIONS)
def test_the_published_files_come_back(version: str, tmp_path: Path) -> None:
    out = export_official(str(golden(version)), tmp_path / "out")
    for name in (
        "model.safetensors",
        "tokenizer.json",
        "special_tokens_map.json",
        "generation_config.json",
        "clip/config.json",
        "clip/preprocessor_config.json",
    ):
        assert (out / name).read_bytes().strip() == (golden(version) / name).read_bytes().strip(), name
    assert read(out / "tokenizer_config.json") == read(golden(version) / "tokenizer_config.json")
    found, expected = read(out / "config.json"), read(golden(version) / "config.json")
    assert LlamaConfig(**found.pop("text_config")) == LlamaConfig(**expected.pop("text_config"))
    assert found == expected
    tower = load_file(out / "clip" / "model.safetensors")
    assert all(name.startswith("vision_model.") for name in tower) and len(tower) == 71


@pytest.mark.parametrize("version", VERSIONS)
def test_the_round_trip_keeps_configuration_and_logits(version: str, tmp_path: Path) -> None:
    out = export_official(str(golden(version)), tmp_path / "out")
    assert_same_model(DragonflyConfig.from_pretrained(out), DragonflyConfig.from_pretrained(golden(version)))
    found, expected = logits(out, version)
    assert torch.equal(found, logits(golden(version), version)[0])
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("version", VERSIONS)
def test_the_configurations_of_the_real_ones_come_back(version: str) -> None:
    published = read(GOLDEN / "official" / f"official-{version}.json")["config"]
    config = DragonflyConfig.from_dict(dict(published))
    assert misfits(config) == []
    encoder = encoder_name(config, *clip_values())
    written = official_fields(config, encoder, "bfloat16")
    assert written.pop("architectures") == ["DragonflyForCausalLM"] and written.pop("torch_dtype") == "bfloat16"
    assert LlamaConfig(**written.pop("text_config")) == LlamaConfig(**published.pop("text_config"))
    assert written == published


def clip_values() -> tuple[list[float], list[float]]:
    """OpenAI's, as the golden tower's folder has them."""
    fields = read(golden("v1") / "clip" / "preprocessor_config.json")
    return fields["image_mean"], fields["image_std"]


@pytest.mark.parametrize(("version", "dtype"), [("v1", "bfloat16"), ("v2", "float16"), ("v2", "float32")])
def test_a_model_of_ones_own(version: str, dtype: str, tmp_path: Path) -> None:
    """Trained on, saved by transformers 5, exported and read again."""
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_pretrained(golden(version), dtype=dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.01)
    mine = tmp_path / "mine"
    model.save_pretrained(mine)
    processor = AutoProcessor.from_pretrained(golden(version))
    processor.image_processor.image_mean = [0.5, 0.25, 0.125]
    processor.save_pretrained(mine)
    out = export_official(str(mine), tmp_path / "out")
    again = AutoModelForImageTextToText.from_pretrained(out)
    expected = model.state_dict()
    assert {name: tensor.dtype for name, tensor in again.state_dict().items()} == {
        name: getattr(torch, dtype) for name in expected
    }
    assert all(torch.equal(tensor, expected[name]) for name, tensor in again.state_dict().items())
    assert load_file(out / "model.safetensors").keys() == load_file(golden(version) / "model.safetensors").keys()
    config, images = read(out / "config.json"), AutoProcessor.from_pretrained(out).image_processor
    assert (config["torch_dtype"], config["image_encoder"]) == (dtype, "clip")
    assert images.image_mean == [0.5, 0.25, 0.125] and images.crop_size == model.config.crop_size
    assert_same_model(again.config, model.config)
    tokenizer = read(out / "tokenizer_config.json")
    assert tokenizer["tokenizer_class"] == "PreTrainedTokenizerFast" and "backend" not in tokenizer


def test_the_tower_has_its_hub_name_only_where_it_is_that_one() -> None:
    mean, std = clip_values()
    assert encoder_name(DragonflyConfig(), mean, std) == "openai/clip-vit-large-patch14-336"
    assert encoder_name(DragonflyConfig(architecture_version="v1"), mean, std) == "openai/clip-vit-base-patch32"
    assert encoder_name(DragonflyConfig(), [0.5] * 3, std) == "clip"
    assert encoder_name(DragonflyConfig(image_encoder="clip"), mean, std) == "clip"  # type: ignore[call-arg]
    tower = DragonflyConfig().vision_config.to_dict() | {"num_hidden_layers": 25}  # type: ignore[union-attr]
    assert encoder_name(DragonflyConfig(vision_config=tower), mean, std) == "clip"


@pytest.mark.parametrize(
    ("version", "changes", "told"),
    [
        ("v2", {}, []),
        ("v1", {}, []),
        ("v2", {"class_token": False}, ["class_token is False, expected True"]),
        ("v2", {"vision_feature_layer": -1}, ["vision_feature_layer is -1, expected -2"]),
        ("v2", {"high_scale": 2}, ["high_scale is 2, expected 3"]),
        ("v1", {"kept_per_medium": 2}, ["kept_per_medium is 2, expected 3"]),
        ("v1", {"image_token_id": 5}, ["image_token_id is 5, expected 128002"]),
        ("v2", {"medium_grids": [[2, 2]]}, ["medium_grids is [[2, 2]], expected [[2, 2], [1, 4], [4, 1]]"]),
        (
            "v2",
            {"pool_windows": {"low": 1, "medium": 4, "high": 8}},
            ["pool_windows is {'low': 1, 'medium': 4, 'high': 8}, expected {'low': 1, 'medium': 4, 'high': 4}"],
        ),
        ("v1", {"tie_word_embeddings": True}, ["tie_word_embeddings is True, expected False"]),
        (
            "v2",
            {"text_config": {"model_type": "mistral", "bos_token_id": 128000}},
            ["text_config.model_type is 'mistral', expected 'llama'"],
        ),
        (
            "v2",
            {"text_config": {"model_type": "llama", "bos_token_id": 128000, "tie_word_embeddings": True}},
            ["text_config.tie_word_embeddings is True, expected False"],
        ),
        # One version's fields with the other's tower: read again, the tower would decide.
        ("v1", {"vision_config": {"model_type": "clip_vision_model", "image_size": 336, "patch_size": 14}}, None),
    ],
)
def test_each_part_that_does_not_fit_is_named(version: Any, changes: dict[str, Any], told: list[str] | None) -> None:
    found = misfits(DragonflyConfig(architecture_version=version, **changes))
    if told is None:
        assert "architecture_version is 'v1', expected 'v2'" in found and len(found) > 3
    else:
        assert found == told


def test_the_mini_does_not_fit_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        export_official("mini", tmp_path / "deep" / "out")
    for part in ("vision_config.model_type", "text_config.tie_word", "crop_size", "patch_grid", "class_token"):
        assert f"{part}" in str(error.value)
    assert "crop_size is 64, expected 336" in str(error.value) and "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_scaled_rope_is_kept(tmp_path: Path) -> None:
    rope = {
        "rope_type": "llama3",
        "rope_theta": 5e5,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    source = copy_of(golden("v1"), tmp_path / "source")
    config = AutoModelForImageTextToText.from_pretrained(source).config
    config.text_config.rope_parameters = dict(rope)
    config.save_pretrained(source)
    out = export_official(str(source), tmp_path / "out")
    assert DragonflyConfig.from_pretrained(out).text_config.rope_parameters == rope
    written = read(out / "config.json")
    # The published class refuses such a scaling at its top level, and reads the decoder's own.
    assert written["rope_scaling"] is None and written["text_config"]["rope_theta"] == 5e5
    assert written["text_config"]["rope_scaling"] == {k: v for k, v in rope.items() if k != "rope_theta"}
    llama = export_llama(str(source), tmp_path / "llama")
    assert LlamaConfig.from_pretrained(llama).rope_parameters == rope


def test_shards_in_and_out(tmp_path: Path) -> None:
    """From PyTorch's own files in shards, to safetensors in other shards."""
    source, tensors = copy_of(golden("v1"), tmp_path / "source"), load_file(golden("v1") / "model.safetensors")
    (source / "model.safetensors").unlink()
    names = list(tensors)
    parts = {"pytorch_model-1.bin": names[:40], "pytorch_model-2.bin": names[40:]}
    for file, mine in parts.items():
        torch.save({name: tensors[name] for name in mine}, source / file)
    table = {name: file for file, mine in parts.items() for name in mine}
    (source / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": table}))
    out = export_official(str(source), tmp_path / "out", max_shard_size="1MB")
    index = read(out / "model.safetensors.index.json")
    files = sorted(set(index["weight_map"].values()))
    assert files == [f"model-0000{n}-of-00004.safetensors" for n in range(1, 5)]
    assert index["metadata"]["total_size"] == sum(t.nbytes for t in tensors.values())
    assert all((out / file).stat().st_size < 1.1e6 for file in files)
    found = {name: tensor for file in files for name, tensor in load_file(out / file).items()}
    assert found.keys() == tensors.keys() == index["weight_map"].keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())
    assert torch.equal(logits(out, "v1")[0], logits(golden("v1"), "v1")[0])


@pytest.fixture(scope="module", params=[*(str(golden(version)) for version in VERSIONS), "mini"])
def decoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Path]:
    """A whole model in fp32, its processor, and the folder of its decoder."""
    folder = BUILT_IN.get(request.param, Path(request.param))
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype="float32").eval()
    out = export_llama(request.param, tmp_path_factory.mktemp("llama") / "out")
    return model, AutoProcessor.from_pretrained(folder), out


def plain_llama(folder: Path) -> Any:
    loaded: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    model, report = loaded
    assert type(model).__name__ == "LlamaForCausalLM" and not any(report.values())
    return model.eval()


@torch.inference_mode()
def test_the_decoder_alone_gives_the_same_logits(decoder: tuple[Any, Any, Path]) -> None:
    model, processor, folder = decoder
    llama = plain_llama(folder)
    ids = torch.tensor([processor.prompt_ids(QUESTION)])
    assert torch.equal(llama(input_ids=ids).logits, model.language_model(input_ids=ids).logits)
    picture = Image.linear_gradient("L").resize((300, 200))
    inputs = processor(images=[picture], text=[processor.tokenizer.decode(ids[0, 1:])], return_tensors="pt")
    embeddings = model.merge(
        inputs["input_ids"],
        model.get_input_embeddings()(inputs["input_ids"]),
        model.get_image_features(inputs["pixel_values"]).tokens,
    )
    found = llama(inputs_embeds=embeddings, logits_to_keep=8).logits
    assert torch.equal(found, model(**inputs, logits_to_keep=8).logits)
    assert not torch.allclose(found, llama(input_ids=ids).logits[:, -8:])  # the image counts


def test_the_decoder_is_ready_for_serving_engines(decoder: tuple[Any, Any, Path]) -> None:
    model, processor, folder = decoder
    config, tokenizer = read(folder / "config.json"), AutoTokenizer.from_pretrained(folder)
    assert config["architectures"] == ["LlamaForCausalLM"] and config["model_type"] == "llama"
    assert config["rope_theta"] > 0 and "rope_parameters" not in config  # as engines on transformers 4 read it
    end = model.config.end_of_turn_token_id
    assert config["eos_token_id"] == read(folder / "generation_config.json")["eos_token_id"] == end
    assert tokenizer.eos_token_id == end
    messages = [{"role": "user", "content": f" {QUESTION}\n"}]
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
    assert ids == processor.prompt_ids(QUESTION)
    messages += [{"role": "assistant", "content": "Yes."}, {"role": "user", "content": "Größe?"}]
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
    assert ids == processor.prompt_ids("Größe?", [(QUESTION, "Yes.")])


def test_a_decoder_that_is_no_llama_is_refused(tmp_path: Path) -> None:
    source = copy_of(golden("v1"), tmp_path / "source")
    config = DragonflyConfig.from_pretrained(source)
    text = {k: v for k, v in config.text_config.to_dict().items() if k != "model_type"}
    sizes = {"attention_bias": False, "use_sliding_window": False}
    config.text_config = {"model_type": "mistral", **{k: v for k, v in text.items() if k not in sizes}}
    (source / "config.json").write_text(json.dumps({**config.to_dict(), "text_config": config.text_config}))
    with pytest.raises(InputError, match="the decoder is a 'mistral', expected 'llama'"):
        export_llama(str(source), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_cards_and_licences_go_along(tmp_path: Path) -> None:
    source = copy_of(golden("v2"), tmp_path / "source")
    for name in ("README.md", "LICENSE", "LICENSE-Meta-Llama3", "NOTICE", "USE_POLICY.md", "secret.txt"):
        (source / name).write_text(f"the words of {name}")
    for export in (export_official, export_llama):
        out = export(str(source), tmp_path / export.__name__)
        assert (out / "NOTICE").read_text() == "the words of NOTICE"
        assert all((out / n).is_file() for n in ("README.md", "LICENSE", "LICENSE-Meta-Llama3", "USE_POLICY.md"))
        assert not (out / "secret.txt").exists()


def test_weights_that_are_not_what_was_trained_are_refused(tmp_path: Path) -> None:
    said, stored, missing = (copy_of(golden("v1"), tmp_path / name) for name in ("said", "stored", "missing"))
    tensors = load_file(golden("v1") / "model.safetensors")
    name, tensor = tensors.popitem()
    change_json(said / "config.json", quantization_config={"load_in_8bit": True})
    save_file({**tensors, name: tensor.to(torch.int8)}, stored / "model.safetensors")
    save_file(tensors, missing / "model.safetensors")
    for export in (export_official, export_llama):
        with pytest.raises(InputError, match=r"weights are quantised \(quantization_config\)"):
            export(str(said), tmp_path / "out")
        with pytest.raises(InputError, match=r"weights are quantised \(i8\)"):
            export(str(stored), tmp_path / "out")
        with pytest.raises(InputError, match="1 of 103 tensors not accounted for"):
            export(str(missing), tmp_path / "out")
    assert not (tmp_path / "out").exists()
