"""Normalised exact match, the project's own rule: four things are forgiven, then the strings must be equal.

It knows no synonyms, no articles, no number words and no answer types; a prediction that wraps the right word
in a sentence is wrong here.
"""

from __future__ import annotations

import unicodedata

NAME = "normalised_exact_match"


def normalise(text: str) -> str:
    """Unicode NFKC, lower case, surrounding and repeated white space removed, one final full stop removed.

    Only one stop goes: "etc.." becomes "etc.". NFKC comes first, because it can produce spaces, capitals
    and full stops (the one-character ellipsis becomes three stops).
    """
    collapsed = " ".join(unicodedata.normalize("NFKC", text).lower().split())
    return collapsed.removesuffix(".").rstrip()


def normalised_exact_match(prediction: str, gold: str) -> bool:
    """Whether both are the same text once normalised."""
    return normalise(prediction) == normalise(gold)
