"""`medfly compare A B`: two systems' answers to the same questions, paired.

It reads two files of predictions and words what benchmarks.comparison finds; it knows no model.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.comparison import compare
from benchmarks.protocols import RULES
from benchmarks.protocols.exact import NORMALISED
from benchmarks.protocols.rule import GROUPS, Rule
from benchmarks.results import Result
from benchmarks.submissions import ids_elsewhere, read_results
from benchmarks.tables import NONE, Cell, Grid, interval, one_decimal, signed, to_terminal
from benchmarks.tasks import folder_of, get_task
from medfly.cli.scored import expected_questions
from medfly.cli.told import tell_left_out
from medfly.types import InputError
from medfly.wording import RESEARCH_USE

Row = Mapping[str, Any]


def run(
    first: Path,
    second: Path,
    task: str,
    split: str,
    data: Path,
    *,
    protocols: str | None,
    as_json: bool,
    partial: bool = False,
    encoding: str | None = None,
) -> None:
    """Print the comparison: a table, and a sentence for each group. Raises InputError.

    first, second: predictions in any form that `medfly score` reads, or a run's folder. protocols: the names of those
    to compare under, comma-separated; all where None. partial: where questions have no prediction, compare on those
    that have both. encoding: of text that is not Unicode.
    """
    rules = _chosen(protocols)
    chosen = get_task(task)
    folder, split = folder_of(data, task), chosen.split_of(split)
    dataset = chosen.open(folder)
    samples = expected_questions(chosen, dataset, split)
    tell_left_out(dataset)
    if chosen.evidence:
        print(f"medfly: {task}: the answers to its questions are compared, not their evidence", file=sys.stderr)
    results = []
    for name, path in (("A", first), ("B", second)):
        found, warnings = read_results(
            path,
            samples,
            partial=partial,
            other_splits=lambda: ids_elsewhere(folder, task, split),
            encoding=encoding,
        )
        results.append(found)
        for warning in warnings:
            print(f"medfly: {name}: {warning}", file=sys.stderr)
    ours, theirs = _in_both(*results)
    if not any(result.is_scored for result in ours):
        raise InputError(f"task {task}: found no gold answer; expected some: score the two files one at a time")
    comparison = {"task": task, "split": split, "first": str(first), "second": str(second)}
    comparison |= {"partial": _partial_sentence(len(ours), len(samples))} | compare(ours, theirs, rules, task)
    if as_json:
        print(json.dumps(comparison, allow_nan=False))
        return
    console = Console()
    console.print(to_terminal(grid(comparison)))
    for line in sentences(comparison):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _in_both(first: Sequence[Result], second: Sequence[Result]) -> tuple[list[Result], list[Result]]:
    """The answers to the questions that both have answered. Raises InputError where there is none."""
    both = {result.sample.id for result in first} & {result.sample.id for result in second}
    if not both:
        raise InputError("A and B: found no question that both answer; expected some: complete the files")
    return [one for one in first if one.sample.id in both], [one for one in second if one.sample.id in both]


def _partial_sentence(both: int, questions: int) -> str | None:
    if both == questions:
        return None
    return f"partial: the {both:,} of {questions:,} questions that both answer; the others are not compared"


def _chosen(names: str | None) -> list[Rule]:
    known = {rule.name: rule for rule in RULES}
    wanted = [name.strip() for name in names.split(",")] if names is not None else list(known)
    for name in wanted:
        if name not in known:
            raise InputError(f"unknown protocol {name!r}; expected one of {', '.join(known)}: choose some of these")
    return [known[name] for name in dict.fromkeys(wanted)]


def grid(comparison: Row) -> Grid:
    """Protocol × (open, closed, overall), as in the crosswalk."""
    rows = tuple(
        ((protocol["title"],), *(_cell(protocol["groups"][group]) for group in GROUPS))
        for protocol in comparison["protocols"].values()
    )
    title = f"{comparison['task']} {comparison['split']}: A = {comparison['first']}, B = {comparison['second']}"
    return Grid(title, ("protocol", *GROUPS), rows, _caption(comparison))


def _cell(row: Row) -> Cell:
    if row["metric"] is None or row["difference"] is None:
        return (NONE, *_left_out(row))
    lines = [
        f"{signed(row['difference'])} ({interval(row)})",
        f"{one_decimal(row['first'])} − {one_decimal(row['second'])} of {row['count']}",
        f"{row['wins']} won, {row['losses']} lost",
        f"p {p_value(row['p_permutation'])}",
        f"Holm {p_value(row['p_holm'])}",
    ]
    if row["p_mcnemar"] is not None:
        lines.append(f"McNemar {p_value(row['p_mcnemar'])}")
    return (*lines, *_left_out(row))


def _left_out(row: Row) -> Cell:
    return (f"left out {row['unpaired']}",) if row["unpaired"] else ()


def _caption(comparison: Row) -> tuple[str, ...]:
    how, test, unit = comparison["interval"], comparison["test"], comparison["clusters"]
    lines = [comparison["partial"]] if comparison["partial"] else []
    lines += [
        "A − B in points with its interval; A's and B's percent, and of how many questions; those on which A scored "
        "higher and lower. Left out: questions of which the rule as published drops one answer or both.",
        f"{100 * how['level']:.0f} % intervals: {how['method']}, {how['resamples']:,} resamples of {unit}s, seed "
        f"{how['seed']}.",
        f"p: permutation test, the sign of each {unit}'s difference turned; {test['resamples']:,} draws, seed "
        f"{test['seed']}, or all patterns of signs where they are fewer. Holm: corrected for the "
        f"{comparison['comparisons']} comparisons of this table. McNemar: exact; it takes a question as independent of "
        f"the others about its {unit}, and so may find too much.",
    ]
    if comparison["unscored"]:
        lines.append(
            f"{comparison['unscored']} of {comparison['questions']} questions have no gold answer and are not scored."
        )
    return (*lines, RESEARCH_USE + ".")


def sentences(comparison: Row) -> list[str]:
    """A sentence for each group under the project's own rule, or under the first where that was not chosen."""
    protocols = comparison["protocols"]
    lead = protocols.get(NORMALISED.name) or next(iter(protocols.values()))
    return [f"{lead['title']}, {sentence(lead['groups'][group], group)}" for group in GROUPS]


def sentence(row: Row, group: str) -> str:
    """What a group's row says, in words: who is ahead, by how much, and what this split could have shown."""
    if row["difference"] is None:
        return f"{group}: nothing to compare."
    ahead, sign = ("B", -1) if row["difference"] < 0 else ("A", 1)
    span = ""
    if row["low"] is not None:
        low, high = sorted((sign * row["low"], sign * row["high"]))
        span = f" ({low:.1f} … {high:.1f})".replace("-", "−")
    found = f"{group}: {ahead} scores {sign * row['difference']:.1f} points more{span}"
    if row["difference"] == 0:
        found = f"{group}: A and B score the same{span}"
    found += f", p {_equals(row['p_permutation'])}, corrected p {_equals(row['p_holm'])}"
    if row["detectable"] is None:
        return f"{found}; what difference these questions could show is not known."
    return (
        f"{found}; a true difference under {row['detectable']:.1f} points would be missed more than 1 time in 5 here."
    )


def _equals(p: float | None) -> str:
    text = p_value(p)
    return f"< {text[1:]}" if text.startswith("<") else f"= {text}"


def p_value(p: float | None) -> str:
    """Two or three decimals; "<0.001" below that, where the draws of a permutation test run out."""
    if p is None:
        return NONE
    return "<0.001" if p < 0.001 else f"{p:.3f}" if p < 0.01 else f"{p:.2f}"
