"""Who may see the page, where `medfly app --login SECRETS` asks for that: Streamlit's own OpenID Connect.

Who is logged in is asked of Streamlit at every run and kept nowhere: neither in the session nor in the audit log.
"""

from __future__ import annotations

import os

import streamlit as st

from app.texts import Texts

VARIABLE = "MEDFLY_LOGIN"
"""Set by `medfly app --login`, to anything but the empty text."""


def asked() -> bool:
    return bool(os.environ.get(VARIABLE))


def admitted(texts: Texts) -> bool:
    """Whether the page may be shown. Where it may not yet, the button to log in is all that is drawn."""
    if not asked() or st.user.is_logged_in:
        return True
    st.title("MedFly")
    st.write(texts["frame.login_why"])
    st.button(texts["frame.login"], on_click=st.login, type="primary", key="medfly-frame-login")
    return False


def log_out_button(texts: Texts) -> None:
    """Where there is a log-in; draws nothing otherwise."""
    if asked():
        st.button(texts["frame.logout"], on_click=st.logout, key="medfly-frame-logout")
