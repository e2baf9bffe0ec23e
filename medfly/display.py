"""Scan → the windowed 8-bit picture. The processor and every viewer call this and nothing else.

Order: the user's window, else the file's first suggestion (VOI LUT before window), else for CT a preset that fits
the body part that the file names, else percentiles of the unpadded pixels; then inversion; then padding, and what
is no number, to black. Colour passes through unchanged.
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
# What a CT of a body part is looked at with first, by DICOM's codes for Body Part Examined (PS3.16, annex L).
BODY_PRESETS = {
    "CHEST": ("mediastinum", "lung", "bone"),
    "LUNG": ("lung", "mediastinum"),
    "HEART": ("mediastinum", "angio"),
    "ABDOMEN": ("abdomen", "liver", "bone"),
    "PELVIS": ("abdomen", "bone"),
    "LIVER": ("liver", "abdomen"),
    "HEAD": ("brain", "subdural", "stroke", "bone"),
    "BRAIN": ("brain", "subdural", "stroke", "bone"),
    "SKULL": ("bone", "brain"),
    "CSPINE": ("bone",),
    "TSPINE": ("bone",),
    "LSPINE": ("bone",),
    "SPINE": ("bone",),
    "KNEE": ("bone",),
    "EXTREMITY": ("bone",),
}
PERCENTILES = (0.5, 99.5)
BLOCK = 1 << 16
"""Pixels that are windowed at a time: few enough to stay in the processor's cache."""


def presets_for(scan: Scan) -> tuple[str, ...]:
    """The presets that make sense for a scan, those of its body part first; none but for values in HU."""
    if scan.unit != "HU":
        return ()
    first = BODY_PRESETS.get(scan.body_part or "", ())
    return (*first, *(name for name in PRESETS if name not in first))


def preset(name: str) -> Window:
    width, level = PRESETS[name]
    return Window(level, width, source=f"preset {name}")


def parse_window(text: str) -> Window:
    """A preset's name or "WIDTH/LEVEL" → Window. Raises InputError for anything else."""
    if text.lower() in PRESETS:
        return preset(text.lower())
    match = re.fullmatch(r"\s*([\d.]+)\s*/\s*([-+−]?[\d.]+)\s*", text)
    try:
        width, level = (float(part.replace("−", "-")) for part in match.groups())  # type: ignore[union-attr]
        if width < 1:
            raise ValueError(width)
    except (AttributeError, ValueError):
        raise InputError(
            f"window {text!r}: expected WIDTH/LEVEL with a width of at least 1, as in 1500/-600, "
            f"file:1 for the first that the file suggests, or one of {', '.join(PRESETS)}"
        ) from None
    return Window(level, width)


def chosen_window(scan: Scan, window: Window | VoiLut | str | None = None) -> Window | VoiLut | None:
    """The window that `render` uses, for provenance; None for colour, which is never windowed.

    window: as for `Scan.display`. Raises InputError for one that is unknown or does not fit the scan.
    """
    if scan.pixels.ndim == 3:
        if window is not None:
            raise InputError("a window was given for a colour picture, which has no grey levels: leave it off")
        return None
    if isinstance(window, str):
        return _named(scan, window)
    if window is not None:
        return window
    if scan.windows:
        return scan.windows[0]
    if scan.unit == "HU" and scan.body_part in BODY_PRESETS:
        return preset(BODY_PRESETS[scan.body_part][0])
    return percentile_window(scan)


def _named(scan: Scan, text: str) -> Window | VoiLut:
    """A window by its name, its numbers, or its place among the file's own ("file:2")."""
    if match := re.fullmatch(r"\s*file:(\d{1,4})\s*", text.lower()):
        number = int(match[1])
        if not 1 <= number <= len(scan.windows):
            raise InputError(
                f"window {text!r}: the file suggests {len(scan.windows)}; expected "
                + (f"file:1 to file:{len(scan.windows)}" if scan.windows else "WIDTH/LEVEL: give numbers")
            )
        return scan.windows[number - 1]
    window = parse_window(text)
    if text.lower() in PRESETS and scan.unit != "HU":
        found = f"in {scan.unit}" if scan.unit else "in no known unit"
        raise InputError(f"window {text!r}: a preset in HU for values {found}; expected WIDTH/LEVEL: give numbers")
    return window


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
    grey = np.empty(scan.pixels.shape, np.uint8)
    rows = max(BLOCK // scan.size[0], 1)
    for start in range(0, len(grey), rows):
        block = slice(start, start + rows)
        padding = None if scan.padding is None else scan.padding[block]
        grey[block] = _grey(scan.pixels[block], chosen, scan.inverted, padding)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _grey(values: np.ndarray, window: Window | VoiLut, inverted: bool, padding: np.ndarray | None) -> np.ndarray:
    unknown = np.isnan(values)
    brightness = apply_window(np.where(unknown, 0, values), window)
    if inverted:
        brightness = 1 - brightness
    grey = np.rint(brightness * 255).astype(np.uint8)
    grey[unknown if padding is None else unknown | padding] = 0
    return grey
