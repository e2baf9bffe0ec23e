"""Scans, questions, answers and crops as one HTML page that needs nothing else: no server, no script, no network.

Pictures are embedded losslessly, all text is escaped, and the research-use line stays in view. This module knows no
model and no file format of scans.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from medfly import wording
from medfly.drawing import LEVEL_COLOURS, crop_picture, fitted, highlight, shown_regions
from medfly.geometry import size_in_mm
from medfly.types import Answer, InputError, Level, Region, Scan

VIEW, CROP = 440, 150
"""Longer sides of the highlighted scan and of a crop, in pixels of the page."""


@dataclass(frozen=True)
class Section:
    """One scan in one window, with what was asked about it. picture: [H, W, 3] uint8, as the model saw it."""

    title: str
    scan: Scan
    picture: np.ndarray
    answers: Sequence[Answer]


def write_report(sections: Sequence[Section], path: Path) -> None:
    """Write the page whole or not at all; the folder is made. Raises InputError where it cannot be written."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(page(sections), encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"report {str(path)!r}: cannot be written ({error.strerror}); choose another folder") from None
    finally:
        if path.parent.is_dir():
            partial.unlink(missing_ok=True)


def page(sections: Sequence[Section]) -> str:
    """The whole HTML document."""
    contents = "".join(f'<a href="#scan{n}">{escape(s.title)}</a>' for n, s in enumerate(sections, 1))
    body = "".join(_section(number, section) for number, section in enumerate(sections, 1))
    method = next((a.evidence.method for s in sections for a in s.answers if a.evidence), None)
    legend = "".join(f'<span class="key {level}">{level} zoom</span>' for level in ("medium", "high"))
    about = f"Boxes are the crops that counted most for an answer. Score: {escape(method)}." if method else ""
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>MedFly report</title><style>{STYLE}</style></head>
<body><div class="banner" role="note">{escape(wording.RESEARCH_USE)}</div>
<header><h1>MedFly</h1><p>Questions, answers, and where in the scan they come from.</p>
<p class="small">{legend} {about}</p><nav>{contents}</nav></header>
<main>{body}</main></body></html>
"""


def _section(number: int, section: Section) -> str:
    facts = section.answers[0].provenance if section.answers else {}
    scan = section.scan
    rows = {
        "input": wording.input_line(facts),
        "shown with": wording.window_line(facts),
        "body part in the file": scan.body_part or "not stated",
        "pixel spacing": "unknown" if scan.spacing is None else f"{scan.spacing[0]:g} × {scan.spacing[1]:g} mm",
        "remarks": "; ".join(scan.notes) or "none",
        "answered by": wording.model_line(facts),
    }
    table = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in rows.items())
    cards = "".join(_card(section, answer) for answer in section.answers)
    return (
        f'<section id="scan{number}"><h2>{escape(section.title)}</h2><details><summary>Provenance</summary>'
        f"<dl>{table}</dl></details>{cards}</section>"
    )


def _card(section: Section, answer: Answer) -> str:
    regions = shown_regions(answer)
    aspect = section.scan.pixel_aspect
    view = highlight(section.picture, regions, scale=fitted(section.picture, VIEW, aspect), aspect=aspect)
    crops = "".join(_crop(section, rank, region) for rank, region in enumerate(regions, 1))
    width = 0 if answer.confidence is None else round(100 * min(max(answer.confidence, 0), 1))
    return f"""<article>{_img(view, "the scan with the crops that counted most")}
<div class="words"><p class="question">{escape(answer.question)}</p>
<p class="answer">{escape(wording.answer_line(answer))}</p>
<div class="bar"><div style="width:{width}%"></div></div>
<p class="small">{escape(wording.confidence_line(answer))}</p><div class="crops">{crops}</div>
<p class="small">{escape(wording.levels_line(answer))}</p></div></article>
"""


def _crop(section: Section, rank: int, region: Region) -> str:
    size = wording.millimetre_line(size_in_mm(region.box, section.scan.spacing))
    lines = f"<b>{rank} {region.level} {wording.score_text(region.score)}</b><br>{wording.place_line(region)}<br>{size}"
    picture = crop_picture(section.picture, region, CROP, section.scan.pixel_aspect)
    return f'<figure class="{region.level}">{_img(picture, f"crop {rank}")}<figcaption>{lines}</figcaption></figure>'


def _img(image: Image.Image, description: str) -> str:
    """An <img> with its pixels inside; grey pictures are kept as grey, at a third of the size."""
    values = np.asarray(image)
    if values.ndim == 3 and (values == values[..., :1]).all():
        image = image.convert("L")
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    data = base64.b64encode(stream.getvalue()).decode()
    size = f'width="{image.width}" height="{image.height}"'
    return f'<img {size} alt="{escape(description)}" src="data:image/png;base64,{data}">'


def _css(level: Level) -> str:
    return "rgb({},{},{})".format(*LEVEL_COLOURS[level])


STYLE = f"""
:root {{ color-scheme: dark; --medium: {_css("medium")}; --high: {_css("high")}; }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; padding-top: 2.4rem; background: #0d1117; color: #e6edf3; font: 16px/1.5 system-ui, sans-serif; }}
.banner {{ position: fixed; inset: 0 0 auto 0; z-index: 1; padding: .4rem; text-align: center; font-weight: 600;
  background: #ffb066; color: #0d1117; }}
header, main {{ max-width: 70rem; margin: 0 auto; padding: 1rem; }}
h1 {{ margin: .5rem 0 0; font-size: 2.2rem; }}
h2 {{ margin: 2.5rem 0 .3rem; }}
section {{ scroll-margin-top: 2.4rem; }}
nav {{ display: flex; flex-wrap: wrap; gap: .5rem; margin-top: 1rem; }}
nav a {{ padding: .2rem .7rem; border: 1px solid #30363d; border-radius: 1rem; color: #9ecbff; text-decoration: none; }}
nav a:hover, nav a:focus {{ border-color: #9ecbff; }}
.small, dl, figcaption, summary {{ font-size: .85rem; color: #919cab; }}
summary {{ cursor: pointer; }}
.key {{ margin-right: .8rem; }}
.key::before {{ content: ""; display: inline-block; width: .7em; height: .7em; margin-right: .4em; border: 2px solid; }}
.key.medium::before, .medium b {{ color: var(--medium); }}
.key.high::before, .high b {{ color: var(--high); }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; }}
dd {{ margin: 0; color: #e6edf3; overflow-wrap: anywhere; }}
article {{ display: flex; flex-wrap: wrap; gap: 1.5rem; margin: 1rem 0; padding: 1rem; background: #161c26;
  border-radius: .6rem; }}
article > img {{ flex: 0 1 auto; max-width: 100%; height: auto; align-self: flex-start; }}
.words {{ flex: 1 1 22rem; min-width: 0; overflow-wrap: anywhere; }}
.words p {{ margin: 0 0 .4rem; }}
.question {{ color: #919cab; }}
.answer {{ font-size: 1.9rem; font-weight: 600; line-height: 1.2; }}
.bar {{ height: .5rem; max-width: 22rem; margin: .4rem 0; background: #30363d; }}
.bar div {{ height: 100%; background: var(--high); }}
.crops {{ display: flex; flex-wrap: wrap; gap: .8rem; margin-top: 1rem; }}
figure {{ margin: 0; }}
figure img {{ display: block; border: 2px solid; }}
figure.medium img {{ border-color: var(--medium); }}
figure.high img {{ border-color: var(--high); }}
@media print {{ .banner {{ position: static; }} body {{ padding: 0; }} }}
"""
