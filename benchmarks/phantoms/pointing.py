"""Does a model's evidence find the cause that was planted, and does it move when the cause moves?

    python -m benchmarks.phantoms.pointing --model FOLDER --images 60 --seed 2 --output_path runs/pointing

The pointing game (Zhang et al., 2018, "Top-down Neural Attention by Excitation Backprop") over high crops: a hit is a
best high crop that touches a box of the cause. Its rivals and the measures are benchmarks.phantoms.scored's. Only
right answers that have a cause in the picture count: what evidence of a wrong answer should show, nobody planted. So
evidence is asked for there only. It knows models as callables only. Intervals are by image.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from benchmarks import predictions
from benchmarks.manifest import claim
from benchmarks.phantoms.design import TOPICS, Planned, Question, design
from benchmarks.phantoms.phantom import boxes, moved, to_scan
from benchmarks.phantoms.placing import NoRoom
from benchmarks.phantoms.scored import Pointed, from_row, markdown, summary, to_row
from benchmarks.phantoms.things import IntBox, Kind
from benchmarks.progress import progress
from benchmarks.protocols.exact import normalise
from medfly.evidence import Wanted
from medfly.types import Answer, Box, InputError, Region, Scan

EVIDENCE: dict[str, Wanted] = {"gradients": True, "causal_all": "causal_all"}
"""Ways that score every high crop: a way that prunes some could not rank them all."""
ROWS, SCORES = "rows.jsonl", "scores.json"


class Pointing(Protocol):
    """What is asked: medfly.engine.MedFly is one."""

    def ask(self, scan: Scan, question: list[str], *, evidence: Wanted) -> list[Answer]: ...


def point(model: Pointing, planned: Sequence[Planned], evidence: Wanted = True) -> Iterator[list[Pointed]]:
    """Of each picture its questions, asked once more with their cause moved. Raises InputError as `ask` does."""
    for one in planned:
        yield list(_picture(partial(_ask, model, evidence), one))


Ask = Callable[[Planned, Sequence[Question]], list[tuple[Region, ...] | None]]


def _ask(
    model: Pointing, evidence: Wanted, one: Planned, questions: Sequence[Question]
) -> list[tuple[Region, ...] | None]:
    """The evidence of each answer, best high crop first, nothing without a cause; None where the answer is wrong."""
    scan, asked = to_scan(one.phantom), [question.text for question in questions]
    answers = model.ask(scan, asked, evidence=False)
    right = [normalise(a.text) == normalise(q.answer) for a, q in zip(answers, questions, strict=True)]
    caused = [r and bool(boxes(one.phantom, q.cause)) for r, q in zip(right, questions, strict=True)]
    again = [text for text, wanted in zip(asked, caused, strict=True) if wanted]
    explained = iter(model.ask(scan, again, evidence=evidence) if again else ())
    return [(_high(next(explained)) if c else ()) if r else None for r, c in zip(right, caused, strict=True)]


def _picture(ask: Ask, one: Planned) -> Iterator[Pointed]:
    """The questions about one picture; each kind of cause is moved by itself."""
    questions = one.questions()
    found = dict(zip(questions, ask(one, questions), strict=True))
    again = _asked_again(ask, one, [question for question, high in found.items() if high])
    for question, high in found.items():
        order = tuple(region.crop for region in high or ())
        touched = touches(high or (), boxes(one.phantom, question.cause))
        after, after_order, stayed = again.get(question.topic, (None, (), False))
        yield Pointed(one.name, question, high is not None, touched, order, after, after_order, stayed)


After = tuple[tuple[bool, ...] | None, tuple[int, ...], bool]
"""`Pointed.after`, `after_order` and `stayed`."""


def _asked_again(ask: Ask, one: Planned, questions: Sequence[Question]) -> dict[str, After]:
    """Topic → what was found with its cause moved."""
    found: dict[str, After] = {}
    kinds: list[Kind] = list(dict.fromkeys(question.cause for question in questions))
    for kind in kinds:
        try:
            phantom = moved(one.phantom, kind)
        except NoRoom:  # it stands where nothing like it fits a second time: not counted as moved
            continue
        other = replace(one, phantom=phantom)
        topics = {question.topic for question in questions if question.cause == kind}
        asked = [question for question in other.questions() if question.topic in topics]
        for question, high in zip(asked, ask(other, asked), strict=True):
            after = None if high is None else touches(high, boxes(phantom, kind))
            stayed = any(touches((high or ())[:1], boxes(one.phantom, kind)))
            found[question.topic] = after, tuple(region.crop for region in high or ()), stayed
    return found


def _high(answer: Answer) -> tuple[Region, ...]:
    """All high crops, best first. Raises InputError for a model without evidence of that level."""
    high = answer.evidence.top(len(answer.evidence.regions), "high") if answer.evidence else ()
    if not high:
        raise InputError("an answer without evidence of high crops; expected some: choose a model that gives it")
    return high


def touches(regions: Sequence[Region], causes: Sequence[IntBox]) -> tuple[bool, ...]:
    """Of each region, whether it shares more than an edge with a box."""
    return tuple(any(_overlap(region.box, box) for box in causes) for region in regions)


def _overlap(a: Box, b: IntBox) -> bool:
    return max(a[0], b[0]) < min(a[2], b[2]) and max(a[1], b[1]) < min(a[3], b[3])


def kept(model: Pointing, planned: Sequence[Planned], evidence: str, folder: Path, /, **asked: Any) -> list[Pointed]:
    """`point`, with each picture's rows kept in the folder, so that a run that was killed goes on where it was.

    evidence: one of EVIDENCE. asked: what else tells this run from another. Raises InputError where the folder holds
    another one's.
    """
    claim(folder, {**asked, "evidence": evidence}, None)
    lines = predictions.finished(folder / ROWS)
    done = [
        from_row(row, one.questions()) for one, line in zip(planned, lines, strict=False) for row in json.loads(line)
    ]
    with (folder / ROWS).open("a", encoding="utf-8") as file, progress("pointing", len(planned), len(lines)) as advance:
        for rows in point(model, planned[len(lines) :], EVIDENCE[evidence]):
            file.write(json.dumps([to_row(one) for one in rows]) + "\n")
            file.flush()
            done += rows
            advance()
    return done


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit status: 0 done, 2 the user's input was at fault."""
    options = _options(arguments)
    try:
        planned = design(options.images, options.seed, topics=options.topics)
        from medfly import load  # brings torch in: only once the phantoms are known to be drawn

        fly = load(options.model)
        asked = {name: getattr(options, name) for name in ("images", "seed", "topics")}
        pointed = kept(
            fly, planned, options.evidence, options.output_path, model={"name": fly.name, "hash": fly.hash}, **asked
        )
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    rows = summary(pointed)
    predictions.write_json(options.output_path / SCORES, rows)
    print(markdown(rows), end="")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.phantoms.pointing", description="Evidence, scored.")
    parser.add_argument("--model", required=True, help="a model folder, trained on phantoms")
    parser.add_argument("--images", type=int, default=60, help="how many new phantoms")
    parser.add_argument("--seed", type=int, default=2, help="another than that of the training pictures")
    parser.add_argument("--topics", nargs="+", choices=TOPICS, default=[*TOPICS], help="what is asked; by default all")
    parser.add_argument("--evidence", choices=EVIDENCE, default="gradients", help="how the evidence is found")
    parser.add_argument("--output_path", required=True, type=Path, help="a folder; an interrupted run goes on there")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
