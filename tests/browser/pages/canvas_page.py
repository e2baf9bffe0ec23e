"""A page with the canvas alone: two series (one of thirty frames, one in colour) and links as an answer has them.

It tells what the canvas tells, as text, how often its parts ran, and what a question would be about. ?panes=2: two
canvases of one series.
"""

from __future__ import annotations

import json

import numpy as np
import streamlit as st

from app.canvas import View, canvas, done
from app.session import new_id
from medfly.geometry import Pyramid
from medfly.types import Region, Scan, VoiLut, Window

FRAMES, WIDTH, HEIGHT = 30, 200, 120
CROPS = (Region("high", 3, (100.0, 20.0, 140.0, 40.0), 0.31), Region("medium", 1, (100.0, 0.0, 200.0, 60.0), 0.2))


def values(frame: int) -> np.ndarray:
    """[120, 200] float32: whole numbers with some that only one frame has."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return (columns * 9 - rows * 5 + 40 * frame - 700).astype(np.float32)


def volume_frame(frame: int) -> Scan:
    padding = np.zeros((HEIGHT, WIDTH), bool)
    padding[:4] = True
    overlay = np.zeros((HEIGHT, WIDTH), bool)
    overlay[100:110, 20:60] = True
    affine = np.diag([0.5, 1.0, 4.0, 1.0])
    return Scan(
        values(frame), (Window(40, 400),), "HU", padding=padding, spacing=(1.0, 0.5), affine=affine, modality="CT",
        overlay=overlay, frame=frame,
    )  # fmt: skip


def others() -> dict[str, Scan]:
    noise = np.random.default_rng(5)
    floats = noise.normal(size=(90, 70)).astype(np.float32)
    floats[3, 4:9] = np.nan
    table = VoiLut(-50, (np.arange(256) ** 2 % 256).astype(np.uint16), 8)
    rows, columns = np.mgrid[:2048, :2048]
    large = ((rows * 7 + columns * 3 + noise.integers(0, 200, (2048, 2048))) % 4096).astype(np.float32)
    return {
        "colour": Scan(noise.integers(0, 256, (50, 80, 3), dtype=np.uint8)),
        "float": Scan(floats, inverted=True),
        "table": Scan(noise.integers(-100, 300, (64, 64)).astype(np.float32), (table, Window(0, 90))),
        "large": Scan(large),
        "small": Scan(large[:512, :512]),
    }


def main() -> None:
    st.set_page_config(layout="wide")
    series = st.query_params.get("series", "volume")
    if st.query_params.get("choice"):
        series = st.radio("Series", ["volume", *others()])
    st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    st.html(f'<p id="runs">{st.session_state["runs"]}</p>')
    st.html(
        '<p><button data-medfly-crop="high-3" data-medfly-series="volume">crop</button> '
        '<span tabindex="0" id="several" data-medfly-crops="high-3 medium-1">several</span> '
        '<button id="other" data-medfly-crop="high-3" data-medfly-series="another">of another series</button></p>'
    )
    ask(series)
    for number in range(int(st.query_params.get("panes", 1))):
        pane(series, number)


def ask(series: str) -> None:
    """What the page beside a canvas does: a question about what is seen, and an order to go somewhere."""
    with st.form("form"):
        st.text_input("Question")
        sent = st.form_submit_button("Send")
    if st.button("Ask") or sent:
        asked = done("canvas0", series, FRAMES)
        st.session_state["asked"] = [asked.frame, asked.window and asked.window.width]
    if st.button("Go to 9"):
        st.session_state["order"] = 9, new_id()
    st.html(f'<pre id="asked">{json.dumps(st.session_state.get("asked"))}</pre>')


@st.fragment
def pane(series: str, number: int) -> None:
    volume = series == "volume"
    frames = FRAMES if volume else 1
    acted = done(f"canvas{number}", series, frames)
    scans = {0: others()[series]} if not volume else {}
    images = {frame: volume_frame(frame) if volume else scans[frame] for frame in acted.need if frame != 13}
    going = st.session_state.get("order")
    order = None if going is None or going[1] == acted.order else going[1]
    frame = 5 if volume and acted.frame is None else acted.frame or 0
    pyramid = Pyramid(WIDTH, HEIGHT, 40, (2, 2), (6, 6))
    view = View(
        series=series,
        frames=frames,
        frame=going[0] if going and order else frame,
        order=order,
        images=images,
        missing=[13] if volume and 13 in acted.need else (),
        window=scans[0].windows[0] if series == "table" else None,
        presets=[("wide", Window(100, 2000, source="preset wide")), ("exact", Window(0, 300, "LINEAR_EXACT")),
                 ("curve", Window(50, 500, "SIGMOID"))],
        crops=CROPS if volume else (),
        grid=pyramid.crops() if volume else (),
        heat=np.outer(np.linspace(0, 1, 12), np.linspace(0, 1, 20)) if volume else None,
        region=acted.region,
        evidence_frame=5 if volume else None,
    )  # fmt: skip
    told = canvas(view, key=f"canvas{number}")
    window = told.window and told.window.to_dict()
    said = {"frame": told.frame, "window": window, "need": told.need, "region": told.region, "crop": told.crop}
    needed = st.session_state.setdefault(f"needed{number}", [])
    needed += told.need
    said |= {"needed": needed, "series": series, "order": order}
    st.html(f'<pre id="told{number}">{json.dumps(said)}</pre>')


main()
