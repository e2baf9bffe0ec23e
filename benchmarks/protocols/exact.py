"""Exact match, strict and normalised: the project's own yardsticks.

Strict forgives nothing. Normalised forgives four things, then the strings must be equal. Neither knows synonyms,
articles, number words or answer types; a prediction that wraps the right word in a sentence is wrong here. Both read
Chinese as well as English.
"""

from __future__ import annotations

import unicodedata

from benchmarks.protocols.rule import Group, Item, Judged, Rule

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


def _strict(item: Item) -> Judged:
    return Judged(float(item.prediction == item.answer))


def _normalised(item: Item) -> Judged:
    return Judged(float(normalised_exact_match(item.prediction, item.answer)))


_METRICS: dict[Group, str] = {"open": "accuracy", "closed": "accuracy", "overall": "accuracy"}

STRICT = Rule(
    "strict_exact_match", "strict exact match", "MedFly: the same characters, nothing forgiven", _strict, _METRICS
)
NORMALISED = Rule(
    NAME,
    "normalised exact match",
    "MedFly: NFKC, lower case, white space, one final full stop; then the same characters",
    _normalised,
    _METRICS,
)
