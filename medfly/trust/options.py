"""The answers that a closed question leaves open, read from its words: yes and no, or the alternatives that it states.

It knows English word order and nothing else: no model, no picture and no data set. Where a question is not clearly of
one of the two forms it says None, since a set of answers that lacks the right one would promise what it cannot keep.

    Is the lung healthy?                               yes, no
    Which is bigger, the lung or the heart?            lung, heart
    Is this a T1 or a T2 weighted image?               None: where its alternatives begin and end takes a grammar
"""

from __future__ import annotations

import re

YES_NO = ("yes", "no")
LONGEST = 4
"""Words of an alternative; what is longer is a clause."""
AUXILIARY = re.compile(
    r"(?:(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|shall|should|may|might|must|am)"
    r"(?:n['’]?t)?(?:/|\b(?=\s)))+\s+\S",
    re.IGNORECASE,
)
"""A verb such as "Is" or "Is/Are", and at least one word behind it."""
REQUEST = re.compile(
    r"(?:do\s+(?!you|we|the|they|these|those|any|all|both|not)|have\s+a\s|"
    r"(?:can|could|will|would|do|may)\s+(?:you|we|i)\s+(?!(?:see|find|detect|observe|notice|spot|think)\b))",
    re.IGNORECASE,
)
""""Can you describe the heart?", "Do you know what this is?": in the form of a question that wants no yes."""
ASKS_MORE = re.compile(
    r"[?;:\n。？]|\.\s|\b(?:and|but|,)\s*(?:if so|where|what|which|how|why|when|who)\b", re.IGNORECASE
)
WHICH = re.compile(r"(?:which|what|where|who|whose)\b", re.IGNORECASE)
ALTERNATIVE = re.compile(r"\bor\b|\bversus\b|\bvs\b|/", re.IGNORECASE)
SEPARATOR = re.compile(r"\s*,\s*or\s+|\s*,\s*|\s+or\s+", re.IGNORECASE)
LEADING = re.compile(r"(?:the|a|an|in|on|at|is it|either)\s+", re.IGNORECASE)
OPEN_END = re.compile(
    r"(?:other|others|another|something|somewhere|someone|else|none|neither|not|so|if|is|are)\b", re.IGNORECASE
)
"""What an alternative begins with that is none, or leaves further answers open."""


def options(question: str) -> tuple[str, ...] | None:
    """The possible answers in the question's own words and order, "yes" and "no" in lower case; None where unclear.

    Each once, whatever its capitals; without articles.
    """
    asked = " ".join(question.split()).removesuffix("?").rstrip(" .?")
    if not asked or ASKS_MORE.search(asked):
        return None
    if AUXILIARY.match(asked):
        begun = re.sub(r"^\S+", "", asked)  # "Is/Are" is no alternative
        return None if ALTERNATIVE.search(begun) or REQUEST.match(asked) else YES_NO
    return _stated(asked) if WHICH.match(asked) else None


def forms(option: str) -> tuple[str, ...]:
    """An option as a model may write it: as it is, with a capital, with one at each word. Each spelling once."""
    capital = option[:1].upper() + option[1:]
    titled = " ".join(word[:1].upper() + word[1:] for word in option.split())
    return tuple(dict.fromkeys((option, capital, titled)))


def _stated(asked: str) -> tuple[str, ...] | None:
    """Of "Which is bigger, lung, heart or liver" the words behind the first comma, where they end in "X or Y"."""
    head, comma, tail = asked.partition(",")
    if not comma or len(head.split()) < 3 or not re.search(r"\s+or\s+\S[^,]*$", tail, re.IGNORECASE):
        return None
    parts = [LEADING.sub("", part, count=1).strip() for part in SEPARATOR.split(tail.strip())]
    if any(not part or len(part.split()) > LONGEST or OPEN_END.match(part) for part in parts):
        return None
    found: dict[str, str] = {}
    for part in parts:
        found.setdefault(part.casefold(), part)
    return tuple(found.values()) if len(found) > 1 else None
