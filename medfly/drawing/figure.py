"""Everything about one answer in one picture, for a paper, a slide or a colleague.

This module knows answers and pictures; no scan, no file format and no model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from medfly import wording
from medfly.drawing.boxes import fitted, highlight, shown_regions
from medfly.drawing.column import Column
from medfly.drawing.heatmap import answer_map, heat, spread
from medfly.drawing.letters import BACKGROUND, MUTED, PANEL, TEXT, WARNING, legible, sized_font
from medfly.types import Answer

WHEN_HEATED = 0.75
"""Height over width that each of two pictures, one above the other, has at most."""


def answer_figure(picture: np.ndarray, answer: Answer, *, width: int = 1600, aspect: float = 1.0) -> Image.Image:
    """Everything about one answer in one picture: the scan with its best crops, its map of evidence, the words, the
    caveats; that an answer is deferred stands before it.

    picture: [H, W, 3] uint8, windowed as the model saw it. width: of the figure, in pixels. aspect: see `highlight`.
    """
    margin, side = round(width * 0.025), round(width * 0.46)
    left = _pictures(picture, answer, side, aspect)
    right = _words(picture, answer, width - side - 3 * margin, aspect)
    banner = _banner(width)
    body = max(left.height, right.height)
    figure = Image.new("RGB", (width, body + 2 * margin + banner.height), BACKGROUND)
    figure.paste(PANEL, (margin, margin, margin + side, margin + body))
    figure.paste(left, (margin, margin + (body - left.height) // 2))
    figure.paste(right, (side + 2 * margin, margin))
    figure.paste(banner, (0, figure.height - banner.height))
    return figure


def _pictures(picture: np.ndarray, answer: Answer, side: int, aspect: float) -> Image.Image:
    """The scan with its boxes; below it, where there is evidence, the scan with its map and what the colours mean."""
    regions, shares = shown_regions(answer), answer_map(answer, picture)
    found = spread(shares)
    scale = fitted(picture, side, aspect)
    if found is not None:
        scale = min(scale, side * WHEN_HEATED / (picture.shape[0] * aspect))
    column = Column(side, PANEL)
    column.picture(highlight(picture, regions, scale=scale, aspect=aspect, stroke=max(side // 180, 2)))
    if found is not None:
        column.skip(0.02)
        if found.placed:
            column.picture(heat(picture, shares, scale=scale, aspect=aspect))
            column.skip(0.015)
            column.ramp(found.ends)
        column.write(found.line, 0.026, MUTED, indent=0.02, after=0.01)
    return column.image()


def _words(picture: np.ndarray, answer: Answer, width: int, aspect: float) -> Image.Image:
    column = Column(width)
    column.write("QUESTION", 0.030, MUTED)
    column.write(answer.question, 0.046, TEXT, after=0.035)
    deferral = wording.deferral_lines(answer)
    if deferral:
        column.warning(deferral[0], 0.050)
        for reason in deferral[1:]:
            column.write(reason, 0.032, TEXT)
        column.skip(0.02)
    column.write("ANSWER, DEFERRED" if deferral else "ANSWER", 0.030, MUTED)
    if deferral:
        column.write(wording.answer_line(answer), 0.046, MUTED, after=0.015)
    else:
        column.write(wording.answer_line(answer), 0.078, TEXT, after=0.015, bold=True)
    column.bar(wording.bar_share(answer))
    for line in wording.trust_lines(answer):
        column.write(line, 0.029, MUTED)
    if changes := wording.variations_line(answer):
        column.skip(0.015)
        if answer.flips:
            column.warning(changes, 0.032)
        else:
            column.write(changes, 0.029, MUTED)
    column.skip(0.045)
    column.crops(picture, shown_regions(answer), aspect)
    column.write(wording.levels_line(answer), 0.026, MUTED)
    for line in (wording.window_line, wording.input_line, wording.model_line):
        column.write(line(answer.provenance), 0.026, MUTED)
    return column.image()


def stack(figures: Sequence[Image.Image]) -> Image.Image:
    """Figures of one width, one below the other."""
    whole = Image.new("RGB", (max(f.width for f in figures), sum(f.height for f in figures)), BACKGROUND)
    top = 0
    for figure in figures:
        whole.paste(figure, (0, top))
        top += figure.height
    return whole


def _banner(width: int) -> Image.Image:
    height = max(round(width * 0.028), 16)
    banner = Image.new("RGB", (width, height), WARNING)
    middle = width / 2, height / 2
    ImageDraw.Draw(banner).text(
        middle, legible(wording.RESEARCH_USE), font=sized_font(height * 0.6), fill=BACKGROUND, anchor="mm"
    )
    return banner
