"""What readers remark on answers, in their own words. As words may name a patient, they are kept apart from the audit
log, in a file beside it that only its owner may read, by the turn's random id.

The file is no chain: whoever is responsible for it can take a line out of it, as the law may ask, and the audit log
stays whole. This module knows no answers and no Streamlit.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.record.chain import grow, locked
from medfly.types import InputError

LONGEST = 4000
"""Letters of a comment."""
EXPECTED = 'expected {"at": …, "comment": …, "turn": …}: take the line out'


@dataclass(frozen=True)
class Comment:
    """turn: the id of the turn that it is about. at: UTC. text: the reader's own words, as written."""

    turn: str
    at: datetime
    text: str


def comments_path(audit_log: Path) -> Path:
    """Where the comments to the turns of an audit log are kept."""
    return audit_log.with_name(f"{audit_log.name}.comments")


def add(path: Path, turn: str, text: str) -> Comment:
    """Keep one more; a turn may have several. text: 1 to LONGEST letters around which blanks are cut off.

    Raises InputError for another length and where it cannot be written.
    """
    text = text.strip()
    if not 0 < len(text) <= LONGEST:
        raise InputError(f"a comment of {len(text)} letters; expected 1 to {LONGEST}: write {_how(text)}")
    comment = Comment(turn, datetime.now(UTC), text)
    line = json.dumps({"at": comment.at.isoformat(), "turn": turn, "comment": text})
    with locked(path):
        grow(path, _end(path) + line.encode() + b"\n")
    return comment


def read(path: Path) -> Iterator[Comment]:
    """All comments, oldest first; none where there is no file. Raises InputError for a line that is none."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                values = json.loads(line)
                yield Comment(str(values["turn"]), datetime.fromisoformat(values["at"]), str(values["comment"]))
            except (ValueError, TypeError, KeyError, RecursionError):
                raise InputError(f"comments {str(path)!r}: found no comment in line {number}; {EXPECTED}") from None


def _how(text: str) -> str:
    return "less" if text else "something"


def _end(path: Path) -> bytes:
    """What ends a last line that was cut short, so that it spoils no other."""
    try:
        with path.open("rb") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                return b"" if file.read() == b"\n" else b"\n"
    except OSError:  # none yet; what else is wrong with it, writing tells
        pass
    return b""
