"""Intervals, tests and planning against closed forms, scipy, statsmodels and simulated data whose truth is known."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from benchmarks.coverage import alike_hits, alike_pairs, image_sizes, interval_coverage, pair_rates, planned
from benchmarks.statistics import (
    FEW,
    clustered_error,
    design_effect,
    detectable_difference,
    draws,
    holm,
    intracluster_correlation,
    mcnemar,
    paired_difference,
    planned_error,
    proportion,
    sign_flip,
)


@pytest.mark.parametrize(("count", "right"), [(100, 50), (200, 178), (400, 12)])
def test_single_question_images_give_the_binomial_bootstrap(count: int, right: int) -> None:
    """With images of one question, a resample's hits are exactly Binomial(n, p)."""
    result = proportion([1.0] * right + [0.0] * (count - right), range(count))
    expected = stats.binom.ppf([0.025, 0.975], count, right / count) / count
    assert result.value == right / count
    assert [result.low, result.high] == pytest.approx(expected, abs=1.01 / count)


def test_agrees_with_scipy_bootstrap_of_the_ratio() -> None:
    rng = np.random.default_rng(1)
    sizes = rng.integers(1, 12, 60)
    right = rng.binomial(sizes, rng.beta(2, 1, 60))
    hits = [float(i < k) for n, k in zip(sizes, right, strict=True) for i in range(n)]
    images = [f"image {c}" for c, n in enumerate(sizes) for _ in range(n)]
    oracle = stats.bootstrap(
        (right, sizes),
        lambda k, n, axis: k.sum(axis=axis) / n.sum(axis=axis),
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=10_000,
        rng=2,
    ).confidence_interval
    result = proportion(hits, images)
    assert result.value == pytest.approx(right.sum() / sizes.sum())
    assert [result.low, result.high] == pytest.approx([oracle.low, oracle.high], abs=0.006)


def test_two_images_by_hand() -> None:
    """A: 1 of 1, B: 0 of 3. Resamples AA, AB, BA, BB give 1, 1/4, 1/4, 0, each in a quarter of the cases."""
    result = proportion([1.0, 0.0, 0.0, 0.0], ["A", "B", "B", "B"])
    assert (result.value, result.low, result.high) == (0.25, 0.0, 1.0)
    assert (result.hits, result.count, result.clusters) == (1.0, 4, 2)


def test_repeating_every_question_of_an_image_does_not_narrow_the_interval() -> None:
    hits = np.random.default_rng(3).integers(0, 2, 50).astype(float)
    once = proportion(list(hits), range(50))
    tenfold = proportion(list(np.repeat(hits, 10)), list(np.repeat(np.arange(50), 10)))
    assert (tenfold.low, tenfold.high) == pytest.approx((once.low, once.high), abs=1e-12)
    assert tenfold.count == 10 * once.count


def test_order_of_questions_does_not_matter() -> None:
    hits, images = [1.0, 0.0, 1.0, 1.0, 0.0, 0.0], ["a", "a", "b", "c", "c", "b"]
    again = [0, 2, 1, 5, 3, 4]  # images still first appear as a, b, c
    assert proportion(hits, images) == proportion([hits[i] for i in again], [images[i] for i in again])


def test_coverage_on_clustered_data() -> None:
    """95 % intervals hold the true value about 95 times in 100; those that ignore the images do not."""
    rng = np.random.default_rng(4)
    clusters, size, simulations, truth = 50, 10, 300, 0.6
    covered = covered_ignoring_images = 0
    images = np.repeat(np.arange(clusters), size)
    for _ in range(simulations):
        rates = np.repeat(rng.beta(1.2, 0.8, clusters), size)  # mean 0.6, strongly alike within an image
        hits = (rng.random(clusters * size) < rates).astype(float)
        good = proportion(list(hits), images.tolist(), resamples=500)
        naive = proportion(list(hits), range(len(hits)), resamples=500)
        assert good.low is not None and good.high is not None and naive.low is not None and naive.high is not None
        covered += good.low <= truth <= good.high
        covered_ignoring_images += naive.low <= truth <= naive.high
    assert 0.90 <= covered / simulations <= 0.98
    assert covered_ignoring_images / simulations < 0.75


@pytest.mark.parametrize("count", [1, 11, 96])
def test_all_right_and_all_wrong_take_the_exact_binomial_limits(count: int) -> None:
    exact = stats.binomtest(count, count).proportion_ci(0.95, method="exact")
    right = proportion([1.0] * count, range(count))
    assert (right.low, right.high) == pytest.approx((exact.low, exact.high))
    wrong = proportion([0.0] * count, range(count))
    assert (wrong.low, wrong.high) == pytest.approx((0.0, 1 - exact.low))


def test_all_right_counts_images_not_questions() -> None:
    four_images = proportion([1.0] * 40, np.repeat(range(4), 10).tolist())
    assert four_images.low == pytest.approx(stats.binomtest(4, 4).proportion_ci(0.95, method="exact").low)


def test_nothing_counted_and_one_image_have_no_interval() -> None:
    empty = proportion([], [])
    assert (empty.count, empty.value, empty.low, empty.high) == (0, None, None, None)
    one_image = proportion([1.0, 0.0], ["a", "a"])
    assert (one_image.value, one_image.low, one_image.high) == (0.5, None, None)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="2 values, 1 labels"):
        proportion([1.0, 0.0], ["a"])
    with pytest.raises(ValueError, match="between 0 and 1"):
        proportion([1.0, float("nan")], ["a", "b"])
    with pytest.raises(ValueError, match="one length"):
        paired_difference([1.0], [1.0, 0.0], ["a"])


def test_paired_difference_agrees_with_scipy() -> None:
    rng = np.random.default_rng(5)
    first, second = rng.integers(0, 2, 300).astype(float), rng.integers(0, 2, 300).astype(float)
    change = first - second
    oracle = stats.bootstrap((change,), np.mean, method="percentile", n_resamples=10_000, rng=6).confidence_interval
    result = paired_difference(list(first), list(second), range(300))
    assert result.value == pytest.approx(change.mean())
    assert [result.low, result.high] == pytest.approx([oracle.low, oracle.high], abs=0.006)
    assert (result.wins, result.losses) == ((change == 1).sum(), (change == -1).sum())


def test_pairing_cancels_what_both_find_hard() -> None:
    """The second is right wherever the first is, and on 5 questions less: pairing sees it, two intervals do not."""
    first = [1.0] * 100 + [0.0] * 100
    second = [1.0] * 95 + [0.0] * 105
    paired = paired_difference(first, second, range(200))
    assert paired.low is not None and paired.low > 0
    alone, other = proportion(first, range(200)), proportion(second, range(200))
    assert alone.low is not None and other.high is not None and alone.low < other.high


def test_paired_difference_turns_its_sign() -> None:
    rng = np.random.default_rng(7)
    first, second = rng.integers(0, 2, 90).tolist(), rng.integers(0, 2, 90).tolist()
    images = [i // 3 for i in range(90)]
    forth, back = paired_difference(first, second, images), paired_difference(second, first, images)
    assert forth.value is not None and forth.low is not None and forth.high is not None
    assert (back.value, back.low, back.high) == pytest.approx((-forth.value, -forth.high, -forth.low))


def plain_percentile(
    values: np.ndarray, images: np.ndarray, *, seed: int = 0, tail: float = 0.025
) -> tuple[float, float]:
    """The slow plain path: one resample after the other, each image's questions gathered one by one."""
    rng = np.random.default_rng(seed)
    members = [values[images == image] for image in dict.fromkeys(images.tolist())]
    means = [
        np.concatenate([members[i] for i in drawn]).mean()
        for drawn in rng.integers(0, len(members), (10_000, len(members)))
    ]
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


@pytest.mark.parametrize("fractional", [False, True])
def test_many_images_give_the_plain_percentile_interval(fractional: bool) -> None:
    rng = np.random.default_rng(8)
    sizes = rng.integers(1, 5, FEW)
    images = np.repeat(np.arange(FEW), sizes)
    values = rng.random(len(images)) if fractional else rng.integers(0, 2, len(images)).astype(float)
    result = proportion(values.tolist(), images.tolist(), seed=3)
    assert (result.low, result.high) == pytest.approx(plain_percentile(values, images, seed=3), abs=1e-12)


def test_few_images_widen_the_interval_as_hesterberg_has_it() -> None:
    """By hand, 10 images take the normal quantile from 1.960 to 2.262 * sqrt(10 / 9) = 2.385."""
    rng = np.random.default_rng(9)
    values, images = rng.random(30), np.repeat(np.arange(10), 3)
    tail = float(stats.norm.cdf(-stats.t.ppf(0.975, 9) * np.sqrt(10 / 9)))
    assert stats.norm.ppf(tail) == pytest.approx(-2.385, abs=0.001)
    result = proportion(values.tolist(), images.tolist())
    assert (result.low, result.high) == pytest.approx(plain_percentile(values, images, tail=tail), abs=1e-12)


@pytest.mark.parametrize("clusters", [2, 3, 5])
def test_of_very_few_images_the_interval_is_students_within_the_scale(clusters: int) -> None:
    """Of images with equally many questions it is the t interval of the images' means, as scipy has it."""
    means = np.linspace(0.45, 0.55, clusters)
    values, images = np.repeat(means, 4), np.repeat(np.arange(clusters), 4).tolist()
    low, high = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    found = proportion(values.tolist(), images)
    assert (found.low, found.high) == pytest.approx((max(0, low), min(1, high)))
    change = paired_difference(values.tolist(), [0.0] * len(values), images)
    assert (change.low, change.high) == pytest.approx((max(-1, low), min(1, high)))


@pytest.mark.parametrize("clusters", [2, 3, 4])
def test_intervals_of_very_few_images_hold_the_truth(clusters: int) -> None:
    """Percentiles of the resamples held it in 52, 75 and 87 of 100 simulations."""
    rng = np.random.default_rng(13)
    held = 0
    for _ in range(400):
        sizes = image_sizes(rng, clusters)
        found = proportion(alike_hits(rng, sizes, 0.6, 0.1).tolist(), np.repeat(range(clusters), sizes).tolist())
        held += found.low is None or found.high is None or found.low <= 0.6 <= found.high
    assert held >= 0.9 * 400


def test_very_few_images_that_agree_by_chance_have_no_interval() -> None:
    found = proportion([1.0, 0.0] * 2, [0, 0, 1, 1])
    assert (found.value, found.low, found.high) == (0.5, None, None)
    same = paired_difference([1.0, 0.0] * 2, [1.0, 0.0] * 2, [0, 0, 1, 1])
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("perfect", [1.0, 0.999999995])
def test_a_perfect_answer_that_a_rule_calls_nearly_1_is_as_uncertain_as_1(perfect: float) -> None:
    """MultiMedEval adds 1e-8 to F1's denominator; its 62 right of 62 were printed with the interval 100.0 … 100.0."""
    exact = stats.binomtest(62, 62).proportion_ci(0.95, method="exact")
    found = proportion([perfect] * 62, range(62))
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))
    assert found.hits == pytest.approx(62 * perfect)


@pytest.mark.parametrize(("clusters", "resamples"), [(1, 3), (7, 10_000), (3_000, 700)])
def test_draws_keep_the_number_of_images_and_repeat_themselves(clusters: int, resamples: int) -> None:
    counts = np.concatenate(list(draws(clusters, seed=5, resamples=resamples)))
    assert counts.shape == (resamples, clusters)
    assert (counts.sum(axis=1, dtype=int) == clusters).all()
    drawn = np.random.default_rng(5).integers(0, clusters, (resamples, clusters))
    assert (counts[-1] == np.bincount(drawn[-1], minlength=clusters)).all()
    assert (counts == np.concatenate(list(draws(clusters, seed=5, resamples=resamples)))).all()


def test_draws_too_many_to_keep_are_the_same() -> None:
    kept, streamed = (np.concatenate(list(draws(30, resamples=r)))[:100] for r in (100, 700_000))
    assert (kept == streamed).all()


def test_kept_draws_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        next(iter(draws(5)))[0, 0] = 9


@pytest.mark.parametrize("clusters", [2, 5, 9, 13])
def test_sign_flip_enumerates_as_scipy_does(clusters: int) -> None:
    rng = np.random.default_rng(clusters)
    change = rng.normal(0.3, 1, clusters)
    oracle = stats.permutation_test(
        (change,), np.sum, permutation_type="samples", vectorized=True, n_resamples=2**clusters
    )
    assert sign_flip(change.tolist(), [0.0] * clusters, range(clusters)) == pytest.approx(oracle.pvalue, abs=1e-12)


def test_sign_flip_draws_as_scipy_does() -> None:
    change = np.random.default_rng(21).normal(0.25, 1, 60)
    oracle = stats.permutation_test(
        (change,), np.sum, permutation_type="samples", vectorized=True, n_resamples=20_000, rng=11
    )
    assert 0.01 < oracle.pvalue < 0.2
    assert sign_flip(change.tolist(), [0.0] * 60, range(60)) == pytest.approx(oracle.pvalue, abs=0.006)


def test_sign_flip_by_hand() -> None:
    """Images a: +2, b: +1, c: 0, d: −1. Of the 8 sign patterns of 2, 1, 1, the totals 2 or more away from 0 are six."""
    first = [1.0, 1.0, 1.0, 0.0, 1.0, 0.0]
    second = [0.0, 0.0, 0.0, 1.0, 0.0, 1.0]
    images = ["a", "a", "b", "c", "c", "d"]
    totals = [abs(2 * x + y + z) for x, y, z in product((-1, 1), repeat=3)]
    assert sign_flip(first, second, images) == sum(total >= 2 for total in totals) / 8 == 0.75


def test_sign_flip_turns_images_not_questions() -> None:
    """Ten wins out of ten: past chance on ten images, and no evidence at all from one."""
    assert sign_flip([1.0] * 10, [0.0] * 10, range(10)) == 2 / 2**10
    assert sign_flip([1.0] * 10, [0.0] * 10, ["one"] * 10) == 1.0
    assert sign_flip([1.0] * 40, [0.0] * 40, range(40)) == 1 / 10_001  # never 0
    assert sign_flip([1.0] * 40, [1.0] * 40, range(40)) == 1.0
    assert sign_flip([], [], []) is None


def test_sign_flip_does_not_turn_on_rounding() -> None:
    """0.1 + 0.2 and 0.3 are the same total to the test: all 8 patterns of equal thirds but none are as extreme."""
    assert sign_flip([0.3, 0.3, 0.3], [0.2, 0.2, 0.2], range(3)) == 0.25
    assert sign_flip([0.1 + 0.2, 0.3], [0.0, 0.0], range(2)) == 0.5


def test_sign_flip_p_values_are_uniform_where_there_is_no_difference() -> None:
    rng = np.random.default_rng(12)
    found, ignoring_images = [], []
    for _ in range(300):
        sizes = image_sizes(rng, 40)
        first, second = alike_pairs(rng, sizes, 0.0, 0.3, 0.2)
        images = np.repeat(np.arange(40), sizes).tolist()
        found.append(sign_flip(first.tolist(), second.tolist(), images, resamples=499))
        ignoring_images.append(mcnemar(int((first > second).sum()), int((first < second).sum())))
    assert stats.kstest(found, "uniform").pvalue > 0.01
    assert stats.kstest(ignoring_images, "uniform").pvalue < 1e-6  # what sign_flip is for


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (0, 5), (12, 3), (40, 41), (200, 130)])
def test_mcnemar_agrees_with_statsmodels(wins: int, losses: int) -> None:
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    oracle = tables.mcnemar([[70, wins], [losses, 20]], exact=True).pvalue if wins + losses else 1.0
    assert mcnemar(wins, losses) == pytest.approx(min(1.0, oracle))


def test_holm_agrees_with_statsmodels() -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    rng = np.random.default_rng(13)
    for size in (1, 2, 7, 48):
        values = (rng.random(size) ** 4).tolist()
        values[-1] = values[0]  # ties occur
        assert holm(values) == pytest.approx(multitest.multipletests(values, method="holm")[1].tolist())


def test_holm_passes_over_what_was_not_tested() -> None:
    assert holm([0.04, None, 0.01, None]) == [0.04, None, 0.02, None]
    assert holm([None]) == [None]
    assert holm([]) == []


def test_clustered_error_agrees_with_statsmodels() -> None:
    linear = pytest.importorskip("statsmodels.regression.linear_model")
    rng = np.random.default_rng(14)
    sizes = image_sizes(rng, 25)
    values, images = alike_hits(rng, sizes, 0.7, 0.2), np.repeat(np.arange(25), sizes)
    oracle = linear.OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": images})
    assert clustered_error(values.tolist(), images.tolist()) == pytest.approx(float(oracle.bse[0]))


def test_clustered_error_of_single_questions_is_the_textbooks() -> None:
    values = np.random.default_rng(15).random(40)
    assert clustered_error(values.tolist(), range(40)) == pytest.approx(stats.sem(values))
    assert clustered_error([1.0, 0.0], ["a", "a"]) is None


def test_correlation_agrees_with_a_mixed_model() -> None:
    """With images of equal size, the variance components of restricted maximum likelihood are those of the ANOVA."""
    mixed = pytest.importorskip("statsmodels.regression.mixed_linear_model")
    rng = np.random.default_rng(16)
    values = np.repeat(rng.normal(0, 0.7, 40), 6) + rng.normal(0, 1, 240)
    images = np.repeat(np.arange(40), 6)
    model = mixed.MixedLM(values, np.ones(240), groups=images).fit(reml=True)
    between, within = float(model.cov_re.item()), float(model.scale)
    assert between > 0.2
    assert intracluster_correlation(values.tolist(), images.tolist()) == pytest.approx(
        between / (between + within), abs=1e-4
    )


def test_correlation_finds_the_truth_and_its_limits() -> None:
    rng = np.random.default_rng(17)
    sizes = image_sizes(rng, 3_000)
    images = np.repeat(np.arange(3_000), sizes).tolist()
    for truth in (0.05, 0.4):
        hits = alike_hits(rng, sizes, 0.7, truth)
        assert intracluster_correlation(hits.tolist(), images) == pytest.approx(truth, abs=0.02)
        first, second = alike_pairs(rng, sizes, 0.1, 0.3, truth)
        assert intracluster_correlation((first - second).tolist(), images) == pytest.approx(truth, abs=0.02)
    assert intracluster_correlation([0.0, 0.0, 1.0, 1.0], "aabb") == 1.0
    assert intracluster_correlation([0.0, 1.0, 0.0, 1.0], "aabb") == -1.0
    for nothing in ([1.0, 1.0, 1.0], [1.0]):
        assert intracluster_correlation(nothing, "aab"[: len(nothing)]) is None
    assert intracluster_correlation([0.0, 1.0], "ab") is None


def test_planned_error_is_what_answers_then_show() -> None:
    """The error expected beforehand, against the spread of the mean difference over simulated splits."""
    rng = np.random.default_rng(18)
    sizes = image_sizes(rng, 96)
    means = [np.subtract(*alike_pairs(rng, sizes, 0.0, 0.25, 0.15)).mean() for _ in range(1_000)]
    error = planned_error(sizes.tolist(), discordance=0.25, correlation=0.15)
    assert error == pytest.approx(np.std(means), rel=0.08)
    assert error == pytest.approx(np.sqrt(0.25 / sizes.sum() * design_effect(sizes.tolist(), 0.15)))


def test_single_questions_have_the_textbooks_detectable_difference() -> None:
    """(1.960 + 0.842) * sqrt(discordance / n), from many questions."""
    assert design_effect([1] * 50, 0.3) == 1.0
    assert design_effect([11] * 96, 0.1) == pytest.approx(2.0)
    error = planned_error([1] * 10_000, discordance=0.2, correlation=0.5)
    assert detectable_difference(error, 10_000) == pytest.approx(2.8016 * np.sqrt(0.2 / 10_000), rel=1e-3)
    assert detectable_difference(0.0, 10) is None
    assert detectable_difference(None, 1) is None


def test_a_detectable_difference_is_found_four_times_in_five() -> None:
    held, found, _ = pair_rates(30, planned(30, 0.2, 0.05), 0.2, 0.05, 250, resamples=1_000)
    assert 0.73 <= found <= 0.87
    assert 0.90 <= held <= 0.985


@pytest.mark.parametrize("clusters", [10, 30, 96])
def test_intervals_hold_the_truth(clusters: int) -> None:
    """A small version of `python -m benchmarks.coverage`; 3 standard errors of 250 simulations are 4 points."""
    hits, fractions, ignored = interval_coverage(clusters, 0.6, 0.2, 250, resamples=1_000)
    assert 0.90 <= hits <= 0.99
    assert 0.90 <= fractions <= 0.99
    assert ignored < 0.85
