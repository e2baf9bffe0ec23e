"""Each row's question in the split, and everything that keeps rows and questions from fitting together.

A file whose rows are shifted by one gives a score like any other, and a wrong one: where rows bring their question or
the gold answer along, these are compared with the split's. Nothing is guessed, dropped or counted twice without a word.
It knows no file format and no score. Messages name ids, rows only where the data are a hospital's, and never quote a
question or a prediction: these may be patient data.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.predictions import as_evidence
from benchmarks.results import Result
from benchmarks.submissions.forms import Entry, entries
from benchmarks.submissions.values import as_confidence, as_text, fold, is_nothing
from data_adapters.leakage import words
from medfly.types import InputError, Sample

EXAMPLES = 5
Id = int | str
OtherSplits = Mapping[str, Collection[Id]]
"""A split's name, as in "slake train" → its ids."""

# Faults: with any of these there is no score.
UNKNOWN = "rows whose id or number is not in this split"
OTHER_QUESTION = "rows whose question is not the split's (are they shifted?)"
OTHER_GOLD = "rows whose gold answer is not the split's (are they shifted?)"
CONTRADICTING = "rows with a second, different prediction for a question"
NO_TEXT = "predictions that are neither text nor a number"
MISSING = "questions without a prediction"
# Remarks: to be known beside the score.
REPEATED = "rows that stand twice with the same prediction and count once"
RETYPED = 'ids matched although they are of another type, as 12 and "12" are'
GOLD = "rows with another gold answer than the split, whose own is scored"
UNCHECKED = "rows known by their number alone, so that it cannot be checked whether they belong to this split"
NULL = "rows with null for a prediction, which counts as none"
EMPTY = "empty predictions, scored like any other"
NUMBER = "numbers for predictions, taken as text"
BROKEN = 'predictions with broken characters, replaced by "?"'
CONFIDENCE = "confidences that are no number from 0 to 1, taken as unknown"
LANGUAGE = "rows in another language than the split, left out"


def read_results(
    path: Path,
    samples: Sequence[Sample],
    *,
    partial: bool = False,
    other_splits: OtherSplits | Callable[[], OtherSplits] | None = None,
    encoding: str | None = None,
) -> tuple[list[Result], list[str]]:
    """The predictions in a file or a run's folder as results in the order of `samples`, and warnings to be shown.

    path: in any form of `forms`. samples: all questions of the split. partial: go on where questions have no
    prediction; see `partial_sentence`. other_splits: for naming where unknown ids come from, or what gives them when
    they are needed. encoding: of text files, where it is not Unicode.

    Ids of another type are the same where the split has only one such id. Empty predictions are kept, null ones count
    as missing. A confidence that is no number from 0 to 1 is taken as unknown.
    Raises InputError for a file that cannot be read, and, with counts and the first ids, for missing, unknown and
    contradicting ids, predictions that are no text, and rows that are about other questions than the split's.
    """
    warnings: list[str] = []
    join = _Join(samples)
    for entry in join.numbered(entries(path, encoding, partial=partial, warnings=warnings)):
        join.add(entry)
    missing = _Tally()
    for number, sample in enumerate(samples):
        if number not in join.results:
            missing.add(lambda sample=sample: _name(sample))
    faults = join.faults(other_splits or {})
    incomplete = missing.count > 0 and not (partial and join.results)
    if faults or incomplete:
        lack = [f"{MISSING}: {missing}"] if incomplete else []
        remedy = "correct the file" if faults else "complete the file, or score what is there with --partial"
        raise InputError(
            f"{path}: found {'; '.join(faults + lack)}; expected one prediction for each of the {len(samples):,} "
            f"questions of this split: {remedy}"
        )
    return [join.results[number] for number in sorted(join.results)], warnings + join.remarks()


def partial_sentence(results: Sequence[Result], samples: Sequence[Sample]) -> str | None:
    """What has to stand beside the scores of a part; None where every question has its prediction."""
    lack = len(samples) - len(results)
    if not lack:
        return None
    tail = "1 has no prediction and is" if lack == 1 else f"{lack:,} have no prediction and are"
    return f"partial: {len(results):,} of {len(samples):,} questions; {tail} not scored"


@dataclass
class _Tally:
    """How many, and what the first of them are called."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, name: Callable[[], str]) -> None:
        self.count += 1
        if len(self.first) < EXAMPLES:
            self.first.append(name())

    def __str__(self) -> str:
        return f"{self.count:,} ({'first: ' if self.count > EXAMPLES else ''}{', '.join(self.first)})"


class _Join:
    """Rows and questions while they are brought together, and what is noticed on the way.

    results: by the question's number in the split. noticed: one of the sentences above → the rows that it is about.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = samples
        self.results: dict[int, Result] = {}
        self.noticed: dict[str, _Tally] = defaultdict(_Tally)
        self.exact = {(type(sample.id), sample.id): number for number, sample in enumerate(samples)}
        self.folded: dict[str | None, list[int]] = defaultdict(list)
        for number, sample in enumerate(samples):
            self.folded[fold(sample.id)].append(number)
        self.ids_are_numbers = all(sample.id == number for number, sample in enumerate(samples))
        self.names_rows = any("row" in sample.metadata for sample in samples)
        self.unknown: list[str | None] = []
        self.golds = 0  # rows of which nothing but the gold answer can be compared

    def numbered(self, rows: Iterable[Entry]) -> Iterator[Entry]:
        """Rows with neither id nor number get theirs: the place among those in the split's language."""
        languages = {sample.metadata.get("q_lang") for sample in self.samples} - {None}
        number = 0
        for row in rows:
            if row.id is not None or row.number is not None:
                yield row
            elif languages and isinstance(row.language, str) and row.language not in languages:
                self._note(LANGUAGE, row)
            else:
                yield row._replace(number=number)
                number += 1

    def add(self, entry: Entry) -> None:
        """Take one row in."""
        number = self._find(entry)
        if number is None:
            self._note(UNKNOWN, entry)
            self.unknown.append(fold(entry.id))
            return
        self._compare(entry, self.samples[number])
        if is_nothing(entry.prediction):
            self._note(NULL, entry)
        elif (text := self._prediction(entry)) is not None:
            evidence = as_evidence(entry.evidence)
            result = Result(self.samples[number], text, self._confidence(entry), evidence)
            before = self.results.setdefault(number, result)
            if before is not result:
                self._note(REPEATED if before.prediction == text else CONTRADICTING, entry)

    def faults(self, other_splits: OtherSplits | Callable[[], OtherSplits]) -> list[str]:
        """What makes a score impossible or wrong."""
        # Where rows bring no question, gold answers tell a shifted file: some agree by chance, most do not.
        if 2 * self.noticed[GOLD].count > self.golds > 0:
            self.noticed[OTHER_GOLD] = self.noticed.pop(GOLD)
        kinds = (UNKNOWN, OTHER_QUESTION, OTHER_GOLD, CONTRADICTING, NO_TEXT)
        found = {kind: f"{kind}: {self.noticed[kind]}" for kind in kinds if self.noticed[kind].count}
        if UNKNOWN in found:
            found[UNKNOWN] += _whose(self.unknown, other_splits() if callable(other_splits) else other_splits)
        return list(found.values())

    def remarks(self) -> list[str]:
        """What was done to single values, and what could not be checked."""
        return [f"{what}: {tally}" for what, tally in self.noticed.items() if tally.count]

    def _note(self, kind: str, entry: Entry) -> None:
        self.noticed[kind].add(lambda: self._name(entry))

    def _name(self, entry: Entry) -> str:
        """How messages call a row: by its id only where the data set is a public one."""
        if entry.id is None or self.names_rows or as_text(entry.id) is None:
            return entry.place
        return json.dumps(entry.id)[:40]

    def _find(self, entry: Entry) -> int | None:
        """The number of the row's question; None where there is none, or more than one."""
        if entry.id is None:
            number = entry.number
            whole = isinstance(number, int) and not isinstance(number, bool) and 0 <= number < len(self.samples)
            return number if whole else None
        if isinstance(entry.id, Id) and (type(entry.id), entry.id) in self.exact:
            return self.exact[type(entry.id), entry.id]
        folded = fold(entry.id)
        same = self.folded.get(folded, []) if folded is not None else []
        if len(same) != 1:
            return None
        if entry.typed:
            self._note(RETYPED, entry)
        return same[0]

    def _compare(self, entry: Entry, sample: Sample) -> None:
        """What the row brings along, with what the split has. A prompt holds more words than the question."""
        question, answer, gold = as_text(entry.question), as_text(entry.answer), sample.answer or ""
        by_number = entry.id is None or self.ids_are_numbers
        if question is not None:
            if not (sample.question in question or words(sample.question) in words(question)):
                self._note(OTHER_QUESTION, entry)
        elif answer is None:
            if by_number:
                self._note(UNCHECKED, entry)
        else:
            self.golds += 1
        if answer not in (None, gold) and words(answer) != words(gold):
            self._note(OTHER_GOLD if by_number and question is None else GOLD, entry)

    def _prediction(self, entry: Entry) -> str | None:
        text = as_text(entry.prediction)
        if text is None:
            self._note(NO_TEXT, entry)
            return None
        whole = text.encode("utf-8", "replace").decode("utf-8")  # JSON can spell half a character, "\ud83d"
        for kind, holds in (
            (NUMBER, not isinstance(entry.prediction, str)),
            (BROKEN, whole != text),
            (EMPTY, not text.strip()),
        ):
            if holds:
                self._note(kind, entry)
        return whole

    def _confidence(self, entry: Entry) -> float | None:
        if entry.confidence is None or entry.confidence == "":
            return None
        found = as_confidence(entry.confidence)
        if found is None:
            self._note(CONFIDENCE, entry)
        return found


def _name(sample: Sample) -> str:
    return f"row {sample.metadata['row']}" if "row" in sample.metadata else json.dumps(sample.id)[:40]


def _whose(unknown: Sequence[str | None], splits: OtherSplits) -> str:
    """Of which other splits the unknown ids are."""
    found = ""
    for name, ids in splits.items():
        theirs = {fold(one) for one in ids}
        if count := sum(one in theirs for one in unknown if one is not None):
            found += f", {count:,} of them of {name}"
    return found
