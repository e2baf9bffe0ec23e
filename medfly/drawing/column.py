"""A column of a figure: words, pictures, crops, one below the other. It knows where things stand, not what they say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from medfly import wording
from medfly.drawing.boxes import LEVEL_COLOURS, crop_picture
from medfly.drawing.heatmap import ramp
from medfly.drawing.letters import BACKGROUND, MUTED, PANEL, TEXT, WARNING, Colour, legible, sized_font, wrapped
from medfly.types import Region


class Column:
    """Words, pictures, a bar and crops from top to bottom in a column that grows. Sizes are shares of its width."""

    def __init__(self, width: int, ground: Colour = BACKGROUND) -> None:
        self.width = width
        self.ground = ground
        self._canvas = Image.new("RGB", (width, width), ground)
        self._top = 0

    def write(
        self, text: str, size: float, colour: Colour, *, after: float = 0.0, bold: bool = False, indent: float = 0.0
    ) -> None:
        """indent: on both sides."""
        font = sized_font(size * self.width)
        step = round(size * self.width * 1.35)
        left = round(indent * self.width)
        lines = wrapped(text, font, self.width - 2 * left)
        self._room(step * len(lines) + round(after * self.width))
        draw = ImageDraw.Draw(self._canvas)
        for line in lines:
            draw.text((left, self._top), line, font=font, fill=colour, stroke_width=0.6 if bold else 0)
            self._top += step
        self._top += round(after * self.width)

    def warning(self, text: str, size: float) -> None:
        """Words in the warning colour, with a sign before them: a colour alone is not seen by all."""
        sign = round(size * self.width)
        start = self._top
        self.write(text, size, WARNING, indent=1.6 * size)
        draw = ImageDraw.Draw(self._canvas)
        top = start + round(0.15 * sign)
        draw.polygon([(sign / 2, top), (0, top + sign - 1), (sign - 1, top + sign - 1)], fill=WARNING)
        middle = sign / 2, top + 0.62 * sign
        draw.text(middle, "!", font=sized_font(0.75 * sign), fill=self.ground, anchor="mm", stroke_width=0.4)

    def skip(self, share: float) -> None:
        self._room(round(share * self.width))
        self._top += round(share * self.width)

    def picture(self, image: Image.Image) -> None:
        """In the middle; no wider than the column."""
        self._room(image.height)
        self._canvas.paste(image, ((self.width - image.width) // 2, self._top))
        self._top += image.height

    def ramp(self, ends: tuple[float, float]) -> None:
        """The colours of a map of evidence as they look on a grey scan, between what their ends stand for."""
        height, font = round(self.width * 0.02), sized_font(0.024 * self.width)
        self._room(2 * height)
        draw = ImageDraw.Draw(self._canvas)
        left, right = round(0.09 * self.width), round(0.5 * self.width)
        self._canvas.paste(ramp(right - left, height), (left, self._top))
        for x, word, anchor in ((left, f"{ends[0]:.1f} x ", "rm"), (right, f" {ends[1]:.1f} x", "lm")):
            draw.text((x, self._top + height / 2), word, font=font, fill=TEXT, anchor=anchor)
        self._top += round(1.6 * height)

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
        font, step = sized_font(side * 0.085), round(side * 0.085 * 1.4)
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
        return self._canvas.crop((0, 0, self.width, max(self._top, 1)))

    def _room(self, height: int) -> None:
        """Make the canvas reach `height` below the last line."""
        if self._top + height > self._canvas.height:
            grown = Image.new("RGB", (self.width, 2 * (self._top + height)), self.ground)
            grown.paste(self._canvas, (0, 0))
            self._canvas = grown
