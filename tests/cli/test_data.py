"""`medfly data` as a user types it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from ..stand_in_hub import Hub

SCRIPT = Path(sys.executable).with_name("medfly")


def cohort(folder: Path, rows: list[dict[str, Any]], name: str = "questions.csv") -> Path:
    (folder / "scans").mkdir(parents=True, exist_ok=True)
    for one in rows:
        noise = gaussian_filter(np.random.default_rng(one["dcm"]).normal(size=(60, 50)), 5)
        picture = Image.fromarray(np.uint8(255 * (noise - noise.min()) / np.ptp(noise)))
        picture.save(folder / "scans" / f"{one['dcm']}.png")
    records = [{"question": "Clear?", "answer": "Yes"} | one | {"dcm": f"{one['dcm']}.png"} for one in rows]
    pd.DataFrame(records).to_csv(folder / name, index=False)
    return folder / name


def options(folder: Path) -> list[Any]:
    return ["--columns", "image=dcm,patient=case", "--image-dir", folder / "scans"]


def test_split_then_check(cli, tmp_path: Path) -> None:
    path = cohort(tmp_path, [{"dcm": i, "case": f"Doe^Jane{i // 2}"} for i in range(40)])
    done = cli("data", "split", path, "--output", tmp_path / "m.json", *options(tmp_path), "--seed", 4)
    assert done.status == 0 and "train: 32 rows, 16 groups, 32 images" in done.out and "Doe" not in done.out + done.err
    checked = cli("data", "check", path, *options(tmp_path), "--manifest", tmp_path / "m.json")
    assert checked.status == 0 and "0 errors" in checked.out and "40/40" in checked.err
    again = cli("data", "split", path, "--output", tmp_path / "m.json", *options(tmp_path))
    assert again.status == 2 and "already there" in again.err
    (tmp_path / "dataset.yaml").write_text(
        "table: questions.csv\nimage_dir: scans\ncolumns: {image: dcm, patient: case}\nmanifest: m.json\n"
    )
    assert cli("data", "check", tmp_path).status == 0
    path.write_text(path.read_text().replace("Doe^Jane7", "Doe^Jane8"))
    changed = cli("data", "check", tmp_path, "--json")
    assert changed.status == 1 and "Doe" not in changed.out + changed.err
    assert [json.loads(line)["kind"] for line in changed.out.splitlines()] == ["rows_changed", "unreadable"]


def test_leakage_is_exit_status_one_and_a_line_of_json_each(cli, tmp_path: Path) -> None:
    rows = [{"dcm": 0, "case": "Doe", "split": "train"}, {"dcm": 1, "case": "Doe", "split": "test"}]
    path = cohort(tmp_path, [*rows, {"dcm": 0, "case": "Roe", "split": "test"}])
    status, out, err = cli("data", "check", path, *options(tmp_path), "--json")
    findings = [json.loads(line) for line in out.splitlines()]
    assert status == 1 and "Doe" not in out + err
    errors = {f["kind"]: (f["count"], f["examples"]) for f in findings if f["severity"] == "error"}
    assert errors == {"same_file": (1, ["row 4"]), "same_question": (1, ["row 4"]), "same_patient": (1, ["row 3"])}
    shown = cli("data", "check", path, *options(tmp_path))
    assert shown.status == 1 and "3 errors" in shown.out and "same_patient" in shown.out and "Doe" not in shown.out


def test_what_is_left_out_is_counted(cli, tmp_path: Path) -> None:
    path = cohort(tmp_path, [{"dcm": i, "case": f"P{i}", "question": "Clear?" if i else ""} for i in range(11)])
    done = cli("data", "split", path, "--output", tmp_path / "m.json", *options(tmp_path), "--skip")
    assert done.status == 0 and "1 rows at fault left out" in done.err and "validate: 1 rows" in done.out


def test_train_makes_what_is_shared_an_error(cli, tmp_path: Path) -> None:
    a = cohort(tmp_path, [{"dcm": 0, "case": "A"}, {"dcm": 1, "case": "B"}], "a.csv")
    b = cohort(tmp_path, [{"dcm": 0, "case": "C"}], "b.csv")
    assert cli("data", "check", a, b, *options(tmp_path)).status == 0
    status, out, _ = cli("data", "check", b, "--train", a, *options(tmp_path), "--json")
    assert status == 1 and {json.loads(line)["where"] for line in out.splitlines() if '"error"' in line} == {f"{b} all"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check"], "PATH"),
        (["check", "nowhere"], "no such file or folder"),
        (["check", "q.csv", "--columns", "image"], "columns of another form"),
        (["split", "q.csv"], "--output"),
        (["split", "q.csv", "--output", "m.json", "--columns", "image=dcm", "--fractions", "x"], "train=0.8"),
        (["split", "q.csv", "--output", "m.json", "--group", "ward"], "ward"),
        (["split", "q.csv", "--output", "m.json"], "no column for the image among"),
        (["fetch", "mimic"], "one of slake"),
    ],
)
def test_mistakes(cli, tmp_path: Path, monkeypatch, arguments: list[str], words: str) -> None:
    monkeypatch.chdir(tmp_path)
    cohort(tmp_path, [{"dcm": 0, "case": "A"}], "q.csv")
    status, _, err = cli("data", *arguments)
    assert status == 2 and words in err and "Traceback" not in err
    assert not (tmp_path / "m.json").exists()


def test_fetch_shows_the_licence_first_and_needs_a_yes(cli, near: Hub, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    copy = tmp_path / "copy"
    copy.mkdir()
    row = {"img_name": "xmlab1/source.jpg", "question": "Clear?", "answer": "Yes", "answer_type": "CLOSED", "qid": 1}
    row |= dict.fromkeys(("content_type", "modality", "location", "base_type", "img_id"), "CT") | {"q_lang": "en"}
    (copy / "train.json").write_text(json.dumps([row]))
    (copy / "unneeded.bin").write_bytes(bytes(9_000_000))
    with zipfile.ZipFile(copy / "imgs.zip", "w") as archive:
        archive.writestr("imgs/xmlab1/source.jpg", np.random.default_rng(0).bytes(1_200_000))
    near.folders["datasets/BoKelvin/SLAKE"] = copy
    asked = cli("data", "fetch", "slake")
    assert asked.status == 2 and "CC BY 4.0" in asked.out and "med-vqa.com" in asked.out and "1.2 MB" in asked.out
    assert "--yes" in asked.err and not (tmp_path / "data").exists()
    done = cli("data", "fetch", "slake", "--yes")
    assert done.status == 1 and "expected 4,919" in " ".join(done.out.split())  # one row is not SLAKE
    assert (tmp_path / "data/slake/imgs.zip").is_file() and "slake" in done.out.splitlines()[-1]
    near.refused["/api"] = (503, {})
    failed = cli("data", "fetch", "slake", "--yes", "--output_path", tmp_path / "other")
    assert failed.status == 2 and "of unknown size" in failed.out and "503" in failed.err


@pytest.mark.parametrize(("key", "status", "words"), [("n\n", 2, "nothing was fetched"), ("\x03", 130, "interrupted")])
def test_a_no_and_ctrl_c_on_a_terminal(near: Hub, tmp_path: Path, key: str, status: int, words: str) -> None:
    """A child with a terminal of its own; near has set the hub's address for it."""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(SCRIPT, [str(SCRIPT), "data", "fetch", "slake", "--output_path", str(tmp_path)])
    said, patience = "", 0.3
    with contextlib.suppress(OSError):  # the child's end of the terminal is closed
        for _ in range(100):
            if select.select([terminal], [], [], patience)[0]:
                said += os.read(terminal, 4096).decode()
            elif "[y/N]" in said:
                os.write(terminal, key.encode())
                patience = 5  # then once more, for a key that came before the child was ready to take it
        os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == status
    assert words in said and "Traceback" not in said and not list(tmp_path.glob("*.json"))


def test_the_commands_load_no_heavy_library() -> None:
    heavy = {"torch", "pandas", "sklearn", "imagehash", "data_adapters", "huggingface_hub"}
    script = f"import sys; from medfly.cli.data import app; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
