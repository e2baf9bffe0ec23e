"""What the tests of trust share: a calibration of made numbers, small enough to look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from medfly.trust import Calibration, Fitted
from medfly.trust.curve import Curve
from medfly.trust.outside import Familiar

QUESTIONS = tuple(f"Is the {organ} healthy?" for organ in ("lung", "heart", "liver", "spleen")) * 3


def made_calibration(features: np.ndarray | None = None, **changes: Any) -> Calibration:
    """features: [n, F] of pictures that are familiar."""
    pictures = np.random.default_rng(0).normal(1, 0.1, (20, 9)) if features is None else features
    fields: dict[str, Any] = {
        "model": "made",
        "model_hash": "ab" * 32,
        "precision": "float32",
        "fitted": Fitted("slake", "validate", "slake", "exact match", 1000, 90, 400),
        "curve": Curve((0.2, 0.8), (0.1, 0.9)),
        "risk": 0.1,
        "threshold": 0.5,
        "coverage": 0.9,
        "quantile": 0.75,
        "familiar": Familiar.fit(pictures, QUESTIONS),
    }
    return Calibration(**{**fields, **changes})


@pytest.fixture
def make() -> Callable[..., Calibration]:
    return made_calibration
