"""The values that travel along MedFly's one path: Scan and Sample in, Answer with Evidence out.

All are frozen and free of torch, so that adapters, the harness and the app can exchange them cheaply.
This module knows no file format, no model and no screen. A value that is unknown is None, never guessed.

Shapes: H rows, W columns. Boxes are (x0, y0, x1, y1) in source pixels, x to the right, y down, half-open,
with pixel i covering [i, i + 1).
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, overload

import numpy as np

Box = tuple[float, float, float, float]
Level = Literal["low", "medium", "high"]
WindowFunction = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]
Order = Literal["space", "time", "pages"]


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


def one_window(windows: Sequence[Window | VoiLut | None], source: str) -> Window | None:
    """One window for pictures that suggest different ones: the medians of their centers and widths.

    windows: the first suggestion of each, None where it has none. source: what the result is said to come from.
    None where all agree, where none has one, and for tables and functions of different kinds.
    """
    known = [window for window in windows if isinstance(window, Window)]
    if any(isinstance(window, VoiLut) for window in windows) or len({window.function for window in known}) != 1:
        return None
    pairs = [(window.center, window.width) for window in known]
    if len(known) == len(windows) and len(set(pairs)) == 1:
        return None
    center, width = np.median(pairs, axis=0)
    return Window(float(center), float(width), known[0].function, source)


@dataclass(frozen=True)
class FrameBox:
    """A rectangle on one frame of a volume: box in that frame's source pixels."""

    frame: int
    box: Box

    def to_dict(self) -> dict[str, Any]:
        return {"frame": self.frame, "box": list(self.box)}


@dataclass(frozen=True)
class Tile:
    """Which part of which source frame a scan shows where: a montage's frames, a slide's region.

    box: in the scan's own pixels; source: the same place in the frame's pixels (level 0 of a slide).
    """

    frame: int
    box: Box
    source: Box


@dataclass(frozen=True, eq=False)
class Scan:
    """One frame, normalised once: physical values and what is known about them.

    pixels: [H, W] float32 in `unit` (HU for CT), or [H, W, 3] uint8 for colour.
    windows: suggestions in order of preference, taken from the file; empty where it has none.
    inverted: the lowest value is to be shown white (MONOCHROME1, PresentationLUTShape INVERSE).
    padding: [H, W] bool, True where the file says that there is no image; None where it says nothing.
    spacing: millimetres between rows and between columns, or None.
    aspect: height of a pixel over its width, where the file says that and no spacing; else None. See `pixel_aspect`.
    affine: [4, 4] float64, (column, row, 0, 1) of a pixel's centre → (x, y, z, 1) in the patient, in millimetres,
        x to the left, y to the back, z to the head (DICOM's LPS); None where the file does not say.
    modality, body_part: as DICOM codes them ("CT", "CHEST").
    laterality, view: of the side and projection of an X-ray, as DICOM codes them ("L", "MLO").
    overlay: [H, W] bool, graphics that the file lays over the picture; never part of `display`, so that the
        model does not see them. None where there are none.
    tiles: for a montage or a slide's region, which part of what stands where; empty for a whole plain frame.
    frame: 0-based index within the file or volume.
    input_hash: SHA-256 of the file's bytes, hexadecimal.
    notes: remarks for provenance such as "lossy compression"; never patient data.
    """

    pixels: np.ndarray
    windows: tuple[Window | VoiLut, ...] = ()
    unit: str | None = None
    inverted: bool = False
    padding: np.ndarray | None = None
    spacing: tuple[float, float] | None = None
    aspect: float | None = None
    affine: np.ndarray | None = None
    modality: str | None = None
    body_part: str | None = None
    laterality: str | None = None
    view: str | None = None
    overlay: np.ndarray | None = None
    tiles: tuple[Tile, ...] = ()
    frame: int = 0
    input_hash: str = ""
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in source pixels, as Pillow orders them."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def pixel_aspect(self) -> float:
        """Height of a pixel over its width: from the spacing, else as the file says, else 1."""
        if self.spacing is not None:
            return self.spacing[0] / self.spacing[1]
        return 1.0 if self.aspect is None else self.aspect

    def display(self, window: Window | VoiLut | str | None = None) -> np.ndarray:
        """The windowed 8-bit picture that the model is shown before it is cropped: [H, W, 3] uint8.

        window: a Window or VoiLut, "WIDTH/LEVEL" ("1500/-600"), a preset's name for values in HU ("lung"), or the
            file's own by number ("file:2"); by default the file's first, else as medfly.display explains.
        Raises InputError for a window that is unknown or does not fit.
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


def frame_hash(digest: str, frame: int) -> str:
    """A loader's content_hash: digest is the file's SHA-256, frame 0-based as the file counts."""
    return f"{digest}#{frame}" if frame else digest


@dataclass(frozen=True, eq=False)
class Volume(Sequence[Scan]):
    """Frames that belong together, each opened when it is asked for: volume[i] is a Scan with frame i.

    loaders: one a frame, in order; negative indices count from the end, a slice of a volume is a list of Scans.
    order: what the frames' order means: along the normal of the slices ("space"), one after the other ("time":
        cine, dynamic studies), or nothing but the file's own ("pages").
    gap: millimetres between the centres of neighbouring slices; None where unknown, uneven or no space.
    notes: remarks on the whole, such as a missing slice; never patient data.
    window: one for all frames, where their own windows differ and make brightness jump between neighbours; it goes
        before a frame's own, which stay its next suggestions.
    """

    loaders: tuple[ScanLoader, ...]
    order: Order
    gap: float | None = None
    notes: tuple[str, ...] = ()
    window: Window | None = None

    def __len__(self) -> int:
        return len(self.loaders)

    @overload
    def __getitem__(self, index: int) -> Scan: ...
    @overload
    def __getitem__(self, index: slice) -> list[Scan]: ...
    def __getitem__(self, index: int | slice) -> Scan | list[Scan]:
        frames = range(len(self))[index]
        if isinstance(frames, range):
            return [self[frame] for frame in frames]
        scan = self.loaders[frames]()
        windows = scan.windows
        if self.window is not None and scan.pixels.ndim == 2:
            windows = (self.window, *windows)
        return dataclasses.replace(scan, frame=frames, windows=windows, notes=(*scan.notes, *self.notes))

    def __iter__(self) -> Iterator[Scan]:
        return (self[frame] for frame in range(len(self)))

    @property
    def content_hash(self) -> str:
        """SHA-256 over the frames' own hashes, in order, hexadecimal."""
        return hashlib.sha256("\n".join(loader.content_hash for loader in self.loaders).encode()).hexdigest()

    def key_frames(self, count: int = 5) -> tuple[int, ...]:
        """The middles of `count` equal parts of the volume, ascending; every frame where there are no more."""
        count = min(count, len(self))
        return tuple((2 * part + 1) * len(self) // (2 * count) for part in range(count))


@dataclass(frozen=True)
class Sample:
    """One question about one image.

    id: the data set's own question id, in its own type.
    image: the data set's own name of the image; samples with one `image` share one scan.
    answer_type: "OPEN" or "CLOSED" as the data set tags it.
    metadata: further columns of the data set (modality, content_type, …), for subgroups.
    patient: a number of the patient within the data set, so that intervals can respect patients; never an identifier.
    """

    id: int | str
    image: str
    question: str
    scan: ScanLoader
    answer: str | None = None
    answer_type: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    patient: int | None = None

    @property
    def called(self) -> str:
        """What messages and pages call it: its row in a hospital's table, whose ids may name patients, else its id."""
        return f"row {self.metadata['row']}" if "row" in self.metadata else f"question {self.id!r}"


@contextmanager
def naming_question(sample: Sample) -> Iterator[None]:
    """A question at fault in the middle of thousands is told by its id or row; its words are nobody else's business."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{sample.called}: {error}") from None


@dataclass(frozen=True)
class Region:
    """A crop that the model looked at.

    crop: 0-based index within its level, row by row. score: its share in the answer, as Evidence.method says;
        higher is more, negative spoke against the answer.
    sources: where the scan has tiles, what the crop shows of their frames, the largest share of the crop first.
    """

    level: Level
    crop: int
    box: Box
    score: float
    sources: tuple[FrameBox, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "level": self.level,
            "crop": self.crop,
            "box": list(self.box),
            "score": self.score,
            "sources": [source.to_dict() for source in self.sources],
        }


@dataclass(frozen=True)
class Evidence:
    """Every crop's share in one answer, best first. method says how the scores were made."""

    method: str
    regions: tuple[Region, ...]

    def top(self, count: int, *levels: Level) -> tuple[Region, ...]:
        """The `count` best regions, of the given levels only if any are given."""
        return tuple(r for r in self.regions if not levels or r.level in levels)[:count]


@dataclass(frozen=True)
class Trust:
    """Whether to rely on an answer, judged by what happened where the right answers were known.

    likely_right: of answers like this one, the share that was right there, 0 … 1: about the model's answers, not a
        probability of disease. None where this answer is unlike all that was seen there.
    reasons: why the answer should be left to a person, in words; empty where it need not be.
    basis: what it was judged by, in words, with the stated risk and coverage.
    options: of a closed question, the answers that cannot be ruled out, at least one; None of other questions.
    coverage: how many of such sets should hold the right answer, 0 … 1; None where there is no set.
    """

    likely_right: float | None
    reasons: tuple[str, ...]
    basis: str
    options: tuple[str, ...] | None = None
    coverage: float | None = None

    @property
    def deferred(self) -> bool:
        return bool(self.reasons)

    def to_dict(self) -> dict[str, Any]:
        return {
            "deferred": self.deferred,
            "reasons": list(self.reasons),
            "likely_right": self.likely_right,
            "options": None if self.options is None else list(self.options),
            "coverage": self.coverage,
            "basis": self.basis,
        }


@dataclass(frozen=True)
class Variation:
    """The same question once more, with the picture or the words changed in a way that should not change the answer.

    kind: what was changed, such as "window"; name: exactly what, such as "zoom +2 %". question: as it was put.
    same: whether it says the same; where left and right were exchanged, after they were exchanged back.
    """

    kind: str
    name: str
    question: str
    text: str
    confidence: float | None
    same: bool

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class Answer:
    """What came out, with all that is needed to say where it came from.

    confidence: the geometric mean of the answer tokens' probabilities, end token included; it is not
        calibrated and not a probability of disease.
    trust: None where the model has not been calibrated. variations: empty where none were asked.
    provenance: input hash, frame (a montage's in "frames"), window and its source, model and its hash, versions.
    """

    question: str
    text: str
    confidence: float | None = None
    evidence: Evidence | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    trust: Trust | None = None
    variations: tuple[Variation, ...] = ()

    @property
    def flips(self) -> tuple[Variation, ...]:
        """The variations that say something else."""
        return tuple(variation for variation in self.variations if not variation.same)

    def to_dict(self) -> dict[str, Any]:
        """The answer as one JSON object, as `medfly ask --json` prints it."""
        return {
            "question": self.question,
            "text": self.text,
            "confidence": self.confidence,
            "evidence": [r.to_dict() for r in self.evidence.regions] if self.evidence else [],
            "evidence_method": self.evidence.method if self.evidence else None,
            "trust": self.trust.to_dict() if self.trust else None,
            "flips": len(self.flips),
            "variations": [v.to_dict() for v in self.variations],
            "provenance": dict(self.provenance),
        }
