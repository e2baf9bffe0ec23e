"""Fits against scipy and scikit-learn, thresholds against a slow plain path, and both on answers made to order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest
from sklearn.isotonic import IsotonicRegression

from benchmarks.calibration import expected_calibration_error
from benchmarks.fitting import FARTHEST, Fit, cross_fits, halves, isotonic, temperature, threshold
from benchmarks.statistics import LEAST, LEVEL

FITS = (temperature, isotonic)
SHARES = st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)
PAIRS = st.lists(st.tuples(SHARES, st.booleans()), min_size=1, max_size=40)
Made = tuple[np.ndarray, np.ndarray, np.ndarray]


def arrays(pairs: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([c for c, _ in pairs], np.float64), np.array([h for _, h in pairs], np.float64)


def made(seed: int, images: int = 96, *, too_sure: float = 0.0, alike: float = 0.0, spread: float = 1.2) -> Made:
    """Confidences, hits and images of 11 questions each.

    The log-odds of being right are the confidence's, less too_sure, and more or less by `alike` (a standard deviation)
    for all of an image's questions.
    """
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(images), 11)
    logits = 1.4 + 0.5 * spread * rng.normal(size=images)[of] + spread * rng.normal(size=len(of))
    truth = logits - too_sure + alike * rng.normal(size=images)[of]
    hits = rng.random(len(of)) < sigmoid(truth)
    return sigmoid(logits), hits.astype(np.float64), of


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


def logit(probabilities: np.ndarray) -> np.ndarray:
    return np.log(probabilities / (1 - probabilities))


def test_temperature_is_the_likeliest_by_another_optimiser() -> None:
    confidences, hits, _ = made(0, too_sure=0.8)
    right, wrong = hits.sum(), (1 - hits).sum()
    target = np.where(hits == 1, (right + 1) / (right + 2), 1 / (wrong + 2))

    def surprise(slope: float) -> float:
        scaled = sigmoid(slope * logit(confidences))
        return -float((target * np.log(scaled) + (1 - target) * np.log(1 - scaled)).sum())

    slope = minimize_scalar(surprise, bounds=(0.01, 5), method="bounded", options={"xatol": 1e-8}).x
    asked = np.array([0.01, 0.3, 0.5, 0.77, 0.9, 0.999])
    np.testing.assert_allclose(temperature(confidences, hits)(asked), sigmoid(slope * logit(asked)), atol=7e-4)


def test_temperature_finds_the_one_put_in() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0.5, 2, 20_000)
    hits = (rng.random(20_000) < sigmoid(logits / 2)).astype(np.float64)
    curve = temperature(sigmoid(logits), hits)
    assert curve(np.array([0.9])) == pytest.approx(sigmoid(logit(np.array([0.9])) / 2), abs=0.01)
    assert curve(np.array([0.5])) == pytest.approx(0.5)


@settings(max_examples=30, deadline=None)
@given(PAIRS)
def test_isotonic_is_scikit_learn_s_but_for_0_and_1(pairs: list[tuple[float, bool]]) -> None:
    confidences, hits = arrays(pairs)
    theirs = IsotonicRegression().fit(confidences, hits).predict(confidences)
    ours = isotonic(confidences, hits)(confidences)
    between = (theirs > 0) & (theirs < 1)
    np.testing.assert_allclose(ours[between], theirs[between], atol=1e-12)
    assert ours.min() > 0 and ours.max() < 1


def test_few_answers_make_no_certainty() -> None:
    """By hand: 3 answers all right stand at 4/5, 2 all wrong at 1/4; but never past the run beside them."""
    confidences = np.array([0.1, 0.2, 0.7, 0.8, 0.9])
    assert isotonic(confidences, np.array([0.0, 0, 1, 1, 1]))(confidences).tolist() == [0.25, 0.25, 0.8, 0.8, 0.8]
    beside = np.array([0.5] * 10 + [0.9])
    ten = isotonic(beside, np.array([0.0, *[1.0] * 10]))(np.array([0.5, 0.9]))
    assert ten == pytest.approx([0.9, 0.9])  # one right answer alone would stand at 2/3
    for hits in (np.ones(5), np.zeros(5)):
        for fit in FITS:
            calibrated = fit(confidences, hits)(np.linspace(0, 1, 11))
            assert (calibrated > 0).all() and (calibrated < 1).all()


@settings(max_examples=15, deadline=None)
@given(PAIRS)
def test_a_more_confident_answer_stays_so(pairs: list[tuple[float, bool]]) -> None:
    confidences, hits = arrays(pairs)
    for fit in FITS:
        curve = fit(confidences, hits)
        assert (np.diff(curve(np.linspace(0, 1, 201))) >= 0).all()


@pytest.mark.parametrize("fit", FITS)
def test_what_cannot_be_fitted_is_refused(fit: Fit) -> None:
    one = np.array([0.5])
    for confidences, hits in ((one, one), (one[:0], one[:0]), (one, np.ones(2)), (one + 1, np.ones(1))):
        with pytest.raises(ValueError, match="expected"):
            fit(confidences, hits)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_characters="\0"), max_size=2), min_size=1, max_size=40), st.integers(0, 5)
)
def test_halves_keep_images_whole(images: list[str], seed: int) -> None:
    side = halves(images, seed)  # numpy drops a NUL at the end of a text, which no path has
    sides = {image: {int(s) for s, other in zip(side, images, strict=True) if other == image} for image in images}
    assert all(len(found) == 1 for found in sides.values())
    number = sum(found == {0} for found in sides.values())
    assert number - (len(sides) - number) in (0, 1)
    assert side.tolist() == halves(np.array(images), seed).tolist()


def test_halves_differ_by_seed() -> None:
    images = np.arange(20)
    assert len({tuple(halves(images, seed)) for seed in range(5)}) == 5


@pytest.mark.parametrize("fit", FITS)
def test_no_image_has_a_part_in_its_own_confidences(fit: Fit) -> None:
    """Its hits turned round, its calibrated confidences stay, and the others' move."""
    confidences, hits, of = made(2, 12)
    other = np.where(of == 3, 1 - hits, hits)
    one, two = (cross_fits(confidences, right, of, fit) for right in (hits, other))
    assert (one[:, of == 3] == two[:, of == 3]).all() and (one[:, of != 3] != two[:, of != 3]).any()


def test_each_row_is_a_split_and_each_half_by_the_other() -> None:
    """Against the plain way: split by split, half by half, answer by answer."""
    confidences, hits, of = made(3, 8)
    rows = []
    for split in (7, 8, 9):
        side = halves(of, split)
        curves = [isotonic(confidences[side != half], hits[side != half]) for half in (0, 1)]
        rows.append([float(curves[half](confidences[i])) for i, half in enumerate(side)])
    np.testing.assert_allclose(cross_fits(confidences, hits, of, isotonic, seed=7, splits=3), rows)
    with pytest.raises(ValueError, match="there is no other half"):
        cross_fits(confidences, hits, np.zeros(len(of)), isotonic)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("seed", range(3))
def test_calibration_mends_what_is_too_sure_and_spoils_little(fit: Fit, seed: int) -> None:
    """Too sure by 0.15 or so: one number mends a part of it, a free curve nearly all; what fits is hardly spoilt.

    Within half of 400 images noise alone makes an error of about 0.02.
    """
    for too_sure, least, share in ((1.0, 0.14, 0.8 if fit is temperature else 0.4), (0.0, 0.0, 2.0)):
        confidences, hits, of = made(seed, 400, too_sure=too_sure)
        here = halves(of, 0) == 0  # the first split's; errors are never taken over both halves
        mended = cross_fits(confidences, hits, of, fit, splits=1)[0]
        raw, after = (
            expected_calibration_error(values[here], hits[here], np.unique(of[here], return_inverse=True)[1])["value"]
            for values in (confidences, mended)
        )
        assert raw > least and after < max(0.05, share * raw)


def test_bins_over_both_halves_would_hide_errors() -> None:
    """Of coins, each half's curve is the half's share of heads: off by turns, and by nothing over both halves."""
    rng = np.random.default_rng(8)
    of, hits = np.arange(400), (rng.random(400) < 0.7).astype(np.float64)
    confidences = np.full(400, 0.65)
    mended = cross_fits(confidences, hits, of, isotonic, splits=1)[0]
    side = halves(of, 0)
    apart = [abs(hits[side == half].mean() - mended[side == half].mean()) for half in (0, 1)]
    assert apart == pytest.approx([apart[0]] * 2) and apart[0] > 0.02
    assert hits.mean() == pytest.approx(mended.mean())


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=LEAST, max_size=60),
    st.sampled_from((0.05, 0.2, 0.5)),
)
def test_threshold_is_the_plain_way_s(rows: list[tuple[int, bool]], risk: float) -> None:
    """One question an image, so that there is no design effect: scipy's exact limit at every score, one by one."""
    scores, hits = np.array([score for score, _ in rows]), np.array([float(hit) for _, hit in rows])
    lowest = None
    for score in sorted(set(scores.tolist()), reverse=True):
        kept = scores >= score
        wrong = int((1 - hits[kept]).sum())
        limit = binomtest(wrong, int(kept.sum()), alternative="less").proportion_ci(LEVEL, "exact").high
        lowest = float(score) if limit <= risk else lowest
    assert threshold(risk, scores, hits, list(range(len(rows)))) == lowest


def test_questions_that_go_together_promise_less() -> None:
    """Ten times the same question about each of 100 images tells what one tells; of 1,000 images it would tell more."""
    rng = np.random.default_rng(4)
    scores = rng.random(100)
    hits = (rng.random(100) < 0.6 + 0.4 * scores).astype(np.float64)
    once = threshold(0.2, scores, hits, np.arange(100))
    ten = [np.repeat(values, 10) for values in (scores, hits, np.arange(100))]
    assert once is not None and threshold(0.2, *ten) == once
    apart = threshold(0.2, ten[0], ten[1], np.arange(1000))
    assert apart is not None and apart < once


def test_where_nothing_can_be_promised() -> None:
    of = np.arange(60)
    assert threshold(0.05, np.ones(60), np.ones(60), of) == 1.0  # 0 of 60: at most 4.9 %
    assert threshold(0.04, np.ones(60), np.ones(60), of) is None
    assert threshold(0.2, np.ones(60), np.zeros(60), of) is None
    assert threshold(0.5, np.ones(60), np.ones(60), of % (LEAST - 1)) is None
    assert threshold(0.05, np.ones(60), np.ones(60), of % 20) is None  # 20 images, and how alike they are is unknown
    with pytest.raises(ValueError, match="fractions"):
        threshold(0.2, np.ones(60), np.full(60, 0.5), of)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "level", "share"),
    [
        ({"too_sure": 1.0, "alike": 0.5}, 0.95, 0.93),
        ({"alike": 0.8}, 0.95, 0.93),
        ({"alike": 0.5, "spread": 0.1}, 0.95, 0.90),  # the worst kind known: 92.5 % in place of 95
        ({"alike": 0.5, "spread": 0.1}, 0.975, 0.95),
    ],
)
def test_the_promise_holds_on_other_answers(kind: dict[str, float], level: float, share: float) -> None:
    """96 images × 11 questions, 400 times; judged on 660,000 other answers. 0.93: 2 standard errors under 0.95."""
    scores, hits, _ = made(10**6, 60_000, **kind)
    order = np.argsort(-scores)
    risks = np.cumsum(1 - hits[order]) / np.arange(1, len(order) + 1)
    kept = dict.fromkeys((0.05, 0.1, 0.2), 0)
    for seed in range(400):
        found = made(seed, **kind)
        for risk in kept:
            least = threshold(risk, *found, level=level)
            place = None if least is None else int(np.searchsorted(-scores[order], -least, side="right")) - 1
            kept[risk] += place is None or risks[max(place, 0)] <= risk
    assert min(kept.values()) >= share * 400, kept


def test_a_sure_wrong_answer_has_a_finite_logit() -> None:
    assert 0 < temperature(np.array([0.0, 1.0]), np.array([1.0, 0.0]))(np.array([1.0]))[0] < 1
    assert FARTHEST > 0
