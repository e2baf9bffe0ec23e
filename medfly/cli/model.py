"""Which model the commands ask, in which precision and where; with a word on the terminal while it loads."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console

import medfly
from medfly.cli.hashing import hash_files

if TYPE_CHECKING:
    from medfly.engine import MedFly


@dataclass(frozen=True)
class ModelChoice:
    """The options of one model, as `medfly.dragonfly.loading.load_pretrained` explains them; quantize: int8 or nf4."""

    name: str = "mini"
    device: str | None = None
    dtype: str = "auto"
    quantize: str | None = None
    allow_unaccounted: bool = False

    def identity(self, fly: MedFly) -> dict[str, str]:
        """Name, and a hash that changes whenever the answers may: the model's, and the precision if one was chosen."""
        chosen = [part for part in (self.quantize, self.dtype if self.dtype != "auto" else None) if part]
        return {"name": fly.name, "hash": "+".join([fly.hash, *chosen])}


def open_model(choice: ModelChoice) -> MedFly:
    """Raises InputError for a model that cannot be loaded and for a device that is not there."""
    with Console(stderr=True).status(f"loading {choice.name} …"):
        from medfly.dragonfly.hub import resolve  # torch and transformers: seconds
        from medfly.dragonfly.loading import UnaccountedWarning, check_device, known_dtype
        from medfly.dragonfly.quantization import quantization

        check_device(choice.device)
        known_dtype(choice.dtype)
        quantised = quantization(choice.quantize, choice.device) if choice.quantize is not None else None
    hash_files(resolve(choice.name))  # outside the status line, which would hide their bars
    with Console(stderr=True).status(f"loading {choice.name} …"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UnaccountedWarning)
        fly = medfly.load(
            choice.name,
            dtype=choice.dtype,
            device=choice.device,
            quantization_config=quantised,
            allow_unaccounted=choice.allow_unaccounted,
        )
    for warning in caught:  # MedFly's own are one line on stderr; others go the way that they would have gone
        if issubclass(warning.category, UnaccountedWarning):
            print(f"medfly: warning: {' '.join(str(warning.message).split())}", file=sys.stderr)
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return fly
