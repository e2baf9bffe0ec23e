"""Which model was it? SHA-256 of the files that decide what a model answers, and one hash over all of them.

The hashes of large files are kept, so that they are not computed again for each question: one small JSON file
for each hashed file, under `$MEDFLY_CACHE`, `$XDG_CACHE_HOME/medfly` or `~/.cache/medfly`. A kept hash holds for
the same path with the same size, times and inode. It is a convenience only: what cannot be read or written is
computed again. Neither paths nor anything of a patient is in it.

The module loads no weights.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from medfly import cache
from medfly.dragonfly.checkpoint import weight_files
from medfly.dragonfly.hub import read_config
from medfly.types import InputError

DECISIVE = ("*config.json", "tokenizer.json", "special_tokens_map.json")
"""The files beside the weights that decide what a model answers; a card or a licence does not."""
CHUNK = 1 << 22
SETTLED = 2.0
"""Seconds after which a second change of a file is sure to change its times, too, on any file system."""

Progress = Callable[[int], None]
"""Told how many bytes more have been read."""


def decisive_files(folder: Path) -> dict[str, Path]:
    """Weights, configuration, tokenizer, processor, and the vision tower's configuration if it has a folder, by name.

    Raises InputError where the weights are not there or config.json is no Dragonfly's.
    """
    files = weight_files(folder) + [file for pattern in DECISIVE for file in folder.glob(pattern)]
    named = {file.name: file for file in files}
    tower = read_config(folder).get("image_encoder")
    if isinstance(tower, str) and tower:
        named |= {f"{tower}/{file.name}": file for file in (folder / tower).glob("*config.json")}
    return dict(sorted(named.items()))


def file_hashes(folder: Path, progress: Progress | None = None) -> dict[str, str]:
    """Name → SHA-256 of every decisive file."""
    return {name: file_hash(file, progress) for name, file in decisive_files(folder).items()}


def model_hash(folder: Path) -> str:
    """One hash over names and contents of the decisive files: equal hashes, equal answers."""
    return combined(file_hashes(folder))


def combined(hashes: dict[str, str]) -> str:
    """The model's hash of its files' names and SHA-256."""
    digest = hashlib.sha256()
    for name, value in sorted(hashes.items()):
        digest.update(name.encode())
        digest.update(bytes.fromhex(value))
    return digest.hexdigest()


def file_hash(file: Path, progress: Progress | None = None) -> str:
    """SHA-256 of a file, from the cache if it was computed before.

    Raises InputError where the file cannot be read, or is not what the hub says that it is.
    """
    kept = _kept(file)
    if kept is not None:
        return kept
    try:
        before = _identity(file)
        value = _computed(file, progress)
        after = _identity(file)
    except OSError as error:
        raise InputError(f"{file}: not readable ({error.strerror}); expected a file of the model: check it") from None
    _compare_with_hub(file, value)
    if before == after and time.time() - max(after["mtime_ns"], after["ctime_ns"]) / 1e9 > SETTLED:
        _keep(file, after, value)
    return value


def unhashed_bytes(folder: Path) -> int:
    """How many bytes must still be read for the model's hash."""
    return sum(file.stat().st_size for file in decisive_files(folder).values() if _kept(file) is None)


def _computed(file: Path, progress: Progress | None) -> str:
    digest = hashlib.sha256()
    with file.open("rb", buffering=0) as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            if progress:
                progress(len(chunk))
    return digest.hexdigest()


def _compare_with_hub(file: Path, value: str) -> None:
    # huggingface_hub names a large file in its cache by the SHA-256 that the hub declared. It says what was
    # asked for, not what lies on the disk, so it is compared and not believed.
    real = file.resolve()
    if real.parent.name == "blobs" and re.fullmatch("[0-9a-f]{64}", real.name) and real.name != value:
        raise InputError(
            f"{file}: SHA-256 {value[:12]}…, expected {real.name[:12]}… as the hub declared: the download is "
            f"damaged: remove {real} and fetch it again"
        )


def _identity(file: Path) -> dict[str, int]:
    facts = file.stat()
    return {
        "size": facts.st_size,
        "mtime_ns": facts.st_mtime_ns,
        "ctime_ns": facts.st_ctime_ns,
        "inode": facts.st_ino,
    }


def cache_folder() -> Path:
    """Where hashes are kept."""
    return cache.cache_folder("hashes")


def _place(file: Path) -> Path:
    # One file for each: two processes at once write different files, or the same thing into one.
    return cache_folder() / f"{hashlib.sha256(os.fsencode(file.resolve())).hexdigest()}.json"


def _kept(file: Path) -> str | None:
    try:
        entry = json.loads(_place(file).read_text())
        value = entry.pop("sha256")
        return value if entry == _identity(file) and re.fullmatch("[0-9a-f]{64}", value) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):  # RuntimeError: no home folder
        return None


def _keep(file: Path, identity: dict[str, int], value: str) -> None:
    """Written beside its place and moved there, so that nobody reads half of it."""
    temporary = None
    try:
        place = _place(file)
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=place.parent, prefix=".", delete=False) as stream:
            temporary = Path(stream.name)
            json.dump({**identity, "sha256": value}, stream)
        temporary.replace(place)
    except (OSError, RuntimeError):  # a full or read-only disk: it is computed again next time
        if temporary is not None:
            temporary.unlink(missing_ok=True)
