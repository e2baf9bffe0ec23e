"""Word overlap against scikit-learn and nltk, ROUGE against rouge_score where the two variants mean the same."""

from __future__ import annotations

import warnings
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.protocols.overlap import bleu1, f1, precision_recall
from benchmarks.protocols.rouge import rouge

WORDS = st.lists(st.sampled_from(["left", "lung", "lobe", "ct", "肺", "no"]), max_size=8)


def occurrences(words: list[str]) -> set[tuple[str, int]]:
    """The words as a set, in which the second "lung" is another element than the first."""
    return {(word, nth) for word, count in Counter(words).items() for nth in range(count)}


@given(WORDS, WORDS)
def test_precision_recall_and_f1(predicted: list[str], gold: list[str]) -> None:
    from sklearn.metrics import precision_recall_fscore_support

    mine, theirs = occurrences(predicted), occurrences(gold)
    labels = sorted(mine | theirs) or [("", 0)]
    expected = precision_recall_fscore_support(
        [label in theirs for label in labels], [label in mine for label in labels], average="binary", zero_division=0
    )[:3]
    precision, recall = precision_recall(predicted, gold)
    assert (precision, recall, f1(precision, recall)) == pytest.approx(expected, abs=1e-12)


@given(WORDS, WORDS)
def test_bleu1(predicted: list[str], gold: list[str]) -> None:
    from nltk.translate.bleu_score import sentence_bleu

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = sentence_bleu([gold], predicted, weights=[1.0])  # pyright: ignore[reportArgumentType]
    assert bleu1(predicted, gold) == pytest.approx(expected, abs=1e-12)


@given(*[st.lists(st.sampled_from("abcdefghij"), min_size=1, unique=True)] * 2)
def test_rouge_of_one_sentence_without_repetitions(predicted: list[str], gold: list[str]) -> None:
    """There the package's variant and ROUGE proper differ by its 1e-8 only."""
    from rouge_score.rouge_scorer import RougeScorer

    scores = RougeScorer(["rouge1", "rouge2", "rougeL"]).score(" ".join(gold), " ".join(predicted))
    expected = [scores[name].fmeasure for name in ("rouge1", "rouge2", "rougeL")]
    assert rouge(" ".join(predicted), " ".join(gold)) == pytest.approx(expected, abs=1e-7)


def test_rouge_counts_words_once_and_joins_what_sentences_found() -> None:
    """By hand: {a, b, c, d} against {a, b}: precision 1/2, recall 1; "a b" is no pair of "b. a", but "b a" is one."""
    assert rouge("b. a a c. d", "a b")[0] == pytest.approx(2 / 3, abs=1e-7)
    assert rouge("b. a", "b a")[1] == pytest.approx(1, abs=1e-7)
    assert rouge("b. a", "a b")[1:] == pytest.approx((0, 1), abs=1e-7)  # ROUGE-L: each found in a sentence of its own


def test_rouge_of_long_texts() -> None:
    """A thousand words and more end the package with a RecursionError."""
    assert rouge("left lung " * 700, "left lung") == pytest.approx((1, 2 / 3, 1), abs=1e-7)
