"""The answers of a series: the one that is on the scan as a card, what can be asked of it, and the others below.

`shown` tells the page what belongs on the scan. It draws, and starts jobs (app/asking/pending.py); it computes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import cast

import numpy as np
import streamlit as st

from app.asking import answer_card, pending, regions
from app.asking.answering import Subject
from app.failures import guarded
from app.session import Session, Turn, key, new_id
from medfly import drawing, wording
from medfly.geometry import Crop
from medfly.types import Box, Level, Region, Scan

Texts = Mapping[str, str]
BOXES, HEAT, NOTHING = "boxes", "heat", "nothing"
GOING = key("asking", "going")


@dataclass(frozen=True, eq=False)
class Shown:
    """What of an answer is to be seen on the scan: for the canvas's View, whose evidence_frame is turn.frame.

    crops: best first. grid: all that the model saw, where that is wanted. heat: [H, W] in 0 … 1, or None.
    focus: the region that was asked about.
    """

    turn: Turn
    crops: tuple[Region, ...]
    grid: tuple[Crop, ...]
    heat: np.ndarray | None
    opacity: float
    focus: Box | None


def shown(session: Session, series: str) -> Shown | None:
    """What belongs on the scan, by the choices in the panel; to be asked before the canvas is drawn."""
    pending.collect(session)
    turn = pending.chosen(session, series)
    if turn is None:
        return None
    every = turn.answer.evidence.regions if turn.answer.evidence else ()
    choice = st.session_state.get(key("asking", "overlay"), BOXES)
    grid = st.session_state.get(key("asking", "grid"), False)
    return Shown(
        turn,
        drawing.shown_regions(turn.answer) if choice == BOXES else (),
        tuple(Crop(region.level, region.crop, region.box) for region in every) if grid else (),
        _heat(turn) if choice == HEAT else None,
        st.session_state.get(key("asking", "opacity"), drawing.OPACITY),
        turn.region,
    )


def wanted_frame(series: str, obeyed: str | None) -> tuple[int, str] | None:
    """The frame to go to after "show on the scan" and the name of that order; None where there is none to obey.

    obeyed: the order that a canvas told last. Each canvas of the series goes there once.
    """
    going = st.session_state.get(GOING, {}).get(series)
    return None if going is None or going[1] == obeyed else going


def same_frame(turn: Turn, scan: Scan) -> bool:
    return (turn.scan_hash, turn.frame) == (scan.input_hash, scan.frame)


def about(turn: Turn, texts: Texts) -> str:
    """What it was asked about, for it stays in view while frames are turned: frames count from 1, as on the scan."""
    return " · ".join(part for part in (texts["asking.frame"].format(frame=turn.frame + 1), turn.window) if part)


def card(series: str, turn: Turn, texts: Texts) -> None:
    """The card, and what of it is shown on the scan."""
    made = answer_card.html(
        turn.answer, series, texts, about=about(turn, texts), spacing=turn.spacing, checks=pending.checks(turn)
    )
    st.html(made)
    if turn.answer.evidence is None:
        return
    options = [BOXES, NOTHING] if _heat(turn) is None else [BOXES, HEAT, NOTHING]
    choice = st.radio(
        texts["asking.evidence_shown"],
        options,
        format_func=lambda option: texts[f"asking.{option}"],
        horizontal=True,
        key=key("asking", "overlay"),
    )
    if choice == HEAT:
        st.slider(texts["asking.opacity"], 0.0, 1.0, drawing.OPACITY, key=key("asking", "opacity"))
    st.checkbox(texts["asking.grid"], key=key("asking", "grid"))


def _heat(turn: Turn) -> np.ndarray | None:
    """The turn's map of evidence; the last one is kept."""
    name = key("asking", "heat")
    of, known = st.session_state.get(name, (None, None))
    if of != (turn.id, turn.answer.evidence is None):
        known = regions.heat(turn.answer, (turn.picture.shape[1], turn.picture.shape[0]), turn.region)
        st.session_state[name] = (turn.id, turn.answer.evidence is None), known
    return known


def more(series: str, turn: Turn, scan: Scan, texts: Texts, crop: tuple[Level, int] | None) -> None:
    """What can be asked of an answer: the same under changes, and without one crop."""
    busy = pending.job() is not None
    with st.expander(texts["asking.more"]):
        if not same_frame(turn, scan):
            st.caption(texts["asking.other_frame"])
            return
        subject = Subject(scan, pending.window_of(turn), turn.region)
        if turn.answer.provenance.get("earlier_turns"):
            st.caption(texts["asking.vary_not"])
        else:
            vary = partial(pending.vary, series, turn, subject)
            st.button(
                texts["asking.vary"],
                help=texts["asking.vary_help"],
                key=key("asking", "vary", turn.id),
                on_click=vary,
                disabled=busy,
            )
        if turn.answer.evidence is not None:
            _check(series, turn, subject, texts, crop, busy)


def _check(series: str, turn: Turn, subject: Subject, texts: Texts, crop: tuple[Level, int] | None, busy: bool) -> None:
    """The choice of a crop, that which was clicked last first, and the button that asks without it."""
    assert turn.answer.evidence is not None
    crops = {(region.level, region.crop): region for region in turn.answer.evidence.regions}
    order = sorted(crops, key=lambda one: one != crop)  # stable: the others stay best first
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    wanted = left.selectbox(
        texts["asking.check_crop"],
        order,
        format_func=lambda one: f"{one[0]} {one[1]} {wording.score_text(crops[one].score)}",
        key=key("asking", "crop", turn.id, crop),
    )
    right.button(
        texts["asking.check"],
        key=key("asking", "check", turn.id),
        on_click=lambda: pending.check(series, turn, subject, cast(tuple[Level, int], wanted)),
        disabled=busy,
    )


def others(series: str, turn: Turn, texts: Texts, session: Session) -> None:
    """The other answers about this series, newest first."""
    others = [other for other in reversed(session.turns(series)) if other.id != turn.id]
    if others:
        st.caption(texts["asking.earlier_answers"])
    for other in others:
        _other(series, other, texts)
    st.button(
        texts["asking.forget"],
        key=key("asking", "forget", series),
        on_click=partial(pending.forget, session, series),
        disabled=pending.job() is not None,
    )


def _other(series: str, turn: Turn, texts: Texts) -> None:
    """One line of an answer that is not on the scan now, with a button that brings it there."""
    said = escape(f"{wording.answer_line(turn.answer)} · {about(turn, texts)}")
    deferred = f"<b>⚠ {escape(texts['asking.deferred'])}</b><br>" if wording.deferral_lines(turn.answer) else ""
    left, right = st.columns([3, 1], vertical_alignment="center")
    left.html(f'<div class="medfly-card"><p class="question">{escape(turn.answer.question)}</p>{deferred}{said}</div>')
    right.button(texts["asking.show"], key=key("asking", "show", turn.id), on_click=partial(_go, series, turn))


@guarded
def _go(series: str, turn: Turn) -> None:
    pending.choose(series, turn)
    st.session_state.setdefault(GOING, {})[series] = turn.frame, new_id()
