"""What benchmarks.statistics claims, measured on made-up answers whose truth is known.

    python -m benchmarks.coverage

How often do 95 % intervals hold the truth, how often does a 5 % test find a difference that is not there, and how
often does it find one of the size that planning calls detectable? It knows no data set: images have 6 to 16 questions
(SLAKE has 11), and an image's questions are alike by a stated correlation. Printed as Markdown, with the error that
the number of simulations leaves.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from itertools import product

import numpy as np

from benchmarks.statistics import (
    RESAMPLES,
    Difference,
    Proportion,
    detectable_difference,
    mcnemar,
    paired_difference,
    planned_error,
    proportion,
    sign_flip,
)
from benchmarks.tables import Grid, to_markdown

SIMULATIONS = 2_000
CLUSTERS = (10, 30, 96)  # a small subgroup, a large one, SLAKE's validate or test split
DISCORDANCE = 0.2


def image_sizes(rng: np.random.Generator, clusters: int) -> np.ndarray:
    """Questions per image [C], 6 to 16."""
    return rng.integers(6, 17, clusters)


def alike_hits(rng: np.random.Generator, sizes: np.ndarray, mean: float, correlation: float) -> np.ndarray:
    """Hits [N], 0 or 1, image after image: each image has its own rate, Beta-distributed around `mean`.

    sizes [C]: questions per image. correlation in 0 … 1 (both excluded): of two hits of one image, exactly.
    """
    strength = 1 / correlation - 1
    rates = rng.beta(mean * strength, (1 - mean) * strength, len(sizes))
    return (rng.random(sizes.sum()) < np.repeat(rates, sizes)).astype(np.float64)


def alike_pairs(
    rng: np.random.Generator, sizes: np.ndarray, difference: float, discordance: float, correlation: float
) -> tuple[np.ndarray, np.ndarray]:
    """Hits [N] of two systems, image after image: each image has its own shares of wins, losses and ties (Dirichlet).

    difference: the true mean of first minus second; discordance: the share of wins and losses together;
    correlation in 0 … 1 (both excluded): of two differences of one image, exactly.
    """
    strength = 1 / correlation - 1
    shares = np.array([discordance + difference, discordance - difference, 2 - 2 * discordance]) / 2
    limits = np.repeat(rng.dirichlet(shares * strength, len(sizes)).cumsum(axis=1), sizes, axis=0)  # [N, 3]
    draw = rng.random(len(limits))
    won = draw < limits[:, 0]
    return won.astype(np.float64), ((draw < limits[:, 1]) & ~won).astype(np.float64)


def interval_coverage(
    clusters: int, mean: float, correlation: float, simulations: int, resamples: int = RESAMPLES
) -> tuple[float, float, float]:
    """Shares of simulations whose interval holds the mean: of hits; of fractions; of hits, the images ignored.

    The fractions are hits of which every other one counts half, at random. Images are ignored by the interval of the
    textbooks, p ± 1.96 √(p (1 − p) / n).
    """
    rng = np.random.default_rng(1)
    held = fractions_held = ignored = 0
    for _ in range(simulations):
        sizes = image_sizes(rng, clusters)
        hits, images = alike_hits(rng, sizes, mean, correlation), np.repeat(np.arange(clusters), sizes).tolist()
        fractions = hits * rng.choice([0.5, 1.0], len(hits))
        held += _holds(proportion(hits.tolist(), images, resamples=resamples), mean)
        fractions_held += _holds(proportion(fractions.tolist(), images, resamples=resamples), 0.75 * mean)
        ignored += abs(hits.mean() - mean) <= 1.96 * (hits.mean() * (1 - hits.mean()) / len(hits)) ** 0.5
    return held / simulations, fractions_held / simulations, ignored / simulations


def _holds(found: Proportion | Difference, truth: float) -> bool:
    assert found.low is not None and found.high is not None
    return found.low <= truth <= found.high


def pair_rates(
    clusters: int,
    difference: float,
    discordance: float,
    correlation: float,
    simulations: int,
    resamples: int = RESAMPLES,
) -> tuple[float, float, float]:
    """Shares of simulations whose interval holds the difference; in which sign_flip, in which mcnemar finds p ≤ 5 %."""
    rng = np.random.default_rng(2)
    held = flipped = ignored = 0
    for _ in range(simulations):
        sizes = image_sizes(rng, clusters)
        first, second = alike_pairs(rng, sizes, difference, discordance, correlation)
        images = np.repeat(np.arange(clusters), sizes).tolist()
        found = paired_difference(first.tolist(), second.tolist(), images, resamples=resamples)
        p = sign_flip(first.tolist(), second.tolist(), images, resamples=resamples)
        held += _holds(found, difference)
        flipped += p is not None and p <= 0.05
        ignored += mcnemar(found.wins, found.losses) <= 0.05
    return held / simulations, flipped / simulations, ignored / simulations


def planned(clusters: int, discordance: float, correlation: float) -> float:
    """The difference in 0 … 1 that planning calls detectable for such images."""
    sizes = image_sizes(np.random.default_rng(3), clusters).tolist()
    error = planned_error(sizes, discordance=discordance, correlation=correlation)
    reach = detectable_difference(error, clusters)
    assert reach is not None
    return reach


def _intervals(simulations: int) -> Grid:
    rows = [
        (str(clusters), f"{mean:.2f}", f"{correlation:.2f}", *_percents(shares))
        for clusters, mean, correlation in product(CLUSTERS, (0.6, 0.8, 0.95), (0.05, 0.2))
        for shares in [interval_coverage(clusters, mean, correlation, simulations)]
    ]
    headings = ("images", "mean", "correlation", "hits", "fractions", "hits, images ignored")
    return _grid("Coverage of 95 % intervals, percent", headings, rows, simulations)


def _pairs(simulations: int) -> Grid:
    def rows() -> Iterator[tuple[str, ...]]:
        for clusters, correlation in product(CLUSTERS, (0.05, 0.2)):
            reach = planned(clusters, DISCORDANCE, correlation)
            _, *none = pair_rates(clusters, 0.0, DISCORDANCE, correlation, simulations)
            there = ("–", "–")  # no difference can be larger than the share of discordant questions
            if reach < DISCORDANCE:
                held, found, _ = pair_rates(clusters, reach, DISCORDANCE, correlation, simulations)
                there = _percents((found, held))
            yield str(clusters), f"{correlation:.2f}", *_percents((*none, reach)), *there

    headings = ("images", "correlation", "found where none", "McNemar, where none", "detectable, points")
    headings = (*headings, "found there", "coverage there")
    title = f"Paired tests at 5 %, {100 * DISCORDANCE:.0f} % of the questions discordant, percent"
    return _grid(title, headings, list(rows()), simulations)


def _percents(shares: Sequence[float]) -> tuple[str, ...]:
    return tuple(f"{100 * share:.1f}" for share in shares)


def _grid(title: str, headings: tuple[str, ...], rows: Sequence[Sequence[str]], simulations: int) -> Grid:
    error = 196 * (0.05 * 0.95 / simulations) ** 0.5
    caption = f"{simulations:,} simulations a row: a share near 5 or 95 % is known to ± {error:.1f}."
    return Grid(title, headings, tuple(tuple((text,) for text in row) for row in rows), (caption,))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--simulations", type=int, default=SIMULATIONS, help="A row of the tables; by default 2,000.")
    simulations = parser.parse_args(arguments).simulations
    tables: tuple[Callable[[int], Grid], ...] = (_intervals, _pairs)
    for table in tables:
        print(to_markdown(table(simulations)), flush=True)


if __name__ == "__main__":
    main()
