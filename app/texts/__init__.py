"""Every text of the viewer, in English and in German: one table, a module for each area of the page.

    texts = table("de")
    texts["canvas.fit"]                  # the text "fit" of texts/canvas.py
    texts["studies.frames"].format(count=30)
    part(texts, "canvas")["fit"]         # one area alone, as the canvas takes it

A text is added by one line in its area's TEXTS. The lines of medfly.wording are no part of it: they are the same in
every output and stay English. This package knows no Streamlit.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Literal

from app.texts import asking, audit, canvas, comparing, frame, runs, studies
from app.texts.said import Said

Language = Literal["en", "de"]
Texts = Mapping[str, str]

LANGUAGES: Mapping[Language, str] = {"en": "English", "de": "Deutsch"}
AREAS: Mapping[str, Mapping[str, Said]] = {
    "asking": asking.TEXTS,
    "audit": audit.TEXTS,
    "canvas": canvas.TEXTS,
    "comparing": comparing.TEXTS,
    "frame": frame.TEXTS,
    "runs": runs.TEXTS,
    "studies": studies.TEXTS,
}


@cache
def table(language: Language = "en") -> Texts:
    """All texts of one language, by "area.name". Raises KeyError for a language that there is not."""
    if language not in LANGUAGES:
        raise KeyError(f"language {language!r}: expected one of {', '.join(LANGUAGES)}")
    named = {f"{area}.{name}": getattr(said, language) for area, texts in AREAS.items() for name, said in texts.items()}
    return MappingProxyType(named)


def part(texts: Texts, area: str) -> dict[str, str]:
    """The texts of one area, by their bare names; a new dict, so that it can be packed as JSON."""
    start = f"{area}."
    return {name.removeprefix(start): text for name, text in texts.items() if name.startswith(start)}
