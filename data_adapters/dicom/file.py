"""DICOM → Scan, in the order that keeps the physics right.

Limits from the header, one frame decoded, the frame's own header, padding from stored values, modality
transformation, window suggestions, inversion, geometry, overlays. Each step has its module.
It knows one file and its frames. Which files make a series, and whole slides, are others' work.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
from pydicom.uid import UID

from data_adapters.dicom.geometry import (
    affine,
    aspect,
    frame_order,
    frame_places,
    laterality,
    spacing,
    unusual_view,
    view,
)
from data_adapters.dicom.header import (
    REPAIR,
    FrameHeader,
    frame_header,
    looks_like_dicom,
    parse,
    quiet,
    transfer_syntax,
)
from data_adapters.dicom.icc import to_srgb
from data_adapters.dicom.kind import checked_kind, remarks
from data_adapters.dicom.lut import modality_values, suggestions
from data_adapters.dicom.overlay import overlay
from data_adapters.dicom.pixels import GREY, layout, padding_mask, palette_colours, stored_values, to_8bit
from data_adapters.dicom.quantity import Greys, quantity
from data_adapters.refusal import refusal, refusing
from medfly.types import Order, Scan

__all__ = ["DicomFile", "looks_like_dicom", "read_dicom"]


def read_dicom(data: bytes, frame: int = 0) -> Scan:
    """One frame of a DICOM file: [H, W] float32 in the modality's unit, or [H, W, 3] uint8 colour.

    data: the whole file. frame: 0-based, also for enhanced multi-frame objects.
    Raises InputError, and nothing else, for what is damaged, unsupported or no image.
    """
    return DicomFile(data).scan(frame)


class DicomFile:
    """One file, parsed once; a frame is decoded when it is asked for.

    frames: how many there are. dataset: as pydicom parsed it, for UIDs and dates: these must reach no message.
    Raises InputError, and nothing else, for what is damaged, unsupported or no image.
    """

    def __init__(self, data: bytes) -> None:
        with _guarded():
            self.dataset = parse(data)
            self._kind_notes = checked_kind(self.dataset)
            self._layout = layout(self.dataset)
            self.syntax: UID = transfer_syntax(self.dataset)
        self.frames: int = self._layout.frames

    def header(self, frame: int) -> FrameHeader:
        """The attributes that hold for one frame (0-based), whichever functional group they are in."""
        with _guarded():
            if not 0 <= frame < self.frames:
                raise refusal(f"frame {frame} of {self.frames}", f"0 to {self.frames - 1}", "choose one of these")
            return frame_header(self.dataset, frame)

    @property
    def order(self) -> Order:
        """What the order of the frames means: see Volume.order."""
        with _guarded():
            return frame_order(self.dataset, self.places)

    @cached_property
    def places(self) -> list[np.ndarray] | None:
        """Every frame's affine, see Scan.affine; None where one has none."""
        with _guarded():
            return frame_places(self.dataset, self.frames)

    def scan(self, frame: int = 0) -> Scan:
        """One frame (0-based): [H, W] float32 in the modality's unit, or [H, W, 3] uint8 colour.

        Its input_hash is empty: only who read the file knows all its bytes.
        """
        with _guarded():
            header = self.header(frame)
            stored, decoder = stored_values(self.dataset, self.syntax, self._layout, frame)
            facts, notes = self._facts(header, frame)
            if decoder is not None:
                notes.append(f"decoded by {decoder}")
            is_grey = self._layout.photometric in GREY
            made, more = self._grey(stored, header) if is_grey else self._colour(stored, header)
            return Scan(**made, **facts, notes=(*notes, *more), frame=frame)

    def _facts(self, header: FrameHeader, frame: int) -> tuple[dict[str, Any], list[str]]:
        """All that is known besides pixels, and remarks on where it is from."""
        found = {
            "spacing": spacing(header),
            "affine": affine(header, frame, self.frames),
            "laterality": laterality(header),
            "overlay": overlay(self.dataset, self.syntax, self._layout, frame),
        }
        if found["spacing"][0] is None:
            found["aspect"] = aspect(header)  # otherwise the spacing says it, and there is one truth
        facts: dict[str, Any] = {name: value for name, (value, _) in found.items()}
        facts |= {
            "modality": header.code("Modality"),
            "body_part": header.code("BodyPartExamined"),
            "view": view(header),
        }
        notes = [*(note for _, more in found.values() for note in more), *unusual_view(facts["affine"])]
        return facts, [*self._kind_notes, *remarks(header, self.syntax), *notes]

    def _colour(self, stored: np.ndarray, header: FrameHeader) -> tuple[dict[str, Any], list[str]]:
        if self._layout.photometric == "PALETTE COLOR":
            pixels = palette_colours(stored, self.dataset, self.syntax.is_little_endian)
        else:
            pixels = to_8bit(stored, self._layout.bits_stored)
        pixels, notes = to_srgb(pixels, header)
        return {"pixels": pixels}, notes

    def _grey(self, stored: np.ndarray, header: FrameHeader) -> tuple[dict[str, Any], list[str]]:
        little_endian = self.syntax.is_little_endian
        values, unit = modality_values(stored, header, little_endian)
        windows, notes = suggestions(header, little_endian)
        greys, more = quantity(Greys(values, unit, windows), header)
        padding, holes = padding_mask(stored, header), []
        if stored.dtype.kind == "f":  # whole numbers stay numbers
            padding, holes = _without_numbers(greys.values, padding)
        inverted, doubts = _inversion(header, self._layout.photometric)
        facts = {
            "pixels": greys.values,
            "unit": greys.unit,
            "windows": greys.windows,
            "padding": padding,
            "inverted": inverted,
        }
        return facts, [*notes, *more, *holes, *doubts]


@contextmanager
def _guarded() -> Iterator[None]:
    with quiet(), refusing("DICOM attributes that cannot be decoded", "a valid DICOM image", REPAIR):
        yield


def _inversion(header: FrameHeader, photometric: str) -> tuple[bool, list[str]]:
    """Is the lowest value shown white? Presentation LUT Shape goes before the photometric interpretation (C.11.6)."""
    shape, is_negative = header.code("PresentationLUTShape"), photometric == "MONOCHROME1"
    if shape not in ("INVERSE", "IDENTITY") or (shape == "INVERSE") == is_negative:  # C.8.11.3 has them agree
        return is_negative, []
    return shape == "INVERSE", [f"PresentationLUTShape {shape} goes before {photometric}, which contradicts it"]


def _without_numbers(values: np.ndarray, padding: np.ndarray | None) -> tuple[np.ndarray | None, list[str]]:
    """Pixels that are "not a number", as parametric maps have them outside of the body, are no image: padding."""
    missing = np.isnan(values)
    count = int(missing.sum())
    if not count:
        return padding, []
    return missing if padding is None else padding | missing, [f"{count} pixels without a value"]
