"""The folders that the viewer was given at start."""

from __future__ import annotations

import os

VARIABLE = "MEDFLY_STUDIES"
"""Paths of folders, ZIP archives, DICOMDIRs or files, joined by os.pathsep: set by `medfly app`."""


def given() -> tuple[str, ...]:
    """The paths that were given at start, each once."""
    return tuple(dict.fromkeys(path for path in os.environ.get(VARIABLE, "").split(os.pathsep) if path))
