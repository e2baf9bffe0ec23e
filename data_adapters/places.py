"""Where files may be opened: folders and single files, and nothing that links lead to outside of them.

A person at a command line may follow links wherever they lead; a server that was given some folders may not. Between
looking at a path and opening it a user who may write into the folder could still exchange it: the folders are to be
trusted, not the links that happen to be there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from data_adapters.dicom.header import is_dicomdir
from data_adapters.files import FileScan
from data_adapters.refusal import refusal
from medfly.types import InputError

LEADS_OUT = "link that leads out of the folders given"
OF_SEVERAL_FILES = (".mrxs", ".vms", ".vmu")
"""Slides: to look at one of these is to open its neighbours."""


@dataclass(frozen=True)
class Places:
    """roots: real paths of folders and single files."""

    roots: tuple[str, ...]

    @classmethod
    def of(cls, paths: Iterable[str | Path]) -> Places:
        """The paths as they are now; of a DICOMDIR the folder around it, as its files are there."""
        real = (Path(os.path.realpath(path)) for path in paths)
        return cls(tuple(str(path.parent if _names_others(path) else path) for path in real))

    def hold(self, path: str | Path) -> bool:
        """Is what the path leads to, through all links, in one of the roots?"""
        real = os.path.realpath(path)
        return any(real == root or real.startswith(root.rstrip(os.sep) + os.sep) for root in self.roots)

    def check(self, file: FileScan, *, beside: bool | None = None) -> None:
        """Raises InputError for a file outside.

        beside: also look at its neighbours, which OpenSlide opens, too; by default for slides of several files.
        """
        path = Path(file.path)
        beside = path.suffix.lower() in OF_SEVERAL_FILES if beside is None else beside
        if not all(self.hold(one) for one in (path, *(_neighbours(path) if beside else ()))):
            raise refusal(f"a {LEADS_OUT}", "files within them", "name the link's target at start, too")


def _names_others(path: Path) -> bool:
    """Is it a DICOMDIR? By its content, as the adapters tell it."""
    try:
        return path.is_file() and is_dicomdir(FileScan(path).head())
    except InputError:
        return False


def _neighbours(path: Path) -> list[Path]:
    """Links in the file's folder, and in the one that is called like it (MRXS): formats of several files."""
    folders = [folder for folder in (path.parent, path.with_suffix("")) if folder.is_dir()]
    return [entry for folder in folders for entry in folder.iterdir() if entry.is_symlink()]
