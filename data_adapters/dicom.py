"""DICOM → Scan, in the order that keeps the physics right.

Limits from the header, one frame decoded, the frame's own header, padding from stored values, modality
transformation, window suggestions, inversion, spacing. See dicom_header, dicom_pixels and dicom_lut for the steps.
It knows single images only: series, volumes and slides are others' work. A codec that ends the process is
beyond it, and gdcm does so on some damaged files: read untrusted archives in a process of their own.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from pydicom.dataset import Dataset

from data_adapters.dicom_header import (
    REPAIR,
    FrameHeader,
    frame_header,
    looks_like_dicom,
    parse,
    remarks,
    spacing,
    transfer_syntax,
)
from data_adapters.dicom_lut import modality_values, suggestions
from data_adapters.dicom_pixels import GREY, Layout, layout, padding_mask, palette_colours, stored_values, to_8bit
from data_adapters.refusal import refusing
from medfly.types import Scan

__all__ = ["looks_like_dicom", "read_dicom"]


def read_dicom(data: bytes, frame: int = 0) -> Scan:
    """One frame of a DICOM file: [H, W] float32 in the modality's unit, or [H, W, 3] uint8 colour.

    data: the whole file. frame: 0-based, also for enhanced multi-frame objects.
    Raises InputError, and nothing else, for what is damaged, unsupported or no image.
    """
    with _quiet(), refusing("DICOM attributes that cannot be decoded", "a valid DICOM image", REPAIR):
        dataset = parse(data)
        return _scan(dataset, layout(dataset), frame)


_reading: ContextVar[bool] = ContextVar("reading", default=False)
logging.getLogger("pydicom").addFilter(lambda record: not _reading.get())


@contextmanager
def _quiet() -> Iterator[None]:
    """No remarks by pydicom on the console, nor in logs: it quotes invalid values, and those may name a patient.

    The oddities that matter are checked for by name. Other threads' pydicom may log as before.
    """
    token = _reading.set(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        _reading.reset(token)


def _scan(dataset: Dataset, found: Layout, frame: int) -> Scan:
    syntax = transfer_syntax(dataset)
    stored, decoder = stored_values(dataset, syntax, found, frame)
    header = frame_header(dataset, frame)
    millimetres, notes = spacing(header)
    notes += remarks(header, syntax)
    if decoder is not None:
        notes.append(f"decoded by {decoder}")
    facts = {
        "spacing": millimetres,
        "modality": header.code("Modality"),
        "body_part": header.code("BodyPartExamined"),
        "frame": frame,
    }
    if found.photometric == "PALETTE COLOR":
        pixels = palette_colours(stored, dataset, syntax.is_little_endian)
        return Scan(pixels, notes=tuple(notes), **facts)
    if found.photometric not in GREY:
        return Scan(to_8bit(stored, found.bits_stored), notes=tuple(notes), **facts)
    padding = padding_mask(stored, header)
    values, unit = modality_values(stored, header, syntax.is_little_endian)
    windows, more = suggestions(header, syntax.is_little_endian)
    return Scan(
        values,
        windows=windows,
        unit=unit,
        inverted=_is_inverted(header, found),
        padding=padding,
        notes=(*notes, *more),
        **facts,
    )


def _is_inverted(header: FrameHeader, found: Layout) -> bool:
    """Is the lowest value shown white? Presentation LUT Shape goes before the photometric interpretation."""
    shape = header.code("PresentationLUTShape")  # C.11.6; required to agree with the latter for DX (C.8.11.3)
    return shape == "INVERSE" if shape in ("INVERSE", "IDENTITY") else found.photometric == "MONOCHROME1"
