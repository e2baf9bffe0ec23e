"""A fitted map from a model's confidence to a calibrated one, as numbers that a file can hold.

It applies what benchmarks.fitting (or anyone else) has fitted, with numpy alone; it fits nothing, and knows no model.
What comes out is how often answers of such a confidence were right where it was fitted: about the model's answers, not
a probability of disease.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Curve:
    """Piecewise linear and rising through the points (xs[i], ys[i]); level before the first and after the last.

    xs: confidences, strictly rising; ys: calibrated ones, never falling; both in 0 … 1, as many of one as of the other
    and at least one. Raises ValueError where they are not.
    """

    xs: tuple[float, ...]
    ys: tuple[float, ...]

    def __post_init__(self) -> None:
        xs, ys = np.asarray(self.xs, np.float64), np.asarray(self.ys, np.float64)
        if xs.ndim != 1 or xs.shape != ys.shape or not xs.size:
            raise ValueError(f"one y for each of at least one x expected, got {len(self.xs)} and {len(self.ys)}")
        for name, values in (("xs", xs), ("ys", ys)):
            if not ((values >= 0) & (values <= 1)).all():  # NaN is in no range
                raise ValueError(f"{name} in 0 … 1 expected, got {values.min()} … {values.max()}")
        if (np.diff(xs) <= 0).any() or (np.diff(ys) < 0).any():
            raise ValueError("xs that rise and ys that never fall expected, got others")

    def __call__(self, confidences: np.ndarray) -> np.ndarray:
        """Confidences of any shape → calibrated ones of that shape, float64. NaN stays NaN."""
        return np.interp(np.asarray(confidences, np.float64), self.xs, self.ys)
