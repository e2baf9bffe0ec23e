"""Pictures as files, whole or not at all. This module knows nothing of what is on them."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from medfly.types import InputError
from medfly.writing import whole

SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}


def check_picture_path(path: Path) -> None:
    """Raises InputError where `save` could not write: an unknown suffix, or a folder that is not there."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"picture {str(path)!r}: found suffix {path.suffix!r}; expected one of {', '.join(SUFFIXES)}")
    if path.is_dir():
        raise InputError(f"picture {str(path)!r}: found a folder; expected a file name: name a file in it")
    if not path.parent.is_dir():
        raise InputError(f"picture {str(path)!r}: no folder {str(path.parent)!r}; expected one: make it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(
            f"picture {str(path)!r}: the folder cannot be written to; expected one that can: choose another"
        )


def save(image: Image.Image, path: Path) -> None:
    """Write the picture whole or not at all."""
    check_picture_path(path)
    try:
        with whole(path) as partial:  # PNG takes no notice of the quality
            image.save(partial, format=SUFFIXES[path.suffix.lower()], quality=92)
    except OSError as error:
        raise InputError(f"picture {str(path)!r}: cannot be written ({error.strerror}); choose another place") from None
