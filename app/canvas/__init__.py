"""The canvas: one series in the browser, 16-bit pixels sent once, everything quick done there.

    acted = canvas.done(key, series, frames)                     # before the view is made: which frames are asked for
    view = View(series=..., frames=..., frame=acted.frame or 0, images={n: scan for n in acted.need}, ...)
    acted = canvas.canvas(view, key=key)

Window, zoom, pan, frames, crops and measuring answer without the server; it is told afterwards, and asked for frames
that the browser lacks. Called in an `st.fragment`, only that runs again, and no answer in the making is cut off.

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
from app.canvas.telling import Acted, acted

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
    result = _component()(key=key, data=pack(view, height), on_acted_change=_noted, on_need_change=_noted)
    return acted(result.get("acted"), result.get("need"), series=view.series, frames=view.frames)


def done(key: str, series: str, frames: int) -> Acted:
    """What `canvas` will return in this run, before it is called: to make a view that has the frames asked for."""
    state = st.session_state.get(key)
    known: Mapping[str, Any] = state if isinstance(state, Mapping) else {}
    return acted(known.get("acted"), known.get("need"), series=series, frames=frames)


def script() -> str:
    """All modules as one, each name exported: what the browser runs."""
    return "\n".join(IMPORT.sub("", _file(f"{name}.js")) for name in MODULES)


@cache
def _component() -> Callable[..., Any]:
    return components.component(NAME, html=_file("canvas.html"), css=_file("canvas.css"), js=script())


@cache
def _file(name: str) -> str:
    return files("app.canvas").joinpath(name).read_text("utf-8")


def _noted() -> None:
    """Streamlit keeps only those values that somebody listens to."""
