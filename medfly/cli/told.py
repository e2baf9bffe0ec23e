"""What becomes of a user's mistake or Ctrl-C in a command: one line on stderr and an exit status, no traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from medfly.types import InputError


@contextmanager
def told(interrupted: str = "interrupted") -> Iterator[None]:
    """A mistake of the user's becomes one line on stderr; an error of MedFly's own keeps its traceback."""
    try:
        yield
    except InputError as error:
        print(f"medfly: {' '.join(str(error).split())}", file=sys.stderr)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        print(f"\nmedfly: {interrupted}", file=sys.stderr)
        raise typer.Exit(130) from None
