"""How the adapters say no: one line with what was found, what was expected and what to do.

It knows no file format. Texts of other libraries' exceptions are left out of the messages on purpose: they
may quote header values, and with them patient data.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from medfly.types import InputError


def refusal(found: str, expected: str, remedy: str) -> InputError:
    """The error to raise for input at fault; none of the three may hold patient data."""
    return InputError(f"found {found}; expected {expected}; {remedy}")


@contextmanager
def refusing(found: str, expected: str, remedy: str) -> Iterator[None]:
    """Whatever the body raises becomes a refusal, save for the user's wish to stop.

    BaseException and not Exception: codecs written in Rust panic past the latter, and hostile files provoke
    StopIteration, RecursionError and MemoryError.
    """
    try:
        yield
    except (InputError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as problem:
        raise refusal(f"{found} ({type(problem).__name__})", expected, remedy) from None


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Refusals in the body begin with the name of what is refused."""
    try:
        yield
    except InputError as problem:
        raise InputError(f"{name}: {problem}") from None
