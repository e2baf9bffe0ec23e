"""The rows of benchmarks.stability → what flips, and how well agreement tells right answers from wrong ones.

A confidence is judged by the order that it brings answers into: AUROC, the chance that a right answer has a higher one
than a wrong answer, ties counted half; AURC, the mean risk over all coverages (see benchmarks.calibration; lower is
better). Intervals are percentiles over resampled images (patients where known), the same resamples for all, so that
differences are paired. Agreement is one of few values and ties often: equal ones are kept or deferred together.
It knows rows and no model. None of these numbers is a probability of disease.

Shapes: N questions, C clusters, R resamples, T distinct confidences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.statistics import LEAST, LEVEL, draws, paired_difference, proportion
from medfly.sensitivity import KINDS

Row = Mapping[str, Any]
GROUPS: dict[str, tuple[str, ...]] = {
    "paraphrases": ("paraphrase",),
    "windows, brightness and shifts": ("window", "brightness", "shift"),
    "all": KINDS,
}
PIECE = 1_000
"""Resamples that are held at a time."""


class Order(NamedTuple):
    """AUROC and AURC, each [R] or a number; NaN where all is right or all wrong (AUROC)."""

    auroc: np.ndarray
    aurc: np.ndarray


def order(confidences: np.ndarray, hits: np.ndarray, weights: np.ndarray) -> Order:
    """confidences, hits: [N]; weights: [R, N], how often each question is drawn."""
    ranked = np.argsort(-confidences, kind="stable")
    starts = np.flatnonzero(np.diff(-confidences[ranked], prepend=-np.inf))
    drawn = weights[:, ranked].astype(np.float64)
    counts = np.add.reduceat(drawn, starts, axis=1)  # [R, T], the surest first
    wrong = np.add.reduceat(drawn * (1 - hits[ranked]), starts, axis=1)
    kept, failed = counts.cumsum(1), wrong.cumsum(1)
    risks = np.divide(failed, kept, out=np.zeros_like(kept), where=kept > 0)
    total, failures = kept[:, -1], failed[:, -1]
    pairs = (counts - wrong) * (failures[:, None] - failed + wrong / 2)
    with np.errstate(invalid="ignore"):
        return Order(pairs.sum(1) / ((total - failures) * failures), (counts * risks).sum(1) / total)


def resampled(confidences: Mapping[str, np.ndarray], hits: np.ndarray, clusters: Sequence[Any]) -> dict[str, Order]:
    """For each confidence [N] the value on all, first, and then those of the resamples: [1 + R]."""
    labels = {label: number for number, label in enumerate(dict.fromkeys(clusters))}
    codes = np.array([labels[one] for one in clusters])
    found: dict[str, list[Order]] = {
        name: [order(one, hits, np.ones((1, len(hits))))] for name, one in confidences.items()
    }
    for chunk in draws(len(labels)):
        for start in range(0, len(chunk), PIECE):
            weights = chunk[start : start + PIECE][:, codes]
            for name, one in confidences.items():
                found[name].append(order(one, hits, weights))
    return {name: Order(*map(np.concatenate, zip(*parts, strict=True))) for name, parts in found.items()}


def markdown(rows: Sequence[Row]) -> str:
    """What flips under which variation, how right answers with and without flips are, and agreement as a confidence."""
    clusters = [_cluster(row) for row in rows]
    lines = [
        f"{len(rows):,} questions, {len(set(clusters)):,} images or patients; percent with 95 % interval by image; "
        "right: normalised exact match.",
        "",
        "| kind | variation | n | answers that flip | right before | right under it | difference |",
        "|---|---|---|---|---|---|---|",
        *(_variation_line(kind, name, rows) for kind, name in _names(rows)),
        "",
        "| variations | n | any flip | right where none flips | right where any flips |",
        "|---|---|---|---|---|",
        *(_group_line(name, kinds, rows) for name, kinds in (*((k, (k,)) for k in _kinds(rows)), *_more_groups())),
        "",
        "Agreement: the share of a question's variations that say the same as its answer. Confidence: the geometric "
        "mean of its tokens' probabilities. Differences are from the confidence.",
        "",
        "| variations | ordered by | n | AUROC | difference | AURC, lower is better | difference |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, kinds in GROUPS.items():
        lines += _order_lines(name, kinds, rows)
    return "\n".join(lines) + "\n"


def _more_groups() -> list[tuple[str, tuple[str, ...]]]:
    return [(name, kinds) for name, kinds in GROUPS.items() if len(kinds) > 1]


def _cluster(row: Row) -> Any:
    return row["image"] if row["patient"] is None else row["patient"]


def _kinds(rows: Sequence[Row]) -> list[str]:
    found = {one["kind"] for row in rows for one in row["variations"]}
    return [kind for kind in KINDS if kind in found]


def _names(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """(kind, name) of every variation that there was, in the order of KINDS."""
    found = dict.fromkeys((one["kind"], one["name"]) for row in rows for one in row["variations"])
    return sorted(found, key=lambda one: KINDS.index(one[0]))


def _variation_line(kind: str, name: str, rows: Sequence[Row]) -> str:
    pairs = [(row, one) for row in rows for one in row["variations"] if (one["kind"], one["name"]) == (kind, name)]
    clusters = [_cluster(row) for row, _ in pairs]
    before, under = [float(row["right"]) for row, _ in pairs], [float(one["right"]) for _, one in pairs]
    cells = (
        _interval(proportion([float(not one["same"]) for _, one in pairs], clusters)),
        f"{100 * np.mean(before):.1f}",
        _interval(proportion(under, clusters)),
        _interval(paired_difference(under, before, clusters), "+"),
    )
    return f"| {kind} | {name} | {len(pairs)} | {' | '.join(cells)} |"


def _of(row: Row, kinds: Sequence[str]) -> list[Row]:
    return [one for one in row["variations"] if one["kind"] in kinds]


def _group_line(name: str, kinds: Sequence[str], rows: Sequence[Row]) -> str:
    asked = [row for row in rows if _of(row, kinds)]
    flipped = [any(not one["same"] for one in _of(row, kinds)) for row in asked]
    clusters = [_cluster(row) for row in asked]
    cells = [_interval(proportion([float(one) for one in flipped], clusters))]
    for wanted in (False, True):
        some = [row for row, flips in zip(asked, flipped, strict=True) if flips is wanted]
        share = proportion([float(row["right"]) for row in some], [_cluster(row) for row in some])
        cells.append(f"{_interval(share)} (n = {len(some)})")
    return f"| {name} | {len(asked)} | {' | '.join(cells)} |"


def _order_lines(name: str, kinds: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """The confidence alone, agreement alone, and both, on the questions that have both."""
    asked = [row for row in rows if _of(row, kinds) and row["confidence"] is not None]
    if not asked:
        return []
    token = np.array([row["confidence"] for row in asked], np.float64)
    agreement = np.array([np.mean([one["same"] for one in _of(row, kinds)]) for row in asked])
    ways = {"confidence": token, "agreement": agreement}
    ways |= {"their product": token * agreement, "their mean": (token + agreement) / 2}
    clusters = [_cluster(row) for row in asked]
    found = resampled(ways, np.array([float(row["right"]) for row in asked]), clusters)
    few, first, lines = len(set(clusters)) < LEAST, found["confidence"], []
    for way, values in found.items():
        cells = []
        for mine, base in zip(values, first, strict=True):
            difference = "" if way == "confidence" else _range(mine - base, few, "+")
            cells += [_range(mine, few), difference]
        lines.append(f"| {name} | {way} | {len(asked)} | {' | '.join(cells)} |")
    return lines


def _range(values: np.ndarray, few: bool, sign: str = "") -> str:
    """A value, first, and its resamples → "value [low, high]". Resamples of right answers alone have no AUROC."""
    drawn = values[1:][np.isfinite(values[1:])]
    if not np.isfinite(values[0]):
        return "–"
    if few or not len(drawn):
        return f"{values[0]:{sign}.3f}"
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return f"{values[0]:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def _interval(found: Any, sign: str = "") -> str:
    if found.value is None:
        return "–"
    if found.low is None:
        return f"{100 * found.value:{sign}.1f}"
    return f"{100 * found.value:{sign}.1f} [{100 * found.low:{sign}.1f}, {100 * found.high:{sign}.1f}]"
