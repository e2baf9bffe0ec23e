"""Values that the modality transformation leaves in a raw unit → the quantity that they stand for.

PET activity becomes SUVbw where the header allows (suv.py), a dose grid becomes gray. It knows no other
modality, and real-world value maps (PS3.3 C.7.6.16.2.11) stay unused: windows do not belong to their values.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from pydicom.uid import RTDoseStorage

from data_adapters.dicom.header import REPAIR, FrameHeader
from data_adapters.dicom.suv import UNIT, suv_factor
from data_adapters.refusal import refusal
from medfly.types import InputError, VoiLut, Window


@dataclass(frozen=True, eq=False)
class Greys:
    """[H, W] float32 values, their unit or None, and ways to look at them in this unit."""

    values: np.ndarray
    unit: str | None
    windows: tuple[Window | VoiLut, ...]


def quantity(greys: Greys, header: FrameHeader) -> tuple[Greys, list[str]]:
    """The same picture in SUVbw or gray where the file is a PET or a dose and says all that it takes; and remarks.

    A PET without an SUV keeps the unit that it declares (Bq/ml, counts): its picture is as good to look at, and
    only its numbers do not compare between patients. Who needs the SUV itself asks `suv.suv_factor`.
    """
    if header.code("Modality") == "PT":
        if greys.unit is None:
            return greys, [f"no {UNIT}: values without Rescale Slope and Units"]
        try:
            return _scaled(greys, suv_factor(header), UNIT)
        except InputError as reason:
            return greys, [f"no {UNIT}: {reason}"]
    if header.get("SOPClassUID") == RTDoseStorage:
        return _dose(greys, header)
    return greys, []


def _dose(greys: Greys, header: FrameHeader) -> tuple[Greys, list[str]]:
    """C.8.8.3: stored values × Dose Grid Scaling are the dose in Dose Units."""
    factor = header.number("DoseGridScaling")
    if factor is None:
        return greys, ["no Dose Grid Scaling: values in no known unit"]
    if factor <= 0:
        raise refusal(f"DoseGridScaling {factor:g}", "a positive number", REPAIR)
    return _scaled(greys, factor, "GY" if header.code("DoseUnits") == "GY" else None)


def _scaled(greys: Greys, factor: float, unit: str | None) -> tuple[Greys, list[str]]:
    if factor == 1:
        return dataclasses.replace(greys, unit=unit), []
    with np.errstate(over="ignore"):
        values = (greys.values * np.float64(factor)).astype(np.float32)
    if not np.isfinite(values).all() and np.isfinite(greys.values).all():
        raise refusal(f"a scale of {factor:g}", "values within 32-bit floats", REPAIR)
    windows = tuple(_scaled_window(window, factor, unit) for window in greys.windows if isinstance(window, Window))
    tables = len(greys.windows) - len(windows)  # a table has one entry a unit: there are none for other values
    return Greys(values, unit, windows), [f"{tables} lookup tables for other values left out"] if tables else []


def _scaled_window(window: Window, factor: float, unit: str | None) -> Window:
    """The window that makes the same picture of scaled values.

    LINEAR has its ½ and 1 in units of the file's values (C.11.2.1.2.1) and so becomes the LINEAR_EXACT that equals it.
    """
    center, width, function = window.center, window.width, window.function
    if function == "LINEAR":
        center, width, function = center - 0.5, max(width - 1, 1e-6), "LINEAR_EXACT"
    source = f"{window.source}, in {unit}" if unit else window.source
    return dataclasses.replace(window, center=center * factor, width=width * factor, function=function, source=source)
