"""The captions' report: intervals, what is counted, what was not computed, and its tables."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.metadata import version

import nltk
import pytest
from rich.console import Console

from benchmarks.captions.metrics import METRICS
from benchmarks.captions.scores import captions_grid, captions_report, score_captions
from benchmarks.results import Result
from benchmarks.statistics import proportion
from benchmarks.tables import to_latex, to_markdown, to_terminal
from medfly.types import InputError, Sample, Scan

TEXTS = ["Axial CT of the chest.", "MRI of the brain shows no lesion.", "Left pleural effusion.", "A rib is broken."]


@pytest.fixture(autouse=True)
def no_wordnet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nltk.data, "path", [])


class NoScan:
    content_hash = ""

    def __call__(self) -> Scan:
        raise AssertionError("scoring opens no scan")


def result(number: int, prediction: str, patient: int | None = None) -> Result:
    metadata = {"row": number, "references": (TEXTS[number],)}
    sample = Sample(number, f"{number}.png", "Describe it.", NoScan(), metadata=metadata, patient=patient)
    return Result(sample, prediction)


def test_values_and_intervals_are_of_the_captions_own_scores() -> None:
    predictions, clusters = ["CT of the chest", "MRI of the brain", "", "A broken rib"], ["a", "a", "b", "c"]
    references = [[text] for text in TEXTS]
    report = score_captions(references, predictions, clusters, seed=3)
    assert (report["count"], report["clusters"], report["texts"], report["empty_predictions"]) == (4, 3, 4, 1)
    for metric in METRICS[:3]:
        scores = metric.scores(references, predictions)
        found = report["metrics"][metric.key]
        assert found["value"] == pytest.approx(sum(scores) / 4)
        expected = proportion([score / metric.maximum for score in scores], clusters, seed=3)
        assert (found["low"] / metric.maximum, found["high"] / metric.maximum) == pytest.approx(
            (expected.low, expected.high)
        )
        assert 0 <= found["low"] < found["value"] < found["high"] <= metric.maximum
        assert found["version"] and found["comparable"] is False and "no published figure" in found["not_comparable"]


def test_the_same_words_stay_within_the_maximum() -> None:
    report = score_captions([[text] for text in TEXTS], TEXTS, range(4))
    for key, maximum in ("rouge_l", 1.0), ("cider_d", 10.0):
        found = report["metrics"][key]
        # "Left pleural effusion." has no group of four words: CIDEr-D gives three quarters at most
        assert found["value"] == pytest.approx(maximum if key == "rouge_l" else 10 * (3 + 0.75) / 4)
        assert found["high"] == pytest.approx(maximum)


def test_what_cannot_be_computed_is_said() -> None:
    report = score_captions([["胸部"]], ["胸部"], ["a"])
    assert report["metrics"]["meteor"]["value"] is report["metrics"]["cider_d"]["value"] is None
    assert "two or more" in report["metrics"]["cider_d"]["not_computed"]
    rouge = report["metrics"]["rouge_l"]
    assert (rouge["value"], rouge["without_words"], rouge["not_computed"]) == (0.0, 1, None)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    grid = captions_grid(captions_report([result(0, "CT")]), "captions")
    assert grid.rows[2:] == tuple((t, ("not computed",), ("–",), ("–",), ("–",)) for t in (("CIDEr-D",), ("METEOR",)))
    assert "METEOR: not computed: WordNet's data are not installed; python -m nltk.downloader wordnet." in grid.caption


def test_nothing_to_score() -> None:
    report = score_captions([], [], [])
    assert report["count"] == 0 and report["metrics"]["rouge_l"]["value"] is None
    assert captions_grid(report, "none").rows[0][1:3] == (("–",), ("–",))


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="1, 2 and 1"):
        score_captions([["a"]], ["a", "b"], ["x"])


def test_a_report_of_results() -> None:
    results = [result(0, "CT of the chest", 7), result(1, "MRI", 7), result(2, " "), result(3, "A rib")]
    report = captions_report(results)
    assert report["instruction"] == "Describe it."
    assert (report["count"], report["clusters"], report["empty_predictions"]) == (4, 3, 1)
    expected = score_captions([[text] for text in TEXTS], [r.prediction for r in results], [7, 7, "2.png", "3.png"])
    assert {key: report[key] for key in expected} == expected


def test_a_report_needs_references() -> None:
    bare = Result(replace(result(0, "CT").sample, metadata={}), "CT")
    with pytest.raises(InputError, match="1 of 2 rows without reference texts"):
        captions_report([bare, result(1, "CT")])


def test_the_tables_say_what_the_numbers_are() -> None:
    report = captions_report([result(i, text) for i, text in enumerate(TEXTS)])
    grid = captions_grid(report, "captions test")
    assert grid.rows[0][:2] == (("ROUGE-L", f"rouge-score {version('rouge-score')}"), ("100.0",))
    assert grid.rows[2][:2] == (("CIDEr-D", f"pycocoevalcap {version('pycocoevalcap')}"), ("937.5",)) and grid.rows[2][
        3
    ] == ("1000",)
    console = Console(width=300)
    with console.capture() as shown:
        console.print(to_terminal(grid))
    for text in to_markdown(grid), to_latex(grid), shown.get():
        for part in "no stemmer", "937.5", "not comparable", "4 captions with 4 reference texts":
            assert part in text
