"""Real scans that come with the pydicom package, for the demo and the viewer's first look. Nothing is downloaded.

The questions are worded as SLAKE words them. This module knows no model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pydicom.data import get_testdata_file

from medfly.types import InputError

MODALITY = "What modality is used to take this image?"
PART = "Which part of the body does this image belong to?"
SYSTEM = "Which organ system is imaged?"


@dataclass(frozen=True)
class SampleScan:
    """One of pydicom's own files. window: a preset or WIDTH/LEVEL, or None for the file's own."""

    name: str
    title: str
    questions: tuple[str, ...]
    window: str | None = None

    @property
    def path(self) -> Path:
        find = cast(Callable[..., str | None], get_testdata_file)
        found = find(self.name, download=False)
        if found is None:
            raise InputError(
                f"sample {self.name}: not in the pydicom package; expected it there: install pydicom>=3.0.2"
            )
        return Path(found)


SAMPLES = (
    SampleScan(
        "examples_overlay.dcm",
        "Abdomen, MR",
        (
            MODALITY,
            PART,
            "Does the picture contain liver?",
            "Where is the liver in this image?",
            "How many kidneys in this image?",
        ),
    ),
    SampleScan(
        "J2K_pixelrep_mismatch.dcm",
        "Head, CT",
        (MODALITY, PART, SYSTEM, "Does the picture contain eyes?", "Is the brain healthy?"),
    ),
    SampleScan(
        "J2K_pixelrep_mismatch.dcm",
        "Head, CT, the same scan in a bone window",
        (MODALITY, PART, SYSTEM, "Does the picture contain eyes?", "Is the brain healthy?"),
        window="bone",
    ),
    SampleScan(
        "CT_small.dcm",
        "Chest, CT, a detail around the spine",
        (MODALITY, PART, "Does the picture contain lung?", "Does the picture contain liver?", "Is the lung healthy?"),
    ),
    SampleScan(
        "MR_small.dcm",
        "MR, a detail of 20 mm; the file does not say of what",
        (MODALITY, PART, SYSTEM),
    ),
)
