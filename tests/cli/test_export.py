"""`medfly export` as a user meets it: what it says on stdout, and its refusals in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent.parent / "golden"


def test_official_says_what_it_wrote_and_the_duties(cli, tmp_path) -> None:
    out = tmp_path / "out"
    status, told, err = cli("export", GOLDEN / "dragonfly-v2-tiny", out)
    assert (status, err) == (0, "")
    lines = told.splitlines()
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    assert lines[0].startswith(f"{out}: ") and lines[0].endswith(f"; {size / 1e6:.1f} MB")
    assert lines[1] == "licence: Llama 3.1 Community License, as config.json says; it holds for the copy, too"
    assert "“Built with Llama”" in lines[2]
    assert json.loads((out / "config.json").read_text())["image_encoder"] == "clip"


def test_llama_from_the_embedded_model(cli, tmp_path) -> None:
    status, told, _ = cli("export", "mini", tmp_path / "out", "--format", "llama")
    assert status == 0
    assert "decoder alone" in told and "prompt embeddings" in told and "CC BY 4.0" in told
    assert json.loads((tmp_path / "out" / "config.json").read_text())["model_type"] == "llama"
    assert (tmp_path / "out" / "LICENSE").is_file()


def test_an_unknown_licence_is_called_unknown(cli, tiny_model, tmp_path) -> None:
    status, told, _ = cli("export", tiny_model, tmp_path / "out", "--format", "llama")
    assert status == 0 and "licence: unknown" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("mini", "out"), "it does not fit the published layout: vision_config.model_type is 'medfly_conv_tower'"),
        (("mini", "out", "--format", "gguf"), "format 'gguf': expected one of official, llama"),
        (("mini", "full"), "full: a folder with files in it, expected a new or an empty folder"),
        (("mini", "."), ".: a folder with files in it, expected a new or an empty folder"),
        (("nothing_here", "out"), "model 'nothing_here': no such folder"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(cli, tmp_path, monkeypatch, arguments, told) -> None:
    monkeypatch.chdir(tmp_path)
    Path("full").mkdir()
    Path("full/notes.txt").touch()
    status, out, err = cli("export", *arguments)
    assert (status, out) == (2, "")
    assert told in err and len(err.splitlines()) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["full"]
