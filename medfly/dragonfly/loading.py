"""A model's name or folder → model and processor, with the hash that says which model answered.

A name is an existing folder, else a built-in name (`mini`), else a repository on the Hugging Face hub. The
module knows no scans. It does not yet prove that every tensor arrived beyond transformers' own report.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor
from transformers.utils import logging as transformers_logging

from medfly.dragonfly.modeling import DragonflyForCausalLM
from medfly.dragonfly.processing import DragonflyProcessor
from medfly.types import InputError

DECISIVE = ("*.safetensors", "*config.json", "tokenizer.json", "special_tokens_map.json")
"""The files of a checkpoint that decide what it answers; a card or a licence does not."""
BUILT_IN = {"mini": Path(__file__).parent.parent / "models" / "mini"}


def resolve(name: str) -> Path:
    """The folder of a model. Raises InputError where there is none, or it holds no weights."""
    folder = Path(name).expanduser()
    if not folder.is_dir():
        folder = BUILT_IN.get(name) or _from_hub(name)
    if not (folder / "config.json").is_file():
        raise InputError(f"model {name!r}: no config.json in {folder}; expected a checkpoint folder, or {_known()}")
    if not any(folder.glob("*.safetensors")):
        raise InputError(
            f"model {name!r}: no *.safetensors in {folder}; expected the weights beside config.json: "
            "fetch or save the checkpoint again"
        )
    return folder


def _known() -> str:
    built_in, example = ", ".join(BUILT_IN), "togethercomputer/Llama-3.1-8B-Dragonfly-Med-v2"
    return f"a built-in name ({built_in}) or a hub repository such as {example}"


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise InputError(f"model {name!r}: no such folder; expected a checkpoint folder, or {_known()}")
    try:
        return Path(snapshot_download(name))
    except (HFValidationError, RepositoryNotFoundError):
        raise InputError(
            f"model {name!r}: no such folder or hub repository; expected a checkpoint or {_known()}"
        ) from None
    except (LocalEntryNotFoundError, OSError) as error:
        raise InputError(
            f"model {name!r}: no such folder, not in the cache, and the hub did not answer ({type(error).__name__}); "
            "expected a connection, or a folder with the checkpoint"
        ) from None


def load_pretrained(
    name: str, *, dtype: torch.dtype = torch.float32, device: str | None = None
) -> tuple[DragonflyForCausalLM, DragonflyProcessor]:
    """Model in evaluation mode, and its processor. Raises InputError for what cannot be loaded.

    device: by default a GPU where there is one.
    """
    folder = resolve(name)
    bar, verbosity = transformers_logging.is_progress_bar_enabled(), transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()  # what it would report is checked below
    try:
        loaded: Any = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype, output_loading_info=True)
        model, report = loaded
        processor = AutoProcessor.from_pretrained(folder)
    except (OSError, ValueError, KeyError, RuntimeError, json.JSONDecodeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"model {name!r}: not loadable as a Dragonfly checkpoint ({reason})") from None
    finally:
        if bar:
            transformers_logging.enable_progress_bar()
        transformers_logging.set_verbosity(verbosity)
    if not isinstance(model, DragonflyForCausalLM):
        raise InputError(f"model {name!r}: found {type(model).__name__}, expected a Dragonfly checkpoint")
    _refuse_incomplete(name, report)
    return model.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval(), processor  # type: ignore[arg-type]


def _refuse_incomplete(name: str, report: dict[str, Any]) -> None:
    """A model with a tensor left out or made up would answer, and wrongly."""
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        found = sorted(map(str, report.get(kind) or []))
        if found:
            raise InputError(
                f"model {name!r}: {len(found)} {kind.replace('_', ' ')}, the first {found[0]}; expected every "
                "tensor to fit: the checkpoint is damaged or of another architecture"
            )


def model_hash(name: str) -> str:
    """SHA-256 over the files that decide what a model answers: weights, configuration, tokenizer, processor."""
    folder, digest = resolve(name), hashlib.sha256()
    for file in sorted(file for pattern in DECISIVE for file in folder.glob(pattern)):
        digest.update(file.name.encode())
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
