"""Which model the commands ask, in which precision and where; with a word on the terminal while it loads.

`medfly ask` takes MedFly's own models. `medfly eval` takes others, too: checkpoints of transformers, and served ones.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.status import Status

import medfly
from medfly.cli.hashing import hash_files
from medfly.trust.calibrated import Calibration, CalibrationWarning
from medfly.types import Answer, InputError, Scan

if TYPE_CHECKING:
    from medfly.engine import MedFly


class Named(Protocol):
    """A model with a name, and a hash that changes whenever its weights do."""

    name: str
    hash: str


@dataclass(frozen=True)
class ModelChoice:
    """The options of one model, as `medfly.dragonfly.loading.load_pretrained` explains them; quantize: int8 or nf4.

    base_url: of the server that has a model of this name; allow_upload: it may be another machine.
    calibration: a calibration.json in place of the one beside the model; no_calibration: neither of them.
    """

    name: str = "mini"
    device: str | None = None
    dtype: str = "auto"
    quantize: str | None = None
    allow_unaccounted: bool = False
    base_url: str | None = None
    allow_upload: bool = False
    calibration: Path | None = None
    no_calibration: bool = False

    def identity(self, model: Named, device: str = "cpu") -> dict[str, str]:
        """Name, and a hash that changes whenever the answers may: the model's, a precision that was chosen, a GPU."""
        chosen = [self.quantize, self.dtype if self.dtype != "auto" else None, device if device != "cpu" else None]
        return {"name": model.name, "hash": "+".join([model.hash, *filter(None, chosen)])}


@dataclass(frozen=True)
class Answerer:
    """Any model as the harness asks it.

    identity: "name" and "hash". answer: samples → answers in their order; batches: it takes a batch_size, otherwise it
    asks one question at a time; evidence: it takes evidence, as `MedFly.answer` explains it. explain: one answer with
    its evidence, None from a model that has none to give.
    computes_here: in this process, and not on a server.
    """

    identity: dict[str, str]
    answer: Callable[..., Iterator[Answer]]
    batches: bool = False
    evidence: bool = False
    computes_here: bool = True
    explain: Callable[[Scan, str], Answer | None] = lambda scan, question: None


def open_answerer(choice: ModelChoice) -> Answerer:
    """The model at base_url where one is given, else MedFly's own or transformers', as its config.json says.

    Raises InputError for a model that cannot be loaded or reached, and for options that it does not have.
    """
    if choice.base_url is not None:
        return _served(choice, choice.base_url)
    with _loading(choice.name):
        from medfly.dragonfly.loading import check_device, known_dtype  # torch and transformers: seconds
        from medfly.peers.checkpoint import config

        check_device(choice.device)
        known_dtype(choice.dtype)
        kind = config(choice.name).get("model_type")
    choice = _with_own_device(choice)
    if kind != "dragonfly":
        return _of_transformers(choice, kind)
    fly = open_model(choice)
    return Answerer(
        choice.identity(fly, fly.model.device.type), fly.answer, batches=True, evidence=True, explain=fly.ask
    )


def _with_own_device(choice: ModelChoice) -> ModelChoice:
    """Of several processes on a machine, each takes a GPU of its own, unless one was chosen."""
    import torch

    local = os.environ.get("LOCAL_RANK")
    if local is None or choice.device is not None or not torch.cuda.is_available():
        return choice
    return replace(choice, device=f"cuda:{int(local) % torch.cuda.device_count()}")


def _of_transformers(choice: ModelChoice, kind: object) -> Answerer:
    if choice.quantize is not None:
        raise InputError(
            f"quantize {choice.quantize!r}: model {choice.name!r} is a {kind}, expected a Dragonfly: leave it off, or "
            "serve the model quantised and give --base_url"
        )
    from medfly.peers import transformers_model
    from medfly.peers.checkpoint import find

    find(choice.name)  # outside the status line, which would hide the bars of what is fetched
    with _loading(choice.name), _told():
        peer = transformers_model.load(
            choice.name, dtype=choice.dtype, device=choice.device, allow_unaccounted=choice.allow_unaccounted
        )
    return Answerer(choice.identity(peer, peer.model.device.type), peer.answer)


def _served(choice: ModelChoice, base_url: str) -> Answerer:
    given = [name for name in ("device", "dtype", "quantize", "allow_unaccounted") if _is_set(choice, name)]
    if given:
        raise InputError(f"--{given[0]} with --base_url: how a served model computes is its server's: leave it off")
    from medfly.peers.endpoint import Endpoint

    endpoint = Endpoint(base_url, choice.name, allow_upload=choice.allow_upload)
    return Answerer(choice.identity(endpoint), endpoint.answer, computes_here=False)


def _is_set(choice: ModelChoice, option: str) -> bool:
    return getattr(choice, option) != getattr(ModelChoice(), option)


def open_model(choice: ModelChoice) -> MedFly:
    """One of MedFly's own. Raises InputError for a model that cannot be loaded, a device that is not there, and a
    calibration that is none or another model's.
    """
    if choice.calibration is not None and choice.no_calibration:
        raise InputError("--calibration and --no_calibration: expected one of them: leave one off")
    given = Calibration.read(choice.calibration) if choice.calibration is not None else None
    with _loading(choice.name):
        from medfly.dragonfly.hub import resolve  # torch and transformers: seconds
        from medfly.dragonfly.loading import check_device, known_dtype
        from medfly.dragonfly.quantization import quantization

        check_device(choice.device)
        known_dtype(choice.dtype)
        quantised = quantization(choice.quantize, choice.device) if choice.quantize is not None else None
    hash_files(resolve(choice.name))  # outside the status line, which would hide their bars
    with _loading(choice.name), _told():
        fly = medfly.load(
            choice.name,
            dtype=choice.dtype,
            device=choice.device,
            quantization_config=quantised,
            allow_unaccounted=choice.allow_unaccounted,
        )
    if given is not None:
        fly.calibration = given.checked(fly.hash, fly.model.precision)
    elif choice.no_calibration:
        fly.calibration = None
    return fly


def _loading(name: str) -> Status:
    return Console(stderr=True).status(f"loading {name} …")


@contextmanager
def _told() -> Iterator[None]:
    """MedFly's own warnings of a model are one line on stderr; others go the way that they would have gone."""
    from medfly.dragonfly.loading import UnaccountedWarning

    own = (UnaccountedWarning, CalibrationWarning)
    with warnings.catch_warnings(record=True) as caught:
        for kind in own:
            warnings.simplefilter("always", kind)
        yield
    for warning in caught:
        if issubclass(warning.category, own):
            print(f"medfly: warning: {' '.join(str(warning.message).split())}", file=sys.stderr)
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
