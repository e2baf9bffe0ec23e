"""From results to scores: open, closed and overall under every rule, each with its denominator and interval.

It knows the results, the rules and the statistics; it knows no model and no data set. All figures are percent. A
question without a gold answer is unscored: neither right nor wrong, and its number is shown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

from benchmarks.protocols import RULES
from benchmarks.protocols.rule import GROUPS, Group, Judged, Rule
from benchmarks.results import Result
from benchmarks.statistics import LEVEL, METHOD, RESAMPLES, Difference, Proportion, proportion

SEED = 0
HAN = re.compile(r"[\u4e00-\u9fff]")
UNREADABLE = "a gold answer in Chinese, whose words this rule cannot tell apart: its number means nothing there"


def crosswalk(results: Sequence[Result], task: str, rules: Sequence[Rule] = RULES) -> dict[str, Any]:
    """One set of predictions under every rule.

    Keys: questions (all), unscored (without a gold answer), untagged (scored, neither OPEN nor CLOSED: in "overall"
    only); clusters: what intervals resample, "image" or "patient"; interval: how they were made; protocols: the
    rule's name → `score`.
    """
    scored = [result for result in results if result.is_scored]
    by_patient = any(result.sample.patient is not None for result in results)
    return {
        "questions": len(results),
        "unscored": len(results) - len(scored),
        "untagged": sum(result.tag is None for result in scored),
        "clusters": "patient" if by_patient else "image",
        "interval": {"level": LEVEL, "method": METHOD, "resamples": RESAMPLES, "seed": SEED},
        "protocols": {rule.name: score(results, rule, task) for rule in rules},
    }


def score(results: Sequence[Result], rule: Rule, task: str) -> dict[str, Any]:
    """One rule's scores: protocol, title, source, groups (open, closed, overall → as `score_group`), and notes:
    what there is to tell of single items → of how many of those that are in one of the rule's groups.
    """
    pairs = [(result, rule.judge(result.item(task))) for result in results if result.is_scored]
    return {
        "protocol": rule.name,
        "title": rule.title,
        "source": rule.source,
        "notes": _notes(pairs, rule, task),
        "groups": {group: _group(pairs, rule, task, group) for group in GROUPS},
    }


def score_group(results: Sequence[Result], rule: Rule, task: str, group: Group = "overall") -> dict[str, Any]:
    """metric, numerator, denominator, unparsed, left_out, clusters, percent, low, high of these results together.

    metric: what is averaged, None where the rule has no number for the group. unparsed: how many were scored 0
    because no answer could be read; left_out: how many the rule as published drops from its denominator. percent,
    low and high are None where there is nothing to count.
    """
    pairs = [(result, rule.judge(result.item(task))) for result in results if result.is_scored]
    return _group(pairs, rule, task, group)


def score_by(
    results: Sequence[Result], labels: Sequence[Hashable], rule: Rule, task: str
) -> dict[Hashable, dict[str, Any]]:
    """The groups that one label per result makes, largest first, each as `score_group` gives it."""
    members: dict[Hashable, list[Result]] = {}
    for result, label in zip(results, labels, strict=True):
        members.setdefault(label, []).append(result)
    ordered = sorted(members.items(), key=lambda item: -len(item[1]))
    return {label: score_group(group, rule, task) for label, group in ordered}


def in_group(result: Result, rule: Rule, task: str, group: Group) -> bool:
    """Whether a scored result counts in a group: as its tag says, or as the rule does that looks at the gold answer."""
    return group == "overall" or rule.group(result.item(task)) == group


def _notes(pairs: Sequence[tuple[Result, Judged]], rule: Rule, task: str) -> dict[str, int]:
    members = [one for one in pairs if any(in_group(one[0], rule, task, group) for group in rule.metrics)]
    chinese = sum(bool(HAN.search(result.sample.answer or "")) for result, _ in members) if rule.parts_words else 0
    told = Counter(judged.note for _, judged in members if judged.note)
    return dict(told) | ({UNREADABLE: chinese} if chinese else {})


def _group(pairs: Sequence[tuple[Result, Judged]], rule: Rule, task: str, group: Group) -> dict[str, Any]:
    metric = rule.metrics.get(group)
    members = [pair for pair in pairs if metric and in_group(pair[0], rule, task, group)]
    counted = [(result, judged) for result, judged in members if judged.score is not None]
    found = proportion([j.score or 0.0 for _, j in counted], [result.cluster for result, _ in counted], seed=SEED)
    return {
        "metric": metric,
        "numerator": found.hits,
        "denominator": found.count,
        "unparsed": sum(judged.unparsed for _, judged in counted),
        "left_out": len(members) - len(counted),
        "clusters": found.clusters,
        "percent": percent(found.value),
        **limits(found),
    }


def limits(found: Proportion | Difference) -> dict[str, float | None]:
    """The interval, as all groups and comparisons have it: low and high, in percent or percentage points."""
    return {"low": percent(found.low), "high": percent(found.high)}


def percent(share: float | None) -> float | None:
    """0 … 1 → 0 … 100; unknown stays unknown."""
    return None if share is None else 100 * share
