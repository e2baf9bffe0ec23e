"""What becomes of a user's mistake or Ctrl-C in a command: one line on stderr and an exit status, no traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import typer

from medfly.types import InputError

if TYPE_CHECKING:
    from data_adapters.dataset import DataSet


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


def tell_left_out(dataset: DataSet) -> None:
    """How many rows the data set's settings leave out, if any: nothing is dropped in silence."""
    if dataset.left_out:
        what = f"{dataset.left_out:,} rows at fault left out: `medfly data check` lists them"
        print(f"medfly: {dataset.name}: {what}", file=sys.stderr)


@contextmanager
def bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """benchmarks.progress, begun when the total is known."""
    from benchmarks.progress import progress

    with ExitStack() as stack:
        advance: Callable[[], None] | None = None

        def step(done: int, total: int) -> None:
            nonlocal advance
            advance = advance or stack.enter_context(progress(label, total))
            advance()

        yield step
