"""From the text of an answer to clauses, items and numbers: the half of the "medfly" rule that sees no gold answer.

Written for answers in English, with Chinese punctuation understood. It knows the words of `vocabulary`, negation by
clause (after NegEx: Chapman et al., J Biomed Inform 2001, 34:301), refusals, and number words below a hundred. It
knows no grammar and no medicine.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal

from benchmarks.protocols.vocabulary import COUNTS, HEDGES, NEGATIONS, PICTURE, PRESENCE, SAME, STOP

Words = frozenset[str]

# Words of negation that negate nothing.
_NO_NEGATION = re.compile(
    r"\b(?:(?:there is )?no (?:doubt|question)(?: (?:that|about(?: it| this)?))?|without(?: a)? doubt|not only)\b"
)
_UNABLE = r"(?:can|could|do|may) not|not (?:possible|able|easy) to|(?:unable|impossible|difficult|hard) to"
_KNOW = (
    r"determin|tell|say|judg|interpret|assess|answer|decid|count|diagnos|provid|view|access|know|evaluat|analy[sz]|"
    r"identify (?:structures|objects|anything)|(?:be )?(?:excluded|ruled out)"
)
_REFUSAL = re.compile(
    rf"\b(?:(?:{_UNABLE}) (?:be )?(?:\w+ly )?(?:{_KNOW})|unable to|not able to|too (?:dark|blurry|unclear)|sorry|"
    r"no idea|as an ai|language model|not sure|uncertain|unclear|insufficient|inconclusive|indeterminate|"
    r"undetermined|consult)"
    r"|无法|不能(?:判断|确定)|不确定|不清楚|看不清|抱歉"
)
_HYPOTHETICAL = re.compile(r"\b(?:would|if|at first|first thought|initially|first glance)\b")

_SAME = re.compile(rf"\b({'|'.join(map(re.escape, SAME))})s?\b")
_PREFIXED = re.compile(r"\b(hyper|hypo|iso|non|pre|post|intra|inter|sub|supra|infra|micro|macro|peri|para)-(?=[a-z])")
_BOTH = re.compile(r"\b(?:both )?(?:the )?(?:left and (?:the )?right|right and (?:the )?left)\b|\bboth sides\b")

_LABEL = re.compile(
    r"\b(?<!if the )(?:answer|conclusion)\s*(?:is|would be|[:=])\s*|答案\s*(?:是|为|[:])\s*|^答\s*[:]\s*"
)
_EXPLANATION = re.compile(r"\n\s*(?:explanation|reasoning|rationale|reason|justification)\b.*", re.DOTALL)
_BULLET = re.compile(r"^[ \t]*(?:[-•·]|\(?\d{1,2}[.)](?!\d))[ \t]*(?=\S)", re.MULTILINE)

_CLAUSE = re.compile(
    r"(?<!\d)\.(?!\d)|(?<=\d)\.(?!\d)|(?<!\d)\.(?=\d)|[;!?。；\n]"
    r"|\b(?:but|however|whereas|while|although|though|yet)\b"
    r"|(?:,|\band\b|\bor\b)?\s*(?=\b(?:without|rather than|instead of|free of|negative for|other than|except)\b)"
    r"|(?:,\s*(?:and|or)?|\band\b|\bor\b)\s*(?=(?:no|not|neither|nor)\b)"
    r"|(?:,\s*(?:and)?|\band\b)\s*(?=(?:the|there|it|they|this|these|which)\b)"
)
_SEPARATOR = re.compile(r"[,、，]|\b(?:and|or|as well as|plus|versus|vs)\b|[/&]|\|")
_UNDECIDED = re.compile(r"\b(?:or|either|versus|vs)\b|/")
_REASON = re.compile(r"^\s*(?:since|because|as|given|based on)\b[^,]*,|\b(?:because|since)\b.*|,\s*as\b.*")


@dataclass(frozen=True)
class Clause:
    """One stretch of text that is affirmed or denied as a whole. text: in lower case, its names made one."""

    text: str
    denied: bool

    @property
    def is_open(self) -> bool:
        """Whether it names alternatives without a choice."""
        return not self.denied and bool(_UNDECIDED.search(self.text))

    @property
    def items(self) -> list[list[str]]:
        """Its words, folded, item by item: "the lungs and the heart" → [["the", "lung"], ["the", "heart"]]."""
        return [words for part in _SEPARATOR.split(self.text) if (words := folded(part))]


def unwrap(text: str) -> str:
    """What was said, in lower case: no markup, no tags or JSON around it, and no label such as "Answer:" before it."""
    text = _from_json(re.split(r"</think(?:ing)?>", _tidy(text))[-1])
    if tagged := re.findall(r"<answer>(.*?)(?:</answer>|$)", text, re.DOTALL):
        text = tagged[-1]
    if boxed := re.findall(r"\\boxed\{(?:\\text\{)?([^{}]*)\}", text):
        text = boxed[-1]
    text = re.sub(r"[*`#]+|\b_+|_+\b|</?[a-z]+/?>", " ", text)
    *_, text = _LABEL.split(text)
    text = _EXPLANATION.sub("", text)
    return _BULLET.sub("\n", text).strip()


def _tidy(text: str) -> str:
    """Lower case; one blank between words, one line break between lines that hold any."""
    text = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    return "\n".join(words for line in text.splitlines() if (words := " ".join(line.split())))


def _from_json(text: str) -> str:
    """The value of "answer" of the last flat JSON object that has one, else the text itself."""
    for candidate in reversed(re.findall(r"\{[^{}]*\}", text)):
        try:
            found = json.loads(candidate).get("answer")
        except (ValueError, AttributeError, RecursionError):
            continue
        if found is not None:
            return ", ".join(map(str, found)) if isinstance(found, list) else str(found).lower()
    return text


def plain(text: str) -> str:
    """Lower case, contractions written out, hyphens gone, and one name for what the short table gives several."""
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", _tidy(text))  # 1,000
    text = re.sub(r"\bcan(?:not|'t)\b", "can not", text)
    text = re.sub(r"n't\b", " not", text).replace("'s", " s")
    text = _PREFIXED.sub(r"\1", re.sub(r"\bnon (?=[a-z])", "non-", text))
    text = re.sub(r"(?<=\w)-(?=\w)", " ", re.sub(r"-(?=(?:like|free)\b)", "", text)).replace("h & e", "h&e")
    text = _SAME.sub(lambda found: SAME[found[1]], text)
    return _NO_NEGATION.sub(" ", _BOTH.sub("both", text))


def fold(word: str) -> str:
    """Without the endings of plurals, of -ed and of -ing, and with e for ae and oe: "kidneys" → "kidney".

    Light on purpose; what is folded is compared, never shown, so that "node" may become "nod".
    """
    word = word.replace("ae", "e").replace("oe", "e")
    for ending, kept in (("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("shes", "sh"), ("xes", "x")):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word[: -len(ending)] + kept
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    if len(word) > 2 and not word.endswith(("ss", "us")):
        word = re.sub(r"(?:es|is|s)$", "", word).removesuffix("e") or word
    return word


def folded(text: str) -> list[str]:
    """The words of a text in order, folded; a Chinese stretch is one word."""
    return [fold(word) for word in re.findall(r"h&e|[^\W_]+(?:\.\d+)?", text)]


def fold_all(words: frozenset[str]) -> Words:
    """The words as they come out of `folded`."""
    return frozenset(map(fold, words))


IDLE = fold_all(STOP | PRESENCE | HEDGES | PICTURE | NEGATIONS)


def is_refusal(text: str) -> bool:
    """Whether a plain text declines to answer or says that it cannot know."""
    return bool(_REFUSAL.search(text))


def is_hypothetical(text: str) -> bool:
    """Whether a plain text tells a condition or a thought that was given up."""
    return bool(_HYPOTHETICAL.search(text.replace("i would say", "")))


def clauses(text: str) -> list[Clause]:
    """The committed clauses of an unwrapped text; refusals, reasons and what would be if are left out."""
    found = (_REASON.sub(" ", clause) for clause in _split(plain(text)))
    kept = (clause for clause in found if clause.strip() and not is_refusal(clause) and not is_hypothetical(clause))
    return [Clause(clause, is_denied(clause)) for clause in kept]


def _split(text: str) -> list[str]:
    return [part for part in _CLAUSE.split(text) if part and part.strip()]


def is_denied(text: str) -> bool:
    """Whether a plain text holds an odd number of negations."""
    count = sum(word in NEGATIONS for word in re.findall(r"[^\W_]+", text))
    count += len(re.findall(r"\b(?:rather than|instead of|free of|ruled out|other than|except)\b", text))
    return count % 2 == 1


_FIGURE = rf"\d+(?:\.\d+)?|(?:{'|'.join(COUNTS)})(?: (?:one|two|three|four|five|six|seven|eight|nine))?"
_NUMBER = re.compile(rf"(?<![^\W_])(?<!\d[.,])({_FIGURE})\s*(mm|cm|ml|m|kg|g|%|°)?(?![^\W_])")


def numbers(text: str) -> list[tuple[Decimal, str]]:
    """Each number of a plain text, in digits or in words, with its unit or "". "T2" and "L4" are names, no numbers."""
    found: list[tuple[Decimal, str]] = []
    for figure, unit in _NUMBER.findall(text):
        values = [Decimal(word) if word[0].isdecimal() else Decimal(COUNTS[word]) for word in figure.split()]
        found.append((values[0] if len(values) == 1 else sum(values, Decimal()), unit))
    return found


def is_number(text: str) -> bool:
    """Whether a whole plain text is one number, with or without a unit."""
    return bool(_NUMBER.fullmatch(text.strip(" .")))
