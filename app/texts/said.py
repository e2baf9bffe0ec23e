"""One text in every language that the viewer speaks. Both words are asked for, so that none can be forgotten."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Said:
    """en and de: plain text, no Markdown, no HTML; `{name}` is filled in by str.format, in both the same names."""

    en: str
    de: str
