"""What the columns of a record mean: one small reader for each form that tools write predictions in.

    ours         id, image, question, answer, answer_type, prediction, confidence
    bare rows    qid | question_id | id, and prediction | pred | response | model_answer | text
    LLaVA        question_id, prompt, text, answer_id, model_id, metadata
                 (microsoft/LLaVA-Med, llava/eval/model_vqa_med.py, ad758b6)
    lm-eval      doc_id, doc, target, resps, filtered_resps, filter; lmms-eval leaves out doc, and writes the prompt as
                 input (EleutherAI/lm-evaluation-harness, lm_eval/loggers/evaluation_tracker.py, 034ab03;
                 EvolvingLMMs-Lab/lmms-eval, lmms_eval/loggers/evaluation_tracker.py, 0716c69)
    MedEvalKit   question, answer, response, lang, without an id: a row's number is all there is
                 (alibaba-damo-academy/MedEvalKit, utils/SLAKE/SLAKE.py and utils/base_dataset.py, 9b12e3b)

The reader is chosen by the first record's columns. Values are handed on as they are; nothing is checked here that
needs the split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.submissions.files import Record, files_of, records
from medfly.types import InputError

IDS = ("qid", "question_id", "id")
PREDICTIONS = ("prediction", "pred", "response", "model_answer", "text")
QUESTIONS = ("question", "prompt", "input")
LM_EVAL = ("doc_id", "doc", "target", "resps", "filtered_resps", "filter")
COLUMNS = (*IDS, *PREDICTIONS, *QUESTIONS, "answer", "confidence", "evidence", "lang", *LM_EVAL)


class Entry(NamedTuple):
    """One row, its values unchecked: any may be of any type.

    place: file and line, for messages. id: the data set's own; None where the row has none. number: 0-based place of
    the question in the split, where that is all that tells; None where there is an id, or neither.
    question: the words that were put to the model; the question is to be among them. answer: gold, as the file has it.
    typed: whether the id's type means something. language: of the question, where the file says. evidence: as our own
    files have it (benchmarks.predictions).
    """

    place: str
    id: Any
    number: Any
    prediction: Any
    confidence: Any = None
    question: Any = None
    answer: Any = None
    typed: bool = True
    language: Any = None
    evidence: Any = None


Reader = Callable[[Record], Entry]


def entries(path: Path, encoding: str | None, *, partial: bool, warnings: list[str]) -> Iterator[Entry]:
    """All rows of a file or of a run's folder. See `records` for partial and warnings. Raises InputError."""
    files = files_of(path)
    filters: set[str] = set()
    for file in files:
        read = None
        for record in records(file, COLUMNS, encoding, partial=partial, warnings=warnings):
            read = read or _reader(record, file, warnings)
            filters.add(str(record.cells.get("filter")))
            if len(filters) > 1:
                raise InputError(
                    f"{file}, {record.place}: found the output of a second filter; expected one answer a question: "
                    "keep the rows of one filter"
                )
            try:
                entry = read(record)
            except KeyError as missing:
                raise InputError(
                    f"{file}, {record.place}: found no {missing.args[0]}; expected it as in the first row: add it, or "
                    "null where there is none"
                ) from None
            yield entry._replace(place=f"{file.name} {entry.place}") if len(files) > 1 else entry


def _reader(record: Record, file: Path, warnings: list[str]) -> Reader:
    """The reader for a file that begins with this record."""
    cells = record.cells
    if "doc_id" in cells and ("filtered_resps" in cells or "resps" in cells):
        return _lm_eval
    predictions = [name for name in PREDICTIONS if name in cells]
    name = next((name for name in IDS if name in cells), None)
    if not predictions:
        hint = ": if answer is the model's, call it prediction" if "answer" in cells else ": name it so"
        raise InputError(f"{file}: found no column of predictions; expected one of {', '.join(PREDICTIONS)}{hint}")
    if name is None and "question" not in cells:
        raise InputError(
            f"{file}: found no column of ids; expected one of {', '.join(IDS)}, or question, with the rows in the "
            "split's order: add it"
        )
    if len(predictions) > 1:
        warnings.append(f"of the columns {' and '.join(predictions)}, {predictions[0]} is scored")
    return _rows(name, predictions[0])


def _rows(id_name: str | None, prediction: str) -> Reader:
    """Ours, bare rows, LLaVA's and MedEvalKit's differ in the names of columns only."""

    def read(record: Record) -> Entry:
        cells = record.cells
        return Entry(
            place=record.place,
            id=None if id_name is None else cells[id_name],
            number=None,
            prediction=cells[prediction],
            confidence=cells.get("confidence"),
            question=_first(cells, QUESTIONS),
            answer=cells.get("answer"),
            typed=record.typed,
            language=cells.get("lang"),
            evidence=cells.get("evidence"),
        )

    return read


def _lm_eval(record: Record) -> Entry:
    """What is scored is what the harness's filter left of the response."""
    cells = record.cells
    doc = cells.get("doc")
    doc = doc if isinstance(doc, Mapping) else {}
    own = _first(doc, IDS[:2])  # a doc's "id" may be anything
    response = cells.get("filtered_resps")
    if response is None:
        response = cells["resps"]
    while isinstance(response, list) and len(response) == 1:
        response = response[0]
    return Entry(
        place=record.place,
        id=own,
        number=cells["doc_id"] if own is None else None,
        prediction=None if response == [] else response,
        question=_first({**cells, **doc}, QUESTIONS),
        answer=cells.get("target"),
    )


def _first(cells: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((cells[name] for name in names if cells.get(name) is not None), None)
