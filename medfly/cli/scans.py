"""What a path on the command line stands for: the scans to ask about, in order, and what each is called.

A file is one scan, or a volume of which some frames are taken; a folder, a ZIP or a DICOMDIR is everything in it.
Scans are opened when their turn comes. It knows neither models nor questions.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from data_adapters import Catalogue, catalogue, read
from data_adapters.catalogue import Series
from data_adapters.listing import is_collection
from data_adapters.refusal import naming
from medfly.tiling import FRAMES, montage
from medfly.types import InputError, Scan, Volume

KEY_FRAMES = 5


@dataclass(frozen=True)
class Item:
    """One scan to ask about. source: what to call it.

    open: window → the scan and the window to show it in; a montage has been windowed when it is made.
    """

    source: str
    open: Callable[[str | None], tuple[Scan, str | None]]


def items(path: Path, frame: int | None, slices: str | None, console: Console) -> Iterator[Item]:
    """The scans that a path stands for, found as they are asked for. Raises InputError.

    In a folder or archive, a file that cannot be opened is an item that raises when it is opened.
    """
    if frame is not None and slices is not None:
        raise InputError("--frame and --slices: found both; expected one of them: leave one off")
    if slices is not None:
        _parsed(slices)  # a mistake is told before a file is opened
    with naming(repr(str(path))):
        collection = is_collection(path)
    if not collection:
        yield from _of(str(path), read(path), frame, slices)
        return
    found = _catalogue(path, console)
    if not found.series:
        found.only()  # raises, with the reasons
    for one in found.series:
        yield from _of_series(one, path, frame, slices)
    for reason, count in found.skipped.items():
        console.print(f"medfly: passed over: {count} × {reason}", highlight=False, markup=False)


def _catalogue(path: Path, console: Console) -> Catalogue:
    columns = (TextColumn("looking at files"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        return catalogue(path, progress=lambda done, total: progress.update(task, completed=done, total=total))


def _of_series(series: Series, folder: Path, frame: int | None, slices: str | None) -> Iterator[Item]:
    source = series.label
    if series.kind != "dicom":  # pictures have nothing but their names to tell them apart
        file = series.files[0]
        source = f"{file.member or os.path.relpath(file.path, folder)}"
    try:
        opened = series.open()
        # A single image among volumes is asked about as it is.
        yield from _of(source, opened, frame, slices if isinstance(opened, Volume) else None)
    except InputError as error:
        yield Item(source, partial(_refuse, error))


def _refuse(error: InputError, window: str | None) -> tuple[Scan, str | None]:
    raise error


def _of(source: str, opened: Scan | Volume, frame: int | None, slices: str | None) -> list[Item]:
    """The items of one file or series. Raises InputError for frames that are not there."""
    if isinstance(opened, Scan):
        if slices is not None:
            raise InputError(f"--slices {slices}: {source!r} is one frame; expected a volume: leave --slices off")
        if frame:
            raise InputError(f"{source!r}: found frame {frame} of 1; expected 0: leave --frame off")
        return [Item(source, lambda window: (opened, window))]
    count = len(opened)
    if slices is not None and slices.startswith("montage"):
        frames = opened.key_frames(_count(slices, FRAMES))
        return [Item(f"{source}, montage", lambda window: (montage(opened, frames, window=window), None))]
    chosen = (frame,) if frame is not None else _frames(opened, slices or "key")
    for number in chosen:
        if number >= count:
            raise InputError(f"{source!r}: found frame {number} of {count}; expected 0 to {count - 1}: choose another")
    return [_frame(source, opened, number) for number in chosen]


def _frame(source: str, volume: Volume, number: int) -> Item:
    name = f"{source}, frame {number} of {len(volume)}"
    return Item(name, lambda window: (volume[number], window))


def _parsed(slices: str) -> re.Match[str]:
    match = re.fullmatch(r"(?P<kind>key|montage)(:(?P<count>[1-9]\d{0,3}))?|all|(?P<list>\d{1,6}(,\d{1,6})*)", slices)
    if match is None:
        raise InputError(
            f"--slices {slices!r}: expected key, key:N, montage, montage:N, all, or 0-based numbers as in 3,10,20"
        )
    return match


def _count(slices: str, default: int) -> int:
    return int(_parsed(slices)["count"] or default)


def _frames(volume: Volume, slices: str) -> tuple[int, ...]:
    match = _parsed(slices)
    if match["list"]:
        return tuple(map(int, match["list"].split(",")))
    return tuple(range(len(volume))) if slices == "all" else volume.key_frames(_count(slices, KEY_FRAMES))
