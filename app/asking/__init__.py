"""The panel that asks: questions to begin with, the question box, the answer as it comes, and the answers so far.

It draws, and starts jobs (pending.py). What an answer shows on the scan, the page asks of `shown` before it draws
the canvas. Only the card of an answer that is being made draws itself anew several times a second, so that the rest of
the page, canvas and all, stays free to be used meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from app.asking import answer_card, answers, pending, regions
from app.asking.answering import Subject
from app.asking.answers import Shown, shown, wanted_frame
from app.asking.suggestions import suggestions
from app.failures import guarded, plain, told
from app.jobs import Job
from app.session import Session, Turn, key
from app.studies.opened import Opened
from medfly import wording
from medfly.display import chosen_window
from medfly.types import Box, InputError, Level, Scan, VoiLut, Window

__all__ = ["Shown", "panel", "shown", "wanted_frame"]

Texts = Mapping[str, str]
Drawn = Callable[[Turn], object]
EVERY = 0.2
"""Seconds between two looks at an answer that is being made."""
LONGEST = 2000
"""Letters of a question."""


def panel(
    opened: Opened,
    scan: Scan,
    window: Window | VoiLut | str | None,
    region: Box | None,
    texts: Texts,
    session: Session,
    *,
    crop: tuple[Level, int] | None = None,
    below: Drawn = lambda turn: None,
) -> None:
    """Draw the panel. scan: the frame that is looked at, in this window. region: drawn by the user, source pixels.

    crop: the one clicked last. below: draws what stands under a turn.
    """
    if pending.collect(session):
        st.rerun()  # the scan has been drawn without it
    st.html(answer_card.STYLE)
    try:
        subject = _subject(scan, window, region, texts)
        _ask(opened.key, subject, texts, session)
    except InputError as error:  # such as a region of three pixels
        st.error(plain(str(error)))
    if message := pending.failed():
        st.error(plain(message))
    if (job := pending.job()) is not None:
        _progress(job, opened.key, texts, session)
    turn = pending.chosen(session, opened.key)
    if turn is not None:
        answers.card(opened.key, turn, texts)
        below(turn)
        answers.more(opened.key, turn, scan, texts, crop)
        answers.others(opened.key, turn, texts, session)


def _subject(scan: Scan, window: Window | VoiLut | str | None, region: Box | None, texts: Texts) -> Subject:
    """What would be asked about. The window is chosen from the whole frame, so that a region is seen as it is shown."""
    chosen = chosen_window(scan, window if scan.pixels.ndim == 2 else None)
    if region is None:
        return Subject(scan, chosen)
    pixels = regions.whole_pixels(region, scan.size)
    label = texts["asking.only_region"].format(box=wording.box_line(pixels))
    if st.checkbox(plain(label), value=True, key=key("asking", "only_region")):
        return Subject(scan, chosen, pixels)
    return Subject(scan, chosen)


def _ask(series: str, subject: Subject, texts: Texts, session: Session) -> None:
    """The question box and the suggestions; what is asked begins at once."""
    busy = pending.job() is not None
    with st.form(key("asking", "form", series), border=False):
        question = st.text_input(
            texts["asking.question"],
            placeholder=texts["asking.placeholder"],
            max_chars=LONGEST,
            key=key("asking", "question", series),
        )
        asked = st.form_submit_button(texts["asking.ask"], type="primary", disabled=busy)
    earlier = _earlier_turns(series, subject, texts, session)
    suggested = _suggested(series, subject.scan, texts, folded=bool(busy or session.turns(series)))
    if not busy and (asked or suggested):
        pending.ask(session, series, subject, suggested or question, earlier)


def _suggested(series: str, scan: Scan, texts: Texts, *, folded: bool) -> str | None:
    """The suggestion that was pressed. folded: the answers need the place."""
    pressed = None
    with st.expander(texts["asking.suggested"], expanded=not folded), st.container(horizontal=True, gap="small"):
        for number, suggested in enumerate(suggestions(scan)):
            if st.button(plain(suggested), key=key("asking", "suggested", series, number)):
                pressed = suggested
    return pressed


def _earlier_turns(series: str, subject: Subject, texts: Texts, session: Session) -> list[tuple[str, str]]:
    """The questions and answers that this one follows, if the user wants that: those about the same picture."""
    turns = [turn for turn in session.turns(series) if _about(turn, subject)]
    if not turns:
        return []
    wanted = st.checkbox(
        texts["asking.follow_up"], help=texts["asking.follow_up_help"], key=key("asking", "follow_up", series)
    )
    return [(turn.answer.question, turn.answer.text) for turn in turns] if wanted else []


def _about(turn: Turn, subject: Subject) -> bool:
    """Whether the model was shown the very same."""
    return answers.same_frame(turn, subject.scan) and (pending.window_of(turn), turn.region) == (
        subject.window,
        subject.region,
    )


@st.fragment(run_every=EVERY)
def _progress(job: Job, series: str, texts: Texts, session: Session) -> None:
    """The answer that is being made; when it is done, the whole page is drawn anew, for the scan shows it too."""
    with told(texts):
        if pending.collect(session) or pending.job() is not job:  # the canvas may have collected it first
            st.rerun()
        if job.about.series != series:
            st.caption(texts["asking.elsewhere"])
        else:
            _so_far(job, texts)
        st.button(texts["asking.cancel"], key=key("asking", "cancel"), on_click=guarded(job.cancel))


def _so_far(job: Job, texts: Texts) -> None:
    """The words of an answer, or how many steps are done."""
    now, turn = job.told, job.about.turn
    if job.about.kind != "answer":
        share = now.done / now.total if now.total else 0.0
        st.progress(min(share, 1.0), text=plain(_status(job, texts)))
        return
    words, strange = now.words, now.strange or ()
    if now.answer:  # how sure it is, is known by now
        words, strange = now.answer.text, wording.deferral_lines(now.answer)
    if strange:
        strange = (texts["asking.deferred"], *strange[1:])
    about = answers.about(turn, texts)
    st.html(answer_card.streaming(turn.answer.question, strange, words, _status(job, texts), about))


def _status(job: Job, texts: Texts) -> str:
    """What is being done now, in words."""
    now = job.told
    if now.stage == "looking" and now.total:
        return texts["asking.looking_counted"].format(done=now.done, total=now.total)
    return texts[f"asking.{now.stage}"].format(before=now.before)
