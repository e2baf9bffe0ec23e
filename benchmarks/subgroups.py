"""Where is a model good and where is it not: one rule's score for each organ, modality, kind of question and so on.

It knows which columns it is told of and nothing of their meaning: labels that differ by more than case and blanks
are different labels (VQA-RAD's "PRSE" stays beside its "PRES"). Small groups are marked, never dropped: their intervals
are wide, and a difference between two of many groups is to be expected by chance.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from benchmarks.protocols.rule import Rule
from benchmarks.results import Result
from benchmarks.scores import score_group

NOT_STATED = "not stated"
SEPARATOR = ","
SMALLEST = 20
"""Questions. Below it even a group without clusters has an interval of over 40 points around 50 %."""


def subgroups(
    results: Sequence[Result],
    rule: Rule,
    task: str,
    keys: Mapping[str, str],
    *,
    several: Collection[str] = (),
    smallest: int = SMALLEST,
) -> dict[str, Any]:
    """The scored questions in groups by their answer type and by each of the columns.

    keys: title → key of Sample.metadata. several: titles whose cells may hold more than one label, parted by commas
    (VQA-RAD's "PRES, POS"): such a question counts in each of its groups, which then sum to more than the whole.
    Keys of the result: protocol; smallest; by: title → groups, the largest first, each with label, small (fewer than
    `smallest` questions in its denominator) and what `score_group` gives; several: title → how many questions count in
    more than one of its groups. A label is spelt as most of its questions spell it. Questions without one are the
    group "not stated".
    """
    scored = [result for result in results if result.is_scored]
    labelled = {"answer type": [[(result.tag or "").lower()] for result in scored]}
    for title, key in keys.items():
        cells = [_text(result.sample.metadata.get(key)) for result in scored]
        labelled[title] = [cell.split(SEPARATOR) if title in several else [cell] for cell in cells]
    members = {title: _members(scored, labels) for title, labels in labelled.items()}
    found: dict[str, list[dict[str, Any]]] = {}
    for title, groups in members.items():
        scores = [{"label": label, **score_group(group, rule, task)} for label, group in groups.items()]
        for one in scores:
            one["small"] = one["denominator"] < smallest
        found[title] = sorted(scores, key=lambda one: (-one["denominator"], one["label"]))
    return {
        "protocol": rule.name,
        "smallest": smallest,
        "by": found,
        "several": {title: _in_several(labelled[title]) for title in labelled if title in several},
    }


def _text(cell: Any) -> str:
    """A cell as text, "" where it holds nothing; NaN, which tables have for nothing, too."""
    return "" if cell is None or cell != cell else str(cell)


def spelt(cells: Sequence[Any]) -> list[str]:
    """Each cell as a label, as `subgroups` takes it: in its most frequent spelling, NOT_STATED where there is none."""
    labels = [" ".join(_text(cell).split()) for cell in cells]
    spellings: dict[str, Counter[str]] = {}
    for label in labels:
        spellings.setdefault(_fold(label), Counter())[label or NOT_STATED] += 1
    return [spellings[_fold(label)].most_common(1)[0][0] for label in labels]


def _fold(label: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", label).casefold().split())


def _members(results: Sequence[Result], labels: Sequence[Sequence[str]]) -> dict[str, list[Result]]:
    """Label in its most frequent spelling → the questions that bear it; a question counts once in a group."""
    spellings: dict[str, Counter[str]] = {}
    members: dict[str, list[Result]] = {}
    for result, own in zip(results, labels, strict=True):
        folded = {_fold(label): " ".join(label.split()) for label in own}
        stated = {fold: label for fold, label in folded.items() if fold} or {NOT_STATED: NOT_STATED}
        for fold, label in stated.items():
            spellings.setdefault(fold, Counter())[label] += 1
            members.setdefault(fold, []).append(result)
    return {spellings[fold].most_common(1)[0][0]: group for fold, group in members.items()}


def _in_several(labels: Sequence[Sequence[str]]) -> int:
    return sum(len({_fold(label) for label in own} - {""}) > 1 for own in labels)
