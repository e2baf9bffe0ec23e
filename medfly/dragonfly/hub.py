"""A model's name → the folder of its checkpoint, fetched from the Hugging Face hub where it is not here.

A name is an existing folder, else a built-in name (`mini`), else a repository on the hub. The small files come
first: a repository that is no Dragonfly, or asks for code, is refused before its weights are fetched. Only what a
model needs is fetched. The module loads no weights.
"""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import is_offline_mode, snapshot_download
from huggingface_hub import logging as hub_logging
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    IncompleteSnapshotError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from huggingface_hub.utils.tqdm import tqdm as hub_bar

from medfly.dragonfly.checkpoint import weight_files
from medfly.types import InputError

BUILT_IN = {"mini": Path(__file__).parent.parent / "models" / "mini"}
EXAMPLE = "togethercomputer/Llama-3.1-8B-Dragonfly-Med-v2"

# Patterns stand for whole paths within a repository: none of these reaches into a folder.
SMALL = [
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "calibration.json",
    "README.md",
    "LICENSE*",
    "NOTICE*",
    "USE_POLICY*",
]
SAFETENSORS = ["model.safetensors", "model-*.safetensors", "model.safetensors.index.json"]
PICKLED = ["pytorch_model.bin", "pytorch_model-*.bin", "pytorch_model.bin.index.json"]
"""Fetched only where the repository has no safetensors."""


def resolve(name: str) -> Path:
    """The folder of a model, with config.json and weights in it. Raises InputError where there is none."""
    with naming(name):
        folder = local(name) or _fetched(name)
        _check_is_there(folder)
        weight_files(folder)
    return folder


def local(name: str) -> Path | None:
    """The folder that a name means on this machine: one of the user's, or a built-in model's."""
    folder = Path(os.path.expanduser(name))
    if name.strip() and os.path.isdir(folder):  # Path.is_dir raises for a name that is too long
        return folder
    return BUILT_IN.get(name)


def described(name: str, files: Sequence[str] = ()) -> Path:
    """The folder of any model, not of a Dragonfly only, with its small files in it; the weights may not be there yet.

    files: patterns of more files than a Dragonfly has. Raises InputError.
    """
    with naming(name):
        folder = local(name) or _small_files(name, files)
        _check_is_there(folder)
    return folder


@contextmanager
def naming(name: str) -> Iterator[None]:
    """An InputError that does not say which model it is about says so."""
    try:
        yield
    except InputError as error:
        text = str(error)
        raise InputError(text if name and name in text else f"model {name!r}: {text}") from None


def _known() -> str:
    return f"a built-in name ({', '.join(BUILT_IN)}) or a hub repository such as {EXAMPLE}"


def _check_is_there(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise InputError(f"no config.json in {folder}; expected a checkpoint folder, or {_known()}")


def read_config(folder: Path) -> dict[str, Any]:
    """The fields of config.json. Raises InputError where it is not a Dragonfly's, or a configuration asks for code."""
    _check_is_there(folder)
    config = json_object(folder / "config.json")
    tower = _tower_folder(config)
    files = [*folder.glob("*config.json"), *((folder / tower).glob("*config.json") if tower else [])]
    for file in files:
        if "auto_map" in _keys(json_object(file)):
            raise InputError(
                f"{file}: auto_map asks for code of its own, which is never run; expected a checkpoint that needs "
                "none: take the published one"
            )
    if config.get("model_type") != "dragonfly":
        raise InputError(
            f"{folder / 'config.json'}: model_type {config.get('model_type')!r}, expected 'dragonfly': MedFly reads "
            f"Dragonfly checkpoints only, such as {EXAMPLE}"
        )
    return config


def json_object(file: Path) -> dict[str, Any]:
    """The fields of a JSON file. Raises InputError where it is none."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not JSON"
        raise InputError(f"{file}: not readable ({reason}); expected a JSON object: fetch it again") from None
    if not isinstance(content, dict):
        raise InputError(f"{file}: a JSON {type(content).__name__}, expected a JSON object: fetch it again")
    return content


def _keys(value: Any) -> Iterator[str]:
    """The keys of an object and of all that are nested in it."""
    if isinstance(value, dict):
        yield from value
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _keys(inner)


def _tower_folder(config: dict[str, Any]) -> str | None:
    """The folder within the checkpoint that may describe the vision tower."""
    tower = config.get("image_encoder")
    if not isinstance(tower, str) or not tower.strip("./") or os.path.isabs(tower) or ".." in Path(tower).parts:
        return None
    return tower.removeprefix("./").rstrip("/")


def _fetched(name: str) -> Path:
    """The folder of the repository's newest version in the hub's cache; what is missing there is fetched."""
    folder = _small_files(name)
    version = folder.name  # one version for all that follows, whatever is uploaded meanwhile
    tower = _tower_folder(read_config(folder))
    if tower:
        # Its weights are in the checkpoint's own: a file of them beside its configuration is redundant.
        beside = [f"{glob.escape(tower)}/{file}" for file in ("config.json", "preprocessor_config.json")]
        snapshot(name, beside, version, bar=NoBar)
        read_config(folder)
    for patterns in (SAFETENSORS, PICKLED):
        if not has_weights(folder):
            snapshot(name, patterns, version)
    return folder


def _small_files(name: str, more: Sequence[str] = ()) -> Path:
    if os.path.exists(os.path.expanduser(name)) and name.strip():
        raise InputError(f"a file, expected the folder that holds it, or {_known()}")
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise InputError(f"no such folder; expected a checkpoint folder, or {_known()}")
    return snapshot(name, [*SMALL, *more], bar=NoBar)


def has_weights(folder: Path) -> bool:
    """Whether all files are there that hold its weights."""
    try:
        return bool(weight_files(folder))
    except InputError:
        return False


class NoBar(hub_bar):
    """For what is there in a moment, or already."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "disable": True})


def snapshot(name: str, patterns: list[str], version: str | None = None, bar: type[hub_bar] = hub_bar) -> Path:
    """Fetch the files of a repository that fit the patterns. Progress goes to stderr. Raises InputError.

    What the hub's library says of an error is not passed on: addresses in it may carry a signature.
    """
    verbosity = hub_logging.get_verbosity()
    hub_logging.set_verbosity_error()  # its warnings of each failed attempt; what became of it is told below
    try:
        return Path(snapshot_download(name, allow_patterns=patterns, revision=version, tqdm_class=bar))
    except HFValidationError:
        reason = (
            f"no such folder, and no name that a hub repository can have; expected a checkpoint folder, or {_known()}"
        )
    except GatedRepoError:
        reason = (
            "its files are given only to those who accepted its licence; expected a token of such an account: accept "
            f"it on https://huggingface.co/{name}, then log in with `hf auth login` or set HF_TOKEN"
        )
    except RepositoryNotFoundError:
        reason = (
            f"no such folder or hub repository; expected a checkpoint folder, or {_known()}: check the spelling; for "
            "a private one log in with `hf auth login` or set HF_TOKEN"
        )
    except IncompleteSnapshotError as error:
        reason = f"only a part of it is in the cache, and {_silent(error.__cause__)}"
    except LocalEntryNotFoundError as error:
        reason = f"no such folder, not in the cache, and {_silent(error.__cause__)}"
    except HfHubHTTPError as error:
        reason = _silent(error)
    except Exception as error:  # of whichever library moves the bytes, and a full disk
        why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        reason = f"broken off while it was fetched ({why}); expected a connection and room: the same again goes on"
    finally:
        hub_logging.set_verbosity(verbosity)
    raise InputError(reason)


def _silent(error: BaseException | None) -> str:
    """Why nothing came from the hub, and what to do."""
    if is_offline_mode():
        return "HF_HUB_OFFLINE keeps MedFly from asking the hub; expected it in the cache: ask once without"
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        if status == 401:
            return "the hub asks who you are (401); expected a valid token: `hf auth login`, or correct HF_TOKEN"
        return f"the hub answered with an error ({status}); expected the files: try again later, or give a folder"
    why = f" ({type(error).__name__})" if error else ""
    return f"the hub did not answer{why}; expected a connection, or a folder with the checkpoint"
