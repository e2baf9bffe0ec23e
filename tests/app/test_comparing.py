"""Two sides of a comparison: windows against medfly.display, answers against the engine's, the panel by Streamlit."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import medfly
from app import comparing
from app.comparing.sides import CUSTOM, OWN, SEEN, Side, models_given, window_of, windows_of
from app.pane import strength
from app.record import audit
from app.session import SESSION
from app.studies.samples import SAMPLES
from app.texts import table
from data_adapters import read
from medfly.display import PRESETS, preset
from medfly.drawing import PLASMA, answer_map, heat
from medfly.geometry import Pyramid
from medfly.types import Answer, Evidence, InputError, Region, Scan, VoiLut, Window

TEXTS = table("en")
QUESTION = "Is the *lung* <b>healthy</b>?"
JOB = "medfly-comparing-job-series"


@pytest.fixture(scope="module")
def head() -> Scan:
    scan = read(SAMPLES[1].path, frame=0)
    assert isinstance(scan, Scan) and scan.unit == "HU"
    return scan


def test_windows_on_offer(head: Scan) -> None:
    offered = windows_of(head, None, TEXTS)
    assert {*PRESETS, OWN, CUSTOM} <= set(offered) and SEEN not in offered
    assert list(windows_of(head, Window(1, 2), TEXTS))[:2] == [OWN, SEEN]
    two = replace(head, windows=(Window(40, 80), Window(300, 2000)))
    assert windows_of(two, None, TEXTS)["file:2"] == "The file's own, 2"
    colour = Scan(np.zeros((4, 4, 3), np.uint8))
    assert list(windows_of(colour, None, TEXTS)) == [OWN]


def test_windows_are_those_of_the_display(head: Scan) -> None:
    two = replace(head, windows=(Window(40, 80), Window(300, 2000)))
    seen = Window(12, 34)
    for choice, numbers, expected in (
        (OWN, "", Window(40, 80)),
        ("file:2", "", Window(300, 2000)),
        ("bone", "", preset("bone")),
        (SEEN, "", seen),
        (CUSTOM, "1500/-600", Window(-600, 1500)),
    ):
        assert window_of(two, choice, numbers, seen) == expected
    with pytest.raises(InputError, match="expected WIDTH/LEVEL"):
        window_of(two, CUSTOM, "wide", seen)


def test_the_same_side_whatever_its_name() -> None:
    one = Side("mini", Window(40, 80, source="file"), "own")
    assert one.same(Side("mini", Window(40, 80), "80/40"))
    assert not one.same(Side("other", Window(40, 80), "own")) and not one.same(Side("mini", Window(41, 80), "own"))
    assert not one.same(Side("mini", Window(40, 80, "SIGMOID"), "own")) and not one.same(Side("mini", None, "own"))
    entries = np.arange(4, dtype=np.uint16)
    looked = Side("mini", VoiLut(0, entries, 8), "table")
    assert looked.same(Side("mini", VoiLut(0, entries.copy(), 8), "table"))
    assert not looked.same(Side("mini", VoiLut(0, entries[::-1].copy(), 8), "table"))


def test_models_are_those_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDFLY_MODEL", raising=False)
    monkeypatch.delenv("MEDFLY_COMPARE", raising=False)
    assert models_given() == ("mini",)
    monkeypatch.setenv("MEDFLY_MODEL", "/a")
    monkeypatch.setenv("MEDFLY_COMPARE", "mini:/a:/b")
    assert models_given() == ("/a", "mini", "/b")


def test_the_map_is_as_the_drawing_colours_it() -> None:
    """Over a black ground and with full opacity, the brightest of the drawing's colours is where the map is 1."""
    crops = Pyramid(120, 80, 8, (2, 2), (6, 6)).crops()
    regions = tuple(Region(c.level, c.index, c.box, 2.0 if n == 20 else 0.1) for n, c in enumerate(crops))
    given = Answer("Q", "A", evidence=Evidence("m", regions))
    found = strength(given, (120, 80))
    assert found is not None and found.shape == (80, 120) and found.min() >= 0 and found.max() == pytest.approx(1)
    black = np.zeros((80, 120, 3), np.uint8)
    drawn = np.asarray(heat(black, answer_map(given, black), 1.0))
    steps = np.linspace(0, 1, len(PLASMA))
    colour = np.stack([np.interp(found, steps, channel) for channel in np.transpose(PLASMA)], -1)
    expected = np.rint(colour * found[..., None])
    row, column = np.unravel_index(found.argmax(), found.shape)
    far = np.ones(found.shape, bool)  # all but the cross that marks the peak
    far[max(row - 8, 0) : row + 9, max(column - 8, 0) : column + 9] = False
    assert np.abs(drawn.astype(float) - expected)[far].max() <= 1
    assert strength(Answer("Q", "A"), (120, 80)) is None


def script(number: int) -> None:
    from app import comparing
    from app.studies.samples import SAMPLES
    from app.texts import table
    from data_adapters import read

    comparing.panel("series", read(SAMPLES[number].path, frame=0), table("en"))


@pytest.fixture
def page(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("MEDFLY_MODEL", str(tiny_model))
    monkeypatch.delenv("MEDFLY_COMPARE", raising=False)
    return AppTest.from_function(script, args=(1,), default_timeout=60).run()


def ask(page: AppTest, question: str) -> AppTest:
    page.text_input(key="medfly-comparing-question-series").set_value(question)
    page.button[0].click().run()
    if JOB in page.session_state:
        assert page.session_state[JOB].wait(60)
        page.run()
    return page


def html(page: AppTest) -> str:
    return " ".join(element.proto.body for element in page.get("html"))


def test_two_windows_answer_as_the_model_alone(page: AppTest, tiny_model: Path, head: Scan) -> None:
    page.selectbox(key="medfly-comparing-0-w-series").select("bone")
    page.selectbox(key="medfly-comparing-1-w-series").select("lung").run()
    ask(page, QUESTION)
    assert not page.exception and not page.error
    fly = medfly.load(str(tiny_model))
    answers = [turn.answer for turn in page.session_state[JOB].result]
    assert list(page.session_state[SESSION].every()) == [], "no part of the session's history"
    for found, window in zip(answers, ("bone", "lung"), strict=True):
        expected = fly.ask(head, QUESTION, window=window)
        assert (found.text, found.provenance["window"]) == (expected.text, preset(window).to_dict())
        assert found.confidence == pytest.approx(expected.confidence, abs=1e-5)
        assert found.evidence is not None
    words = html(page)
    for name in ("left", "right"):
        assert f'data-medfly-series="series {name} {head.input_hash} {head.frame} ' in words
    assert "&lt;b&gt;healthy&lt;/b&gt;" in words and "<b>healthy" not in words
    same = "=" if answers[0].text.strip() == answers[1].text.strip() else "≠"
    assert f"<b>{same} " in words
    page.selectbox(key="medfly-comparing-1-w-series").select("brain").run()
    assert "medfly-card" not in html(page)  # answers to other windows are not shown beside these


def test_two_models(page: AppTest, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDFLY_COMPARE", "mini")
    page.run()
    page.radio(key="medfly-comparing-kind-series").set_value("models").run()
    ask(page, "Is there a fracture?")
    assert not page.exception and not page.error
    left, right = (turn.answer for turn in page.session_state[JOB].result)
    assert (left.provenance["model"], right.provenance["model"]) == (str(tiny_model), "mini")
    assert left.provenance["window"] == right.provenance["window"]


def test_each_picture_that_a_side_shows_has_a_name_of_its_own(
    page: AppTest, head: Scan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pane() asks: another window, frame or file fits the picture anew."""
    names: list[str] = []
    monkeypatch.setattr("app.comparing.pane", lambda *_, series, **__: names.append(series))
    for window in ("bone", "lung", "bone"):
        page.selectbox(key="medfly-comparing-0-w-series").select(window)
        ask(page, QUESTION)
    first, second, third = names[-6::2][-3:]
    assert not page.exception and first == third != second
    given = Answer("Q", "A")
    left, right = Side("mini", Window(40, 80), "l"), Side("mini", Window(40, 81), "r")
    for scan in (head, replace(head, frame=1), replace(head, input_hash="ab")):
        comparing._side_by_side((given, given), "s", scan, comparing.About(("", 0), (left, right)), TEXTS)
    assert len(set(names[-6:])) == 6


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(audit.VARIABLE, str(tmp_path / "audit.jsonl"))
    return tmp_path / "audit.jsonl"


def test_both_answers_are_in_the_audit_log_once(page: AppTest, log: Path, head: Scan) -> None:
    page.selectbox(key="medfly-comparing-0-w-series").select("bone").run()
    ask(page, QUESTION)
    page.run()
    assert not page.exception and not page.error
    first, *noted = lines(log)
    assert first["event"] == "log" and [line["event"] for line in noted] == ["answer"] * 2
    for line, window in zip(noted, (preset("bone"), head.windows[0]), strict=False):
        assert line["input"] == head.input_hash and line["session"] == page.session_state[SESSION].id
        assert line["picture"] == hashlib.sha256(head.display(window).tobytes()).hexdigest()
    assert noted[0]["turn"] != noted[1]["turn"] and audit.check(log).whole


def test_without_their_lines_no_answers_are_shown(page: AppTest, log: Path) -> None:
    audit.open_log(log)
    log.write_text("words")
    page.selectbox(key="medfly-comparing-0-w-series").select("bone").run()
    ask(page, QUESTION)
    assert not page.exception and "audit log" in page.error[0].value and "medfly-card" not in html(page)


def test_mistakes_are_one_line(page: AppTest) -> None:
    page.selectbox(key="medfly-comparing-1-w-series").select(OWN).run()
    ask(page, QUESTION)
    assert not page.exception and "Both sides are the same" in page.error[0].value and JOB not in page.session_state
    page.selectbox(key="medfly-comparing-1-w-series").select("bone").run()
    ask(page, "  ")
    assert not page.exception and len(page.error) == 1 and "empty question" in page.error[0].value
    page.selectbox(key="medfly-comparing-1-w-series").select(CUSTOM).run()
    page.text_input(key="medfly-comparing-1-n-series").set_value("wide").run()
    assert not page.exception and "WIDTH/LEVEL" in page.error[0].value


def test_colour_with_one_model_has_nothing_to_compare(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    def colour() -> None:
        import numpy as np

        from app import comparing
        from app.texts import table
        from medfly.types import Scan

        comparing.panel("series", Scan(np.zeros((8, 8, 3), np.uint8)), table("en"))

    found = AppTest.from_function(colour, default_timeout=60).run()
    assert not found.exception and not found.error and "expected two" in found.info[0].value
