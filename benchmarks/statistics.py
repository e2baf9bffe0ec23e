"""Proportions and paired differences with 95 % intervals that respect the images.

The questions about one image are not independent (SLAKE asks 11 per image), so whole images are resampled.
This module knows numbers and cluster labels; it knows neither questions nor scoring rules.

Source: the cluster bootstrap, C. A. Field and A. H. Welsh, "Bootstrapping clustered data", Journal of the Royal
Statistical Society B 69 (2007) 369–390. Clusters are drawn with replacement and kept whole; the statistic is the
ratio of sums, sum(hits) / sum(questions), since a resample's number of questions varies. Percentile interval.

Shapes: N questions, C clusters (images), R resamples.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
RESAMPLES = 10_000
CHUNK = 4_000_000  # drawn cluster indices held at a time: 32 MB


@dataclass(frozen=True)
class Proportion:
    """hits out of count, and the interval [low, high] of value = hits / count, all in 0 … 1.

    value is None where nothing was counted. low and high are None where the data cannot give them:
    nothing was counted, or a single image was answered partly right.
    """

    hits: float
    count: int
    clusters: int
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Difference:
    """The first system's proportion minus the second's on the same questions, in −1 … 1.

    wins, losses: questions on which the first system scored higher, lower. None as in Proportion.
    """

    count: int
    clusters: int
    wins: int
    losses: int
    value: float | None
    low: float | None
    high: float | None


def proportion(
    hits: Sequence[float], clusters: Sequence[Hashable], *, seed: int = 0, resamples: int = RESAMPLES
) -> Proportion:
    """hits [N] in 0 … 1 and their image labels [N] → the proportion with its clustered interval.

    Where every question is right, or every one wrong, each resample is the same and the bootstrap would claim
    certainty; the exact binomial limits (Clopper and Pearson, 1934) take its place, with the images as the trials:
    C_eff = N² / sum of squared cluster sizes (Kish, 1965), as if an image's questions stood or fell together.
    Raises ValueError where the lengths differ or a hit lies outside 0 … 1.
    """
    values = np.asarray(hits, dtype=np.float64)
    if values.size and not ((values >= 0) & (values <= 1)).all():  # NaN fails here too
        raise ValueError(f"hits between 0 and 1 expected, got {values.min()} … {values.max()}")
    sums, counts = _per_cluster(values, clusters)
    total, count = float(values.sum()), len(values)
    if count == 0:
        return Proportion(0.0, 0, 0, None, None, None)
    if total in (0.0, float(count)):
        tail = ((1 - LEVEL) / 2) ** (float((counts**2).sum()) / count**2)
        low, high = (0.0, 1 - tail) if total == 0 else (tail, 1.0)
    else:
        low, high = _interval(sums, counts, seed, resamples)
    return Proportion(total, count, len(counts), total / count, low, high)


def paired_difference(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Difference:
    """Two systems' hits [N] on the same N questions → first minus second with its clustered interval.

    The difference is taken per question and then summed per image, so that what both find hard cancels.
    Two systems that never differ get the interval [0, 0]. Raises ValueError where the lengths differ.
    """
    if len(first) != len(second):
        raise ValueError(f"paired hits of one length expected, got {len(first)} and {len(second)}")
    change = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    sums, counts = _per_cluster(change, clusters)
    if len(change) == 0:
        return Difference(0, 0, 0, 0, None, None, None)
    low, high = _interval(sums, counts, seed, resamples)
    wins, losses = int((change > 0).sum()), int((change < 0).sum())
    return Difference(len(change), len(counts), wins, losses, float(change.mean()), low, high)


def _per_cluster(values: np.ndarray, clusters: Sequence[Hashable]) -> tuple[np.ndarray, np.ndarray]:
    """values [N] → their sums [C] and numbers [C] per cluster, clusters in order of appearance."""
    if len(values) != len(clusters):
        raise ValueError(f"one cluster label per value expected, got {len(values)} values, {len(clusters)} labels")
    index = {label: i for i, label in enumerate(dict.fromkeys(clusters))}
    codes = np.fromiter((index[label] for label in clusters), dtype=np.intp, count=len(clusters))
    return np.bincount(codes, values, len(index)), np.bincount(codes, minlength=len(index)).astype(np.float64)


def _interval(
    sums: np.ndarray, counts: np.ndarray, seed: int, resamples: int
) -> tuple[float, float] | tuple[None, None]:
    """The percentile interval of sum(sums) / sum(counts) over resampled clusters; None from a single cluster."""
    size = len(counts)
    if size < 2:
        return None, None
    rng = np.random.default_rng(seed)
    ratios = np.empty(resamples)
    step = max(1, CHUNK // size)
    for start in range(0, resamples, step):
        drawn = rng.integers(0, size, (min(step, resamples - start), size))
        ratios[start : start + step] = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(ratios, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
