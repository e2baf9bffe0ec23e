"""What is odd about the rows of one split: counted, with examples, and nothing repaired.

It compares rows of one split only; what two splits or data sets share is the business of a leakage check.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from data_adapters.dataset import Finding, Size
from data_adapters.tables.rows import Contents, Row, answer_type, is_answer, is_id, is_inside, is_number, is_yes_or_no
from data_adapters.tables.rows import one_line as tidy

EXAMPLES = 5
EXAMPLE_LENGTH = 60
ENOUGH = 10  # rows, to call them one-sided
ONE_SIDED = 0.9

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class _Oddity:
    """Something that one row can show by itself."""

    severity: Severity
    kind: str
    shown_by: Callable[[Row], bool]
    message: str


def _is_untidy(text: Any) -> bool:
    return isinstance(text, str) and text != tidy(text)


def _is_blank(text: Any) -> bool:
    return isinstance(text, str) and not text.strip()


ODDITIES = (
    _Oddity("error", "odd_id", lambda row: not is_id(row.id), "ids that are neither number nor text; correct the rows"),
    _Oddity(
        "error",
        "no_question",
        lambda row: not isinstance(row.question, str) or _is_blank(row.question),
        "rows without a question in words; correct the rows",
    ),
    _Oddity(
        "error",
        "no_image_name",
        lambda row: not isinstance(row.image, str) or _is_blank(row.image),
        "rows that name no picture in words; correct the rows",
    ),
    _Oddity(
        "error",
        "image_outside",
        lambda row: isinstance(row.image, str) and not is_inside(row.image),
        "picture names that lead out of the data set's folder; do not trust this copy",
    ),
    _Oddity("error", "odd_answer", lambda row: not is_answer(row.answer), "answers that are no text; correct the rows"),
    _Oddity(
        "warning",
        "empty_answer",
        lambda row: row.answer is None or _is_blank(row.answer),
        "rows without an answer: kept, and left unscored by `medfly eval`",
    ),
    _Oddity("warning", "number_answer", lambda row: is_number(row.answer), "answers that are numbers: read as text"),
    _Oddity(
        "warning",
        "untidy_answer",
        lambda row: _is_untidy(row.answer) and not _is_blank(row.answer),
        "answers with tabs, repeated or outer blanks: kept as they are",
    ),
    _Oddity(
        "warning",
        "untidy_question",
        lambda row: _is_untidy(row.question) and not _is_blank(row.question),
        "questions with tabs, repeated or outer blanks: read with single blanks",
    ),
    _Oddity(
        "warning",
        "untidy_answer_type",
        lambda row: answer_type(row.answer_type) not in (None, row.answer_type),
        "answer types with blanks or in another case: read as OPEN or CLOSED",
    ),
    _Oddity(
        "warning",
        "unknown_answer_type",
        lambda row: row.answer_type is not None and answer_type(row.answer_type) is None,
        "answer types other than OPEN and CLOSED: such rows count in neither",
    ),
    _Oddity(
        "warning",
        "no_answer_type",
        lambda row: row.answer_type is None,
        "rows of which this copy does not say whether they are OPEN or CLOSED: they count in neither",
    ),
    _Oddity(
        "warning",
        "closed_not_yes_no",
        lambda row: answer_type(row.answer_type) == "CLOSED" and not is_yes_or_no(row.answer),
        "CLOSED questions whose answer is neither yes nor no: protocols that look for yes or no differ on them",
    ),
)


def check_contents(contents: Contents, where: str, expected: Size | None) -> list[Finding]:
    """Everything about one split: its size, its rows one by one and compared, its pictures.

    where: data set and split, as in "slake train". expected: as published for this very layout, if it was.
    """
    rows = contents.rows
    findings = _size(rows, where, expected)
    for oddity in ODDITIES:
        odd = [_label(row, number) for number, row in enumerate(rows) if oddity.shown_by(row)]
        findings += _finding(oddity.severity, oddity.kind, where, oddity.message, odd)
    findings += _ids(rows, where)
    findings += _repeated(rows, where)
    findings += _one_sided(rows, where)
    return findings + _pictures(contents, where)


def _finding(severity: Severity, kind: str, where: str, message: str, labels: Iterable[str]) -> list[Finding]:
    """One finding about all that is labelled, none where nothing is."""
    labels = list(labels)
    if not labels:
        return []
    examples = tuple(label[:EXAMPLE_LENGTH] for label in labels[:EXAMPLES])
    return [Finding(severity, kind, where, f"{len(labels):,} {message}", len(labels), examples)]


def _label(row: Row, number: int) -> str:
    return tidy(str(row.id)) if is_id(row.id) else f"row {number}"


def _size(rows: list[Row], where: str, expected: Size | None) -> list[Finding]:
    if expected is None:
        return []
    images = len({row.image for row in rows if isinstance(row.image, str)})
    findings = []
    for what, found, right in ("questions", len(rows), expected.questions), ("images", images, expected.images):
        if right is not None and found != right:
            message = f"{found:,} {what}, expected {right:,} as published: scores do not compare with others'"
            findings.append(Finding("error", f"size_{what}", where, message, abs(found - right)))
    return findings


def _ids(rows: list[Row], where: str) -> list[Finding]:
    ids = [row.id for row in rows if is_id(row.id)]
    twice = [tidy(str(one)) for one, count in Counter(ids).items() if count > 1]
    message = "ids that stand more than once: predictions cannot be told apart; correct the rows"
    texts = [tidy(one) for one in ids if isinstance(one, str)]
    mixed = texts if len(texts) < len(ids) else []
    return [
        *_finding("error", "duplicate_id", where, message, twice),
        *_finding("warning", "text_id", where, "ids that are text among numbers: kept as they are", mixed),
    ]


def _repeated(rows: list[Row], where: str) -> list[Finding]:
    """The same question about the same picture again, with the same answer or with another."""
    asked: dict[tuple[str, str], set[str]] = {}
    again: list[str] = []
    others: dict[tuple[str, str], str] = {}
    for number, row in enumerate(rows):
        if not isinstance(row.image, str) or not isinstance(row.question, str) or not is_answer(row.answer):
            continue
        key, answer = (row.image, tidy(row.question).lower()), tidy(str(row.answer)).lower()
        answers = asked.setdefault(key, set())
        if answer in answers:
            again.append(_label(row, number))
        elif answers:
            others.setdefault(key, _label(row, number))
        answers.add(answer)
    return [
        *_finding("warning", "duplicate_question", where, "rows that repeat picture, question and answer", again),
        *_finding(
            "warning",
            "conflicting_answers",
            where,
            "questions that have more than one answer about the same picture: no model can match all",
            others.values(),
        ),
    ]


def _one_sided(rows: list[Row], where: str) -> list[Finding]:
    """Nearly all answers are the same one. It is not told: a hospital's answers may be patient data."""
    answers = Counter(tidy(str(row.answer)).lower() for row in rows if is_answer(row.answer) and row.answer is not None)
    most = max(answers.values(), default=0)
    if len(rows) < ENOUGH or most < ONE_SIDED * len(rows):
        return []
    message = f"{most:,} of {len(rows):,} rows have the same answer: whoever always gives it is right as often"
    return [Finding("warning", "one_sided", where, message, most)]


def _pictures(contents: Contents, where: str) -> list[Finding]:
    names = dict.fromkeys(row.image for row in contents.rows if isinstance(row.image, str) and is_inside(row.image))
    missing = [tidy(name) for name in names if name.strip() and contents.find(name) is None]
    message = f"of {len(names):,} pictures missing in {contents.pictures}; unpack the data set's pictures there"
    return _finding("error", "missing_images", where, message, missing)


def absent_splits(name: str, expected: Mapping[str, Size], splits: tuple[str, ...]) -> list[Finding]:
    """One warning for each published split that is not in the folder."""
    return [
        Finding("warning", "absent_split", f"{name} {split}", f"no such split here, {size.questions:,} questions", 1)
        for split, size in expected.items()
        if split not in splits
    ]
