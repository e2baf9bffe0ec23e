"""What one session has open, asked and corrected of one run; in the server's memory, and gone with the page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import streamlit as st

from app.jobs import Job
from app.runs.corrections import Correction
from app.runs.folder import Run
from app.session import key
from app.texts import Texts
from medfly.types import Answer, InputError

if TYPE_CHECKING:
    from medfly.engine import MedFly


@dataclass(eq=False)
class State:
    """number: of the open question, −1 before any. picked: the table's last selection, so that it is obeyed once.

    asked: number → the answer with its evidence, asked for on demand. job: that asks for one now, of the number in its
    `about`. corrections: by number.
    """

    number: int = -1
    picked: tuple[int, ...] = ()
    asked: dict[int, Answer] = field(default_factory=dict)
    job: Job | None = None
    corrections: dict[int, Correction] = field(default_factory=dict)


def current(run: Run) -> State:
    """This session's for this run; the first call makes it."""
    known = st.session_state.setdefault(key("runs", "state"), {})
    return known.setdefault(run.mark, State())


def same_model(run: Run, fly: MedFly, texts: Texts) -> None:
    """Raises InputError where the run's answers are another model's. What was chosen beside it, a precision or a GPU,
    stands behind a "+" in the run's hash and may be another here."""
    if run.model_hash.split("+")[0] != fly.hash:
        own, other = (f"{name} {digest[:12]}" for name, digest in ((fly.name, fly.hash), (run.model, run.model_hash)))
        raise InputError(texts["runs.other_model"].format(run=other, own=own, name=run.model))
