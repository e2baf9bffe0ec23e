"""Scores of rows that are counted by hand, the files they are read from, and the printed table."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import predictions
from benchmarks.report import compare, score, score_by, table
from benchmarks.statistics import proportion
from medfly.types import InputError


def row(number: int, answer: str | None, prediction: str, tag: str | None = "OPEN", image: str = "a") -> dict:
    return {
        "id": number,
        "image": image,
        "question": f"question {number}",
        "answer": answer,
        "answer_type": tag,
        "prediction": prediction,
        "confidence": None,
    }


ROWS = [
    row(1, "Lung", "lung.", image="a"),
    row(2, "Heart", "lung", image="a"),
    row(3, "Liver", "Liver", image="b"),
    row(4, "", "", image="b"),  # unscored, though equal
    row(5, "Yes", "yes", "CLOSED", image="a"),
    row(6, "No", "It is no", "CLOSED ", image="b"),
    row(7, None, "no", "CLOSED", image="c"),  # unscored
    row(8, "Yes", "Yes", None, image="c"),  # in overall only
]


def test_scores_by_hand() -> None:
    scores = score(ROWS)
    assert (scores["questions"], scores["unscored"], scores["untagged"]) == (8, 2, 1)
    assert scores["protocol"] == "normalised_exact_match"
    counts = {n: (g["hits"], g["count"], g["images"], g["unscored"]) for n, g in scores["groups"].items()}
    assert counts == {"open": (2, 3, 2, 1), "closed": (1, 2, 2, 1), "overall": (4, 6, 3, 2)}
    assert scores["groups"]["overall"]["percent"] == pytest.approx(400 / 6)
    expected = proportion([1, 0, 1, 1, 0, 1], ["a", "a", "b", "a", "b", "c"])
    assert expected.low is not None and expected.high is not None
    assert scores["groups"]["overall"]["low"] == pytest.approx(100 * expected.low)
    assert scores["groups"]["overall"]["high"] == pytest.approx(100 * expected.high)
    assert json.loads(json.dumps(scores)) == scores


def test_groups_by_label() -> None:
    groups = score_by(ROWS[:5], ["x", "y", "x", "x", "y"])
    assert {k: (g["hits"], g["count"], g["unscored"]) for k, g in groups.items()} == {"x": (2, 2, 1), "y": (1, 2, 0)}
    assert list(groups) == ["x", "y"]


def printed(rows: list[dict]) -> str:
    console = Console(width=100, file=StringIO())
    console.print(table(score(rows), "slake validate"))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_table_shows_empty_groups_and_unscored() -> None:
    lines = [[cell.strip() for cell in line.split("│")] for line in printed(ROWS[:4]).splitlines() if "│" in line]
    cells = {line[1]: line[2:-1] for line in lines}
    assert cells["open"][:3] == ["2", "3", "66.7"]
    assert cells["closed"] == ["–", "0", "–", "–", "0"]
    assert cells["overall"][0:3] == ["2", "3", "66.7"]
    assert "unscored (no gold answer): 1" in printed(ROWS[:4])
    assert "in overall only: 1" in printed(ROWS)


def test_compare_by_hand() -> None:
    other = [dict(r) for r in ROWS]
    other[0]["prediction"] = "wrong"  # the first wins
    other[1]["prediction"] = "Heart"  # the first loses
    other[4]["prediction"] = "no"  # the first wins
    other[3]["prediction"] = other[6]["prediction"] = "unscored"
    groups = compare(ROWS, other)
    assert {n: (g["wins"], g["losses"], g["count"]) for n, g in groups.items()} == {
        "open": (1, 1, 3),
        "closed": (1, 0, 2),
        "overall": (2, 1, 6),
    }
    assert groups["overall"]["difference"] == pytest.approx(100 / 6)
    assert groups["open"]["difference"] == 0


def test_compare_refuses_other_questions() -> None:
    with pytest.raises(InputError, match="8 and 7 rows"):
        compare(ROWS, ROWS[:-1])
    with pytest.raises(InputError, match="row 1: found id 1 and 2"):
        compare(ROWS[:2], ROWS[1::-1])
    with pytest.raises(InputError, match="row 1: found answer"):
        compare(ROWS[:1], [dict(ROWS[0], answer="Other")])


def test_read_refuses_what_it_cannot_score(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    with pytest.raises(InputError, match="cannot be read"):
        predictions.read(path)
    good = json.dumps(ROWS[0])
    for text, message in [
        ("[1]", "line 1: no id"),
        ("{oops", "line 1: not JSON"),
        (f'{good}\n{{"id": 2}}', "line 2: no image, question"),
        (json.dumps(dict(ROWS[0], answer=2)), "answer is 2; expected a string or null"),
        (json.dumps(dict(ROWS[0], prediction=None)), "prediction is None"),
        (f"{good}\n{good}\n", "id 1 stands twice"),
    ]:
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            predictions.read(path)
    path.write_text(f"{good}\n{json.dumps(dict(ROWS[0], id='1'))}\n")  # 1 and "1" are two ids
    assert [r["id"] for r in predictions.read(path)] == [1, "1"]
