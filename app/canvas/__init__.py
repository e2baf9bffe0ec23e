"""The canvas: one series in the browser, 16-bit pixels sent once, everything quick done there.

    acted = canvas.done(key, series, frames)                     # before the view is made: which frames are asked for
    view = View(series=..., frames=..., frame=acted.frame or 0, images={n: scan for n in acted.need}, ...)
    acted = canvas.canvas(view, key=key)

Window, zoom, pan, frames, crops and measuring answer without the server; it is told afterwards, and asked for frames
that the browser lacks. A map of evidence is sent once, and again where the browser asks for it.
Called in an `st.fragment`, only that runs again, and no answer in the making is cut off.

The JavaScript lies beside this file as modules that import each other; the browser gets them joined into one, without
a network. Nothing is registered at import, for Streamlit allows that only while a page runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import streamlit as st
import streamlit.components.v2 as components

from app.canvas.packet import HEIGHT, View, pack
from app.canvas.telling import Acted, acted, lacks_heat

__all__ = ["Acted", "View", "canvas", "done", "script"]

NAME = "medfly_canvas"
MODULES = (  # in the order in which they need each other
    "pixels",
    "geometry",
    "packet",
    "frames",
    "echo",
    "boxes",
    "words",
    "marks",
    "cine",
    "controls",
    "keys",
    "gestures",
    "links",
    "inset",
    "help",
    "rectangle",
    "picture",
    "reporter",
    "elsewhere",
    "scene",
    "tools",
    "viewer",
    "component",
)
IMPORT = re.compile(r"^import [^;]*;\n", re.MULTILINE)


def canvas(view: View, *, key: str, height: int = HEIGHT) -> Acted:
    """Show a view and tell what the user did to it. height: with the tools, CSS pixels. key: of this place on the page.

    Raises Streamlit's own errors outside of a page.
    """
    data = pack(view, height, known=_known_heat(key))
    if view.heat is not None:
        st.session_state[_sent(key)] = view.heat_id
    result = _component()(key=key, data=data, on_acted_change=_noted, on_need_change=_noted)
    return acted(result.get("acted"), result.get("need"), series=view.series, frames=view.frames)


def done(key: str, series: str, frames: int) -> Acted:
    """What `canvas` will return in this run, before it is called: to make a view that has the frames asked for."""
    known = _state(key)
    return acted(known.get("acted"), known.get("need"), series=series, frames=frames)


def script() -> str:
    """All modules as one, each name exported: what the browser runs."""
    return "\n".join(IMPORT.sub("", _file(f"{name}.js")) for name in MODULES)


def _state(key: str) -> Mapping[str, Any]:
    state = st.session_state.get(key)
    return state if isinstance(state, Mapping) else {}


def _known_heat(key: str) -> str | None:
    """The map that was sent last, unless the browser says that it has not come or was lost."""
    return None if lacks_heat(_state(key).get("need")) else st.session_state.get(_sent(key))


def _sent(key: str) -> str:
    return f"{key}.heat"


@cache
def _component() -> Callable[..., Any]:
    return components.component(NAME, html=_file("canvas.html"), css=_file("canvas.css"), js=script())


@cache
def _file(name: str) -> str:
    return files("app.canvas").joinpath(name).read_text("utf-8")


def _noted() -> None:
    """Streamlit keeps only those values that somebody listens to."""
