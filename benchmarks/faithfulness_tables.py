"""From the rows of a faithfulness run to its summary and its tables: means, differences, intervals by image.

It knows what a row of benchmarks.faithfulness holds, and no model. Probabilities are per token: the geometric mean over
the answer's tokens, e^(log p(answer) / tokens), so that long answers count like short ones; nats are of whole answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.faithfulness_measures import ALL, CURVES, STEPS, TOP, VARIANTS, area
from benchmarks.statistics import LEAST, paired_difference, proportion

WAYS = ("gradients", "causal")
BLIND = ("random", "centre", "coarse")
"""What a way is compared with; "random" is the mean of all draws of a question."""
CHECKS = ("the same again", "another question", "blank image", "decoder drawn anew", "tower drawn anew")
AGREEMENT = (
    "rank correlation of gradients and causal, all crops",
    "rank correlation of gradients and causal, high crops",
    f"overlap of their top {TOP}, all crops",
    f"overlap of their top {TOP}, without the low crop",
    "same best crop, all crops",
    "same best crop, without the low crop",
    "shortcut finds the causal best crop, all crops",
    "shortcut finds the causal best crop, without the low crop",
    "nats that the shortcut's best lacks of the best, without the low crop",
)
NEEDS = math.log(2)
"""An answer needs the picture where it loses half of its probability, or more, when no crop is shown."""
GROUPS = {"all answers": -math.inf, "answers that need the picture": NEEDS}
SCALES = ("probability", "nats")
Row = Mapping[str, Any]


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """All that the tables show, with every interval, as JSON takes it."""
    found: dict[str, Any] = {"questions": len(rows), "images": len({row["image"] for row in rows}), "groups": {}}
    for name, least in GROUPS.items():
        some = [row for row in rows if needed(row) >= least]
        if some:
            found["groups"][name] = {
                "questions": len(some),
                "images": len({row["image"] for row in some}),
                "areas": {scale: _areas(some, scale) for scale in SCALES},
                "curves": _means(some),
            }
    found["agreement"] = {name: _mean(rows, _agreed(name), share=_is_share(name)) for name in AGREEMENT}
    found["sanity"] = {
        check: {way: {over: _mean(rows, _likeness(check, way, over)) for over in ("all", "high")} for way in WAYS}
        for check in CHECKS
    }
    return found


def needed(row: Row) -> float:
    """log p(answer) with all crops minus without any, in nats."""
    whole = row["curves"][WAYS[0]][ALL]["deletion"]
    return whole[0] - whole[-1]


def _agreed(name: str) -> Callable[[Row], float | None]:
    return lambda row: row["agreement"][name]


def _likeness(check: str, way: str, over: str) -> Callable[[Row], float | None]:
    return lambda row: row["sanity"][check] and row["sanity"][check][way][over]


def _is_share(agreement: str) -> bool:
    """Of AGREEMENT: same or not, found or not, and how much of the top is the same; no correlation, and no nats."""
    return "correlation" not in agreement and "nats" not in agreement


def _mean(rows: Sequence[Row], value: Callable[[Row], float | None], *, share: bool = False) -> dict[str, Any]:
    """The mean of what can be told, its interval, and how many could not be told."""
    told = [(value(row), row["image"]) for row in rows]
    values = [(one, image) for one, image in told if one is not None]
    found = interval([v for v, _ in values], [image for _, image in values], share=share)
    return {**found, "untold": len(told) - len(values)}


def interval(values: Sequence[float], images: Sequence[Any], *, share: bool = False) -> dict[str, Any]:
    """The mean of values in any unit and its 95 % interval by image: count, value, low, high.

    share: whether they are shares in 0 … 1, such as 1 for found and 0 for not: of those statistics knows the scale's
    ends, and what all alike can say. Of other values that are all alike, or of fewer than LEAST images, no limits: how
    much others would differ cannot be told, and statistics cuts limits at its own unit's ends.
    """
    if share:
        part = proportion(values, images)
        return {"count": part.count, "value": part.value, "low": part.low, "high": part.high}
    # The difference to nothing, in units of the largest, since statistics ends at 1: its interval scales along.
    unit = max((abs(value) for value in values), default=0.0) or 1.0
    found = paired_difference([value / unit for value in values], [0.0] * len(values), images)
    untold = len(set(images)) < LEAST or len(set(values)) == 1
    limits = (None, None) if untold else (found.low, found.high)
    value, low, high = (None if one is None else unit * one for one in (found.value, *limits))
    return {"count": found.count, "value": value, "low": low, "high": high}


def heights(row: Row, subject: str, variant: str, curve: str, scale: str) -> list[float]:
    """A curve's points: log p(answer), or its probability per token; of random, the mean of its draws."""
    drawn = [name for name in row["curves"] if name == subject or name.startswith(f"{subject} ")]
    logs = np.asarray([row["curves"][name][variant][curve] for name in drawn])
    return (np.exp(logs / row["tokens"]) if scale == "probability" else logs).mean(0).tolist()


def _count(row: Row, variant: str) -> int:
    return row["crops"] if variant == ALL else row["crops"] - 1


def _areas(rows: Sequence[Row], scale: str) -> dict[str, Any]:
    """Variant → curve → subject, and "way − blind", → its mean area and interval."""
    images = [row["image"] for row in rows]
    found: dict[str, Any] = {}
    for variant in VARIANTS:
        for curve in CURVES:
            areas = {
                subject: [area(heights(row, subject, variant, curve, scale), _count(row, variant)) for row in rows]
                for subject in (*WAYS, *BLIND)
            }
            cells = {subject: interval(values, images) for subject, values in areas.items()}
            for way in WAYS:
                for blind in BLIND:
                    difference = [a - b for a, b in zip(areas[way], areas[blind], strict=True)]
                    cells[f"{way} − {blind}"] = interval(difference, images)
            found.setdefault(variant, {})[curve] = cells
    return found


def _means(rows: Sequence[Row]) -> dict[str, Any]:
    """Variant → curve → subject → mean probability per token at each point; only of questions with as many crops."""
    most = max(row["crops"] for row in rows)
    same = [row for row in rows if row["crops"] == most]
    return {
        variant: {
            curve: {
                subject: np.mean([heights(row, subject, variant, curve, "probability") for row in same], 0).tolist()
                for subject in (*WAYS, *BLIND)
            }
            for curve in CURVES
        }
        for variant in VARIANTS
    }


def markdown(found: Mapping[str, Any]) -> str:
    """The tables of a summary."""
    lines = [
        f"{found['questions']} questions about {found['images']} images, each with the answer that the model gave, "
        "right or wrong; 95 % intervals by image. Deletion: crops are taken away best first, lower is better. "
        "Insertion: they are given best first, higher is better.",
    ]
    for name, group in found["groups"].items():
        for scale in SCALES:
            lines += ["", f"**{name}** ({group['questions']} about {group['images']} images)", ""]
            lines += _area_table(group["areas"][scale], scale)
        lines += ["", f"Mean probability per token at each point, {name}:", "", *_curve_table(group["curves"])]
    return "\n".join([*lines, "", *_agreement_table(found), "", *_sanity_table(found)]) + "\n"


def _area_table(areas: Mapping[str, Any], scale: str) -> list[str]:
    unit = "probability per token, percent" if scale == "probability" else "log p(answer), nats"
    heads = [*WAYS, *BLIND, *(f"{way} − {blind}" for way in WAYS for blind in BLIND)]
    lines = [f"| area under the curve ({unit}) | {' | '.join(heads)} |", "|---|" + "---|" * len(heads)]
    form = _percent if scale == "probability" else _plain
    for variant in VARIANTS:
        for curve in CURVES:
            cells = areas[variant][curve]
            told = [form(cells[head], "+" if "−" in head else "", "−" in head) for head in heads]
            lines.append(f"| {curve}, {variant} | {' | '.join(told)} |")
    return lines


def _curve_table(curves: Mapping[str, Any]) -> list[str]:
    length = max(len(points) for one in curves.values() for curve in one.values() for points in curve.values())
    heads = [str(step) for step in STEPS[: length - 1]] + ["all"]
    lines = [f"| crops taken or given | ranking | {' | '.join(heads)} |", "|---|---|" + "---|" * len(heads)]
    for variant, one in curves.items():
        for curve, subjects in one.items():
            for subject, points in subjects.items():
                told = " | ".join(f"{100 * point:.1f}" for point in points)
                lines.append(f"| {curve}, {variant} | {subject} | {told} |")
    return lines


def _agreement_table(found: Mapping[str, Any]) -> list[str]:
    lines = ["| agreement | mean | questions |", "|---|---|---|"]
    for name, cell in found["agreement"].items():
        form = _percent if _is_share(name) else _plain
        lines.append(f"| {name} | {form(cell)} | {cell['count']} |")
    return lines


def _sanity_table(found: Mapping[str, Any]) -> list[str]:
    heads = [f"{way}, {over} crops" for way in WAYS for over in ("all", "high")]
    lines = [f"| rank correlation with the map of … | {' | '.join(heads)} |", "|---|" + "---|" * len(heads)]
    for check, ways in found["sanity"].items():
        cells = [ways[way][over] for way in WAYS for over in ("all", "high")]
        untold = max(cell["untold"] for cell in cells) if check != CHECKS[0] else 0
        told = f" ({untold} flat or without)" if untold else ""
        lines.append(f"| {check}{told} | {' | '.join(_plain(cell) for cell in cells)} |")
    return lines


def _percent(cell: Mapping[str, Any], sign: str = "", bounds: bool = True) -> str:
    return _told(cell, 100, f"{sign}.1f", bounds)


def _plain(cell: Mapping[str, Any], sign: str = "", bounds: bool = True) -> str:
    return _told(cell, 1, f"{sign}.3f", bounds)


def _told(cell: Mapping[str, Any], unit: float, form: str, bounds: bool) -> str:
    if cell["value"] is None:
        return "–"
    value = f"{unit * cell['value']:{form}}"
    if not bounds or cell["low"] is None:
        return value
    return f"{value} [{unit * cell['low']:{form}}, {unit * cell['high']:{form}}]"
