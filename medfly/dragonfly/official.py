"""The layout of the published checkpoints' config.json, and what it means.

The published configuration names its vision tower (`image_encoder`: a hub name, or a folder beside the weights)
instead of describing it, carries no version, and repeats the decoder's fields at its top level beside leftovers
that mean nothing (image_size 300, patch_size 30). This module turns it into the fields of `DragonflyConfig`.
It knows no weights; the decoder's fields are kept as published, rope settings included.

Source: the reference implementation's configuration class, and the five published checkpoints.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers.utils.hub import cached_file

CLIP_TOWERS: dict[str, dict[str, Any]] = {
    "v1": {
        "model_type": "clip_vision_model",
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "image_size": 224,
        "patch_size": 32,
        "projection_dim": 512,
    },
    "v2": {
        "model_type": "clip_vision_model",
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "image_size": 336,
        "patch_size": 14,
        "projection_dim": 768,
    },
}
HUB_TOWERS = {"openai/clip-vit-base-patch32": "v1", "openai/clip-vit-large-patch14-336": "v2"}
"""The towers that the published checkpoints name; their shapes are known here, so nothing is fetched."""
VERSION_OF_GRID = {7: "v1", 24: "v2"}

LLAMA_3_8B: dict[str, Any] = {
    # The published config has no rope scaling, unlike Llama 3.1 itself; it is kept as published.
    "model_type": "llama",
    "vocab_size": 128256,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-5,
    "bos_token_id": 128000,
    "eos_token_id": 128001,
    "rope_parameters": {"rope_type": "default", "rope_theta": 5e5},
}

HUB_OPTIONS = ("cache_dir", "force_download", "proxies", "token", "revision", "local_files_only")


def is_official(config: dict[str, Any]) -> bool:
    """Whether a config.json is in the published layout: a tower by name, and no description of it."""
    return isinstance(config.get("image_encoder"), str) and "vision_config" not in config


def from_official(config: dict[str, Any], checkpoint: str, **options: Any) -> dict[str, Any]:
    """The published fields → those of `DragonflyConfig`.

    checkpoint: the folder or hub repository of config.json; options: how to reach the hub, as `from_pretrained`
    takes them. Raises ValueError for a tower that is not found or whose grid no published version has.
    """
    name = config["image_encoder"]
    tower = tower_config(name, checkpoint, **options)
    grid = tower["image_size"] // tower["patch_size"]
    if grid not in VERSION_OF_GRID:
        raise ValueError(
            f"image_encoder {name!r} has a grid of {grid} × {grid} patches; expected 7 × 7 (Dragonfly v1) or 24 × 24 "
            "(v2): no published version reads another"
        )
    kept = ("architectures", "tie_word_embeddings", "torch_dtype", "dtype", "text_pretrained_model_name_or_path")
    return {
        "model_type": "dragonfly",
        "architecture_version": VERSION_OF_GRID[grid],
        "crop_size": tower["image_size"],
        "image_encoder": name,
        "vision_config": tower,
        "text_config": {"model_type": "llama", **config.get("text_config", {})},
        **{key: config[key] for key in kept if key in config},
    }


def tower_config(name: str, checkpoint: str, **options: Any) -> dict[str, Any]:
    """The fields of the vision tower that `image_encoder` names, as transformers' CLIPVisionConfig has them.

    A relative name is looked for in the checkpoint first, then in the table. Raises ValueError.
    """
    fields = read_beside(checkpoint, name, "config.json", **options)
    if fields is None and name in HUB_TOWERS:
        return dict(CLIP_TOWERS[HUB_TOWERS[name]])
    if fields is None:
        raise ValueError(
            f"image_encoder {name!r}: no {name}/config.json in the checkpoint; expected a folder in it, or "
            f"{' or '.join(HUB_TOWERS)}"
        )
    fields = fields.get("vision_config", fields)  # the config of a whole CLIP holds its vision half
    return {"model_type": "clip_vision_model", **fields}


def preprocessing(name: str, checkpoint: str, **options: Any) -> dict[str, Any]:
    """image_mean and image_std as the checkpoint or its tower's folder gives them; empty where they don't."""
    for folder in ("", name):
        fields = read_beside(checkpoint, folder, "preprocessor_config.json", **options)
        if fields is not None:
            return {key: fields[key] for key in ("image_mean", "image_std") if key in fields}
    return {}


def read_beside(checkpoint: str, folder: str, file: str, **options: Any) -> dict[str, Any] | None:
    """A JSON file in a folder of the checkpoint, or None. An absolute folder stands for itself."""
    if not checkpoint:
        return None
    if Path(checkpoint).is_dir() or Path(folder).is_absolute():
        path: str | Path | None = Path(checkpoint) / folder / file
    elif ".." in Path(folder).parts:
        path = None
    else:
        reach = {key: value for key, value in options.items() if key in HUB_OPTIONS}
        path = cached_file(checkpoint, str(Path(folder) / file), _raise_exceptions_for_missing_entries=False, **reach)
    return json.loads(Path(path).read_text(encoding="utf-8")) if path and Path(path).is_file() else None
