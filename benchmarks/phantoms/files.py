"""A data set of phantoms on disk, in the form of a hospital's own, with the truth beside it.

    questions.csv   image, question, answer, answer_type, split, id, patient, body, topic
    dataset.yaml    for `medfly eval --tasks institutional` and data_adapters.institutional
    images/*.png    8-bit grey
    truth.json      {"images": {name: {"body", "split", "things": [{"kind", "box", "diameter", …}]}},
                     "questions": {id: [box, …]}}

Boxes are (x0, y0, x1, y1) in source pixels, half-open. A question's boxes are those of its cause: none where the answer
is "no" or "0". The same arguments give the same bytes, with the same versions of NumPy and Pillow.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.phantoms.design import Planned
from benchmarks.phantoms.phantom import boxes, render
from medfly.types import InputError
from medfly.writing import whole

COLUMNS = ("image", "question", "answer", "answer_type", "split", "id", "patient", "body", "topic")
SETTINGS = """name: phantoms
table: questions.csv
subgroups: [body, topic]
source: made by benchmarks.phantoms
licence: none needed; drawn by a program
"""
Progress = Callable[[int, int], None]


def write(planned: list[Planned], folder: Path, progress: Progress = lambda done, total: None) -> None:
    """The whole data set. Raises InputError where the folder holds something already, or cannot be written."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise InputError(f"{str(folder)!r}: found something there already; expected an empty folder: choose another")
    try:
        (folder / "images").mkdir(parents=True, exist_ok=True)
        for done, one in enumerate(planned, 1):
            Image.fromarray(render(one.phantom)).save(folder / image_name(one))
            progress(done, len(planned))
        (folder / "dataset.yaml").write_text(SETTINGS, "utf-8")
        (folder / "truth.json").write_text(json.dumps(truth(planned), indent=1) + "\n", "utf-8")
        with whole(folder / "questions.csv") as partial:  # last: without it there is no data set
            partial.write_text(table(planned), "utf-8", newline="")
    except OSError as error:
        raise InputError(f"{str(folder)!r}: cannot be written ({error.strerror}); choose another place") from None


def image_name(one: Planned) -> str:
    return f"images/{one.name}"


def table(planned: list[Planned]) -> str:
    """questions.csv as text."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, one in enumerate(planned):
        for question in one.questions():
            key = question_id(one, question.topic)
            words = question.text, question.answer, question.answer_type
            writer.writerow((image_name(one), *words, one.split, key, f"P{number}", one.phantom.body, question.topic))
    return buffer.getvalue()


def truth(planned: list[Planned]) -> dict[str, Any]:
    """truth.json as a value."""
    images, questions = {}, {}
    for one in planned:
        things = zip(one.phantom.things, boxes(one.phantom), strict=True)
        told = [{"box": list(box), **thing.to_dict()} for thing, box in things]
        images[image_name(one)] = {"body": one.phantom.body, "split": one.split, "things": told}
        for question in one.questions():
            causes = boxes(one.phantom, question.cause)
            questions[question_id(one, question.topic)] = [list(box) for box in causes]
    return {"images": images, "questions": questions}


def question_id(one: Planned, topic: str) -> str:
    return f"{one.name.removesuffix('.png')}-{topic}"
