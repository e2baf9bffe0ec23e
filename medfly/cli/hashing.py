"""The model's hash for the commands, with a bar on the terminal where gigabytes must be read for it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

LARGE = 1 << 29
"""Bytes; less is read before anybody would look at a bar."""


def hash_files(folder: Path) -> dict[str, str]:
    """Name → SHA-256 of every file that decides what the model answers; kept for the next time. Raises InputError."""
    from medfly.dragonfly.hashes import file_hashes, unhashed_bytes

    console, total = Console(stderr=True), unhashed_bytes(folder)
    if total < LARGE or not console.is_terminal:
        return file_hashes(folder)
    columns = (TextColumn("hashing, once"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=total)
        return file_hashes(folder, lambda count: progress.advance(task, count))
