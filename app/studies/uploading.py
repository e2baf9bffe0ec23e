"""Where a page takes uploads, tells their limits first, and gives them up when it is closed. Drawn by Streamlit."""

from __future__ import annotations

import streamlit as st

from app.failures import guarded, plain
from app.session import key
from app.studies.choice import size_text
from app.studies.uploads import Limits, Upload, Uploads
from app.texts import Texts
from medfly.types import InputError

HELD, TURN, PROBLEM = key("studies", "uploads"), key("studies", "turn"), key("studies", "problem")
NEWEST = key("studies", "newest")
"""The listing that has just been uploaded, for the list to go there."""
LIMITS = Limits()


def current() -> Uploads | None:
    """What this session uploaded, None where it has nothing yet."""
    held: Uploads | None = st.session_state.get(HELD)
    if held is None or held.closed:
        return None
    held.back()
    _presence(held.owner, held)
    return held


@st.cache_resource(scope="session", show_spinner=False, on_release=lambda held: held.left(_grace()))
def _presence(owner: str, _held: Uploads) -> Uploads:
    """Released by Streamlit when the page's connection ends: the only word that it gives of that."""
    return _held


def _grace() -> float:
    """Seconds for which a lost connection may come back, as Streamlit itself grants them."""
    return float(st.get_option("server.disconnectedSessionTTL"))


def box(texts: Texts) -> None:
    """The fold with both uploaders. What arrives is taken over at once, and the page begins anew."""
    turn = st.session_state.get(TURN, 0)
    with st.expander(texts["studies.upload"], key=key("studies", "fold", turn)):  # a new one is closed
        megabytes = st.get_option("server.maxUploadSize")
        total = size_text(LIMITS.total)
        st.caption(plain(texts["studies.upload_limits"].format(megabytes=megabytes, files=LIMITS.files, total=total)))
        files = st.file_uploader(
            texts["studies.upload_files"], accept_multiple_files=True, key=key("studies", "files", turn)
        )
        folder = st.file_uploader(
            texts["studies.upload_folder"], accept_multiple_files="directory", key=key("studies", "folder", turn)
        )
        if files or folder:
            _take([*files, *folder])
        held = current()
        if held is not None:
            told = texts["studies.upload_held"].format(files=held.files, size=size_text(held.bytes))
            st.caption(plain(told))
            st.button(texts["studies.upload_remove"], key=key("studies", "remove"), on_click=_remove)
    if problem := st.session_state.get(PROBLEM):
        st.error(plain(problem))


def _take(files: list) -> None:
    """Into the session's folder, and out of Streamlit's memory: uploaders under new keys are empty."""
    st.session_state.pop(PROBLEM, None)
    held = current() or Uploads(LIMITS)
    try:
        newest = held.add([Upload(file.name, file.size, file) for file in files])
        st.session_state[HELD] = held
        st.session_state[NEWEST] = newest
    except InputError as problem:
        st.session_state[PROBLEM] = str(problem)
    st.session_state[TURN] = st.session_state.get(TURN, 0) + 1
    st.rerun()


@guarded
def _remove() -> None:
    held = st.session_state.pop(HELD, None)
    if held is not None:
        held.close()
