"""A checkpoint's weight files as they lie on disk: which ones are read, what their headers declare, some values.

The module knows no model and no configuration. It reads the files itself, safetensors or PyTorch's, sharded or
not, so that what it says does not depend on what transformers reports.
"""

from __future__ import annotations

import json
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from medfly.types import InputError

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
"""In the order in which transformers looks for them; the first that is there is read, and nothing else."""
DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32"}
"""safetensors' names of the types that checkpoints are written in, as torch spells them."""
WHOLE = 16_384
"""Tensors of at most so many elements are sampled whole."""
ROWS = (0, 0.25, 0.5, 0.75, 1)
"""Where along the first dimension rows of a larger tensor are sampled."""


@dataclass(frozen=True)
class Stored:
    """One tensor as a file's header declares it."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    file: str


def weight_files(folder: Path) -> list[Path]:
    """The files that hold the weights, in the order of their names. Raises InputError where one is not there."""
    name = next((name for name in WEIGHTS if (folder / name).is_file()), None)
    if name is None:
        raise InputError(
            f"{folder}: no weights; expected model.safetensors or pytorch_model.bin, whole or in shards with their "
            "index: fetch or save the checkpoint again"
        )
    if not name.endswith(".index.json"):
        return [folder / name]
    try:
        files = sorted(set(json.loads((folder / name).read_text())["weight_map"].values()))
        if not files or any(Path(file).name != file for file in files):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            f"{folder / name}: no table of shards; expected a weight_map of tensor and file names: "
            "fetch or save the checkpoint again"
        ) from None
    lost = [file for file in files if not (folder / file).is_file()]
    if lost:
        raise InputError(
            f"{folder}: {len(files) - len(lost)} of {len(files)} shards, {lost[0]} is not there; expected all that "
            f"{name} names: fetch the checkpoint again"
        )
    return [folder / file for file in files]


def headers(folder: Path) -> list[Stored]:
    """Name, shape and type of every tensor in the weight files; no weight is read."""
    return [stored for file in weight_files(folder) for stored in _header(file)]


def prevailing_dtype(stored: Iterable[Stored]) -> str:
    """The floating-point type that most of the weights are stored in, as torch spells it; float32 without any."""
    counts: Counter[str] = Counter()
    for one in stored:
        if "float" in one.dtype:
            counts[one.dtype] += prod(one.shape)
    return counts.most_common(1)[0][0] if counts else "float32"


def _header(file: Path) -> Iterator[Stored]:
    if file.suffix == ".safetensors":
        with _safetensors(file) as opened:
            for name in opened.keys():  # noqa: SIM118  (no mapping)
                part = opened.get_slice(name)
                kind = str(part.get_dtype())
                yield Stored(name, tuple(part.get_shape()), DTYPES.get(kind, kind.lower()), file.name)
    else:
        for name, tensor in _pickled(file, "meta").items():
            yield Stored(name, tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), file.name)


def samples(file: Path, names: list[str]) -> Iterator[tuple[str, list[int] | None, Tensor]]:
    """Some values of each named tensor of one file: its name, which rows (None: all of it), and their values.

    Little is read: a file of many gigabytes is mapped into memory, not copied.
    """
    if file.suffix == ".safetensors":
        with _safetensors(file) as opened:
            for name in names:
                part = opened.get_slice(name)
                rows = _rows(part.get_shape())
                yield name, rows, part[...] if rows is None else torch.cat([part[row : row + 1] for row in rows])
    else:
        tensors = _pickled(file, "cpu")
        for name in names:
            rows = _rows(list(tensors[name].shape))
            yield name, rows, tensors[name] if rows is None else tensors[name][rows]


def whole(file: Path, names: list[str]) -> Iterator[tuple[str, Tensor]]:
    """Each named tensor of one file, all of it, mapped into memory where it can be."""
    if file.suffix == ".safetensors":
        with _safetensors(file) as opened:
            for name in names:
                yield name, opened.get_tensor(name)
    else:
        tensors = _pickled(file, "cpu")
        for name in names:
            yield name, tensors[name].contiguous()


def _rows(shape: list[int]) -> list[int] | None:
    return None if prod(shape) <= WHOLE else sorted({round(place * (shape[0] - 1)) for place in ROWS})


def _safetensors(file: Path) -> safe_open:
    try:
        return safe_open(file, framework="pt")
    except (SafetensorError, OSError) as error:
        raise _unreadable(file, error) from None


def _pickled(file: Path, device: str) -> dict[str, Tensor]:
    """A .bin file's tensors, by torch's unpickler that runs no code; mapped where torch can."""
    mapped = device != "meta" and zipfile.is_zipfile(file)  # files of before torch 1.6 cannot be mapped
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of another pickle protocol; what it leads to is told below
            tensors = torch.load(file, map_location=device, weights_only=True, mmap=mapped)
    except UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"it asks for {asked[1]}" if asked else "its pickle is damaged, or holds more than tensors"
        raise InputError(
            f"{file}: not readable ({reason}); expected tensors only, for no code of a checkpoint is ever run: "
            "take the published weights"
        ) from None
    except (RuntimeError, OSError, EOFError, ValueError) as error:
        raise _unreadable(file, error) from None
    if not isinstance(tensors, dict) or not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
        raise InputError(f"{file}: no table of tensors; expected a state dict: save the checkpoint again")
    return tensors


def _unreadable(file: Path, error: Exception) -> InputError:
    reason = " ".join(str(error).split())[:120]
    return InputError(f"{file}: not readable ({reason}); expected a whole weight file: fetch it again")
