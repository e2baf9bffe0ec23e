"""The page with all its parts joined, run by Streamlit's own tester without a browser; tests/browser has one."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

import app
from app.asking import answering, pending
from app.session import SESSION, Session
from app.texts import table
from medfly.wording import RESEARCH_USE

from .made_studies import SECRET, series

PAGE = Path(str(app.__file__)).parent / "viewer.py"
QUESTION = "Is the *lung* <b>healthy</b>?"
ENGLISH, GERMAN = table("en"), table("de")


@pytest.fixture
def page(tiny_model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    series(tmp_path / "studies", 3)
    (tmp_path / "studies" / "cut.dcm").write_bytes(b"no image")
    monkeypatch.setenv("MEDFLY_MODEL", str(tiny_model))
    monkeypatch.setenv("MEDFLY_STUDIES", str(tmp_path / "studies"))
    monkeypatch.setenv("MEDFLY_AUDIT", str(tmp_path / "audit.jsonl"))
    monkeypatch.setattr(answering, "LONGEST", 4)  # tokens: the random model never ends by itself
    return AppTest.from_file(str(PAGE), default_timeout=60).run()


def html(page: AppTest) -> str:
    """What was drawn, without styles."""
    return " ".join(element.proto.body.split("</style>")[-1] for element in page.get("html"))


def button(page: AppTest, label: str) -> Any:
    (found,) = [one for one in page.button if one.label == label]
    return found


def asked(page: AppTest, question: str) -> AppTest:
    (box,) = [one for one in page.text_input if one.label == ENGLISH["asking.question"] and "asking" in str(one.key)]
    box.set_value(question)
    button(page, ENGLISH["asking.ask"]).click().run()
    until = time.monotonic() + 60
    while page.run() and pending.JOB in page.session_state:
        assert time.monotonic() < until and not page.exception
        page.session_state[pending.JOB].wait(1)
    return page.run()


def test_banner_series_and_canvas(page: AppTest) -> None:
    assert not page.exception and not page.error
    assert RESEARCH_USE in html(page)
    assert len(page.get("bidi_component")) == 1, "one series is open, in one canvas"
    assert SECRET not in str(page)


def test_an_answer_is_in_the_audit_log_before_it_is_shown(page: AppTest, tmp_path: Path) -> None:
    asked(page, QUESTION)
    assert not page.exception and not page.error
    words = html(page)
    assert "Is the *lung* &lt;b&gt;healthy&lt;/b&gt;?" in words and "<b>healthy" not in words
    session: Session = page.session_state[SESSION]
    ((_, turn),) = session.every()
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text("utf-8").splitlines()]
    assert [turn.id in json.dumps(line) for line in lines].count(True) == 1
    assert "lung" not in (tmp_path / "audit.jsonl").read_text("utf-8")
    (verdict,) = [one for one in page.get("button_group") if turn.id in str(one.key)]
    verdict.set_value("agree").run()
    ((_, turn),) = page.session_state[SESSION].every()
    assert turn.verdict == "agree" and '"agree"' in (tmp_path / "audit.jsonl").read_text("utf-8")


def test_an_empty_question_is_one_line(page: AppTest) -> None:
    asked(page, "   ")
    assert not page.exception
    assert len(page.error) == 1 and "empty question" in page.error[0].value
    assert RESEARCH_USE in html(page)


def test_the_whole_page_in_german(page: AppTest) -> None:
    (language,) = [one for one in page.selectbox if one.label == ENGLISH["frame.language"]]
    language.set_value("de").run()
    assert not page.exception and not page.error
    assert GERMAN["frame.research_use"] in html(page) and button(page, GERMAN["asking.ask"])


def test_a_folder_without_images_says_so(tiny_model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("no image")
    monkeypatch.setenv("MEDFLY_MODEL", str(tiny_model))
    monkeypatch.setenv("MEDFLY_STUDIES", str(tmp_path / "empty"))
    page = AppTest.from_file(str(PAGE), default_timeout=60).run()
    assert not page.exception and not page.get("bidi_component")
    assert ENGLISH["frame.nothing_open"] in " ".join(one.value for one in page.info)


@pytest.mark.parametrize("damaged", [(1,), (0, 1), (0, 1, 2)])
def test_damaged_slices_leave_the_others_on_the_canvas(
    tiny_model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: tuple[int, ...]
) -> None:
    """The middle one of three is shown first; its header is whole, and its pixels are cut short."""
    paths = series(tmp_path / "studies", 3)
    monkeypatch.setenv("MEDFLY_MODEL", str(tiny_model))
    monkeypatch.setenv("MEDFLY_STUDIES", str(tmp_path / "studies"))
    for number in damaged:
        content = paths[number].read_bytes()
        paths[number].write_bytes(content[:-300])
    page = AppTest.from_file(str(PAGE), default_timeout=60).run()
    assert not page.exception
    assert len(page.get("bidi_component")) == (0 if len(damaged) == 3 else 1)
    assert len(page.error) >= 1, "the panel says why it cannot ask about this one"
