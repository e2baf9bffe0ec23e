"""Confidences and what came out right → calibrated confidences, and a threshold that keeps a stated risk.

It knows numbers: it knows no rule, no model and no question. Nothing is judged here by what it was fitted on: see
`cross_fits`. What is fitted says how often an answer is right: about the model's answers, not a probability of
disease.

Sources. Temperature: C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2; there of each
class's logit, here of whole answers: the logit of the answer's confidence is divided by it. Isotonic: B. Zadrozny and
C. Elkan, "Transforming Classifier Scores into Accurate Multiclass Probability Estimates", KDD 2002. Targets that stay
off 0 and 1: J. Platt, "Probabilistic Outputs for Support Vector Machines", 1999, section 2.2. Cross-fitting: V.
Chernozhukov et al., The Econometrics Journal 21 (2018) C1–C68. Selection with a guaranteed risk: Y. Geifman and R.
El-Yaniv, "Selective Classification for Deep Neural Networks", NeurIPS 2017, section 3.

Shapes: N answers, C clusters (images or patients), S splits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence

import numpy as np

from benchmarks.statistics import LEAST, LEVEL, intracluster_correlation
from medfly.trust.curve import Curve

SPLITS = 5
FARTHEST = 1e-6  # from 0 and 1: confidences nearer have no finite logit to speak of
NONE = 1e-9  # of a run of answers: none are right; rounding leaves some such share
SLOPES = (0.01, 5.0)  # 1 / temperature: even a useless order is kept, and no fit claims to be sure
STEP = 0.125  # of the logit between points: off the true curve by 6e-4 at most up to a slope of 2, 5e-3 at 5

Fit = Callable[[np.ndarray, np.ndarray], Curve]


def temperature(confidences: np.ndarray, hits: np.ndarray) -> Curve:
    """Divides the logit by the temperature under which these answers are likeliest. confidences, hits: [N].

    The targets are Platt's: (r + 1) / (r + 2) for the r right answers and 1 / (w + 2) for the w wrong ones, in place
    of 1 and 0, so that few answers, or answers all right, make no certainty. One number moves all: where a confidence
    of over 0.5 is right less than half the time, no temperature can mend it.
    Raises ValueError where a hit is neither 0 nor 1 (a rule of fractions), or there is no answer.
    """
    from sklearn.linear_model import LogisticRegression

    confidences, hits = _pairs(confidences, hits)
    right, wrong = hits.sum(), (1 - hits).sum()
    target = np.where(hits == 1, (right + 1) / (right + 2), 1 / (wrong + 2))
    logits = _logit(confidences)[:, None]
    model = LogisticRegression(C=1e6, fit_intercept=False, tol=1e-8)  # C: next to no pull on the slope
    outcomes = np.repeat([1, 0], len(hits))
    model.fit(np.concatenate([logits, logits]), outcomes, sample_weight=np.concatenate([target, 1 - target]))
    slope = float(np.clip(model.coef_[0, 0], *SLOPES))
    reach = _logit(np.array([1 - FARTHEST]))[0]
    points = np.linspace(-reach, reach, 2 * round(reach / STEP) + 1)
    return Curve(tuple(_sigmoid(points).tolist()), tuple(_sigmoid(slope * points).tolist()))


def isotonic(confidences: np.ndarray, hits: np.ndarray) -> Curve:
    """The rising curve nearest to these answers' hits, straight between its points. confidences, hits: [N].

    A run of n answers that are all right stands at (n + 1) / (n + 2) instead of 1, and one all wrong at 1 / (n + 2)
    instead of 0 (Laplace's rule of succession: n answers do not tell more), but never past the run beside it.
    Raises ValueError where a hit is neither 0 nor 1 (a rule of fractions), or there is no answer.
    """
    from sklearn.isotonic import IsotonicRegression

    confidences, hits = _pairs(confidences, hits)
    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(confidences, hits)
    xs, ys = fitted.X_thresholds_, fitted.y_thresholds_
    levels = fitted.predict(confidences)
    wrong, right = int((levels < NONE).sum()), int((levels > 1 - NONE).sum())
    lowest, highest = 1 / (wrong + 2), (right + 1) / (right + 2)
    between = ys[(ys >= NONE) & (ys <= 1 - NONE)]
    if len(between):
        lowest, highest = min(lowest, between[0]), max(highest, between[-1])
    return Curve(tuple(xs.tolist()), tuple(np.clip(ys, lowest, highest).tolist()))


def halves(images: Sequence[Hashable] | np.ndarray, seed: int) -> np.ndarray:
    """[N] of 0 and 1: every image (or patient: whatever is given) whole in one of two halves, drawn at random.

    Of an odd number of images, half 0 has one more. Same images in the same order of appearance, same halves.
    """
    labels = images.tolist() if isinstance(images, np.ndarray) else images
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    side = np.random.default_rng(seed).permutation(len(numbers)) % 2
    return np.array([side[numbers[label]] for label in labels], np.intp)


def cross_fits(
    confidences: np.ndarray,
    hits: np.ndarray,
    images: Sequence[Hashable] | np.ndarray,
    fit: Fit,
    seed: int = 0,
    splits: int = SPLITS,
) -> np.ndarray:
    """Calibrated confidences [S, N], a row a split: the images are halved (`halves` with seed, seed + 1, …), and each
    half gets the curve of the other.

    Where one half happens to be right more often, its curve is too high for the other, whose own is too low for it: in
    bins over both halves the two errors cancel, and an ECE of them says little more than one of what was fitted on. So
    bins must not mix the halves. Squared errors and likelihoods of single answers cannot cancel.
    Raises ValueError as `fit` does, and for fewer than 2 images.
    """
    confidences, hits = _pairs(confidences, hits)
    fitted = np.empty((splits, len(hits)))
    for row, split in enumerate(range(seed, seed + splits)):
        side = halves(images, split)
        if side.min() == side.max():
            raise ValueError("at least 2 images expected, got 1: there is no other half")
        for half in (0, 1):
            fitted[row, side == half] = fit(confidences[side != half], hits[side != half])(confidences[side == half])
    return fitted


def threshold(
    risk: float,
    scores: np.ndarray,
    hits: np.ndarray,
    images: Sequence[Hashable] | np.ndarray,
    level: float = LEVEL,
) -> float | None:
    """The lowest score such that of the answers with it or more at most `risk` are wrong, with confidence `level`.

    scores [N]: the surest answers highest; on any scale. hits [N] of 0 and 1. None where no score keeps the promise,
    and from under LEAST images. What is promised is about other questions of the same kind about other images of the
    same source, not about these.

    For each score the wrong among the answers kept have an upper binomial limit (C. J. Clopper and E. S. Pearson,
    Biometrika 26 (1934) 404–413) with as many trials as the kept answers are worth: n / (1 + (m − 1) · r), m the mean
    number kept of a kept answer's image, r how alike the hits of one image are (at least 0; 1 where all hits are the
    same, which tells nothing of it). The lowest score whose limit is at most `risk` is taken, without Geifman and
    El-Yaniv's correction for having looked at many: neighbouring scores share their answers, and the design effect
    leaves room, though not always enough. Measured on made data (400 to 600 trials each of 26 kinds: 48 or 96 images of
    11 questions, right in 57 to 97 %, alike within an image or not, calibrated, too sure, or all nearly as sure; risks
    of 5, 10 and 20 %), counting None as kept, a promise at level 0.95 was kept in 92.5 to 100 %: under 94.5 only where
    all answers are nearly as sure and the risk is about their share of wrong ones. With level 0.975 it was kept in 96.7
    to 100 % (12 of the kinds), and up to a tenth of all answers fewer are kept. Of the thresholds that were given,
    91 to 97 % kept a risk of 10 % with 96 images; fewer did where a threshold is rarely found at all: 84 to 89 % at
    20 % of answers nearly as sure, 86 % at 5 % of answers very much alike, and none of 11 at 5 % of a model that is
    far too sure. `pytest -m slow tests/benchmarks/test_fitting.py` repeats three kinds.
    Raises ValueError where a hit is neither 0 nor 1, or there is no answer.
    """
    hits = np.asarray(hits, np.float64)
    _pairs(np.zeros(len(hits)), hits)
    labels = images.tolist() if isinstance(images, np.ndarray) else list(images)
    if len(set(labels)) < LEAST:
        return None
    order = np.argsort(-np.asarray(scores), kind="stable")
    falling = np.asarray(scores, np.float64)[order]
    last = np.append(falling[1:] < falling[:-1], True)  # of equal scores: they are kept together
    limits = _upper_limits(hits, labels, order, level)
    keeps = np.flatnonzero(last & (limits <= risk))
    return float(falling[keeps[-1]]) if len(keeps) else None


def _upper_limits(hits: np.ndarray, labels: list[Hashable], order: np.ndarray, level: float) -> np.ndarray:
    """[N] for the first 1, 2, … N answers in `order`: what share of wrong ones they are compatible with at most."""
    from scipy.special import betaincinv

    alike = intracluster_correlation(hits.tolist(), labels)
    alike = 1.0 if alike is None else max(0.0, alike)
    count = np.arange(1, len(hits) + 1)
    seen: Counter[Hashable] = Counter()
    squares = np.empty(len(hits))  # what each answer adds to the sum of its images' squared counts
    for place, number in enumerate(order):
        squares[place] = 2 * seen[labels[number]] + 1
        seen[labels[number]] += 1
    trials = count / (1 + (np.cumsum(squares) / count - 1) * alike)
    wrong = np.cumsum(1 - hits[order]) / count * trials
    right = trials - wrong
    return np.where(right > 0, betaincinv(wrong + 1, np.maximum(right, 1e-9), level), 1.0)


def _pairs(confidences: np.ndarray, hits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    confidences, hits = np.asarray(confidences, np.float64), np.asarray(hits, np.float64)
    if confidences.ndim != 1 or confidences.shape != hits.shape or not hits.size:
        raise ValueError(f"a hit for each of at least one confidence expected, got {hits.size} and {confidences.size}")
    if not ((confidences >= 0) & (confidences <= 1)).all():
        raise ValueError(f"confidences in 0 … 1 expected, got {confidences.min()} … {confidences.max()}")
    if not np.isin(hits, (0, 1)).all():
        raise ValueError("hits of 0 and 1 expected, got fractions: choose a rule that says right or wrong")
    return confidences, hits


def _logit(probabilities: np.ndarray) -> np.ndarray:
    kept = np.clip(probabilities, FARTHEST, 1 - FARTHEST)
    return np.log(kept / (1 - kept))


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))
