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
from rich.text import Text

from data_adapters.listing import is_collection
from medfly import drawing, wording
from medfly.ahead import ahead
from medfly.cli.model import ModelChoice, open_model
from medfly.cli.scans import Item, items
from medfly.cli.shown import (
    ANSWER,
    DEFERRED_ANSWER,
    show,
    show_deferral,
    show_details,
    show_head,
    show_question,
    show_tally,
)
from medfly.display import chosen_window, parse_window
from medfly.evidence import Wanted
from medfly.types import Answer, InputError, Scan

if TYPE_CHECKING:
    from medfly.dragonfly import DragonflyForCausalLM
    from medfly.engine import MedFly, View

MOST_FIGURES = 40
"""Answers in one picture: more than a JPEG can be high."""
MANY_WEIGHTS = 1_000_000_000
"""A decoder of more weights takes minutes a question on a CPU, and its evidence far longer."""


@dataclass(frozen=True)
class Manner:
    """How questions are asked. conversation: each sees those before it; stream: answers are printed as they come.

    sensitivity: every question is asked again under changes that should not matter (medfly.sensitivity).
    """

    conversation: bool = False
    stream: bool = False
    evidence: Wanted = True
    max_new_tokens: int = 64
    sensitivity: bool = False


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
    _check_sensitivity(manner, no_image)
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
        show_tally(questions, said, Console())
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
                show_head(shot.name, shot.scan, answer.provenance, console)
            show(answer, shot.scan, console)
        answers.append(answer)
    return answers


def _figures(shot: Shot, answers: Sequence[Answer]) -> list[Image.Image]:
    assert shot.scan is not None  # --no_image and --save_figure do not go together
    picture, aspect = shot.scan.display(shot.window), shot.scan.pixel_aspect
    return [drawing.answer_figure(picture, answer, aspect=aspect) for answer in answers]


def _answers(fly: MedFly, shot: Shot, questions: Sequence[str], manner: Manner) -> Iterator[Answer]:
    options: dict[str, Any] = {"evidence": manner.evidence, "max_new_tokens": manner.max_new_tokens}
    if not manner.conversation:
        answers = fly.ask(shot.view, list(questions), **options)
        yield from _varied(fly, shot, answers, manner) if manner.sensitivity else answers
        return
    chat = fly.chat(shot.view)
    for question in questions:
        yield chat.ask(question, **options)


def _varied(fly: MedFly, shot: Shot, answers: Sequence[Answer], manner: Manner) -> list[Answer]:
    """The answers with their variations. About 15 pictures are read: how far it is, is told on stderr."""
    from benchmarks.progress import progress
    from medfly.sensitivity import reads, with_variations

    assert shot.scan is not None  # --no_image and --sensitivity do not go together
    total = reads(shot.scan, [answer.question for answer in answers], shot.window)
    with progress("sensitivity", total) as advance:
        return with_variations(
            fly, shot.scan, answers, window=shot.window, max_new_tokens=manner.max_new_tokens, advance=advance
        )


def _streamed(fly: MedFly, shot: Shot, questions: Sequence[str], manner: Manner, console: Console) -> list[Answer]:
    """The answers, which have been shown while they came."""
    from medfly.conversation import Conversation  # not before the input is known to be good: it imports torch
    from medfly.trust import strangeness

    chat = fly.chat(shot.view)
    show_head(shot.name, shot.scan, chat.prefix.provenance, console)
    answers = []
    for question in questions:
        if not manner.conversation:  # each its own, about the image that was read once
            chat = Conversation(fly, chat.prefix)
        show_question(question, console)
        strange = wording.because(strangeness(fly, chat.prefix, question, later=bool(chat.answers)))
        show_deferral(strange, console)
        style = DEFERRED_ANSWER if strange else ANSWER
        answer = chat.ask(
            question,
            evidence=manner.evidence,
            max_new_tokens=manner.max_new_tokens,
            streamer=Printer(fly.text, console, style),
        )
        if not answer.text:
            console.print(Text("   " + wording.answer_line(answer), style=style))
        if not strange:
            show_deferral(wording.deferral_lines(answer), console)  # how sure it is, is known only behind its words
        show_details(answer, shot.scan, console)
        answers.append(answer)
    return answers


class Printer:
    """A streamer that prints an answer word by word. In the end, what it printed is the answer's text."""

    def __init__(self, text: Callable[[list[int]], str], console: Console, style: str = ANSWER) -> None:
        self.text = text
        self.console = console
        self.style = style
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
        self.console.out(text[len(self.printed) :], style=self.style, highlight=False, end="")
        self.printed = text


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


def _check_sensitivity(manner: Manner, no_image: bool) -> None:
    """Raises InputError for what cannot be asked again under changes."""
    wrong = {
        "--no_image": (no_image, "found no picture to change, expected one"),
        "--conversation": (manner.conversation, "found questions that hang on earlier answers, expected single ones"),
        "--stream": (manner.stream, "found answers to be printed as they come, expected whole ones"),
    }
    for option, (given, said) in wrong.items():
        if manner.sensitivity and given:
            raise InputError(f"--sensitivity and {option}: {said}: leave one off")


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
