"""Answers in the terminal: what was asked about, the answer or that it is deferred, how far to rely on it, the crops.

Every line is made in medfly.wording; this module knows where they stand and in which colour, and no model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from medfly import drawing, wording
from medfly.geometry import size_in_mm
from medfly.types import Answer, Scan

ANSWER, DEFERRED_ANSWER = "bold cyan not dim", "dim"
WARNING = "bold yellow"


def show_head(name: str, scan: Scan | None, facts: Mapping[str, Any], console: Console) -> None:
    """What was asked about, and whom. facts: the answers' provenance."""
    console.print(Text(wording.RESEARCH_USE, style=WARNING))
    shown: list[str] = []
    if scan is not None:
        console.print(Text(name, style="bold"))
        shown = [wording.window_line(facts), *scan.notes]
    for line in (wording.input_line(facts), *shown, wording.model_line(facts)):
        console.print(Text(line, style="dim"))


def show(answer: Answer, scan: Scan | None, console: Console) -> None:
    show_question(answer.question, console)
    deferral = wording.deferral_lines(answer)
    show_deferral(deferral, console)
    style = DEFERRED_ANSWER if deferral else ANSWER
    console.print(Text("A  ", style="dim").append(wording.answer_line(answer), style=style))
    show_details(answer, scan, console)


def show_deferral(lines: Sequence[str], console: Console) -> None:
    """That an answer is left to a person, and why: `deferral_lines` or `because` of medfly.wording."""
    for number, line in enumerate(lines):
        if number == 0:
            console.print(Text(f"!  {line}", style=WARNING))
        else:
            _print_below(line, console, "yellow")


def show_question(question: str, console: Console) -> None:
    console.print()
    console.print(Text("Q  ", style="dim").append(question, style="bold not dim"))


def show_details(answer: Answer, scan: Scan | None, console: Console) -> None:
    """What stands below an answer."""
    for line in wording.trust_lines(answer):
        _print_below(line, console)
    _variations(answer, console)
    if answer.evidence and scan is not None:
        console.print(_crops(answer, scan))
        _print_below(wording.levels_line(answer), console)


def _print_below(line: str, console: Console, style: str = "dim") -> None:
    """Indented as an answer is, also where it is broken."""
    for part in Text(line, style=style).wrap(console, max(console.width - 3, 20)):
        part.rstrip()
        console.print(Text("   ").append_text(part))


def _variations(answer: Answer, console: Console) -> None:
    """Whether the answer changed under changes that should not matter, and all of them; nothing without any."""
    line = wording.variations_line(answer)
    if line is None:
        return
    if answer.flips:
        console.print(Text(f"!  {line}", style=WARNING))
    else:
        _print_below(line, console)
    table = Table(box=None, padding=(0, 2), header_style="dim", pad_edge=False)
    for heading in wording.VARIATION_HEADINGS:
        table.add_column(heading, overflow="fold", no_wrap=heading in ("", "confidence"))
    for variation in answer.variations:
        mark, *cells = wording.variation_row(answer, variation)
        style = "dim" if variation.same else "yellow"
        table.add_row(Text(f"   {mark}"), *map(Text, cells), style=style)
    console.print(table)


def show_tally(questions: Sequence[str], said: Sequence[tuple[str, Answer]], console: Console) -> None:
    """Which answers were given how often, how many of them are deferred, and how many changed when asked again.

    Nothing is decided by a majority.
    """
    table = Table(title="all together", title_justify="left", title_style="bold", box=None, padding=(0, 2))
    for heading in ("question", "answer", "scans", "deferred", "changed", "which"):
        table.add_column(heading, header_style="dim", overflow="fold")
    for question in questions:
        names: dict[str, list[str]] = {}
        deferred: Counter[str] = Counter()
        changed: Counter[str] = Counter()
        for name, answer in said:
            if answer.question == question:
                names.setdefault(wording.answer_line(answer), []).append(name)
                deferred[wording.answer_line(answer)] += bool(wording.deferral_lines(answer))
                changed[wording.answer_line(answer)] += bool(answer.flips)
        for text, which in sorted(names.items(), key=lambda one: -len(one[1])):
            shown = "; ".join(which[:3]) + ("; …" if len(which) > 3 else "")
            counts = (deferred[text], changed[text])
            warned = (Text(str(count or "–"), style=WARNING if count else "dim") for count in counts)
            table.add_row(Text(question), Text(text, style=ANSWER), str(len(which)), *warned, Text(shown, style="dim"))
    console.print()
    console.print(table)


def _crops(answer: Answer, scan: Scan) -> Table:
    table = Table(box=None, padding=(0, 2), header_style="dim", pad_edge=False)
    for heading in ("   zoom crop", "box in source pixels", "size", "score"):
        table.add_column(heading, justify="right" if heading == "score" else "left", no_wrap=True)
    for rank, region in enumerate(drawing.shown_regions(answer), 1):
        colour = "rgb({},{},{})".format(*drawing.LEVEL_COLOURS[region.level])
        size = wording.millimetre_line(size_in_mm(region.box, scan.spacing))
        table.add_row(
            Text(f"   {rank} {region.level}", style=colour),
            wording.place_line(region),
            size,
            wording.score_text(region.score),
        )
    return table
