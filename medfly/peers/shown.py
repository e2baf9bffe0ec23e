"""What a peer is shown of a scan: the windowed picture in square pixels, and the provenance of an answer to it.

The module knows no model. What a peer's own processor does to the picture afterwards is not recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from PIL import Image

import medfly
from medfly.provenance import of_scan
from medfly.types import InputError, Sample, Scan, naming_question
from medfly.wording import RESEARCH_USE


@dataclass(frozen=True)
class Shown:
    """picture: RGB, in square pixels. provenance: what is known of the scan and the picture, no model in it."""

    picture: Image.Image
    provenance: dict[str, Any]


def shown(scan: Scan) -> Shown:
    """The picture of `Scan.display`, resampled where the scan's pixels are not square. Raises InputError."""
    picture = Image.fromarray(scan.display())
    width, height, aspect = *scan.size, scan.pixel_aspect
    # The coarser side is stretched, so that no pixel is lost.
    square = (width, round(height * aspect)) if aspect > 1 else (round(width / aspect), height)
    notes = list(scan.notes)
    if square != scan.size:
        picture = picture.resize(square, Image.Resampling.BICUBIC)
        notes.append(f"resampled to square pixels for the model: {square[0]} × {square[1]}")
    return Shown(picture, {**of_scan(scan, None), "notes": notes})


def with_pictures(samples: Iterable[Sample]) -> Iterator[tuple[Sample, Shown]]:
    """Each sample with what is shown of its scan, which is opened once for samples of one image that stand together.

    Raises InputError with the id of the question whose picture cannot be had, or that is empty.
    """
    for _, group in groupby(samples, key=lambda sample: sample.image):
        seen: Shown | None = None
        for sample in group:
            with naming_question(sample):
                if not sample.question.strip():
                    raise InputError("an empty question: expected some words, such as 'Which organ is abnormal?'")
                seen = seen or shown(sample.scan())
            yield sample, seen


def provenance(seen: Shown, name: str, hash: str, versions: dict[str, str], **more: Any) -> dict[str, Any]:
    """An answer's provenance: of the picture, then of the model. more: what else is known of the model."""
    return {
        **seen.provenance,
        "model": name,
        "model_hash": hash,
        **more,
        "versions": {"medfly": medfly.__version__, **versions},
        "use": RESEARCH_USE,
    }
