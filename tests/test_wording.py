"""Lines that every output shows: those that a number can make wrong."""

from __future__ import annotations

import pytest

from medfly.types import Answer, Trust, Variation
from medfly.wording import (
    DEFERRED,
    bar_share,
    deferral_lines,
    millimetre_line,
    trust_lines,
    variation_row,
    variations_line,
)


@pytest.mark.parametrize(
    ("size", "line"),
    [
        (None, "size unknown"),
        ((120.4, 80.6), "120 × 81 mm"),
        ((1.2, 0.3), "1 × 0 mm"),
        ((0.4, 0.3125), "400 × 312 µm"),  # of a slide's region: "0 × 0 mm" says nothing
    ],
)
def test_sizes(size: tuple[float, float] | None, line: str) -> None:
    assert millimetre_line(size) == line


BASIS = "100 answers of mini; answers kept to be wrong at most 20 % of the time"


def judged(likely: float | None, reasons: tuple[str, ...] = ()) -> Answer:
    return Answer("Is it?", "Yes", 0.91, trust=Trust(likely, reasons, BASIS))


def test_without_calibration_the_bare_confidence_and_its_caveat() -> None:
    answer = Answer("Is it?", "Yes", 0.91)
    assert trust_lines(answer) == ("confidence 0.91 (not calibrated, not a probability of disease)",)
    assert deferral_lines(answer) == () and bar_share(answer) == 0.91
    assert bar_share(Answer("Is it?", "Yes")) is None


def test_calibrated_says_how_often_and_of_what() -> None:
    lines = trust_lines(judged(0.874))
    assert (
        lines[0].startswith("of answers like this 87 in 100 were right (")
        and "not a probability of disease" in lines[0]
    )
    assert lines[1:] == (f"judged by {BASIS}",)
    assert "0.91" not in " ".join(lines)  # the bare confidence would be read as one more probability
    assert deferral_lines(judged(0.874)) == () and bar_share(judged(0.874)) == 0.874


@pytest.mark.parametrize(
    ("share", "said"),
    [(1.0, "more than 99 in 100"), (0.994, "99 in 100"), (0.01, "1 in 100"), (0.0, "fewer than 1 in 100")],
)
def test_no_share_reads_as_certain(share: float, said: str) -> None:
    assert f"like this {said} were right" in trust_lines(judged(share))[0]


def test_deferred_says_so_first_with_every_reason() -> None:
    answer = judged(None, ("too unsure", "unlike all pictures"))
    assert deferral_lines(answer) == (DEFERRED, "because: too unsure", "because: unlike all pictures")
    assert "unknown" in trust_lines(answer)[0] and "not a probability of disease" in trust_lines(answer)[0]
    assert bar_share(answer) is None


@pytest.mark.parametrize(
    ("options", "coverage", "said"),
    [(("yes", "no"), 0.9, " at 90 % coverage: yes, no"), (("no",), 0.975, " at 97.5 % coverage: no")],
)
def test_answer_sets(options: tuple[str, ...], coverage: float, said: str) -> None:
    answer = Answer("Is it?", "Yes", 0.91, trust=Trust(0.5, (), BASIS, options, coverage))
    assert trust_lines(answer)[1] == "cannot be ruled out" + said


def varied(*flips: str) -> Answer:
    names = ("inverted", "JPEG 30", *(f"shift {i}" for i in range(6)))
    made = [Variation("kind", n, "Is it?", "No" if n in flips else "Yes", 0.5, n not in flips) for n in names]
    return Answer("Is it?", "Yes", variations=tuple(made))


def test_variations_in_one_line() -> None:
    assert variations_line(Answer("Is it?", "Yes")) is None
    assert variations_line(varied()) == "the answer stayed the same under all 8 changes"
    line = variations_line(varied("inverted", "JPEG 30"))
    assert line == "the answer changed under 2 of 8 changes: inverted (No), JPEG 30 (No)"
    line = variations_line(varied("inverted", *(f"shift {i}" for i in range(6))))
    assert line is not None and line.endswith("shift 3 (No), and 2 more")
    long = Variation("kind", "zoom", "Is it?", "w" * 300, None, False)
    assert len(variations_line(Answer("Is it?", "Yes", variations=(long,))) or "") < 120


def test_variation_row_has_a_word_and_the_other_question() -> None:
    answer = varied("inverted")
    assert variation_row(answer, answer.variations[0]) == ("≠ changed", "inverted", "No", "0.50")
    other = Variation("words", "question 1", "Is it so?", " ", None, True)
    assert variation_row(answer, other) == ("= same", "question 1: Is it so?", "(no answer)", "–")
