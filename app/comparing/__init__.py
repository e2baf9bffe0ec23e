"""Two windows or two models, one question: both answers side by side, each beside what it looked at.

Both are asked one after the other in a job; between the two the model is free for others. What is compared is in
app.comparing.differences, who is compared in app.comparing.sides. Questions and answers stay in the session's memory,
beside its history and so in no export; the audit log, where there is one, has both answers before they are shown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape

import streamlit as st

from app import models
from app.asking import answer_card, pending
from app.asking.answering import Subject, answer
from app.comparing.differences import difference
from app.comparing.sides import Side, check, controls
from app.failures import plain, told
from app.jobs import Job
from app.models import Kept
from app.pane import pane
from app.record.audit_panel import note
from app.session import Turn, current, key
from app.texts import Texts
from app.waiting import alive, waiting
from medfly.drawing import OPACITY
from medfly.types import Answer, Scan, VoiLut, Window


@dataclass(frozen=True, eq=False)
class About:
    """What a job is about; beside any other scan, frame or sides its result is not shown."""

    scan: tuple[str, int]
    sides: tuple[Side, Side]

    def same(self, other: About) -> bool:
        return self.scan == other.scan and all(map(Side.same, self.sides, other.sides))


def panel(
    series: str,
    scan: Scan,
    texts: Texts,
    *,
    seen: Window | VoiLut | None = None,
) -> None:
    """Draw it for the frame that is open; failures are told there, in one line.

    series: its key, as the canvas and the history have it. seen: the window as it is set in the viewer, None where it
    is not.
    """
    with told(texts):
        sides = controls(series, scan, seen, texts)
        if sides is None:
            st.info(plain(texts["comparing.too_few"]))
            return
        about = About((scan.input_hash, scan.frame), sides)
        place = key("comparing", "job", series)
        with st.form(key("comparing", "form", series), border=False):
            question = st.text_input(texts["comparing.question"], key=key("comparing", "question", series))
            asked = st.form_submit_button(texts["comparing.ask"], type="primary")
        if asked:
            check(sides, texts)
            _start(place, scan, question, about)
        _show(st.session_state.get(place), series, scan, about, texts)


def _start(place: str, scan: Scan, question: str, about: About) -> None:
    """In the place of one that is still at work."""
    before: Job | None = st.session_state.get(place)
    if before is not None:
        before.cancel()
    st.session_state[place] = Job(lambda job: both(scan, question, about.sides, job), about=about, alive=alive())


def both(scan: Scan, question: str, sides: tuple[Side, Side], job: Job) -> tuple[Turn, Turn]:
    """The answers with their evidence, the left side's first. Raises InputError, and Cancelled by the job."""
    found = []
    for number, side in enumerate(sides):
        job.tell(stage="loading", done=number, total=len(sides))
        subject = Subject(scan, side.window)
        turn = replace(pending.asked(subject, question), picture=pending.seen(subject))
        shared = models.load(side.model)
        job.tell(stage="waiting")
        found.append(replace(turn, answer=answer(shared, subject, question, (), Kept(), job)))
    return found[0], found[1]


def _show(job: Job | None, series: str, scan: Scan, about: About, texts: Texts) -> None:
    """What there is of it: still at work, failed, or two answers. Raises InputError where the audit log is broken."""
    if job is None or not about.same(job.about):
        return
    if not job.ended:
        waiting(job, texts, key("comparing", series))
    elif job.error is not None:
        st.error(plain(job.error))
    elif job.result is None:
        st.caption(texts["comparing.cancelled"])
    else:
        for turn in job.result:
            note(current(), turn)
        _side_by_side((job.result[0].answer, job.result[1].answer), series, scan, about, texts)


def _side_by_side(answers: tuple[Answer, Answer], series: str, scan: Scan, about: About, texts: Texts) -> None:
    st.html(f"{answer_card.STYLE}{summary(answers, scan, texts)}")
    opacity = None
    if st.toggle(texts["comparing.heat"], key=key("comparing", "heat", series)):
        opacity = OPACITY
    for number, column in enumerate(st.columns(2)):
        side, given = about.sides[number], answers[number]
        own = f"{series} {'right' if number else 'left'} {scan.input_hash} {scan.frame} {side.shown}"
        with column:
            st.markdown(f"**{plain(side.called)}**")
            where = key("comparing", "canvas", number, series)
            pane(scan, given, texts, series=own, key=where, window=side.window, opacity=opacity)
            st.html(answer_card.html(given, own, texts, spacing=scan.spacing))


def summary(answers: tuple[Answer, Answer], scan: Scan, texts: Texts) -> str:
    """HTML: whether both say the same, and how much of their evidence lies in the same places."""
    found = difference(*answers, scan.size)
    line = texts["comparing.same_answer" if found.same else "comparing.other_answer"]
    where = texts["comparing.not_shared"]
    if found.shared is not None:
        where = texts["comparing.shared"].format(share=f"{100 * found.shared:.0f}")
    return (
        f'<div class="medfly-card" role="status"><p><b>{"=" if found.same else "≠"} {escape(line)}</b></p>'
        f'<p class="small">{escape(where)}</p></div>'
    )
