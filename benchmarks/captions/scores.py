"""Predicted captions against their references: every metric with its interval, its conditions and what it left open.

It knows benchmarks.results and the metrics; it knows no data set's layout. A metric that cannot be computed here is
in the report without a number and with the reason. Figures are shown times 100, as the field prints them; no
published figure is comparable with them, and each metric says why.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from benchmarks.captions.metrics import METRICS, Metric, NotComputed
from benchmarks.results import Result
from benchmarks.statistics import LEVEL, METHOD, RESAMPLES, proportion
from benchmarks.tables import NONE, Cell, Grid, interval, one_decimal
from medfly.types import InputError
from medfly.wording import RESEARCH_USE

HEADINGS = ("metric", "× 100", "95 % interval", "at most", "captions")


def score_captions(
    references: Sequence[Sequence[str]],
    predictions: Sequence[str],
    clusters: Sequence[Hashable],
    *,
    seed: int = 0,
    metrics: Sequence[Metric] = METRICS,
) -> dict[str, Any]:
    """References, predictions and cluster labels [N] → the numbers as scores.json holds them.

    Keys: count (captions), clusters, empty_predictions (scored 0), texts (references in all), interval (how it was
    made), metrics: key → Metric.facts with value, low, high (in 0 … maximum; null where there is none), without_words
    (captions no reference of which has a word for this metric: they score 0 whatever is said) and not_computed (why
    there is no value, else null).
    Of CIDEr-D, images are resampled with the document frequencies of the whole: the interval is of what another
    draw of images would do to the mean, and not to the words' weights.
    Raises ValueError where the lengths differ.
    """
    if not len(references) == len(predictions) == len(clusters):
        raise ValueError(f"equal lengths expected, got {len(references)}, {len(predictions)} and {len(clusters)}")
    return {
        "count": len(predictions),
        "clusters": len(set(clusters)),
        "empty_predictions": sum(not said.strip() for said in predictions),
        "texts": sum(map(len, references)),
        "interval": {"level": LEVEL, "method": METHOD, "resamples": RESAMPLES, "seed": seed},
        "metrics": {metric.key: _scored(metric, references, predictions, clusters, seed) for metric in metrics},
    }


def _scored(
    metric: Metric,
    references: Sequence[Sequence[str]],
    predictions: Sequence[str],
    clusters: Sequence[Hashable],
    seed: int,
) -> dict[str, Any]:
    without_words = sum(not any(map(metric.has_words, texts)) for texts in references)
    result = {**metric.facts(), "value": None, "low": None, "high": None, "without_words": without_words}
    try:
        scores = metric.scores(references, predictions)
    except NotComputed as reason:
        return result | {"not_computed": str(reason)}
    mean = proportion([score / metric.maximum for score in scores], clusters, seed=seed)
    limits = {"value": mean.value, "low": mean.low, "high": mean.high}
    scaled = {name: None if limit is None else metric.maximum * limit for name, limit in limits.items()}
    return result | scaled | {"not_computed": None}


def captions_report(results: Sequence[Result], *, seed: int = 0) -> dict[str, Any]:
    """`score_captions` of a split's results, and "instruction": the words in which the captions were asked for.

    Raises InputError for results without reference texts in Sample.metadata["references"].
    """
    lacking = sum(not result.sample.metadata.get("references") for result in results)
    if lacking:
        raise InputError(
            f"found {lacking:,} of {len(results):,} rows without reference texts; expected some for each: "
            "score captions against a data set of captions"
        )
    asked = list(dict.fromkeys(result.sample.question for result in results))
    scores = score_captions(
        [result.sample.metadata["references"] for result in results],
        [result.prediction for result in results],
        [result.cluster for result in results],
        seed=seed,
    )
    return {"instruction": asked[0] if len(asked) == 1 else asked, **scores}


def captions_grid(report: Mapping[str, Any], title: str) -> Grid:
    """The report for benchmarks.tables to render; what was not computed stands in it with the reason."""
    metrics = report["metrics"].values()
    counts = (
        f"{report['count']:,} captions with {report['texts']:,} reference texts, {report['clusters']:,} images or "
        f"patients resampled. Empty captions, scored 0: {report['empty_predictions']:,}."
    )
    how = tuple(f"{metric['title']}: {_conditions(metric)}." for metric in metrics)
    rows = tuple(_cells(metric, report["count"]) for metric in metrics)
    return Grid(title, HEADINGS, rows, (counts, *how, f"{RESEARCH_USE}."))


def _cells(metric: Mapping[str, Any], count: int) -> tuple[Cell, ...]:
    if metric["not_computed"]:
        return (metric["title"],), ("not computed",), (NONE,), (NONE,), (NONE,)
    times_100 = {name: None if metric[name] is None else 100 * metric[name] for name in ("value", "low", "high")}
    name = (metric["title"], f"{metric['library']} {metric['version']}")
    value, most = one_decimal(times_100["value"]), f"{100 * metric['maximum']:g}"
    return name, (value,), (interval(times_100),), (most,), (f"{count:,}",)


def _conditions(metric: Mapping[str, Any]) -> str:
    """What must be said with a metric's number, or why there is none."""
    if metric["not_computed"]:
        return f"not computed: {metric['not_computed']}"
    lost = f"; captions that score 0 as their references have no such word: {metric['without_words']:,}"
    return (
        f"{metric['variant']}; words: {metric['tokenisation']}{lost if metric['without_words'] else ''}; "
        f"not comparable with published figures: {metric['not_comparable']}"
    )
