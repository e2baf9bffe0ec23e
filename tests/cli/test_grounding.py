"""`medfly eval` and `medfly score` of the task whose evidence is scored, over a small folder in SLAKE's layout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ..data_adapters.made_sets import make_boxed_slake

FILES = {"run.json", "predictions.jsonl", "scores.json", "scores.md", "scores.tex"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_boxed_slake(tmp_path_factory.mktemp("data") / "slake").parent


def asking(data: Path, model: Path, out: Path, tasks: str = "slake_grounding") -> list[Any]:
    return ["eval", "--model", model, "--tasks", tasks, "--split", "validate", "--data", data, "--output_path", out]


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def done(cli, data: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """One run of both tasks, and what it printed."""
    out = tmp_path_factory.mktemp("out")
    outcome = cli(*asking(data, tiny_model, out, "slake,slake_grounding"), "--no_evidence")
    assert outcome.status == 0, outcome.err
    return out, outcome.out


def test_the_matched_questions_are_asked_with_evidence(done: tuple[Path, str], data: Path) -> None:
    out, said = done
    folder = out / "slake_grounding_validate"
    assert {path.name for path in folder.iterdir()} == FILES
    assert [row["id"] for row in rows(folder)] == [10, 11, 20, 21, 30, 31]
    for row in rows(folder):
        assert list(row)[-1] == "evidence" and "integrated gradients" in row["evidence"]["method"]
        regions = row["evidence"]["regions"]
        assert {tuple(one) for one in regions} == {("level", "crop", "box", "score")} and len(regions) == 41
        assert [one["score"] for one in regions] == sorted((one["score"] for one in regions), reverse=True)
    assert json.loads((folder / "run.json").read_bytes())["evidence"] == "gradients"
    summary = json.loads((folder / "scores.json").read_bytes())
    assert summary["grounding"]["questions"] == 6 and summary["scores"] is summary["audit"] is None
    assert "pointing game" in said and "questions by split" in said
    assert str(folder) in said.replace("\n", "")


def test_the_ordinary_task_knows_nothing_of_it(done: tuple[Path, str]) -> None:
    folder = done[0] / "slake_validate"
    keys = ["id", "image", "question", "answer", "answer_type", "prediction", "confidence"]
    assert len(rows(folder)) == 8 and all(list(row) == keys for row in rows(folder))
    assert "evidence" not in json.loads((folder / "run.json").read_bytes())
    boxed = {row["id"]: row for row in rows(done[0] / "slake_grounding_validate")}
    for row in rows(folder):  # evidence changes no answer
        assert row["id"] not in boxed or {**boxed[row["id"]], **row} == boxed[row["id"]]


def test_score_computes_the_same_from_the_file_alone(cli, done: tuple[Path, str], data: Path, tmp_path: Path) -> None:
    folder = done[0] / "slake_grounding_validate"
    options = ["--tasks", "slake_grounding", "--split", "val", "--data", data]
    expected = json.loads((folder / "scores.json").read_bytes())["grounding"]
    for place in (done[0], folder, folder / "predictions.jsonl"):
        status, out, _ = cli("score", place, *options, "--json")
        assert status == 0 and json.loads(out)["grounding"] == expected
    status, out, _ = cli("score", folder, *options, "--markdown", tmp_path / "t.md")
    assert status == 0 and "pointing game" in out
    assert "IoU of the top region" in (tmp_path / "t.md").read_text("utf-8")
    few = rows(folder)[:4]
    (tmp_path / "few.jsonl").write_text("".join(json.dumps(row) + "\n" for row in few))
    status, out, _ = cli("score", tmp_path / "few.jsonl", *options, "--json", "--partial")
    summary = json.loads(out)
    assert status == 0 and summary["grounding"]["questions"] == 4 and "partial: 4 of 6" in summary["partial"]


@pytest.mark.parametrize(
    "change, words",
    [
        ({"evidence": None}, "1 of 6 answers without usable evidence (first: 20)"),
        ({"evidence": {"method": "x", "regions": [{"level": "high"}]}}, "without usable evidence (first: 20)"),
        (
            {"evidence": {"method": "x", "regions": [{"level": "high", "crop": 0, "box": [0, 0, 900, 9], "score": 1}]}},
            "whose regions are not of their picture (first: 20)",
        ),
    ],
)
def test_a_file_whose_evidence_cannot_be_scored(
    cli, done: tuple[Path, str], data: Path, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    changed = [row | change if row["id"] == 20 else row for row in rows(done[0] / "slake_grounding_validate")]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in changed))
    status, _, err = cli(
        "score", tmp_path / "p.jsonl", "--tasks", "slake_grounding", "--split", "validate", "--data", data
    )
    assert status == 2 and words in err and err.splitlines()[-1].startswith("medfly: ")


def test_a_killed_run_goes_on_to_the_same_file(
    cli, done: tuple[Path, str], data: Path, tiny_model: Path, tmp_path: Path
) -> None:
    """Byte for byte; and an audit, which would be of the answers, is left out with a word."""
    whole = (done[0] / "slake_grounding_validate" / "predictions.jsonl").read_bytes()
    folder = shutil.copytree(done[0] / "slake_grounding_validate", tmp_path / "slake_grounding_validate")
    (folder / "predictions.jsonl").write_bytes(whole[: len(whole) // 2])  # within the second picture
    outcome = cli(*asking(data, tiny_model, tmp_path), "--audit")
    assert outcome.status == 0 and (folder / "predictions.jsonl").read_bytes() == whole
    assert not (tmp_path / "audit").exists() and "no audit: it is about" in " ".join(outcome.out.split())


def test_causal_is_a_run_of_its_own(cli, done: tuple[Path, str], data: Path, tiny_model: Path, tmp_path: Path) -> None:
    status, _, err = cli(*asking(data, tiny_model, done[0]), "--causal")
    assert status == 2 and "found evidence 'gradients', expected 'causal_all'" in err and "--output_path" in err
    status, _, err = cli(*asking(data, tiny_model, tmp_path), "--causal", "--limit", 3)
    assert status == 0, err
    found = rows(tmp_path / "slake_grounding_validate")
    assert len(found) == 3 and all(row["evidence"]["method"].startswith("occlusion") for row in found)
    assert all(len(row["evidence"]["regions"]) == 41 for row in found)
    summary = json.loads((tmp_path / "slake_grounding_validate" / "scores.json").read_bytes())
    assert summary["grounding"]["questions"] == 3 and "only the first 3 of 6" in summary["partial"]


def test_a_model_without_evidence_is_refused_before_anything_is_asked(
    cli, data: Path, tiny_llava: Path, tmp_path: Path
) -> None:
    status, _, err = cli(*asking(data, tiny_llava, tmp_path / "out", "slake,slake_grounding"))
    assert status == 2 and "gives none; expected one of MedFly's own models" in err
    assert not (tmp_path / "out").exists()


def test_a_served_model_is_refused_likewise(cli, data: Path, chat_server, tmp_path: Path) -> None:
    pytest.importorskip("openai")
    options = asking(data, chat_server.model, tmp_path / "out")
    status, _, err = cli(*options, "--base_url", chat_server.address)
    assert status == 2 and "asked without --base_url" in err and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "verb, more, words",
    [
        ("eval", ["--tasks", "slake", "--causal"], "no task that scores evidence; expected slake_grounding"),
        ("score", ["--html", "page.html"], "--html with slake_grounding"),
        ("score", ["--judge", "m", "--judge_url", "http://127.0.0.1:9/v1"], "--judge with slake_grounding"),
    ],
)
def test_options_at_fault(cli, data: Path, tmp_path: Path, verb: str, more: list[str], words: str) -> None:
    place = ["--output_path", tmp_path / "out"] if verb == "eval" else []
    first = [tmp_path / "p.jsonl"] if verb == "score" else []
    status, _, err = cli(
        verb, *first, "--tasks", "slake_grounding", "--split", "validate", "--data", data, *place, *more
    )
    assert status == 2 and words in err and err.count("\n") == 1
