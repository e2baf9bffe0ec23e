"""The audit log: which answer was given to which scan by which model and what its reader said, without patient data.

Questions and answers stand in it as keyed hashes only: few words are easily guessed from a plain hash, so the key lies
beside the log, in NAME.key, and who is given the log alone learns nothing from it. With both one can show that a
question was this one. Numbers, hashes, dates and the names of models and programs are all that is written; what could
be free text, such as a window's source or a reason for deferral, is left out. Remarks of readers are kept by
app/record/comments.py.

chain.py makes the lines a chain and says what that proves: order and completeness up to the last line that is
there, and no more. This module knows no Streamlit.

    python -m app.record.audit LOG [LINE:HASH …]    # is it whole, and does it hold the lines that exports state?
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import secrets
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from app.record.chain import PRIVATE, Tip, append, begin, check, locked, parse_tip, tail
from app.session import Session, Turn, Verdict
from medfly.types import InputError
from medfly.writing import whole

__all__ = ["VARIABLE", "Log", "Tip", "check", "main", "open_log", "parse_tip"]

VARIABLE = "MEDFLY_AUDIT"
"""The environment's name for the log's path, set by `medfly app --audit_log`; without it there is no log."""
FORMAT = 1
KEY_BYTES = 32
DECODED = "decoded by "
"""How a scan's note names the program that decoded its pixels, see data_adapters/dicom/file.py."""
READERS = (
    *("pydicom", "pillow", "pylibjpeg", "pylibjpeg-openjpeg", "pyjpegls", "imagecodecs"),
    *("nibabel", "tifffile", "openslide-python", "numpy"),
)
"""What takes part in reading files; a compressed frame's note names the one of them that decoded it."""
VERSIONS = ("medfly", "torch", "transformers", "openai")
MODELS = ("mini",)
"""MedFly's own, by name (medfly.dragonfly.hub.BUILT_IN, which takes seconds to import)."""
WORD = re.compile(r"[\w.+#-]{1,128}", re.ASCII)
PUT_BACK = "expected the log's own: put it back, or give another path"

Format = Literal["html", "pdf", "jsonl"]


class Log:
    """An audit log that may be written to; threads and processes may share it. Made by `open_log`.

    Every method returns when its line is safely on the disk. They raise InputError where it cannot be written: then
    nothing should be shown that the log ought to know.
    """

    def __init__(self, path: Path, key: bytes) -> None:
        self.path = path
        self._key = key
        self._noted: set[tuple[str, int]] = set()
        self._turn = threading.Lock()

    def answered(self, session: str, turn: Turn) -> None:
        """An answer was given, or asked again under changes. A second call for the same turn and as many changes does
        nothing, so that it may stand where a page is drawn anew."""
        with self._turn:
            noted = turn.id, len(turn.answer.variations)
            if noted not in self._noted:
                self._write("answer", session, {**_of_turn(turn), **self._of_answer(turn)})
                self._noted.add(noted)

    def keep_up(self, session: Session) -> None:
        """`answered` for every turn of a session."""
        for _, turn in session.every():
            self.answered(session.id, turn)

    def judged(self, session: str, turn: Turn, verdict: Verdict | None) -> None:
        """A reader agreed or disagreed, or took that back (None)."""
        said = {"answer": self.fingerprint("answer", turn.id, turn.answer.text), "verdict": verdict}
        self._write("verdict", session, {"turn": _word(turn.id), **said})

    def exported(self, session: str, turns: int, form: Format, data: bytes) -> None:
        """So many turns left as a file with these bytes, which are known by their SHA-256."""
        self._write("export", session, {"turns": turns, "format": form, "file": hashlib.sha256(data).hexdigest()})

    def tip(self) -> Tip:
        """Of the last line, for keeping elsewhere."""
        with locked(self.path):
            return tail(self.path)

    def fingerprint(self, kind: Literal["question", "answer"], turn: str, text: str) -> str:
        """The keyed hash under which a turn's text stands in this log: HMAC-SHA-256 over kind, turn and text in UTF-8
        with zero bytes between them. The turn is in it so that equal answers do not look equal."""
        message = f"{kind}\0{turn}\0{text}".encode("utf-8", "surrogatepass")
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()

    def _of_answer(self, turn: Turn) -> dict[str, Any]:
        answer, trust = turn.answer, turn.answer.trust
        return {
            "question": self.fingerprint("question", turn.id, answer.question),
            "answer": self.fingerprint("answer", turn.id, answer.text),
            "confidence": _number(answer.confidence),
            "trust": {"deferred": trust.deferred, "likely_right": _number(trust.likely_right)} if trust else None,
            "variations": len(answer.variations),
            "flips": len(answer.flips),
            **_of_provenance(answer.provenance),
        }

    def _write(self, event: str, session: str, fields: Mapping[str, Any]) -> None:
        append(self.path, {"at": _time(datetime.now(UTC)), "event": event, "session": _word(session), **fields})


def open_log(path: Path) -> Log:
    """The log at `path`, made with its key where there is none. A log that is there is checked from end to end.

    Raises InputError for a broken log, a missing or strange key, and a place that cannot be written.
    """
    try:
        _check_place(path)
    except OSError as error:
        raise InputError(f"audit log {str(path)!r}: no place for it ({error.strerror}); choose another path") from None
    key = _key(path)
    about = hashlib.sha256(key).hexdigest()
    if begin(path, {"event": "log", "format": FORMAT, "key": about}).get("key") != about:
        raise InputError(f"audit log {str(path)!r}: found the key of another log in {key_path(path).name}; {PUT_BACK}")
    return Log(path, key)


def _check_place(path: Path) -> None:
    """Raises InputError for a folder, a folder that is missing, and a log that is broken."""
    if path.is_dir():
        raise InputError(f"audit log {str(path)!r}: found a folder; expected a file: name a file in it")
    if not path.parent.is_dir():
        raise InputError(f"audit log {str(path)!r}: no folder {str(path.parent)!r}; expected one: make it first")
    if path.exists() and not (checked := check(path)).whole:
        raise InputError(
            f"audit log {str(path)!r}: line {checked.broken} {checked.found}; expected a whole log: keep it apart as "
            "it is and give another path"
        )


def key_path(path: Path) -> Path:
    """Where the key of the log at `path` lies."""
    return path.with_name(f"{path.name}.key")


def _key(path: Path) -> bytes:
    """The log's key; a log without lines gets a new one. Raises InputError."""
    place = key_path(path)
    try:
        if not place.exists():
            if path.exists() and path.stat().st_size:
                raise InputError(f"audit log {str(path)!r}: found no {place.name} beside it; {PUT_BACK}")
            with whole(place, anew=True) as partial:  # of two processes that begin at once, one makes it
                partial.touch(PRIVATE)
                partial.write_text(secrets.token_hex(KEY_BYTES), encoding="ascii")
        key = bytes.fromhex(place.read_text(encoding="ascii"))
    except ValueError:
        key = b""
    except OSError as error:
        raise InputError(f"audit log {str(path)!r}: its key failed ({error.strerror}); choose another folder") from None
    if len(key) != KEY_BYTES:
        raise InputError(f"audit log {str(path)!r}: found no key in {place.name}; {PUT_BACK}")
    return key


def _of_turn(turn: Turn) -> dict[str, Any]:
    """What was shown, and how its pixels were read."""
    notes = turn.answer.provenance.get("notes") or ()
    decoder = next((name for name in READERS if f"{DECODED}{name}" in notes), None)
    return {
        "turn": _word(turn.id),
        "asked_at": _time(turn.asked_at),
        "input": _word(turn.scan_hash),
        "frame": turn.frame,
        "region": [_number(edge) for edge in turn.region] if turn.region else None,
        "picture": hashlib.sha256(np.ascontiguousarray(turn.picture).data).hexdigest(),
        "decoder": decoder,
        "readers": _readers(),
    }


def _of_provenance(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Window and model. A window's source is words, a folder or a repository may be named after anyone: both are left
    out, and such a model goes by its hash alone."""
    window, versions = provenance.get("window"), provenance.get("versions") or {}
    shown = ("center", "width", "function", "first", "entries", "bits")
    model = str(provenance.get("model") or "")
    return {
        "window": {name: _plain(window[name]) for name in shown if name in window} if window else None,
        "model": model if model in MODELS else None,
        "model_hash": _word(provenance.get("model_hash")),
        "precision": _word(provenance.get("precision")),
        "versions": {name: _word(versions[name]) for name in VERSIONS if name in versions},
    }


@cache
def _readers() -> dict[str, str]:
    """The versions of what reads files here."""
    found = {}
    for name in READERS:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _plain(value: Any) -> float | int | str | None:
    return _word(value) if isinstance(value, str) else _number(value)


def _number(value: Any) -> float | int | None:
    """A finite number of Python's own; None for anything else."""
    if isinstance(value, int):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _word(value: object) -> str | None:
    """A hash, a name or a version; None for anything that could be a text."""
    text = str(value or "")
    return text if WORD.fullmatch(text) else None


def _time(moment: datetime) -> str:
    """UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 of a whole log, 1 of a broken one, 2 where the input was at fault."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if not given:
            raise InputError("no log was given: python -m app.record.audit LOG [LINE:HASH …]")
        checked = check(Path(given[0]), [parse_tip(text) for text in given[1:]])
    except InputError as error:
        print(f"medfly: {error}", file=sys.stderr)
        return 2
    if not checked.whole:
        print(f"broken: line {checked.broken} {checked.found}")
        return 1
    print(f"whole up to its last line, {checked.tip}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
