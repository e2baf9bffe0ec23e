"""MultiMedEval's scores for visual question answering.

Source: corentin-ryr/MultiMedEval, multimedeval/task_families.py (`VQA.evaluate`) at commit 0044b1f and utils.py
(`clean_str`, the same normalisation as LLaVA-Med's) at 04578b2. A question is closed where the cleaned gold answer is
"yes" or "no", whatever the data set's tag: SLAKE's other CLOSED questions are open here. F1, recall and BLEU-1 are over
all questions.

The released BLEU-1 is computed in single precision: ours may differ from it in the seventh digit. The words are split
at white space: Chinese cannot be read, a whole sentence is one word.
"""

from __future__ import annotations

from benchmarks.protocols.llava_med import normalise
from benchmarks.protocols.overlap import bleu1, precision_recall
from benchmarks.protocols.rule import Group, Item, Judged, Rule


def _words(text: str) -> set[str]:
    return set(normalise(text).split())


def _group(item: Item) -> Group:
    return "closed" if normalise(item.answer) in ("yes", "no") else "open"


def _recall(item: Item) -> float:
    return precision_recall(_words(item.prediction), _words(item.answer))[1]


def _f1(item: Item) -> float:
    precision, recall = precision_recall(_words(item.prediction), _words(item.answer))
    return 2 * precision * recall / (precision + recall + 1e-8)  # as released: a perfect answer scores 0.999999995


def _bleu1(item: Item) -> float:
    return bleu1(normalise(item.prediction).split(), normalise(item.answer).split())


def _is_right(item: Item) -> bool:
    """Closed: "yes" occurs, or either of "no" and "not", whatever else is said. Open: three quarters of the words do.

    The released threshold for closed questions is a recall of 0.4 of {"yes"} or of {"no", "not"}.
    """
    if _group(item) == "open":
        return _recall(item) >= 0.75
    gold = _words(item.answer)
    return precision_recall(_words(item.prediction), gold | {"not"} if gold == {"no"} else gold)[1] >= 0.4


_SOURCE = "corentin-ryr/MultiMedEval at 0044b1f, multimedeval/task_families.py, VQA.evaluate"

ACCURACY = Rule(
    "multimedeval_accuracy",
    "MultiMedEval accuracy",
    _SOURCE + "; closed: the gold answer is yes or no",
    lambda item: Judged(float(_is_right(item))),
    {"open": "recall of at least 0.75", "closed": "accuracy"},
    _group,
    parts_words=True,
)
RECALL = Rule(
    "multimedeval_recall",
    "MultiMedEval recall",
    _SOURCE,
    lambda item: Judged(_recall(item)),
    {"open": "token recall", "overall": "token recall"},
    _group,
    parts_words=True,
)
F1 = Rule(
    "multimedeval_f1",
    "MultiMedEval F1",
    _SOURCE,
    lambda item: Judged(_f1(item)),
    {"overall": "token F1, each word once"},
    _group,
    parts_words=True,
)
BLEU_1 = Rule(
    "multimedeval_bleu1",
    "MultiMedEval BLEU-1",
    _SOURCE,
    lambda item: Judged(_bleu1(item)),
    {"overall": "BLEU-1"},
    _group,
    parts_words=True,
)
