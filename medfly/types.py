"""The values that travel along MedFly's one path: Scan and Sample in, Answer with Evidence out.

All are frozen and free of torch, so that adapters, the harness and the app can exchange them cheaply.
This module knows no file format, no model and no screen. A value that is unknown is None, never guessed.

Shapes: H rows, W columns. Boxes are (x0, y0, x1, y1) in source pixels, x to the right, y down, half-open,
with pixel i covering [i, i + 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

Box = tuple[float, float, float, float]
Level = Literal["low", "medium", "high"]
WindowFunction = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]


class InputError(Exception):
    """The user's input is at fault. The message is one line: what was found, what was expected, what to do.

    The command line prints it without a traceback and ends with exit status 2.
    """


@dataclass(frozen=True)
class Window:
    """A grey-level window in the unit of `Scan.pixels` (DICOM PS3.3 C.11.2.1.2)."""

    center: float
    width: float
    function: WindowFunction = "LINEAR"
    source: str = "user"

    def to_dict(self) -> dict[str, Any]:
        return {"center": self.center, "width": self.width, "function": self.function, "source": self.source}


@dataclass(frozen=True, eq=False)
class VoiLut:
    """A value-of-interest lookup table (DICOM PS3.3 C.11.2.1.1).

    entries: [n] table values; the first belongs to the input `first`, inputs outside are clamped.
    bits: the depth of the entries; the output range is 0 … 2**bits − 1.
    """

    first: float
    entries: np.ndarray
    bits: int
    source: str = "VOILUTSequence"

    def to_dict(self) -> dict[str, Any]:
        return {"first": self.first, "entries": len(self.entries), "bits": self.bits, "source": self.source}


@dataclass(frozen=True, eq=False)
class Scan:
    """One frame, normalised once: physical values and what is known about them.

    pixels: [H, W] float32 in `unit` (HU for CT), or [H, W, 3] uint8 for colour.
    windows: suggestions in order of preference, taken from the file; empty where it has none.
    inverted: the lowest value is to be shown white (MONOCHROME1, PresentationLUTShape INVERSE).
    padding: [H, W] bool, True where the file says that there is no image; None where it says nothing.
    spacing: millimetres between rows and between columns, or None.
    frame: 0-based index within the file.
    input_hash: SHA-256 of the file's bytes, hexadecimal.
    notes: remarks for provenance such as "lossy compression"; never patient data.
    """

    pixels: np.ndarray
    windows: tuple[Window | VoiLut, ...] = ()
    unit: str | None = None
    inverted: bool = False
    padding: np.ndarray | None = None
    spacing: tuple[float, float] | None = None
    modality: str | None = None
    body_part: str | None = None
    frame: int = 0
    input_hash: str = ""
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in source pixels, as Pillow orders them."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def display(self, window: Window | VoiLut | str | None = None) -> np.ndarray:
        """The windowed 8-bit picture that the model is shown before it is cropped: [H, W, 3] uint8.

        window: a Window or VoiLut, a preset's name ("lung") or "WIDTH/LEVEL" ("1500/-600"); by default the
            file's first suggestion, else percentiles. See medfly.display.
        """
        from medfly.display import render

        return render(self, window)


class ScanLoader(Protocol):
    """A picklable call without arguments that opens one scan when it is time."""

    @property
    def content_hash(self) -> str:
        """SHA-256 of the file's bytes, with "#N" behind it for a frame N > 0: equal hashes, equal pixels."""
        ...

    def __call__(self) -> Scan: ...


@dataclass(frozen=True)
class Sample:
    """One question about one image.

    id: the data set's own question id, in its own type.
    image: the data set's own name of the image; samples with one `image` share one scan.
    answer_type: "OPEN" or "CLOSED" as the data set tags it.
    metadata: further columns of the data set (modality, content_type, …), for subgroups.
    """

    id: int | str
    image: str
    question: str
    scan: ScanLoader
    answer: str | None = None
    answer_type: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Region:
    """A crop that the model looked at.

    crop: 0-based index within its level, row by row. score: its share in the answer, as Evidence.method says;
        higher is more, negative spoke against the answer.
    """

    level: Level
    crop: int
    box: Box
    score: float

    def to_dict(self) -> dict[str, Any]:
        return {"level": self.level, "crop": self.crop, "box": list(self.box), "score": self.score}


@dataclass(frozen=True)
class Evidence:
    """Every crop's share in one answer, best first. method says how the scores were made."""

    method: str
    regions: tuple[Region, ...]

    def top(self, count: int, *levels: Level) -> tuple[Region, ...]:
        """The `count` best regions, of the given levels only if any are given."""
        return tuple(r for r in self.regions if not levels or r.level in levels)[:count]


@dataclass(frozen=True)
class Answer:
    """What came out, with all that is needed to say where it came from.

    confidence: the geometric mean of the answer tokens' probabilities, end token included; it is not
        calibrated and not a probability of disease.
    provenance: input hash, frame, window and its source, model and its hash, versions.
    """

    question: str
    text: str
    confidence: float | None = None
    evidence: Evidence | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The answer as one JSON object, as `medfly ask --json` prints it."""
        return {
            "question": self.question,
            "text": self.text,
            "confidence": self.confidence,
            "evidence": [r.to_dict() for r in self.evidence.regions] if self.evidence else [],
            "evidence_method": self.evidence.method if self.evidence else None,
            "provenance": dict(self.provenance),
        }
