"""The card of an answer: what comes first, what is escaped, and that its crops are buttons which the canvas knows."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from app import theme
from app.asking.answer_card import STYLE, html, streaming
from app.asking.answering import Check
from app.texts import table
from medfly.drawing import BACKGROUND, LEVEL_COLOURS, MUTED, PANEL, TEXT, WARNING, shown_regions
from medfly.types import Answer, Evidence, Region, Trust, Variation
from medfly.wording import CAVEAT, DEFERRED, NO_WORDS

EVIL = '<img src=x onerror="alert(1)"> & "quoted"'
SERIES = 'ab"cd'
REGIONS = tuple(
    Region(level, crop, (10.0 * crop, 0.0, 10.0 * crop + 10, 10.0), score)
    for level, crop, score in (
        ("high", 3, 0.5),
        ("medium", 1, 0.4),
        ("high", 7, 0.3),
        ("high", 8, 0.2),
        ("low", 0, -0.1),
    )
)
ANSWER = Answer(
    EVIL,
    "Left <lung>",
    0.7,
    Evidence("gradients", REGIONS),
    {
        "modality": "CT",
        "size": [60, 40],
        "notes": [EVIL],
        "levels": ["low", "medium", "high"],
        "window": {"center": 40, "width": 400, "source": EVIL},
        "earlier_turns": [{"question": "Why?", "answer": EVIL}],
    },
)
TRUST = Trust(None, ("too <unsure>",), "100 answers")


class Page(HTMLParser):
    """Elements with their attributes, in order, and the text of each."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(source)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def having(self, name: str) -> list[tuple[str, dict[str, str | None]]]:
        return [(tag, attributes) for tag, attributes in self.elements if name in attributes]


@pytest.fixture(params=["en", "de"])
def texts(request: pytest.FixtureRequest):
    return table(request.param)


def test_crops_are_buttons_and_the_answer_stands_for_all_of_them(texts) -> None:
    page = Page(html(ANSWER, SERIES, texts, spacing=(0.5, 0.5)))
    marked = [f"{region.level}-{region.crop}" for region in shown_regions(ANSWER)]
    assert marked == ["high-3", "medium-1", "high-7"]
    buttons = page.having("data-medfly-crop")
    assert [attributes["data-medfly-crop"] for _, attributes in buttons] == marked
    assert {tag for tag, _ in buttons} == {"button"}
    ((_, answer),) = page.having("data-medfly-crops")
    assert answer["data-medfly-crops"] == " ".join(marked) and answer["tabindex"] == "0"
    assert {attributes["data-medfly-series"] for _, attributes in [*buttons, ("", answer)]} == {SERIES}
    assert "5 × 5 mm" in page.text and "+0.500" in page.text


def test_nothing_that_was_said_becomes_html(texts) -> None:
    checks = [Check("high", 3, EVIL, False, 0.1)]
    varied = replace(ANSWER, trust=TRUST, variations=(Variation("window", EVIL, EVIL, EVIL, 0.5, False),))
    page = Page(html(varied, SERIES, texts, checks=checks))
    assert not [tag for tag, _ in page.elements if tag in ("img", "script", "lung", "unsure")]
    assert page.text.count(EVIL) >= 6 and "Left <lung>" in page.text and "too <unsure>" in page.text
    assert Page(streaming(EVIL, (EVIL, EVIL), EVIL, EVIL)).text.count(EVIL) == 5


def test_a_deferral_comes_before_the_answer_which_is_said_to_be_deferred(texts) -> None:
    page = Page(html(replace(ANSWER, trust=TRUST), SERIES, texts))
    said = (texts["asking.deferred"], "too <unsure>", texts["asking.deferred_answer"], "Left <lung>")
    assert [page.text.index(words) for words in said] == sorted(page.text.index(words) for words in said)
    assert table("en")["asking.deferred"] == DEFERRED, "as everywhere"
    early = Page(streaming("Q", (DEFERRED, "because: far"), "Left", "…")).text
    assert early.index(DEFERRED) < early.index("far") < early.index("Left")
    assert (
        texts["asking.deferred"]
        not in Page(html(ANSWER, SERIES, texts)).text + Page(streaming("Q", (), "Left", "")).text
    )


def test_confidence_flips_checks_and_provenance_are_told(texts) -> None:
    flip = Variation("tone", "inverted", "Q", "Right", 0.5, False)
    checks = [Check("high", 3, "Right", False, 0.25), Check("low", 0, "Left <lung>", True, -0.5)]
    provenance = {**ANSWER.provenance, "region": [1, 2, 30, 40]}
    text = Page(html(replace(ANSWER, variations=(flip,), provenance=provenance), SERIES, texts, checks=checks)).text
    for words in (CAVEAT, "changed under 1 of 1 changes", "400/40", "x 1–30, y 2–40", "+0.250", "−0.500"):
        assert words in text
    assert text.count("Right") >= 2


def test_an_answer_without_evidence_or_words_or_that_is_not_on_the_scan(texts) -> None:
    page = Page(html(Answer("Q", "", None), SERIES, texts))
    assert NO_WORDS in page.text and not page.having("data-medfly-crop") and not page.having("data-medfly-crops")
    still = Page(html(ANSWER, SERIES, texts, live=False))
    assert not still.having("data-medfly-crop") and not still.having("tabindex") and "+0.500" in still.text


def test_colours_are_those_of_the_theme() -> None:
    """Whose contrast tests/app/test_theme.py measures."""
    known = {theme.css(colour) for colour in (BACKGROUND, MUTED, PANEL, TEXT, WARNING, theme.LINE, theme.FOCUS)}
    used = set(re.findall(r"#[0-9a-f]{3,8}\b", STYLE))
    assert used == known | {theme.css(colour) for colour in LEVEL_COLOURS.values()} and "rgb" not in STYLE
