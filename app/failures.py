"""What becomes of a failure on the page: a sentence for the user, and in the log where it was, never what about.

An error's own message may hold what a file's header says, and with it a patient's name: it reaches neither log nor
page, unless it is an InputError, which is written for the user.
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar, cast

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app.session import current
from app.texts import Texts, table
from medfly.types import InputError

P = ParamSpec("P")
R = TypeVar("R")


class FailedError(Exception):
    """In the place of an error whose message may hold anything; it says that one's class."""


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


def guarded(work: Callable[P, R]) -> Callable[P, R]:
    """For what Streamlit calls by itself, as it logs in full what such a call raises.

    What a callback of a widget fails at is told on top of the page, and it returns None. A maker of a download has no
    page: it raises a FailedError, for Streamlit to log, and InputError as it is.
    """

    @wraps(work)
    def guard(*args: P.args, **kwargs: P.kwargs) -> R | None:
        if get_script_run_ctx(suppress_warning=True) is None:
            return _bare(lambda: work(*args, **kwargs))
        with told(table(current().language)):
            return work(*args, **kwargs)
        return None

    return cast(Callable[P, R], guard)


def _bare(work: Callable[[], R]) -> R:
    try:
        return work()
    except InputError:
        raise
    except Exception as error:
        print(place(error), file=sys.stderr, flush=True)
        kind = type(error).__name__
    raise FailedError(kind)  # behind the handler, so that nothing of the error hangs on this one


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
