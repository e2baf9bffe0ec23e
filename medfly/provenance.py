"""Where an answer comes from, as one JSON object: pixels, window, model, versions.

This module knows no model and no weights; what is to be said of them is handed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import medfly
from medfly.display import chosen_window
from medfly.types import Level, Scan, VoiLut, Window
from medfly.wording import RESEARCH_USE


def provenance(
    scan: Scan | None,
    window: Window | VoiLut | str | None,
    levels: Sequence[Level],
    *,
    model: str,
    model_hash: str,
    precision: str,
) -> dict[str, Any]:
    """All that belongs to an image is None where there was none. window: as the user asked for it.

    Raises InputError for a window that is unknown or does not fit.
    """
    import torch  # here, as what is known of a scan needs neither
    import transformers

    return {
        **of_scan(scan, window),
        "levels": list(levels),
        "model": model,
        "model_hash": model_hash,
        "precision": precision,
        "versions": {
            "medfly": medfly.__version__,
            "torch": str(torch.__version__),
            "transformers": transformers.__version__,
        },
        "use": RESEARCH_USE,
    }


def of_scan(scan: Scan | None, window: Window | VoiLut | str | None) -> dict[str, Any]:
    """The part of it that no model has to do with; see `provenance`."""
    used = chosen_window(scan, window) if scan else None
    return {
        "input_hash": scan.input_hash if scan else None,
        "frame": scan.frame if scan and not scan.tiles else None,
        "frames": [tile.frame for tile in scan.tiles] if scan else [],
        "size": list(scan.size) if scan else None,
        "modality": scan.modality if scan else None,
        "window": used.to_dict() if used else None,
        "inverted": scan.inverted if scan else None,
        "notes": list(scan.notes) if scan else [],
    }
