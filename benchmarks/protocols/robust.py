"""The project's own rule, "medfly": it reads what an answer commits to, and says "unparsed" where it cannot.

The gold answer decides what is read. Yes or no: benchmarks.protocols.yes_no. A number: one number and its unit. All
else is items, of which a single phrase is one: all of the gold's and no others, in any order, each with the same
content words in any order, none of them denied; an option's letter stands for the option. What equals the gold under
normalised exact match is right at once. Scores are 0 and 1, and unparsed is 0.

A wrong answer called right is the worse mistake here, so that what may be right and is not surely so is unparsed.
It does not know: synonyms beyond the short table in `vocabulary`, opposites ("well aerated" for "not collapsed"), parts
and kinds ("transverse fracture" for "fracture"), which side of a picture is which, and languages beyond English, with
yes, no and lists in Chinese. Validated on tests/golden/judged_answers, whose README gives the agreement.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import dropwhile, takewhile

from benchmarks.protocols.exact import normalise
from benchmarks.protocols.reading import (
    IDLE,
    Clause,
    Words,
    clauses,
    fold_all,
    folded,
    is_denied,
    is_number,
    numbers,
    plain,
    unwrap,
)
from benchmarks.protocols.rule import Item, Judged, Rule
from benchmarks.protocols.vocabulary import COUNTS, NEGATIONS, SIDES, STOP
from benchmarks.protocols.yes_no import gold_yes_no, read_yes_no

RIGHT = Judged(1.0)
WRONG = Judged(0.0)
UNPARSED = Judged(0.0, unparsed=True)

_SIDES = fold_all(SIDES)
_STOP = fold_all(STOP)
_NEGATIONS = fold_all(NEGATIONS)
_COUNTS = fold_all(frozenset(COUNTS))
_LONGEST_OPTION = 4
_LETTERED = re.compile(r"(?:^|[\s(,;])\(?([A-H])\s*[.):]\s*(.+?)(?=[\s(,;]+[A-H]\s*[.):]|[?.]?\s*$)", re.DOTALL)
_LETTER = re.compile(r"^\s*(?:option |choice )?\(?([a-h])\)?(?:[.):,]\s*|\s*$)", re.IGNORECASE)
_WHICH = re.compile(r"\s*(?:which|what|where|how|who|on which|in which)\b")
_BOUND = re.compile(r"\b(?:at least|at most|more than|less than|over|under|or more|or fewer|or less|up to|about)\b")
_NONE = re.compile(r"\b(?:no|none)\b")
_SENTENCE = re.compile(r"\b(?:is|are|was|were|has|have|shows?|appears?|can|may|might|seems?|looks?)\b")


def judge(item: Item) -> Judged:
    """Read the prediction for the kind of the gold answer. Raises nothing; the same item is judged the same."""
    said, gold = unwrap(item.prediction), normalise(item.answer)
    if gold in (normalise(item.prediction), normalise(said)):
        return RIGHT
    if not re.search(r"[^\W_]", said) or folded(plain(said)) == folded(plain(item.question)):
        return UNPARSED
    if (expected := gold_yes_no(gold)) is not None:
        read = read_yes_no(item.question, said)
        return UNPARSED if read is None else RIGHT if read == expected else WRONG
    if is_number(plain(gold)):
        return _number(item.question, gold, said)
    return _items(item.question, item.answer, said)


def _number(question: str, gold: str, said: str) -> Judged:
    """One number and its unit. Where several are named, or a bound, it is unparsed unless none of them is gold's."""
    value, unit = numbers(plain(gold))[0]
    kept = clauses(said)
    found = {number for clause in kept if not clause.denied for number in numbers(clause.text)}
    if not found and "how many" in plain(question) and any(_NONE.search(clause.text) for clause in kept):
        found = {(Decimal(0), "")}
    if not found:
        return UNPARSED
    if found == {(value, unit)} and not _BOUND.search(plain(said)):
        return RIGHT
    return UNPARSED if {(value, unit), (value, "")} & found else WRONG


@dataclass(frozen=True)
class _Content:
    """What clauses affirm and deny, item by item. is_open: they name alternatives without a choice."""

    affirmed: frozenset[Words]
    denied: frozenset[Words]
    is_open: bool

    @classmethod
    def of(cls, read: Sequence[Clause], reduced: Callable[[list[str]], Words]) -> _Content:
        """reduced: the words of an item that count; an item without any is left out."""
        affirmed, denied = (
            frozenset(words for c in read if c.denied == side for item in c.items if (words := reduced(item)))
            for side in (False, True)
        )
        return cls(_sides_joined(affirmed), denied, any(clause.is_open for clause in read))

    @property
    def words(self) -> Words:
        return frozenset[str]().union(*self.affirmed, *self.denied)


def _sides_joined(items: frozenset[Words]) -> frozenset[Words]:
    """ "left kidney" and "right kidney" → "both kidney"."""
    pairs = {rest for i in items if "left" in i and (rest := i - {"left"}) | {"right"} in items}
    taken = {rest | {side} for rest in pairs for side in ("left", "right")}
    return (items - taken) | {rest | {"both"} for rest in pairs}


def _items(question: str, gold: str, said: str) -> Judged:
    lettered = {letter.lower(): text for letter, text in _LETTERED.findall(question)}
    asked = _asked(question, lettered.values())
    wanted = _wanted(clauses(_spelled_out(gold, lettered)), asked)
    asked -= wanted.words | (_SIDES if wanted.words & _SIDES else frozenset())
    idle = IDLE - wanted.words
    read = [_without_heading(clause, asked | idle) for clause in clauses(_spelled_out(said, lettered))]
    answered = _Content.of(read, lambda item: _answered(item, idle, asked))
    if wanted.words:
        return _compared(wanted, answered, said)
    if answered.affirmed:
        return WRONG
    is_none = is_denied(plain(gold)) and any(clause.denied for clause in read) and answered.words <= asked
    return RIGHT if is_none else UNPARSED


def _spelled_out(text: str, lettered: Mapping[str, str]) -> str:
    """The option itself for its letter: "B." and "B. liver" → "liver"."""
    if (found := _LETTER.match(text)) and (letter := found[1].lower()) in lettered:
        return text[found.end() :].strip() or lettered[letter]
    return text


def _asked(question: str, lettered: Iterable[str]) -> Words:
    """The content of the question that an answer may repeat; what tells its options apart is none of it."""
    text = plain(question)
    apart = frozenset(word for option in lettered for word in folded(plain(option))) or _telling_apart(text)
    return frozenset(folded(text)) - IDLE - apart


def _telling_apart(question: str) -> Words:
    """The words of "X, Y or Z" that stand in one option only; an option ends at the next idle word."""
    before, found, after = question.rpartition(" or ")
    if not found:
        return frozenset()
    *listed, first = before.split(",")
    if listed and _WHICH.match(listed[0]):  # "Which is bigger, liver or spleen?"
        listed = listed[1:]
    pair = _phrase(reversed(folded(first))), _phrase(folded(after))
    shorter = min(map(len, pair))
    options = [*(_phrase(reversed(folded(part))) for part in listed), *(side[:shorter] for side in pair)]
    times = Counter(word for option in options for word in option)
    return frozenset(word for word, count in times.items() if count == 1)


def _phrase(words: Iterable[str]) -> list[str]:
    counted = takewhile(lambda word: word not in IDLE, dropwhile(lambda word: word in IDLE, words))
    return list(counted)[:_LONGEST_OPTION]


def _wanted(read: Sequence[Clause], asked: Words) -> _Content:
    """The gold's content. A single phrase may leave out what the question says ("lower left" of the lung)."""
    found = _Content.of(read, _core)
    if len(found.affirmed) != 1 or found.denied:
        return found
    (phrase,) = found.affirmed
    return replace(found, affirmed=frozenset({(phrase - (asked - _SIDES)) or phrase}))


def _core(item: list[str]) -> Words:
    words = frozenset(item)
    return (words - IDLE) or (words - _STOP - _NEGATIONS)


def _without_heading(clause: Clause, idle: Words) -> Clause:
    """ "Two organs are seen: liver, spleen" → "liver, spleen"; a heading that says something stays."""
    heading, found, rest = clause.text.rpartition(":")
    is_idle = found and not frozenset(folded(heading)) - idle - _COUNTS
    return replace(clause, text=rest) if is_idle else clause


def _answered(item: list[str], idle: Words, asked: Words) -> Words:
    """The content of an item beyond the question's; a bare phrase of nothing else is an answer of its own."""
    words = frozenset(item) - idle
    return words if words and len(words) == len(set(item)) and words <= asked else words - asked


def _compared(wanted: _Content, read: _Content, said: str) -> Judged:
    affirmed, denied = read.affirmed, read.denied
    if wanted.affirmed & denied:
        return UNPARSED if wanted.affirmed & denied & affirmed else WRONG
    if affirmed == wanted.affirmed and wanted.denied <= denied and (affirmed or denied == wanted.denied):
        return UNPARSED if read.is_open != wanted.is_open else RIGHT
    if not affirmed:
        return UNPARSED
    if read.is_open and wanted.affirmed & affirmed:
        return UNPARSED
    matched = all(any(w <= a for a in affirmed) for w in wanted.affirmed)
    extended = matched and all(any(w <= a for w in wanted.affirmed) for a in affirmed)
    return UNPARSED if extended and _SENTENCE.search(said) else WRONG


MEDFLY = Rule(
    name="medfly",
    title="MedFly",
    source="this project, benchmarks/protocols/robust.py",
    judge=judge,
    metrics={"open": "accuracy", "closed": "accuracy", "overall": "accuracy"},
)
