"""The benchmark report: one self-contained HTML page that a person would want to read, made from one summary.

The page shows what the summary holds (see benchmarks.summary) and computes no score: every number on it stands in the
summary, and what the summary does not hold is told in a sentence. The mistakes come with their pictures and evidence
from outside. This module knows no model and no data set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import calibration_tables, plots, published, tables
from benchmarks.protocols.rule import GROUPS, Rule
from benchmarks.results import Result
from medfly import wording
from medfly.html import answer_card, document, legend, write_whole
from medfly.types import Answer

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True, eq=False)
class Mistake:
    """A wrong answer to be shown with what was looked at.

    picture: [H, W, 3] uint8, as the model saw it. protocol: the name of the rule that judged. answer: the model's own,
    with evidence if there is any; None where only the prediction is known. aspect: height of a pixel over its width.
    others: further wrong answers about the same image, listed below.
    """

    result: Result
    picture: np.ndarray
    protocol: str
    answer: Answer | None = None
    aspect: float = 1.0
    others: Sequence[Result] = ()


def choose_mistakes(results: Sequence[Result], rule: Rule, task: str, count: int) -> list[Result]:
    """The most confident wrong answers, the surest first; one an image as long as there are images.

    Wrong is what the rule scores below one half. Answers without a confidence come last, in the results' order.
    """
    shown: set[str] = set()
    first: list[Result] = []
    rest: list[Result] = []
    for result in _surest_first(_wrong(results, rule, task)):
        (rest if result.sample.image in shown else first).append(result)
        shown.add(result.sample.image)
    return (first + rest)[:count]


def worst_images(results: Sequence[Result], rule: Rule, task: str, count: int) -> list[list[Result]]:
    """The images about which most answers are wrong, each as its wrong answers, the surest first."""
    by_image: dict[str, list[Result]] = {}
    for result in _wrong(results, rule, task):
        by_image.setdefault(result.sample.image, []).append(result)
    return [_surest_first(wrong) for wrong in sorted(by_image.values(), key=len, reverse=True)[:count]]


def _wrong(results: Sequence[Result], rule: Rule, task: str) -> list[Result]:
    """What the rule scores below one half; what it has no number for, or leaves out, is not wrong."""
    found = []
    for result in results:
        groups = {"overall", (result.tag or "").lower()}
        if result.is_scored and groups & set(rule.metrics):
            score = rule.judge(result.item(task)).score
            if score is not None and score < 0.5:
                found.append(result)
    return found


def _surest_first(results: Sequence[Result]) -> list[Result]:
    return sorted(results, key=lambda result: -1.0 if result.confidence is None else result.confidence, reverse=True)


def write_page(
    summary: Mapping[str, Any], path: Path, mistakes: Sequence[Mistake] = (), worst: Sequence[Mistake] = ()
) -> None:
    """Write the report whole or not at all; the folder is made. Raises InputError where it cannot be written.

    mistakes: the most confident ones; worst: one for each image with most of them.
    """
    write_whole(page(summary, mistakes, worst), path)


def page(summary: Mapping[str, Any], mistakes: Sequence[Mistake] = (), worst: Sequence[Mistake] = ()) -> str:
    """The whole HTML document."""
    titles = {name: score["title"] for name, score in summary["scores"]["protocols"].items()}
    template = _environment().get_template("page.html")
    shown = [*mistakes, *worst]
    body = template.render(
        summary=summary,
        titles=titles,
        groups=GROUPS,
        headline=_headline(summary),
        spreads=spreads(summary),
        remarks=tables.remarks(summary),
        method=tables.method(summary),
        calibrated=calibration_tables.parts(summary),
        published=[_published(figures, summary) for figures in published.by_protocol(summary["published"])],
        mistakes=[_card(mistake, titles) for mistake in mistakes],
        worst=[_card(mistake, titles) for mistake in worst],
        legend=_safe(legend()) if any(_has_evidence(one) for one in shown) else None,
        surest=any(one.result.confidence is not None for one in mistakes),
        private=any("row" in one.result.sample.metadata for one in shown),
    )
    style = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    return document(f"{tables.heading(summary)} – MedFly", body, style)


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for shown in (tables.one_decimal, tables.signed, tables.interval, tables.fraction, tables.apart, tables.metrics):
        environment.filters[shown.__name__] = shown
    environment.filters["spoken"] = tables.spoken
    environment.filters["known"] = lambda number: "unknown" if number is None else number
    environment.filters["flat"] = flat
    environment.filters["track"] = lambda group: _safe(plots.interval_line(group))
    environment.filters["binned"] = lambda fitted: (fitted[0], fitted[1]["bins"])
    environment.filters["reliability"] = lambda found: _safe(plots.reliability(found["bins"], found.get("calibrated")))
    environment.filters["risk_coverage"] = lambda found: _safe(
        plots.risk_coverage(found["risk_coverage"], found.get("risks"))
    )
    return environment


def _safe(html: str) -> Markup:
    """Markup of our own making, in which all that comes from outside is escaped already."""
    from markupsafe import Markup

    return Markup(html)


def _headline(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The rule whose scores stand large: the one of the subgroups, else the first."""
    protocols = summary["scores"]["protocols"]
    chosen = (summary["subgroups"] or {}).get("protocol")
    return protocols[chosen] if chosen in protocols else next(iter(protocols.values()))


def spreads(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Group by group, the lowest and the highest percentage that the rules give to the very same answers.

    Keys: group; low, high: percent; lowest, highest: the rules' titles. Groups with fewer than two numbers are not in.
    """
    found = []
    for group in GROUPS:
        numbers = [
            (score["groups"][group]["percent"], score["title"])
            for score in summary["scores"]["protocols"].values()
            if score["groups"][group]["percent"] is not None
        ]
        if len(numbers) > 1:
            (low, lowest), (high, highest) = min(numbers), max(numbers)
            found.append({"group": group, "low": low, "lowest": lowest, "high": high, "highest": highest})
    return found


def _published(figures: Sequence[published.Figure], summary: Mapping[str, Any]) -> dict[str, Any]:
    """One protocol's figures as a table of system × metric, with our row where it may stand there."""
    columns = {figure["group"]: figure["metric"] for figure in figures}
    systems = {figure["system"]: {} for figure in figures}
    ours: dict[str, Any] = {}
    reasons: dict[str, bool] = {}
    for figure in figures:
        systems[figure["system"]][figure["group"]] = figure["value"]
        reason = published.why_not(figure, summary)
        if reason is None and figure["comparable_with"]:
            protocol = summary["scores"]["protocols"][figure["comparable_with"]]
            ours[figure["group"]] = protocol["groups"][figure["group"]] | {"title": protocol["title"]}
        reasons[reason or figure["reason"]] = reason is None
    first = figures[0]
    return {
        "first": first,
        "columns": {group: columns[group] for group in GROUPS if group in columns},
        "systems": systems,
        "ours": ours,
        "reasons": reasons,
        "verified": published.VERIFIED[first["verified"]],
    }


def _has_evidence(mistake: Mistake) -> bool:
    return mistake.answer is not None and mistake.answer.evidence is not None


def _card(mistake: Mistake, titles: Mapping[str, str]) -> Markup:
    """The answer beside its scan; below it the gold answer, who judged, and the image's further mistakes."""
    result = mistake.result
    judge = titles.get(mistake.protocol, mistake.protocol)
    sample = result.sample
    # A hospital's file names may name patients; its row is enough to find the picture by.
    place = f"in {sample.called}" if "row" in sample.metadata else f"{sample.id} · image {sample.image}"
    lines = [
        f'<p class="gold">expected: <b>{escape(sample.answer or "")}</b></p>',
        f'<p class="small">wrong by: {escape(judge)} · {escape((result.tag or "untagged").lower())} question '
        f"{escape(place)}</p>",
    ]
    evidence = mistake.answer.evidence if mistake.answer else None
    if mistake.answer and mistake.answer.text.strip() != result.prediction.strip():
        said = escape(wording.answer_line(mistake.answer))
        lines.append(f'<p class="small">Asked again for its evidence, the model said “{said}”.</p>')
    for other in mistake.others:
        lines.append(
            f'<p class="small">also wrong: {escape(other.sample.question)} <b>{escape(other.prediction)}</b>, '
            f"expected <b>{escape(other.sample.answer or '')}</b></p>"
        )
    shown = Answer(result.sample.question, result.prediction, result.confidence, evidence)
    return _safe(answer_card(shown, mistake.picture, aspect=mistake.aspect, more="".join(lines)))


def flat(value: Any, name: str = "") -> list[tuple[str, str]]:
    """A manifest's leaves as (dotted name, text), in order, for a list that a person can read."""
    if isinstance(value, Mapping):
        return [leaf for key, inner in value.items() for leaf in flat(inner, f"{name}.{key}" if name else str(key))]
    if isinstance(value, list | tuple):
        if any(isinstance(inner, Mapping) for inner in value):
            return [leaf for number, inner in enumerate(value, 1) for leaf in flat(inner, f"{name} {number}")]
        return [(name, " ".join(str(inner) for inner in value) or "none")]
    return [(name, "unknown" if value is None else str(value))]
