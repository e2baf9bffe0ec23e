"""Did every tensor of a checkpoint arrive in the model? The accounting, tensor by tensor.

It is independent of transformers' report: names and shapes are read from the weight files' headers, and after
loading some values are read again. Once, a model class that was registered without a key conversion lost most
of its tensors without a word.

The module knows nothing of files but what medfly.dragonfly.checkpoint tells, and runs no model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from transformers import PreTrainedModel

from medfly.dragonfly.checkpoint import Stored, headers, samples, weight_files
from medfly.dragonfly.configuration import DragonflyConfig
from medfly.dragonfly.modeling import DragonflyForCausalLM

State = Literal["loaded", "renamed", "tied", "left", "shape differs", "missing", "unexpected"]

RENAMED = ("image_encoder.vision_model.", "image_encoder.")
"""transformers 5 flattened CLIPVisionModel; checkpoints keep the nested name."""
LEFT = (".position_ids", ".rotary_emb.inv_freq")
"""Tables that old versions stored and that are computed today."""
REMEDY: dict[State, str] = {
    "shape differs": "the weights and config.json do not belong together: fetch the checkpoint again",
    "missing": "fetch or save the checkpoint again",
    "unexpected": "the checkpoint is of another architecture or version than config.json says: fetch it again",
}
"""The states that leave a tensor unaccounted for, in the order in which they are told, and what to do."""


@dataclass(frozen=True)
class Entry:
    """What became of one tensor.

    checkpoint: its name in the file, None where the file has none. model: its name in the model, likewise.
    found: its shape in the file. expected: its shape in the model. dtype: in the file.
    source: for a tied one, the model's tensor that it shares.
    """

    state: State
    checkpoint: str | None = None
    model: str | None = None
    found: tuple[int, ...] | None = None
    expected: tuple[int, ...] | None = None
    dtype: str | None = None
    file: str | None = None
    source: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Without what is not known of it."""
        known = {key: value for key, value in vars(self).items() if value is not None}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in known.items()}

    def line(self) -> str:
        found = f"{list(self.found)} in {self.file}" if self.found is not None else "nothing"
        expected = str(list(self.expected)) if self.expected is not None else "no such tensor"
        return f"{self.checkpoint or self.model}: {self.state}: found {found}, expected {expected}"


@dataclass(frozen=True)
class Account:
    """Every tensor of a checkpoint and of a model, each with one state."""

    entries: tuple[Entry, ...]

    @property
    def counts(self) -> dict[State, int]:
        """How many are in which state; states that do not occur are left out."""
        found = Counter(entry.state for entry in self.entries)
        return {state: found[state] for state in get_args(State) if found[state]}

    @property
    def complete(self) -> bool:
        return not self.offenders

    @property
    def offenders(self) -> list[Entry]:
        """The tensors that are not accounted for, the worst kind first."""
        return [entry for state in REMEDY for entry in self.entries if entry.state == state]

    def line(self) -> str:
        """The counts; where the account is not complete also the first offender and what to do."""
        counts = ", ".join(f"{count} {state}" for state, count in self.counts.items())
        if self.complete:
            return f"all {len(self.entries)} tensors accounted for: {counts}"
        first = self.offenders[0]
        return (
            f"{len(self.offenders)} of {len(self.entries)} tensors not accounted for ({counts}); the first: "
            f"{first.line()}: {REMEDY[first.state]}"
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "complete": self.complete,
            "counts": self.counts,
            "tensors": [entry.to_dict() for entry in self.entries],
        }


def skeleton(config: DragonflyConfig) -> DragonflyForCausalLM:
    """The model of a configuration with names and shapes, and no weights (on the meta device)."""
    with torch.device("meta"):
        return DragonflyForCausalLM(config)


def account(folder: Path, model: PreTrainedModel) -> Account:
    """The checkpoint in `folder` against a model that is not quantised; a skeleton will do.

    Raises InputError where the weight files cannot be read.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    entries: list[Entry] = []
    arrived: set[str] = set()
    for stored in headers(folder):
        entry = _entry(stored, wanted, arrived)
        entries.append(entry)
        if entry.model is not None:
            arrived.add(entry.model)
    tied = _tied(model)
    for name in (name for name in wanted if name not in arrived):
        source = next((other for other in tied.get(name, ()) if other in arrived), None)
        entries.append(Entry("tied" if source else "missing", model=name, expected=wanted[name], source=source))
    return Account(tuple(entries))


def _entry(stored: Stored, wanted: dict[str, tuple[int, ...]], arrived: Collection[str]) -> Entry:
    name = _name_in_model(stored.name, wanted)
    facts: dict[str, Any] = {
        "checkpoint": stored.name,
        "found": stored.shape,
        "dtype": stored.dtype,
        "file": stored.file,
    }
    if name is None:
        return Entry("left" if stored.name.endswith(LEFT) else "unexpected", **facts)
    if name in arrived:  # twice in the checkpoint: which one counts would be chance
        return Entry("unexpected", **facts)
    facts |= {"model": name, "expected": wanted[name]}
    if stored.shape != wanted[name]:
        return Entry("shape differs", **facts)
    return Entry("loaded" if name == stored.name else "renamed", **facts)


def _name_in_model(name: str, wanted: Collection[str]) -> str | None:
    if name in wanted:
        return name
    nested, flat = RENAMED
    renamed = flat + name.removeprefix(nested) if name.startswith(nested) else None
    return renamed if renamed in wanted else None


def _tied(model: PreTrainedModel) -> dict[str, list[str]]:
    """Name → the other names of the same tensor. The model shares one where its configuration says so."""
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return {name: [other for other in same if other != name] for same in names.values() for name in same}


@torch.no_grad()
def unarrived(folder: Path, model: PreTrainedModel) -> list[str]:
    """Names of the loaded model's tensors whose values are not the file's, after the cast to the model's type.

    A spot check: small tensors whole, five rows of a larger one; a parameter that the file does not have must be
    tied to one that it has. Quantised tensors, which hold other numbers, and those that lie on no device of the
    model (offloaded) are passed over. Raises InputError where the weight files cannot be read.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    tensors = parameters | dict(model.named_buffers(remove_duplicate=False))
    names: dict[str, dict[str, str]] = {}  # file → name in the file → name in the model
    for stored in headers(folder):
        name = _name_in_model(stored.name, tensors)
        if name and not stored.name.endswith(LEFT):
            names.setdefault(stored.file, {})[stored.name] = name
    wrong = []
    for file in weight_files(folder):
        mine = names.get(file.name, {})
        comparable = [stored for stored, name in mine.items() if _comparable(tensors[name])]
        for stored, rows, values in samples(file, comparable):
            if not _same(values, tensors[mine[stored]], rows):
                wrong.append(mine[stored])
    filled = {id(tensors[name]) for mine in names.values() for name in mine.values()}
    return wrong + [name for name, one in parameters.items() if id(one) not in filled and not one.is_meta]


def _comparable(tensor: Tensor) -> bool:
    """Not quantised and not offloaded. Nothing is read of the file for one that cannot be compared."""
    return not tensor.is_meta and tensor.dtype not in (torch.int8, torch.uint8)


def _same(values: Tensor, tensor: Tensor, rows: list[int] | None) -> bool:
    if rows is not None and rows[-1] >= len(tensor):
        return False
    here = tensor if rows is None else tensor[rows]
    values = values.to(device=here.device, dtype=here.dtype)
    return values.shape == here.shape and bool(torch.all((values == here) | (values.isnan() & here.isnan())))
