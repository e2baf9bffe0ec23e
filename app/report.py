"""Scans, questions, answers and crops as one HTML page that needs nothing else: no server, no script, no network.

medfly.html gives the page its frame and shows the answers; here they are put under their scans. This module knows no
model and no file format of scans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from medfly import wording
from medfly.html import answer_card, document, legend, write_whole
from medfly.types import Answer, Scan


@dataclass(frozen=True)
class Section:
    """One scan in one window, with what was asked about it. picture: [H, W, 3] uint8, as the model saw it."""

    title: str
    scan: Scan
    picture: np.ndarray
    answers: Sequence[Answer]


def write_report(sections: Sequence[Section], path: Path) -> None:
    """Write the page whole or not at all; the folder is made. Raises InputError where it cannot be written."""
    write_whole(page(sections), path)


def page(sections: Sequence[Section]) -> str:
    """The whole HTML document."""
    contents = "".join(f'<a href="#scan{n}">{escape(s.title)}</a>' for n, s in enumerate(sections, 1))
    body = "".join(_section(number, section) for number, section in enumerate(sections, 1))
    method = next((a.evidence.method for s in sections for a in s.answers if a.evidence), None)
    about = f"Boxes are the crops that counted most for an answer. Score: {escape(method)}." if method else ""
    return document(
        "MedFly report",
        f"""<header><h1>MedFly</h1><p>Questions, answers, and where in the scan they come from.</p>
<p class="small">{legend()} {about}</p><nav>{contents}</nav></header>
<main>{body}</main>""",
    )


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
    cards = "".join(
        answer_card(answer, section.picture, aspect=scan.pixel_aspect, spacing=scan.spacing)
        for answer in section.answers
    )
    return (
        f'<section id="scan{number}"><h2>{escape(section.title)}</h2><details><summary>Provenance</summary>'
        f"<dl>{table}</dl></details>{cards}</section>"
    )
