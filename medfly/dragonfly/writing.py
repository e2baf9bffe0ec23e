"""A new checkpoint folder that is there whole or not at all, and weights that go from file to file.

The module knows no model and no configuration: it is told which stored tensor gets which name.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from math import prod
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import split_torch_state_dict_into_shards
from safetensors import SafetensorError
from safetensors.torch import save_file

from medfly.dragonfly.checkpoint import Stored, whole
from medfly.types import InputError

SHARD_SIZE = "5GB"
"""As the published checkpoints are cut."""


def check_output(output: Path) -> None:
    """Raises InputError unless `output` is an empty folder or nothing yet."""
    try:
        if not os.path.lexists(output) or (output.is_dir() and not any(output.iterdir())):
            return
        kind = "a folder with files in it" if output.is_dir() else "a file"
    except OSError as error:
        raise InputError(
            f"{output}: not readable ({error.strerror}); expected a new or an empty folder: choose another path"
        ) from None
    others = (f"{os.path.abspath(output)}-{number}" for number in count(2))
    free = next(path for path in others if not os.path.lexists(path))
    raise InputError(f"{output}: {kind}, expected a new or an empty folder: choose another path, such as {free}")


@contextmanager
def complete_or_nothing(output: Path) -> Iterator[Path]:
    """A folder to write to, which takes the place of `output` when the block ends and goes away when it fails.

    Its name begins with a dot and ends in .part: that is what a killed process leaves. Raises InputError where
    writing fails.
    """
    output = output.resolve()
    # An empty folder is filled from within: it may be a mount, or the one that the user stands in.
    part = (output if os.path.isdir(output) else output.parent) / f".{output.name}.{secrets.token_hex(4)}.part"
    try:
        part.mkdir(parents=True)
        yield part
        if output.is_dir():
            for file in sorted(part.iterdir(), key=lambda file: file.name == "config.json"):
                file.rename(output / file.name)  # config.json last: without it nobody takes it for a model
            part.rmdir()
        else:
            part.rename(output)
    except (OSError, SafetensorError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or " ".join(str(error).split())[:200]
        raise InputError(
            f"{output}: not written ({reason}); expected a place to write to with room for the model: choose another"
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_weights(source: Path, tensors: Mapping[str, Stored], folder: Path, max_shard_size: str) -> None:
    """Copy stored tensors of the checkpoint `source` into safetensors under new names, type and values as they are.

    One file, or shards and their index above max_shard_size; memory is needed for one of them.
    """
    folder.mkdir(exist_ok=True)
    size = sum(prod(one.shape) * _dtype(one).itemsize for one in tensors.values())
    free = shutil.disk_usage(folder).free
    if size > free:
        raise InputError(
            f"{folder.parent}: {free / 1e9:,.1f} GB free, expected {size / 1e9:,.1f} GB for the weights: make room, or "
            "choose another place"
        )
    # Only sizes are looked at, so tensors without data will do.
    sizes = {name: torch.empty(one.shape, dtype=_dtype(one), device="meta") for name, one in tensors.items()}
    plan = split_torch_state_dict_into_shards(
        sizes, filename_pattern="model{suffix}.safetensors", max_shard_size=max_shard_size
    )
    for file, names in plan.filename_to_tensors.items():
        values: dict[str, torch.Tensor] = {}
        for stored_in in sorted({tensors[name].file for name in names}):
            wanted = {tensors[name].name: name for name in names if tensors[name].file == stored_in}
            values |= {wanted[name]: value for name, value in whole(source / stored_in, list(wanted))}
        save_file(values, folder / file, metadata={"format": "pt"})
        (folder / file).chmod(folder.stat().st_mode & 0o666)  # safetensors lets nobody but the owner read
    if plan.is_sharded:
        index = {"metadata": plan.metadata, "weight_map": plan.tensor_to_filename}
        write_json(folder / "model.safetensors.index.json", index)


def _dtype(one: Stored) -> torch.dtype:
    return getattr(torch, one.dtype)


def copy_files(source: Path, folder: Path, *patterns: str) -> None:
    """Copy the files in `source`, not in its folders, that fit the patterns."""
    for pattern in patterns:
        for file in source.glob(pattern):
            if file.is_file():
                shutil.copyfile(file, folder / file.name)


def write_json(file: Path, fields: Mapping[str, Any]) -> None:
    """As transformers writes them: sorted, by two blanks."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n", encoding="utf-8")
