"""What deferring the least sure answers would buy: how many of those kept are right, at stated coverages and risks.

It knows confidences, hits and clusters; it knows no model and no rule. Nothing is deferred here: every score of the
harness is taken with deferral off, and this tells what would change. A calibrated confidence orders answers as the raw
one does, so that the raw one is enough. It is the model's confidence in its own words, not a probability of disease.

Sources: Y. Geifman and R. El-Yaniv, NeurIPS 2017, sections 2 and 3; the threshold itself: benchmarks.fitting.

Shapes: N answers, C clusters (images or patients), S splits, R resamples.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.fitting import SPLITS, halves, threshold
from benchmarks.statistics import LEAST, LEVEL, draws, proportion

COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.5)
RISKS = (0.05, 0.1, 0.2)
SEED = 0


def at_coverages(confidences: np.ndarray, hits: np.ndarray, clusters: np.ndarray) -> list[dict[str, Any]]:
    """Of the surest answers that make up at least each of COVERAGES, the share that is right. [N] each.

    Keys: coverage (asked for), kept (what share that is, more where confidences are equal), count, threshold (the
    least confidence kept), accuracy, low, high. All but count in 0 … 1. The interval takes the threshold as given.
    """
    order = np.sort(confidences)[::-1]
    found = []
    for coverage in COVERAGES:
        least = order[max(1, int(np.ceil(coverage * len(order) - 1e-9))) - 1]
        kept = confidences >= least
        share = proportion(hits[kept].tolist(), clusters[kept].tolist(), seed=SEED)
        found.append(
            {
                "coverage": coverage,
                "kept": share.count / len(order),
                "count": share.count,
                "threshold": float(least),
                "accuracy": share.value,
                "low": share.low,
                "high": share.high,
            }
        )
    return found


def at_risks(confidences: np.ndarray, hits: np.ndarray, clusters: np.ndarray) -> list[dict[str, Any]]:
    """For each of RISKS the threshold that promises it, and, cross-fitted, what came of such a promise. [N] each.

    Keys: risk (stated), level (of confidence in it), threshold (from all the answers, for other data; never used on
    these); halves (how many there were), found (how many of them gave a threshold); coverage: the share kept, where
    each half of the images is held to the other half's threshold, and keeps nothing where that has none; risk_found,
    low, high: the share of wrong answers among those kept. Both are taken over SPLITS ways to halve the images.
    threshold, coverage, risk_found, low and high are None where there is none. Half the images promise less than all
    would, so that coverage errs on the low side. hits of 0 and 1 only; see benchmarks.fitting.threshold.
    """
    return [_at_risk(risk, confidences, hits, clusters) for risk in RISKS]


def _at_risk(risk: float, confidences: np.ndarray, hits: np.ndarray, clusters: np.ndarray) -> dict[str, Any]:
    kept = np.zeros(len(hits))  # in how many splits
    found = 0
    for split in range(SEED, SEED + SPLITS):
        side = halves(clusters, split)
        for half in (0, 1):
            least = threshold(risk, confidences[side != half], hits[side != half], clusters[side != half])
            if least is not None:
                found += 1
                kept += (side == half) & (confidences >= least)
    return {
        "risk": risk,
        "level": LEVEL,
        "threshold": threshold(risk, confidences, hits, clusters),
        "halves": 2 * SPLITS,
        "found": found,
        "coverage": float(kept.mean() / SPLITS) if found else None,
        **_risk_of(kept, hits, clusters),
    }


def _risk_of(kept: np.ndarray, hits: np.ndarray, clusters: np.ndarray) -> dict[str, float | None]:
    """risk_found and its percentile interval over resampled clusters; kept [N] weighs the answers.

    Where nothing kept is wrong, or under LEAST clusters keep anything, there is no interval.
    """
    if not kept.any():
        return {"risk_found": None, "low": None, "high": None}
    numbers = np.unique(clusters, return_inverse=True)[1]
    table = np.stack([np.bincount(numbers, kept * (1 - hits)), np.bincount(numbers, kept)], axis=1)
    wrong, total = table.sum(axis=0)
    none = {"risk_found": float(wrong / total), "low": None, "high": None}
    if wrong == 0 or np.count_nonzero(table[:, 1]) < LEAST:
        return none
    drawn = np.concatenate([chunk @ table for chunk in draws(len(table), seed=SEED)])
    drawn = drawn[drawn[:, 1] > 0]
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return none | {"low": float(low), "high": float(high)}
