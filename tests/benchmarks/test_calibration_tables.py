"""Every number of the summary's calibration stands in its tables, and what was not fitted is told."""

from __future__ import annotations

from benchmarks.calibration_tables import calibration, parts
from benchmarks.tables import to_latex, to_markdown
from medfly.wording import RESEARCH_USE

from .made_summary import SCRIPT, summary


def test_three_tables() -> None:
    confidences, selective, risks = parts(summary())
    assert confidences.rows[0][1] == ("0.297", "0.213 … 0.381", "within halves 0.312")
    assert confidences.rows[0][2:] == (("0.312", "–"), ("0.713", "0.611 … 0.833"))
    assert confidences.rows[2][0] == ("isotonic, cross-fitted",)
    assert confidences.rows[2][3] == ("0.078", "0.031 … 0.125", "change −0.234", "−0.375 … −0.125")
    assert selective.rows[1] == (("50 %",), ("50/98",), ("75.0",), ("–",), ("0.875",))
    assert risks.rows[0] == (("5 %",), ("–",), ("–",), ("–",), ("0/10",), ("–",))
    assert risks.rows[1] == (("20 %",), ("34.5",), ("16.4",), ("11.2 … 23.1",), ("7/10",), ("0.938",))


def test_each_table_says_what_a_confidence_is_not() -> None:
    for grid in calibration(summary()):
        said = " ".join(grid.caption)
        for words in ("not a probability of disease", "deferral off", RESEARCH_USE, "normalised_exact_match"):
            assert words in said
        assert SCRIPT in grid.title and SCRIPT not in to_markdown(grid)
        assert len({len(row) for row in (grid.headings, *grid.rows)}) == 1
        assert "\\begin{table}" in to_latex(grid)


def test_what_is_not_fitted_is_told() -> None:
    made = summary()
    made["calibration"] |= {"calibrated": None, "risks": None, "not_fitted": "answers about 3 images are too few"}
    confidences, _ = parts(made)
    assert len(confidences.rows) == 1
    assert "Not calibrated: answers about 3 images are too few." in confidences.caption


def test_without_confidences_there_is_no_table() -> None:
    assert calibration(summary() | {"calibration": None}) == ()
    made = summary()
    del made["calibration"]["selective"]
    assert calibration(made) == ()
