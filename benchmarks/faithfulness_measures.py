"""What makes evidence faithful, in numbers: deletion and insertion curves, and how alike two maps are.

Pure arithmetic on crops, scores and log-probabilities: it knows no question, no data set and no model.
- deletion: crops are taken away best first; a faithful ranking makes the answer's probability fall early, so its area
  under the curve is small. insertion: they are given best first to a model that sees none; the area is large
  (Petsiuk et al., "RISE", BMVC 2018). Here a crop is left out of what the model reads: there is no baseline picture.
  The x axis is the share of the crops, whatever their size, and the area is by trapezoids between STEPS.
- The low crop shows the whole picture, and a ranking that finds it first has done much. So everything is measured
  twice: over all crops (ALL), and over the others with the low crop always there (OTHERS).
- likeness: Spearman's rank correlation of two maps' scores.

Shapes: N crops of one question, K points of a curve.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Hashable, Iterable, Mapping, Sequence

import numpy as np

from medfly.geometry import Crop

STEPS = (0, 1, 2, 4, 8, 16, 24, 32)
"""Crops taken away or given at the points of a curve; behind them comes the last point, all of them."""
ALL, OTHERS = "all crops", "all but the low crop"
VARIANTS = (ALL, OTHERS)
CURVES = ("deletion", "insertion")
TOP = 3
FLAT = 1e-6  # nats: rounding made up to 1e-8 on a blank picture, real maps of the mini range over 1e-3 and more
Ranking = Sequence[int]
"""Indices of crops, best first."""
Curve = tuple[Hashable, str, str]
"""(whose ranking, one of VARIANTS, one of CURVES)."""


def steps(count: int) -> list[int]:
    """[K] how many of `count` crops are taken away at each point."""
    return [step for step in STEPS if step < count] + [count]


def ranked(scores: Sequence[float | None]) -> list[int]:
    """Crops best first; of equals the first, and those without a score behind all others."""
    values = [-math.inf if score is None else score for score in scores]
    return sorted(range(len(scores)), key=lambda one: -values[one])


def centre_ranking(crops: Sequence[Crop], rng: np.random.Generator) -> list[int]:
    """By the distance of a crop's middle to the image's, x and y as shares of the image's sides; ties by lot.

    The low crop's middle is the image's, so it comes first: that is what the rule says, and it makes the prior as
    strong as it can be, since the low crop carries most.
    """
    return _by([_distance(crop, _extent(crops)) for crop in crops], rng)


def coarse_ranking(crops: Sequence[Crop], rng: np.random.Generator) -> list[int]:
    """The largest crop first, of equal ones the most central, ties by lot: what is known of crops without looking."""
    extent = _extent(crops)
    return _by([(-_size(crop), _distance(crop, extent)) for crop in crops], rng)


def random_ranking(crops: Sequence[Crop], rng: np.random.Generator) -> list[int]:
    return rng.permutation(len(crops)).tolist()


def generator(seed: int, draw: int, question: Hashable) -> np.random.Generator:
    """The lots of one question, the same in whichever order questions are taken."""
    return np.random.default_rng([seed, draw, zlib.crc32(str(question).encode())])


def _extent(crops: Sequence[Crop]) -> tuple[float, float]:
    """(width, height): every level covers the whole image from (0, 0) on."""
    return max(crop.box[2] for crop in crops), max(crop.box[3] for crop in crops)


def _distance(crop: Crop, extent: tuple[float, float]) -> float:
    """Rounded, so that crops at one distance are equal whatever their edges were rounded to."""
    x, y = ((crop.box[i] + crop.box[i + 2]) / 2 / extent[i] - 0.5 for i in (0, 1))
    return round(math.hypot(x, y), 9)


def _size(crop: Crop) -> float:
    x0, y0, x1, y1 = crop.box
    return round((x1 - x0) * (y1 - y0), 6)


def _by(keys: Sequence[float] | Sequence[tuple[float, float]], rng: np.random.Generator) -> list[int]:
    lots = rng.permutation(len(keys)).tolist()
    return sorted(range(len(keys)), key=lambda one: (keys[one], lots[one]))


def low_of(crops: Sequence[Crop]) -> frozenset[int]:
    return frozenset(index for index, crop in enumerate(crops) if crop.level == "low")


def sets_of(ranking: Ranking, curve: str, always: frozenset[int] = frozenset()) -> list[tuple[int, ...]]:
    """[K] the crops that are left out at each point of a curve, ascending. always: those that are left out at none."""
    order = [crop for crop in ranking if crop not in always]
    cut = [(order[:step] if curve == "deletion" else order[step:]) for step in steps(len(order))]
    return [tuple(sorted(some)) for some in cut]


def plan(rankings: Mapping[Hashable, Ranking], crops: Sequence[Crop]) -> dict[Curve, list[tuple[int, ...]]]:
    """What must be left out for every ranking's curves, in both variants."""
    always = {ALL: frozenset[int](), OTHERS: low_of(crops)}
    return {
        (subject, variant, curve): sets_of(ranking, curve, always[variant])
        for subject, ranking in rankings.items()
        for variant in VARIANTS
        for curve in CURVES
    }


def distinct(sets: Iterable[Iterable[tuple[int, ...]]]) -> list[tuple[int, ...]]:
    """Each set once: the ends of all curves are the same."""
    return list(dict.fromkeys(one for some in sets for one in some))


def area(values: Sequence[float], count: int) -> float:
    """The area under a curve of values [K] at `steps(count)` as shares of `count`: its mean height, by trapezoids."""
    return float(np.trapezoid(values, np.asarray(steps(count)) / count))


def correlation(one: Sequence[float | None], other: Sequence[float | None]) -> float | None:
    """Spearman's rank correlation of the crops that both have scored, ties at their mean rank.

    None where a map is flat (under two crops, or scores that differ by less than FLAT nats), so that there is no order
    to compare but that of rounding.
    """
    from scipy.stats import rankdata  # here, since most calls do without

    both = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
    if len(both) < 2:
        return None
    sides = list(zip(*both, strict=True))
    if min(np.ptp(side) for side in sides) < FLAT:
        return None
    first, second = map(rankdata, sides)
    return float(np.clip(np.corrcoef(first, second)[0, 1], -1, 1))


def overlap(one: Ranking, other: Ranking, top: int = TOP) -> float:
    """The share of one ranking's best that are among the other's best."""
    return len(set(one[:top]) & set(other[:top])) / min(top, len(one))
