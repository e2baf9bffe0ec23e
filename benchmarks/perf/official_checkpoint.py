"""A checkpoint in the published layout and size, filled with seeded random numbers, where the real weights are not.

Every tensor has the name and shape that the layout file lists. Norms are one and biases zero, so that activations
stay finite through all layers; the answers mean nothing. The module loads no model.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any
from zlib import crc32

import torch
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor

from benchmarks.progress import progress
from medfly.types import InputError

SHARD_BYTES = 5_000_000_000
BLOCK = 1 << 24
"""Random numbers drawn at once: 64 MB in float32."""
NAMES = {
    "safetensors": ("model-{:05d}-of-{:05d}.safetensors", "model.safetensors.index.json"),
    "bin": ("pytorch_model-{:05d}-of-{:05d}.bin", "pytorch_model.bin.index.json"),
}
"""Format → the shards' names and their index's, as transformers writes them."""
LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
    r"\s+(?!\S)|\s+"
)
"""Llama 3's pre-tokenisation."""
TEXTS = (
    "What modality is used to take this image?",
    "Which part of the body does this image belong to?",
    "Is the lung healthy? Does the picture contain the liver, the kidney or the spleen?",
    "user assistant",
)
"""What the tokenizer's few real merges are learned from, so that a question is as long as a real one."""


def write(folder: Path, layout: dict[str, Any], *, file_format: str = "safetensors", seed: int = 0) -> None:
    """Write the checkpoint, one shard in memory at a time; index and config.json come last.

    layout: config, and tensors: name → shape. file_format: one of NAMES.
    Raises InputError for a folder with a checkpoint in it, and where the disk is too small.
    """
    _check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    shapes: dict[str, list[int]] = layout["tensors"]
    shards = list(_shards(shapes))
    _check_disk(folder, shapes)
    shard_name, index_name = NAMES[file_format]
    weight_map = {}
    with progress(f"writing {len(shards)} shards", len(shapes)) as advance:
        for number, names in enumerate(shards, 1):
            tensors = {}
            for name in names:
                tensors[name] = _tensor(name, shapes[name], seed)
                advance()
            file = folder / shard_name.format(number, len(shards))
            _save(tensors, file)
            weight_map |= dict.fromkeys(names, file.name)
            del tensors  # before the next shard is made
    _write_tokenizer(folder, layout["config"])
    _write_json(
        folder / index_name, {"metadata": {"total_size": 2 * sum(map(prod, shapes.values()))}, "weight_map": weight_map}
    )
    _write_json(folder / "generation_config.json", _ids(layout["config"]))
    _write_json(folder / "config.json", layout["config"])


def _check_folder(folder: Path) -> None:
    if (folder / "config.json").exists():
        raise InputError(f"{folder}: found a checkpoint; expected a new folder, or one that an interrupted write left")


def _check_disk(folder: Path, shapes: dict[str, list[int]]) -> None:
    needed, free = 2 * sum(map(prod, shapes.values())) + (1 << 28), shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"{folder}: {free / 1e9:.1f} GB free on its disk, expected {needed / 1e9:.1f} GB: choose another disk"
        )


def _shards(shapes: dict[str, list[int]]) -> Iterator[list[str]]:
    """Names in their order, in groups of at most SHARD_BYTES."""
    names, size = [], 0
    for name, shape in shapes.items():
        if names and size + 2 * prod(shape) > SHARD_BYTES:
            yield names
            names, size = [], 0
        names.append(name)
        size += 2 * prod(shape)
    yield names


def _tensor(name: str, shape: list[int], seed: int) -> Tensor:
    """Depends on the name and the seed only, so that both formats hold the same weights."""
    if name.endswith("bias"):
        return torch.zeros(shape, dtype=torch.bfloat16)
    if "norm" in name.split(".")[-2]:
        return torch.ones(shape, dtype=torch.bfloat16)
    generator = torch.Generator().manual_seed(crc32(name.encode()) + (seed << 32))
    tensor = torch.empty(shape, dtype=torch.bfloat16)
    for block in tensor.view(-1).split(BLOCK):
        block.copy_(torch.randn(len(block), generator=generator).mul_(0.02))
    return tensor


def _save(tensors: dict[str, Tensor], file: Path) -> None:
    """Under another name until it is whole."""
    partial = file.with_name(file.name + ".partial")
    if file.suffix == ".safetensors":
        save_file(tensors, partial, metadata={"format": "pt"})
    else:
        torch.save(tensors, partial)
    partial.replace(file)


def _write_json(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, indent=2) + "\n")


def _ids(config: dict[str, Any]) -> dict[str, int]:
    return {name: config[name] for name in ("bos_token_id", "eos_token_id")}


def _special_tokens(count: int) -> list[str]:
    """Llama 3's, in the order of their ids from the beginning of text on."""
    named = {0: "begin_of_text", 1: "end_of_text", 6: "start_header_id", 7: "end_header_id", 9: "eot_id"}
    reserved = (f"reserved_special_token_{index}" for index in range(count))
    return [f"<|{named.get(index) or next(reserved)}|>" for index in range(count)]


def _write_tokenizer(folder: Path, config: dict[str, Any]) -> None:
    """A byte-level BPE in Llama 3's form: a few real merges, made-up tokens up to the special ones, Llama 3's ids."""
    ordinary, special = config["bos_token_id"], _special_tokens(config["vocab_size"] - config["bos_token_id"])
    learned = Tokenizer(models.BPE())
    learned.pre_tokenizer = _pre_tokenizer()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    learned.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=ordinary, initial_alphabet=alphabet, show_progress=False)
    )
    model = json.loads(learned.to_str())["model"]
    vocab: dict[str, int] = model["vocab"]
    for index in range(len(vocab), ordinary):
        vocab[f"Ġm{index}"] = index  # no merge leads to it, but a random model says it
    tokenizer = Tokenizer(models.BPE(vocab, [tuple(pair) for pair in model["merges"]], ignore_merges=True))
    tokenizer.pre_tokenizer = _pre_tokenizer()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    begin = special[0]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A", pair=f"{begin} $A {begin} $B", special_tokens=[(begin, ordinary)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    ends = {"bos_token": special[0], "eos_token": special[1]}
    _write_json(folder / "special_tokens_map.json", ends)
    _write_json(
        folder / "tokenizer_config.json",
        {**ends, "clean_up_tokenization_spaces": False, "tokenizer_class": "PreTrainedTokenizerFast"},
    )


def _pre_tokenizer() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA_3), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
