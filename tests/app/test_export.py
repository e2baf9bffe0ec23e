"""Exports of a session: whole, for research use, and without what names a patient outside of the user's own words."""

from __future__ import annotations

import base64
import io
import json
import re
from datetime import timedelta

import numpy as np
import pytest
from PIL import Image

from app.record import export
from app.record.chain import Tip
from app.session import Session
from medfly.drawing import BACKGROUND, WARNING
from medfly.html import picture_tag
from medfly.types import InputError
from medfly.wording import DEFERRED, RESEARCH_USE

from .made_turns import NAME, answer, provenance, session, turn
from .test_report import Page

TIP = Tip(12, "ef" * 32)


@pytest.fixture
def made() -> Session:
    """Three turns about two scans; the second was asked about between the other two."""
    first = turn(verdict="agree")
    made = session(first, turn(asked_at=first.asked_at + timedelta(hours=2), region=None, answer=answer("no trust")))
    made.add("other", turn(asked_at=first.asked_at + timedelta(hours=1), answer=answer("<i>yes</i>", trust=None)))
    return made


@pytest.fixture(scope="module")
def pages() -> list[Image.Image]:
    """Of a document about a deferred answer with evidence and one without either."""
    data = export.as_pdf(session(turn(), turn(answer=answer(trust=None, evidence=None))))
    return jpegs(data)


def jpegs(data: bytes) -> list[Image.Image]:
    """The pictures in a PDF, taken out by their own markers."""
    found = re.findall(rb"/DCTDecode.*?stream\r?\n(\xff\xd8.*?\xff\xd9)\r?\nendstream", data, re.DOTALL)
    return [Image.open(io.BytesIO(one)).convert("RGB") for one in found]


def says_research_use(page: Image.Image) -> bool:
    """Whether the words stand on top, right: by their colour, in letters of which each has some 100 pixels."""
    corner = np.asarray(page, np.int16)[: export.MARGIN + 30, -500 : -export.MARGIN]
    return bool((np.abs(corner - WARNING).max(axis=2) < 60).sum() > 10 * len(RESEARCH_USE))


def test_scans_are_numbered_by_when_they_were_asked_about(made) -> None:
    assert [(entry.scan, entry.turn.answer.text) for entry in export.entries(made)] == [
        (1, "no"),
        (2, "<i>yes</i>"),
        (1, "no trust"),
    ]


def test_page_is_whole_and_escaped(made) -> None:
    text = export.as_html(made, TIP)
    page = Page(text)
    words = " ".join(" ".join(page.words).split())
    assert page.open == [] and not {tag for tag, _ in page.elements} & {"script", "i", "link"}
    assert [tag for tag, _ in page.elements].count("article") == 3
    assert RESEARCH_USE in words and str(TIP) in words and "<i>yes</i>" in words and DEFERRED in words
    assert words.index("Scan 1") < words.index("no trust") < words.index("Scan 2") < words.index("<i>yes</i>")
    assert (
        "frame 3 (from 0) · about the region x 10–50, y 5–36 · asked 2026-11-23 12:30 UTC · the reader agreed" in words
    )
    assert "asked 2026-11-23 14:30 UTC · no verdict of a reader" in words
    assert all(dict(given)["src"].startswith("data:image/png") for tag, given in page.elements if tag == "img")


def test_page_shows_the_picture_without_loss() -> None:
    """Without evidence nothing is drawn over it; a picture of 60 × 40 is enlarged, so it is compared as drawn small."""
    grey = np.repeat(np.random.default_rng(0).integers(0, 256, (440, 440, 1), np.uint8), 3, axis=2)
    text = export.as_html(session(turn(picture=grey, answer=answer(evidence=None))))
    (data,) = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    shown = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
    assert np.array_equal(np.asarray(shown), grey)
    assert picture_tag(shown, "the scan") in text


def test_document_has_a_page_for_each_answer(made) -> None:
    data = export.as_pdf(made, TIP)
    assert data.startswith(b"%PDF-") and data.rstrip().endswith(b"%%EOF")
    assert [int(count) for count in re.findall(rb"/Count (\d+)", data)][-1] == 3
    pages = jpegs(data)
    assert [page.size for page in pages] == [export.PAGE] * 3
    (box,) = set(re.findall(rb"/MediaBox \[([^\]]*)\]", data))
    assert [float(edge) for edge in box.split()] == pytest.approx([0, 0, 297 / 25.4 * 72, 210 / 25.4 * 72], abs=0.3)
    entry = export.entries(made)[1]
    drawn = np.asarray(export._page(entry, ["x"], {}), np.float64)[export.STRIP + export.MARGIN :]
    shown = np.asarray(pages[1], np.float64)[export.STRIP + export.MARGIN :]
    assert np.abs(drawn - shown).mean() < 2  # quality 95


def test_every_page_of_the_document_is_for_research_use(pages) -> None:
    """The banner's colour stands at the foot of each page, over most of its width, and nothing is cut off."""
    for page in pages:
        values = np.asarray(page, np.int16)
        banner = (np.abs(values - WARNING).max(axis=2) < 12).mean(axis=1) > 0.5
        assert banner[-export.PAGE[1] // 2 :].sum() > 15 and says_research_use(page)
        edge = np.concatenate(
            [values[:, :20].reshape(-1, 3), values[-20:].reshape(-1, 3), values[:, -20:].reshape(-1, 3)]
        )
        assert np.abs(edge - BACKGROUND).max() < 12


@pytest.mark.parametrize("size", [(300, 20), (20, 300), (1, 1)])
def test_pictures_of_every_shape_fit_on_a_page(size) -> None:
    picture = np.full((*size, 3), 200, np.uint8)
    long = answer(question="why " * 400, text="because " * 200, evidence=None)
    one = turn(picture=picture, answer=long, region=None, aspect=2.0)
    (page,) = jpegs(export.as_pdf(session(one)))
    assert page.size == export.PAGE and says_research_use(page)


def test_remarks_that_are_too_long_are_cut_with_dots() -> None:
    page = export._page(
        export.entries(session(turn(answer=answer(provenance=provenance(notes=["remark"] * 90)))))[0], ["told"], {}
    )
    strip = np.abs(np.asarray(page, np.int16)[: export.MARGIN + export.STRIP] - BACKGROUND).max(axis=(0, 2)) > 30
    assert strip[: -export.MARGIN].sum() > export.PAGE[0] / 2 and not strip[-export.MARGIN :].any()


def test_json_lines(made) -> None:
    nan = answer("nan", confidence=float("nan"))
    made.add("third", turn(answer=nan, asked_at=turn().asked_at + timedelta(hours=9)))
    first, *turns = [
        json.loads(line, parse_constant=pytest.fail) for line in export.as_json_lines(made, TIP).splitlines()
    ]
    assert first["session"] == made.id and first["turns"] == 4 and first["audit_log"] == str(TIP)
    assert {line["use"] for line in (first, *turns)} == {RESEARCH_USE}
    assert [line["scan"] for line in turns] == [1, 2, 1, 3]
    assert turns[0]["answer"]["trust"] == answer().trust.to_dict()  # type: ignore[union-attr]
    assert turns[0]["verdict"] == "agree" and turns[0]["region"] == [10.0, 5.0, 50.0, 35.5]
    assert turns[0]["asked_at"] == "2026-11-23T12:30:15+00:00" and turns[0]["answer"]["provenance"]["model"] == "mini"
    assert turns[-1]["answer"]["confidence"] is None


def test_no_file_name_and_no_folder_in_any_export() -> None:
    """The series' key and the model's folder hold the name; every other word of this answer is harmless."""
    harmless = answer(
        question="q",
        trust=None,
        variations=(),
        evidence=None,
        provenance=provenance(notes=[], versions={}, earlier_turns=[], window=None),
    )
    made = session(turn(answer=harmless, window="w"))
    data = export.as_html(made) + export.as_json_lines(made) + export.as_pdf(made).decode("latin-1")
    assert NAME not in data and NAME not in export.file_name(made, "pdf")


def test_nothing_to_export() -> None:
    for make in (export.as_html, export.as_pdf, export.as_json_lines):
        with pytest.raises(InputError, match="ask something first"):
            make(Session())
