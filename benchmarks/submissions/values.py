"""Single values of a row, which may be of any type, made into what a Result holds, or found to be unusable."""

from __future__ import annotations

import math
import re
from typing import Any

ROUNDING = 1e-6  # a mean of probabilities in single precision may come out above 1 by as much
WHOLE = re.compile(r"(-?\d{1,18})(?:\.0+)?")  # pandas writes 12 as 12.0 where a column has gaps


def as_text(value: Any) -> str | None:
    """A text as it is, a number as text (3.0 as "3"); None for all else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def is_nothing(value: Any) -> bool:
    """Whether it says that there is no value: null, or the NaN that data frames have for it."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def as_confidence(value: Any) -> float | None:
    """0 … 1; None for what is no such number."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return min(number, 1.0) if 0 <= number <= 1 + ROUNDING else None


def fold(identifier: Any) -> str | None:
    """The same for ids that differ in their type only: 12, "12", 12.0 and "12.0". None for what is no id."""
    text = as_text(identifier)
    if text is None:
        return None
    match = WHOLE.fullmatch(text.strip())
    return str(int(match[1])) if match and str(int(match[1])) == match[1] else text.strip()
