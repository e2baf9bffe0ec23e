"""Below an answer: agree, disagree, comment; below a session: its export. Here the viewer meets its audit log.

All is drawn from the Session that is handed in, and written through audit.py, comments.py and export.py beside it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import streamlit as st

from app.failures import guarded, plain
from app.record import comments, export
from app.record.audit import VARIABLE, Format, Log, open_log
from app.session import Session, Turn, Verdict, key
from medfly.types import InputError

CHOICES: tuple[Verdict, ...] = ("agree", "disagree")
MIME: Mapping[Format, str] = {"html": "text/html", "pdf": "application/pdf", "jsonl": "application/x-ndjson"}


def current_log() -> Log | None:
    """This server's audit log; None where none was asked for. Raises InputError where it is broken."""
    path = os.environ.get(VARIABLE)
    return _opened(path) if path else None


def note(session: Session, turn: Turn) -> None:
    """Put an answer into the log, if there is one, before it is shown; twice is once. Raises InputError."""
    if log := current_log():
        log.answered(session.id, turn)


def verdict(session: Session, turn: Turn, texts: Mapping[str, str]) -> None:
    """Agree, disagree and, where there is a log, a comment. Raises InputError where the log is broken."""
    note(session, turn)
    place = key("audit", "verdict", turn.id)
    st.session_state.setdefault(place, turn.verdict)  # the turn's, after it was out of sight
    chosen = st.segmented_control(
        texts["audit.verdict"], CHOICES, format_func=lambda choice: texts[f"audit.{choice}"], key=place
    )
    if chosen != turn.verdict:
        try:
            judge(session, turn, chosen)
        except InputError as error:
            st.error(plain(texts["audit.not_kept"].format(why=error)))
    if log := current_log():
        _comment(log, turn, texts)


def judge(session: Session, turn: Turn, chosen: Verdict | None) -> Turn:
    """The turn with this verdict, in the session and before that in the log. Raises InputError; then neither has it."""
    if log := current_log():
        log.judged(session.id, turn, chosen)
    return session.change(turn.id, verdict=chosen)


def exports(session: Session, texts: Mapping[str, str]) -> None:
    """Three downloads of the whole session; each is made when it is asked for. Raises InputError."""
    log = current_log()
    empty = not any(session.history.values())
    st.caption(texts["audit.export_none" if empty else "audit.export_what"])
    with st.container(horizontal=True):
        for form, mime in MIME.items():
            _download(session, form, mime, log, texts, disabled=empty)
    if log:
        st.caption(texts["audit.logged"])


def _download(
    session: Session, form: Format, mime: str, log: Log | None, texts: Mapping[str, str], *, disabled: bool
) -> None:
    st.download_button(
        texts[f"audit.as_{form}"],
        partial(made, session, form, log),
        export.file_name(session, form),
        mime,
        key=key("audit", "export", form),
        on_click="ignore",
        disabled=disabled,
    )


@guarded
def made(session: Session, form: Format, log: Log | None) -> bytes:
    """The export's bytes, which the log knows from then on; of the session as it is now. Raises InputError."""
    session = replace(session, history={series: list(turns) for series, turns in session.history.items()})
    if log:
        log.keep_up(session)  # nothing leaves that it does not know
    tip = log.tip() if log else None
    makers = {"html": export.as_html, "pdf": export.as_pdf, "jsonl": export.as_json_lines}
    text = makers[form](session, tip)
    data = text if isinstance(text, bytes) else text.encode()
    if log:
        log.exported(session.id, len(export.entries(session)), form, data)
    return data


def _comment(log: Log, turn: Turn, texts: Mapping[str, str]) -> None:
    words, told = key("audit", "words", turn.id), key("audit", "told", turn.id)
    with st.expander(texts["audit.comment"]), st.form(key("audit", "comment", turn.id), border=False):
        st.text_area(texts["audit.comment"], max_chars=comments.LONGEST, key=words, label_visibility="collapsed")
        st.caption(texts["audit.comment_where"])
        st.form_submit_button(texts["audit.comment_keep"], on_click=_keep, args=(log, turn, words, told))
        if (error := st.session_state.pop(told, None)) is None:
            return
        if error:
            st.error(plain(error))
        else:
            st.success(texts["audit.comment_kept"])


@guarded
def _keep(log: Log, turn: Turn, words: str, told: str) -> None:
    """Before the page is drawn anew: what was kept leaves the box, what was not stays in it."""
    try:
        comments.add(comments.comments_path(log.path), turn.id, st.session_state[words])
    except InputError as error:
        st.session_state[told] = str(error)
    else:
        st.session_state[words] = st.session_state[told] = ""


@st.cache_resource(show_spinner=False)
def _opened(path: str) -> Log:
    """One for all sessions of this server."""
    return open_log(Path(path))
