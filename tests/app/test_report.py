"""The demo and its page: complete, self-contained, escaped."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app import demo, report
from app.studies.samples import SAMPLES
from data_adapters import read
from medfly import html
from medfly.types import Answer, Evidence, InputError, Region, Scan, Trust, Variation
from medfly.wording import CAVEAT, DEFERRED, RESEARCH_USE

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Elements, text and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def section(**changes) -> report.Section:
    scan = Scan(np.zeros((20, 30), np.float32), spacing=(2.0, 1.0), notes=("lossy <b>",), body_part="<HEAD>")
    picture = np.zeros((20, 30, 3), np.uint8)
    regions = (Region("medium", 0, (0, 0, 15, 10), 0.5), Region("high", 3, (5, 5, 10, 10), 0.25))
    answer = Answer("<script>alert(1)</script>", 'a "quoted" & <i>', 0.5, Evidence("by <hand>", regions))
    values = {"title": "A <title>", "scan": scan, "picture": picture, "answers": (answer,)}
    return report.Section(**(values | changes))


def test_text_is_escaped_and_the_page_is_whole() -> None:
    text = report.page([section()])
    page = Page(text)
    assert page.open == []
    assert not {tag for tag, _ in page.elements} & {"script", "i", "hand", "link"}
    words = " ".join(page.words)
    for expected in ("<script>alert(1)</script>", 'a "quoted" & <i>', "A <title>", "lossy <b>", "<HEAD>", "by <hand>"):
        assert expected in words
    assert RESEARCH_USE in words and CAVEAT in words
    assert "x 0–15, y 0–10" in words and "15 × 20 mm" in words
    assert re.search(r"\.banner \{[^}]*position: fixed", text)


def test_nothing_is_fetched_and_pictures_are_inside() -> None:
    text = report.page([section()])
    assert "http" not in text and "url(" not in text and "@import" not in text
    sources = [attributes["src"] or "" for tag, attributes in Page(text).elements if tag == "img"]
    assert len(sources) == 4  # the scan, its map of evidence and two crops
    for source in sources:
        head, data = source.split(",")
        assert head == "data:image/png;base64"
        Image.open(io.BytesIO(base64.b64decode(data))).verify()


def test_answers_without_evidence_or_confidence() -> None:
    text = report.page([section(answers=(Answer("q", ""),)), section(answers=())])
    assert Page(text).open == [] and "(no answer)" in text and "confidence unknown" in text


def test_deferral_stands_before_the_answer_and_flips_are_flagged() -> None:
    trust = Trust(0.6, ("too <unsure>",), "100 answers of <mini>", ("yes", "<no>"))
    flip = Variation("tone", "inverted <1>", "Is it <so>?", "No & no", 0.5, False)
    same = Variation("zoom", "zoom +2 %", "q", "The answer", None, True)
    text = report.page([section(answers=(Answer("q", "The answer", 0.5, None, {}, trust, (flip, same)),))])
    page = Page(text)
    assert page.open == [] and not {tag for tag, _ in page.elements} & {"unsure", "mini", "no", "so"}
    words = "".join(page.words)
    order = [DEFERRED, "because: too <unsure>", "The answer", "60 in 100", "yes, <no>", "100 answers of <mini>"]
    order += ["changed under 1 of 2 changes: tone 1 of 1", "≠ changed", "Is it <so>?", "= same"]
    assert [words.index(one) for one in order] == sorted(words.index(one) for one in order)
    assert 'class="answer left"' in text and CAVEAT not in words
    plain = report.page([section()])
    assert 'class="deferred"' not in plain and "<details class" not in plain


def test_words_on_pages_have_contrast_on_the_screen_and_on_paper() -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1, for each colour that words have, against each ground."""

    def luminance(colour: str) -> float:
        colour = "".join(2 * digit for digit in colour) if len(colour) == 3 else colour
        parts = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for sheet in html.STYLE.split("@media print"):
        found = dict(re.findall(r"--(\w+): #([0-9a-f]+)", sheet))
        for word in ("text", "muted", "link", "warning"):
            for ground in ("back", "panel"):
                dark, light = sorted((luminance(found[word]), luminance(found[ground])))
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (word, ground)


def test_report_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    report.write_report([section()], tmp_path / "new" / "index.html")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["index.html"]
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        report.write_report([section()], tmp_path / "file" / "index.html")


def test_samples_are_ct_and_mr_at_their_own_size() -> None:
    scans = [read(sample.path) for sample in SAMPLES]
    assert {scan.modality for scan in scans} == {"CT", "MR"}
    assert max(max(scan.size) for scan in scans) == 512
    assert len({scan.input_hash for scan in scans}) >= 4


def test_demo(tiny_model, tmp_path, capsys) -> None:
    assert demo.main(["--model", str(tiny_model), "--output-path", str(tmp_path / "demo")]) == 0
    out = capsys.readouterr().out
    assert RESEARCH_USE in out and f"{tmp_path}/demo/index.html" in out
    text = (tmp_path / "demo" / "index.html").read_text("utf-8")
    page = Page(text)
    assert page.open == []
    assert sum(tag == "article" for tag, _ in page.elements) == sum(len(s.questions) for s in SAMPLES)
    assert len(text) < 20_000_000


def test_readme_picture(tiny_model, tmp_path, capsys) -> None:
    path = tmp_path / "picture.png"
    assert demo.main(["--model", str(tiny_model), "--readme_picture", str(path)]) == 0
    assert Image.open(path).width == 1600


def test_input_at_fault(tmp_path, capsys) -> None:
    (tmp_path / "file").write_text("")
    assert demo.main(["--output_path", str(tmp_path / "file")]) == 2
    assert demo.main(["--model", "no_such_model", "--output_path", str(tmp_path / "x")]) == 2
    assert demo.main(["--readme_picture", str(tmp_path / "a.gif")]) == 2
    err = capsys.readouterr().err
    assert sum(line.startswith("medfly: ") for line in err.splitlines()) == 3
    assert "Traceback" not in err and not (tmp_path / "x").exists()
