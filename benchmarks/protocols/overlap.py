"""How many words a prediction shares with the gold answer: precision, recall, F1 and BLEU-1 of two word lists.

It knows neither rules nor how a text becomes words; each rule says that itself.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection


def precision_recall(predicted: Collection[str], gold: Collection[str]) -> tuple[float, float]:
    """The shared words over the predicted ones, and over the gold ones; 0 where there are none to divide by.

    Of lists, a word counts as often as it occurs in both; of sets, once.
    """
    shared = _shared(predicted, gold)
    return shared / len(predicted) if predicted else 0.0, shared / len(gold) if gold else 0.0


def f1(precision: float, recall: float) -> float:
    """Their harmonic mean; 0 where both are 0."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def bleu1(predicted: Collection[str], gold: Collection[str]) -> float:
    """BLEU of single words against one reference (Papineni et al. 2002, section 2.3): 0 … 1.

    The precision of the word lists times the brevity penalty, which is below 1 for predictions shorter than the gold
    answer; longer ones lose precision already.
    """
    if not predicted:
        return 0.0
    penalty = math.exp(min(0.0, 1 - len(gold) / len(predicted)))
    return penalty * _shared(predicted, gold) / len(predicted)


def _shared(predicted: Collection[str], gold: Collection[str]) -> int:
    return (Counter(predicted) & Counter(gold)).total()
