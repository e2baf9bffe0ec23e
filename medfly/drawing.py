"""Crops, boxes and overlays on a picture: what an answer looks at, made visible. Numpy and Pillow only.

A picture is [H, W, 3] uint8 as `Scan.display` makes it and is never changed; boxes are source pixels, x right,
y down, half-open (medfly.types.Box). This module knows no scan, no file format of scans and no model. Pillow's
own font has no letters beyond ASCII, so `legible` puts plain ones in their place in pictures.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from medfly import wording
from medfly.types import Answer, Box, InputError, Level, Region
from medfly.writing import whole

Colour = tuple[int, int, int]
BACKGROUND: Colour = (13, 17, 23)
PANEL: Colour = (22, 28, 38)
TEXT: Colour = (230, 237, 243)
MUTED: Colour = (145, 156, 171)
WARNING: Colour = (255, 176, 102)
LEVEL_COLOURS: dict[Level, Colour] = {  # told apart with every common colour vision
    "low": (160, 170, 184),
    "medium": (255, 190, 60),
    "high": (64, 200, 255),
}
DIMMED = 0.6
"""Brightness of what no drawn box covers."""
SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
PLAIN = str.maketrans({"–": "-", "—": "-", "−": "-", "×": "x", "→": ">", "≥": ">=", "≤": "<=", "µ": "u", "ß": "ss"})


def legible(text: str) -> str:
    """The text in letters that Pillow's font has: accents fall off, other scripts become question marks."""
    plain = unicodedata.normalize("NFKD", " ".join(text.translate(PLAIN).split()))
    letters = (c for c in plain if not unicodedata.combining(c))
    return "".join(c if c.isascii() or c in "·“”‘’" else "?" for c in letters)


def canvas_box(box: Box, source: tuple[int, int], canvas: tuple[int, int]) -> tuple[int, int, int, int]:
    """A box of the source as whole canvas pixels, half-open, at least one pixel a side, within the canvas.

    source, canvas: (width, height).
    """
    edges = []
    for axis in (0, 1):
        factor = canvas[axis] / source[axis]
        first = min(max(round(box[axis] * factor), 0), canvas[axis] - 1)
        edges.append((first, min(max(round(box[axis + 2] * factor), first + 1), canvas[axis])))
    return edges[0][0], edges[1][0], edges[0][1], edges[1][1]


def highlight(
    picture: np.ndarray,
    regions: Sequence[Region],
    *,
    scale: float = 1.0,
    aspect: float = 1.0,
    stroke: int = 3,
    labels: bool = True,
) -> Image.Image:
    """The picture, enlarged by `scale`, with the regions' boxes in their level's colour and the rest dimmed.

    aspect: height of a source pixel over its width; the drawing's own pixels are square.
    regions: best first; each is labelled with its rank from 1. An outline lies inside its box: its outermost
    pixels are the first and the last of the box. Without regions nothing is dimmed.
    """
    height, width = picture.shape[:2]
    canvas = max(round(width * scale), 1), max(round(height * aspect * scale), 1)
    image = Image.fromarray(picture)
    if canvas != image.size:
        image = image.resize(canvas, Image.Resampling.BICUBIC)
    if not regions:
        return image.copy()
    boxes = [canvas_box(region.box, (width, height), canvas) for region in regions]
    values = np.array(image)  # a copy: the caller's picture stays as it is
    outside = np.ones(values.shape[:2], dtype=bool)
    for x0, y0, x1, y1 in boxes:
        outside[y0:y1, x0:x1] = False
    values[outside] = np.rint(values[outside] * DIMMED).astype(np.uint8)
    image = Image.fromarray(values)
    draw = ImageDraw.Draw(image)
    for region, (x0, y0, x1, y1) in reversed(list(zip(regions, boxes, strict=True))):  # the best lies on top
        thick = min(stroke, max((min(x1 - x0, y1 - y0)) // 2, 1))
        draw.rectangle((x0, y0, x1 - 1, y1 - 1), outline=LEVEL_COLOURS[region.level], width=thick)
    if labels:
        _label(draw, regions, boxes)
    return image


def _label(draw: ImageDraw.ImageDraw, regions: Sequence[Region], boxes: Sequence[tuple[int, int, int, int]]) -> None:
    """The rank in a corner of each box that no better box has taken; none where the box has no room for it."""
    taken: list[tuple[int, int]] = []
    for rank, (region, (x0, y0, x1, y1)) in enumerate(zip(regions, boxes, strict=True), 1):
        side = min(26, max(min(x1 - x0, y1 - y0) // 3, 12))
        if min(x1 - x0, y1 - y0) < side:
            continue
        corners = [(x0, y0), (x1 - side, y0), (x0, y1 - side), (x1 - side, y1 - side)]
        free = [(x, y) for x, y in corners if all(abs(x - a) >= side or abs(y - b) >= side for a, b in taken)]
        x, y = (free or corners)[0]
        taken.append((x, y))
        draw.rectangle((x, y, x + side - 1, y + side - 1), fill=LEVEL_COLOURS[region.level])
        middle = x + side / 2, y + side / 2
        draw.text(middle, str(rank), font=_font(side * 0.75), fill=BACKGROUND, anchor="mm")


def fitted(picture: np.ndarray, side: int, aspect: float = 1.0) -> float:
    """The `scale` at which `highlight` draws the picture with its longer side `side` pixels."""
    return side / max(picture.shape[1], picture.shape[0] * aspect)


def crop_picture(picture: np.ndarray, region: Region, size: int, aspect: float = 1.0) -> Image.Image:
    """One crop on its own, its longer side `size` pixels. aspect: see `highlight`.

    It is cut out of the enlarged whole, as for the model: its outermost pixels blend with what lies beyond them.
    """
    x0, y0, x1, y1 = region.box
    factor = size / max(x1 - x0, (y1 - y0) * aspect)
    target = max(round((x1 - x0) * factor), 1), max(round((y1 - y0) * aspect * factor), 1)
    return Image.fromarray(picture).resize(target, Image.Resampling.BICUBIC, box=region.box)


def shown_regions(answer: Answer, medium: int = 1, high: int = 2) -> tuple[Region, ...]:
    """The crops that are worth showing, best first: so many of each level that points somewhere.

    A score is a sum over the crop's pixels, so that in one ranking the larger medium crops would hide the high ones.
    """
    if answer.evidence is None:
        return ()
    best = answer.evidence.top(medium, "medium") + answer.evidence.top(high, "high")
    return tuple(sorted(best, key=lambda region: -region.score))


def answer_figure(picture: np.ndarray, answer: Answer, *, width: int = 1600, aspect: float = 1.0) -> Image.Image:
    """Everything about one answer in one picture: the scan with its best crops, the crops, the words, the caveats.

    picture: [H, W, 3] uint8, windowed as the model saw it. width: of the figure, in pixels. aspect: see `highlight`.
    """
    margin, regions = round(width * 0.025), shown_regions(answer)
    side = round(width * 0.46)
    scale = fitted(picture, side, aspect)
    left = highlight(picture, regions, scale=scale, aspect=aspect, stroke=max(width // 400, 2))
    column = _Column(width - side - 3 * margin)
    column.write("QUESTION", 0.030, MUTED)
    column.write(answer.question, 0.046, TEXT, after=0.035)
    column.write("ANSWER", 0.030, MUTED)
    column.write(wording.answer_line(answer), 0.078, TEXT, after=0.015, bold=True)
    column.bar(answer.confidence)
    column.write(wording.confidence_line(answer), 0.029, MUTED, after=0.045)
    column.crops(picture, regions, aspect)
    column.write(wording.levels_line(answer), 0.026, MUTED)
    for line in (wording.window_line, wording.input_line, wording.model_line):
        column.write(line(answer.provenance), 0.026, MUTED)
    right = column.image()
    banner = _banner(width)
    body = max(left.height, right.height)
    figure = Image.new("RGB", (width, body + 2 * margin + banner.height), BACKGROUND)
    figure.paste(PANEL, (margin, margin, margin + side, margin + body))
    figure.paste(left, (margin + (side - left.width) // 2, margin + (body - left.height) // 2))
    figure.paste(right, (side + 2 * margin, margin))
    figure.paste(banner, (0, figure.height - banner.height))
    return figure


def stack(figures: Sequence[Image.Image]) -> Image.Image:
    """Figures of one width, one below the other."""
    whole = Image.new("RGB", (max(f.width for f in figures), sum(f.height for f in figures)), BACKGROUND)
    top = 0
    for figure in figures:
        whole.paste(figure, (0, top))
        top += figure.height
    return whole


def check_picture_path(path: Path) -> None:
    """Raises InputError where `save` could not write: an unknown suffix, or a folder that is not there."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"picture {str(path)!r}: found suffix {path.suffix!r}; expected one of {', '.join(SUFFIXES)}")
    if path.is_dir():
        raise InputError(f"picture {str(path)!r}: found a folder; expected a file name: name a file in it")
    if not path.parent.is_dir():
        raise InputError(f"picture {str(path)!r}: no folder {str(path.parent)!r}; expected one: make it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(
            f"picture {str(path)!r}: the folder cannot be written to; expected one that can: choose another"
        )


def save(image: Image.Image, path: Path) -> None:
    """Write the picture whole or not at all."""
    check_picture_path(path)
    try:
        with whole(path) as partial:  # PNG takes no notice of the quality
            image.save(partial, format=SUFFIXES[path.suffix.lower()], quality=92)
    except OSError as error:
        raise InputError(f"picture {str(path)!r}: cannot be written ({error.strerror}); choose another place") from None


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=max(round(size), 8))


def wrapped(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    """The text as lines of at most `width` pixels; a word that is longer than a line is broken."""
    lines = [""]
    for word in legible(text).split():
        joined = f"{lines[-1]} {word}".strip()
        if font.getlength(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if lines[-1] and font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines


def _banner(width: int) -> Image.Image:
    height = max(round(width * 0.028), 16)
    banner = Image.new("RGB", (width, height), WARNING)
    middle = width / 2, height / 2
    ImageDraw.Draw(banner).text(
        middle, legible(wording.RESEARCH_USE), font=_font(height * 0.6), fill=BACKGROUND, anchor="mm"
    )
    return banner


class _Column:
    """Text, a bar and crops from top to bottom in a column that grows. Sizes are shares of its width."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._canvas = Image.new("RGB", (width, width), BACKGROUND)
        self._top = 0

    def write(self, text: str, size: float, colour: Colour, *, after: float = 0.0, bold: bool = False) -> None:
        font = _font(size * self.width)
        step = round(size * self.width * 1.35)
        lines = wrapped(text, font, self.width)
        self._room(step * len(lines) + round(after * self.width))
        draw = ImageDraw.Draw(self._canvas)
        for line in lines:
            draw.text((0, self._top), line, font=font, fill=colour, stroke_width=0.6 if bold else 0)
            self._top += step
        self._top += round(after * self.width)

    def bar(self, value: float | None) -> None:
        """A share of the width, for a value in [0, 1]; nothing for None."""
        if value is None:
            return
        height = round(self.width * 0.014)
        self._room(3 * height)
        full = round(self.width * 0.6)
        self._canvas.paste(PANEL, (0, self._top, full, self._top + height))
        self._canvas.paste(
            LEVEL_COLOURS["high"], (0, self._top, round(full * min(max(value, 0), 1)), self._top + height)
        )
        self._top += 2 * height

    def crops(self, picture: np.ndarray, regions: Sequence[Region], aspect: float) -> None:
        """The crops side by side, each framed in its level's colour, with rank, level, score and place below."""
        if not regions:
            return
        gap = round(self.width * 0.03)
        side = (self.width - 2 * gap) // 3
        font, step = _font(side * 0.085), round(side * 0.085 * 1.4)
        frame = max(side // 80, 2)
        self._room(side + 4 * step + gap)
        draw = ImageDraw.Draw(self._canvas)
        tallest = 0
        for rank, region in enumerate(regions, 1):
            x = (rank - 1) * (side + gap)
            colour = LEVEL_COLOURS[region.level]
            crop = crop_picture(picture, region, side - 2 * frame, aspect)
            self._canvas.paste(colour, (x, self._top, x + crop.width + 2 * frame, self._top + crop.height + 2 * frame))
            self._canvas.paste(crop, (x + frame, self._top + frame))
            tallest = max(tallest, crop.height + 2 * frame)
            below = self._top + crop.height + 2 * frame + step // 2
            draw.text(
                (x, below),
                f"{rank}  {region.level}  {legible(wording.score_text(region.score))}",
                font=font,
                fill=colour,
            )
            for number, line in enumerate(wrapped(wording.place_line(region), font, side)[:2], 1):
                draw.text((x, below + number * step), line, font=font, fill=MUTED)
        lines = 4 if any(region.sources for region in regions) else 3
        self._top += tallest + lines * step + gap

    def image(self) -> Image.Image:
        return self._canvas.crop((0, 0, self.width, self._top))

    def _room(self, height: int) -> None:
        """Make the canvas reach `height` below the last line."""
        if self._top + height > self._canvas.height:
            grown = Image.new("RGB", (self.width, 2 * (self._top + height)), BACKGROUND)
            grown.paste(self._canvas, (0, 0))
            self._canvas = grown
