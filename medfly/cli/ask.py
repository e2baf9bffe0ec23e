"""`medfly ask`: one scan, many or none, one or more questions, answers with their evidence.

It checks what is cheap to check before the model is loaded, and prints; the engine answers.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from rich.console import Console
from rich.table import Table
from rich.text import Text

from data_adapters.listing import is_collection
from medfly import drawing, wording
from medfly.ahead import ahead
from medfly.cli.model import ModelChoice, open_model
from medfly.cli.scans import Item, items
from medfly.display import chosen_window, parse_window
from medfly.evidence import Wanted
from medfly.geometry import size_in_mm
from medfly.types import Answer, InputError, Scan

if TYPE_CHECKING:
    from medfly.dragonfly import DragonflyForCausalLM
    from medfly.engine import MedFly, View

ANSWER = "bold cyan not dim"
MOST_FIGURES = 40
"""Answers in one picture: more than a JPEG can be high."""
MANY_WEIGHTS = 1_000_000_000
"""A decoder of more weights takes minutes a question on a CPU, and its evidence far longer."""


@dataclass(frozen=True)
class Manner:
    """How questions are asked. conversation: each sees those before it; stream: answers are printed as they come."""

    conversation: bool = False
    stream: bool = False
    evidence: Wanted = True
    max_new_tokens: int = 64


@dataclass(frozen=True)
class Look:
    """What of a path is looked at, and how. frame: 0-based; slices, windows: as the command's help explains them."""

    frame: int | None = None
    slices: str | None = None
    windows: tuple[str, ...] = ()

    def options(self) -> dict[str, Any]:
        """Those that were given, by their names on the command line."""
        given = {"--window": self.windows, "--slices": self.slices, "--frame": self.frame}
        return {name: value for name, value in given.items() if value not in (None, ())}


@dataclass(frozen=True)
class Shot:
    """One scan in one window, ready to be asked about; without scan and view, a question about no image."""

    name: str
    scan: Scan | None = None
    window: str | None = None
    view: View | None = None


def run(
    words: Sequence[str],
    *,
    model: ModelChoice,
    no_image: bool,
    look: Look,
    manner: Manner,
    as_json: bool,
    figure: Path | None,
) -> None:
    """Print the answers, as text or as JSON Lines, and draw them into `figure`. Raises InputError.

    words: the path and the questions; with no_image the questions alone. Of many scans, one that cannot be read
    is told in its place, and the others are answered before the error is raised.
    """
    questions = words if no_image else words[1:]
    _check_questions(questions)
    if as_json and manner.stream:
        raise InputError("--json and --stream: a JSON object is printed whole; expected one of them: leave one off")
    if no_image:
        _check_no_image(words, look.options() | ({"--save_figure": figure} if figure else {}))
    if figure is not None:
        drawing.check_picture_path(figure)
    todo = iter(()) if no_image else _todo(Path(words[0]), look)
    fly = open_model(model)
    if not no_image and manner.evidence and (note := evidence_note(fly.model, manner.evidence)):
        print(f"medfly: {note}", file=sys.stderr)
    said: list[tuple[str, Answer]] = []  # without the shots: a folder's pixels are not kept
    figures: list[Image.Image] = []
    failed = 0
    shots = [Shot("no image")] if no_image else ahead(partial(_shot, fly, item, window) for item, window in todo)
    for shot in shots:
        if isinstance(shot, InputError):
            failed += 1
            print(f"medfly: {shot}", file=sys.stderr)
            continue
        answers = _told(fly, shot, questions, manner, as_json)
        said += [(shot.name, answer) for answer in answers]
        if figure is not None:
            if len(said) > MOST_FIGURES:
                raise InputError(
                    f"--save_figure: over {MOST_FIGURES} answers; expected fewer in a picture: leave it off"
                )
            figures += _figures(shot, answers)
    if len({name for name, _ in said}) > 1 and not as_json:
        _show_tally(questions, said, Console())
    if figure is not None and figures:
        drawing.save(drawing.stack(figures), figure)
    if failed:
        raise InputError(f"{failed} scans could not be shown, see above; expected none: the others were answered")


def _todo(path: Path, look: Look) -> Iterator[tuple[Item, str | None]]:
    """Every scan in every window. A mistake that can be seen is told now, before a model is loaded."""
    for window in look.windows:
        if not window.lower().startswith("file:"):
            parse_window(window)
    found = items(path, look.frame, look.slices, Console(stderr=True))
    first, windows = next(found), look.windows or (None,)
    if not is_collection(path):  # in a folder or archive, the others may be better
        opened = {window: first.open(window) for window in windows}
        for scan, window in opened.values():
            chosen_window(scan, window)  # raises for a window that is wrong
        first = Item(first.source, opened.__getitem__)
    return ((item, window) for item in chain((first,), found) for window in windows)


def _shot(fly: MedFly, item: Item, window: str | None) -> Shot | InputError:
    """The scan and what the model is shown of it, or why there is none: the next one goes on."""
    try:
        scan, window = item.open(window)
        return Shot(item.source, scan, window, fly.view(scan, window=window))
    except InputError as error:
        return error if item.source in str(error) else InputError(f"{item.source}: {error}")


def _told(fly: MedFly, shot: Shot, questions: Sequence[str], manner: Manner, as_json: bool) -> list[Answer]:
    """The answers about one shot, which have been printed."""
    console = Console(soft_wrap=False)
    if manner.stream:
        return _streamed(fly, shot, questions, manner, console)
    answers = []
    for answer in _answers(fly, shot, questions, manner):
        if as_json:  # in ASCII: whatever the terminal's encoding, the line is valid JSON
            print(json.dumps({"source": shot.name, **answer.to_dict()}, allow_nan=False), flush=True)
        else:
            if not answers:
                _show_head(shot, answer.provenance, console)
            _show(answer, shot.scan, console)
        answers.append(answer)
    return answers


def _figures(shot: Shot, answers: Sequence[Answer]) -> list[Image.Image]:
    assert shot.scan is not None  # --no_image and --save_figure do not go together
    picture, aspect = shot.scan.display(shot.window), shot.scan.pixel_aspect
    return [drawing.answer_figure(picture, answer, aspect=aspect) for answer in answers]


def _answers(fly: MedFly, shot: Shot, questions: Sequence[str], manner: Manner) -> Iterator[Answer]:
    options: dict[str, Any] = {"evidence": manner.evidence, "max_new_tokens": manner.max_new_tokens}
    if not manner.conversation:
        yield from fly.ask(shot.view, list(questions), **options)
        return
    chat = fly.chat(shot.view)
    for question in questions:
        yield chat.ask(question, **options)


def _streamed(fly: MedFly, shot: Shot, questions: Sequence[str], manner: Manner, console: Console) -> list[Answer]:
    """The answers, which have been shown while they came."""
    from medfly.conversation import Conversation  # not before the input is known to be good: it imports torch

    chat = fly.chat(shot.view)
    _show_head(shot, chat.prefix.provenance, console)
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
        _show_details(answer, shot.scan, console)
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


def _show_head(shot: Shot, facts: Mapping[str, Any], console: Console) -> None:
    """What was asked about, and whom."""
    console.print(Text(wording.RESEARCH_USE, style="bold yellow"))
    shown: list[str] = []
    if shot.scan is not None:
        console.print(Text(shot.name, style="bold"))
        shown = [wording.window_line(facts), *shot.scan.notes]
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


def _show_tally(questions: Sequence[str], said: Sequence[tuple[str, Answer]], console: Console) -> None:
    """Which answers were given how often: nothing is decided by a majority, the reader sees them all."""
    table = Table(title="all together", title_justify="left", title_style="bold", box=None, padding=(0, 2))
    for heading in ("question", "answer", "scans", "which"):
        table.add_column(heading, header_style="dim", overflow="fold")
    for question in questions:
        names: dict[str, list[str]] = {}
        for name, answer in said:
            if answer.question == question:
                names.setdefault(wording.answer_line(answer), []).append(name)
        for text, which in sorted(names.items(), key=lambda one: -len(one[1])):
            shown = "; ".join(which[:3]) + ("; …" if len(which) > 3 else "")
            table.add_row(Text(question), Text(text, style=ANSWER), str(len(which)), Text(shown, style="dim"))
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


def evidence_note(model: DragonflyForCausalLM, evidence: Wanted = True) -> str | None:
    """What to know before evidence is computed with a large model on a CPU; None where it is quick enough."""
    from medfly.evidence import attribution, occlusion

    if model.device.type != "cpu" or model.language_model.num_parameters() <= MANY_WEIGHTS:
        return None
    way = occlusion if evidence == "causal" else attribution
    return (
        f"evidence takes about {way.times_reading(model):.0f} times as long as reading the image, for each answer; "
        "--no_evidence leaves it out"
    )


def _check_no_image(words: Sequence[str], options: Mapping[str, Any]) -> None:
    for name in options:
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
