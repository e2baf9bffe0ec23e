"""Agree, disagree, comment, export: what is clicked reaches the session and the log, and nothing else."""

from __future__ import annotations

import json
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app import texts
from app.failures import FailedError
from app.record import audit, audit_panel, comments
from app.session import SESSION, Session, Verdict

from .made_turns import NAME, answer, session, turn

TEXTS = texts.table("en")


def page() -> None:
    from app import session, texts
    from app.record import audit_panel

    now = session.current()
    for _, one in list(now.every()):
        audit_panel.verdict(now, one, texts.table("en"))
    audit_panel.exports(now, texts.table("en"))


@pytest.fixture
def path(tmp_path, monkeypatch) -> Path:
    """Of the log that the page is to keep."""
    monkeypatch.setenv(audit.VARIABLE, str(tmp_path / "audit.jsonl"))
    return tmp_path / "audit.jsonl"


def opened(made: Session) -> AppTest:
    test = AppTest.from_function(page, default_timeout=30)
    test.session_state[SESSION] = made
    test.run()
    assert not test.exception
    return test


def choose(test: AppTest, verdict: Verdict | None, index: int = 0) -> None:
    test.segmented_control[index].set_value(verdict).run()
    assert not test.exception


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


def only(made: Session):
    ((_, one),) = made.every()
    return one


def test_a_verdict_reaches_the_session_and_the_log_once(path) -> None:
    made = session()
    test = opened(made)
    assert [line["event"] for line in lines(path)] == ["log", "answer"]
    choose(test, "agree")
    test.run()
    assert only(made).verdict == "agree"
    choose(test, "disagree")
    choose(test, None)
    assert only(made).verdict is None and not test.error
    assert [line["verdict"] for line in lines(path)[2:]] == ["agree", "disagree", None]
    assert audit.check(path).whole


def test_each_turn_has_a_verdict_of_its_own(path) -> None:
    made = session(turn(), turn(answer=answer("yes")))
    choose(opened(made), "disagree", 1)
    assert [one.verdict for _, one in made.every()] == [None, "disagree"]
    assert lines(path)[-1]["turn"] == [one.id for _, one in made.every()][1]


def test_a_verdict_given_before_is_shown() -> None:
    test = opened(session(turn(verdict="disagree")))
    assert test.segmented_control[0].value == "disagree" and not test.error


def test_without_a_log_verdicts_stay_in_the_session(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv(audit.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    made = session()
    test = opened(made)
    choose(test, "agree")
    assert only(made).verdict == "agree" and not test.text_area and list(tmp_path.iterdir()) == []
    assert TEXTS["audit.logged"] not in [caption.value for caption in test.caption]


def test_a_verdict_that_cannot_be_kept_is_told_and_not_taken(path) -> None:
    made = session()
    test = opened(made)
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    choose(test, "agree")
    assert only(made).verdict is None and "was not kept" in test.error[0].value
    path.write_bytes(whole)
    test.run()
    assert only(made).verdict == "agree" and not test.error


def test_a_broken_log_is_told_before_the_answer(path) -> None:
    audit.open_log(path)
    path.write_text("words")
    test = AppTest.from_function(page, default_timeout=30)
    test.session_state[SESSION] = session()
    test.run()
    assert test.exception[0].message.startswith("audit log") and not test.segmented_control


def test_a_comment_is_kept_apart(path) -> None:
    made = session()
    test = opened(made)
    test.text_area[0].input(f"{NAME} moved <b>")
    test.button[0].click().run()
    assert not test.exception and test.success[0].value == TEXTS["audit.comment_kept"]
    assert test.text_area[0].value == ""
    (kept,) = lines(comments.comments_path(path))
    assert kept["comment"] == f"{NAME} moved <b>" and kept["turn"] == only(made).id
    assert NAME not in path.read_text() and [line["event"] for line in lines(path)] == ["log", "answer"]


def test_a_comment_that_cannot_be_kept_stays_in_its_box(path) -> None:
    test = opened(session())
    place = comments.comments_path(path)
    place.mkdir()
    test.text_area[0].input("lower")
    test.button[0].click().run()
    assert "cannot be written" in test.error[0].value and test.text_area[0].value == "lower"
    place.rmdir()
    test.button[0].click().run()
    assert test.success and not test.error and lines(place)[0]["comment"] == "lower"


def test_an_empty_comment(path) -> None:
    test = opened(session())
    test.button[0].click().run()
    assert "expected 1 to" in test.error[0].value.replace("\\", "")
    assert not comments.comments_path(path).exists()


@pytest.mark.parametrize("form", ["html", "pdf", "jsonl"])
def test_an_export_is_in_the_log_and_states_its_last_line(path, form) -> None:
    made, log = session(), audit.open_log(path)
    log.keep_up(made)
    tip = log.tip()
    data = audit_panel.made(made, form, log)
    line = lines(path)[-1]
    assert line["event"] == "export" and line["format"] == form and line["turns"] == 1
    assert form == "pdf" or str(tip) in data.decode()
    assert audit.check(path, [tip]).whole


def test_what_leaves_is_in_the_log_before(path) -> None:
    """Also an answer that was never looked at."""
    made, log = session(turn(), turn()), audit.open_log(path)
    audit_panel.made(made, "jsonl", log)
    assert [line["event"] for line in lines(path)] == ["log", "answer", "answer", "export"]


def test_a_download_that_fails_says_no_word(path, monkeypatch, capsys) -> None:
    """Streamlit makes it in a thread without a page, and logs in full what it raises."""
    monkeypatch.setattr(audit_panel.export, "as_html", failing)
    with pytest.raises(FailedError, match="ValueError") as raised, ThreadPoolExecutor(1) as pool:
        pool.submit(audit_panel.made, session(), "html", audit.open_log(path)).result()
    told = "".join(traceback.format_exception(raised.value)) + capsys.readouterr().err
    assert "medfly: ValueError at" in told and NAME not in told
    assert raised.value.__context__ is None


def test_a_comment_that_fails_by_medflys_own_fault_says_no_word(path, monkeypatch, capsys, caplog) -> None:
    test = opened(session())
    monkeypatch.setattr(audit_panel.comments, "add", failing)
    test.text_area[0].input("lower")
    test.button[0].click().run()
    assert not test.exception and len(test.error) == 1 and "ValueError" in test.error[0].value
    assert NAME not in caplog.text + capsys.readouterr().err + test.error[0].value


def failing(*_: object) -> None:
    raise ValueError(NAME)


def test_nothing_can_be_exported_before_the_first_answer(path) -> None:
    empty, full = opened(Session()), opened(session())
    assert [button.proto.disabled for button in empty.get("download_button")] == [True] * 3
    assert [button.proto.disabled for button in full.get("download_button")] == [False] * 3
    assert TEXTS["audit.export_none"] in [caption.value for caption in empty.caption]
