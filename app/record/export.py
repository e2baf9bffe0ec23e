"""What was asked and answered in one session as a file to keep: a page (HTML), a document (PDF), or JSON lines.

All three say that they are for research use only, number the scans in the order in which they were first asked about,
and hold nothing but the turns and the session's random id: no file names, no folders, and no remarks of readers, which
may name a patient. What a reader typed as a question is in them as it was typed. Where there is an audit log, they
state its last line, so that lines that are later cut off from it are missed (app/record/chain.py).

The PDF is made of pictures, one answer a page; they are JPEG at quality 95, and the PDF says so. The HTML page and the
JSON lines lose nothing. This module knows no Streamlit and no model.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any

from PIL import Image, ImageDraw

import medfly
from app.record.chain import Tip
from app.session import Session, Turn
from medfly import wording
from medfly.drawing import BACKGROUND, MUTED, TEXT, WARNING, Colour, answer_figure, legible, wrapped
from medfly.drawing.letters import sized_font
from medfly.html import answer_card, document, legend
from medfly.types import InputError

DPI = 150
PAGE = round(297 / 25.4 * DPI), round(210 / 25.4 * DPI)
"""(width, height) of A4 on its long side, in pixels."""
MARGIN, STRIP, SMALLEST, USE = 40, 100, 12, 20
"""Pixels: around a page, for the three lines on top of it, and of the smallest letters in them and of those that say
what the page is for: they stay as large where a long answer makes its figure, and the banner in it, small."""
INNER = PAGE[0] - 2 * MARGIN, PAGE[1] - 2 * MARGIN - STRIP
"""(width, height) that a figure may have, in pixels."""
QUALITY = 95
VERDICTS = {"agree": "the reader agreed", "disagree": "the reader disagreed", None: "no verdict of a reader"}
LOSSY = "pictures in this file are compressed with loss (JPEG)"


@dataclass(frozen=True)
class Entry:
    """A turn as exports tell it. scan: 1, 2, … in the order in which the scans were first asked about."""

    scan: int
    turn: Turn


def entries(session: Session) -> list[Entry]:
    """All turns in the order in which they were asked. Raises InputError where there are none."""
    numbers: dict[str, int] = {}
    found = [Entry(numbers.setdefault(series, len(numbers) + 1), turn) for series, turn in session.every()]
    if not found:
        raise InputError("a session without answers; expected one at least: ask something first")
    return found


def as_json_lines(session: Session, tip: Tip | None = None) -> str:
    """A line about the session, then one for each turn; numbers that are not finite are null. Raises InputError.

    tip: the audit log's last line.
    """
    found = entries(session)
    first = {"kind": "session", "use": wording.RESEARCH_USE, "session": session.id, "made_at": _iso(_now())}
    about = {"turns": len(found), "medfly": medfly.__version__, "audit_log": str(tip) if tip else None}
    lines = [first | about, *(_record(entry) for entry in found)]
    return "".join(json.dumps(_finite(line), ensure_ascii=False, allow_nan=False) + "\n" for line in lines)


def as_html(session: Session, tip: Tip | None = None) -> str:
    """One page that needs nothing else, with each scan's answers below each other. Raises InputError.

    tip: the audit log's last line.
    """
    found = entries(session)
    facts = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in _facts(session, tip).items())
    scans = dict.fromkeys(entry.scan for entry in found)
    body = "".join(_section(scan, [entry.turn for entry in found if entry.scan == scan]) for scan in scans)
    return document(
        "MedFly session",
        f"""<header><h1>MedFly session</h1><p class="small">{legend()}</p><dl>{facts}</dl></header>
<main>{body}</main>""",
    )


def as_pdf(session: Session, tip: Tip | None = None) -> bytes:
    """A4 on its long side, one answer a page. Letters beyond ASCII are written as plain ones. Raises InputError.

    tip: the audit log's last line. Pages are drawn one at a time, so that a long session needs no more memory.
    """
    found = entries(session)
    facts = _facts(session, tip)
    stream = io.BytesIO()
    for number, entry in enumerate(found, 1):
        page = _page(entry, [f"answer {number} of {len(found)}", *_told(entry)], facts)
        about = {"title": "MedFly session", "subject": wording.RESEARCH_USE} if number == 1 else {}
        page.save(stream, "PDF", append=number > 1, resolution=DPI, quality=QUALITY, subsampling=0, **about)
    return stream.getvalue()


def file_name(session: Session, suffix: str) -> str:
    """What the download is called: nothing of the scans is in it."""
    return f"medfly-session-{session.id[:8]}.{suffix}"


def _facts(session: Session, tip: Tip | None) -> dict[str, str]:
    """What is to be said of the whole session."""
    facts = {"session": session.id, "exported": _minutes(_now()), "medfly": medfly.__version__}
    return facts | ({"audit log, last line": str(tip)} if tip else {})


def _told(entry: Entry) -> list[str]:
    """What stands beside an answer: which scan, what part of it, when, and what the reader said."""
    turn = entry.turn
    part = [f"about the region {wording.box_line(turn.region)}"] if turn.region else []
    return [
        f"scan {entry.scan}",
        f"frame {turn.frame} (from 0)",  # as wording.input_line counts
        *part,
        f"asked {_minutes(turn.asked_at)}",
        VERDICTS[turn.verdict],
    ]


def _section(scan: int, turns: list[Turn]) -> str:
    return (
        f'<section id="scan{scan}"><h2>Scan {scan}</h2>{"".join(_card(Entry(scan, turn)) for turn in turns)}</section>'
    )


def _card(entry: Entry) -> str:
    turn = entry.turn
    provenance = turn.answer.provenance
    lines = [wording.input_line(provenance), wording.window_line(provenance), wording.model_line(provenance)]
    told = " · ".join([*_told(entry)[1:], *_remarks(turn)])
    more = f"""<p class="small">{escape(told)}</p><details class="changes"><summary>Provenance</summary>
<p class="small">{"<br>".join(map(escape, lines))}</p></details>"""
    return answer_card(turn.answer, turn.picture, aspect=turn.aspect, spacing=turn.spacing, more=more)


def _page(entry: Entry, told: list[str], facts: Mapping[str, str]) -> Image.Image:
    """The answer's figure as large as a page can hold it, below what stands beside it."""
    page = Image.new("RGB", PAGE, BACKGROUND)
    figure = _fitting(answer_figure(entry.turn.picture, entry.turn.answer, width=INNER[0], aspect=entry.turn.aspect))
    page.paste(figure, ((PAGE[0] - figure.width) // 2, MARGIN + STRIP))
    _head(
        ImageDraw.Draw(page), told, _remarks(entry.turn), [*(f"{key} {value}" for key, value in facts.items()), LOSSY]
    )
    return page


def _fitting(figure: Image.Image) -> Image.Image:
    scale = min(INNER[0] / figure.width, INNER[1] / figure.height, 1)
    size = max(round(figure.width * scale), 1), max(round(figure.height * scale), 1)
    return figure if size == figure.size else figure.resize(size, Image.Resampling.LANCZOS)


def _head(draw: ImageDraw.ImageDraw, told: list[str], remarks: list[str], about: list[str]) -> None:
    """Three lines on top of a page, and at the right end of the first what the page is for."""
    room, top = INNER[0], MARGIN
    use = round(sized_font(USE).getlength(legible(wording.RESEARCH_USE)))
    _line(draw, (MARGIN + room - use, top), use + 1, wording.RESEARCH_USE, USE, WARNING)
    lines = ((told, room - use - 2 * USE, 24, TEXT), (remarks, room, 18, MUTED), (about, room, 16, MUTED))
    for parts, wide, size, colour in lines:
        _line(draw, (MARGIN, top), wide, " · ".join(parts), size, colour)
        top += round(1.4 * size)


def _line(draw: ImageDraw.ImageDraw, start: tuple[int, int], room: int, text: str, size: int, colour: Colour) -> None:
    """One line; a long one smaller, and where that is not enough, cut with dots. room: pixels to the right."""
    text = legible(text)
    while size > SMALLEST and sized_font(size).getlength(text) > room:
        size -= 1
    if sized_font(size).getlength(text) > room:
        text = wrapped(text, sized_font(size), room - 2 * size)[0] + " ..."
    draw.text(start, text, font=sized_font(size), fill=colour)


def _remarks(turn: Turn) -> list[str]:
    """What is known of how the picture came about, such as a lossy compression."""
    return [str(note) for note in turn.answer.provenance.get("notes") or ()]


def _record(entry: Entry) -> dict[str, Any]:
    turn = entry.turn
    answer = turn.answer.to_dict()
    if model := answer["provenance"].get("model"):  # a folder's path is nobody's concern
        answer["provenance"]["model"] = str(model).replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    return {
        "kind": "turn",
        "use": wording.RESEARCH_USE,
        "turn": turn.id,
        "scan": entry.scan,
        "input_hash": turn.scan_hash,
        "frame": turn.frame,
        "region": list(turn.region) if turn.region else None,
        "window": turn.window,
        "context": turn.context,
        "asked_at": _iso(turn.asked_at),
        "verdict": turn.verdict,
        "answer": answer,
    }


def _finite(value: Any) -> Any:
    """JSON knows neither NaN nor infinity: both become None."""
    if isinstance(value, Mapping):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _now() -> datetime:
    return datetime.now(UTC)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _minutes(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
