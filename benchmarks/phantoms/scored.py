"""Rows of the pointing game → accuracy, hits and what they are worth against rivals. It knows no model and no file.

Rivals of a hit: a high crop drawn at random (its chance is counted, not drawn), and for each topic the one high crop
that would hit most often were it always named. It has read the question and not looked, and is chosen on the very
pictures that are scored, so that it is stronger than any prior. Where the cause was moved both are counted anew.
Of an answer: the most frequent one to each question, counted on what is asked. Each difference is taken question by
question; all intervals are by image, see benchmarks.statistics. All shares in 0 … 1.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.phantoms.design import Question
from benchmarks.statistics import paired_difference, proportion

OVERALL = "all"


@dataclass(frozen=True)
class Pointed:
    """One question. touched: by high crop, best first, whether it touches a cause; none without cause or evidence.

    order: those crops' indices. after, after_order: the same for the answer to the picture with the cause moved, None
    and none where that answer was wrong or nothing was moved; stayed: whether its best crop touches where the cause
    was before.
    """

    image: str
    question: Question
    right: bool
    touched: tuple[bool, ...] = ()
    order: tuple[int, ...] = ()
    after: tuple[bool, ...] | None = None
    after_order: tuple[int, ...] = ()
    stayed: bool = False

    @property
    def counts(self) -> bool:
        return self.right and bool(self.touched)


def to_row(one: Pointed) -> dict[str, Any]:
    """For a file: the question by its topic alone."""
    return {**asdict(one), "question": one.question.topic}


def from_row(row: dict[str, Any], questions: Sequence[Question]) -> Pointed:
    """The reverse of to_row. questions: of the row's picture."""
    question = next(one for one in questions if one.topic == row["question"])
    lists = {name: tuple(row[name]) for name in ("touched", "order", "after_order")}
    after = None if row["after"] is None else tuple(row["after"])
    return Pointed(**{**row, **lists, "question": question, "after": after})


def summary(pointed: Sequence[Pointed]) -> dict[str, dict[str, Any]]:
    """Topic and "all" → what was measured: counts, shares and {"value", "low", "high"}; None where nothing could be.

    above_…: the share before it minus that of its rival.
    """
    groups: dict[str, list[Pointed]] = defaultdict(list)
    for one in pointed:
        groups[OVERALL].append(one)
        groups[one.question.topic].append(one)
    return {topic: _row(some) for topic, some in groups.items()}


def _row(pointed: Sequence[Pointed]) -> dict[str, Any]:
    counted = [one for one in pointed if one.counts]
    again = [one for one in counted if one.after is not None]
    right, often = [one.right for one in pointed], _majority(pointed)
    hits, chance = [one.touched[0] for one in counted], [np.mean(one.touched) for one in counted]
    fixed = _fixed([(one.question.topic, one.order, one.touched) for one in counted])
    after = [one.after or (False,) for one in again]
    followed, by_luck = [one[0] for one in after], [np.mean(one) for one in after]
    named = _fixed([(one.question.topic, one.after_order, some) for one, some in zip(again, after, strict=True)])
    return {
        "questions": len(pointed),
        "accuracy": _share(right, pointed),
        "majority": _mean(often),
        "above_majority": _above(right, often, pointed),
        "pointed": len(counted),
        "hits": _share(hits, counted),
        "random": _mean(chance),
        "above_random": _above(hits, chance, counted),
        "best_fixed": _mean(fixed),
        "above_fixed": _above(hits, fixed, counted),
        "moved": len(again),
        "moved_hits": _share(followed, again),
        "moved_random": _mean(by_luck),
        "moved_above_random": _above(followed, by_luck, again),
        "moved_fixed": _mean(named),
        "moved_above_fixed": _above(followed, named, again),
        "stayed": _mean(one.stayed for one in again),
        "stayed_random": _mean(np.mean(one.touched) for one in again),
    }


def _share(values: Sequence[bool], pointed: Sequence[Pointed]) -> dict[str, float | None]:
    found = proportion([float(value) for value in values], [one.image for one in pointed])
    return {"value": found.value, "low": found.low, "high": found.high}


def _above(values: Sequence[Any], rival: Sequence[Any], pointed: Sequence[Pointed]) -> dict[str, float | None]:
    found = paired_difference([float(v) for v in values], [float(v) for v in rival], [one.image for one in pointed])
    return {"value": found.value, "low": found.low, "high": found.high}


def _mean(values: Iterable[Any]) -> float | None:
    values = [float(value) for value in values]
    return float(np.mean(values)) if values else None


def _majority(pointed: Sequence[Pointed]) -> list[bool]:
    """Of each question, whether its words' most frequent answer is right."""
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for one in pointed:
        answers[one.question.text][one.question.answer] += 1
    return [answers[one.question.text].most_common(1)[0][0] == one.question.answer for one in pointed]


def _fixed(counted: Sequence[tuple[str, Sequence[int], Sequence[bool]]]) -> list[bool]:
    """Of each question (topic, crops, whether each touches a cause): does its topic's most frequent one?"""
    touching = [
        (topic, {crop for crop, hit in zip(order, touched, strict=True) if hit}) for topic, order, touched in counted
    ]
    often: dict[str, Counter[int]] = defaultdict(Counter)
    for topic, crops in touching:
        often[topic].update(sorted(crops))
    best = {topic: crops.most_common(1)[0][0] for topic, crops in often.items() if crops}
    return [best.get(topic) in crops for topic, crops in touching]


HEADINGS = (
    "questions", "accuracy", "majority", "− majority",
    "pointed", "hits", "random", "− random", "best fixed", "− best fixed",
    "moved", "hits", "random", "− random", "best fixed", "− best fixed", "stayed", "random",
)  # fmt: skip


def markdown(rows: dict[str, dict[str, Any]]) -> str:
    """The summary as a table, in per cent. The last columns: the best crop stayed where the cause had been."""
    lines = ["| topic | " + " | ".join(HEADINGS) + " |", "|---" * (len(HEADINGS) + 1) + "|"]
    for topic, row in rows.items():
        lines.append(f"| {topic} | " + " | ".join(map(_cell, row.values())) + " |")
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, dict):
        return "–" if value is None else f"{100 * value:.1f}"
    limits = "" if value["low"] is None else f" ({100 * value['low']:.1f} to {100 * value['high']:.1f})"
    return _cell(value["value"]) + limits
