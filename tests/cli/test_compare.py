"""`medfly compare` over a small folder in SLAKE's layout and files of predictions as people write them."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import pytest
from PIL import Image

from medfly.cli.compare import p_value, run, sentence
from medfly.types import InputError

from ..data_adapters.made_sets import make_boxed_slake, make_slake, slake_row

ROW = {"difference": -3.14, "low": -5.91, "high": -0.42, "p_permutation": 0.0203, "p_holm": 1.0, "detectable": 2.91}


@pytest.fixture
def slake(tmp_path: Path) -> Path:
    """12 images with an OPEN and a CLOSED question each."""
    rows = [
        slake_row(qid=2 * i + q, img_id=i, img_name=f"xmlab{i}/source.jpg", answer="Yes" if q else "MRI")
        | {"answer_type": "CLOSED" if q else "OPEN"}
        for i in range(12)
        for q in range(2)
    ]
    return make_slake(tmp_path / "slake", rows, [f"xmlab{i}" for i in range(12)], split="validate")


def write(path: Path, wrong: Collection[int]) -> Path:
    said = [{"qid": i, "prediction": "no" if i in wrong else "yes" if i % 2 else "mri"} for i in range(24)]
    path.write_text("\n".join(json.dumps(row) for row in said), encoding="utf-8")
    return path


def test_two_files(slake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """B is wrong on the CLOSED questions of 8 images, A on one of them, too: 7 wins in 7, p = 2 / 2^7."""
    ours, theirs = write(tmp_path / "a.jsonl", [1]), write(tmp_path / "b.jsonl", range(1, 17, 2))
    run(ours, theirs, "slake", "validate", slake.parent, protocols="normalised_exact_match", as_json=False)
    out = " ".join(capsys.readouterr().out.split())
    assert "open: A and B score the same (0.0 … 0.0), p = 1.00" in out
    assert "closed: A scores 58.3 points more" in out and "p = 0.02, corrected p = 0.05" in out
    assert "7 won, 0 lost" in out and "McNemar 0.02" in out and "3 comparisons" in out and "Research use only" in out


def test_json(slake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours, theirs = write(tmp_path / "a.jsonl", [1]), write(tmp_path / "b.jsonl", range(1, 17, 2))
    run(ours, theirs, "slake", "val", slake, protocols=None, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["task"], found["split"], found["questions"]) == ("slake", "validate", 24)
    assert found["protocols"]["normalised_exact_match"]["groups"]["closed"]["p_permutation"] == 2 / 2**7


def test_a_part_is_compared_only_when_told(slake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A answers 0 … 15, B 8 … 23, in another encoding: 8 questions have both answers, and that is said."""
    rows = [json.dumps({"qid": i, "prediction": "yes", "note": "é"}, ensure_ascii=False) for i in range(24)]
    ours, theirs = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    ours.write_text("\n".join(rows[:16]), encoding="cp1252")
    theirs.write_text("\n".join(rows[8:]), encoding="cp1252")
    common = {"protocols": None, "as_json": False, "encoding": "cp1252"}
    with pytest.raises(InputError, match=r"8 .*--partial"):
        run(ours, theirs, "slake", "validate", slake, **common)
    run(ours, theirs, "slake", "validate", slake, **common, partial=True)
    assert "partial: the 8 of 24 questions that both answer" in " ".join(capsys.readouterr().out.split())
    theirs.write_text("\n".join(rows[20:]), encoding="cp1252")
    with pytest.raises(InputError, match="no question that both answer"):
        run(ours, theirs, "slake", "validate", slake, **common, partial=True)


def test_captions_have_nothing_to_be_compared_by(cli, tmp_path: Path) -> None:
    (tmp_path / "captions.jsonl").write_text(json.dumps({"image": "a.png", "captions": ["A scan."]}))
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    said = tmp_path / "said.jsonl"
    said.write_text(json.dumps({"id": 1, "prediction": "A scan."}))
    status, _, err = cli("compare", said, said, "--tasks", "captions", "--split", "all", "--data", tmp_path)
    assert status == 2 and "captions: found no gold answer" in err


def test_a_task_that_scores_evidence_is_compared_on_its_own_questions(
    cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """6 of the split's 8: the last picture has no boxes. What is compared are the answers, and that is said."""
    data = make_boxed_slake(tmp_path / "slake")
    for name, said in (("a", "Liver"), ("b", "Top")):
        rows = [{"qid": 10 * image + part, "prediction": said} for image in (1, 2, 3) for part in (0, 1)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ours, theirs = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    options = ["--tasks", "slake_grounding", "--split", "val", "--data", data, "--json"]
    status, out, err = cli("compare", ours, theirs, *options)
    found = json.loads(out)
    assert status == 0 and (found["questions"], found["partial"]) == (6, None)
    overall = found["protocols"]["normalised_exact_match"]["groups"]["overall"]
    assert (overall["wins"], overall["losses"], overall["count"]) == (3, 3, 6)
    assert "slake_grounding: the answers to its questions are compared, not their evidence" in err


def test_bad_input_is_named(slake: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [])
    with pytest.raises(InputError, match=r"unknown protocol .accuracy.*normalised_exact_match"):
        run(path, path, "slake", "validate", slake, protocols="accuracy", as_json=True)
    with pytest.raises(InputError, match="no such file"):
        run(path, tmp_path / "b.jsonl", "slake", "validate", slake, protocols=None, as_json=True)


def test_sentences() -> None:
    assert sentence(ROW, "open") == (
        "open: B scores 3.1 points more (0.4 … 5.9), p = 0.02, corrected p = 1.00; "
        "a true difference under 2.9 points would be missed more than 1 time in 5 here."
    )
    unsure = ROW | {"difference": 1.0, "low": -0.5, "high": 2.5, "p_permutation": 0.0001}
    assert "A scores 1.0 points more (−0.5 … 2.5), p < 0.001" in sentence(unsure, "open")
    alike = ROW | {"difference": 0.0, "low": 0.0, "high": 0.0, "detectable": None}
    assert sentence(alike, "closed").endswith("what difference these questions could show is not known.")
    alone = ROW | {"low": None, "high": None, "detectable": None}
    assert "B scores 3.1 points more, p" in sentence(alone, "open")
    assert sentence(ROW | {"difference": None}, "open") == "open: nothing to compare."


def test_p_values_are_never_rounded_to_nothing() -> None:
    assert [p_value(p) for p in (None, 0.0001, 0.001, 0.0049, 0.0203, 1.0)] == [
        *["–", "<0.001", "0.001", "0.005", "0.02", "1.00"]
    ]
