"""A name → the folder of any transformers checkpoint, and the hash of the files that decide its answers.

Names mean what they mean in medfly.dragonfly.hub. Weights come as safetensors or not at all: other formats can run
code. The module loads no weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medfly.dragonfly.checkpoint import weight_files
from medfly.dragonfly.hashes import combined, file_hash
from medfly.dragonfly.hub import SAFETENSORS, described, has_weights, json_object, local, naming, snapshot
from medfly.types import InputError

SMALL = [
    "chat_template.json",
    "video_preprocessor_config.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "tokenizer.model",
]
"""What other models keep beside the files that a Dragonfly has."""
DECISIVE = ("*config.json", "tokenizer.json", "special_tokens_map.json", "chat_template.jinja", *SMALL)


def config(name: str) -> dict[str, Any]:
    """The fields of a model's config.json; of a repository on the hub only small files are fetched for it.

    Raises InputError for a name that means no model.
    """
    folder = described(name, SMALL)
    with naming(name):
        return json_object(folder / "config.json")


def find(name: str) -> Path:
    """The folder with all that a model needs. Raises InputError where it is not there, or is not safetensors."""
    folder = described(name, SMALL)
    with naming(name):
        if local(name) is None and not has_weights(folder):
            snapshot(name, SAFETENSORS, folder.name)
        if (folder / "adapter_config.json").is_file():
            raise InputError(
                f"{folder}: adapter_config.json, an adapter; expected a whole model: merge the two and save the result"
            )
        if any(file.suffix != ".safetensors" for file in weight_files(folder)):
            raise InputError(
                f"{folder}: weights as Python pickles, which can run code; expected model.safetensors: save the model "
                "with save_pretrained first"
            )
    return folder


def model_hash(folder: Path) -> str:
    """One SHA-256 over names and contents of weights, configuration, tokenizer, processor and chat template."""
    files = weight_files(folder) + [file for pattern in DECISIVE for file in folder.glob(pattern)]
    return combined({file.name: file_hash(file) for file in files})
