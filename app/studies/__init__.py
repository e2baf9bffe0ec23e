"""What can be opened, and its frames: the one module of this part that the page and the other parts import.

    chosen = studies.browser(texts)             # draws the sidebar: () or one Opened, or two for two panes
    studies.count(opened), studies.frame(opened, 3)
    studies.whole(opened)                       # the Scan, or the Volume of all frames

Each raises InputError for what is damaged, gone or outside the folders that were given at start.
"""

from __future__ import annotations

from app.studies import frames
from app.studies.browser import browser
from app.studies.opened import Opened
from medfly.types import Scan, Volume

__all__ = ["Opened", "browser", "count", "frame", "whole"]


def whole(opened: Opened) -> Scan | Volume:
    """Kept for all that look at the same: a Volume opens its frames as they are asked for."""
    return frames.STORE.whole(opened)


def count(opened: Opened) -> int:
    """How many frames; the file is opened where only that tells."""
    found = whole(opened)
    return len(found) if isinstance(found, Volume) else 1


def frame(opened: Opened, index: int) -> Scan:
    """One frame, 0-based, from the store or read now."""
    return frames.STORE.frame(opened, index)
