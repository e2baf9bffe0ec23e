"""Two answers to one question about one picture: whether they say the same, and whether they looked at the same places.

This module knows no page and no model.

Shapes: H rows, W columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.protocols.exact import normalised_exact_match
from medfly.drawing import spread
from medfly.evidence.overlay import overlay
from medfly.types import Answer


@dataclass(frozen=True)
class Difference:
    """same: both say the same, capitals, blanks and one final full stop aside. shared: of the evidence that points to a
    place, the share that lies in the same places, 0 … 1; None where either side's points to no place or was made by
    another method.
    """

    same: bool
    shared: float | None


def difference(left: Answer, right: Answer, size: tuple[int, int]) -> Difference:
    """size: (width, height) of the scan that both are about, in source pixels."""
    return Difference(normalised_exact_match(left.text, right.text), shared_evidence(left, right, size))


def shared_evidence(left: Answer, right: Answer, size: tuple[int, int]) -> float | None:
    """The intersection of the two maps of evidence, each without its even part and summing to 1."""
    if left.evidence is None or right.evidence is None or left.evidence.method != right.evidence.method:
        return None
    one, other = _placed(left, size), _placed(right, size)
    return None if one is None or other is None else float(np.minimum(one, other).sum())


def _placed(answer: Answer, size: tuple[int, int]) -> np.ndarray | None:
    """[H, W] float64, sum 1: where the evidence lies beyond what lies everywhere; None where it points to no place."""
    regions = () if answer.evidence is None else answer.evidence.regions
    shares = overlay(regions, size).astype(np.float64)
    found = spread(shares)
    if found is None or not found.placed:
        return None
    above = shares - shares.min()
    return above / above.sum()
