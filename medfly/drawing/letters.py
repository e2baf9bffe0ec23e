"""Letters for pictures, and the colours of what is written. Pillow's own font has no letters beyond ASCII, so `legible`
puts plain ones in their place. This module knows no answer.
"""

from __future__ import annotations

import unicodedata

from PIL import ImageFont

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
BACKGROUND: Colour = (13, 17, 23)
PANEL: Colour = (22, 28, 38)
TEXT: Colour = (230, 237, 243)
MUTED: Colour = (145, 156, 171)
WARNING: Colour = (255, 176, 102)
PLAIN = str.maketrans(
    {"–": "-", "—": "-", "−": "-", "×": "x", "÷": "/", "→": ">", "≠": "!=", "≥": ">=", "≤": "<=", "µ": "u", "ß": "ss"}
)


def legible(text: str) -> str:
    """The text in letters that Pillow's font has: accents fall off, other scripts become question marks."""
    plain = unicodedata.normalize("NFKD", " ".join(text.translate(PLAIN).split()))
    letters = (c for c in plain if not unicodedata.combining(c))
    return "".join(c if c.isascii() or c in "·“”‘’" else "?" for c in letters)


def sized_font(size: float) -> Font:
    """The font, so many pixels high, 8 at least."""
    return ImageFont.load_default(size=max(round(size), 8))


def wrapped(text: str, font: Font, width: int) -> list[str]:
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
