"""A model by name for the commands, with a word on the terminal while it loads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

import medfly
from medfly.types import InputError

if TYPE_CHECKING:
    from medfly.engine import MedFly


def open_model(name: str, device: str | None) -> MedFly:
    """Raises InputError for a model that cannot be loaded and for a device that is not there."""
    with Console(stderr=True).status(f"loading {name} …"):
        _check_device(device)
        return medfly.load(name, device=device)


def _check_device(device: str | None) -> None:
    if device is None:
        return
    import torch

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):  # AssertionError: torch built without CUDA
        here = "cpu or cuda" if torch.cuda.is_available() else "cpu"
        raise InputError(f"device {device!r}: not here; expected {here}: leave --device off") from None
