"""Does a model's evidence find the cause that was planted, and does it move when the cause moves?

    python -m benchmarks.phantoms.pointing --model FOLDER --images 120 --seed 2

The pointing game (Zhang et al., 2018, "Top-down Neural Attention by Excitation Backprop") over high crops: a hit is a
best high crop that touches a box of the cause. Its rivals: a high crop drawn at random (its chance is counted, not
drawn), and the one high crop that would score best were it always named, chosen on the very questions that are scored,
so that it is stronger than any prior. Only right answers that have a cause in the picture count: what evidence of a
wrong answer should show, nobody planted. It knows models as callables only. Intervals are by image.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks import predictions
from benchmarks.phantoms.design import Planned, Question, design
from benchmarks.phantoms.phantom import boxes, moved, to_scan
from benchmarks.phantoms.placing import NoRoom
from benchmarks.phantoms.things import IntBox, Kind
from benchmarks.protocols.exact import normalise
from benchmarks.statistics import proportion
from medfly.types import Answer, Box, InputError, Region, Scan

OVERALL = "all"
Progress = Callable[[int, int], None]


class Pointing(Protocol):
    """What is asked: medfly.engine.MedFly is one."""

    def ask(self, scan: Scan, question: list[str], *, evidence: bool) -> list[Answer]: ...


@dataclass(frozen=True)
class Pointed:
    """One question. touched: by high crop, best first, whether it touches a cause; none without cause or evidence.

    order: those crops' indices. after: the same for the answer to the picture with the cause moved, None where
    that answer was wrong or nothing was moved; stayed: whether its best crop touches where the cause was before.
    """

    image: str
    question: Question
    right: bool
    touched: tuple[bool, ...] = ()
    order: tuple[int, ...] = ()
    after: tuple[bool, ...] | None = None
    stayed: bool = False

    @property
    def counts(self) -> bool:
        return self.right and bool(self.touched)


def point(model: Pointing, planned: Sequence[Planned], progress: Progress = lambda done, total: None) -> list[Pointed]:
    """Ask every question of every picture, and once more with its cause moved. Raises InputError as `ask` does."""
    pointed: list[Pointed] = []
    for done, one in enumerate(planned, 1):
        pointed += _pictures(model, one)
        progress(done, len(planned))
    return pointed


def _pictures(model: Pointing, one: Planned) -> Iterator[Pointed]:
    """The questions about one picture; each kind of cause is moved by itself."""
    questions = one.questions()
    answers = model.ask(to_scan(one.phantom), [question.text for question in questions], evidence=True)
    again = _asked_again(model, one, questions)
    for question, answer in zip(questions, answers, strict=True):
        right = _says(answer, question.answer)
        causes = boxes(one.phantom, question.cause)
        if not causes:
            yield Pointed(one.name, question, right)
            continue
        high = _high(answer)
        order = tuple(region.crop for region in high)
        after, stayed = again.get(question.topic, (None, False))
        yield Pointed(one.name, question, right, touches(high, causes), order, after, stayed)


def _asked_again(
    model: Pointing, one: Planned, questions: Sequence[Question]
) -> dict[str, tuple[tuple[bool, ...] | None, bool]]:
    """Topic → `Pointed.after` and `stayed`."""
    found: dict[str, tuple[tuple[bool, ...] | None, bool]] = {}
    kinds: list[Kind] = list(dict.fromkeys(q.cause for q in questions if boxes(one.phantom, q.cause)))
    for kind in kinds:
        try:
            other = moved(one.phantom, kind)
        except NoRoom:  # it stands where nothing like it fits a second time: not counted as moved
            continue
        elsewhere = Planned(one.name, one.split, other, one.count_zero).questions()
        asked = [question for question in elsewhere if question.cause == kind]
        answers = model.ask(to_scan(other), [question.text for question in asked], evidence=True)
        for question, answer in zip(asked, answers, strict=True):
            high, right = _high(answer), _says(answer, question.answer)
            after = touches(high, boxes(other, kind)) if right else None
            found[question.topic] = after, any(touches(high[:1], boxes(one.phantom, kind)))
    return found


def _says(answer: Answer, expected: str) -> bool:
    return normalise(answer.text) == normalise(expected)


def _high(answer: Answer) -> tuple[Region, ...]:
    """All high crops, best first. Raises InputError for a model without evidence of that level."""
    high = answer.evidence.top(len(answer.evidence.regions), "high") if answer.evidence else ()
    if not high:
        raise InputError("an answer without evidence of high crops; expected some: choose a model that gives it")
    return high


def touches(regions: Sequence[Region], causes: Sequence[IntBox]) -> tuple[bool, ...]:
    """Of each region, whether it shares more than an edge with a box."""
    return tuple(any(_share(region.box, box) for box in causes) for region in regions)


def _share(a: Box, b: IntBox) -> bool:
    return max(a[0], b[0]) < min(a[2], b[2]) and max(a[1], b[1]) < min(a[3], b[3])


def summary(pointed: Sequence[Pointed]) -> dict[str, dict[str, Any]]:
    """Topic and "all" → what was measured, shares in 0 … 1, None where nothing could be.

    majority: of the most frequent answer to each question, counted on what is asked. accuracy, hits: with low and high.
    """
    groups: dict[str, list[Pointed]] = defaultdict(list)
    for one in pointed:
        groups[OVERALL].append(one)
        groups[one.question.topic].append(one)
    return {topic: _row(some) for topic, some in groups.items()}


def _row(pointed: Sequence[Pointed]) -> dict[str, Any]:
    counted = [one for one in pointed if one.counts]
    again = [one for one in counted if one.after is not None]
    return {
        "questions": len(pointed),
        "accuracy": _share_of((one.right, one.image) for one in pointed),
        "majority": _majority(pointed),
        "pointed": len(counted),
        "hits": _share_of((one.touched[0], one.image) for one in counted),
        "random": _mean(np.mean(one.touched) for one in counted),
        "best_fixed": _best_fixed(counted),
        "moved": len(again),
        "moved_hits": _share_of((bool(one.after and one.after[0]), one.image) for one in again),
        "moved_random": _mean(np.mean(one.after or (False,)) for one in again),
        "stayed": _mean(one.stayed for one in again),
    }


def _share_of(values: Iterable[tuple[bool, str]]) -> dict[str, float | None]:
    hits, images = zip(*values, strict=True) if (values := list(values)) else ((), ())
    found = proportion([float(hit) for hit in hits], images)
    return {"value": found.value, "low": found.low, "high": found.high}


def _mean(values: Iterable[Any]) -> float | None:
    values = [float(value) for value in values]
    return float(np.mean(values)) if values else None


def _majority(pointed: Sequence[Pointed]) -> float | None:
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for one in pointed:
        answers[one.question.text][one.question.answer] += 1
    return sum(max(counts.values()) for counts in answers.values()) / len(pointed) if pointed else None


def _best_fixed(counted: Sequence[Pointed]) -> float | None:
    """The share of hits of the one crop that has most of them."""
    hits: Counter[int] = Counter()
    for one in counted:
        hits.update(crop for crop, touched in zip(one.order, one.touched, strict=True) if touched)
    return max(hits.values()) / len(counted) if counted else None


HEADINGS = "questions", "accuracy", "majority", "pointed", "hits", "random", "best fixed", "moved", "hits", "random"


def markdown(rows: dict[str, dict[str, Any]]) -> str:
    """The summary as a table, in per cent. The last column: the best crop stayed where the cause had been."""
    lines = ["| topic | " + " | ".join(HEADINGS) + " | stayed |", "|---" * (len(HEADINGS) + 2) + "|"]
    for topic, row in rows.items():
        cells = [_cell(row[key]) for key in next(iter(rows.values()))]
        lines.append(f"| {topic} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, dict):
        return "–" if value is None else f"{100 * value:.1f}"
    limits = "" if value["low"] is None else f" ({100 * value['low']:.1f} to {100 * value['high']:.1f})"
    return _cell(value["value"]) + limits


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit status: 0 done, 2 the user's input was at fault."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.phantoms.pointing", description="Evidence, scored.")
    parser.add_argument("--model", required=True, help="a model folder, trained on phantoms")
    parser.add_argument("--images", type=int, default=120, help="how many new phantoms")
    parser.add_argument("--seed", type=int, default=2, help="another than that of the training pictures")
    parser.add_argument("--output_path", type=Path, help="a JSON file for the numbers")
    options = parser.parse_args(arguments)
    try:
        planned = design(options.images, options.seed)
        from medfly import load  # brings torch in: only once the phantoms are known to be drawn

        rows = summary(point(load(options.model), planned))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    if options.output_path:
        predictions.write_json(options.output_path, rows)
    print(markdown(rows), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
