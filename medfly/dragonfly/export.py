"""A checkpoint → the published layout, or its decoder alone as a plain Llama. The files are rewritten, no model is run.

Tensors go from file to file as they are stored: nothing is computed, and no more than a shard is in memory. The
configurations are spelled as transformers 4.45 writes them, which the published implementation and serving engines
read, and transformers 5 as well. The module knows no pixels and no text.

Source of the layout: the reference implementation's configuration and model classes, and the five published
checkpoints.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoProcessor, CLIPVisionConfig, LlamaConfig, PreTrainedConfig
from transformers.utils.constants import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from medfly.dragonfly.certificate import RENAMED, account, skeleton
from medfly.dragonfly.chat import END_OF_TURN
from medfly.dragonfly.checkpoint import DTYPES, Stored, headers, prevailing_dtype
from medfly.dragonfly.configuration import DragonflyConfig
from medfly.dragonfly.hub import read_config, resolve
from medfly.dragonfly.loading import check_special_tokens, of_model
from medfly.dragonfly.official import CLIP_TOWERS, HUB_TOWERS, VERSION_OF_GRID
from medfly.dragonfly.writing import (
    SHARD_SIZE,
    check_output,
    complete_or_nothing,
    copy_files,
    write_json,
    write_weights,
)
from medfly.types import InputError

TRANSFORMERS = "4.45.2"
"""The version whose form the configurations have; the published checkpoints name the same."""
LLAMA_FIELDS = (
    "attention_bias",
    "attention_dropout",
    "bos_token_id",
    "eos_token_id",
    "head_dim",
    "hidden_act",
    "hidden_size",
    "initializer_range",
    "intermediate_size",
    "max_position_embeddings",
    "mlp_bias",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "pad_token_id",
    "pretraining_tp",
    "rms_norm_eps",
    "tie_word_embeddings",
    "use_cache",
    "vocab_size",
)
"""What a Llama is made of, rope aside, whose fields transformers 5 spells otherwise."""
UNREPEATED = ("attention_bias", "head_dim", "mlp_bias", "pad_token_id", "pretraining_tp")
REPEATED = (*(field for field in LLAMA_FIELDS if field not in UNREPEATED), "rope_theta")
"""The decoder's fields that the published class has at its top level, too; it takes the projector's width from one."""
LEFTOVERS = {"image_size": 300, "patch_size": 30, "num_channels": 3, "rope_scaling": None}
"""Top-level fields that mean nothing beside an image_encoder and a text_config."""
TOWER = "clip"
"""The folder of a vision tower that has no known name on the hub."""
FIELDS_OF_TRANSFORMERS_5 = ("backend", "is_local", "local_files_only", "processor_class")
CARDS = ("README.md", "LICEN[CS]E*", "NOTICE*", "USE_POLICY*")
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}"
    "{{ message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
"""Llama 3's turns for serving engines: the same as `medfly.dragonfly.chat` makes of them."""


@dataclass(frozen=True)
class Source:
    """A checkpoint all of whose tensors are accounted for. tensors: name in the model → the stored tensor."""

    folder: Path
    config: DragonflyConfig
    processor: Any
    tensors: dict[str, Stored]

    @property
    def dtype(self) -> str:
        """In which most of the weights are stored, as torch spells it."""
        return prevailing_dtype(self.tensors.values())


def export_official(name: str, output: Path, *, max_shard_size: str = SHARD_SIZE) -> Path:
    """Write a model in the published layout into a new or empty folder, which is returned.

    name: as for `medfly.load`. Raises InputError where the layout cannot say what the model is, part by part, and
    where `output` holds something already; then nothing is written.
    """
    check_output(output)
    source = _source(name)
    with of_model(name):
        if wrong := misfits(source.config):
            raise InputError(
                f"it does not fit the published layout: {'; '.join(wrong)}: keep the folder as it is, or export the "
                "decoder alone (format llama)"
            )
    nested, flat = RENAMED
    tensors = {
        nested + inner.removeprefix(flat) if inner.startswith(flat) else inner: one
        for inner, one in source.tensors.items()
    }
    tower = {new.removeprefix("image_encoder."): one for new, one in tensors.items() if new.startswith(nested)}
    images = source.processor.image_processor
    encoder = encoder_name(source.config, images.image_mean, images.image_std)
    with complete_or_nothing(output) as folder:
        write_weights(source.folder, tensors, folder, max_shard_size)
        if encoder == TOWER:  # the published class reads a tower before it fills it with the checkpoint's own weights
            write_weights(source.folder, tower, folder / TOWER, max_shard_size)
            write_json(folder / TOWER / "config.json", tower_fields(source.config, source.dtype))
            write_json(folder / TOWER / "preprocessor_config.json", preprocessor_fields(source.config, images))
        copy_files(source.folder, folder, "tokenizer.json", "special_tokens_map.json", "generation_config.json", *CARDS)
        write_json(folder / "tokenizer_config.json", _tokenizer_fields(source.folder))
        write_json(folder / "config.json", official_fields(source.config, encoder, source.dtype))
    return output


def export_llama(name: str, output: Path, *, max_shard_size: str = SHARD_SIZE) -> Path:
    """Write the decoder alone as a plain LlamaForCausalLM, into a new or empty folder, which is returned.

    The folder answers text. For an image a serving engine must take prompt embeddings (vLLM: `prompt_embeds`, with
    `--enable-prompt-embeds`) in place of token ids: those that MedFly's model merges from the processor's output,
    `model.merge(ids, model.get_input_embeddings()(ids), model.get_image_features(pixel_values).tokens)`, image
    positions before the beginning of text. The engine computes all else as MedFly does, over the same positions.
    The folder's chat template makes Llama 3's turns of messages; unlike `processor.prompt_ids` it trusts them: what
    looks like a special token in a message is one, so what strangers type must be tokenised by the processor.

    name: as for `medfly.load`. Raises InputError where the decoder is no Llama, and where `output` holds something
    already; then nothing is written.
    """
    check_output(output)
    source = _source(name)
    config: Any = source.config
    with of_model(name):
        if config.text_config.model_type != "llama":
            raise InputError(f"the decoder is a {config.text_config.model_type!r}, expected 'llama'")
    decoder = "language_model."
    tensors = {inner.removeprefix(decoder): one for inner, one in source.tensors.items() if inner.startswith(decoder)}
    fields = {
        "architectures": ["LlamaForCausalLM"],
        **llama_fields(config.text_config),
        "eos_token_id": config.end_of_turn_token_id,
        "torch_dtype": source.dtype,
        "transformers_version": TRANSFORMERS,
    }
    ids = {key: fields[key] for key in ("bos_token_id", "eos_token_id", "transformers_version")}
    chat = {"eos_token": END_OF_TURN, "chat_template": TEMPLATE}
    with complete_or_nothing(output) as folder:
        write_weights(source.folder, tensors, folder, max_shard_size)
        copy_files(source.folder, folder, "tokenizer.json", *CARDS)
        write_json(folder / "tokenizer_config.json", _tokenizer_fields(source.folder) | chat)
        write_json(folder / "generation_config.json", ids)
        write_json(folder / "config.json", fields)
    return output


def _source(name: str) -> Source:
    folder = resolve(name)
    with of_model(name):
        fields, stored = read_config(folder), {one.name: one for one in headers(folder)}
        odd = {one.dtype for one in stored.values()} - set(DTYPES.values())
        if odd or fields.get("quantization_config"):
            raise InputError(
                f"its weights are quantised ({', '.join(sorted(odd)) or 'quantization_config'}), expected them as they "
                "were trained: export the model that it was made from"
            )
        config: Any = DragonflyConfig.from_pretrained(folder)
        processor: Any = AutoProcessor.from_pretrained(folder, trust_remote_code=False)
        check_special_tokens(processor, config)
        model = skeleton(config)
        told = account(folder, model)
        if not told.complete:
            raise InputError(told.line())
        arrived = {entry.model: stored[entry.checkpoint] for entry in told.entries if entry.model and entry.checkpoint}
        tensors = {inner: arrived[inner] for inner in model.state_dict() if inner in arrived}
    return Source(folder, config, processor, tensors)


def misfits(config: DragonflyConfig) -> list[str]:
    """What the published layout cannot say of a model: each field, what it is and what it would be read as.

    The layout names a CLIP tower and describes a Llama; all else comes from the version that the tower's grid means.
    """
    tower: Any = config.vision_config
    text = config.text_config
    grid = tower.image_size // tower.patch_size if tower.model_type == "clip_vision_model" else 0
    said: dict[str, Any] = {"architecture_version": VERSION_OF_GRID.get(grid, config.architecture_version)}
    if grid in VERSION_OF_GRID:
        said |= {"vision_config": tower.to_dict(), "crop_size": tower.image_size}
    if isinstance(text, LlamaConfig):
        # The published files hold the embeddings and the output layer each under its name.
        said["text_config"] = {**llama_fields(text), "tie_word_embeddings": False}
    read = DragonflyConfig(**said)
    parts = (
        ("vision_config.", tower, read.vision_config),
        ("text_config.", text, read.text_config),
        ("", config, read),
    )
    return [line for prefix, found, expected in parts for line in _differences(prefix, found, expected)]


def _differences(prefix: str, found: Any, expected: Any) -> list[str]:
    if found.model_type != expected.model_type:
        return [f"{prefix}model_type is {found.model_type!r}, expected {expected.model_type!r}"]
    mine, skipped = found.to_dict(), {*PreTrainedConfig().to_dict(), "text_config", "vision_config"}
    return [
        f"{prefix}{field} is {mine.get(field)!r}, expected {value!r}"
        for field, value in expected.to_dict().items()
        if field not in skipped and mine.get(field) != value
    ]


def official_fields(config: DragonflyConfig, encoder: str, dtype: str) -> dict[str, Any]:
    """The published config.json. encoder: what it calls the vision tower. dtype: as torch spells it."""
    text = llama_fields(config.text_config)
    return {
        "architectures": ["DragonflyForCausalLM"],
        "model_type": "dragonfly",
        "image_encoder": encoder,
        "text_pretrained_model_name_or_path": getattr(config, "text_pretrained_model_name_or_path", None),
        "text_config": text,
        **{field: text[field] for field in REPEATED},
        **LEFTOVERS,
        "torch_dtype": dtype,
        "transformers_version": TRANSFORMERS,
    }


def llama_fields(text: Any) -> dict[str, Any]:
    """A Llama's configuration in full, as transformers 4.45 spells it."""
    rope = dict(text.rope_parameters)
    theta, kind = rope.pop("rope_theta"), rope.pop("rope_type")
    scaling = None if kind == "default" else {"rope_type": kind, **rope}
    fields = {field: getattr(text, field) for field in LLAMA_FIELDS}
    return {"model_type": "llama", **fields, "rope_theta": theta, "rope_scaling": scaling}


def encoder_name(config: DragonflyConfig, mean: list[float], std: list[float]) -> str:
    """What config.json calls the tower: a known name on the hub if it is that one, else the folder beside it."""
    said = getattr(config, "image_encoder", None)
    for name, version in HUB_TOWERS.items():
        known = not _differences("", config.vision_config, CLIPVisionConfig(**CLIP_TOWERS[version]))
        if said in (None, name) and known and (mean, std) == (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD):
            return name
    return TOWER


def tower_fields(config: DragonflyConfig, dtype: str) -> dict[str, Any]:
    """The config.json of the tower's folder."""
    tower: Any = config.vision_config
    mine = {field: value for field, value in tower.to_dict().items() if field not in PreTrainedConfig().to_dict()}
    return {
        "architectures": ["CLIPVisionModel"],
        "model_type": tower.model_type,
        **mine,
        "torch_dtype": dtype,
        "transformers_version": TRANSFORMERS,
    }


def preprocessor_fields(config: DragonflyConfig, images: Any) -> dict[str, Any]:
    """The preprocessor_config.json of the tower's folder: CLIP's, for crops that are cut and resized already."""
    side = config.crop_size
    return {
        "image_processor_type": "CLIPImageProcessor",
        "crop_size": {"height": side, "width": side},
        "size": {"shortest_edge": side},
        "image_mean": images.image_mean,
        "image_std": images.image_std,
        "resample": 3,
        "rescale_factor": 1 / 255,
        **dict.fromkeys(("do_center_crop", "do_convert_rgb", "do_normalize", "do_rescale", "do_resize"), True),
    }


def _tokenizer_fields(folder: Path) -> dict[str, Any]:
    """tokenizer_config.json without what transformers 4 cannot read."""
    fields = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    if fields.get("tokenizer_class") == "TokenizersBackend":
        fields["tokenizer_class"] = "PreTrainedTokenizerFast"
    return {field: value for field, value in fields.items() if field not in FIELDS_OF_TRANSFORMERS_5}
