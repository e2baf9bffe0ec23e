"""When two answers say the same, and left and right exchanged in a text.

It knows letters, no meaning: "No" and "None" are different answers here, and so are "X-Ray" and "radiograph". So it
errs towards calling an answer flipped.
"""

from __future__ import annotations

import re
import unicodedata

ARTICLE = re.compile(r"^(an?|the) (?=\S)")
SEPARATOR = re.compile(r"\s*([,;])\s*")
SIDES = {"left": "right", "right": "left", "左": "右", "右": "左"}
SIDE = re.compile(r"(?<![A-Za-z])(left|right)(?=(?:most|wards?|sided|hand(?:ed)?)?(?![A-Za-z]))|[左右]", re.IGNORECASE)


def normalised(text: str) -> str:
    """Unicode NFKC, lower case, white space collapsed, full stops, ! and ? off the end, a leading article off.

    Blanks around commas and semicolons do not count. It forgives all that the harness's normalised exact match
    does, and the article and other punctuation on top.
    """
    words = " ".join(unicodedata.normalize("NFKC", text).lower().split())
    return ARTICLE.sub("", SEPARATOR.sub(r"\1 ", words).rstrip(" .!?,;"))


def same_answer(one: str, other: str) -> bool:
    """Whether both are the same text once normalised."""
    return normalised(one) == normalised(other)


def exchange_sides(text: str) -> str:
    """Left for right and right for left, in their own capitals; its own inverse.

    Whole words and "leftmost", "right-sided" and the like, and the Chinese characters.
    """
    return SIDE.sub(lambda found: _like(found[0], SIDES[found[0].lower()]), text)


def said_of_original(kind: str, text: str) -> str:
    """What an answer under a change of this kind says about the unchanged picture."""
    return exchange_sides(text) if kind == "sides" else text


def _like(model: str, word: str) -> str:
    """The word in the capitals of its model."""
    if model.isupper():
        return word.upper()
    return word.capitalize() if model[0].isupper() else word
