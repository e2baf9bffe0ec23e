"""Files that are there whole or not at all, whenever the machine stops. It knows nothing of what is in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def whole(path: Path, *, anew: bool = False) -> Iterator[Path]:
    """A neighbour of `path` to be written, which takes its place at the end, or is removed where writing fails.

    anew: leave a file alone that is there by then. Raises OSError as writing does.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield partial
        if anew:
            with suppress(FileExistsError):
                os.link(partial, path)  # a rename would take the place of what another process has just written
        else:
            os.replace(partial, path)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
