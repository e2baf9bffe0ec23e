"""Scan → the windowed 8-bit picture. The processor and every viewer call this and nothing else.

Order: the user's window, else the file's first suggestion (VOI LUT before window), else percentiles of the
unpadded pixels; then inversion; then padding to black. Colour passes through unchanged.
This module does not know DICOM: adapters hand over physical values and suggestions.
"""

from __future__ import annotations

import re

import numpy as np

from medfly.types import InputError, Scan, VoiLut, Window

# Window width and level as radiologists set them (OHIF, and common practice for CT in HU).
PRESETS = {
    "lung": (1500, -600),
    "mediastinum": (350, 50),
    "abdomen": (400, 40),
    "liver": (150, 60),
    "bone": (2000, 300),
    "brain": (80, 40),
    "subdural": (200, 75),
    "stroke": (40, 40),
    "angio": (600, 300),
}
PERCENTILES = (0.5, 99.5)


def parse_window(text: str) -> Window:
    """A preset's name or "WIDTH/LEVEL" → Window. Raises InputError for anything else."""
    if text.lower() in PRESETS:
        width, level = PRESETS[text.lower()]
        return Window(level, width, source=f"preset {text.lower()}")
    match = re.fullmatch(r"\s*([\d.]+)\s*/\s*([-+−]?[\d.]+)\s*", text)
    try:
        width, level = (float(part.replace("−", "-")) for part in match.groups())  # type: ignore[union-attr]
        if width < 1:
            raise ValueError(width)
    except (AttributeError, ValueError):
        raise InputError(
            f"window {text!r}: expected WIDTH/LEVEL with a width of at least 1, as in 1500/-600, "
            f"or one of {', '.join(PRESETS)}"
        ) from None
    return Window(level, width)


def chosen_window(scan: Scan, window: Window | VoiLut | str | None = None) -> Window | VoiLut | None:
    """The window that `render` uses, for provenance; None for colour, which is never windowed."""
    if scan.pixels.ndim == 3:
        if window is not None:
            raise InputError("a window was given for a colour picture, which has no grey levels: leave it off")
        return None
    if isinstance(window, str):
        return parse_window(window)
    if window is not None:
        return window
    return scan.windows[0] if scan.windows else percentile_window(scan)


def percentile_window(scan: Scan) -> Window:
    """A window over the central 99 % of the unpadded, finite values, for files that suggest none."""
    values = scan.pixels if scan.padding is None else scan.pixels[~scan.padding]
    values = values[np.isfinite(values)]
    low, high = np.percentile(values, PERCENTILES) if values.size else (0.0, 1.0)
    width = max(float(high - low), 1e-6)
    source = f"percentiles {PERCENTILES[0]}–{PERCENTILES[1]}"
    return Window(float(low) + width / 2, width, "LINEAR_EXACT", source)


def apply_window(values: np.ndarray, window: Window | VoiLut) -> np.ndarray:
    """Values in the scan's unit → brightness in [0, 1], float64, same shape (DICOM PS3.3 C.11.2.1)."""
    x = values.astype(np.float64)
    if isinstance(window, VoiLut):
        index = np.clip(np.rint(x - window.first), 0, len(window.entries) - 1).astype(np.intp)
        return window.entries[index].astype(np.float64) / (2**window.bits - 1)
    if window.function == "SIGMOID":  # C.11.2.1.3.1
        exponent = np.clip(-4 * (x - window.center) / window.width, -700, 700)
        return 1 / (1 + np.exp(exponent))
    if window.function == "LINEAR_EXACT":  # C.11.2.1.3.2
        return np.clip((x - window.center) / window.width + 0.5, 0, 1)
    if window.width <= 1:  # C.11.2.1.2.1: a step at center − 0.5
        return (x > window.center - 0.5).astype(np.float64)
    return np.clip((x - (window.center - 0.5)) / (window.width - 1) + 0.5, 0, 1)


def render(scan: Scan, window: Window | VoiLut | str | None = None) -> np.ndarray:
    """The 8-bit picture of a scan: [H, W, 3] uint8. See `Scan.display`."""
    chosen = chosen_window(scan, window)
    if chosen is None:
        return scan.pixels
    brightness = apply_window(np.nan_to_num(scan.pixels, nan=0.0), chosen)
    if scan.inverted:
        brightness = 1 - brightness
    grey = np.rint(brightness * 255).astype(np.uint8)
    if scan.padding is not None:
        grey[scan.padding] = 0
    return np.repeat(grey[:, :, None], 3, axis=2)
