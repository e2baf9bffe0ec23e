"""`medfly eval` over a small folder in SLAKE's layout, with a tiny random model."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SCRIPT = Path(sys.executable).with_name("medfly")


def make_slake(folder: Path, images: int, questions: int = 2) -> Path:
    rows = []
    for i in range(images):
        (folder / "imgs" / f"xmlab{i}").mkdir(parents=True)
        values = np.random.default_rng(i).integers(0, 256, (48, 48), dtype=np.uint8)
        Image.fromarray(values).save(folder / "imgs" / f"xmlab{i}" / "source.jpg")
        for q in range(questions):
            row = {"img_id": i, "img_name": f"xmlab{i}/source.jpg", "q_lang": "en", "qid": i * questions + q}
            row |= {"question": f"Is part {q} healthy?", "answer": "Yes", "answer_type": "CLOSED" if q else "OPEN"}
            row |= {"location": "Lung", "modality": "CT", "base_type": "vqa", "content_type": "Abnormality"}
            rows.append(row | {"triple": ["vhead", "_", "_"]})
    (folder / "validate.json").write_text(json.dumps(rows), encoding="utf-8")
    return folder


def predictions(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text("utf-8").splitlines()]


def test_scores_and_predictions(cli, tiny_model, tmp_path) -> None:
    data = make_slake(tmp_path / "data", images=3)
    options = ["--model", tiny_model, "--tasks", "slake", "--split", "validate", "--data", data]
    status, out, err = cli("eval", *options, "--output_path", tmp_path / "out", "--limit", 5)
    assert status == 0
    assert "overall" in out and "95 % intervals" in out and "5/5" in err and "only the first 5 of 6" in out
    folder = tmp_path / "out" / "slake_validate"
    assert [row["id"] for row in predictions(folder)] == [0, 1, 2, 3, 4]
    summary = json.loads((folder / "scores.json").read_text())
    assert summary["scores"]["questions"] == 5 and "only the first 5 of 6" in summary["partial"]
    assert summary["contamination"] is None and "no training data here" in summary["warnings"][0]
    page = (folder / "report.html").read_text("utf-8")
    assert "<!DOCTYPE html>" in page and "Research use only" in page and "only the first 5 of 6" in page
    assert (
        "\\toprule" in (folder / "scores.tex").read_text()
        and "| strict exact match" in (folder / "scores.md").read_text()
    )
    again = cli("eval", *options, "--output-path", tmp_path / "two", "--limit", 5, "--batch-size", 1)
    assert again.status == 0
    assert [r["prediction"] for r in predictions(tmp_path / "two" / "slake_validate")] == [
        r["prediction"] for r in predictions(folder)
    ]
    other = cli("eval", *options, "--output_path", tmp_path / "out", "--limit", 4)
    assert other.status == 2 and "another run" in other.err and len(predictions(folder)) == 5


def test_data_folder_may_hold_a_folder_a_task(cli, tiny_model, tmp_path) -> None:
    make_slake(tmp_path / "data" / "slake", images=1)
    status, out, _ = cli(
        *["eval", "--model", tiny_model, "--tasks", "slake,slake", "--split", "validate"],
        *["--data", tmp_path / "data", "--output_path", tmp_path / "out"],
    )
    assert status == 0 and out.count("predictions, scores and report") == 1


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"--tasks": "slak"}, "unknown task 'slak'"),
        ({"--tasks": ""}, "unknown task ''"),
        ({"--split": "holdout"}, "unknown split 'holdout'"),
        ({"--data": "no_such_folder"}, "no_such_folder"),
        ({"--split": "train"}, "train.json"),
        ({"--output_path": "data/validate.json"}, "no folder to write to"),
        ({"--model": "no_such_model"}, "built-in name"),
        ({"--limit": "0"}, "--limit"),
    ],
)
def test_input_at_fault(cli, tmp_path, monkeypatch, changes: dict[str, str], words: str) -> None:
    monkeypatch.chdir(tmp_path)
    make_slake(tmp_path / "data", images=1)
    options = {"--tasks": "slake", "--split": "validate", "--data": "data", "--output_path": "out"} | changes
    status, out, err = cli("eval", *[part for pair in options.items() for part in pair])
    assert (status, out) == (2, "") and words in err and "Traceback" not in err
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_says_so_and_the_run_goes_on(cli, tiny_model, tmp_path) -> None:
    data = make_slake(tmp_path / "data", images=24)
    options = ["--model", tiny_model, "--tasks", "slake", "--split", "validate", "--data", data, "--output_path"]
    file = tmp_path / "out" / "slake_validate" / "predictions.jsonl"
    process = subprocess.Popen(
        [SCRIPT, "eval", *options, tmp_path / "out"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        until = time.monotonic() + 90
        while not (file.exists() and file.stat().st_size) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert "the same command goes on where it stopped" in err and "Traceback" not in err
    assert 0 < len(file.read_bytes().splitlines()) < 48
    assert cli("eval", *options, tmp_path / "out").status == 0
    assert cli("eval", *options, tmp_path / "whole").status == 0
    assert predictions(file.parent) == predictions(tmp_path / "whole" / "slake_validate")


@pytest.mark.slow
def test_two_processes_of_torchrun_write_the_file_of_one(cli, tiny_model, tmp_path) -> None:
    """As people start them; one thread each in both ways, since torchrun says so to its own."""
    data = make_slake(tmp_path / "data", images=7, questions=3)
    options = ["--model", tiny_model, "--tasks", "slake", "--split", "validate", "--data", data, "--no_evidence"]
    options += ["--batch_size", "2", "--output_path"]
    launch = [SCRIPT.with_name("torchrun"), "--standalone", "--nproc_per_node", "2", "--no_python", SCRIPT, "eval"]
    done = subprocess.run([*launch, *options, tmp_path / "two"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("predictions, scores and report") == 1
    assert cli("eval", *options, tmp_path / "one").status == 0
    files = [tmp_path / name / "slake_validate" / "predictions.jsonl" for name in ("one", "two")]
    assert files[0].read_bytes() == files[1].read_bytes() and len(predictions(files[0].parent)) == 21
    assert sorted(path.name for path in files[0].parent.iterdir()) == sorted(p.name for p in files[1].parent.iterdir())
    made = json.loads((files[1].parent / "run.json").read_text())["made"]
    assert [start["processes"] for start in made] == [2]
