"""The viewer: Streamlit's entry, started by `medfly app`. The frame around all pages: banner, language, log-in, pages.

It shows and never computes: pictures come from medfly.display and medfly.drawing, answers from the engine. What is
read and asked lives in the session's memory; nothing is logged but what the audit log keeps (app.record.audit).
"""

from __future__ import annotations

from functools import partial

import streamlit as st

from app import leaving, login, models, reading, runs, session, theme
from app.failures import told
from app.record import audit_panel
from app.session import Session
from app.texts import LANGUAGES, Texts, table


def main() -> None:
    st.set_page_config(page_title="MedFly", layout="wide")
    here = session.current()
    leaving.watch()
    texts = table(here.language)
    st.html(theme.page(texts))
    if not login.admitted(texts):
        return
    pages = [st.Page(partial(reading.page, texts, here), title=texts["frame.viewer"], url_path="viewer", default=True)]
    if runs.given():
        pages.append(st.Page(partial(runs.page, texts), title=texts["runs.title"], url_path="runs"))
    st.navigation(pages, position="top" if len(pages) > 1 else "hidden").run()
    with st.sidebar:
        _foot(texts, here)
    if not st.session_state.setdefault(session.key("viewer", "warmed"), False):  # behind the studies, which come first
        st.session_state[session.key("viewer", "warmed")] = True
        models.warm(models.chosen())


def _foot(texts: Texts, here: Session) -> None:
    """Below what each page has in the sidebar: export, language, log-out."""
    with st.expander(texts["audit.export"]), told(texts):
        audit_panel.exports(here, texts)
    chosen = st.selectbox(
        texts["frame.language"],
        list(LANGUAGES),
        index=list(LANGUAGES).index(here.language),
        format_func=LANGUAGES.__getitem__,
    )
    if chosen != here.language:
        session.speak(chosen)
        st.rerun()
    login.log_out_button(texts)


if __name__ == "__main__":  # as Streamlit runs it
    main()
