"""How small a difference a split can show: from paired answers, or before there are any from the split's size.

Everything goes through the standard error of the mean paired difference. It knows nothing of the difference that was
found, and must not: "power" at the observed difference only repeats the p value (J. M. Hoenig and D. M. Heisey, The
American Statistician 55 (2001) 19–24).

Shapes: N questions, C clusters.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from benchmarks.statistics.clusters import per_cluster

POWER = 0.8
SIGNIFICANCE = 0.05  # two-sided, of one test; a correction for many tests asks for a larger difference


def clustered_error(values: Sequence[float], clusters: Sequence[Hashable]) -> float | None:
    """Standard error of the mean of values [N], in their unit, where clusters were sampled; None from under 2 clusters.

    √(C / (C − 1) · Σ_c (Σ_i∈c (v_i − mean))²) / N: W. G. Cochran, "Sampling Techniques" (1977), chapter 9A, from the
    residuals of the ratio; as in E. Miller, "Adding Error Bars to Evals" (arXiv:2411.00640), but
    for C / (C − 1). Raises ValueError where the lengths differ.
    """
    sums, counts = per_cluster(np.asarray(values, dtype=np.float64), clusters)
    return error_of_sums(sums, counts) if len(sums) > 1 else None


def error_of_sums(sums: np.ndarray, counts: np.ndarray) -> float:
    """`clustered_error` from the clusters' sums [C] and numbers [C], C > 1."""
    size, total = len(sums), counts.sum()
    residuals = sums - sums.sum() / total * counts
    return float(np.sqrt(size / (size - 1) * (residuals**2).sum()) / total)


def intracluster_correlation(values: Sequence[float], clusters: Sequence[Hashable]) -> float | None:
    """How alike values [N] of one cluster are, at most 1; below 0 where they are less alike than by chance.

    The analysis-of-variance estimate for clusters of unequal size: A. Donner, International Statistical Review 54
    (1986) 67–82. None where it is not defined: under 2 clusters, one value a cluster, or all values equal.
    Raises ValueError where the lengths differ.
    """
    array = np.asarray(values, dtype=np.float64)
    sums, counts = per_cluster(array, clusters)
    count, size = len(array), len(sums)
    if size < 2 or count == size:
        return None
    between = float((counts * (sums / counts - array.mean()) ** 2).sum())
    within = max(0.0, float(((array - array.mean()) ** 2).sum()) - between)  # below 0 by rounding only
    typical = (count - float((counts**2).sum()) / count) / (size - 1)
    mean_between, mean_within = between / (size - 1), within / (count - size)
    total = mean_between + (typical - 1) * mean_within
    return (mean_between - mean_within) / total if total > 0 else None


def design_effect(sizes: Sequence[int], correlation: float) -> float:
    """By how much clusters of these sizes [C] multiply the variance of a mean: 1 + (Σ m² / Σ m − 1) · correlation.

    L. Kish, "Survey Sampling" (1965), with the weighted mean size for unequal clusters (S. M. Eldridge,
    D. Ashby and S. Kerry, International Journal of Epidemiology 35 (2006) 1292–1300). sizes: questions per cluster.
    """
    counts = np.asarray(sizes, dtype=np.float64)
    return 1 + (float((counts**2).sum() / counts.sum()) - 1) * correlation


def planned_error(sizes: Sequence[int], *, discordance: float, correlation: float) -> float:
    """The standard error of a paired difference to be expected of a split, before any answer is there, in 0 … 1.

    sizes [C]: questions per cluster. discordance: the share of questions on which just one of two systems will be
    right, which is the variance of a paired difference but for the square of its mean (R. J. Connor, Biometrics 43
    (1987) 207–211); leaving that out errs on the safe side. correlation: of the paired differences within a cluster;
    `intracluster_correlation` of two systems' differences on another split is a fair guess.
    """
    return float(np.sqrt(discordance * design_effect(sizes, correlation) / sum(sizes)))


def detectable_difference(error: float | None, clusters: int) -> float | None:
    """The smallest true difference that a test finds 4 times in 5 (POWER, at SIGNIFICANCE), in the unit of `error`.

    error: the standard error of the difference, from `clustered_error` or `planned_error`. (t_{1−α/2} + t_{power}) ·
    error, Student's t with C − 1 degrees of freedom: H. S. Bloom, "Minimum detectable effects", Evaluation Review 19
    (1995) 547–556. None from under 2 clusters, and where the error is None or 0: systems that never differed do not
    tell how much others will.
    """
    if not error or clusters < 2:
        return None
    from scipy.special import stdtrit

    return float((stdtrit(clusters - 1, 1 - SIGNIFICANCE / 2) + stdtrit(clusters - 1, POWER)) * error)
