"""`medfly ask`: one image, one or more questions, answers with their evidence.

It checks what is cheap to check before the model is loaded, and prints; the engine answers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from data_adapters import read
from medfly import drawing, wording
from medfly.cli.model import open_model
from medfly.display import chosen_window
from medfly.geometry import size_in_mm
from medfly.types import Answer, InputError, Scan


def run(
    image: Path,
    questions: Sequence[str],
    *,
    model: str,
    window: str | None,
    frame: int,
    as_json: bool,
    figure: Path | None,
    device: str | None,
) -> None:
    """Print the answers, as text or as JSON Lines, and draw them into `figure`. Raises InputError."""
    _check_questions(questions)
    if figure is not None:
        drawing.check_picture_path(figure)
    scan = read(image, frame=frame)
    chosen_window(scan, window)  # raises for a bad window
    fly = open_model(model, device)
    answers = fly.ask(scan, list(questions), window=window)
    if as_json:
        for answer in answers:  # in ASCII: whatever the terminal's encoding, the line is valid JSON
            print(json.dumps(answer.to_dict(), allow_nan=False))
    else:
        show(answers, scan, Console(soft_wrap=False))
    if figure is not None:
        picture = scan.display(window)
        drawing.save(drawing.stack([drawing.answer_figure(picture, answer) for answer in answers]), figure)


def show(answers: Sequence[Answer], scan: Scan, console: Console) -> None:
    """Answers to questions about one scan, for people."""
    console.print(Text(wording.RESEARCH_USE, style="bold yellow"))
    facts = answers[0].provenance
    for line in (wording.input_line(facts), wording.window_line(facts), *scan.notes, wording.model_line(facts)):
        console.print(Text(line, style="dim"))
    for answer in answers:
        console.print()
        console.print(Text("Q  ", style="dim").append(answer.question, style="bold not dim"))
        console.print(Text("A  ", style="dim").append(wording.answer_line(answer), style="bold cyan not dim"))
        console.print(Text("   " + wording.confidence_line(answer), style="dim"))
        if answer.evidence:
            console.print(_crops(answer, scan))
            console.print(Text("   " + wording.levels_line(answer), style="dim"))


def _crops(answer: Answer, scan: Scan) -> Table:
    table = Table(box=None, padding=(0, 2), header_style="dim", pad_edge=False)
    for heading in ("   zoom crop", "box in source pixels", "size", "score"):
        table.add_column(heading, justify="right" if heading == "score" else "left", no_wrap=True)
    for rank, region in enumerate(drawing.shown_regions(answer), 1):
        colour = "rgb({},{},{})".format(*drawing.LEVEL_COLOURS[region.level])
        size = wording.millimetre_line(size_in_mm(region.box, scan.spacing))
        table.add_row(
            Text(f"   {rank} {region.level}", style=colour),
            wording.box_line(region.box),
            size,
            wording.score_text(region.score),
        )
    return table


def _check_questions(questions: Sequence[str]) -> None:
    for question in questions:
        if not question.strip():
            raise InputError("an empty question: expected some words, such as 'Which organ is abnormal?'")
        try:
            question.encode()
        except UnicodeEncodeError:  # bytes that the shell handed over and that are no text
            raise InputError("a question that is not UTF-8; expected text: check the terminal's encoding") from None
