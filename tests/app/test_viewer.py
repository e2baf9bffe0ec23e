"""The viewer's page, run by Streamlit's own tester without a browser."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file
from streamlit.testing.v1 import AppTest

import app
from medfly.types import Trust, Variation
from medfly.wording import CAVEAT, DEFERRED, RESEARCH_USE

PAGE = Path(str(app.__file__)).parent / "viewer.py"
QUESTION = "Is the *lung* <b>healthy</b>?"


@pytest.fixture
def page(tiny_model, monkeypatch) -> AppTest:
    monkeypatch.setenv("MEDFLY_MODEL", str(tiny_model))
    return AppTest.from_file(str(PAGE), default_timeout=60).run()


def html(page: AppTest) -> str:
    return " ".join(element.proto.body for element in page.get("html"))


def ask(page: AppTest, question: str) -> AppTest:
    page.text_input(key="question").set_value(question)
    return page.button[0].click().run()


def test_banner_and_first_picture(page: AppTest) -> None:
    assert not page.exception and not page.error
    assert RESEARCH_USE in html(page)
    assert len(page.image) == 1


def test_sample_question_answer(page: AppTest) -> None:
    ask(page, QUESTION)
    assert not page.exception and not page.error
    assert RESEARCH_USE in html(page)
    assert "Is the *lung* &lt;b&gt;healthy&lt;/b&gt;?" in html(page) and "medfly-answer" in html(page)
    assert len(page.image) == 4  # the scan and three crops
    assert CAVEAT in " ".join(element.proto.text for element in page.get("progress")).replace("\\", "")


def test_map_of_evidence_and_its_opacity(page: AppTest) -> None:
    ask(page, QUESTION)
    page.radio(key="overlay").set_value("Map of evidence").run()
    assert not page.exception and len(page.image) == 4  # in the boxes' place
    assert "times an even spread" in html(page)
    page.slider(key="opacity").set_value(1.0).run()
    assert not page.exception and "rgba(240,249,33,1.00)" in html(page)


def test_deferral_and_flips_are_shown(page: AppTest) -> None:
    ask(page, QUESTION)
    shown, answer = page.session_state["answer"]
    flip = Variation("tone", "inverted", QUESTION, "<other>", 0.5, False)
    answer = dataclasses.replace(answer, trust=Trust(None, ("too <unsure>",), "100 answers"), variations=(flip,))
    page.session_state["answer"] = shown, answer
    page.run()
    assert not page.exception
    words = html(page).split("</style>")[1]
    deferred = words.index(DEFERRED)
    assert deferred < words.index("because: too &lt;unsure&gt;") < words.index("medfly-answer left")
    assert "changed under 1 of 1 changes: tone 1 of 1" in words and "&lt;other&gt;" in words and "≠ changed" in words
    captions = " ".join(caption.value for caption in page.caption)
    assert "unknown" in captions and "100 answers" in captions


def test_asked_again_under_changes(page: AppTest) -> None:
    page.checkbox(key="vary").check()
    ask(page, "Is there a fracture?")
    assert not page.exception and not page.error
    told = json.loads(page.json[0].value)["variations"]
    assert len(told) > 5 and any(variation["question"] != "Is there a fracture?" for variation in told)
    words = html(page).split("</style>")[1]
    assert words.count("<tr") == len(told) + 1


def test_answer_is_not_shown_beside_another_window(page: AppTest) -> None:
    page.selectbox(key="source").select_index(1).run()
    ask(page, QUESTION)
    assert "medfly-question" in html(page).split("</style>")[1]
    page.selectbox(key="window").select("bone").run()
    assert not page.exception and len(page.image) == 1
    assert "medfly-question" not in html(page).split("</style>")[1]
    page.selectbox(key="window").select("Width / level").run()
    page.number_input(key="width").set_value(0.5)
    assert not page.exception


def test_mistakes_are_one_line(page: AppTest) -> None:
    ask(page, "   ")
    assert not page.exception
    assert len(page.error) == 1 and "empty question" in page.error[0].value
    assert RESEARCH_USE in html(page)


def test_upload_of_many_frames(page: AppTest) -> None:
    """A slider chooses; the answer to one frame is not shown beside another."""
    page.selectbox(key="source").select("Upload a file").run()
    content = Path(str(get_testdata_file("examples_ybr_color.dcm", download=False))).read_bytes()
    page.file_uploader(key="upload").set_value(("cine.dcm", content, "application/dicom")).run()
    (slider,) = page.slider
    assert (slider.min, slider.max, slider.value) == (0, 29, 15) and len(page.image) == 1
    slider.set_value(29).run()
    ask(page, QUESTION)
    assert not page.exception and not page.error and len(page.image) == 4
    assert json.loads(page.json[0].value)["provenance"]["frame"] == 29
    page.slider[0].set_value(28).run()
    assert not page.exception and len(page.image) == 1 and not page.json


def test_upload(page: AppTest) -> None:
    page.selectbox(key="source").select("Upload a file").run()
    assert page.info and RESEARCH_USE in html(page)
    for name, fine in (("CT_small.dcm", True), ("reportsi.dcm", False)):
        content = Path(str(get_testdata_file(name, download=False))).read_bytes()
        page.file_uploader(key="upload").set_value((name, content, "application/dicom")).run()
        assert not page.exception
        assert bool(page.error) != fine and len(page.image) == int(fine)
