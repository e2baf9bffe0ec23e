"""`medfly ask`: one image or none, one or more questions, answers with their evidence.

It checks what is cheap to check before the model is loaded, and prints; the engine answers.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from data_adapters import read
from medfly import drawing, wording
from medfly.cli.model import ModelChoice, open_model
from medfly.display import chosen_window
from medfly.geometry import size_in_mm
from medfly.types import Answer, InputError, Scan

if TYPE_CHECKING:
    from medfly.dragonfly import DragonflyForCausalLM
    from medfly.engine import MedFly

ANSWER = "bold cyan not dim"


MANY_WEIGHTS = 1_000_000_000
"""A decoder of more weights takes minutes a question on a CPU, and its evidence far longer."""


@dataclass(frozen=True)
class Manner:
    """How questions are asked. conversation: each sees those before it; stream: answers are printed as they come."""

    conversation: bool = False
    stream: bool = False
    evidence: bool = True
    max_new_tokens: int = 64


def run(
    words: Sequence[str],
    *,
    model: ModelChoice,
    no_image: bool,
    window: str | None,
    frame: int,
    manner: Manner,
    as_json: bool,
    figure: Path | None,
) -> None:
    """Print the answers, as text or as JSON Lines, and draw them into `figure`. Raises InputError.

    words: the image's path and the questions; with no_image the questions alone.
    """
    questions = words if no_image else words[1:]
    _check_questions(questions)
    if as_json and manner.stream:
        raise InputError("--json and --stream: a JSON object is printed whole; expected one of them: leave one off")
    if no_image:
        _check_no_image(words, {"--window": window, "--frame": frame, "--save_figure": figure})
    if figure is not None:
        drawing.check_picture_path(figure)
    scan = None if no_image else read(Path(words[0]), frame=frame)
    if scan is not None:
        chosen_window(scan, window)  # raises for a bad window
    fly = open_model(model)
    if scan is not None and manner.evidence and (note := evidence_note(fly.model)):
        print(f"medfly: {note}", file=sys.stderr)
    console = Console(soft_wrap=False)
    if manner.stream:
        answers = _streamed(fly, scan, questions, window, manner, console)
    else:
        answers = []
        for answer in _answers(fly, scan, questions, window, manner):
            if as_json:  # in ASCII: whatever the terminal's encoding, the line is valid JSON
                print(json.dumps(answer.to_dict(), allow_nan=False), flush=True)
            else:
                if not answers:
                    _show_head(answer.provenance, scan, console)
                _show(answer, scan, console)
            answers.append(answer)
    if figure is not None and scan is not None:
        picture = scan.display(window)
        drawing.save(drawing.stack([drawing.answer_figure(picture, answer) for answer in answers]), figure)


def _answers(
    fly: MedFly, scan: Scan | None, questions: Sequence[str], window: str | None, manner: Manner
) -> Iterator[Answer]:
    options: dict[str, Any] = {"evidence": manner.evidence, "max_new_tokens": manner.max_new_tokens}
    if not manner.conversation:
        yield from fly.ask(scan, list(questions), window=window, **options)
        return
    chat = fly.chat(scan, window=window)
    for question in questions:
        yield chat.ask(question, **options)


def _streamed(
    fly: MedFly, scan: Scan | None, questions: Sequence[str], window: str | None, manner: Manner, console: Console
) -> list[Answer]:
    """The answers, which have been shown while they came."""
    from medfly.conversation import Conversation  # not before the input is known to be good: it imports torch

    chat = fly.chat(scan, window=window)
    _show_head(chat.prefix.provenance, scan, console)
    answers = []
    for question in questions:
        if not manner.conversation:  # each its own, about the image that was read once
            chat = Conversation(fly, chat.prefix)
        _show_question(question, console)
        answer = chat.ask(
            question,
            evidence=manner.evidence,
            max_new_tokens=manner.max_new_tokens,
            streamer=Printer(fly.text, console),
        )
        if not answer.text:
            console.print(Text("   " + wording.answer_line(answer), style=ANSWER))
        _show_details(answer, scan, console)
        answers.append(answer)
    return answers


class Printer:
    """A streamer that prints an answer word by word. In the end, what it printed is the answer's text."""

    def __init__(self, text: Callable[[list[int]], str], console: Console) -> None:
        self.text = text
        self.console = console
        self.started = False
        self.ids: list[int] = []
        self.printed = ""

    def put(self, value: Any) -> None:
        if not self.started:  # this is the prompt
            self.started = True
            self.console.print(Text("A  ", style="dim"), end="")
            return
        self.ids += value.tolist()
        words = self.text(self.ids).rsplit(maxsplit=1)
        if len(words) == 2:  # the last word may still grow
            self._print(words[0])

    def end(self) -> None:
        if self.started:
            self._print(self.text(self.ids))
            self.console.print()

    def _print(self, text: str) -> None:
        self.console.out(text[len(self.printed) :], style=ANSWER, highlight=False, end="")
        self.printed = text


def _show_head(facts: Mapping[str, Any], scan: Scan | None, console: Console) -> None:
    """What was asked about, and whom."""
    console.print(Text(wording.RESEARCH_USE, style="bold yellow"))
    shown = [wording.window_line(facts), *scan.notes] if scan is not None else []
    for line in (wording.input_line(facts), *shown, wording.model_line(facts)):
        console.print(Text(line, style="dim"))


def _show(answer: Answer, scan: Scan | None, console: Console) -> None:
    _show_question(answer.question, console)
    console.print(Text("A  ", style="dim").append(wording.answer_line(answer), style=ANSWER))
    _show_details(answer, scan, console)


def _show_question(question: str, console: Console) -> None:
    console.print()
    console.print(Text("Q  ", style="dim").append(question, style="bold not dim"))


def _show_details(answer: Answer, scan: Scan | None, console: Console) -> None:
    """What stands below an answer."""
    console.print(Text("   " + wording.confidence_line(answer), style="dim"))
    if answer.evidence and scan is not None:
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


def evidence_note(model: DragonflyForCausalLM) -> str | None:
    """What to know before evidence is computed with a large model on a CPU; None where it is quick enough."""
    from medfly.evidence.attribution import times_reading

    if model.device.type != "cpu" or model.language_model.num_parameters() <= MANY_WEIGHTS:
        return None
    return (
        f"evidence takes about {times_reading(model):.0f} times as long as reading the image, for each answer; "
        "--no_evidence leaves it out"
    )


def _check_no_image(words: Sequence[str], options: Mapping[str, Any]) -> None:
    for name, value in options.items():
        if value:
            raise InputError(f"--no_image and {name}: found an option about an image, expected none: leave one off")
    if os.path.isfile(words[0]):  # unlike Path, it takes a long question for no file without an error
        raise InputError(f"--no_image and the file {words[0]!r}: expected questions only: leave one off")


def _check_questions(questions: Sequence[str]) -> None:
    if not questions:
        raise InputError("no question: expected one or more in quotes, such as 'Which organ is abnormal?'")
    for question in questions:
        if not question.strip():
            raise InputError("an empty question: expected some words, such as 'Which organ is abnormal?'")
        try:
            question.encode()
        except UnicodeEncodeError:  # bytes that the shell handed over and that are no text
            raise InputError("a question that is not UTF-8; expected text: check the terminal's encoding") from None
