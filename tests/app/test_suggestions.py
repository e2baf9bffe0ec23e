"""Suggested questions: few, worded as what the bundled model was calibrated with, and the same for the same scan."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

import medfly
from app.asking.suggestions import KINDS, OF_ANY, OF_KIND, OF_PART, PARTS, suggestions
from medfly.trust import Calibration
from medfly.types import Scan

MINI = Path(str(medfly.__file__)).parent / "models" / "mini" / "calibration.json"


def scan(modality: str | None, body_part: str | None) -> Scan:
    return Scan(np.zeros((4, 4), np.float32), modality=modality, body_part=body_part)


def test_every_scan_has_a_few_different_questions() -> None:
    for modality, part in product([*KINDS, "US", "MG", None], [*PARTS, "KNEE", "", None]):
        found = suggestions(scan(modality, part))
        assert 3 <= len(found) <= 6 and len(set(found)) == len(found)
        assert found == suggestions(scan(modality, part))


def test_they_fit_the_scan() -> None:
    assert "Is the brain healthy?" in suggestions(scan("MR", "BRAIN"))
    assert suggestions(scan("DX", "CHEST")) == suggestions(scan("CR", "chest")) != suggestions(scan("CT", "CHEST"))
    assert all("weighting" not in question for question in suggestions(scan("CT", "ABDOMEN")))
    assert suggestions(scan("CT", None)) == OF_KIND["CT"] and suggestions(scan("US", "LIVER")) == OF_ANY


@pytest.mark.parametrize("question", sorted({*OF_ANY, *sum(OF_KIND.values(), ()), *sum(OF_PART.values(), ())}))
def test_no_word_of_them_is_strange_to_the_bundled_model(question: str) -> None:
    """By the calibration's own judgement, which was made with SLAKE's validation questions."""
    familiar = Calibration.read(MINI).familiar
    assert [why for why in familiar.strange(None, question) if "picture" not in why] == []
    assert any("picture" not in why for why in familiar.strange(None, "Zorblax quuxified gnorp?"))
