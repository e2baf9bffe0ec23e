"""Proportions, means and paired differences with 95 % intervals from resampled clusters.

Source: the cluster bootstrap, C. A. Field and A. H. Welsh, "Bootstrapping clustered data", Journal of the Royal
Statistical Society B 69 (2007) 369–390. Clusters are drawn with replacement and kept whole; the statistic is the
ratio of sums, sum(hits) / sum(questions), since a resample's number of questions varies. Percentile interval.

Few clusters make a percentile interval too short. Under FEW of them it is expanded as in T. C. Hesterberg, "What
Teachers Should Know About the Bootstrap", The American Statistician 69 (2015) 371–386: the percentiles are taken at
Φ(∓ t √(C / (C − 1))), t the 97.5 % point of Student's t with C − 1 degrees of freedom, in place of 2.5 and 97.5 %.
With 10 clusters this takes the measured coverage from 90 % to 94 or 95 %. It does not mend skewness: where nearly all
is right, or nearly all wrong, and clusters are few, the interval is still too short (`python -m benchmarks.coverage`).

Under LEAST of them no percentile will do: a resample lies between the worst and the best cluster, and C clusters all
lie on one side of the middle once in 2^(C − 1) times. Two clusters held the truth in 52 % of simulations, three in
75 %. There the interval is the mean ± t standard errors (W. G. Cochran, "Sampling Techniques", 1977, chapter 9A), with
C − 1 degrees of freedom and cut off at the ends of the scale: 90 to 97 % at rates of 0.6 and 0.8, and wide.

Shapes: N questions, C clusters, R resamples.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.statistics.clusters import RESAMPLES, draws, per_cluster
from benchmarks.statistics.planning import error_of_sums

LEVEL = 0.95
FEW = 50  # from here on the expansion would add less than 4 % to an interval's width
LEAST = 6  # clusters, of which resamples can reach 95 %: 1 − 2^(1 − C) is 94 % of 5 and 97 % of 6
NEAR = 1e-6  # of 1: rules that add 1e-8 to a denominator give a perfect answer 0.999999995
METHOD = (
    f"percentile cluster bootstrap, expanded under {FEW} clusters (Hesterberg 2015), Student's t under {LEAST} clusters"
)


@dataclass(frozen=True)
class Proportion:
    """hits out of count, and the interval [low, high] of value = hits / count, all in 0 … 1.

    value is None where nothing was counted. low and high are None where the data cannot give them: nothing was
    counted, a single cluster was answered partly right, or under LEAST clusters were, all to the same part.
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
    """hits [N] in 0 … 1, fractions such as token F1 too, and their cluster labels [N] → the mean and its interval.

    Where every question is right, or every one wrong, each resample is the same and the bootstrap would claim
    certainty; the exact binomial limits (Clopper and Pearson, 1934) take its place, with the clusters as the trials:
    C_eff = N² / sum of squared cluster sizes (Kish, 1965), as if a cluster's questions stood or fell together.
    Raises ValueError where the lengths differ or a hit lies outside 0 … 1.
    """
    values = np.asarray(hits, dtype=np.float64)
    if values.size and not ((values >= 0) & (values <= 1)).all():  # NaN fails here too
        raise ValueError(f"hits between 0 and 1 expected, got {values.min()} … {values.max()}")
    sums, counts = per_cluster(values, clusters)
    total, count = float(values.sum()), len(values)
    if count == 0:
        return Proportion(0.0, 0, 0, None, None, None)
    if min(total, count - total) <= NEAR * count:
        tail = ((1 - LEVEL) / 2) ** (float((counts**2).sum()) / count**2)
        low, high = (0.0, 1 - tail) if total < count / 2 else (tail, 1.0)
    else:
        low, high = _interval(sums, counts, seed, resamples, lowest=0.0)
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

    The difference is taken per question and then summed per cluster, so that what both find hard cancels.
    Two systems that never differ get the interval [0, 0]. Raises ValueError where the lengths differ.
    """
    if len(first) != len(second):
        raise ValueError(f"paired hits of one length expected, got {len(first)} and {len(second)}")
    change = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    sums, counts = per_cluster(change, clusters)
    if len(change) == 0:
        return Difference(0, 0, 0, 0, None, None, None)
    low, high = _interval(sums, counts, seed, resamples, lowest=-1.0)
    if len(counts) > 1 and not change.any():
        low = high = 0.0
    wins, losses = int((change > 0).sum()), int((change < 0).sum())
    return Difference(len(change), len(counts), wins, losses, float(change.mean()), low, high)


def _interval(
    sums: np.ndarray, counts: np.ndarray, seed: int, resamples: int, *, lowest: float
) -> tuple[float, float] | tuple[None, None]:
    """The interval of sum(sums) / sum(counts) over other clusters, in lowest … 1.

    None from a single cluster, and from under LEAST of the same mean: how much others would differ cannot be told.
    """
    size = len(counts)
    if size < 2 or (size < LEAST and float(np.ptp(sums / counts)) < NEAR):
        return None, None
    if size < LEAST:
        return _student(sums, counts, lowest)
    table = np.stack([sums, counts], axis=1)  # [C, 2]
    drawn = np.concatenate([chunk @ table for chunk in draws(size, seed=seed, resamples=resamples)])  # [R, 2]
    tail = _tail(size)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [tail, 1 - tail])
    return float(low), float(high)


def _student(sums: np.ndarray, counts: np.ndarray, lowest: float) -> tuple[float, float]:
    """The mean ± t standard errors, within lowest … 1."""
    from scipy.special import stdtrit  # here, since most calls do without

    middle = float(sums.sum() / counts.sum())
    reach = float(stdtrit(len(counts) - 1, (1 + LEVEL) / 2)) * error_of_sums(sums, counts)
    return max(lowest, middle - reach), min(1.0, middle + reach)


def _tail(clusters: int) -> float:
    """The share of resamples that lie outside the interval on either side."""
    if clusters >= FEW:
        return (1 - LEVEL) / 2
    from scipy.special import ndtr, stdtrit  # here, since most calls do without

    return float(ndtr(-stdtrit(clusters - 1, (1 + LEVEL) / 2) * (clusters / (clusters - 1)) ** 0.5))
