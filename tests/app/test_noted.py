"""Every answer is in the audit log before anything of it is drawn, whatever the page shows when it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.asking import pending
from app.record import audit

from .test_asking import QUESTION, ask, button, finished, html, page, session

__all__ = ["page"]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(audit.VARIABLE, str(tmp_path / "audit.jsonl"))
    return tmp_path / "audit.jsonl"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


def test_an_answer_that_ends_while_another_series_is_shown(page: AppTest, log: Path) -> None:
    page.text_input[0].set_value(QUESTION)
    button(page, "Ask").click().run()
    page.session_state["sample"] = 1
    finished(page)
    assert not page.exception and page.session_state["shown"] is None
    ((_, turn),) = session(page).every()
    assert [line.get("turn") for line in lines(log)] == [None, turn.id]


def test_an_answer_asked_again_under_changes(page: AppTest, log: Path) -> None:
    ask(page, "Is the liver healthy?")
    button(page, "Ask again under changes that should not matter").click().run()
    finished(page)
    ((_, turn),) = session(page).every()
    assert [line.get("variations") for line in lines(log)] == [None, 0, len(turn.answer.variations)]


def test_what_a_broken_log_cannot_take_is_not_shown(page: AppTest, log: Path) -> None:
    ask(page, "Is the liver healthy?")
    (before,) = session(page).every()
    log.write_bytes(log.read_bytes()[:-5])
    ask(page, QUESTION)
    assert not page.exception and len(page.error) == 1 and "not whole" in page.error[0].value
    assert list(session(page).every()) == [before] and page.session_state["shown"].turn is before[1]
    assert "healthy&lt;/b&gt;" not in html(page)
    button(page, "Ask again under changes that should not matter").click().run()
    finished(page)
    assert list(session(page).every()) == [before] and "not whole" in page.error[0].value


def test_nothing_of_an_answer_is_in_the_session_before_its_line(
    page: AppTest, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there: list[int] = []
    monkeypatch.setattr(pending, "note", lambda session, turn: there.append(len(list(session.every()))))
    ask(page, QUESTION)
    ask(page, "Why?")
    assert there == [0, 1] and len(list(session(page).every())) == 2
