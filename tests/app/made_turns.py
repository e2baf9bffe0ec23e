"""Turns for tests of the audit log and the exports, with a name planted wherever free text could be."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from app.session import Session, Turn, new_id
from medfly.types import Answer, Evidence, Region, Trust, Variation

NAME = "Mustermann"
HASH = "ab" * 32


def provenance(**changes: Any) -> dict[str, Any]:
    """Of an answer about a CT; its words name a patient wherever a careless module could put a name."""
    return {
        "input_hash": HASH,
        "frame": 3,
        "frames": [],
        "size": [60, 40],
        "modality": "CT",
        "window": {"center": 40.0, "width": 400.0, "function": "LINEAR", "source": f"for {NAME}"},
        "notes": ["decoded by pylibjpeg", f"decoded by {NAME}", f"seen by {NAME}"],
        "model": f"/home/{NAME}/models/mini",
        "model_hash": "cd" * 32,
        "precision": "float32",
        "versions": {"medfly": "0.1.0", "torch": "2.13.0+cpu", NAME: NAME},
        "earlier_turns": [{"question": NAME, "answer": NAME}],
    } | changes


def answer(text: str = "no", **changes: Any) -> Answer:
    regions = (Region("medium", 0, (0, 0, 30, 20), 0.5), Region("high", 3, (30, 20, 40, 26), 0.25))
    values: dict[str, Any] = {
        "question": f"Is <b>{NAME}</b> ill?",
        "text": text,
        "confidence": 0.75,
        "evidence": Evidence(f"by {NAME}", regions),
        "provenance": provenance(),
        "trust": Trust(0.5, (f"unlike {NAME}",), f"answers about {NAME}", (NAME,), 0.9),
        "variations": (Variation("window", NAME, NAME, NAME, 0.5, False), Variation("zoom", "z", "q", "no", 0.5, True)),
    }
    return Answer(**(values | changes))


def turn(**changes: Any) -> Turn:
    picture = np.random.default_rng(7).integers(0, 256, (40, 60, 3), np.uint8)
    values: dict[str, Any] = {
        "id": new_id(),
        "answer": answer(),
        "frame": 3,
        "window": f"window 400/40 ({NAME})",
        "region": (10.0, 5.0, 50.0, 35.5),
        "asked_at": datetime(2026, 11, 23, 12, 30, 15, tzinfo=UTC),
        "scan_hash": HASH,
        "context": "CT",
        "picture": picture,
    }
    return Turn(**(values | changes))


def session(*turns: Turn, series: str = f"/studies/{NAME}/1.dcm") -> Session:
    made = Session()
    for one in turns or (turn(),):
        made.add(series, one)
    return made
