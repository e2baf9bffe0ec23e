"""What commands about scores do alike: find the questions, look for leakage before a score, show and write it.

The benchmarks compute and draw; this module opens the pictures of the mistakes, and asks for their evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import calibration_tables, tables
from benchmarks.captions.scores import captions_grid
from benchmarks.contamination import Contamination, contamination
from benchmarks.grounding import grounding_grids
from benchmarks.page import Mistake, choose_mistakes, worst_images, write_page
from benchmarks.protocols.exact import NORMALISED
from benchmarks.results import Result
from benchmarks.submissions import questions_of
from benchmarks.tables import Grid
from benchmarks.tasks import Task
from data_adapters.check import detect
from data_adapters.dataset import DataSet
from medfly.cli.told import bar
from medfly.types import Answer, InputError, Sample, Scan
from medfly.writing import whole

MISTAKES, WORST = 6, 4
"""How many wrong answers the page shows: the most confident ones, and images with most of them."""

Summary = dict[str, Any]
Explain = Callable[[Sample, Scan], Answer | None]


def look_for_leaks(
    dataset: DataSet, split: str, samples: Sequence[Sample], train_data: Sequence[Path]
) -> Contamination | None:
    """benchmarks.contamination with its progress shown. train_data: folders or tables. Raises InputError."""
    training = [one for path in train_data for one in detect(path)]
    with bar("looking for leakage") as progress:
        return contamination(dataset, split, samples, training, progress)


def expected_questions(task: Task, dataset: DataSet, split: str) -> list[Sample]:
    """Those that predictions are expected for. Pictures are opened where evidence is scored: boxes are on them."""
    if not task.evidence:
        return questions_of(dataset, split)
    with bar(f"{task.name}: looking for questions") as progress:
        return task.samples(dataset, split, progress)


def show(summary: Summary) -> None:
    """The scores on the terminal."""
    console = Console()
    for grid in (*_scores(summary), *tables.audit(summary)):
        console.print(tables.to_terminal(grid))


def write_tables(summaries: Sequence[Summary], path: Path, render: Callable[[Grid], str]) -> None:
    """All tables into one file. render: tables.to_markdown or to_latex. InputError where it cannot be written."""
    grids = [
        grid
        for one in summaries
        for made in (_scores, tables.audit, tables.subgroups, calibration_tables.calibration)
        for grid in made(one)
    ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as partial:
            partial.write_text("\n".join(map(render, grids)), encoding="utf-8", newline="\n")
    except OSError as problem:
        raise InputError(f"{path}: cannot be written ({problem.strerror}); expected a file: choose another") from None


def _scores(summary: Summary) -> tuple[Grid, ...]:
    if summary["grounding"] is not None:
        return grounding_grids(summary["grounding"], tables.heading(summary), tables.remarks(summary))
    if summary["captions"] is None:
        return (tables.crosswalk(summary),)
    grid = captions_grid(summary["captions"], tables.heading(summary))
    return (replace(grid, caption=(*tables.remarks(summary), *grid.caption)),)


def write_report(
    summary: Summary, results: Sequence[Result], path: Path, explain: Explain = lambda sample, scan: None
) -> int:
    """The page, with mistakes and their pictures; returns how many are not on it, as their pictures cannot be opened.

    explain: gives a mistake's answer with its evidence, or None. Raises InputError where the page cannot be written.
    """
    sure = [[result] for result in choose_mistakes(results, NORMALISED, summary["task"], MISTAKES)]
    worst = worst_images(results, NORMALISED, summary["task"], WORST)
    with Console(stderr=True).status("looking at the mistakes …"):
        shown = [[one for wrong in group if (one := _mistake(wrong, explain))] for group in (sure, worst)]
    write_page(summary, path, *shown)
    return len(sure) + len(worst) - sum(map(len, shown))


def _mistake(wrong: Sequence[Result], explain: Explain) -> Mistake | None:
    """The first of an image's wrong answers with its picture, the others below it; None without a picture."""
    first, *others = wrong
    try:
        scan = first.sample.scan()
    except InputError:
        return None
    answer = explain(first.sample, scan)
    return Mistake(first, scan.display(), NORMALISED.name, answer, scan.pixel_aspect, others)
