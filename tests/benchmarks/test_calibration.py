"""Calibration against scikit-learn, values worked out by hand, and simulated answers whose calibration is known."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from benchmarks.calibration import (
    BINS,
    POINTS,
    area_under_risk_coverage,
    calibration,
    cross_fitted_errors,
    expected_calibration_error,
    risk_coverage,
)
from benchmarks.fitting import FARTHEST, Fit, cross_fits, halves, isotonic, temperature
from benchmarks.protocols.exact import NORMALISED
from benchmarks.protocols.rule import Judged, Rule
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


@settings(max_examples=15, deadline=None)
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
    kept = np.clip(confidences, FARTHEST, 1 - FARTHEST)
    assert found["nll"]["value"] == pytest.approx(log_loss(hits, kept))
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


def test_calibrated_errors_are_of_one_half_by_the_other() -> None:
    """Against the plain way: each half of each split by itself, weighted by its size; scikit-learn's scores."""
    confidences, hits, of = simulated(0, 30, 0.15)
    found = measured(answered(confidences.tolist(), hits.tolist(), of.tolist()))["calibrated"]["isotonic"]
    fitted = cross_fits(confidences, hits, of, isotonic)
    errors, before = [], []
    for split, mended in enumerate(fitted):
        for here in (halves(of, split) == 0, halves(of, split) == 1):
            for values, kept in ((mended, errors), (confidences, before)):
                accuracy, confidence = calibration_curve(hits[here], values[here], n_bins=BINS)
                counts = np.histogram(np.ceil(values[here] * BINS), np.arange(BINS + 1) + 0.5)[0]
                kept.append(float(np.abs(accuracy - confidence) @ counts[counts > 0]) / len(hits))
    assert found["ece"]["value"] == pytest.approx(sum(errors) / len(fitted))
    assert found["raw_ece"]["value"] == pytest.approx(sum(before) / len(fitted))
    assert found["difference"]["ece"]["value"] == pytest.approx(found["ece"]["value"] - found["raw_ece"]["value"])
    for name, score in (("brier", brier_score_loss), ("nll", log_loss)):
        mean, raw = np.mean([score(hits, row) for row in fitted]), score(hits, confidences)
        assert (found[name]["value"], found["difference"][name]["value"]) == pytest.approx((mean, mean - raw))


def test_what_is_too_sure_is_mended_beyond_doubt() -> None:
    found = measured(answered(*(values.tolist() for values in simulated(1, 96, 0.2))))
    for fitted in found["calibrated"].values():
        assert fitted["difference"]["brier"]["high"] < 0 and fitted["difference"]["nll"]["high"] < 0
        assert fitted["ece"]["low"] <= fitted["ece"]["value"] <= fitted["ece"]["high"]
    assert found["calibrated"]["isotonic"]["difference"]["ece"]["high"] < 0  # its limits are wide
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.slow
@pytest.mark.parametrize("too_sure", [0.0, 0.2])
@pytest.mark.parametrize("fit", [temperature, isotonic])
def test_limits_of_calibrated_errors_hold_the_truth(fit: Fit, too_sure: float) -> None:
    """The truth: what the very curves that were fitted do on 220,000 other answers, in 100 trials."""
    asked, right, _ = simulated(10**6, 20_000, too_sure)

    def error(values: np.ndarray) -> float:
        accuracy, confidence = calibration_curve(right, values, n_bins=BINS)
        counts = np.histogram(np.ceil(values * BINS), np.arange(BINS + 1) + 0.5)[0]
        return float(np.abs(accuracy - confidence) @ counts[counts > 0]) / len(right)

    raw, held = error(asked), {"ece": 0, "difference": 0}
    for seed in range(100):
        made = simulated(seed, 96, too_sure)
        found = cross_fitted_errors(fit, *made)
        confidences, hits, of = made
        sides = [halves(of, split) == half for split in range(found["splits"]) for half in (0, 1)]
        truth = float(np.mean([error(fit(confidences[side], hits[side])(asked)) for side in sides]))
        held["ece"] += found["ece"]["low"] <= truth <= found["ece"]["high"]
        change = found["difference"]["ece"]
        held["difference"] += change["low"] <= truth - raw <= change["high"]
    assert min(held.values()) >= 95, held


def test_what_is_well_calibrated_is_not_said_to_gain() -> None:
    found = measured(answered(*(values.tolist() for values in simulated(2, 96, 0.0))))
    for fitted in found["calibrated"].values():
        assert fitted["difference"]["ece"]["high"] > 0 and fitted["difference"]["nll"]["high"] > 0


def test_little_data_and_fractions_are_not_fitted() -> None:
    few = measured(answered([0.9, 0.8] * 11, [1, 0] * 11, [i // 2 for i in range(22)]))
    assert few["calibrated"] is None and few["risks"] is None
    assert few["not_fitted"].startswith("answers about 11 images or patients are too few")
    assert few["selective"][0]["accuracy"] == 0.5 and few["nll"]["low"] is not None
    enough = measured(answered([0.9, 0.8] * 12, [1, 0] * 12, [i // 2 for i in range(24)]))
    assert enough["calibrated"] and enough["not_fitted"] is None
    half = Rule("r", "r", "r", lambda item: Judged(0.5), {"overall": "token F1"})
    shares = calibration(answered([0.9] * 30, [1] * 30), half, "slake")
    assert shares is not None and shares["calibrated"] is None and "fractions" in shares["not_fitted"]
    assert shares["nll"]["value"] == pytest.approx(-(np.log(0.9) + np.log(0.1)) / 2)
    assert measured(answered([0.9] * 3, [1, 0, 1]))["nll"]["low"] is None
