"""A calibration fitted on answers whose truth is known, and what such a one is worth on images that it has not seen.

The calibration that is kept is fitted on all; every number that is told of it is cross-fitted: the images are halved,
each half is judged by what was fitted on the other, several times (benchmarks.fitting). Half the images promise less
than all do, so the numbers err on the low side.

Answer sets: split conformal with the score 1 − p(right option) over the options' probabilities (LAC: M. Sadinle, J. Lei
and L. Wasserman, JASA 114 (2019) 223–234), quantile ⌈(n + 1)(1 − a)⌉ of n in a finite sample (V. Vovk et al., 2005).
Its promise is over questions drawn alike and one by one; an image's questions go together, so that coverage varies more
from set to set of images than for independent ones, about the same mean. A right answer that is no option counts as not
covered, here and in the fit.

Shapes: N questions, n images, F features, S splits.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.calibrating import RULE, Known
from benchmarks.calibration import FITS, fitted_errors, raw_errors
from benchmarks.fitting import SPLITS, cross_fits, halves, threshold
from benchmarks.statistics import Difference, Proportion, paired_difference, proportion
from medfly.trust.calibrated import Calibration, Fitted
from medfly.trust.curve import Curve
from medfly.trust.outside import Familiar
from medfly.types import InputError

if TYPE_CHECKING:
    from medfly.engine import MedFly

COVERAGE = 0.9
SEED = 0
RAW = "as it comes"


@dataclass(frozen=True)
class Parts:
    """What a calibration is made of, see medfly.trust.Calibration."""

    curve: Curve
    threshold: float | None
    quantile: float | None
    familiar: Familiar


def fit(known: Known, risk: float) -> Parts:
    """The parts fitted on these answers: for other answers, and not for judging these. Raises InputError."""
    fitted = FITS[best_curve(known)](known.confidences, known.hits)
    likely = fitted(known.confidences)
    try:
        familiar = Familiar.fit(known.features, known.questions, known.images.tolist())
    except ValueError as error:  # pictures that are all the same count once
        raise InputError(f"half of the pictures, to learn what they are like: {error}: take more of them") from None
    least = threshold(risk, likely, known.hits, known.clusters)
    return Parts(fitted, least, quantile(misses(known), COVERAGE), familiar)


def fitted(fly: MedFly, known: Known, *, task: str, split: str, data: str, risk: float) -> Calibration:
    """The calibration of this model, by all its answers to that data. Raises InputError as `fit` does."""
    closed = sum(one is not None for one in known.shares)
    parts = fit(known, risk)
    return Calibration(
        model=fly.name.rstrip("/").rsplit("/", 1)[-1],  # a folder's path is nobody's concern
        model_hash=fly.hash,
        precision=fly.model.precision,
        fitted=Fitted(task, split, data, RULE.title, len(known.questions), len(known.features), closed),
        curve=parts.curve,
        risk=risk,
        threshold=parts.threshold,
        coverage=COVERAGE,
        quantile=parts.quantile,
        familiar=parts.familiar,
    )


def misses(known: Known) -> np.ndarray:
    """[questions with options] 1 − the probability of the right one; above 1 where it is none of the options."""
    pairs = zip(known.shares, known.gold, strict=True)
    return np.array([1 - share[gold] if gold >= 0 else np.inf for share, gold in pairs if share is not None])


def quantile(scores: np.ndarray, coverage: float) -> float | None:
    """The ⌈(n + 1) coverage⌉-th smallest of n scores; 1, which rules nothing out, where n is too few for one.

    None where there are no scores.
    """
    if not len(scores):
        return None
    rank = math.ceil((len(scores) + 1) * coverage - 1e-9)
    return min(1.0, float(np.sort(scores)[rank - 1])) if rank <= len(scores) else 1.0


def in_set(shares: np.ndarray, level: float) -> np.ndarray:
    """[options] of bool: whether each belongs to the answer set, the likeliest always."""
    kept = 1 - shares <= level
    kept[shares.argmax()] = True
    return kept


def curves(known: Known) -> dict[str, dict[str, Any]]:
    """RAW → `raw_errors`, and `fitted_errors` (both of benchmarks.calibration)."""
    values = known.confidences, known.hits, known.clusters
    return {RAW: raw_errors(*values)} | fitted_errors(*values)


def best_curve(known: Known) -> str:
    """The one of FITS with the lowest cross-fitted Brier score on these answers."""

    def brier(name: str) -> float:
        fitted = cross_fits(known.confidences, known.hits, known.clusters, FITS[name], SEED)
        return float(((fitted - known.hits) ** 2).mean())

    return min(FITS, key=brier)


@dataclass(frozen=True)
class KindWorth:
    """One kind of question (Known.kinds). questions: each counted once; kept, wrong: as in Worth."""

    kind: str
    questions: int
    kept: Proportion
    wrong: Proportion


@dataclass(frozen=True)
class Worth:
    """What the other half's fit did to a half's questions, over SPLITS ways to halve the images.

    kept: answers not deferred; wrong: of them; unsure, strange: deferred for each reason (some for both); all of
    answers. kinds: kept and wrong by kind of question. covered, single, size: of the answer sets; options: their mean
    number. found: halves with a threshold.
    """

    kept: Proportion
    wrong: Proportion
    unsure: Proportion
    strange: Proportion
    kinds: tuple[KindWorth, ...]
    covered: Proportion
    single: Proportion
    size: Difference
    options: float | None
    found: int


def worth(known: Known, risk: float) -> Worth:
    """Every half judged by what was chosen and fitted on the other."""
    told: dict[str, list[np.ndarray]] = {}
    found = 0
    for split in range(SEED, SEED + SPLITS):
        side = halves(known.clusters, split)
        for half in (0, 1):
            parts = fit(known.part(side != half), risk)
            found += parts.threshold is not None
            for name, values in _judged(known.part(side == half), parts).items():
                told.setdefault(name, []).append(values)
    all_ = {name: np.concatenate(values) for name, values in told.items()}
    clusters, kept, closed = all_["cluster"], all_["kept"] > 0, all_["size"] > 0
    where = clusters[closed]
    sizes = all_["size"][closed]
    return Worth(
        kept=_share(all_["kept"], clusters),
        wrong=_share(1 - all_["hit"][kept], clusters[kept]),
        unsure=_share(all_["unsure"], clusters),
        strange=_share(all_["strange"], clusters),
        kinds=_by_kind(known.kinds, all_),
        covered=_share(all_["covered"][closed], where),
        single=_share((sizes == 1).astype(float), where),
        size=paired_difference(sizes.tolist(), [0.0] * len(sizes), where.tolist(), seed=SEED),
        options=float(all_["options"][closed].mean()) if closed.any() else None,
        found=found,
    )


def _by_kind(kinds: Sequence[str], judged: Mapping[str, np.ndarray]) -> tuple[KindWorth, ...]:
    """The largest kind first. judged: as `_judged` gives it, of all splits."""
    found = []
    for kind, questions in sorted(Counter(kinds).items(), key=lambda one: (-one[1], one[0])):
        mine = judged["kind"] == kind
        clusters, kept = judged["cluster"][mine], judged["kept"][mine]
        wrong = _share(1 - judged["hit"][mine][kept > 0], clusters[kept > 0])
        found.append(KindWorth(kind, questions, _share(kept, clusters), wrong))
    return tuple(found)


def _judged(known: Known, parts: Parts) -> dict[str, np.ndarray]:
    """[N] each: cluster, kind, hit, unsure, strange, kept, covered; size of the set and options, 0 without options."""
    likely = parts.curve(known.confidences)
    unsure = np.ones(len(likely)) if parts.threshold is None else (likely < parts.threshold).astype(float)
    pictures, pairs = known.features.tolist(), zip(known.images, known.questions, strict=True)
    strange = np.array([bool(parts.familiar.strange(pictures[i], q)) for i, q in pairs], float)
    levels = np.where(strange > 0, 1.0, 1.0 if parts.quantile is None else parts.quantile)  # as Calibration has it
    sets = [None if one is None else in_set(one, level) for one, level in zip(known.shares, levels, strict=True)]
    golds = zip(sets, known.gold, strict=True)
    return {
        "cluster": known.clusters,
        "kind": np.array(known.kinds),
        "hit": known.hits,
        "unsure": unsure,
        "strange": strange,
        "kept": (1 - unsure) * (1 - strange),
        "covered": np.array([float(one is not None and gold >= 0 and one[gold]) for one, gold in golds]),
        "size": np.array([0.0 if one is None else one.sum() for one in sets]),
        "options": np.array([0.0 if one is None else len(one) for one in sets]),
    }


def _share(values: np.ndarray, clusters: np.ndarray) -> Proportion:
    labels: list[Hashable] = clusters.tolist()
    return proportion(values.tolist(), labels, seed=SEED)
