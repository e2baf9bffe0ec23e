"""The README's commands run as they are written; only the names in capitals are filled in."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from medfly.cli import main

from .data_adapters.made_sets import make_boxed_slake, make_noise_slake
from .stand_in_chat import ChatServerStandIn

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", README, re.S) for line in block.splitlines() if line.strip()
]
MEDFLY = Path(sys.executable).parent / "medfly"
RECIPE = """
model: mini
data: [{{task: slake, split: train, folder: {data}}}]
augmentation: {{rotate: 5}}
training: {{max_steps: 2, per_device_train_batch_size: 2, save_strategy: "no"}}
"""


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What stands for the README's capitals: a real scan, a made data set in SLAKE's layout, a recipe."""
    folder = tmp_path_factory.mktemp("readme")
    rng, row = np.random.default_rng(0), {"q_lang": "en", "location": "Lung", "modality": "CT", "base_type": "vqa"}
    rows = []
    for number in (1, 2):
        (folder / "slake" / "imgs" / f"xmlab{number}").mkdir(parents=True)
        picture = Image.fromarray(rng.integers(0, 256, (90, 80), np.uint8))
        picture.save(folder / "slake" / "imgs" / f"xmlab{number}" / "source.jpg")
        facts = {"img_id": number, "img_name": f"xmlab{number}/source.jpg", "triple": ["vhead", "_", "_"]}
        asked = {"question": "Is the lung healthy?", "answer": "Yes", "answer_type": "CLOSED", "content_type": "Organ"}
        rows.append(row | facts | asked | {"qid": number})
    for split in ("train", "validate"):
        (folder / "slake" / f"{split}.json").write_text(json.dumps(rows))
    (folder / "recipe.yaml").write_text(RECIPE.format(data=folder / "slake"))
    series = Path(str(get_testdata_file("CT_small.dcm", download=False))).parent / "dicomdirtests" / "77654033" / "CT2"
    shutil.copytree(series, folder / "study")
    asked = [
        f"slices/{number}.png,Is the liver healthy?,{'Yes' if number % 2 else 'No'},P{number}" for number in range(12)
    ]
    (folder / "questions.csv").write_text("\n".join(["image,question,answer,patient", *asked]))
    (folder / "slices").mkdir()
    for number in range(12):
        Image.fromarray(rng.integers(0, 256, (9, 8), np.uint8)).save(folder / "slices" / f"{number}.png")
    return {
        "STUDY": str(folder / "study"),
        "TABLE": str(folder / "questions.csv"),
        "SCAN": str(get_testdata_file("CT_small.dcm", download=False)),
        "SLAKE": str(folder / "slake"),
        "CONFIG.yaml": str(folder / "recipe.yaml"),
    }


def filled(command: str, names: dict[str, str]) -> list[str]:
    words = shlex.split(command)
    assert words[0] == ".venv/bin/medfly"
    return [str(MEDFLY), *(names.get(word, word) for word in words[1:])]


def command(verb: str) -> str:
    """The README's one command that begins with this verb."""
    (found,) = [line for line in COMMANDS if line.startswith(f".venv/bin/medfly {verb} ")]
    return found


@pytest.mark.parametrize("verb", ["ask", "eval", "train"])
def test_a_command_of_the_readme(verb: str, names: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(filled(command(verb), names), cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if verb == "ask":
        assert (tmp_path / "answer.png").stat().st_size > 10_000 and "Research use only" in done.stdout
    if verb == "eval":
        rows = (tmp_path / "runs" / "slake" / "slake_validate" / "predictions.jsonl").read_text().splitlines()
        assert [json.loads(row)["id"] for row in rows] == [1, 2]
    if verb == "train":
        assert list(tmp_path.glob("runs/*/model/model.safetensors"))


def commands_of(heading: str) -> list[list[str]]:
    """The words behind `medfly` in the section's one block of commands."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for block in re.findall(r"```shell\n(.*?)```", section, re.S) for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines if not line.startswith(".venv/bin/python ")]


@pytest.mark.parametrize("words", commands_of("Scans"), ids=lambda words: words[4])
def test_a_command_about_a_study(
    words: list[str],
    names: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main([names.get(word, word) for word in words])
    said = capsys.readouterr().out
    assert ended.value.code in (0, None) and "Research use only" in said
    if "--save_figure" in words:
        assert (tmp_path / "montage.png").stat().st_size > 10_000 and "montage of frames 0, 1, 2, 3 of 4" in said
    else:
        assert said.count("Q  Is the liver healthy?") == 6  # three frames in two windows


def test_the_commands_about_data_sets(
    names: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    fetch, check, split = commands_of("Data sets")
    assert fetch[:2] == ["data", "fetch"]  # run in tests/cli/test_data.py, beside a server that stands in for the hub
    with pytest.raises(SystemExit) as ended:
        main([names.get(word, word) for word in check])
    out, err = capsys.readouterr()
    said = " ".join(out.split())
    assert not err.startswith("medfly: "), err
    assert ended.value.code == 1 and "expected 4,919" in said and "CC BY 4.0" in said  # two rows are not SLAKE
    with pytest.raises(SystemExit) as ended:
        main([names.get(word, word) for word in split])
    assert ended.value.code in (0, None)
    assert set(json.loads((tmp_path / "manifest.json").read_text())["splits"]) == {"train", "validate", "test"}


def test_the_commands_about_trust(
    names: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    noise, boxed = make_noise_slake(tmp_path / "noise"), make_boxed_slake(tmp_path / "boxed")
    said = []
    for words, slake in zip(commands_of("When to trust an answer"), (None, noise, None, boxed), strict=True):
        with pytest.raises(SystemExit) as ended:
            main([{**names, "SLAKE": str(slake)}.get(word, word) for word in words])
        out, err = capsys.readouterr()
        assert ended.value.code in (0, None), err
        said.append(" ".join(out.split()))
    varied, calibrated, judged, grounded = said
    assert "occlusion" in varied and "zoom +2 %" in varied and (tmp_path / "answer.png").stat().st_size > 10_000
    assert "18 images" in calibrated and "deferred as unlike all that was seen" in calibrated
    assert "Deferred" in judged and "18 images" in judged  # noise is all that this calibration has seen
    assert "pointing game" in grounded


def test_the_commands_about_evaluation(
    names: dict[str, str],
    chat_server: ChatServerStandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All but the last, which tests/cli/test_evaluate.py runs: its processes take half a minute to start."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs.jsonl").write_text('{"qid": 1, "prediction": "Yes."}\n{"qid": 2, "prediction": "no"}\n')
    stands_for = names | {
        "PREDICTIONS": "theirs.jsonl",
        "NAME": chat_server.model,
        "http://localhost:8000/v1": chat_server.address,
    }
    *commands, several = commands_of("Evaluation")
    said = []
    for words in commands:
        with pytest.raises(SystemExit) as ended:
            main([stands_for.get(word, word) for word in words])
        out, err = capsys.readouterr()
        assert ended.value.code in (0, None), err
        said.append(" ".join(out.split()))
    audited, scored, compared, served = said
    assert "is it looking?" in audited and "2 of 2 images are in slake train, too" in audited
    assert "50.0 (1/2)" in scored and (tmp_path / "page.html").is_file() and (tmp_path / "table.tex").is_file()
    assert "points more" in compared or "score the same" in compared
    assert f"slake validate: {chat_server.model}" in served and len(chat_server.bodies) >= 2
    assert several[:2] == ["--nproc_per_node", "2"]


def test_the_reader_for_monai(names: dict[str, str]) -> None:
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", README, re.S) if "MedFlyReader" in block]
    scope: dict = {}
    exec(code, scope)
    assert scope["load"]({"image": names["SCAN"]})["image"].shape == (128, 128)


@pytest.mark.parametrize(
    "words", commands_of("The published checkpoints"), ids=lambda words: " ".join(words[:1] + words[-1:])
)
def test_a_command_about_published_checkpoints(
    words: list[str], names: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a small checkpoint in the published layout, which stands for the real one."""
    small = str(ROOT / "tests" / "golden" / "dragonfly-v2-tiny")
    stands_for = names | {
        "togethercomputer/Llama-3.1-8B-Dragonfly-Med-v2": small,
        "runs/mine/model": small,
        "EXPORTED": str(tmp_path / "exported"),
    }
    with pytest.raises(SystemExit) as ended:
        main([stands_for.get(word, word) for word in words])
    assert ended.value.code in (0, None)
    said = {"inspect": "Every tensor is accounted for", "ask": "Research use only", "export": "exported"}[words[0]]
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("number", range(3))
def test_the_app_of_the_readme(number: int, names: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "runs" / "slake").mkdir(parents=True)
    port = 8765 + number
    given = [shlex.split(command("app"))[1:], *commands_of("The viewer")][number]
    words = [str(MEDFLY), *(names.get(word, word) for word in given), "--headless", "--port", str(port)]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(120):
                time.sleep(0.25)
                try:
                    with urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=1) as reply:
                        assert reply.read() == b"ok"
                        break
                except OSError:
                    assert server.poll() is None, "the server ended"
            else:
                pytest.fail("the viewer did not answer within 30 s")
        finally:
            server.kill()  # a polite signal can leave it waiting for ever


def test_the_targets_that_the_readme_names_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"(?:^|`)make (\w+)", README, re.M))
    assert {"demo", "test", "app"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.M), target
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_links_and_pictures_are_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


def test_every_folder_of_the_tree_is_there() -> None:
    (tree,) = re.findall(r"```text\n(.*?)```", README, re.S)
    for line in tree.splitlines():
        assert (ROOT / line.split()[0]).exists(), line
