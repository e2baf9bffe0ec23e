"""Selective accuracy by hand, and stated risks against the plain way and on made answers."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.fitting import halves, threshold
from benchmarks.selective import COVERAGES, RISKS, at_coverages, at_risks


def made(seed: int, images: int = 96) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Confidences that tell right from wrong well, hits, and images of 11 questions each."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(images), 11)
    confidences = rng.random(len(of))
    return confidences, (rng.random(len(of)) < 1 - 0.6 * (1 - confidences) ** 2).astype(np.float64), of


def test_coverages_by_hand() -> None:
    confidences = np.array([0.1, 0.9, 0.5, 0.7, 0.3, 0.8, 0.2, 0.6, 0.4, 1.0])
    hits = (confidences > 0.45).astype(np.float64)
    found = at_coverages(confidences, hits, np.arange(10))
    assert [one["coverage"] for one in found] == list(COVERAGES)
    assert [one["count"] for one in found] == [10, 9, 8, 7, 5]
    assert [one["threshold"] for one in found] == [0.1, 0.2, 0.3, 0.4, 0.6]
    assert [one["accuracy"] for one in found] == pytest.approx([6 / 10, 6 / 9, 6 / 8, 6 / 7, 1])
    assert found[0]["low"] < 0.6 < found[0]["high"]


def test_equal_confidences_are_kept_together() -> None:
    found = at_coverages(np.array([0.9, 0.5, 0.5, 0.5]), np.array([1.0, 0, 1, 1]), np.arange(4))
    assert [(one["count"], one["kept"]) for one in found] == [(4, 1.0)] * 5  # half of 4 is 2, and the second is a tie
    assert at_coverages(np.array([0.5]), np.array([1.0]), np.zeros(1, int))[-1]["count"] == 1


def test_risks_are_of_one_half_by_the_other_s_threshold() -> None:
    confidences, hits, of = made(0)
    for one in at_risks(confidences, hits, of):
        kept, wrong, found = 0, 0.0, 0
        for split in range(5):
            side = halves(of, split)
            for half in (0, 1):
                least = threshold(one["risk"], *(values[side != half] for values in (confidences, hits, of)))
                if least is not None:
                    chosen = (side == half) & (confidences >= least)
                    kept, wrong, found = kept + chosen.sum(), wrong + (1 - hits[chosen]).sum(), found + 1
        assert (one["found"], one["halves"]) == (found, 10) and found > 0
        assert (one["coverage"], one["risk_found"]) == pytest.approx((kept / 5 / len(of), wrong / kept))
        assert one["low"] <= one["risk_found"] <= one["high"]
        assert one["threshold"] == threshold(one["risk"], confidences, hits, of)


def test_the_laxer_the_risk_the_more_is_kept() -> None:
    coverages = [one["coverage"] for one in at_risks(*made(1))]
    assert coverages == sorted(coverages) and len(coverages) == len(RISKS)


def test_where_nothing_is_promised_nothing_is_said() -> None:
    confidences, _, of = made(2, 12)
    for one in at_risks(confidences, np.zeros(len(of)), of):
        assert one["found"] == 0
        assert {one[key] for key in ("threshold", "coverage", "risk_found", "low", "high")} == {None}


def test_nothing_wrong_among_those_kept_has_no_interval() -> None:
    confidences, _, of = made(3)
    one = at_risks(confidences, np.ones(len(of)), of)[2]
    assert (one["risk_found"], one["low"]) == (0.0, None) and one["coverage"] > 0.99
