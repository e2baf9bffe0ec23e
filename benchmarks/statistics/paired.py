"""Tests of two systems on the same questions, and the correction for having made many.

Two tests, since they answer different questions: `sign_flip` takes whole clusters as what was sampled, `mcnemar`
takes every question as independent and so finds too much where an image's questions stand or fall together. Neither
knows which of them is to be shown.

Shapes: N questions, C clusters, R resamples.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from benchmarks.statistics.clusters import CHUNK, RESAMPLES, per_cluster


def sign_flip(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> float | None:
    """Two-sided p value of "no difference" between two systems' scores [N] on the same questions, by permutation.

    Were the systems alike, either could have given any image's answers: the sign of each cluster's summed difference
    is turned, all its questions together, and p is the share of sign patterns with as large a total or a larger one
    (E. J. G. Pitman, 1937; E. S. Edgington and P. Onghena, "Randomization Tests", 2007). All 2^C patterns are taken
    where they are no more than `resamples`; else so many are drawn, and p = (1 + hits) / (1 + resamples), which is
    never 0 (B. Phipson and G. K. Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) article 39).

    1.0 where the systems never differ; None where there is no question. Raises ValueError where the lengths differ.
    """
    if len(first) != len(second):
        raise ValueError(f"paired scores of one length expected, got {len(first)} and {len(second)}")
    change = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    sums, _ = per_cluster(change, clusters)
    if len(sums) == 0:
        return None
    sums = sums[sums != 0]  # turning nothing changes nothing
    exact = 2 ** len(sums) <= resamples  # of no sums there is one pattern, and p = 1
    bar = abs(sums.sum()) - 1e-12 * np.abs(sums).sum()  # equal totals count, however rounding left them
    extreme = sum(
        int((abs(signs @ sums) >= bar).sum())
        for signs in (_all_signs(len(sums)) if exact else _drawn_signs(len(sums), seed, resamples))
    )
    return extreme / 2 ** len(sums) if exact else (1 + extreme) / (1 + resamples)


def _all_signs(clusters: int) -> Iterator[np.ndarray]:
    patterns = np.arange(2**clusters)[:, None] >> np.arange(clusters)[None, :]
    yield 1.0 - 2.0 * (patterns & 1)


def _drawn_signs(clusters: int, seed: int, resamples: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    step = max(1, CHUNK // clusters)
    for start in range(0, resamples, step):
        yield 1.0 - 2.0 * rng.integers(0, 2, (min(step, resamples - start), clusters), dtype=np.int8)


def mcnemar(wins: int, losses: int) -> float:
    """Exact two-sided p value that questions on which two systems differ fall to either side alike (McNemar, 1947).

    wins, losses: questions that only the first, only the second system got right. The binomial test of wins out of
    wins + losses at one half. It ignores that an image's questions go together; see `sign_flip`. 1.0 where both are 0.
    """
    from scipy.stats import binomtest

    return float(binomtest(wins, wins + losses, 0.5).pvalue) if wins + losses else 1.0


def holm(values: Sequence[float | None]) -> list[float | None]:
    """p values corrected for being many, in their order; None (no test was made) stays None and is not counted.

    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979)
    65–70: the k-th smallest of m is multiplied by m − k + 1, and is no smaller than the one before it. Holds
    whatever the tests have in common; so for rules that judge the same answers it asks for more than it needs.
    """
    tested = sorted((value, i) for i, value in enumerate(values) if value is not None)
    adjusted: list[float | None] = [None] * len(values)
    least = 0.0
    for rank, (value, i) in enumerate(tested):
        least = max(least, min(1.0, value * (len(tested) - rank)))
        adjusted[i] = least
    return adjusted
