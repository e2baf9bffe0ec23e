"""A closed page leaves nothing in the server's memory: questions, answers, pictures, and what a model has read for it.

Streamlit keeps a page whose connection ended for as long as it may come back, but drops it only when another page's
connection ends, which may be never. Of the end of a connection it gives one word: it releases the session's caches.
Uploads, which are on the disk, hear the same word in app/studies/uploading.py.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import streamlit as st
from streamlit.runtime import exists, get_instance
from streamlit.runtime.scriptrunner import add_script_run_ctx, get_script_run_ctx

from app.jobs import Job
from app.models import Kept
from app.session import Session, key
from app.waiting import alive

PAGE = key("leaving", "page")
SOONER = 1.0
"""Seconds before Streamlit's own time is over: behind it, a page can no longer be closed, only found and dropped."""


def watch() -> None:
    """To be called in every run of the whole page."""
    page: Page = st.session_state.setdefault(PAGE, Page())
    page.back(get_script_run_ctx(), alive())
    _presence(id(page), page)


@st.cache_resource(scope="session", show_spinner=False, on_release=lambda page: page.left(_grace()))
def _presence(number: int, _page: Page) -> Page:
    return _page


def _grace() -> float:
    """Seconds for which a lost connection may come back."""
    return max(float(st.get_option("server.disconnectedSessionTTL")) - SOONER, 0.0)


class Page:
    """One page, which ends when it has been left for some time and is not back by then."""

    def __init__(self) -> None:
        self._context: Any = None
        self._alive: Callable[[], bool] = lambda: True
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: threading.Timer | None = None

    def back(self, context: Any, alive: Callable[[], bool]) -> None:
        """context: Streamlit's of this run, by which a thread reaches the session's state."""
        self._context, self._alive = context, alive
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def left(self, seconds: float) -> None:
        """Its connection ended. Called by Streamlit in its own loop."""
        with suppress(RuntimeError):  # no loop: a test
            self._loop = asyncio.get_running_loop()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        add_script_run_ctx(self._timer, self._context)
        self._timer.start()

    def _end(self) -> None:
        """Parts of the page that run by themselves hold scans and answers; what was sent, Streamlit drops at close."""
        if self._alive():
            return  # it is back, and its script has not run yet
        for value in list(st.session_state.to_dict().values()):
            _drop(value)
        st.session_state.clear()
        self._context.fragment_storage.clear()  # as Streamlit's own loop holds the last page for as long as it is idle
        if self._loop is not None and exists():
            self._loop.call_soon_threadsafe(get_instance().close_session, self._context.session_id)


def _drop(value: object) -> None:
    """What others may still hold for a while, such as a job's thread or a part of the page."""
    if isinstance(value, Session):
        value.history.clear()
    elif isinstance(value, Job):
        value.cancel()
    elif isinstance(value, Kept):
        value.drop()
