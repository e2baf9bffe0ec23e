"""What every page of MedFly has in common: its frame, its look, and an answer shown beside the scan it is about.

A page is one document that needs nothing else: no server, no script, no network. Pictures are embedded losslessly, all
text is escaped, the research-use line stays in view, and on paper the page is dark on white. This module knows answers
and pictures; it knows no model, no file format of scans, and not what a page is for.
"""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from medfly import wording
from medfly.drawing import (
    LEVEL_COLOURS,
    OPACITY,
    PLASMA,
    Spread,
    answer_map,
    crop_picture,
    fitted,
    heat,
    highlight,
    shown_regions,
    spread,
)
from medfly.geometry import size_in_mm
from medfly.types import Answer, InputError, Level, Region
from medfly.writing import whole

VIEW, CROP = 440, 150
"""Longer sides of the highlighted scan and of a crop, in pixels of the page."""
HEATED = 340
"""The longer side of each of two: the highlighted scan and, below it, its map of evidence."""
SIGN = '<span class="sign" aria-hidden="true">!</span>'
"""Before a warning: its colour alone is not seen by all."""
LONG = 40
"""Letters beyond which an answer is set smaller."""


def document(title: str, body: str, style: str = "") -> str:
    """The whole document around `body`, which is HTML already. title: plain text. style: CSS after the common one."""
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title><style>{STYLE}{style}</style></head>
<body><div class="banner" role="note">{escape(wording.RESEARCH_USE)}</div>
{body}</body></html>
"""


def write_whole(text: str, path: Path) -> None:
    """Write the page whole or not at all; the folder is made. Raises InputError where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as partial:
            partial.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(f"report {str(path)!r}: cannot be written ({error.strerror}); choose another folder") from None


def legend() -> str:
    """What the colours of the boxes mean."""
    return "".join(f'<span class="key {level}">{level} zoom</span>' for level in ("medium", "high"))


def answer_card(
    answer: Answer,
    picture: np.ndarray,
    *,
    aspect: float = 1.0,
    spacing: tuple[float, float] | None = None,
    more: str = "",
) -> str:
    """The scan with the crops that counted most and its map of evidence, the question, the answer and how far to rely
    on it, what it was under changes, and the crops. That an answer is deferred stands before it.

    picture: [H, W, 3] uint8, as the model saw it. aspect: height of a pixel over its width. spacing: millimetres
    between rows and columns. more: HTML that stands below the answer.
    """
    crops = "".join(
        _crop(picture, rank, region, aspect, spacing) for rank, region in enumerate(shown_regions(answer), 1)
    )
    trust = "".join(f'<p class="small">{escape(line)}</p>' for line in wording.trust_lines(answer))
    return f"""<article>{_views(answer, picture, aspect)}
<div class="words"><p class="question">{escape(answer.question)}</p>
{deferral(answer)}{answer_words(answer)}{more}
{_bar(wording.bar_share(answer))}
{trust}{changes(answer)}<div class="crops">{crops}</div>
<p class="small">{escape(wording.levels_line(answer))}</p></div></article>
"""


def deferral(answer: Answer) -> str:
    """That the answer is deferred, and why; nothing where it is not."""
    lines = wording.deferral_lines(answer)
    if not lines:
        return ""
    reasons = "".join(f"<br>{escape(line)}" for line in lines[1:])
    return f'<p class="deferred" role="note"><b>{SIGN} {escape(lines[0])}</b>{reasons}</p>'


def answer_words(answer: Answer) -> str:
    """The answer, large; a long one smaller, and a deferred one small and grey."""
    said = wording.answer_line(answer)
    if wording.deferral_lines(answer):
        return f'<p class="answer left"><span class="small">answer, deferred:</span> {escape(said)}</p>'
    return f'<p class="answer{" long" if len(said) > LONG else ""}">{escape(said)}</p>'


def changes(answer: Answer) -> str:
    """Whether the answer changed under changes that should not matter, with all of them folded below the line."""
    line = wording.variations_line(answer)
    if line is None:
        return ""
    told = f'<b class="warning">{SIGN} {escape(line)}</b>' if answer.flips else escape(line)
    return f'<details class="changes"><summary>{told}</summary>{changes_table(answer)}</details>'


def changes_table(answer: Answer) -> str:
    """All variations as a table, in their order."""
    rows = []
    for variation in answer.variations:
        mark, *cells = (escape(cell) for cell in wording.variation_row(answer, variation))
        style = "" if variation.same else ' class="warning"'
        rows.append(f"<tr{style}><td>{mark}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    heads = "".join(f"<th>{heading}</th>" for heading in wording.VARIATION_HEADINGS)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _views(answer: Answer, picture: np.ndarray, aspect: float) -> str:
    """The scan with its boxes; below it the scan with its map of evidence, where there is any."""
    regions, shares = shown_regions(answer), answer_map(answer, picture)
    found = spread(shares)
    scale = fitted(picture, HEATED if found and found.placed else VIEW, aspect)
    boxed = highlight(picture, regions, scale=scale, aspect=aspect)
    views = [_view(boxed, "the scan with the crops that counted most" if regions else "the scan")]
    if found is not None and found.placed:
        heated = heat(picture, shares, scale=scale, aspect=aspect)
        views.append(_view(heated, "the scan with its map of evidence", heat_legend(found)))
    elif found is not None:
        views[0] = _view(boxed, "the scan with the crops that counted most", escape(found.line))
    return f'<div class="views">{"".join(views)}</div>'


def _view(image: Image.Image, description: str, below: str = "") -> str:
    """below: HTML, no wider than the picture."""
    caption = f"<figcaption>{below}</figcaption>" if below else ""
    return f'<figure style="width:{max(image.width, 120)}px">{picture_tag(image, description)}{caption}</figure>'


def heat_legend(found: Spread, opacity: float = OPACITY) -> str:
    """What the colours of a map of evidence mean: the scale over a grey ground, what its ends stand for, and words."""
    count = len(PLASMA) - 1
    stops = ", ".join(
        f"rgba({red},{green},{blue},{opacity * step / count:.2f}) {100 * step / count:.0f}%"
        for step, (red, green, blue) in enumerate(PLASMA)
    )
    low, high = found.ends
    scale = f'<span class="ramp" style="background: linear-gradient(90deg, {stops}), #5a5a5a"></span>'
    return f'<span class="scale">{low:.1f}× {scale} {high:.1f}×</span>{escape(found.line)}'


def _bar(share: float | None) -> str:
    if share is None:
        return ""
    return f'<div class="bar"><div style="width:{round(100 * share)}%"></div></div>'


def _crop(picture: np.ndarray, rank: int, region: Region, aspect: float, spacing: tuple[float, float] | None) -> str:
    size = wording.millimetre_line(size_in_mm(region.box, spacing))
    lines = f"<b>{rank} {region.level} {wording.score_text(region.score)}</b><br>{wording.place_line(region)}<br>{size}"
    tag = picture_tag(crop_picture(picture, region, CROP, aspect), f"crop {rank}")
    return f'<figure class="{region.level}">{tag}<figcaption>{lines}</figcaption></figure>'


def picture_tag(image: Image.Image, description: str) -> str:
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
:root {{ color-scheme: dark; --back: #0d1117; --panel: #161c26; --line: #30363d; --text: #e6edf3; --muted: #919cab;
  --link: #9ecbff; --warning: #ffb066; --medium: {_css("medium")}; --high: {_css("high")}; }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; padding-top: 2.4rem; background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; }}
.banner {{ position: fixed; inset: 0 0 auto 0; z-index: 1; padding: .4rem; text-align: center; font-weight: 600;
  background: #ffb066; color: #0d1117; }}
header, main {{ max-width: 70rem; margin: 0 auto; padding: 1rem; }}
h1 {{ margin: .5rem 0 0; font-size: 2.2rem; }}
h2 {{ margin: 2.5rem 0 .3rem; }}
section {{ scroll-margin-top: 2.4rem; }}
nav {{ display: flex; flex-wrap: wrap; gap: .5rem; margin-top: 1rem; }}
nav a {{ padding: .2rem .7rem; border: 1px solid var(--line); border-radius: 1rem; color: var(--link);
  text-decoration: none; }}
nav a:hover, nav a:focus {{ border-color: var(--link); }}
.small, dl, figcaption, summary {{ font-size: .85rem; color: var(--muted); }}
summary {{ cursor: pointer; }}
.key {{ margin-right: .8rem; }}
.key::before {{ content: ""; display: inline-block; width: .7em; height: .7em; margin-right: .4em; border: 2px solid; }}
.key.medium::before, .medium b {{ color: var(--medium); }}
.key.high::before, .high b {{ color: var(--high); }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; }}
dd {{ margin: 0; color: var(--text); overflow-wrap: anywhere; }}
article {{ display: flex; flex-wrap: wrap; gap: 1.5rem; margin: 1rem 0; padding: 1rem; background: var(--panel);
  border-radius: .6rem; }}
.views {{ flex: 0 1 auto; align-self: flex-start; max-width: 100%; }}
.views figure {{ max-width: 100%; margin-bottom: .8rem; }}
.views img {{ border: 0; max-width: 100%; height: auto; }}
.views figcaption {{ margin-top: .3rem; }}
.scale {{ display: flex; align-items: center; gap: .4rem; color: var(--text); }}
.ramp {{ flex: 1 1 auto; max-width: 12rem; height: .7rem; print-color-adjust: exact; }}
.words {{ flex: 1 1 22rem; min-width: 0; overflow-wrap: anywhere; }}
.words p {{ margin: 0 0 .4rem; }}
.question {{ color: var(--muted); }}
.answer {{ font-size: 1.9rem; font-weight: 600; line-height: 1.2; }}
.answer.long, .answer.left {{ font-size: 1.25rem; }}
.answer.left {{ font-weight: 400; color: var(--muted); }}
.deferred {{ padding: .5rem .7rem; border: 2px solid var(--warning); border-radius: .4rem; }}
.deferred b {{ font-size: 1.25rem; }}
.deferred b, .warning {{ color: var(--warning); }}
.sign {{ display: inline-block; width: 1.3em; line-height: 1.3em; text-align: center; border-radius: 50%;
  background: var(--warning); color: var(--panel); font-weight: 700; print-color-adjust: exact; }}
.changes {{ margin: .4rem 0; }}
.changes table {{ border-collapse: collapse; font-size: .85rem; }}
.changes th, .changes td {{ padding: .1rem .8rem .1rem 0; text-align: left; vertical-align: top; }}
.changes td:first-child, .changes td:last-child {{ white-space: nowrap; }}
.changes table {{ overflow-wrap: normal; }}
.changes th {{ color: var(--muted); font-weight: 400; }}
.bar {{ height: .5rem; max-width: 22rem; margin: .4rem 0; background: var(--line); }}
.bar div {{ height: 100%; background: var(--high); }}
.crops {{ display: flex; flex-wrap: wrap; gap: .8rem; margin-top: 1rem; }}
figure {{ margin: 0; }}
figure img {{ display: block; border: 2px solid; }}
figure.medium img {{ border-color: var(--medium); }}
figure.high img {{ border-color: var(--high); }}
@media print {{
  :root {{ color-scheme: light; --back: #fff; --panel: #fff; --line: #bbb; --text: #000; --muted: #444; --link: #036;
    --warning: #a04b00; --medium: #a86800; --high: #00699c; }}
  .banner {{ position: static; print-color-adjust: exact; }}
  .bar, .bar div {{ print-color-adjust: exact; }}
  body {{ padding: 0; }}
  .changes::details-content {{ content-visibility: visible; height: auto; }}
  article {{ border: 1px solid var(--line); break-inside: avoid; }}
}}
"""
