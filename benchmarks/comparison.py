"""Two systems on the same questions, under each rule: how far apart they are, and whether that could be chance.

It knows results, rules and statistics; it knows neither models nor files. Differences are percentage points, first
minus second. Which of many comparisons counts is for its reader to say beforehand; the corrected p values are for the
reader who did not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.protocols.rule import GROUPS, Group, Rule
from benchmarks.results import Result
from benchmarks.scores import SEED, in_group, limits, percent
from benchmarks.statistics import (
    LEVEL,
    METHOD,
    RESAMPLES,
    clustered_error,
    detectable_difference,
    holm,
    intracluster_correlation,
    mcnemar,
    paired_difference,
    sign_flip,
)
from medfly.types import InputError

JudgedPair = tuple[Result, float | None, float | None]
"""A question, as the first system's result, and both systems' scores; None where the rule leaves the answer out."""


def compare(first: Sequence[Result], second: Sequence[Result], rules: Sequence[Rule], task: str) -> dict[str, Any]:
    """First minus second under every rule, for open, closed and overall.

    Keys: questions; unscored (without a gold answer); clusters, "image" or "patient": what is resampled, and whose
    sign is turned; interval and test: how they were made; comparisons: how many p values the correction is for, which
    are all of this result; protocols: the rule's name → title, source and groups: open, closed, overall, each with

    - metric, None where the rule has no number for the group, and then all else is None or 0;
    - count: pairs that count; unpaired: pairs that do not, since the rule as published leaves out one answer or both;
    - clusters; first, second: percent of the pairs that count; difference, low, high: points; wins, losses;
    - p_permutation; p_holm, which is that corrected; p_mcnemar, only for closed questions that are right or wrong and
      nothing between, and blind to the clusters;
    - correlation, of the differences within a cluster; detectable: the true difference in points that these clusters
      would show 4 times in 5, uncorrected.

    None where the data cannot say. Raises InputError where the two do not hold the same questions in the same order.
    """
    _check(first, second)
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a.is_scored]
    protocols: dict[str, dict[str, Any]] = {}
    for rule in rules:
        judged = [(a, rule.judge(a.item(task)).score, rule.judge(b.item(task)).score) for a, b in pairs]
        groups = {group: _group(judged, rule, task, group) for group in GROUPS}
        protocols[rule.name] = {"title": rule.title, "source": rule.source, "groups": groups}
    rows = [row for protocol in protocols.values() for row in protocol["groups"].values()]
    for row, corrected in zip(rows, holm([row["p_permutation"] for row in rows]), strict=True):
        row["p_holm"] = corrected
    return {
        "questions": len(first),
        "unscored": len(first) - len(pairs),
        "clusters": "patient" if any(a.sample.patient is not None for a in first) else "image",
        "interval": {"level": LEVEL, "method": METHOD, "resamples": RESAMPLES, "seed": SEED},
        "test": {"method": "sign flip of whole clusters", "resamples": RESAMPLES, "seed": SEED, "correction": "Holm"},
        "comparisons": sum(row["p_permutation"] is not None for row in rows),
        "protocols": protocols,
    }


def _group(judged: Sequence[JudgedPair], rule: Rule, task: str, group: Group) -> dict[str, Any]:
    metric = rule.metrics.get(group)
    members = [one for one in judged if metric and in_group(one[0], rule, task, group)]
    counted = [(result.cluster, a, b) for result, a, b in members if a is not None and b is not None]
    clusters, ours, theirs = [c for c, _, _ in counted], [a for _, a, _ in counted], [b for _, _, b in counted]
    changes = [a - b for _, a, b in counted]
    found = paired_difference(ours, theirs, clusters, seed=SEED)
    right_or_wrong = group == "closed" and counted and {*ours, *theirs} <= {0.0, 1.0}
    return {
        "metric": metric,
        "count": found.count,
        "unpaired": len(members) - found.count,
        "clusters": found.clusters,
        "first": _mean_percent(ours),
        "second": _mean_percent(theirs),
        "difference": percent(found.value),
        **limits(found),
        "wins": found.wins,
        "losses": found.losses,
        "p_permutation": sign_flip(ours, theirs, clusters, seed=SEED),
        "p_mcnemar": mcnemar(found.wins, found.losses) if right_or_wrong else None,
        "correlation": intracluster_correlation(changes, clusters),
        "detectable": percent(detectable_difference(clustered_error(changes, clusters), found.clusters)),
    }


def _mean_percent(scores: Sequence[float]) -> float | None:
    return 100 * sum(scores) / len(scores) if scores else None


def _check(first: Sequence[Result], second: Sequence[Result]) -> None:
    """The same questions of the same data in the same order; a message names ids or rows and no text."""
    remedy = "compare predictions for the same split of the same data"
    if len(first) != len(second):
        raise InputError(f"found {len(first)} and {len(second)} answers; expected the same questions: {remedy}")
    for number, (a, b) in enumerate(zip(first, second, strict=True), 1):
        for what in ("id", "image", "question", "answer", "answer_type", "patient"):
            if getattr(a.sample, what) != getattr(b.sample, what):
                raise InputError(
                    f"answer {number}: found another {what} in the one ({a.sample.called}) than in the other "
                    f"({b.sample.called}); expected the same questions in the same order: {remedy}"
                )
