"""The demo: real scans, several questions each, a table in the terminal and an HTML report.

    python -m app.demo [--output_path demo_report] [--model mini]
    python -m app.demo --readme_picture FILE

It chooses scans and questions and calls the same engine as everything else; it knows nothing of how answers are made.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

import medfly
from app.report import Section, write_report
from app.studies.samples import SAMPLES, SampleScan
from data_adapters import read
from medfly.drawing import answer_figure, check_picture_path, save, shown_regions
from medfly.types import Box, InputError
from medfly.wording import ABOUT_ANSWERS, RESEARCH_USE, answer_line

README_QUESTION = "What is the largest organ in the picture?"


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0, or 2 where the input was at fault."""
    parser = argparse.ArgumentParser(prog="python -m app.demo", description=f"MedFly's demo. {RESEARCH_USE}.")
    parser.add_argument("--output_path", "--output-path", type=Path, default=Path("demo_report"))
    parser.add_argument("--model", default="mini")
    parser.add_argument("--readme_picture", "--readme-picture", type=Path, help="draw the README's picture, no more")
    options = parser.parse_args(arguments)
    try:
        if options.readme_picture is not None:
            readme_picture(options.model, options.readme_picture)
        else:
            demo(options.model, options.output_path)
    except InputError as error:
        print(f"medfly: {error}", file=sys.stderr)
        return 2
    return 0


def demo(model: str, output_path: Path) -> Path:
    """Ask everything, print the table, write the report; its path. Raises InputError."""
    if output_path.exists() and not output_path.is_dir():
        raise InputError(f"output_path {str(output_path)!r}: found a file; expected a folder: choose another")
    sections = _ask_all(model)
    path = output_path / "index.html"
    write_report(sections, path)
    console = Console()
    console.print(Text(RESEARCH_USE, style="bold yellow"))
    console.print(_table(sections))
    console.print(Text(f"Right: {ABOUT_ANSWERS}, of answers this sure where it was calibrated.", style="dim"))
    print(f"report: {path.resolve().as_uri()}")
    return path


def readme_picture(model: str, path: Path) -> None:
    """One scan, one question, its answer and crops as a picture. Raises InputError."""
    check_picture_path(path)
    scan = read(SAMPLES[0].path, frame=0)
    answer = medfly.load(model).ask(scan, README_QUESTION)
    save(answer_figure(scan.display(), answer, aspect=scan.pixel_aspect), path)
    print(f"{path}: {answer.question} {answer_line(answer)}")


def _ask_all(model: str) -> list[Section]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task(f"loading {model}", total=len(SAMPLES))
        fly = medfly.load(model)
        sections = []
        for sample in SAMPLES:
            progress.update(bar, description=sample.title)
            sections.append(_ask(fly, sample))
            progress.advance(bar)
        progress.update(bar, description="answered")
    return sections


def _ask(fly: medfly.MedFly, sample: SampleScan) -> Section:
    scan = read(sample.path, frame=0)
    answers = fly.ask(scan, list(sample.questions), window=sample.window)
    return Section(sample.title, scan, scan.display(sample.window), answers)


def _table(sections: Sequence[Section]) -> Table:
    table = Table(title="MedFly", title_justify="left", caption="best crop: x and y in source pixels")
    table.add_column("question")
    table.add_column("")
    table.add_column("answer", min_width=11)
    table.add_column("right", justify="right")
    table.add_column("best crop", no_wrap=True)
    for section in sections:
        table.add_row(Text(section.title, style="bold"))
        for answer in section.answers:
            trust, style = answer.trust, "bold cyan"
            deferred = Text()
            if trust is None or trust.deferred:
                deferred, style = Text("deferred" if trust else "not judged", style="bold yellow"), "dim"
            share = "–" if trust is None or trust.likely_right is None else f"{100 * trust.likely_right:.0f} %"
            best = next((f"{r.level} {_short(r.box)}" for r in shown_regions(answer)), "–")
            table.add_row(Text(answer.question), deferred, Text(answer_line(answer), style=style), share, best)
        table.add_section()
    return table


def _short(box: Box) -> str:
    x0, y0, x1, y1 = (round(edge) for edge in box)
    return f"{x0}–{x1}, {y0}–{y1}"


if __name__ == "__main__":
    sys.exit(main())
