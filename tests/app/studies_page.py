"""A page with nothing but the sidebar and one line a pane, for test_browser.py to run."""

import streamlit as st

from app import studies
from app.failures import told
from app.session import current
from app.texts import table

with told(table(current().language)):
    for pane in studies.browser(table(current().language)):
        st.text(f"{pane.label} {studies.count(pane)}")
        st.session_state.setdefault("seen", []).append(pane.key)
