"""One picture in a canvas of its own with the crops and the map of evidence of one answer, for pages beside the viewer.

The picture is sent when the browser asks for it, once. This module knows no model.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st

from app import texts as tables
from app.canvas import View, canvas, done
from app.failures import told
from app.texts import Texts
from medfly import drawing
from medfly.display import chosen_window, preset, presets_for
from medfly.drawing import OPACITY, shown_regions
from medfly.evidence.overlay import overlay
from medfly.types import Answer, Scan, VoiLut, Window

HEIGHT = 620
"""Of the canvas with its tools, CSS pixels."""


def pane(
    scan: Scan,
    answer: Answer | None,
    texts: Texts,
    *,
    series: str,
    key: str,
    window: Window | VoiLut | str | None = None,
    opacity: float | None = None,
    height: int = HEIGHT,
) -> None:
    """Draw it. Only this part of the page runs again when the canvas asks for something.

    series: names picture and window; a new one fits the picture anew. window: as for `Scan.display`. opacity: of the
    map of evidence, None for no map. Raises InputError for a window that does not fit.
    """
    used = chosen_window(scan, window)
    heat = None if opacity is None or answer is None else strength(answer, scan.size)
    make = partial(
        View,
        series=series,
        frames=1,
        window=used,
        presets=[(name, preset(name)) for name in presets_for(scan)],
        crops=() if answer is None else shown_regions(answer),
        heat=heat,
        opacity=OPACITY if opacity is None else opacity,
        texts=tables.part(texts, "canvas"),
    )
    _drawn(scan, make, series, key, height, texts)


@st.fragment
def _drawn(scan: Scan, make: partial[View], series: str, key: str, height: int, texts: Texts) -> None:
    with told(texts):
        asked = done(key, series, 1)
        canvas(make(images={0: scan} if 0 in asked.need else {}), key=key, height=height)


def strength(answer: Answer, size: tuple[int, int]) -> np.ndarray | None:
    """[H, W] float32, 0 … 1: how strongly each pixel of a scan of size (width, height) is coloured, as
    medfly.drawing scales it; None without evidence, and where it points to no place.
    """
    return drawing.strength(overlay(() if answer.evidence is None else answer.evidence.regions, size))
