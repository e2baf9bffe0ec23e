"""Sums per cluster, and which clusters a bootstrap draws. It knows neither intervals nor tests.

Shapes: N questions, C clusters, R resamples.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np

RESAMPLES = 10_000
CHUNK = 1_000_000  # drawn cluster numbers held at a time: 8 MB
KEPT = 20_000_000  # drawn counts worth keeping: 20 MB, or 10,000 resamples of 2,000 images


def per_cluster(values: np.ndarray, clusters: Sequence[Hashable]) -> tuple[np.ndarray, np.ndarray]:
    """values [N] → their sums [C] and numbers [C] per cluster, clusters in order of appearance.

    Raises ValueError where there is not one label per value.
    """
    if len(values) != len(clusters):
        raise ValueError(f"one cluster label per value expected, got {len(values)} values, {len(clusters)} labels")
    index = {label: i for i, label in enumerate(dict.fromkeys(clusters))}
    codes = np.fromiter((index[label] for label in clusters), dtype=np.intp, count=len(clusters))
    return np.bincount(codes, values, len(index)), np.bincount(codes, minlength=len(index)).astype(np.float64)


def draws(clusters: int, *, seed: int = 0, resamples: int = RESAMPLES) -> Iterable[np.ndarray]:
    """How often each of `clusters` ≥ 1 clusters is drawn, with replacement, in each resample: [r, C] uint8 chunks.

    The chunks together have `resamples` rows, each of which sums to C, so that `chunk @ sums` are the resamples' sums.
    Same arguments, same draws: all rules of a crosswalk see the same resampled images, and they are drawn once.
    """
    if clusters * resamples > KEPT:
        return _drawn(clusters, seed, resamples)
    return _kept(clusters, seed, resamples)


@lru_cache(maxsize=8)  # a crosswalk's three groups, and what its rules leave out
def _kept(clusters: int, seed: int, resamples: int) -> tuple[np.ndarray, ...]:
    return tuple(_drawn(clusters, seed, resamples))


def _drawn(clusters: int, seed: int, resamples: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    step = max(1, CHUNK // clusters)
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn = rng.integers(0, clusters, (rows, clusters)) + clusters * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * clusters).reshape(rows, clusters)
        chunk = counts.astype(np.uint8)  # counts are Poisson-like around 1: over 255 has a chance below 1e-500
        chunk.flags.writeable = False  # kept chunks are handed out again
        yield chunk
