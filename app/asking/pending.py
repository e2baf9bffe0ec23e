"""The one job of a session: started, looked at, and what came of it put into the session's history.

It holds in st.session_state what the history does not: the job, the window objects of the answers, checks of single
crops, and the last failure. Questions and answers go nowhere else. An answer is in the audit log, where there is one,
before it is in the history, and so before any of its evidence can be drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import streamlit as st

from app import models
from app.asking import answering
from app.asking.answering import Check, Subject
from app.failures import guarded
from app.jobs import Job
from app.models import Kept
from app.record.audit_panel import note
from app.session import Session, Turn, key, new_id, now
from app.waiting import alive
from medfly import wording
from medfly.provenance import of_scan
from medfly.types import Answer, InputError, Level, VoiLut, Window

Kind = Literal["answer", "variations", "check"]
JOB, FAILED, KEPT = key("asking", "job"), key("asking", "failed"), key("asking", "kept")
WINDOWS, CHECKS, CHOSEN = key("asking", "windows"), key("asking", "checks"), key("asking", "chosen")


@dataclass(frozen=True, eq=False)
class About:
    """What a job is for. turn: the one that it makes (its answer still empty) or is about."""

    kind: Kind
    series: str
    turn: Turn
    window: Window | VoiLut | None


def job() -> Job | None:
    """The job that is running or has not been looked at."""
    return st.session_state.get(JOB)


def ask(session: Session, series: str, subject: Subject, question: str, earlier: list[tuple[str, str]]) -> None:
    """Start to answer. A picture is kept once for all turns that show it."""
    turn = asked(subject, question)
    turn = replace(turn, picture=_picture(session, series, subject, turn))
    work = partial(_with_model, partial(_answer, subject, question, earlier, _kept()))
    _start(work, About("answer", series, turn, subject.window))


def asked(subject: Subject, question: str) -> Turn:
    """A turn that has neither its answer nor its picture yet."""
    scan = subject.scan
    return Turn(
        id=new_id(),
        answer=Answer(question, ""),
        frame=scan.frame,
        window=wording.window_line(of_scan(scan, subject.window)),
        region=subject.region,
        asked_at=now(),
        scan_hash=scan.input_hash,
        context=" · ".join(part for part in (scan.modality, scan.body_part) if part) or "–",
        picture=np.empty(0),
        aspect=scan.pixel_aspect,
        spacing=scan.spacing,
    )


@guarded
def vary(series: str, turn: Turn, subject: Subject) -> None:
    """Start to ask again under changes."""
    work = partial(_with_model, lambda shared, job: answering.varied(shared, subject, turn.answer, job))
    _start(work, About("variations", series, turn, subject.window))


@guarded
def check(series: str, turn: Turn, subject: Subject, crop: tuple[Level, int]) -> None:
    """Start to ask again without one crop."""
    kept = _kept()
    work = partial(_with_model, lambda shared, job: answering.check(shared, subject, turn.answer, crop, kept, job))
    _start(work, About("check", series, turn, subject.window))


def collect(session: Session) -> bool:
    """Put what the job made into the session, if it ended or was cancelled; whether there was anything to do.

    Of an answer that was cancelled behind its words, the words stay, without evidence. An answer that the audit log
    cannot take is not kept either; `failed` says why.
    """
    found = job()
    if found is None or not (found.ended or found.cancelled):
        return False
    del st.session_state[JOB]
    about: About = found.about
    result = found.result
    if result is None and about.kind == "answer":
        result = found.told.answer
    if found.error:
        fail(found.error)
    if result is not None:
        try:
            _record(session, about, result)
        except InputError as error:
            fail(str(error))
    return True


def fail(message: str) -> None:
    """A line for the user, shown until the next question."""
    st.session_state[FAILED] = message


def failed() -> str | None:
    return st.session_state.get(FAILED)


def checks(turn: Turn) -> tuple[Check, ...]:
    """Of this answer, what was answered without single crops."""
    return tuple(st.session_state.get(CHECKS, {}).get(turn.id, {}).values())


def window_of(turn: Turn) -> Window | VoiLut | None:
    """The window that the model was shown."""
    return st.session_state.get(WINDOWS, {}).get(turn.id)


def choose(series: str, turn: Turn) -> None:
    """Show this turn on the scan."""
    st.session_state.setdefault(CHOSEN, {})[series] = turn.id


def chosen(session: Session, series: str) -> Turn | None:
    """The turn that is shown on the scan: the one chosen, else the newest."""
    turns = session.turns(series)
    wanted = st.session_state.get(CHOSEN, {}).get(series)
    return next((turn for turn in turns if turn.id == wanted), turns[-1] if turns else None)


@guarded
def forget(session: Session, series: str) -> None:
    """All answers about a series, and what is kept for them."""
    for turn in session.turns(series):
        for name in (WINDOWS, CHECKS):
            st.session_state.get(name, {}).pop(turn.id, None)
    session.forget(series)


def _record(session: Session, about: About, result: Any) -> None:
    """Into the audit log and then into the session. Raises InputError where the log is broken: then into neither."""
    if about.kind == "answer":
        turn = replace(about.turn, answer=result)
        note(session, turn)
        session.add(about.series, turn)
        st.session_state.setdefault(WINDOWS, {})[about.turn.id] = about.window
        choose(about.series, about.turn)
        return
    now_there = {turn.id: turn for turn in session.turns(about.series)}
    if about.turn.id not in now_there:
        return  # forgotten meanwhile
    if about.kind == "variations":
        note(session, replace(now_there[about.turn.id], answer=result))
        session.change(about.turn.id, answer=result)
    else:
        crops = st.session_state.setdefault(CHECKS, {}).setdefault(about.turn.id, {})
        crops[result.level, result.crop] = result


def _start(work: partial, about: About) -> None:
    if job() is not None:
        return  # one at a time: a second click while the page is drawn anew
    st.session_state.pop(FAILED, None)
    st.session_state[JOB] = Job(work, about=about, alive=alive())


def _with_model(work: Any, job: Job) -> Any:
    """The work with the model, which may have to be loaded first."""
    job.tell(stage="loading")
    shared = models.load(models.chosen())
    job.tell(stage="reading")
    return work(shared, job)


def _answer(
    subject: Subject, question: str, earlier: list[tuple[str, str]], kept: Kept, shared: models.Shared, job: Job
) -> Answer:
    return answering.answer(shared, subject, question, earlier, kept, job)


def _kept() -> Kept:
    """This session's; it goes with it."""
    return st.session_state.setdefault(KEPT, Kept())


def _picture(session: Session, series: str, subject: Subject, turn: Turn) -> np.ndarray:
    """[H, W, 3] uint8, the frame as it is shown: that of an earlier turn, or a new one."""
    for other in session.turns(series):
        if same_picture(other, turn) and window_of(other) == subject.window:
            return other.picture
    return seen(subject)


def seen(subject: Subject) -> np.ndarray:
    """[H, W, 3] uint8, the whole frame in its window; a grey one is held once and seen three times."""
    picture = subject.scan.display(subject.window)
    if (picture == picture[..., :1]).all():
        grey = np.ascontiguousarray(picture[..., 0])
        return np.broadcast_to(grey[..., None], picture.shape)
    return picture


def same_picture(one: Turn, other: Turn) -> bool:
    """Whether both are about the same frame in the same window, whatever the region."""
    return (one.scan_hash, one.frame, one.window) == (other.scan_hash, other.frame, other.window)
