"""The scores as tables: for the terminal, in Markdown and in LaTeX, all three from the same cells.

A Grid holds plain text, one tuple of lines per cell, and knows no markup; the three renderings escape it. The grids
are made from the summary that benchmarks.summary makes and that scores.json holds; this module computes no score.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from rich.table import Table
from rich.text import Text

from benchmarks.protocols.rule import GROUPS
from medfly.wording import RESEARCH_USE

NONE = "–"
"""Shown where there is no number."""
LEAST = len("77.7 … 82.9")
"""Letters that a column keeps in a narrow terminal: an interval stays in one line, percentage and fraction may part."""
Cell = tuple[str, ...]
Summary = Mapping[str, Any]


@dataclass(frozen=True)
class Grid:
    """A table in plain text. rows: as many cells as headings, each of some lines. caption: sentences."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: tuple[str, ...] = ()


def one_decimal(percent: float | None) -> str:
    """A percentage as the field prints it, "–" for none."""
    return NONE if percent is None else f"{percent:.1f}"


def signed(points: float | None) -> str:
    """A difference in percentage points with its sign, "–" for none."""
    return NONE if points is None else f"{points:+.1f}".replace("-", "−")


def interval(group: Mapping[str, Any]) -> str:
    """ "low … high" of a group or a comparison, "–" for none."""
    return NONE if group["low"] is None else f"{group['low']:.1f} … {group['high']:.1f}".replace("-", "−")


def fraction(group: Mapping[str, Any]) -> str:
    """ "846/1053"; a numerator that is no whole number (token F1 adds up shares) with one decimal."""
    numerator = group["numerator"]
    return (
        f"{numerator:.0f}/{group['denominator']}"
        if numerator == round(numerator)
        else (f"{numerator:.1f}/{group['denominator']}")
    )


def apart(group: Mapping[str, Any]) -> tuple[str, ...]:
    """What is to be known of a group's denominator: what could not be read, and what the rule leaves out."""
    counts = {"unparsed": group["unparsed"], "left out": group["left_out"]}
    return tuple(f"{name} {count}" for name, count in counts.items() if count)


def cell(group: Mapping[str, Any]) -> Cell:
    """Percent and fraction, interval, and what is apart, in lines; "–" where the rule has no number for the group."""
    if group["metric"] is None:
        return (NONE,)
    return (f"{one_decimal(group['percent'])} ({fraction(group)})", interval(group), *apart(group))


def metrics(groups: Mapping[str, Mapping[str, Any]]) -> str:
    """What is averaged: one word where all groups agree, else group by group."""
    named = {name: group["metric"] for name, group in groups.items() if group["metric"]}
    if len(set(named.values())) <= 1:
        return next(iter(named.values()), NONE)
    return ", ".join(f"{name}: {metric}" for name, metric in named.items())


def heading(summary: Summary) -> str:
    """Task, split and model."""
    model = summary["model"]
    return f"{summary['task']} {summary['split']}: {model['name']} ({str(model['hash'] or 'hash unknown')[:12]})"


def remarks(summary: Summary) -> tuple[str, ...]:
    """What has to be known before the numbers are read: a part only, warnings, contamination, unscored questions."""
    scores = summary["scores"] or {}
    lines = [summary["partial"], *summary["warnings"], (summary["contamination"] or {}).get("sentence")]
    if scores.get("unscored"):
        lines.append(f"{scores['unscored']} of {scores['questions']} questions have no gold answer and are not scored.")
    if scores.get("untagged"):
        lines.append(f"{scores['untagged']} questions are neither OPEN nor CLOSED and count in overall only.")
    return tuple(line for line in lines if line)


def method(summary: Summary) -> str:
    """How the intervals were made."""
    how, clusters = summary["scores"]["interval"], summary["scores"]["clusters"]
    return (
        f"{100 * how['level']:.0f} % intervals: {how['method']}, {how['resamples']:,} resamples of {clusters}s, "
        f"seed {how['seed']}."
    )


def crosswalk(summary: Summary) -> Grid:
    """Protocol × (open, closed, overall): the same answers under every rule."""
    protocols = summary["scores"]["protocols"].values()
    rows = tuple(
        ((score["title"], metrics(score["groups"])), *(cell(score["groups"][group]) for group in GROUPS))
        for score in protocols
    )
    legend = (
        "Percent and score/questions, the interval, and where not 0: answers that could not be read (unparsed, scored "
        "0) and those that the rule as published drops from its denominator (left out)."
    )
    notes = [f"{score['title']}: {count} × {note}." for score in protocols for note, count in score["notes"].items()]
    caption = (*remarks(summary), legend, method(summary), *notes, RESEARCH_USE + ".")
    return Grid(heading(summary), ("protocol", *GROUPS), rows, caption)


def subgroups(summary: Summary) -> tuple[Grid, ...]:
    """One grid per way to divide the questions; small groups are marked, none is left out."""
    found = summary["subgroups"]
    if not found:
        return ()
    small = f"* fewer than {found['smallest']} questions: too few to conclude anything from."
    caption = (f"Protocol: {found['protocol']}.", small, method(summary), RESEARCH_USE + ".")
    headings = ("%", "95 % interval", "score/questions", "unparsed", f"{summary['scores']['clusters']}s")
    return tuple(
        Grid(f"{heading(summary)}, by {by}", (by, *headings), tuple(_subgroup_row(g) for g in groups), caption)
        for by, groups in found["by"].items()
    )


def _subgroup_row(group: Mapping[str, Any]) -> tuple[Cell, ...]:
    label = f"{group['label']} *" if group["small"] else str(group["label"])
    numbers = (one_decimal(group["percent"]), interval(group), fraction(group))
    return tuple((text,) for text in (label, *numbers, str(group["unparsed"]), str(group["clusters"])))


def audit(summary: Summary) -> tuple[Grid, ...]:
    """Is it looking? The scores under each condition, what survives of the right answers, and paired differences."""
    found = summary["audit"]
    if not found:
        return ()
    caption = (f"Protocol: {found['protocol']}.", *remarks(summary), method(summary), RESEARCH_USE + ".")
    kept = "Kept: of the answers that are right as is, those that are right here, too."
    conditions = Grid(
        f"{heading(summary)}, is it looking?",
        ("image", *GROUPS, "kept"),
        tuple(
            ((spoken(name),), *(cell(groups[group]) for group in GROUPS), _survival(found["survive"].get(name)))
            for name, groups in found["conditions"].items()
        ),
        (kept, *caption),
    )
    differences = Grid(
        f"{heading(summary)}, paired differences in points",
        ("difference", *GROUPS),
        tuple(
            ((spoken(name),), *(_difference(groups[group]) for group in GROUPS))
            for name, groups in found["differences"].items()
        ),
        ("Difference, interval, and how many questions were won and lost.", *caption),
    )
    return conditions, differences


def spoken(name: str) -> str:
    """ "as_is" as people say it."""
    return name.replace("_", " ")


def _survival(share: Mapping[str, Any] | None) -> Cell:
    return (NONE,) if share is None else (f"{one_decimal(share['percent'])} ({fraction(share)})", interval(share))


def _difference(group: Mapping[str, Any]) -> Cell:
    return signed(group["difference"]), interval(group), f"{group['wins']} won, {group['losses']} lost"


def to_terminal(grid: Grid) -> Table:
    """For rich's console: fits 120 columns, can be read at 80."""
    caption = Text("\n".join(grid.caption), style="dim")
    table = Table(title=Text(grid.title), caption=caption, caption_justify="left", show_lines=_is_tall(grid))
    for number, name in enumerate(grid.headings):
        widest = max((len(line) for row in grid.rows for line in row[number]), default=0)
        table.add_column(Text(name), justify="right" if number else "left", min_width=min(widest, LEAST))
    for row in grid.rows:
        table.add_row(*(Text("\n".join(lines)) for lines in row))
    return table


def to_markdown(grid: Grid) -> str:
    """A GitHub table; the lines of a cell are kept apart by <br>."""
    escaped = _escaped(grid, _markdown_text)
    lines = [f"**{escaped.title}**", "", _markdown_row([(name,) for name in escaped.headings])]
    lines.append(f"|---|{'---:|' * (len(grid.headings) - 1)}")
    lines += [_markdown_row(row) for row in escaped.rows]
    lines += [text for sentence in escaped.caption for text in ("", sentence)]
    return "\n".join(lines) + "\n"


def to_latex(grid: Grid) -> str:
    r"""A table environment that needs \usepackage{booktabs}; the lines of a cell become lines of the table."""
    escaped = _escaped(grid, _latex_text)
    body = []
    for row in escaped.rows:
        body += [" & ".join(line) + r" \\" for line in zip_longest(*row, fillvalue="")]
        body.append(r"\addlinespace")
    caption = " ".join((f"{escaped.title}.", *escaped.caption))
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        r"\small",
        rf"\caption{{{caption}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(grid.headings) - 1)}}}",
        r"\toprule",
        " & ".join(escaped.headings) + r" \\",
        r"\midrule",
        *body[:-1],
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _is_tall(grid: Grid) -> bool:
    return any(len(lines) > 1 for row in grid.rows for lines in row)


def _escaped(grid: Grid, escape: Callable[[str], str]) -> Grid:
    rows = tuple(tuple(tuple(escape(line) for line in lines) for lines in row) for row in grid.rows)
    headings = tuple(escape(name) for name in grid.headings)
    return Grid(escape(grid.title), headings, rows, tuple(escape(line) for line in grid.caption))


def _markdown_row(row: Sequence[Cell]) -> str:
    return f"| {' | '.join('<br>'.join(lines) for lines in row)} |"


MARKDOWN = str.maketrans({c: f"\\{c}" for c in "\\`*_[]|"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# A "[" or "*" at the beginning of a line would belong to the line end before it.
LATEX = str.maketrans(
    {c: f"\\{c}" for c in "{}$&#%_"}
    | {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}
    | {"[": "{[}", "*": "{*}"}
    | {"–": "--", "…": r"\ldots{}", "×": r"$\times$", "−": "$-$", "≥": r"$\geq$", "≤": r"$\leq$"}
)


def _markdown_text(text: str) -> str:
    return " ".join(text.split()).translate(MARKDOWN)


def _latex_text(text: str) -> str:
    return " ".join(text.split()).translate(LATEX)
