"""What readers remark on answers, in their own words. As words may name a patient, they are kept apart from the audit
log, in a file beside it that only its owner may read, by the turn's random id.

The file is no chain: whoever is responsible for it can take a line out of it, as the law may ask, and the audit log
stays whole. This module knows no answers and no Streamlit.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from app.record.chain import grow, locked
from medfly.types import InputError

LONGEST = 4000
"""Letters of a comment."""


def comments_path(audit_log: Path) -> Path:
    """Where the comments to the turns of an audit log are kept."""
    return audit_log.with_name(f"{audit_log.name}.comments")


def add(path: Path, turn: str, text: str) -> None:
    """Keep one more, as a line of JSON with the time in UTC; a turn may have several.

    text: the reader's own words, 1 to LONGEST letters; blanks around them are cut off.

    Raises InputError for another length and where it cannot be written.
    """
    text = text.strip()
    if not 0 < len(text) <= LONGEST:
        raise InputError(f"a comment of {len(text)} letters; expected 1 to {LONGEST}: write {_how(text)}")
    line = json.dumps({"at": datetime.now(UTC).isoformat(), "turn": turn, "comment": text})
    with locked(path):
        grow(path, _end(path) + line.encode() + b"\n")


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
