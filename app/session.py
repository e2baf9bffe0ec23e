"""What one session of the viewer knows, and the one place that names its keys in st.session_state.

A session is one open page. It lives in the server's memory and ends with the page; nothing here writes or logs. The
dataclasses know no Streamlit and no model, so that the audit log and the exports can read them; `current` and the
functions behind it are the only way to st.session_state.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np

from app.texts import Language
from medfly.types import Answer, Box

Verdict = Literal["agree", "disagree"]
SESSION = "medfly-session"
"""The key of the Session itself; all others are made by `key`."""


def new_id() -> str:
    """Random, 128 bits as hexadecimal: it says nothing about who or when."""
    return secrets.token_hex(16)


@dataclass(frozen=True, eq=False)
class Turn:
    """One question and its answer, with what was shown when it was asked.

    id: random. answer: its boxes are source pixels of the whole frame, also where a region was asked about.
    picture: [H, W, 3] uint8, the whole frame as it was shown; it may be a read-only view of one grey plane.
    frame: 0-based. window: in words (medfly.wording.window_line). region: the part that the model saw, or None for all.
    asked_at: UTC. scan_hash: of the file (Scan.input_hash). context: modality and body part in words, no patient data.
    aspect: height of a pixel over its width. spacing: millimetres between rows and columns, or None.
    """

    id: str
    answer: Answer
    frame: int
    window: str
    region: Box | None
    asked_at: datetime
    scan_hash: str
    context: str
    picture: np.ndarray
    verdict: Verdict | None = None
    aspect: float = 1.0
    spacing: tuple[float, float] | None = None


@dataclass(frozen=True)
class Session:
    """id: random hex. language: of the page's own texts. history: series key → its turns, oldest first."""

    id: str = field(default_factory=new_id)
    language: Language = "en"
    history: dict[str, list[Turn]] = field(default_factory=dict)

    def turns(self, series: str) -> tuple[Turn, ...]:
        """A series' turns, oldest first."""
        return tuple(self.history.get(series, ()))

    def every(self) -> Iterator[tuple[str, Turn]]:
        """All turns with their series, in the order in which they were asked."""
        pairs = [(series, turn) for series, turns in self.history.items() for turn in turns]
        yield from sorted(pairs, key=lambda pair: pair[1].asked_at)

    def add(self, series: str, turn: Turn) -> None:
        self.history.setdefault(series, []).append(turn)

    def change(self, turn_id: str, **changes: Any) -> Turn:
        """The turn with these fields changed, in its place. Raises KeyError where there is no such turn."""
        for turns in self.history.values():
            for index, turn in enumerate(turns):
                if turn.id == turn_id:
                    turns[index] = replace(turn, **changes)
                    return turns[index]
        raise KeyError(turn_id)

    def forget(self, series: str) -> None:
        self.history.pop(series, None)


def now() -> datetime:
    return datetime.now(UTC)


def current() -> Session:
    """This page's session; the first call makes it."""
    import streamlit as st

    return st.session_state.setdefault(SESSION, Session())


def speak(language: Language) -> Session:
    """This page's session in another language, history and all."""
    import streamlit as st

    st.session_state[SESSION] = replace(current(), language=language)
    return st.session_state[SESSION]


def key(area: str, *parts: object) -> str:
    """A key of st.session_state or of a widget that no other area has: key("asking", "question", series)."""
    return "-".join(["medfly", area, *map(str, parts)])
