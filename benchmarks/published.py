"""The figures that others published, each with its protocol and its source, and whether ours may stand beside it.

The figures are in published.yaml. This module knows the names of our rules, not what they do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict, get_args

from benchmarks.protocols.rule import GROUPS, Group

PATH = Path(__file__).with_name("published.yaml")
Verified = Literal["V", "S", "M"]
VERIFIED: Mapping[Verified, str] = {
    "V": "read in the source",
    "S": "from a secondary source",
    "M": "from memory, unverified",
}
"""How sure a figure is. An S or M figure is never to be quoted as the paper's."""


class Figure(TypedDict):
    """One published number: percent, or points of a captioning metric.

    protocol: in the words of whoever published it; rows of different protocols must not share a column. metric: what
    the number is. comparable_with: the name of our rule, None where there is none; reason: why it is, or is not.
    """

    system: str
    task: str
    split: str
    note: str
    protocol: str
    metric: str
    group: Group
    value: float
    source: str
    url: str | None
    verified: Verified
    comparable_with: str | None
    reason: str


def load(task: str | None = None) -> list[Figure]:
    """All published figures, or those about one task, in the file's order.

    Raises ValueError where a row of the file breaks its own rules: the file is ours, not a user's.
    """
    import yaml

    tables = yaml.safe_load(PATH.read_text(encoding="utf-8"))["tables"]
    figures = [_figure(table, row) for table in tables for row in table["figures"]]
    return [figure for figure in figures if task in (None, figure["task"])]


def _figure(table: Mapping[str, Any], row: list[Any]) -> Figure:
    system, task, group, value = row
    if group not in GROUPS or group not in table["metrics"]:
        raise ValueError(f"published.yaml, {row}: group {group!r} is none of the table's {list(table['metrics'])}")
    if table["verified"] not in get_args(Verified):
        raise ValueError(f"published.yaml, {table['protocol']}: verified is {table['verified']!r}, not V, S or M")
    if not isinstance(value, int | float):
        raise ValueError(f"published.yaml, {row}: {value!r} is no number")
    return Figure(
        system=system,
        task=task,
        split=table["split"],
        note=table["note"],
        protocol=table["protocol"],
        metric=table["metrics"][group],
        group=group,
        value=float(value),
        source=table["source"],
        url=table["url"],
        verified=table["verified"],
        comparable_with=(table["comparable_with"] or {}).get(group),
        reason=table["reason"],
    )


def by_protocol(figures: Iterable[Figure]) -> list[list[Figure]]:
    """The figures that were made under one protocol and taken from one source, together; order kept."""
    together: dict[tuple[str, str, str], list[Figure]] = {}
    for figure in figures:
        together.setdefault((figure["protocol"], figure["source"], figure["note"]), []).append(figure)
    return list(together.values())


def why_not(figure: Figure, summary: Mapping[str, Any]) -> str | None:
    """Why our scores must not stand beside the figure, in words; None where they may. summary: see benchmarks.page."""
    if figure["comparable_with"] is None:
        return figure["reason"]
    if figure["split"] != summary["split"]:
        return f"the figure is about {figure['split']}, ours about {summary['split']}"
    if summary["partial"]:
        return "ours is about a part of the questions"
    if figure["comparable_with"] not in summary["scores"]["protocols"]:
        return f"ours was not scored by {figure['comparable_with']}"
    return None
