"""Calibration against scikit-learn, values worked out by hand, and simulated answers whose calibration is known."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from benchmarks.calibration import (
    BINS,
    POINTS,
    area_under_risk_coverage,
    calibration,
    expected_calibration_error,
    risk_coverage,
)
from benchmarks.protocols.exact import NORMALISED
from benchmarks.results import Result
from benchmarks.statistics import LEAST
from medfly.types import InputError, Sample

from .conftest import MemoryLoader


def answered(
    confidences: Sequence[float | None], right: Sequence[float], images: Sequence[int] | None = None
) -> list[Result]:
    """Results whose normalised exact match is as told."""
    images = images or range(len(confidences))
    rows = zip(confidences, right, images, strict=True)
    return [
        Result(Sample(i, f"img{image}", "?", MemoryLoader(0.0), "yes", "CLOSED"), "yes" if hit else "no", confidence)
        for i, (confidence, hit, image) in enumerate(rows)
    ]


def measured(results: Sequence[Result]) -> dict:
    found = calibration(results, NORMALISED, "slake")
    assert found is not None
    return found


def simulated(seed: int, images: int, overconfident: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Confidences, hits and images of 11 questions each; an answer is right with its confidence less `overconfident`.

    Images differ in their mean confidence.
    """
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(images), 11)
    confidences = 1 / (1 + np.exp(-1.2 - 0.7 * rng.normal(size=images)[of] - 1.2 * rng.normal(size=len(of))))
    hits = rng.random(len(of)) < np.clip(confidences - overconfident, 0, 1)
    return confidences, hits.astype(float), of


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=60).filter(
        lambda rows: len({hit for _, hit in rows}) == 2  # scikit-learn asks for both outcomes
    )
)
def test_bins_and_brier_agree_with_scikit_learn(rows: list[tuple[float, bool]]) -> None:
    confidences, hits = [c for c, _ in rows], [h for _, h in rows]
    found = measured(answered(confidences, hits))
    accuracy, confidence = calibration_curve(hits, confidences, n_bins=BINS)
    filled = [one for one in found["bins"] if one["count"]]
    np.testing.assert_allclose([one["accuracy"] for one in filled], accuracy)
    np.testing.assert_allclose([one["confidence"] for one in filled], confidence)
    assert found["brier"]["value"] == pytest.approx(brier_score_loss(hits, confidences))
    weights = [one["count"] / len(rows) for one in filled]
    assert found["ece"]["value"] == pytest.approx(float(np.dot(weights, np.abs(accuracy - confidence))))
    if len(rows) >= LEAST:
        assert found["ece"]["low"] <= found["ece"]["value"] <= found["ece"]["high"]


def test_by_hand() -> None:
    # 0.95 twice and right once, 0.55 once and right, 0.1 (of the first bin) once and wrong.
    found = measured(answered([0.95, 0.95, 0.55, 0.1], [1, 0, 1, 0]))
    assert [one["count"] for one in found["bins"]] == [1, 0, 0, 0, 0, 1, 0, 0, 0, 2]
    assert found["bins"][1] == {"low": 0.1, "high": 0.2, "count": 0, "confidence": None} | dict.fromkeys(
        ("accuracy", "accuracy_low", "accuracy_high")
    )
    assert found["ece"]["value"] == pytest.approx((abs(1 - 1.9) + abs(1 - 0.55) + 0.1) / 4)
    assert found["brier"]["value"] == pytest.approx((0.05**2 + 0.95**2 + 0.45**2 + 0.1**2) / 4)
    # Both of 0.95 are answered together: risk 1/2, then 1/3, then 2/4.
    assert found["risk_coverage"] == [
        {"coverage": 0.5, "risk": 0.5, "threshold": 0.95},
        {"coverage": 0.75, "risk": pytest.approx(1 / 3), "threshold": 0.55},
        {"coverage": 1.0, "risk": 0.5, "threshold": 0.1},
    ]
    assert found["aurc"] == pytest.approx((0.5 + 0.5 + 1 / 3 + 0.5) / 4)
    assert (found["accuracy"], found["mean_confidence"]) == (0.5, pytest.approx(0.6375))
    assert "not a probability of disease" in found["note"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=40))
def test_aurc_is_the_mean_risk_of_those_as_sure(rows: list[tuple[int, bool]]) -> None:
    """The definition, answer by answer, on confidences with many ties; and no order of the rows matters."""
    confidences, hits = np.array([c / 6 for c, _ in rows]), np.array([float(h) for _, h in rows])
    risks = [1 - hits[confidences >= threshold].mean() for threshold in confidences]
    assert area_under_risk_coverage(confidences, hits) == pytest.approx(np.mean(risks))
    assert area_under_risk_coverage(confidences[::-1], hits[::-1]) == area_under_risk_coverage(confidences, hits)
    for point in risk_coverage(confidences, hits):
        kept = confidences >= point["threshold"]
        assert (point["coverage"], point["risk"]) == pytest.approx((kept.mean(), 1 - hits[kept].mean()))


def test_a_long_curve_keeps_its_ends_and_few_points() -> None:
    rng = np.random.default_rng(0)
    confidences, hits = rng.random(5000), (rng.random(5000) < 0.7).astype(float)
    curve = risk_coverage(confidences, hits)
    steps = np.diff([point["coverage"] for point in curve])
    assert len(curve) == POINTS and steps.min() > 0.005 and steps.max() < 0.015
    assert curve[0]["threshold"] == confidences.max()
    assert curve[-1] == {"coverage": 1.0, "risk": pytest.approx(1 - hits.mean()), "threshold": confidences.min()}


@pytest.mark.parametrize("truth", [0.0, 0.1])
def test_intervals_cover_the_truth_on_simulated_answers(truth: float) -> None:
    """Of 40 trials chance takes about 2 out. With 0.1 put in, the error is a little less, as nothing is below 0."""
    found = [expected_calibration_error(*simulated(seed, 60, truth)) for seed in range(40)]
    assert sum(one["low"] <= truth <= one["high"] for one in found) >= 36
    assert truth == 0 or all(one["low"] > 0.01 for one in found)  # a gap is told from noise


def test_what_has_no_confidence_or_no_gold_answer_is_counted_apart() -> None:
    results = answered([0.9, None, 0.8], [1, 1, 0])
    results.append(Result(Sample(9, "z", "?", MemoryLoader(0.0), None), "yes", 0.5))
    found = measured(results)
    assert (found["count"], found["without_confidence"], found["left_out"]) == (2, 1, 0)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert calibration(answered([None], [1]), NORMALISED, "slake") is None
    assert calibration([], NORMALISED, "slake") is None
    one_image = measured(answered([0.9, 0.8], [1, 0], [0, 0]))
    assert one_image["ece"]["low"] is None and one_image["brier"]["low"] is None


@pytest.mark.parametrize("wrong", [1.01, -0.1, float("nan"), float("inf")])
def test_what_is_no_confidence_is_refused(wrong: float) -> None:
    with pytest.raises(InputError, match=r"found 1 of 2 that are none, the first .* at question 3; expected 0 … 1"):
        calibration(answered([0.5, None, wrong], [1, 1, 1]), NORMALISED, "slake")


def test_the_calibration_error_of_very_few_images_has_no_interval() -> None:
    """Of 2, 3 and 5 images it held a true error of 0 in 64, 75 and 88 of 100 simulations."""
    rng = np.random.default_rng(1)
    for images in (2, 5, 6):
        found = expected_calibration_error(rng.random(60), np.ones(60), np.arange(60) % images)
        assert (found["low"] is None, found["high"] is None) == (images < 6, images < 6)
