"""Lines that every output shows: those that a number can make wrong."""

from __future__ import annotations

import pytest

from medfly.types import Answer, Trust, Variation
from medfly.wording import (
    DEFERRED,
    NOT_JUDGED,
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
    assert trust_lines(answer) == ("confidence 0.91 (not calibrated, not a probability of disease)", NOT_JUDGED)
    assert deferral_lines(answer) == () and bar_share(answer) == 0.91
    assert bar_share(Answer("Is it?", "Yes")) is None


def test_calibrated_says_how_often_and_of_what() -> None:
    lines = trust_lines(judged(0.874))
    assert lines[0].startswith("of answers this sure, 87 in 100 were right in the calibration (")
    assert "not a probability of disease" in lines[0] and lines[1:] == (f"compared with {BASIS}",)
    assert "0.91" not in " ".join(lines)  # the bare confidence would be read as one more probability
    assert deferral_lines(judged(0.874)) == () and bar_share(judged(0.874)) == 0.874


@pytest.mark.parametrize(
    ("share", "said"),
    [(1.0, "more than 99 in 100"), (0.994, "99 in 100"), (0.01, "1 in 100"), (0.0, "fewer than 1 in 100")],
)
def test_no_share_reads_as_certain(share: float, said: str) -> None:
    assert f"this sure, {said} were right" in trust_lines(judged(share))[0]


def test_deferred_says_so_first_with_every_reason() -> None:
    answer = judged(None, ("too unsure", "unlike all pictures"))
    assert deferral_lines(answer) == (DEFERRED, "because: too unsure", "because: unlike all pictures")
    assert "unknown" in trust_lines(answer)[0] and "100" not in trust_lines(answer)[0]
    assert bar_share(answer) is None


@pytest.mark.parametrize(
    ("options", "coverage", "said"),
    [(("yes", "no"), 0.9, "90 % of the time): yes, no"), (("no",), 0.975, "97.5 % of the time): no")],
)
def test_answer_sets(options: tuple[str, ...], coverage: float, said: str) -> None:
    answer = Answer("Is it?", "Yes", 0.91, trust=Trust(0.5, (), BASIS, options, coverage))
    assert trust_lines(answer)[1].endswith(said) and "ruled out" not in trust_lines(answer)[1]


def varied(*flips: str) -> Answer:
    names = ("inverted", "JPEG 30", *(f"shift {i}" for i in range(6)))
    made = [Variation(n.split()[0], n, "Is it?", "No" if n in flips else "Yes", 0.5, n not in flips) for n in names]
    return Answer("Is it?", "Yes", variations=tuple(made))


def test_variations_in_one_line() -> None:
    assert variations_line(Answer("Is it?", "Yes")) is None
    assert variations_line(varied()) == "the answer stayed the same under all 8 changes"
    line = variations_line(varied("inverted", "JPEG 30"))
    assert line == "the answer changed under 2 of 8 changes: inverted 1 of 1, JPEG 1 of 1"
    line = variations_line(varied("inverted", *(f"shift {i}" for i in range(2, 6))))
    assert line == "the answer changed under 5 of 8 changes: inverted 1 of 1, shift 4 of 6"


def test_variation_row_has_a_word_and_the_other_question() -> None:
    answer = varied("inverted")
    assert variation_row(answer, answer.variations[0]) == ("≠ changed", "inverted", "No", "0.50")
    other = Variation("words", "question 1", "Is it so?", " ", None, True)
    assert variation_row(answer, other) == ("= same", "question 1: Is it so?", "(no answer)", "–")
