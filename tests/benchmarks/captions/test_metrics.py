"""Caption metrics against values by hand, a slow implementation from the paper's formula, and each other's limits."""

from __future__ import annotations

import math
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.captions.metrics import METRICS, Metric, NotComputed, words

ROUGE, STEMMED, CIDER, METEOR = METRICS
REFERENCES = [
    ["Axial CT of the chest with a nodule.", "A CT slice of the thorax."],
    ["MRI of the brain shows no lesion."],
    ["Chest X-ray with left pleural effusion."],
]
WORDNET_FILES = (
    *(f"{stem}.{part}" for stem in ("index", "data") for part in ("noun", "verb", "adj", "adv", "sense")),
    *(f"{part}.exc" for part in ("noun", "verb", "adj", "adv")),
    "lexnames",
    "cntlist.rev",
)


@pytest.fixture
def wordnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed WordNet without a single synonym."""
    import nltk

    folder = tmp_path / "corpora" / "wordnet"
    folder.mkdir(parents=True)
    for name in WORDNET_FILES:
        (folder / name).touch()
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])


def cider_d(references: Sequence[Sequence[str]], predictions: Sequence[str]) -> list[float]:
    """CIDEr-D by the formulas of the paper, equations 1 to 3 and section 6, with raw counts; slow and plain."""

    def grams(text: str, n: int) -> Counter[tuple[str, ...]]:
        tokens = text.split()
        return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))

    def weighed(text: str, n: int) -> dict[tuple[str, ...], float]:
        def images(gram: tuple[str, ...]) -> int:
            return sum(any(gram in grams(reference, n) for reference in texts) for texts in references)

        return {g: count * math.log(len(references) / max(1, images(g))) for g, count in grams(text, n).items()}

    def length(vector: dict[tuple[str, ...], float]) -> float:
        return math.sqrt(sum(value**2 for value in vector.values()))

    def similarity(said: str, text: str, n: int) -> float:
        a, b = weighed(said, n), weighed(text, n)
        if not length(a) or not length(b):
            return 0.0
        clipped = sum(min(a[gram], b[gram]) * b[gram] for gram in a if gram in b)
        apart = len(said.split()) - len(text.split())
        return math.exp(-(apart**2) / (2 * 6.0**2)) * clipped / (length(a) * length(b))

    return [
        sum(10 * similarity(said, text, n) for text in texts for n in (1, 2, 3, 4)) / (4 * len(texts))
        for texts, said in zip(references, predictions, strict=True)
    ]


def test_rouge_l_by_hand() -> None:
    references = [["the lung is clear"], ["the lung is clear", "no effusion"], ["a b c d"], ["nodules growing"]]
    predictions = ["the left lung is clear", "effusion", "d c b a", "a nodule grows"]
    # 4 of 5 words and 4 of 4; 1 of 1 and 1 of 2; 1 of 4 both ways; nothing in common
    expected = [2 * 0.8 * 1 / 1.8, 2 * 1 * 0.5 / 1.5, 0.25, 0.0]
    assert ROUGE.scores(references, predictions) == pytest.approx(expected)
    # stemmed, nodul and grow agree: 2 of 3 and 2 of 2
    assert STEMMED.scores(references, predictions) == pytest.approx([*expected[:3], 0.8])


def test_cider_d_agrees_with_the_formula_on_captions() -> None:
    predictions = ["axial CT of the chest", "MRI of the brain, no lesion.", "left effusion effusion effusion"]
    plain = [[" ".join(words(text)) for text in texts] for texts in REFERENCES]
    expected = cider_d(plain, [" ".join(words(said)) for said in predictions])
    assert CIDER.scores(REFERENCES, predictions) == pytest.approx(expected)
    assert min(expected) > 0


TEXTS = st.lists(st.sampled_from(["ct", "lung", "left", "no", "mass", "3.5"]), min_size=1, max_size=7).map(" ".join)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.lists(TEXTS, min_size=1, max_size=3), TEXTS), min_size=2, max_size=5))
def test_cider_d_agrees_with_the_formula_on_anything(rows: list[tuple[list[str], str]]) -> None:
    references, predictions = [texts for texts, _ in rows], [said for _, said in rows]
    assert CIDER.scores(references, predictions) == pytest.approx(cider_d(references, predictions), abs=1e-9)


def test_the_same_words_give_the_maximum(wordnet: None) -> None:
    references, predictions = [[texts[0]] for texts in REFERENCES], [texts[0].upper() for texts in REFERENCES]
    assert ROUGE.scores(references, predictions) == STEMMED.scores(references, predictions) == [1.0] * 3
    assert CIDER.scores(references, predictions) == pytest.approx([10.0] * 3)
    by_hand = [1 - 0.5 / len(words(said)) ** 3 for said in predictions]  # one chunk of all words
    assert METEOR.scores(references, predictions) == pytest.approx(by_hand)


def test_meteor_by_hand(wordnet: None) -> None:
    (score,) = METEOR.scores([["the lung is clear"]], ["the clear lung"])
    precision, recall, chunks, matches = 1, 3 / 4, 3, 3  # the, clear, lung: no two of them follow each other
    mean = precision * recall / (0.9 * precision + 0.1 * recall)
    assert score == pytest.approx(mean * (1 - 0.5 * (chunks / matches) ** 3))
    assert METEOR.scores([["nodules"]], ["nodule"]) == pytest.approx([0.5])  # by stem


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.key)
def test_rows_in_another_order_get_the_same_scores(metric: Metric, wordnet: None) -> None:
    predictions = ["a CT of the thorax", "no lesion of the brain", ""]
    forward = metric.scores(REFERENCES, predictions)
    backward = metric.scores(REFERENCES[::-1], predictions[::-1])
    assert backward[::-1] == pytest.approx(forward)
    assert forward[2] == 0 and min(forward[:2]) > 0


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.key)
@pytest.mark.parametrize("text", ["", " \n", "…!?", "\x00", "\U0001f600"])
def test_texts_without_words_score_nothing(metric: Metric, text: str, wordnet: None) -> None:
    assert metric.scores([["a lung"], [text]], [text, "a lung"]) == [0.0, 0.0]
    assert metric.scores([[text], [text]], [text, text]) == [0.0, 0.0]
    assert not metric.has_words(text)


def test_words() -> None:
    assert words("T2-weighted: 3.5 cm (the patient's)…Übersicht, L4/5.") == [
        *("t2-weighted", "3.5", "cm", "the", "patient's", "übersicht", "l4", "5")
    ]
    assert METEOR.has_words("胸部") and not ROUGE.has_words("胸部")


def test_one_image_has_no_cider() -> None:
    with pytest.raises(NotComputed, match="two or more"):
        CIDER.scores([["a lung"]], ["a lung"])


def test_meteor_without_wordnet_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import nltk

    monkeypatch.setattr(nltk.data, "path", [])
    with pytest.raises(NotComputed, match=r"not installed; python -m nltk.downloader wordnet"):
        METEOR.scores([["a lung"]], ["a lung"])


def test_meteor_with_half_a_wordnet_is_not_computed(wordnet: None) -> None:
    import nltk

    (Path(nltk.data.path[0]) / "corpora/wordnet/lexnames").unlink()
    with pytest.raises(NotComputed, match="cannot be read"):
        METEOR.scores([["a lung"]], ["a lung"])


@pytest.mark.parametrize(
    ("metric", "module"),
    [
        (ROUGE, "rouge_score.rouge_scorer"),
        (CIDER, "pycocoevalcap.cider.cider_scorer"),
        (METEOR, "nltk.translate.meteor_score"),
    ],
    ids=["rouge", "cider", "meteor"],
)
def test_a_missing_library_is_named(metric: Metric, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(NotComputed, match=rf"{metric.library} is not installed; pip install"):
        metric.scores([["a lung"], ["a rib"]], ["a lung", "a rib"])


def test_neither_java_nor_network(wordnet: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a process or a connection")

    monkeypatch.setattr(subprocess, "Popen", forbidden)
    monkeypatch.setattr(socket, "socket", forbidden)
    for metric in METRICS:
        assert len(metric.scores(REFERENCES, ["CT", "MRI", "X-ray"])) == 3
    assert not {name for name in sys.modules if name.startswith("pycocoevalcap.") and "cider" not in name}
