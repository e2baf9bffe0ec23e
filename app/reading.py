"""The page on which scans are read: one or two canvases, and beside them the panel that asks.

It joins the parts and knows nothing of its own: what can be opened is app.studies, what is shown app.canvas, what is
asked app.asking, what is kept app.record. A canvas is a fragment: turning through frames runs it alone, and the
panel reads where it stands when something is asked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress

import streamlit as st

from app import asking, comparing, studies
from app import texts as tables
from app.asking import Shown
from app.canvas import Acted, View, canvas, done
from app.failures import plain, told
from app.record import audit_panel
from app.session import Session, key
from app.studies import Opened
from app.texts import Texts
from medfly.display import chosen_window, preset, presets_for
from medfly.types import InputError, Scan, Window

WIDTHS = (3, 2)
"""Of the canvases and of the panel."""
NEAR = 4
"""Frames on each side that stand in for a damaged one."""


def page(texts: Texts, session: Session) -> None:
    """Draw it; what fails is told where it stands, and the rest goes on."""
    chosen: Sequence[Opened] = ()
    with st.sidebar, told(texts):
        chosen = studies.browser(texts)
    if not chosen:
        st.info(texts["frame.nothing_open"])
        return
    seen, asked = st.columns(WIDTHS, gap="medium")
    with seen:
        for number, (column, opened) in enumerate(zip(st.columns(len(chosen)), chosen, strict=True)):
            with column, told(texts):
                _canvas(opened, number, second=number > 0 and opened == chosen[0], texts=texts, session=session)
    with asked, told(texts):
        _panel(_active(chosen, texts), chosen, texts, session)


def _active(chosen: Sequence[Opened], texts: Texts) -> int:
    """Of two panes, the one that is asked about."""
    if len(chosen) == 1:
        return 0
    sides = [texts["frame.left"], texts["frame.right"]]
    picked = st.radio(texts["frame.about"], sides, horizontal=True, key=key("reading", "active"))
    return sides.index(picked)


def _panel(number: int, chosen: Sequence[Opened], texts: Texts, session: Session) -> None:
    opened = chosen[number]
    acted = _acted(opened, number)
    scan = studies.frame(opened, _going(opened, acted)[0])
    asking.panel(
        opened,
        scan,
        acted.window or _first_window(scan, number > 0 and opened == chosen[0]),
        acted.region,
        texts,
        session,
        crop=acted.crop,
        below=lambda turn: audit_panel.verdict(session, turn, texts),
    )
    with st.expander(texts["comparing.title"]):
        comparing.panel(opened.key, scan, texts, seen=acted.window)


@st.fragment
def _canvas(opened: Opened, number: int, *, second: bool, texts: Texts, session: Session) -> None:
    """One pane. second: of two that show the same series, so that it begins with another window."""
    with told(texts):
        count, acted = studies.count(opened), _acted(opened, number)
        images, missing = _images(opened, acted.need)
        shown = asking.shown(session, opened.key)
        frame, order = _going(opened, acted)
        scan = _near(opened, frame, count)
        view = View(
            series=opened.key,
            frames=count,
            frame=frame,
            order=order,
            images=images,
            missing=missing,
            window=_first_window(scan, second),
            presets=[(name, preset(name)) for name in presets_for(scan)],
            region=acted.region,
            texts=tables.part(texts, "canvas"),
            **_evidence(shown),
        )
        after = canvas(view, key=_key(number))
        _tell(after, number)


def _evidence(shown: Shown | None) -> dict:
    """An answer's part of the view."""
    if shown is None:
        return {}
    return {
        "crops": shown.crops,
        "grid": shown.grid,
        "heat": shown.heat,
        "opacity": shown.opacity,
        "evidence_frame": shown.turn.frame,
        "focus": shown.focus,
    }


def _images(opened: Opened, need: Sequence[int]) -> tuple[dict[int, Scan], list[int]]:
    """The frames asked for, and those of them that cannot be opened, of which the first says why."""
    images: dict[int, Scan] = {}
    missing: dict[int, str] = {}
    for frame in need:
        try:
            images[frame] = studies.frame(opened, frame)
        except InputError as error:
            missing[frame] = str(error)
    if missing:
        st.warning(plain(next(iter(missing.values()))))
    return images, list(missing)


def _near(opened: Opened, frame: int, count: int) -> Scan:
    """The frame or, where it is damaged, the nearest that opens: for the windows, which a series shares.

    Raises InputError where none of the frames around it opens.
    """
    around = sorted(range(max(0, frame - NEAR), min(count, frame + NEAR + 1)), key=lambda other: abs(other - frame))
    for other in around:
        with suppress(InputError):
            return studies.frame(opened, other)
    return studies.frame(opened, frame)


def _first_window(scan: Scan, second: bool) -> Window | None:
    """None for the scan's own; beside the same series the preset that differs most from it, where there is one."""
    if not second:
        return None
    own = chosen_window(scan, None)
    width = own.width if isinstance(own, Window) else 1.0
    presets = [preset(name) for name in presets_for(scan)]
    return max(presets, key=lambda one: abs(math.log(one.width / width)), default=None)


def _tell(acted: Acted, number: int) -> None:
    """The panel draws what a region or a crop is for, so it must know of a new one at once."""
    name, now = key("reading", "acted", number), (acted.region, acted.crop)
    before = st.session_state.get(name, (None, None))
    st.session_state[name] = now
    if now != before:
        st.rerun()


def _acted(opened: Opened, number: int) -> Acted:
    return done(_key(number), opened.key, studies.count(opened))


def _going(opened: Opened, acted: Acted) -> tuple[int, str | None]:
    """The frame to show, and the order to go there if the browser has not obeyed it yet.

    Else the one that is looked at; to begin with the middle one.
    """
    looked = studies.count(opened) // 2 if acted.frame is None else acted.frame
    return asking.wanted_frame(opened.key, acted.order) or (looked, None)


def _key(number: int) -> str:
    return key("canvas", number)
