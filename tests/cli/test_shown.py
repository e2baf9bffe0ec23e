"""What the terminal says around an answer, in each state of trust, at the width of a narrow terminal."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
from rich.console import Console

from medfly.cli.shown import show, show_tally
from medfly.types import Answer, Evidence, Region, Scan, Trust, Variation
from medfly.wording import CAVEAT, DEFERRED, NOT_JUDGED

BASIS = "1,053 answers of mini about 96 images; answers kept to be wrong at most 20 % of the time"
EVIDENCE = Evidence("by hand", (Region("high", 0, (0, 0, 5, 5), 0.5),))
PLAIN = Answer("Is it?", "Yes", 0.91, EVIDENCE)
LEFT = dataclasses.replace(PLAIN, trust=Trust(0.62, ("too [bold]unsure",), BASIS, ("yes", "no")))
FLIP = Variation("inversion", "inverted", "Is it?", "No", 0.5, False)
SAME = Variation("zoom", "zoom +2 %", "Is it?", "Yes", 0.9, True)


def told(answer: Answer, width: int = 60) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    show(answer, Scan(np.zeros((20, 30), np.float32)), console)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_without_calibration_as_before() -> None:
    lines = told(PLAIN, 100)
    assert lines[1:5] == ["Q  Is it?", "A  Yes", f"   confidence 0.91 ({CAVEAT})", f"   {NOT_JUDGED}"]
    assert "0.500" in "".join(lines) and DEFERRED not in "".join(lines)


def test_deferral_comes_before_the_answer_and_all_below_is_indented() -> None:
    lines = told(LEFT)
    assert lines[1:5] == ["Q  Is it?", f"!  {DEFERRED}", "   because: too [bold]unsure", "A  Yes"]
    assert all(line.startswith("   ") and len(line) <= 60 for line in lines[5:])
    words = " ".join(" ".join(lines[5:]).split())
    assert (
        "62 in 100 were right in the calibration" in words
        and ": yes, no compared with 1,053" in words
        and CAVEAT not in words
    )


def test_flips_are_flagged_and_all_changes_listed() -> None:
    lines = told(dataclasses.replace(PLAIN, variations=(FLIP, SAME)), 100)
    assert "!  the answer changed under 1 of 2 changes: inversion 1 of 1" in lines
    rows = [line.split() for line in lines]
    assert ["≠", "changed", "inverted", "No", "0.50"] in rows and [
        "=",
        "same",
        "zoom",
        "+2",
        "%",
        "Yes",
        "0.90",
    ] in rows
    assert "   the answer stayed the same under the one change" in told(dataclasses.replace(PLAIN, variations=(SAME,)))


def test_tally_counts_what_is_deferred_and_what_changed() -> None:
    console = Console(file=io.StringIO(), width=100)
    flipped = dataclasses.replace(PLAIN, variations=(FLIP,))
    show_tally(["Is it?"], [("a", flipped), ("b", LEFT), ("c", flipped)], console)
    assert ["Is", "it?", "Yes", "3", "1", "2", "a;", "b;", "c"] in [
        line.split()
        for line in console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    ]
