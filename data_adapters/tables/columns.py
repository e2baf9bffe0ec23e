"""Which column of a hospital's table holds what: by the user's word, else by the names that are common.

It knows names only, no cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from data_adapters.refusal import refusal

NAMES: Mapping[str, tuple[str, ...]] = {
    "image": ("image", "images", "imagepath", "imageurl", "imagename", "imgname", "imagefile", "img", "dicompath"),
    "question": ("question", "query", "prompt"),
    "answer": ("answer",),
    "answer_type": ("answertype",),
    "patient": ("patient", "patientid", "subject", "subjectid"),
    "study": ("study", "studyid", "studyinstanceuid"),
    "split": ("split",),
    "frame": ("frame", "frameindex"),
    "id": ("id", "qid", "questionid"),
}
"""What a column can hold → its common names, in small letters and without blanks, "_" and "-"."""


def parse_columns(text: str) -> dict[str, str]:
    """ "image=dcm_path,question=Frage" → {"image": "dcm_path", …}. Raises InputError for another form."""
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(role.strip() and column.strip() for role, _, column in pairs):
        raise refusal("columns of another form", "image=dcm_path,question=Frage", "write pairs with commas between")
    return {role.strip(): column.strip() for role, _, column in pairs}


def assign(header: Iterable[str], given: Mapping[str, str]) -> dict[str, str]:
    """What is held → column. Raises InputError for unknown, missing or ambiguous columns."""
    header = list(header)
    unknown = [role for role in given if role not in NAMES]
    if unknown:
        raise refusal(f"a column for {unknown[0]!r}", f"one for {', '.join(NAMES)}", "choose one of these")
    missing = [column for column in given.values() if column not in header]
    if missing:
        raise refusal(f"no column {missing[0]!r}", f"one of {told(header, given)}", "name one of these")
    return dict(given) | {
        role: found for role, names in NAMES.items() if role not in given and (found := _common(role, names, header))
    }


def told(header: Iterable[str], given: Mapping[str, str]) -> str:
    """The columns for a message: by name only where at least one name is known, for without a header the first
    row's cells would stand there, and they may be a patient's.
    """
    header = list(header)
    known = {name for names in NAMES.values() for name in names}
    if any(_plain(column) in known or column in given.values() for column in header):
        return ", ".join(header)
    return f"its {len(header)} columns, none of a common name; the first row must hold the columns' names"


def _plain(column: str) -> str:
    return "".join(c for c in column.lower() if c not in " _-")


def _common(role: str, names: tuple[str, ...], header: list[str]) -> str | None:
    found = [column for column in header if _plain(column) in names]
    if len(found) > 1:
        raise refusal(f"columns {', '.join(found)}", f"one for the {role}", f"say which: {role}={found[0]}")
    return found[0] if found else None
