"""Curve against scikit-learn's own predictions, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from medfly.trust.curve import Curve

SHARES = st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)
PAIRS = st.lists(st.tuples(SHARES, st.booleans()), min_size=1, max_size=40)


@settings(max_examples=40, deadline=None)
@given(PAIRS, st.lists(st.floats(0, 1), max_size=20))
def test_as_scikit_learn_predicts(pairs: list[tuple[float, bool]], asked: list[float]) -> None:
    confidences, hits = np.array([c for c, _ in pairs]), np.array([float(h) for _, h in pairs])
    fitted = IsotonicRegression(out_of_bounds="clip").fit(confidences, hits)
    curve = Curve(tuple(fitted.X_thresholds_.tolist()), tuple(fitted.y_thresholds_.tolist()))
    wanted = np.array([*confidences, *asked, 0, 1])
    np.testing.assert_allclose(curve(wanted), fitted.predict(wanted), atol=1e-12)


def test_by_hand() -> None:
    curve = Curve((0.5, 0.7, 0.9), (0.2, 0.4, 0.8))
    np.testing.assert_allclose(curve(np.array([[0, 0.5, 0.6], [0.8, 0.9, 1]])), [[0.2, 0.2, 0.3], [0.6, 0.8, 0.8]])
    assert Curve((0.5,), (0.25,))(np.array([0.0, 1.0])).tolist() == [0.25, 0.25]
    assert np.isnan(curve(np.array([np.nan]))).all()
    assert curve(np.float64(0.6)) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("xs", "ys"),
    [
        ((), ()),
        ((0.1, 0.2), (0.1,)),
        ((0.2, 0.1), (0.1, 0.2)),
        ((0.1, 0.1), (0.1, 0.2)),
        ((0.1, 0.2), (0.2, 0.1)),
        ((-0.1, 0.2), (0.1, 0.2)),
        ((0.1, 0.2), (0.1, 1.2)),
        ((float("nan"),), (0.1,)),
        ((0.1,), (float("nan"),)),
    ],
)
def test_what_is_no_rising_curve_is_refused(xs: tuple[float, ...], ys: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Curve(xs, ys)
