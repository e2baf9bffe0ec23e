"""Where this user's machine keeps what can be computed again. It knows nothing of what is kept there."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(kind: str) -> Path:
    """The folder for one kind of thing, made by whoever writes there.

    Under `$MEDFLY_CACHE`, else `$XDG_CACHE_HOME/medfly`, else `~/.cache/medfly`.
    """
    if own := os.environ.get("MEDFLY_CACHE"):
        return Path(own) / kind
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "medfly" / kind
