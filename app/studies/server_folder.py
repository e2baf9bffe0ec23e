"""One private folder a server for what its sessions upload: removed at its end, or by the next server if it was killed.

A lock tells a living server's folder from a dead one's. It knows nothing of what is kept there.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import tempfile
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where what a killed server left stays until its owner removes it
    fcntl = None

PREFIX = "medfly-uploads-"
LOCK = "lock"


def new() -> Path:
    """An empty folder for one session, with a random name; only this user may look into it."""
    return Path(tempfile.mkdtemp(dir=_own()))


@functools.cache
def _own() -> Path:
    """This process's folder, locked as long as the process lives."""
    sweep(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    descriptor = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # never closed: the system does that, however the process ends
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def sweep(parent: Path) -> int:
    """Remove what servers left that were killed; how many folders that were. Others' folders are left alone."""
    removed = 0
    for folder in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != _user() or not _abandoned(folder):
                continue
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def _abandoned(folder: Path) -> bool:
    """Raises OSError where there is no lock yet: a server is just beginning."""
    if fcntl is None:
        return False
    descriptor = os.open(folder / LOCK, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
