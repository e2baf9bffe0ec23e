"""The viewer: open a scan, choose a window, ask, and see the answer beside the crops that it came from.

A Streamlit page, started by `medfly app`. It shows and never computes: pictures come from medfly.display and
medfly.drawing, answers from the engine. Uploads live in the session's memory; nothing is written or logged.
"""

from __future__ import annotations

import io
import json
import os
import re
from html import escape

import numpy as np
import streamlit as st
from PIL import Image

import medfly
from app.samples import SAMPLES
from data_adapters import read
from medfly import drawing, wording
from medfly.display import chosen_window, presets_for
from medfly.geometry import size_in_mm
from medfly.html import changes_table, heat_legend
from medfly.types import Answer, InputError, Scan, Window

MODEL = os.environ.get("MEDFLY_MODEL", "mini")  # set by `medfly app --model`
UPLOAD, OWN, CUSTOM = "Upload a file", "The file's own", "Width / level"
BOXES, HEAT = "Best crops", "Map of evidence"
VARY = "Ask again under changes that should not matter"
VARY_HELP = "Other windows, zoom, shift, JPEG, other words: some 15 pictures, each of which takes as long as an answer."
VIEW, CROP = 720, 260
FILES = {sample.title: sample for sample in SAMPLES if sample.window is None}
STYLE = """<style>
.medfly-banner { position: fixed; inset: auto 0 0 0; z-index: 1000000; padding: .35rem; text-align: center;
  font-weight: 600; background: #ffb066; color: #0d1117; }
.medfly-answer { font-size: 2rem; font-weight: 600; line-height: 1.2; overflow-wrap: anywhere; }
.medfly-answer.left { font-size: 1.25rem; font-weight: 400; opacity: .75; }
.medfly-question { opacity: .75; overflow-wrap: anywhere; }
.medfly-deferred, .medfly-changed { padding: .5rem .7rem; border-radius: .4rem; background: #ffb066; color: #0d1117; }
.medfly-deferred b { font-size: 1.25rem; }
.medfly-changes table { border-collapse: collapse; font-size: .85rem; }
.medfly-changes th, .medfly-changes td { padding: .1rem .8rem .1rem 0; text-align: left; vertical-align: top; }
.medfly-changes td:first-child { white-space: nowrap; }
.medfly-changes .warning { font-weight: 700; }
.medfly-heat { font-size: .85rem; }
.medfly-heat .scale { display: flex; align-items: center; gap: .4rem; }
.medfly-heat .ramp { flex: 0 1 12rem; height: .7rem; }
</style>"""


@st.cache_resource(show_spinner="Loading the model …")
def load_model(name: str) -> medfly.MedFly:
    """One model for all sessions of this server."""
    return medfly.load(name)


def plain(text: str) -> str:
    """Text that Streamlit's Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~$:])", r"\\\1", text)


def main() -> None:
    st.set_page_config(page_title="MedFly", layout="wide")
    st.html(f'{STYLE}<div class="medfly-banner" role="note">{escape(wording.RESEARCH_USE)}</div>')
    try:
        with st.sidebar:
            st.title("MedFly")
            scan = open_scan()
            window = choose_window(scan) if scan else None
        if scan is None:
            st.info("Open a scan in the sidebar: DICOM, NIfTI, PNG, JPEG, TIFF, WebP or BMP. It stays on this machine.")
            return
        chosen_window(scan, window)
        ask(scan, window)
    except InputError as error:
        st.error(plain(str(error).removeprefix("bytes: ")))


def open_scan() -> Scan | None:
    """The scan of the sidebar's choice, or None where no file has been uploaded yet. Raises InputError."""
    source = st.selectbox("Scan", [*FILES, UPLOAD], key="source")
    if source != UPLOAD:
        return read(FILES[source].path, frame=0)
    upload = st.file_uploader("File", key="upload")
    if upload is None:
        st.session_state.pop("opened", None)
        return None
    name, opened = st.session_state.get("opened", (None, None))
    if opened is None or name != upload.file_id:  # once a file, not at every click
        opened = read(upload.getvalue())
        st.session_state["opened"] = upload.file_id, opened
    if isinstance(opened, Scan):
        return opened
    frame = st.slider("Frame (from 0)", 0, len(opened) - 1, len(opened) // 2, key=f"frame-{upload.file_id}")
    return opened[frame]


def choose_window(scan: Scan) -> Window | str | None:
    """What Scan.display takes: None for the file's own. Presets are in HU and offered for nothing else."""
    if scan.pixels.ndim == 3:
        st.caption("Colour: shown as it is.")
        return None
    own = {f"{OWN}, {number}": f"file:{number}" for number in range(2, len(scan.windows) + 1)}
    choice = st.selectbox("Window", [OWN, *own, *presets_for(scan), CUSTOM], key="window")
    if choice == OWN:
        return None
    if choice != CUSTOM:
        return own.get(choice, choice)
    start = chosen_window(scan)
    width, level = (start.width, start.center) if isinstance(start, Window) else (400.0, 40.0)
    width = st.number_input("Width", min_value=1.0, value=max(float(width), 1.0), key="width")
    return Window(st.number_input("Level", value=float(level), key="level"), width)


def ask(scan: Scan, window: Window | str | None) -> None:
    """The question, and beside the scan the answer that was given to it in this window. Raises InputError."""
    with st.form("ask", border=False):
        question = st.text_input(
            "Question", placeholder="Which part of the body does this image belong to?", key="question"
        )
        vary = st.checkbox(VARY, help=VARY_HELP, key="vary")
        asked = st.form_submit_button("Ask", type="primary")
    shown = (scan.input_hash, scan.frame, window)
    if asked:
        st.session_state.pop("answer", None)
        with st.spinner("Looking …"):
            answer = load_model(MODEL).ask(scan, question, window=window)
        st.session_state["answer"] = shown, varied(answer, scan, window) if vary else answer
    about, answer = st.session_state.get("answer", (None, None))
    picture = scan.display(window)
    left, right = st.columns([3, 2], gap="large")
    if about != shown or answer is None:  # an answer to another scan or window is not shown beside this one
        left.image(enlarged(picture, (), scan), width="content")
        right.caption("The answer appears here, with the zoom crops that counted most.")
        return
    with left:
        show_picture(answer, scan, picture)
    with right:
        show(answer, scan, picture)


def varied(answer: Answer, scan: Scan, window: Window | str | None) -> Answer:
    """The answer with what the model says under changes that should not matter. Raises InputError."""
    from medfly.sensitivity import reads, with_variations

    count, done = reads(scan, [answer.question], window), 0
    bar = st.progress(0.0, text="Looking at changed pictures …")

    def advance() -> None:
        nonlocal done
        done += 1
        bar.progress(min(done / count, 1.0), text=f"Looking at changed pictures … {done} of {count}")

    (answer,) = with_variations(load_model(MODEL), scan, [answer], window=window, advance=advance)
    bar.empty()
    return answer


def show_picture(answer: Answer, scan: Scan, picture: np.ndarray) -> None:
    """The scan with the best crops' boxes, or with the map of evidence in the opacity of the reader's choice."""
    shares = drawing.answer_map(answer, picture)
    found = drawing.spread(shares)
    if found is None or not found.placed:
        st.image(enlarged(picture, drawing.shown_regions(answer), scan), width="content")
        if found is not None:
            st.caption(plain(found.line))
        return
    choice = st.radio("Show", [BOXES, HEAT], horizontal=True, label_visibility="collapsed", key="overlay")
    if choice == BOXES:
        st.image(enlarged(picture, drawing.shown_regions(answer), scan), width="content")
        return
    opacity = st.slider("Opacity of the map", 0.0, 1.0, drawing.OPACITY, key="opacity")
    aspect = scan.pixel_aspect
    scale = drawing.fitted(picture, VIEW, aspect)
    st.image(drawing.heat(picture, shares, opacity, scale=scale, aspect=aspect), width="content")
    st.html(f'<div class="medfly-heat">{heat_legend(found, opacity)}</div>')


def enlarged(picture: np.ndarray, regions: tuple[medfly.Region, ...], scan: Scan) -> Image.Image:
    aspect = scan.pixel_aspect
    return drawing.highlight(picture, regions, scale=drawing.fitted(picture, VIEW, aspect), aspect=aspect)


def show(answer: Answer, scan: Scan, picture: np.ndarray) -> None:
    """Answer, whether it is deferred, how far to rely on it, crops, changes, provenance and downloads."""
    st.html(f'<div class="medfly-question">{escape(answer.question)}</div>')
    deferral = [escape(line) for line in wording.deferral_lines(answer)]
    if deferral:
        st.html(f'<div class="medfly-deferred" role="note"><b>⚠ {deferral[0]}</b><br>{"<br>".join(deferral[1:])}</div>')
    said = escape(wording.answer_line(answer))
    st.html(f'<div class="medfly-answer{" left" if deferral else ""}">{said}</div>')
    first, *others = wording.trust_lines(answer)
    share = wording.bar_share(answer)
    if share is None:
        st.caption(plain(first))
    else:
        st.progress(share, text=plain(first))
    for line in others:
        st.caption(plain(line))
    show_changes(answer)
    regions = drawing.shown_regions(answer)
    for rank, (column, region) in enumerate(zip(st.columns(max(len(regions), 1)), regions, strict=False), 1):
        size = wording.millimetre_line(size_in_mm(region.box, scan.spacing))
        lines = f"{rank} {region.level} {wording.score_text(region.score)} · {wording.place_line(region)} · {size}"
        column.image(drawing.crop_picture(picture, region, CROP, scan.pixel_aspect), caption=plain(lines))
    st.caption(plain(wording.levels_line(answer)))
    with st.expander("Provenance"):
        for line in (wording.input_line, wording.window_line, wording.model_line):
            st.caption(plain(line(answer.provenance)))
        for note in scan.notes:
            st.caption(plain(note))
        st.json(answer.to_dict(), expanded=False)
    stream = io.BytesIO()
    drawing.answer_figure(picture, answer, aspect=scan.pixel_aspect).save(stream, format="PNG")
    name = f"medfly-{scan.input_hash[:12]}"
    st.download_button("Picture", stream.getvalue(), f"{name}.png", "image/png")
    st.download_button("JSON", json.dumps(answer.to_dict(), indent=2), f"{name}.json", "application/json")


def show_changes(answer: Answer) -> None:
    """Whether the answer changed under changes that should not matter; all of them in a fold."""
    line = wording.variations_line(answer)
    if line is None:
        return
    if answer.flips:
        st.html(f'<div class="medfly-changed" role="note">⚠ {escape(line)}</div>')
    else:
        st.caption(plain(line))
    with st.expander("All changes"):
        st.html(f'<div class="medfly-changes">{changes_table(answer)}</div>')


if __name__ == "__main__":  # as Streamlit runs it
    main()
