"""`medfly ask` on real DICOM files with a tiny random model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from medfly.wording import CAVEAT, RESEARCH_USE

SCRIPT = Path(sys.executable).with_name("medfly")
QUESTION = "Which part of the body does this image belong to?"


def test_text_output(cli, package_file, tiny_model) -> None:
    status, out, _ = cli(
        "ask", package_file("CT_small.dcm"), QUESTION, "Is [bold]it[/bold] healthy?", "--model", tiny_model
    )
    assert status == 0
    assert RESEARCH_USE in out and out.count(CAVEAT) == 2
    assert QUESTION in out and "[bold]it[/bold]" in out  # a question is text, not markup
    assert "CT · 128 × 128 px" in out and "percentiles" in out
    assert "x 0–64" in out or "x 64–128" in out  # a medium crop, in source pixels
    assert str(tiny_model) not in out


def test_json_lines(cli, package_file, tiny_model) -> None:
    status, out, _ = cli(
        "ask", package_file("CT_small.dcm"), QUESTION, "Größe?", "--json", "--window", "lung", "--model", tiny_model
    )
    assert status == 0
    first, second = map(json.loads, out.splitlines())
    assert (first["question"], second["question"]) == (QUESTION, "Größe?")
    assert first["provenance"]["window"] == {
        "center": -600,
        "width": 1500,
        "function": "LINEAR",
        "source": "preset lung",
    }
    assert first["provenance"]["use"] == RESEARCH_USE
    assert len(first["evidence"]) == 41 and 0 <= first["confidence"] <= 1


def test_installed_script_prints_json_and_nothing_else_on_stdout(package_file, tiny_model, tmp_path) -> None:
    command = [SCRIPT, "ask", package_file("MR_small.dcm"), QUESTION, "--json", "--model", tiny_model]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert json.loads(done.stdout)["question"] == QUESTION
    assert "Traceback" not in done.stderr and list(tmp_path.iterdir()) == []


def test_figure_and_hyphens(cli, package_file, tiny_model, tmp_path) -> None:
    one, two = tmp_path / "one.png", tmp_path / "two.jpg"
    image = package_file("examples_overlay.dcm")
    assert cli("ask", image, QUESTION, "--save_figure", one, "--model", tiny_model).status == 0
    assert cli("ask", image, QUESTION, QUESTION, "--save-figure", two, "--model", tiny_model).status == 0
    assert Image.open(two).size == (Image.open(one).width, 2 * Image.open(one).height)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.png", "two.jpg"]


@pytest.mark.parametrize(
    "image, words",
    [
        ("MR_truncated.dcm", "cut short"),
        ("reportsi.dcm", "no pixel data"),
        ("JPGExtended.dcm", "decompress"),
        ("README.txt", "no known image"),
    ],
)
def test_file_at_fault(cli, package_file, image: str, words: str) -> None:
    status, out, err = cli("ask", package_file(image), QUESTION, "--model", "/no/model")  # never looked for
    assert (status, out) == (2, "")
    assert err.startswith("medfly: ") and err.count("\n") == 1
    assert words in err and "expected" in err and "/no/model" not in err


@pytest.mark.parametrize(
    "options, words",
    [
        (["--window", "foo"], "WIDTH/LEVEL"),
        (["--window", "0/10"], "WIDTH/LEVEL"),
        (["--frame", "3"], "frame 3"),
        (["--save_figure", "a.gif"], ".png"),
        (["--save_figure", "no/such/folder/a.png"], "make it first"),
        (["--model", "no_such_model"], "built-in name"),
        (["--device", "nonsense"], "expected cpu"),
    ],
)
def test_option_at_fault(cli, package_file, tmp_path, monkeypatch, options: list[str], words: str) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = cli("ask", package_file("CT_small.dcm"), QUESTION, *options)
    assert (status, out) == (2, "")
    assert err.startswith("medfly: ") and err.count("\n") == 1 and words in err
    assert list(tmp_path.iterdir()) == []


def test_empty_question_missing_file_and_model_without_weights(cli, package_file, tmp_path) -> None:
    image = package_file("CT_small.dcm")
    assert "an empty question" in cli("ask", image, QUESTION, "  ").err
    assert "no such file" in cli("ask", tmp_path / "no.dcm", QUESTION).err
    (tmp_path / "config.json").write_text("{}")
    status, _, err = cli("ask", image, QUESTION, "--model", tmp_path)
    assert status == 2 and "no *.safetensors" in err and err.count("\n") == 1
    colour = tmp_path / "colour.png"
    Image.new("RGB", (8, 8), "red").save(colour)
    assert "leave it off" in cli("ask", colour, QUESTION, "--window", "lung").err


def test_a_question_that_is_too_long_leaves_no_figure(cli, package_file, tiny_model, tmp_path) -> None:
    figure = tmp_path / "a.png"
    status, out, err = cli(
        "ask", package_file("CT_small.dcm"), "why " * 3000, "--model", tiny_model, "--save_figure", figure
    )
    assert (status, out) == (2, "") and "shorten it" in err and not figure.exists()


def test_unknown_option_and_unknown_command(cli, package_file) -> None:
    assert cli("ask", package_file("CT_small.dcm"), QUESTION, "--nonsense").status == 2
    assert cli("nonsense").status == 2


def test_help_and_bad_input_load_no_torch(package_file, tmp_path) -> None:
    code = """
import sys
from medfly.cli import main
for arguments in (["--help"], ["ask", "--help"], ["--version"], ["ask", "no_such_file", "Why?"]):
    try:
        main(arguments)
    except SystemExit as end:
        print("STATUS", end.code)
print("HEAVY", sorted({"torch", "transformers", "streamlit"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    statuses = [line for line in done.stdout.splitlines() if line.startswith("STATUS")]
    assert statuses == ["STATUS 0", "STATUS 0", "STATUS 0", "STATUS 2"]
    assert done.stdout.splitlines()[-1] == "HEAVY []"
    assert "--save_figure" in done.stdout and RESEARCH_USE.split("–")[0] in done.stdout
