"""A page that is closed: what Streamlit calls then is called here for the session that AppTest names."""

from __future__ import annotations

import time
from typing import Any

import pytest
from streamlit.runtime.caching import clear_session_resource_cache
from streamlit.testing.v1 import AppTest

from app import leaving
from app.session import SESSION

HELD: list[Any] = []
"""What the page of the last test had."""


def script() -> None:
    import streamlit as st

    from app import leaving, session
    from app.jobs import Job
    from app.models import Kept
    from tests.app import test_leaving
    from tests.app.made_turns import turn

    here = session.current()
    leaving.watch()
    if "job" not in st.session_state:
        here.add("series", turn())
        st.session_state["job"] = Job(lambda job: job.wait(30))
        st.session_state["kept"] = Kept((0, "of"), "read")  # type: ignore[arg-type]
        test_leaving.HELD[:] = [here, st.session_state["job"], st.session_state["kept"]]
    st.text_input("question", "Is Doe^Jane ill?", key="question")
    st.write("there" if here.history else "gone")


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setattr(leaving, "_grace", lambda: 0.2)
    monkeypatch.setattr(leaving, "alive", lambda: lambda: False)
    return AppTest.from_function(script, default_timeout=30).run()


def gone() -> bool:
    session, job, kept = HELD
    return not session.history and job.cancelled and kept.prefix is kept.of is None


def test_history_jobs_and_what_was_read_go(page: AppTest) -> None:
    assert not page.exception and not gone()
    state = page.session_state[leaving.PAGE]._context.session_state
    clear_session_resource_cache("test session id")
    end = time.monotonic() + 10
    while state.filtered_state and time.monotonic() < end:
        time.sleep(0.05)
    assert gone() and not state.filtered_state, "not even the words of the question"


def test_a_page_that_comes_back_loses_nothing(page: AppTest) -> None:
    clear_session_resource_cache("test session id")
    page.run()
    time.sleep(0.5)
    assert not gone() and page.run().markdown[-1].value == "there" and SESSION in page.session_state


def test_nor_does_one_whose_script_has_not_run_yet(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    page.session_state[leaving.PAGE]._alive = lambda: True
    clear_session_resource_cache("test session id")
    time.sleep(0.5)
    assert not gone()
