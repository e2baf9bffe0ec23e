"""Intervals against the binomial distribution, scipy, hand enumeration and simulated clustered data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmarks.statistics import paired_difference, proportion


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
