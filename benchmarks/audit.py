"""Is the model looking? The same questions with the picture blank, noise or another's, and answers without a model.

It knows which conditions there are and compares what was answered under them; who answers is told as a callable, and
asking is the runner's business. An answer that survives without its picture was not read off the picture. The reverse
does not follow: noise is unlike anything that a model was trained on, and may break answers that need no picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.baselines import QuestionOnlyMajority, blank_images, noise_images, shuffled_images
from benchmarks.protocols.rule import GROUPS, Group, Rule
from benchmarks.results import Result
from benchmarks.runner import AnswerFunction
from benchmarks.scores import SEED, in_group, limits, percent, score_group
from benchmarks.statistics import paired_difference, proportion
from medfly.types import InputError, Sample

AS_IS = "as_is"
MAJORITY = "majority"
IMAGE_SEED = 0  # of the exchange of images, and of the noise


class Condition(NamedTuple):
    """What `runner.run` takes: who answers, what is asked, and the identity that the run is recorded under."""

    answer: AnswerFunction
    samples: Sequence[Sample]
    model: Mapping[str, str]


def conditions(
    answer: AnswerFunction, model: Mapping[str, str], samples: Sequence[Sample], training: Sequence[Sample]
) -> tuple[dict[str, Condition], list[str]]:
    """as_is, blank, noise, shuffled and majority, each to be run in a folder of its own; and what is left out, and why.

    model: name and hash of who answers. training: the questions of the task's training split, empty where they are
    not at hand: then there is no majority. Nor is there a shuffled condition where the images are too few or too alike.
    """
    found = {
        AS_IS: Condition(answer, samples, model),
        "blank": Condition(answer, blank_images(samples), model),
        "noise": Condition(answer, noise_images(samples, IMAGE_SEED), model),
    }
    warnings: list[str] = []
    try:
        found["shuffled"] = Condition(answer, shuffled_images(samples, IMAGE_SEED), model)
    except InputError as problem:
        warnings.append(f"audit without shuffled images: {problem}")
    if any((sample.answer or "").strip() for sample in training):
        majority = QuestionOnlyMajority.fit(training)
        found[MAJORITY] = Condition(majority, samples, {"name": "question-only majority", "hash": majority.hash})
    else:
        warnings.append("audit without the question-only majority: the task's training answers are not at hand")
    return found, warnings


def audit(by_condition: Mapping[str, Sequence[Result]], rule: Rule, task: str) -> dict[str, Any]:
    """Every condition's results, on the same questions in the same order, against those of "as_is".

    Keys: protocol; conditions: name → group → `score_group`; survive: name → numerator, denominator, clusters,
    percent, low, high: the share of the answers right as is that are right under the condition, too; differences:
    "as_is minus NAME" → group → difference, low, high in percentage points, wins, losses, count, clusters.
    An answer is right where it scores 1: a rule of fractions, such as token F1, has few of these.
    Raises InputError where "as_is" is missing or the questions are not the same.
    """
    _check(by_condition)
    plain = by_condition[AS_IS]
    others = {name: results for name, results in by_condition.items() if name != AS_IS}
    return {
        "protocol": rule.name,
        "conditions": {
            name: {group: score_group(results, rule, task, group) for group in GROUPS}
            for name, results in by_condition.items()
        },
        "survive": {name: survival(plain, results, rule, task) for name, results in others.items()},
        "differences": {
            f"{AS_IS} minus {name}": {group: _difference(plain, results, rule, task, group) for group in GROUPS}
            for name, results in others.items()
        },
    }


def survival(plain: Sequence[Result], other: Sequence[Result], rule: Rule, task: str) -> dict[str, Any]:
    """Of the answers right in `plain`, the share that is right in `other`, too; see `audit`."""
    pairs = [(a, b) for a, b in zip(plain, other, strict=True) if a.is_scored]
    right = [(a, b) for a, b in pairs if rule.judge(a.item(task)).score == 1]  # what a rule leaves out is not right
    kept = [float(rule.judge(b.item(task)).score == 1) for _, b in right]
    found = proportion(kept, [a.cluster for a, _ in right], seed=SEED)
    return {
        "numerator": int(found.hits),
        "denominator": found.count,
        "clusters": found.clusters,
        "percent": percent(found.value),
        **limits(found),
    }


def _difference(
    plain: Sequence[Result], other: Sequence[Result], rule: Rule, task: str, group: Group
) -> dict[str, Any]:
    judged = _judged(plain, other, rule, task) if group in rule.metrics else []
    members = [(a.cluster, *scores) for a, _, scores in judged if in_group(a, rule, task, group)]
    found = paired_difference([x for _, x, _ in members], [y for *_, y in members], [c for c, *_ in members], seed=SEED)
    return {
        "difference": percent(found.value),
        **limits(found),
        "wins": found.wins,
        "losses": found.losses,
        "count": found.count,
        "clusters": found.clusters,
    }


Pair = tuple[Result, Result, tuple[float, float]]


def _judged(plain: Sequence[Result], other: Sequence[Result], rule: Rule, task: str) -> list[Pair]:
    """The scored questions with both scores; those that the rule leaves out on either side are in no pair."""
    pairs = [(a, b) for a, b in zip(plain, other, strict=True) if a.is_scored]
    judged = [(a, b, rule.judge(a.item(task)).score, rule.judge(b.item(task)).score) for a, b in pairs]
    return [(a, b, (x, y)) for a, b, x, y in judged if x is not None and y is not None]


def _check(by_condition: Mapping[str, Sequence[Result]]) -> None:
    """Raises InputError where there is nothing to compare with, or unlike is compared."""
    if AS_IS not in by_condition:
        raise InputError(
            f"audit: found no {AS_IS} answers among {', '.join(by_condition)}; expected them: run it first"
        )

    def asked(results: Sequence[Result]) -> list[tuple[Any, ...]]:
        return [(r.sample.id, r.sample.question, r.sample.answer) for r in results]

    questions = asked(by_condition[AS_IS])
    for name, results in by_condition.items():
        if asked(results) != questions:
            raise InputError(
                f"audit: found other questions under {name} than under {AS_IS}, or another order; expected the same: "
                "run both on the same split"
            )
