"""The report page: every number of the summary, nothing else needed, all text escaped, every part may be missing."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks import page, plots, published
from benchmarks.protocols.exact import NORMALISED
from benchmarks.protocols.rule import Judged, Rule
from benchmarks.results import Result
from medfly.types import Answer, Evidence, InputError, Region, Sample
from medfly.wording import RESEARCH_USE

from .conftest import MemoryLoader
from .made_summary import LATEX, SCRIPT, summary

VOID = {"meta", "img", "br", "line", "circle", "polyline"}


class Document(HTMLParser):
    """Elements, rows of cells, text, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += f" {data.strip()}" if data.strip() else ""

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def result(number: int, said: str, confidence: float | None, image: str = "a", gold: str | None = "Yes") -> Result:
    sample = Sample(number, image, f"question {number} {SCRIPT}", MemoryLoader(1.0), gold, "CLOSED")
    return Result(sample, said, confidence)


def mistake(**changes: Any) -> page.Mistake:
    wrong = result(7, f"No {SCRIPT}", 0.875)
    regions = (Region("medium", 0, (0, 0, 15, 10), 0.5), Region("high", 3, (5, 5, 10, 10), 0.25))
    answer = Answer(wrong.sample.question, wrong.prediction, 0.875, Evidence("by hand", regions))
    values = {"result": wrong, "picture": np.zeros((20, 30, 3), np.uint8), "protocol": NORMALISED.name}
    return page.Mistake(**(values | {"answer": answer, "others": (result(8, "Maybe", 0.5),)} | changes))


@pytest.fixture(scope="module")
def text() -> str:
    return page.page(summary() | {"published": published.load("slake")}, [mistake()], [mistake(answer=None)])


@pytest.fixture(scope="module")
def whole(text: str) -> Document:
    return Document(text)


def row(document: Document, first: str) -> list[str]:
    return next([" ".join(cell.split()) for cell in cells] for cells in document.rows if first in cells[0])


def test_numbers_are_the_summary_s(whole: Document) -> None:
    assert row(whole, "LLaVA-Med run_eval")[1:] == [
        "56.9 22.8/40 44.4 … 69.1",
        "60.0 33/55 47.9 … 71.8 left out 5",
        "–",
    ]
    assert row(whole, "Lung")[2:] == ["50.0", "41.8 … 58.1", "44/88"]
    assert row(whole, "[Heart] | *left* *")[2:] == ["58.3", "–", "7/12"]
    assert row(whole, "blank")[1:] == [
        "22.5 9/40 11.0 … 35.5",
        "51.7 31/60 40.0 … 63.0 unparsed 3",
        "51.0 51/100 42.0 … 60.0 unparsed 3",
        "62.0 31/50 51.2 … 70.3",
    ]
    assert row(whole, "as is minus blank")[1] == "−2.5 −7.5 … 2.2 3 won, 4 lost"
    assert row(whole, "0.50 … 1.00")[1:] == ["98", "0.812", "0.515", "0.410 … 0.620"]
    for line in (
        "50.0 38.2 … 61.5 accuracy: 20/40",
        "as it came 0.297 0.213 … 0.381 within halves 0.312",
        "81.2 % on average, and 51.5 % are right",
    ):
        assert line in whole.text
    assert "judged by normalised exact match" in whole.text
    assert "open : from 50.0 (normalised exact match) to 56.9 (LLaVA-Med run_eval)" in whole.text
    assert "3 of 96; 1 could not be compared" in whole.text and "unknown of 1102" in whole.text
    assert "49.4 (39.5 … 59.6), 40/81" in whole.text


def test_remarks_stand_before_the_numbers(whole: Document) -> None:
    assert whole.text.index("2 predictions have unknown ids") < whole.text.index("50.0")
    assert whole.text.index("3 of 96 images are also in slake train") < whole.text.index("50.0")
    assert RESEARCH_USE in whole.text


def test_text_is_escaped(text: str, whole: Document) -> None:
    tags = {tag for tag, _ in whole.elements}
    assert not tags & {"script", "link", "iframe", "object"}
    assert SCRIPT in whole.text and LATEX in whole.text and "<script" not in text
    assert not any(name.startswith("on") for _, attributes in whole.elements for name in attributes)


def test_nothing_is_fetched(text: str, whole: Document) -> None:
    assert "url(" not in text and "@import" not in text
    fetching = {"src", "srcset", "data", "poster", "action", "xlink:href"}
    for tag, attributes in whole.elements:
        for name in fetching & set(attributes):
            head, data = (attributes[name] or "").split(",")
            assert tag == "img" and head == "data:image/png;base64"
            Image.open(io.BytesIO(base64.b64decode(data))).verify()
        assert tag == "a" or "href" not in attributes
    assert sum(tag == "img" for tag, _ in whole.elements) == 5  # two scans, one of them with its map and two crops


def test_links_within_the_page_lead_somewhere(whole: Document) -> None:
    ids = [attributes["id"] for _, attributes in whole.elements if "id" in attributes]
    links = [attributes["href"] or "" for tag, attributes in whole.elements if tag == "a"]
    assert len(set(ids)) == len(ids)
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)


def test_published_figures_and_ours(whole: Document) -> None:
    theirs = [cells for cells in whole.rows if cells[0].strip() == "LLaVA-Med" and cells[1].strip() == "87.1"]
    ours = [[" ".join(cell.split()) for cell in cells] for cells in whole.rows if "(ours)" in cells[0]]
    assert theirs == [[" LLaVA-Med", " 87.1"]]
    assert [cells[1:] for cells in ours] == [["56.9 22.8/40 44.4 … 69.1"]]
    assert "comparable: no, because the announcement does not say" in whole.text
    assert "comparable: yes, because the same rule" in whole.text
    other = Document(page.page(summary() | {"published": published.load("slake"), "split": "validate"}))
    assert not any("(ours)" in cells[0] for cells in other.rows)


def test_a_page_without_confidences_and_evidence_claims_neither() -> None:
    alone = mistake(result=result(7, "No", None), answer=None, others=())
    bare = Document(page.page(summary(), [alone], [alone]))
    assert "The first ones, as none came with a confidence" in bare.text and "most confident ones" not in bare.text
    assert "Boxes are the crops" not in bare.text and ("div", {"class": "bar"}) not in bare.elements


def test_a_hospital_s_questions_are_told_by_their_rows(whole: Document) -> None:
    """Names of files and ids may name patients; that the page holds patient data is said."""
    sample = Sample("MRN1", "Mueller_Hans.png", "Which organ?", MemoryLoader(1.0), "Yes", "OPEN", {"row": 12})
    text = Document(page.page(summary(), [mistake(result=Result(sample, "No"), answer=None)])).text
    assert "open question in row 12" in text and "Mueller" not in text and "MRN1" not in text
    assert "may be patients'" in text and "may be patients'" not in whole.text


def test_mistakes_say_what_was_expected_and_who_judged(whole: Document) -> None:
    assert "expected: Yes wrong by: normalised exact match · closed question 7 · image a" in whole.text
    assert f"also wrong: question 8 {SCRIPT} Maybe , expected Yes" in whole.text
    assert "1 medium +0.500" in whole.text and "evidence not computed" in whole.text
    assert "Asked again" not in whole.text
    again = page.page(summary(), [mistake(answer=Answer("q", "something else"))])
    assert "the model said “something else”" in again


def test_the_run_is_told_leaf_by_leaf(whole: Document) -> None:
    for line in ("made 1.command medfly eval --model mini", "made 1.versions.torch unknown", "made 1.notes none"):
        assert line in whole.text


ABSENT = {
    "subgroups": "names no subgroups",
    "calibration": "hold no confidences",
    "audit": "Not asked for: --audit",
    "contamination": "no training data to compare with",
    "manifest": "without a record of their run",
}


@pytest.mark.parametrize("part", ABSENT)
def test_a_part_that_is_missing_is_told(part: str, whole: Document) -> None:
    document = Document(page.page(summary() | {part: None}))
    assert ABSENT[part] in document.text and ABSENT[part] not in whole.text


def test_the_barest_summary() -> None:
    made = summary()
    absent = dict.fromkeys(ABSENT) | {"warnings": [], "model": {"name": "unknown", "hash": None}}
    bare = made | absent | {"scores": made["scores"] | {"unscored": 0}}
    document = Document(page.page(bare))
    assert "Before you read" not in document.text and "No published figures" in document.text
    assert document.text.count("None to show.") == 2 and "hash unknown" in document.text


def test_groups_without_questions() -> None:
    made = summary()
    for score in made["scores"]["protocols"].values():
        score["groups"]["open"] = score["groups"]["open"] | {"denominator": 0, "numerator": 0, "percent": None}
        score["groups"]["open"] |= {"low": None, "high": None}
    document = Document(page.page(made))
    assert row(document, "LLaVA-Med run_eval")[1] == "– 0/0 –"


def test_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    page.write_page(summary(), tmp_path / "new" / "report.html")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["report.html"]
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        page.write_page(summary(), tmp_path / "file" / "report.html")


RESULTS = [
    result(1, "No", 0.9, "a"),
    result(2, "No", 0.8, "a"),
    result(3, "Yes", 1.0, "a"),  # right
    result(4, "No", 0.7, "b"),
    result(5, "No", None, "c"),
    result(6, "No", 0.95, "d", gold=None),  # unscored
    result(7, "No", 0.85, "b"),
    result(8, "No", 0.1, "b"),
]


def ids(results: list[Result]) -> list[int | str]:
    return [result.sample.id for result in results]


def test_most_confident_mistakes_one_an_image_first() -> None:
    assert ids(page.choose_mistakes(RESULTS, NORMALISED, "slake", 3)) == [1, 7, 5]
    assert ids(page.choose_mistakes(RESULTS, NORMALISED, "slake", 5)) == [1, 7, 5, 2, 4]
    assert ids(page.choose_mistakes(RESULTS, NORMALISED, "slake", 99)) == [1, 7, 5, 2, 4, 8]
    assert page.choose_mistakes(RESULTS[2:3], NORMALISED, "slake", 3) == []


def test_images_with_most_mistakes() -> None:
    assert [ids(wrong) for wrong in page.worst_images(RESULTS, NORMALISED, "slake", 2)] == [[7, 4, 8], [1, 2]]


def test_what_a_rule_has_no_number_for_is_not_wrong() -> None:
    open_only = Rule("r", "r", "r", lambda item: Judged(0.0), {"open": "accuracy"})
    left_out = Rule("r", "r", "r", lambda item: Judged(None), {"closed": "accuracy"})
    assert page.choose_mistakes(RESULTS, open_only, "slake", 9) == []
    assert page.choose_mistakes(RESULTS, left_out, "slake", 9) == []


def test_plots_put_numbers_where_they_belong() -> None:
    """The corners of the axes, and the points between them, worked out by hand from the margins."""
    axes = plots.Axes("x", "y", top=0.5)
    assert axes.at(0, 0) == (plots.LEFT, plots.HEIGHT - plots.BOTTOM)
    assert axes.at(1, 0.5) == (plots.WIDTH - plots.RIGHT, plots.TOP)
    curve = plots.risk_coverage(summary()["calibration"]["risk_coverage"])
    points = [tuple(map(float, point.split(","))) for point in re.findall(r'points="([^"]*)"', curve)[0].split()]
    half = plots.LEFT + (plots.WIDTH - plots.LEFT - plots.RIGHT) / 2
    middle = plots.TOP + (plots.HEIGHT - plots.TOP - plots.BOTTOM) / 2
    assert points[0] == pytest.approx((half, middle)) and points[1] == pytest.approx(axes.at(1, 0.485))
    assert plots.reliability(summary()["calibration"]["bins"]).count("<circle") == 1  # the empty bin is not drawn
    found = summary()["calibration"]
    both = plots.reliability(found["bins"], found["calibrated"])
    x, y = plots.Axes("", "").at(0.53125 + 0.015625, 0.52)
    assert f'<circle class="mark ring" cx="{x}" cy="{y}"' in both and both.count('class="mark diamond"') == 2  # 1: key
    promised = plots.risk_coverage(found["risk_coverage"], found["risks"])
    assert promised.count("<polygon") == 1 and "≤ 20 %" in promised and "≤ 5 %" not in promised  # nothing kept at 5 %
    track = plots.interval_line({"percent": 50.0, "low": 40.0, "high": 61.25})
    assert 'cx="50.00%"' in track and 'x1="40.00%" x2="61.25%"' in track
    assert plots.interval_line({"percent": None}) == ""


def test_calibrated_confidences_stand_in_tables(whole: Document) -> None:
    """The bins, too, as all that is drawn stands in numbers."""
    cells = [[" ".join(cell.split()) for cell in cells] for cells in whole.rows]
    assert ["temperature, cross-fitted", *["0.062 0.031 … 0.125 change −0.250 −0.375 … −0.125"] * 3] in cells
    assert ["50 %", "50/98", "75.0", "–", "0.875"] in cells
    assert ["5 %", "–", "–", "–", "0/10", "–"] in cells
    assert ["20 %", "34.5", "16.4", "11.2 … 23.1", "7/10", "0.938"] in cells
    assert ["0.50 … 0.60", "49", "0.547", "0.520", "0.400 … 0.640"] in cells
    assert "deferral off" in whole.text


def test_scores_of_before_calibration_are_shown_without_it() -> None:
    made = summary()
    new = ("nll", "deferral", "selective", "risks", "calibrated", "not_fitted")
    made["calibration"] = {key: value for key, value in made["calibration"].items() if key not in new}
    text = Document(page.page(made)).text
    assert "cross-fitted" not in text and "0.297 (0.213 … 0.381)" in text


def test_a_confidence_is_said_not_to_be_a_probability_of_disease() -> None:
    section = page.page(summary()).split('<section id="confidence">')[1].split("</section>")[0]
    assert "not a probability of disease" in section
