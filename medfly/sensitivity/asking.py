"""Answers asked for once more under every planned change: one look at each changed picture for all questions.

It knows the engine's steps (view, read, prompt, generate, finish) and no weights; it judges nothing but whether two
answers are the same text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from medfly.ahead import ahead
from medfly.geometry import LEVELS
from medfly.sensitivity.answers import said_of_original, same_answer
from medfly.sensitivity.planning import AnyWindow, Change, changes
from medfly.types import Answer, Level, Scan, Variation

if TYPE_CHECKING:
    from medfly.engine import MedFly, Prefix, View

TOGETHER = 16
"""Questions that are answered at a time, as the engine does; it never changes an answer in fp32."""
Asked = tuple[int, Change]
"""A change, and which of the questions it belongs to."""


def vary(
    fly: MedFly,
    scan: Scan,
    question: str,
    *,
    window: AnyWindow = None,
    max_new_tokens: int = 64,
    levels: Sequence[Level] = LEVELS,
) -> tuple[Variation, ...]:
    """What the model says to a question under every change of `medfly.sensitivity.changes`, in their order.

    window, max_new_tokens, levels: as for `MedFly.ask`, and `same` is judged by its answer, which is asked for first.
    About 15 pictures are read, each of which takes as long as an answer. Raises InputError as `MedFly.ask` does.
    """
    answer = fly.ask(scan, question, window=window, evidence=False, max_new_tokens=max_new_tokens, levels=levels)
    (answer,) = with_variations(fly, scan, [answer], window=window, max_new_tokens=max_new_tokens, levels=levels)
    return answer.variations


def with_variations(
    fly: MedFly,
    scan: Scan,
    answers: Sequence[Answer],
    *,
    window: AnyWindow = None,
    max_new_tokens: int = 64,
    levels: Sequence[Level] = LEVELS,
    advance: Callable[[], None] = lambda: None,
) -> list[Answer]:
    """The answers, which the model gave about this scan, with their `variations`; see `Answer.flips`.

    window, max_new_tokens, levels: as they were asked with. advance: called after each picture, `reads` times.
    """
    plans = [changes(scan, answer.question, window) for answer in answers]
    found: dict[Asked, Variation] = {}
    batches = _by_picture(plans)
    views = ahead(partial(_view, fly, scan, batch[0][1], window, levels) for batch in batches)
    with closing(views):
        for batch, view in zip(batches, views, strict=True):
            prefix = fly.read(view)
            for start in range(0, len(batch), TOGETHER):
                some = batch[start : start + TOGETHER]
                said = _said(fly, prefix, [change.question for _, change in some], max_new_tokens)
                for (number, change), answer in zip(some, said, strict=True):
                    found[number, change] = _variation(change, answer, answers[number])
            advance()
    return [
        replace(answer, variations=tuple(found[number, change] for change in plan))
        for number, (answer, plan) in enumerate(zip(answers, plans, strict=True))
    ]


def reads(scan: Scan, questions: Sequence[str], window: AnyWindow = None) -> int:
    """How many pictures `with_variations` shows the model for these questions."""
    return len(_by_picture([changes(scan, question, window) for question in questions]))


def _by_picture(plans: Sequence[Sequence[Change]]) -> list[list[Asked]]:
    """The changes of all questions by the picture that they need. The plain one, with other words, is one of them."""
    batches: dict[str, list[Asked]] = {}
    for number, plan in enumerate(plans):
        for change in plan:
            batches.setdefault("" if change.same_picture else change.name, []).append((number, change))
    return list(batches.values())


def _view(fly: MedFly, scan: Scan, change: Change, window: AnyWindow, levels: Sequence[Level]) -> View:
    """What the model is shown of the changed picture; of an unchanged one exactly what it was shown before."""
    if change.same_picture:
        return fly.view(scan, window=window, levels=levels)
    return fly.view(change.scan(scan, window), levels=levels)


def _said(fly: MedFly, prefix: Prefix, questions: Sequence[str], limit: int) -> list[Answer]:
    prompts = [fly.prompt(question, limit, image_positions=prefix.end) for question in questions]
    results = fly.generate(prefix, prompts, limit)
    return [
        fly.finish(prefix, *one, evidence=False, trust=False) for one in zip(questions, prompts, results, strict=True)
    ]


def _variation(change: Change, answer: Answer, plain: Answer) -> Variation:
    same = same_answer(said_of_original(change.kind, answer.text), plain.text)
    return Variation(change.kind, change.name, change.question, answer.text, answer.confidence, same)
