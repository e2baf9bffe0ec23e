"""ROUGE-1, -2 and -L as the package rouge 1.0.1 computes them, which MedEvalKit calls.

Source: pltrdy/rouge 1.0.1, rouge/rouge.py (`Rouge.get_scores`) and rouge_score.py. Written here because the package has
seen no release since 2021 and ends with an error on texts of about a thousand words. It is not ROUGE-1.5.5: words and
word pairs count once, however often they occur, and the F measure has 1e-8 in its denominator, so that a perfect answer
scores 0.999999995. It splits at full stops and white space.
"""

from __future__ import annotations

from collections.abc import Sequence


def rouge(prediction: str, answer: str) -> tuple[float, float, float]:
    """F measures of ROUGE-1, ROUGE-2 and ROUGE-L, each 0 … 1. Neither text may be empty or of full stops only."""
    predicted, gold = _sentences(prediction), _sentences(answer)
    common = {word for p in predicted for g in gold for word in _longest_common_subsequence(g, p)}
    ones, gold_ones = _grams(predicted, 1), _grams(gold, 1)
    twos, gold_twos = _grams(predicted, 2), _grams(gold, 2)
    return (
        _f_measure(len(ones & gold_ones), len(ones), len(gold_ones)),
        _f_measure(len(twos & gold_twos), len(twos), len(gold_twos)),
        _f_measure(len(common), len(ones), len(gold_ones)),
    )


def _sentences(text: str) -> list[list[str]]:
    """The words of each piece between full stops; a piece of blanks has one word, the empty one."""
    return [" ".join(piece.split()).split(" ") for piece in text.split(".") if piece]


def _grams(sentences: Sequence[Sequence[str]], n: int) -> set[tuple[str, ...]]:
    """The different runs of n words, across the ends of sentences."""
    words = [word for sentence in sentences for word in sentence]
    return set(zip(*(words[start:] for start in range(n)), strict=False))


def _longest_common_subsequence(gold: Sequence[str], predicted: Sequence[str]) -> list[str]:
    """Of several equally long ones the one that the package finds, last word first."""
    lengths = [[0] * (len(predicted) + 1) for _ in range(len(gold) + 1)]
    for i, word in enumerate(gold):
        for j, other in enumerate(predicted):
            lengths[i + 1][j + 1] = lengths[i][j] + 1 if word == other else max(lengths[i][j + 1], lengths[i + 1][j])
    found, i, j = [], len(gold), len(predicted)
    while i and j:
        if gold[i - 1] == predicted[j - 1]:
            found.append(gold[i - 1])
            i, j = i - 1, j - 1
        elif lengths[i - 1][j] > lengths[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return found


def _f_measure(shared: int, predicted: int, gold: int) -> float:
    precision = shared / predicted if predicted else 0.0
    recall = shared / gold if gold else 0.0
    return 2 * precision * recall / (precision + recall + 1e-8)
