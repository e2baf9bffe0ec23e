"""run.json: what was asked of whom, which must not change when a run goes on, and how it was made, which may.

"made" has an entry for each start: the command as typed, versions, machine, time, number of processes. It knows no
model: name and hash come from outside.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks import predictions
from benchmarks.shards import PARTS, WHOLE, Share
from medfly.types import InputError, Sample

PACKAGES = ("medfly", "torch", "transformers", "numpy", "pillow", "pydicom", "openai")
NAME = "run.json"


def identity(
    samples: Sequence[Sample],
    *,
    model: Mapping[str, str],
    task: str,
    split: str,
    prompt: Mapping[str, str],
    batch_size: int,
    max_new_tokens: int | None,
) -> dict[str, Any]:
    """What makes it this run: equal identities, equal predictions.

    prompt: "name" and "version". batch_size: questions of one image that are asked together.
    """
    questions = [[s.id, s.image, s.question, s.answer, s.answer_type] for s in samples]
    loaders = {s.image: s.scan for s in samples}  # the samples of one image share one scan
    images = sorted((name, scan.content_hash) for name, scan in loaders.items())
    return {
        "task": task,
        "split": split,
        "model": {"name": model["name"], "hash": model["hash"]},
        "prompt": dict(prompt),
        "batch_size": batch_size,
        "max_new_tokens": max_new_tokens,
        "samples": len(samples),
        "questions_hash": hash_of(questions),
        "images_hash": hash_of(images),  # the same questions about blank or shuffled images are another run
    }


def made(share: Share, threads: int | None) -> dict[str, Any]:
    """How this start of the run is made; the command names paths, and no patient unless a path does.

    threads: that the model computes with in each process, None where it computes elsewhere.
    """
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "processes": share.world,
        "threads": threads,
        "machine": {"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()},
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
    }


def threads_of(folder: Path) -> int | None:
    """The threads that a run was begun with; None where there is no record of it."""
    try:
        threads = json.loads((folder / NAME).read_bytes())["made"][0]["threads"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return threads if isinstance(threads, int) and threads > 0 else None


def check_folder(path: Path, option: str) -> None:
    """Raises InputError where no folder can be made, before minutes are spent. option: what names it."""
    there = path.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise InputError(
            f"{option} {str(path)!r}: {str(there)!r} is no folder to write to; expected one: choose another"
        )


def claim(folder: Path, run: Mapping[str, Any], start: Mapping[str, Any] | None) -> None:
    """Make the folder this run's, or find that it is already, and note the start there (None: note nothing).

    Raises InputError where the folder is another run's or cannot be used.
    """
    check_folder(folder, "output_path")
    path = folder / NAME
    remedy = "choose another --output_path, or remove that folder"
    starts: list[Any] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists():
            found = json.loads(path.read_bytes())
            _same(found, run, folder, remedy)
            starts = found.get("made", [])
        elif left := [folder / WHOLE, *folder.glob(PARTS)][not (folder / WHOLE).exists() :]:
            raise InputError(f"{folder}: found {left[0].name} without {NAME}; expected both or none: {remedy}")
        if start is not None:
            predictions.write_json(path, {**run, "made": [*starts, start]})
        elif not path.exists():
            predictions.write_json(path, {**run, "made": []}, anew=True)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no JSON"
        raise InputError(f"{path}: cannot be used ({why}); expected this run's record: {remedy}") from None


def _same(found: Any, run: Mapping[str, Any], folder: Path, remedy: str) -> None:
    if not isinstance(found, dict):
        raise InputError(f"{folder / NAME}: found no object; expected this run's record: {remedy}")
    for key, expected in run.items():
        there = found.get(key)
        if key == "model":  # a renamed model is the same model
            key, expected = "model hash", expected["hash"]
            there = there.get("hash") if isinstance(there, dict) else None
        if there != expected:
            raise InputError(f"{folder} holds another run: found {key} {there!r}, expected {expected!r}: {remedy}")


def hash_of(value: Any) -> str:
    """SHA-256 of the value's JSON, hexadecimal: to tell one list of questions from another in a few letters."""
    return hashlib.sha256(json.dumps(value, ensure_ascii=True).encode()).hexdigest()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
