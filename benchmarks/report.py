"""From rows of predictions.jsonl to scores: open, closed and overall, each with its denominator and interval.

Knows the rows, the rule (normalised exact match) and the statistics; it knows no model and no data set. All figures
are percent. A question without a gold answer is unscored: neither right nor wrong, and its number is shown.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from rich.table import Table

from benchmarks.predictions import Row
from benchmarks.protocols.exact import NAME, normalise, normalised_exact_match
from benchmarks.statistics import LEVEL, RESAMPLES, paired_difference, proportion
from medfly.types import InputError

SEED = 0
NONE = "–"  # shown where there is no number
GROUPS = ("open", "closed", "overall")


def score(rows: Sequence[Row]) -> dict[str, Any]:
    """The scores of one predictions file, as scores.json holds them.

    Keys: protocol; interval (how it was made); questions (all rows), unscored (rows without a gold answer), untagged
    (scored rows that are neither OPEN nor CLOSED: in "overall" only); groups: open, closed, overall, each with
    hits, count, images, percent, low, high, unscored. percent, low and high are null where there is nothing to count.
    """
    return {
        "protocol": NAME,
        "interval": {"level": LEVEL, "method": "percentile cluster bootstrap", "clusters": "image"}
        | {"resamples": RESAMPLES, "seed": SEED},
        "questions": len(rows),
        "unscored": sum(not is_scored(row) for row in rows),
        "untagged": sum(is_scored(row) and _tag(row) not in GROUPS for row in rows),
        "groups": {group: score_group(_members(rows, group)) for group in GROUPS},
    }


def score_by(rows: Sequence[Row], labels: Sequence[Hashable]) -> dict[Hashable, dict[str, Any]]:
    """The groups that one label per row makes, largest first, each as `score_group` gives it."""
    members: dict[Hashable, list[Row]] = {}
    for row, label in zip(rows, labels, strict=True):
        members.setdefault(label, []).append(row)
    ordered = sorted(members.items(), key=lambda item: -len(item[1]))
    return {label: score_group(group) for label, group in ordered}


def score_group(rows: Sequence[Row]) -> dict[str, Any]:
    """hits, count, images, percent, low, high and unscored of these rows taken together."""
    scored = [row for row in rows if is_scored(row)]
    result = proportion(hits(scored), [row["image"] for row in scored], seed=SEED)
    return {
        "hits": int(result.hits),
        "count": result.count,
        "images": result.clusters,
        "percent": _percent(result.value),
        "low": _percent(result.low),
        "high": _percent(result.high),
        "unscored": len(rows) - len(scored),
    }


def compare(first: Sequence[Row], second: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """First minus second, in percentage points, for open, closed and overall.

    Each group has difference, low, high, count, images, and wins and losses of the first. Both must hold the same
    questions in the same order: raises InputError where they do not.
    """
    if len(first) != len(second):
        raise InputError(
            f"found {len(first)} and {len(second)} rows; expected the same questions: compare like with like"
        )
    for number, (a, b) in enumerate(zip(first, second, strict=True), 1):
        for key in ("id", "image", "question", "answer", "answer_type"):
            if a[key] != b[key]:
                raise InputError(
                    f"row {number}: found {key} {a[key]!r} and {b[key]!r}; expected the same questions in the "
                    f"same order: compare like with like"
                )
    pairs = [pair for pair in zip(first, second, strict=True) if is_scored(pair[0])]
    return {group: _compare_group([pair for pair in pairs if group in ("overall", _tag(pair[0]))]) for group in GROUPS}


def _compare_group(pairs: Sequence[tuple[Row, Row]]) -> dict[str, Any]:
    images = [a["image"] for a, _ in pairs]
    result = paired_difference(hits(a for a, _ in pairs), hits(b for _, b in pairs), images, seed=SEED)
    return {
        "difference": _percent(result.value),
        "low": _percent(result.low),
        "high": _percent(result.high),
        "count": result.count,
        "images": result.clusters,
        "wins": result.wins,
        "losses": result.losses,
    }


def is_scored(row: Row) -> bool:
    """Whether the row has a gold answer to be scored against: not null, and not empty once normalised."""
    return row["answer"] is not None and normalise(row["answer"]) != ""


def hits(rows: Iterable[Row]) -> list[float]:
    """1.0 for each scored row that is right, else 0.0."""
    return [float(normalised_exact_match(row["prediction"], row["answer"])) for row in rows]


def table(scores: dict[str, Any], title: str) -> Table:
    """The scores as a table for the terminal. A group without questions is shown with "–", not left out."""
    result = Table(title=title, caption=_caption(scores), caption_justify="left")
    result.add_column("questions")
    for heading in ("right", "of", "%", "95 % interval", "images"):
        result.add_column(heading, justify="right")
    for name, group in scores["groups"].items():
        right = str(group["hits"]) if group["count"] else NONE
        cells = (right, str(group["count"]), one_decimal(group["percent"]), interval(group), str(group["images"]))
        result.add_row(name, *cells)
    return result


def _caption(scores: dict[str, Any]) -> str:
    lines = [f"{scores['protocol']}; intervals by resampling images; unscored (no gold answer): {scores['unscored']}"]
    if scores["untagged"]:
        lines.append(f"neither OPEN nor CLOSED, in overall only: {scores['untagged']}")
    return "\n".join(lines)


def one_decimal(percent: float | None) -> str:
    """A percentage as the field prints it, "–" for none."""
    return NONE if percent is None else f"{percent:.1f}"


def interval(group: dict[str, Any]) -> str:
    """ "low … high" of a group or a comparison, "–" for none."""
    return NONE if group["low"] is None else f"{group['low']:.1f} … {group['high']:.1f}"


def _members(rows: Sequence[Row], group: str) -> list[Row]:
    return [row for row in rows if group in ("overall", _tag(row))]


def _tag(row: Row) -> str:
    return str(row["answer_type"] or "").strip().lower()


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value
