"""`medfly inspect MODEL`: the load certificate. What a checkpoint is made of, and whether all of it would arrive.

Headers, configuration and tokenizer are read; the weights are only hashed. Whether the values arrive is checked
where a model is loaded (medfly.dragonfly.certificate.unarrived).
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from transformers import AutoProcessor

from medfly.cli.certificate import show
from medfly.cli.hashing import hash_files
from medfly.dragonfly import DragonflyConfig, DragonflyForCausalLM, DragonflyProcessor
from medfly.dragonfly.certificate import account, skeleton
from medfly.dragonfly.chat import END_OF_TURN
from medfly.dragonfly.hashes import combined, decisive_files
from medfly.dragonfly.hub import read_config, resolve
from medfly.dragonfly.licence import statements
from medfly.dragonfly.processing import IMAGE_TOKEN, NEWLINE_TOKEN
from medfly.geometry import LEVELS
from medfly.types import InputError
from medfly.wording import RESEARCH_USE

QUESTION = "What modality is used to take this image?"
OTHER_TOKENIZER = "take the tokenizer that belongs to the weights"
LLAMA_31_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 5e5,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
"""Llama 3.1's own scaling, for 131,072 positions; the published Dragonfly checkpoints do without."""


def run(name: str, *, as_json: bool) -> bool:
    """Print the certificate; whether every check passed. Raises InputError for what is no Dragonfly checkpoint."""
    folder = resolve(name)
    found = facts(name, folder)
    if as_json:  # in ASCII: whatever the terminal's encoding, the line is valid JSON
        print(json.dumps(found, allow_nan=False))
    else:
        show(found)
    return not found["failed"]


def facts(name: str, folder: Path) -> dict[str, Any]:
    """The certificate as one JSON object; "failed" lists the checks that did not pass. Raises InputError."""
    fields = read_config(folder)
    try:
        config: Any = DragonflyConfig.from_pretrained(folder)
        model = skeleton(config)
        processor: Any = AutoProcessor.from_pretrained(folder, trust_remote_code=False)
    except InputError:
        raise
    except Exception as error:  # what the libraries raise for a file that they do not understand is open-ended
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"model {name!r}: not readable ({reason}); expected its configuration and tokenizer: fetch it again"
        ) from None
    told = account(folder, model)
    special, chat = special_tokens(config, processor), _chat(processor)
    failed = [] if told.complete else [told.line()]
    failed += [_disagreement(token) for token in special if token["agrees"] is False]
    if (tokens := len(processor.tokenizer)) > (rows := config.text_config.vocab_size):
        failed.append(f"the tokenizer has {tokens} tokens, expected at most the model's {rows}: {OTHER_TOKENIZER}")
    hashes = hash_files(folder)
    sizes = {file: path.stat().st_size for file, path in decisive_files(folder).items()}
    return {
        "model": name,
        "architecture": architecture(config, model),
        "dtypes": dict(Counter(entry.dtype for entry in told.entries if entry.dtype)),
        "rope": rope(model, fields),
        "special_tokens": special,
        "chat": chat,
        "files": [{"name": file, "bytes": sizes[file], "sha256": value} for file, value in hashes.items()],
        "model_hash": combined(hashes),
        "tensors": told.to_dict() | {"line": told.line()},
        "licence": [statement.to_dict() for statement in statements(folder, fields)],
        "failed": failed,
        "use": RESEARCH_USE,
    }


def architecture(config: Any, model: DragonflyForCausalLM) -> dict[str, Any]:
    """Version, shapes, and the positions of the decoder that an image takes."""
    crops, slots, tokens = config.crops_per_level, config.slots_per_level, config.tokens_per_crop
    return {
        "version": config.architecture_version,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "decoder": _shape(config.text_config),
        "vision_tower": _shape(config.vision_config),
        "hidden_state": config.vision_feature_layer,
        "image_positions": config.num_image_positions,
        "crop_size": config.crop_size,
        "levels": {
            level: {"crops": crops[level], "crops_kept": slots[level], "positions_per_crop": tokens[level] + 1}
            for level in LEVELS
        },
    }


SHAPE = (
    "model_type",
    "num_hidden_layers",
    "hidden_size",
    "intermediate_size",
    "num_attention_heads",
    "num_key_value_heads",
    "vocab_size",
    "image_size",
    "patch_size",
    "widths",
    "blocks",
)


def _shape(config: Any) -> dict[str, Any]:
    return {field: getattr(config, field) for field in SHAPE if getattr(config, field, None) is not None}


def rope(model: DragonflyForCausalLM, fields: dict[str, Any]) -> dict[str, Any]:
    """The decoder's rotary settings as they are in effect. fields: those of config.json."""
    config: Any = model.language_model.config
    settings = dict(getattr(config, "rope_parameters", None) or {})
    scaling = {key: value for key, value in settings.items() if key not in ("rope_type", "rope_theta")}
    decoder = str(fields.get("text_pretrained_model_name_or_path") or "")
    remark = None
    if "llama-3.1" in decoder.lower() and settings != LLAMA_31_ROPE:
        remark = (
            "Llama 3.1 itself scales its rope (llama3, factor 8, 131,072 positions); this checkpoint's configuration "
            "says otherwise and is kept as published"
        )
    return {
        "type": settings.get("rope_type"),
        "theta": settings.get("rope_theta"),
        "scaling": scaling or None,
        "max_positions": config.max_position_embeddings,
        "remark": remark,
    }


def special_tokens(config: Any, processor: DragonflyProcessor) -> list[dict[str, Any]]:
    """Each special token's id in the tokenizer and in the configuration; agrees is None where the latter has none."""
    tokenizer: Any = processor.tokenizer
    rows = []
    for role, token, expected in (
        ("beginning of text", tokenizer.bos_token, config.text_config.bos_token_id),
        ("end of text", tokenizer.eos_token, config.text_config.eos_token_id),
        ("end of turn", END_OF_TURN, config.end_of_turn_token_id),
        ("image", IMAGE_TOKEN, config.image_token_id),
        ("image newline", NEWLINE_TOKEN, config.image_newline_token_id),
        ("padding", tokenizer.pad_token, None),  # masked wherever it stands: any id will do
    ):
        found = tokenizer.get_vocab().get(token)
        accepted = expected if isinstance(expected, list) else [expected]
        agrees = found in accepted if expected is not None else None
        rows.append({"role": role, "token": token, "id": found, "id_in_config": expected, "agrees": agrees})
    return rows


def _disagreement(token: dict[str, Any]) -> str:
    return (
        f"{token['role']} token {token['token']}: found id {token['id']} in the tokenizer, expected "
        f"{token['id_in_config']} as config.json says: {OTHER_TOKENIZER}"
    )


def _chat(processor: DragonflyProcessor) -> dict[str, Any] | None:
    """What the decoder reads behind the image for an example question; None where the tokenizer has no turns."""
    try:
        ids = processor.prompt_ids(QUESTION)
    except ValueError:
        return None
    return {
        "question": QUESTION,
        "image_positions": len(processor.image_ids()),
        "text": processor.tokenizer.decode(ids),
        "ids": ids,
        "tokens": processor.tokenizer.convert_ids_to_tokens(ids),
    }
