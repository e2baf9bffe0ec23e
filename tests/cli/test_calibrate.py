"""`medfly calibrate` with a tiny random model, and what `medfly ask` makes of it."""

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

from data_adapters.institutional import Institutional
from data_adapters.splits import split, write_manifest

from ..data_adapters.made_sets import make_noise_slake

SCRIPT = Path(sys.executable).with_name("medfly")
IMAGES = 18
PRIVATE = "Mustermann"


def make_table(folder: Path, images: int = IMAGES) -> Path:
    """A hospital's own: 18 pictures with 2 questions each, one of which never has the answer of a random model."""
    folder.mkdir()
    lines = ["image,question,answer,split"]
    for i in range(images):
        values = np.random.default_rng(i).integers(0, 256, (48, 48), dtype=np.uint8)
        Image.fromarray(values).save(folder / f"{PRIVATE}{i}.png")
        lines += [f"{PRIVATE}{i}.png,Is part {q} of {PRIVATE} healthy?,Yes,{'test' if q else 'val'}" for q in (0, 0, 1)]
    (folder / "q.csv").write_text("\n".join(lines))
    (folder / "dataset.yaml").write_text("table: q.csv\n")
    return folder


@pytest.fixture(scope="module")
def calibrated(cli, tiny_model, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("calibrated")
    data = make_table(folder / PRIVATE)
    options = ["--model", tiny_model, "--tasks", "institutional", "--split", "val", "--data", data]
    status, out, err = cli("calibrate", *options, "--output_path", folder / "out")
    assert status == 0 and "36/36" in err
    assert "| isotonic" in out and "answer sets" in out and "none keeps it" in out  # its answers are all wrong
    assert (folder / "out" / "calibration.md").read_text("utf-8") in out
    return folder / "out" / "calibration.json"


def test_the_file_says_what_it_was_made_of_and_names_nobody(calibrated: Path) -> None:
    text = calibrated.read_text("utf-8")
    told = json.loads(text)
    assert PRIVATE.casefold() not in text.casefold() and "healthy?" not in text
    assert told["fitted"] | {"rule": None} == {
        "task": "institutional",
        "split": "val",
        "data": "institutional",
        "rule": None,
        "questions": 2 * IMAGES,
        "images": IMAGES,
        "with_options": 2 * IMAGES,
    }
    assert told["threshold"] is None and told["risk"] == 0.1


def test_asking_with_it_and_without(cli, calibrated: Path, tiny_model: Path) -> None:
    scan = calibrated.parent.parent / PRIVATE / f"{PRIVATE}3.png"
    asked = ["ask", scan, "Is it healthy?", "--model", tiny_model, "--no_evidence", "--json"]
    status, out, _ = cli(*asked, "--calibration", calibrated)
    trust = json.loads(out)["trust"]
    assert status == 0 and trust["deferred"] and "yes" in trust["options"]
    assert set(trust["options"]) <= {"yes", "no"} and "18 images" in trust["basis"]
    for options in ([], ["--no_calibration"]):
        plain = json.loads(cli(*asked, *options).out)
        assert plain["trust"] is None and plain["text"] == json.loads(out)["text"]


def test_a_calibration_at_fault_ends_in_one_line(cli, calibrated: Path, tiny_model: Path, tmp_path: Path) -> None:
    scan = calibrated.parent.parent / PRIVATE / f"{PRIVATE}3.png"
    told = json.loads(calibrated.read_text("utf-8"))
    (tmp_path / "other.json").write_text(json.dumps(told | {"model_hash": "cd" * 32}))
    (tmp_path / "broken.json").write_text("{")
    wrong = [["--calibration", tmp_path / name] for name in ("other.json", "broken.json", "none.json")]
    for options in [*wrong, ["--calibration", calibrated, "--no_calibration"]]:
        status, out, err = cli("ask", scan, "Is it healthy?", "--model", tiny_model, "--no_evidence", *options)
        assert (status, out) == (2, "") and err.startswith("medfly: ") and err.count("\n") == 1, options


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"--risk": "0"}, "--risk 0"),
        ({"--risk": "nan"}, "--risk nan"),
        (
            {"--tasks": "captions"},
            "--tasks captions: expected one of slake, slake_zh, vqa_rad, path_vqa, institutional,",
        ),
        ({"--tasks": "nothing"}, "--tasks nothing: expected one of slake, slake_zh, vqa_rad, path_vqa, institutional,"),
        ({"--tasks": "slake,vqa_rad"}, "--tasks slake,vqa_rad: found several data sets; one data set expected"),
        ({"--split": "nothing"}, "split"),
        ({"--limit": "5"}, "about 3 images; expected at least 16 images"),
        ({"--data": "no_such_folder"}, "no_such_folder"),
    ],
)
def test_options_at_fault(cli, calibrated: Path, tmp_path: Path, changes: dict[str, str], words: str) -> None:
    data = str(calibrated.parent.parent / PRIVATE)
    options = {"--tasks": "institutional", "--split": "val", "--data": data, "--model": "/no/model"} | changes
    given = [part for option in options.items() for part in option]
    status, out, err = cli("calibrate", *given, "--output_path", tmp_path / "out")
    assert (status, out) == (2, "") and words in err and err.count("\n") == 1
    assert not (tmp_path / "out").exists() and "captions" not in err.partition("expected one of")[2]


def test_what_is_in_training_data_is_told_as_eval_tells_it(cli, tiny_model: Path, tmp_path: Path) -> None:
    data = make_noise_slake(tmp_path / "slake", shared=4)
    options = ["--model", tiny_model, "--tasks", "slake", "--split", "validate", "--data", data]
    status, out, err = cli("calibrate", *options, "--output_path", tmp_path / "out")
    told = "4 of 18 images are in slake train, too (4 the same file), and 8 of 36 questions are"
    assert status == 0 and f"medfly: {told}" in err and told in out
    page = (tmp_path / "out" / "calibration.md").read_text("utf-8")
    assert told in page and "| Organ | 18 |" in page and "| Position | 18 |" in page
    assert cli("eval", *options, "--output_path", tmp_path / "eval", "--no_evidence").status == 0
    scores = json.loads((tmp_path / "eval" / "slake_validate" / "scores.json").read_text("utf-8"))
    assert scores["contamination"]["sentence"] in page


def test_training_rows_of_a_hospitals_table_are_refused_whatever_the_split_is_called(cli, tmp_path: Path) -> None:
    """The table's own column says train; a manifest that was dealt out without it goes before it."""
    data = make_table(tmp_path / PRIVATE, 40)
    (data / "q.csv").write_text((data / "q.csv").read_text().replace(",val", ",Train"))
    dealt = split(Institutional.from_folder(data), {"validate": 0.5, "test": 0.5}, group="image")
    write_manifest(dealt, data / "manifest.json")
    (data / "dataset.yaml").write_text("table: q.csv\nmanifest: manifest.json\n")
    options = ["--model", "/no/model", "--tasks", "institutional", "--split", "validate", "--data", data]
    status, _, err = cli("calibrate", *options, "--output_path", tmp_path / "out")
    assert status == 2 and "40 of its rows are of the training split by the table" in err and PRIVATE not in err
    assert err.count("\n") == 1 and not (tmp_path / "out").exists()


def test_a_split_that_nothing_is_known_of_is_warned_of(cli, calibrated: Path, tmp_path: Path) -> None:
    """A table without a column of splits is one split, "all"; and no training split is there to compare with."""
    data = make_table(tmp_path / PRIVATE)
    lines = [line.rpartition(",")[0] for line in (data / "q.csv").read_text().splitlines()]
    (data / "q.csv").write_text("\n".join(lines))
    options = ["--model", "/no/model", "--tasks", "institutional", "--split", "all", "--data", data]
    _, _, err = cli("calibrate", *options, "--output_path", tmp_path / "out")
    assert "warning: a calibration fitted on 'all': nothing says what this split is for" in err
    page = calibrated.with_name("calibration.md").read_text("utf-8")
    assert "no training data here to compare with." in page and "--train_data" not in page
    assert PRIVATE.casefold() not in page.casefold()


def test_a_test_split_is_warned_of_and_another_run_is_not_mixed(cli, calibrated: Path, tiny_model: Path) -> None:
    data = calibrated.parent.parent / PRIVATE
    options = ["--model", tiny_model, "--tasks", "institutional", "--split", "test", "--data", data]
    status, _, err = cli("calibrate", *options, "--output_path", calibrated.parent)
    assert status == 2 and "warning: a calibration fitted on 'test'" in err and "another run" in err


@pytest.mark.slow
def test_killed_and_resumed_it_is_the_same_file(calibrated: Path, tiny_model: Path, tmp_path: Path) -> None:
    command = [SCRIPT, "calibrate", "--tasks", "institutional", "--split", "val", "--model", tiny_model]
    command += ["--data", calibrated.parent.parent / PRIVATE, "--output_path", tmp_path / "out"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    rows = tmp_path / "out" / "rows.jsonl"
    while not (rows.exists() and rows.stat().st_size):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / "out" / "calibration.json").read_bytes() == calibrated.read_bytes()
