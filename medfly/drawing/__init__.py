"""What an answer looked at, made visible in pictures: crops, boxes, maps of evidence, figures. Numpy and Pillow only.

A picture is [H, W, 3] uint8 as `Scan.display` makes it and is never changed; boxes are source pixels, x right,
y down, half-open (medfly.types.Box). This package knows no scan, no file format of scans and no model.
"""

from __future__ import annotations

from medfly.drawing.boxes import (
    DIMMED,
    LEVEL_COLOURS,
    canvas_box,
    crop_picture,
    fitted,
    highlight,
    shown_regions,
)
from medfly.drawing.figure import answer_figure, stack
from medfly.drawing.files import SUFFIXES, check_picture_path, save
from medfly.drawing.heatmap import OPACITY, PLASMA, Spread, answer_map, heat, spread, strength
from medfly.drawing.letters import BACKGROUND, MUTED, PANEL, TEXT, WARNING, Colour, legible, wrapped

__all__ = [
    "BACKGROUND",
    "DIMMED",
    "LEVEL_COLOURS",
    "MUTED",
    "OPACITY",
    "PANEL",
    "PLASMA",
    "SUFFIXES",
    "TEXT",
    "WARNING",
    "Colour",
    "Spread",
    "answer_figure",
    "answer_map",
    "canvas_box",
    "check_picture_path",
    "crop_picture",
    "fitted",
    "heat",
    "highlight",
    "legible",
    "save",
    "shown_regions",
    "spread",
    "stack",
    "strength",
    "wrapped",
]
