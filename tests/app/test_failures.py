"""A failure on the page: the user's mistake in full, MedFly's own without a word of what a file says."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from app import failures

NAME = "Doe^Jane"


def failing(kind: str) -> None:
    import streamlit as st

    from app.failures import told
    from app.texts import table
    from medfly.types import InputError

    with told(table()):
        if kind == "input":
            raise InputError("window 5: *found* [one] number; expected two: add the level")
        if kind == "stop":
            st.stop()
        if kind == "own":
            raise ValueError("PatientName Doe^Jane cannot be decoded")
    st.write("the rest of the page")


def test_an_input_error_is_shown_as_it_is_written() -> None:
    page = AppTest.from_function(failing, args=("input",)).run()
    assert page.error[0].value.replace("\\", "") == "window 5: *found* [one] number; expected two: add the level"
    assert [text.value for text in page.markdown] == ["the rest of the page"]


def test_a_failure_of_our_own_says_no_word_of_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    page = AppTest.from_function(failing, args=("own",)).run()
    assert "ValueError" in page.error[0].value
    log = capsys.readouterr().err
    assert "medfly: ValueError at" in log and "failing" in log
    assert NAME not in log + page.error[0].value
    assert not page.exception


def fragments(kind: str) -> None:
    """Each part of a page that Streamlit runs by itself, with something in it that fails."""
    import numpy as np
    import streamlit as st

    from app import asking, failures, pane, waiting
    from app.jobs import Job
    from app.session import Session
    from app.texts import table
    from medfly.types import Scan

    def failing(*_: object, **__: object) -> None:
        raise ValueError("Doe^Jane")

    texts, job = table(), Job(lambda job: None)
    job.wait()
    if kind == "progress":
        asking._progress(job, "series", texts, Session())
    elif kind == "waiting":
        job._ended.is_set = failing  # type: ignore[method-assign]
        waiting.waiting(job, texts, "key")
    elif kind == "pane":
        pane._drawn(Scan(np.zeros((4, 4))), failing, "series", "key", 100, texts)  # type: ignore[arg-type]
    else:
        st.button("press", on_click=failures.guarded(failing))
    st.write("the rest of the page")


@pytest.mark.parametrize("kind", ["progress", "waiting", "pane", "callback"])
def test_what_streamlit_runs_by_itself_says_no_word_either(
    kind: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.asking.pending.collect", raising)
    page = AppTest.from_function(fragments, args=(kind,)).run()
    if kind == "callback":
        page.button[0].click().run()
    assert not page.exception and len(page.error) == 1 and "ValueError" in page.error[0].value
    assert page.markdown[-1].value == "the rest of the page"
    assert NAME not in caplog.text + capsys.readouterr().err + page.error[0].value


def raising(*_: object) -> None:
    raise ValueError(NAME)


def test_stopping_is_no_failure() -> None:
    page = AppTest.from_function(failing, args=("stop",)).run()
    assert not page.error and not page.markdown and not page.exception


def test_a_place_names_where_and_not_what() -> None:
    def inner(patient: str) -> None:
        raise KeyError(patient)

    try:
        inner(NAME)
    except KeyError as error:
        line = failures.place(error)
    assert line.startswith("medfly: KeyError at app/test_failures.py:") and " inner < " in line
    assert NAME not in line


@pytest.mark.parametrize("text", ["*a*", "a_b_c", "$x$ [link](y) :red[z]", "1. <b>", "a\\b"])
def test_plain_text_loses_no_letter(text: str) -> None:
    from markdown_it import MarkdownIt

    shown = MarkdownIt().parseInline(failures.plain(text))[0].children or []
    assert "".join(token.content for token in shown) == text
