"""The panel, run by Streamlit's own tester with a tiny random model on one of pydicom's scans."""

from __future__ import annotations

import time
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.asking import answering, pending
from app.session import SESSION, Session
from medfly.wording import CAVEAT

QUESTION = "Is the *lung* <b>healthy</b>?"


def script() -> None:
    """A page of the panel alone. What the canvas would say comes from st.session_state."""
    import dataclasses

    import streamlit as st

    from app import asking, session
    from app.studies.opened import samples
    from app.texts import table

    state = st.session_state
    opened = samples()[state.get("sample", 0)]
    scan = opened.open()
    if not hasattr(scan, "pixels"):
        scan = scan[0]
    scan = dataclasses.replace(scan, frame=state.get("frame", 0))
    mine = session.current()
    state["shown"] = asking.shown(mine, opened.key)
    state["went"] = asking.wanted_frame(opened.key, state.get("obeyed"))
    state["key"] = opened.key
    asking.panel(
        opened,
        scan,
        state.get("window"),
        state.get("region"),
        table(mine.language),
        mine,
        below=lambda turn: st.caption(f"below {turn.id}"),
    )


@pytest.fixture
def page(tiny_model, monkeypatch) -> AppTest:
    monkeypatch.setenv("MEDFLY_MODEL", str(tiny_model))
    monkeypatch.setattr(answering, "LONGEST", 4)  # tokens: the random model never ends by itself
    return AppTest.from_function(script, default_timeout=60).run()


def html(page: AppTest) -> str:
    words = [element.proto.body for element in page.get("html")]
    return " ".join(one for one in words if "<style>" not in one)


def session(page: AppTest) -> Session:
    return page.session_state[SESSION]


def button(page: AppTest, label: str) -> Any:
    (found,) = [one for one in page.button if one.label.replace("\\", "") == label]
    return found


def finished(page: AppTest) -> AppTest:
    """Until no job is left, as the page looks again and again."""
    end = time.monotonic() + 60
    while page.run() and pending.JOB in page.session_state:
        assert time.monotonic() < end
        assert not page.exception
        page.session_state[pending.JOB].wait(1)
    return page.run()


def ask(page: AppTest, question: str) -> AppTest:
    page.text_input[0].set_value(question)
    button(page, "Ask").click().run()
    return finished(page)


def test_a_question_its_answer_and_its_crops(page: AppTest) -> None:
    assert page.session_state["shown"] is None and not page.exception
    ask(page, QUESTION)
    assert not page.exception and not page.error
    ((series, turn),) = session(page).every()
    assert series == page.session_state["key"] and turn.answer.question == QUESTION
    said = html(page)
    assert "Is the *lung* &lt;b&gt;healthy&lt;/b&gt;?" in said and said.count('data-medfly-crop="') == 3
    assert CAVEAT in said and "not judged" in said
    shown = page.session_state["shown"]
    assert shown.turn is turn and len(shown.crops) == 3 and shown.grid == () and shown.heat is None
    assert turn.picture.shape == (turn.answer.provenance["size"][1], turn.answer.provenance["size"][0], 3)
    assert f"below {turn.id}" in [caption.value for caption in page.caption]


def test_a_suggested_question_is_asked_at_once_and_answers_stand_newest_first(page: AppTest) -> None:
    button(page, "Is the liver healthy?").click().run()
    finished(page)
    ask(page, "Where is it?")
    first, second = session(page).turns(page.session_state["key"])
    assert (first.answer.question, second.answer.question) == ("Is the liver healthy?", "Where is it?")
    assert first.picture is second.picture  # kept once
    assert html(page).index("Where is it?") < html(page).index("Is the liver healthy?")
    button(page, "Show on the scan").click().run()
    assert page.session_state["shown"].turn is first and page.session_state["went"][0] == 0
    frame, order = page.run().session_state["went"]
    assert frame == 0, "until a canvas says that it went there"
    page.session_state["obeyed"] = order
    assert page.run().session_state["went"] is None
    button(page, "Forget these answers").click().run()
    assert not list(session(page).every()) and page.session_state["shown"] is None and not page.exception


def test_a_follow_up_knows_the_turns_before_and_no_other_pictures(page: AppTest) -> None:
    assert not page.checkbox
    ask(page, "Is the liver healthy?")
    page.checkbox[0].check()
    ask(page, "Why?")
    first, second = session(page).turns(page.session_state["key"])
    assert first.answer.provenance["earlier_turns"] == []
    assert second.answer.provenance["earlier_turns"] == [
        {"question": "Is the liver healthy?", "answer": first.answer.text}
    ]
    assert "not asked again under changes" in " ".join(caption.value for caption in page.caption)
    page.session_state["window"] = "300/100"
    page.run()
    assert not [one for one in page.checkbox if "follow" in one.label]


def test_evidence_on_the_scan_is_chosen(page: AppTest) -> None:
    ask(page, QUESTION)
    page.checkbox(key="medfly-asking-grid").check().run()
    assert len(page.session_state["shown"].grid) == 41
    overlay = page.radio(key="medfly-asking-overlay")
    if "Map of evidence" in overlay.options:
        overlay.set_value("heat").run()
        shown = page.session_state["shown"]
        assert shown.crops == () and shown.heat.min() >= 0 and shown.heat.max() <= 1
        page.slider[0].set_value(0.25).run()
        assert page.session_state["shown"].opacity == 0.25
    page.radio(key="medfly-asking-overlay").set_value("nothing").run()
    assert page.session_state["shown"].crops == () and page.session_state["shown"].heat is None


def test_a_region(page: AppTest) -> None:
    page.session_state["region"] = (20.4, 10.0, 90.0, 60.5)
    page.run()
    assert "x 20–90, y 10–61" in page.checkbox[0].label.replace("\\", "")
    ask(page, QUESTION)
    (turn,) = session(page).turns(page.session_state["key"])
    assert turn.region == (20, 10, 90, 61) and page.session_state["shown"].focus == turn.region
    assert turn.answer.provenance["region"] == [20, 10, 90, 61] and "x 20–90, y 10–61" in html(page)
    edges = [region.box for region in turn.answer.evidence.regions]
    assert min(box[0] for box in edges) == 20 and max(box[3] for box in edges) == 61
    page.session_state["region"] = (20.0, 10.0, 23.0, 60.0)
    page.run()
    assert len(page.error) == 1 and "draw it larger" in page.error[0].value and not page.exception


def test_under_changes_and_without_a_crop(page: AppTest) -> None:
    ask(page, "Is the liver healthy?")
    button(page, "Ask again under changes that should not matter").click().run()
    finished(page)
    (turn,) = session(page).turns(page.session_state["key"])
    assert len(turn.answer.variations) > 5 and html(page).count("<tr") == len(turn.answer.variations) + 1
    button(page, "Does the answer change without this crop?").click().run()
    finished(page)
    assert "Without crop" in html(page) and "nats" in html(page) and not page.exception
    page.session_state["frame"] = 5
    page.run()
    assert "another frame" in " ".join(caption.value for caption in page.caption)


def test_cancelled_and_asked_again(page: AppTest) -> None:
    page.text_input[0].set_value(QUESTION)
    button(page, "Ask").click().run()
    if pending.JOB in page.session_state:
        job = page.session_state[pending.JOB]
        button(page, "Cancel").click().run()
        assert pending.JOB not in page.session_state and job.wait(30)
    assert not page.exception and not page.error
    ask(page, QUESTION)
    assert page.session_state["shown"] is not None


def test_mistakes_are_one_line_and_gone_with_the_next_question(page: AppTest) -> None:
    ask(page, "   ")
    assert len(page.error) == 1 and "empty question" in page.error[0].value and not page.exception
    ask(page, QUESTION)
    assert not page.error


def test_a_model_that_is_not_there_is_told(page: AppTest, monkeypatch) -> None:
    monkeypatch.setenv("MEDFLY_MODEL", "/no/such/model")
    ask(page, QUESTION)
    assert len(page.error) == 1 and not page.exception and not list(session(page).every())


def test_a_question_about_another_series_goes_on(page: AppTest) -> None:
    page.text_input[0].set_value(QUESTION)
    button(page, "Ask").click().run()
    first = page.session_state["key"]
    page.session_state["sample"] = 1
    finished(page)
    assert len(session(page).turns(first)) == 1 and page.session_state["shown"] is None and not page.exception
    assert page.session_state["key"] != first and "data-medfly-crop" not in html(page)
