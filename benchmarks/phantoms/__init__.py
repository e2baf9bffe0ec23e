"""Planted truth: made-up chest- and CT-like pictures in which every answer has a cause of known place and size.

    python -m benchmarks.phantoms --output_path DIR --images 400 --seed 0

It draws with numpy and Pillow alone and knows no model. A phantom is a drawing, not a simulation of X-rays: what a
model scores here says whether its evidence finds a cause, and nothing about patients.
"""

from benchmarks.phantoms.phantom import Phantom, boxes, moved, render, to_scan, without
from benchmarks.phantoms.things import Catheter, Marker, Nodule, Pacemaker, Thing

__all__ = [
    "Catheter",
    "Marker",
    "Nodule",
    "Pacemaker",
    "Phantom",
    "Thing",
    "boxes",
    "moved",
    "render",
    "to_scan",
    "without",
]
