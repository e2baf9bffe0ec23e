"""Tables in three forms: every number of the summary stands in them, and no word of it is taken for markup."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from benchmarks.tables import (
    Grid,
    audit,
    crosswalk,
    fraction,
    interval,
    metrics,
    one_decimal,
    remarks,
    signed,
    subgroups,
    to_latex,
    to_markdown,
    to_terminal,
)
from medfly.wording import RESEARCH_USE

from .made_summary import LATEX, SCRIPT, group, no_number, summary

WIDE, NARROW = 120, 80


def printed(grid: Grid, width: int) -> str:
    console = Console(width=width, file=StringIO())
    console.print(to_terminal(grid))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_numbers_as_the_field_prints_them() -> None:
    assert (one_decimal(80.34), one_decimal(None)) == ("80.3", "–")
    assert (signed(2.25), signed(-0.51), signed(None)) == ("+2.2", "−0.5", "–")
    assert interval(group(1, 2, -7.5, 2.26)) == "−7.5 … 2.3" and interval(group(1, 2, None, None)) == "–"
    assert (fraction(group(846, 1053, 1, 2)), fraction(group(526.4375, 631, 1, 2))) == ("846/1053", "526.4/631")


def test_metrics_are_named_group_by_group_only_where_they_differ() -> None:
    same = {"open": group(1, 2, None, None), "closed": no_number()}
    assert metrics(same) == "accuracy"
    assert metrics({**same, "overall": group(1, 2, None, None, metric="F1")}) == "open: accuracy, overall: F1"
    assert metrics({"open": no_number()}) == "–"


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_crosswalk_in_the_terminal(width: int) -> None:
    text = printed(crosswalk(summary()), width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]
    first = next(number for number, row in enumerate(rows) if "LLaVA-Med run_eval" in row[0])
    assert rows[first][1:] == ["56.9 (22.8/40)", "60.0 (33/55)", "–"]
    assert rows[first + 1][1:] == ["44.4 … 69.1", "47.9 … 71.8", ""]
    assert any(row[2] == "left out 5" for row in rows) and any(row[2] == "unparsed 3" for row in rows)
    said = " ".join(text.split())
    for sentence in ("2 of 1102 questions have no gold answer", "3 of 96 images are also in slake train", RESEARCH_USE):
        assert sentence in said
    assert "4 × the released script ends with an error here" in said and SCRIPT in said


def test_what_is_partial_stands_first() -> None:
    made = summary() | {"partial": "Only 10 of 20 questions are answered."}
    assert remarks(made)[0] == made["partial"]
    assert crosswalk(made).caption[0] == made["partial"]


def test_small_groups_are_marked_and_kept() -> None:
    (grid,) = subgroups(summary())
    assert grid.rows[0] == (("Lung",), ("50.0",), ("41.8 … 58.1",), ("44/88",), ("0",), ("7",))
    assert grid.rows[1][:4] == (("[Heart] | *left* *",), ("58.3",), ("–",), ("7/12",))
    assert "fewer than 20" in " ".join(grid.caption)
    assert "[Heart] | *left* *" in printed(grid, WIDE)


def test_audit_has_scores_survival_and_differences() -> None:
    conditions, differences = audit(summary())
    assert [row[0] for row in conditions.rows] == [("as is",), ("blank",)]
    assert conditions.rows[0][-1] == ("–",) and conditions.rows[1][-1] == ("62.0 (31/50)", "51.2 … 70.3")
    assert differences.rows[0][1] == ("−2.5", "−7.5 … 2.2", "3 won, 4 lost")
    assert differences.rows[0][3][:2] == ("–", "–")


def test_nothing_is_cut_off_in_a_narrow_terminal() -> None:
    made = summary()
    for groups in made["audit"]["conditions"].values():
        for found in groups.values():
            found.update(numerator=5384.5, denominator=6719)  # PathVQA's size, and shares that add up
    for grid in (crosswalk(made), *subgroups(made), *audit(made)):
        text = printed(grid, NARROW)
        assert "…" not in text.replace(" … ", "") and max(map(len, text.splitlines())) <= NARROW
        names = [line.split("│")[1].strip() for line in text.splitlines() if line.startswith("│")]
        assert any(names)
    conditions, _ = audit(made)
    assert printed(conditions, NARROW).count("(5384.5/6719)") == 6 and "as is" in printed(conditions, NARROW)


def test_absent_parts_make_no_table() -> None:
    made = summary() | {"subgroups": None, "audit": None}
    assert subgroups(made) == audit(made) == ()


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)&", row.removesuffix(r"\\"))]


def test_latex_is_a_booktabs_table_with_every_number() -> None:
    text = to_latex(crosswalk(summary()))
    lines = text.splitlines()
    body = lines[lines.index(r"\midrule") + 1 : lines.index(r"\bottomrule")]
    rows = [cells(line) for line in body if line != r"\addlinespace"]
    assert {len(row) for row in rows} == {4} and r"\begin{tabular}{lrrr}" in text
    assert ["LLaVA-Med run\\_eval", "56.9 (22.8/40)", "60.0 (33/55)", "--"] in rows
    assert r"\input" not in text and r"\textbackslash{}input\{secret\}" in text
    assert text.isascii()


@given(st.text(alphabet="\\{}$&#%_^~[]*<>|\"' \n\tab–…é", max_size=40))
def test_no_word_is_latex_markup(words: str) -> None:
    grid = Grid(words, (words, "b"), (((words,), (words, words)),), (words,))
    text = re.sub(r"\\[\\{}$&#%_]", "", to_latex(grid))  # what is escaped, and the ends of lines
    depth = 0
    for letter in text:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        assert depth >= 0
    assert depth == 0
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    assert not set("&#%_^~") & set(body.replace(" & ", "  "))
    assert body.count("$") % 2 == 0
    assert not re.search(r"\n *[\[*]", body)  # would be an option of the line end before it


@given(st.text(alphabet="\\`*_[]|<>&#!() \nab", max_size=40))
def test_no_word_is_markdown_markup(words: str) -> None:
    shown = " ".join(words.split())
    html = (
        MarkdownIt("commonmark")
        .enable("table")
        .render(to_markdown(Grid("t", ("first", "b"), (((f"x{words}x",), ("1", "2")),))))
    )
    (row,) = re.findall(r"<tbody>\s*<tr>(.*?)</tr>", html, re.S)
    found = re.findall(r"<td[^>]*>(.*?)</td>", row, re.S)
    assert len(found) == 2 and found[1] == "1<br>2"
    plain = found[0].replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")
    assert plain.split() == f"x{words}x".split(), shown


def test_hostile_names_in_every_form() -> None:
    grid = crosswalk(summary())
    assert "<script" not in to_markdown(grid)
    assert LATEX in grid.title and LATEX not in to_latex(grid)
