"""What a page shows of a Job while it waits for it: a bar or a line, and a button that cancels it.

This module knows neither models nor questions.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape

import streamlit as st
from streamlit.runtime import get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app.failures import told
from app.jobs import Job
from app.texts import Texts

EVERY = 0.4
"""Seconds between two looks."""


@st.fragment(run_every=EVERY)
def waiting(job: Job, texts: Texts, key: str) -> None:
    """Looks at the job again and again; when it has ended, the whole page is drawn anew.

    A job of several parts counts them by done, from 0, and total.
    """
    with told(texts):
        if job.ended:
            st.rerun()
        left, right = st.columns([4, 1], vertical_alignment="center")
        left.html(f'<div role="status">{escape(_line(job, texts))}</div>')
        if right.button(texts["comparing.cancel"], key=f"{key}-cancel"):
            job.cancel()
            st.rerun()


def _line(job: Job, texts: Texts) -> str:
    """What is being done now, in words."""
    now = job.told
    stage = "reading" if now.stage == "waiting" and not now.before else now.stage
    line = texts[f"comparing.{stage}"].format(count=now.before)
    if now.total:
        line = texts["comparing.working"].format(stage=line.rstrip(" …") + " …", side=now.done + 1)
    return line


def alive() -> Callable[[], bool]:
    """Whether this page is still there, to be asked from any thread. A reloaded page is another one."""
    context = get_script_run_ctx()
    return (lambda: True) if context is None else partial(get_instance().is_active_session, context.session_id)
