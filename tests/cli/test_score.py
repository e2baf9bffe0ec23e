"""`medfly score` over a small folder in SLAKE's layout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from .test_evaluate import make_slake

OPTIONS = ["--tasks", "slake", "--split", "val"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six questions about three images; every gold answer is Yes. Training has two questions more, about others."""
    folder = make_slake(tmp_path / "data", images=3)
    rows = json.loads((folder / "validate.json").read_text())
    train = [{**row, "qid": 100 + row["qid"], "img_name": "gone.jpg"} for row in rows[:2]]
    (folder / "train.json").write_text(json.dumps(train))
    return folder


def write(path: Path, ids: Any, **more: Any) -> Path:
    """Bare rows, right but for the first."""
    rows = [{"qid": one, "prediction": "No" if one == 0 else "yes.", **more} for one in ids]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_table_and_files(cli, data: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "theirs.jsonl", range(6))
    outputs = [tmp_path / "new" / name for name in ("t.tex", "t.md", "t.html")]
    files = ["--latex", outputs[0], "--markdown", outputs[1], "--html", outputs[2]]
    status, out, _ = cli("score", path, *OPTIONS, "--data", data, *files, "--name", "Their model")
    assert status == 0
    assert "slake validate: Their model (hash unkno" in out and "83.3 (5/6)" in out and "66.7 (2/3)" in out
    latex, markdown, html = (file.read_text("utf-8") for file in outputs)
    assert r"\begin{table}" in latex and "Their model" in latex
    assert "| 83.3 (5/6)" in markdown and "by content type" in markdown
    assert html.startswith("<!doctype html>") or html.startswith("<!DOCTYPE html>")
    assert "Their model" in html and "xmlab0/source.jpg" in html  # the one mistake, with its picture


def test_json_is_the_summary(cli, data: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "theirs.jsonl", range(6), answer="No")
    status, out, _ = cli("score", path, *OPTIONS, "--data", data, "--json")
    assert status == 2  # the gold answers are not the split's
    path = write(tmp_path / "theirs.jsonl", map(str, range(6)))
    status, out, _ = cli("score", path, *OPTIONS, "--data", data, "--json")
    summary = json.loads(out)
    assert status == 0 and len(out.splitlines()) == 1
    assert summary["model"] == {"name": "theirs.jsonl", "hash": None} and summary["manifest"] is None
    overall = summary["scores"]["protocols"]["normalised_exact_match"]["groups"]["overall"]
    assert (overall["numerator"], overall["denominator"]) == (6, 6)
    assert "of another type" in summary["warnings"][0] and summary["partial"] is None


def test_a_run_brings_its_record(cli, data: Path, tmp_path: Path) -> None:
    folder = write(tmp_path / "out" / "slake_validate" / "predictions.jsonl", range(6)).parent
    record = {"task": "slake", "model": {"name": "mini", "hash": "abc"}, "prompt": {"name": "question"}}
    (folder / "run.json").write_text(json.dumps(record))
    for place in (folder, folder.parent, folder / "predictions.jsonl"):
        summary = json.loads(cli("score", place, *OPTIONS, "--data", data, "--json").out)
        assert summary["model"] == record["model"] and summary["manifest"] == record
    for broken in ("[1]", "{", '{"model": 3}'):
        (folder / "run.json").write_text(broken)
        assert json.loads(cli("score", folder, *OPTIONS, "--data", data, "--json").out)["manifest"] is None


def test_several_tasks(cli, data: Path, tmp_path: Path) -> None:
    rows = json.loads((data / "validate.json").read_text())
    chinese = [{**row, "qid": row["qid"] + 50, "q_lang": "zh"} for row in rows]
    (data / "validate.json").write_text(json.dumps(rows + chinese))
    write(tmp_path / "out" / "slake_validate" / "predictions.jsonl", range(6))
    both = ["--tasks", "slake, slake_zh", "--split", "validate", "--data", data]
    missing = cli("score", tmp_path / "out", *both)
    assert missing.status == 2 and "slake_zh_validate: found no such folder" in missing.err
    write(tmp_path / "out" / "slake_zh_validate" / "predictions.jsonl", range(50, 56))
    status, out, _ = cli("score", tmp_path / "out", *both, "--json")
    assert status == 0 and [json.loads(line)["task"] for line in out.splitlines()] == ["slake", "slake_zh"]
    page = cli("score", tmp_path / "out", *both, "--html", tmp_path / "page.html")
    assert page.status == 2 and "score them one at a time" in page.err


def test_a_part_says_so_in_the_table(cli, data: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "part.jsonl", range(4))
    refused = cli("score", path, *OPTIONS, "--data", data)
    assert refused.status == 2 and "questions without a prediction: 2 (4, 5)" in refused.err
    status, out, _ = cli("score", path, *OPTIONS, "--data", data, "--partial")
    assert status == 0 and "75.0 (3/4)" in out
    sentence = "partial: 4 of 6 questions; 2 have no prediction and are not scored"
    assert sentence in " ".join(out.split())


def test_scores_need_no_pictures(cli, data: Path, tmp_path: Path) -> None:
    shutil.rmtree(data / "imgs")
    path = write(tmp_path / "theirs.jsonl", range(6))
    status, out, err = cli("score", path, *OPTIONS, "--data", data, "--html", tmp_path / "page.html")
    assert status == 0 and "83.3 (5/6)" in out and (tmp_path / "page.html").is_file()
    assert "2 mistakes are not on the page" in err  # one, as the surest and as the worst image's


def test_a_judge_is_a_protocol_of_its_own(cli, data: Path, tmp_path: Path, chat_server) -> None:
    path = write(tmp_path / "theirs.jsonl", range(6))
    chat_server.say = lambda text: "incorrect" if '"No"' in text else "correct"
    options = ["--judge", chat_server.model, "--judge_url", chat_server.address, "--json"]
    for _ in range(2):
        summary = json.loads(cli("score", path, *OPTIONS, "--data", data, *options).out)
        overall = summary["scores"]["protocols"]["judge_tiny_vl"]["groups"]["overall"]
        assert (overall["numerator"], overall["denominator"]) == (5, 6)
    judged = [body for body in chat_server.bodies if "candidate" in json.dumps(body["messages"])]
    kept = (tmp_path / "theirs.jsonl.judge.jsonl").read_text().splitlines()
    assert len(judged) == len(kept) == 3  # the same answer to the same question is judged once, and never again


@pytest.mark.parametrize(
    "more, words",
    [
        (["--split", "test"], "no test split"),
        (["--tasks", "slak"], "unknown task 'slak'"),
        (["--data", "nowhere"], "nowhere"),
        (["--encoding", "klingon"], "unknown encoding"),
        (["--latex", "data"], "cannot be written"),
        (["--judge", "gpt"], "add the other"),
        (["--train_data", "nowhere"], "nowhere"),
    ],
)
def test_input_at_fault(cli, data: Path, tmp_path: Path, monkeypatch, more: list[str], words: str) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = cli("score", write(tmp_path / "a.jsonl", range(6)), *OPTIONS, "--data", data, *more)
    assert status == 2 and words in err and err.splitlines()[-1].startswith("medfly: ")


def test_ids_of_the_training_split_are_named(cli, data: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "train.jsonl", [*range(6), 100, 101, 200])
    status, _, err = cli("score", path, *OPTIONS, "--data", data)
    assert status == 2 and len(err.splitlines()) == 1
    assert "rows whose id or number is not in this split: 3 (100, 101, 200), 2 of them of slake train" in err
