"""What becomes of a failure on the page: a sentence for the user, and in the log where it was, never what about.

An error's own message may hold what a file's header says, and with it a patient's name: it reaches neither log nor
page, unless it is an InputError, which is written for the user.
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from app.texts import Texts
from medfly.types import InputError


@contextmanager
def told(texts: Texts) -> Iterator[None]:
    """Around anything that draws: a failure within is shown there, and the rest of the page goes on."""
    try:
        yield
    except InputError as error:
        st.error(plain(str(error)))
    except Exception as error:  # Streamlit's own signals are BaseExceptions and pass
        print(place(error), file=sys.stderr, flush=True)
        st.error(plain(texts["frame.failed"].format(kind=type(error).__name__)))


def place(error: BaseException) -> str:
    """One line: the error's class and where it was raised, without its message and without values."""
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    return f"medfly: {type(error).__name__} at {where}"


def plain(text: str) -> str:
    """Text that Streamlit's Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~$:])", r"\\\1", text)


def _short(filename: str) -> str:
    return "/".join(filename.replace("\\", "/").rsplit("/", 2)[-2:])
