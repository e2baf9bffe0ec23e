"""The options that say which model is asked, and how: --dtype, --quantize, --allow_unaccounted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from ..stand_in_chat import ChatServerStandIn

QUESTION = "Which part of the body does this image belong to?"
BRIEF = ("--no_evidence", "--max_new_tokens", 3, "--json")


@pytest.mark.parametrize("options", [(), ("--dtype", "bfloat16"), ("--quantize", "int8"), ("--quantize", "nf4")])
def test_one_json_line_and_a_silent_terminal(cli, package_file, tiny_model, options: tuple[str, ...]) -> None:
    if "--quantize" in options:
        pytest.importorskip("bitsandbytes")
    image = package_file("CT_small.dcm")
    status, out, err = cli("ask", image, QUESTION, "--model", tiny_model, *BRIEF, *options, "--device", "cpu")
    assert (status, err) == (0, "")
    assert [json.loads(line)["question"] for line in out.splitlines()] == [QUESTION]


@pytest.mark.parametrize(
    "options, words",
    [
        (("--dtype", "int8"), "dtype 'int8': expected auto, float32, bfloat16 or float16"),
        (("--quantize", "int4"), "quantize 'int4': expected int8 or nf4"),
        (("--device", "nonsense"), "device 'nonsense': not here; expected cpu"),
    ],
)
@pytest.mark.parametrize("model", ["mini", "no_such/repository"])
def test_options_at_fault(cli, package_file, options: tuple[str, str], words: str, model: str) -> None:
    """Told before a model is looked for."""
    status, out, err = cli("ask", package_file("CT_small.dcm"), QUESTION, "--model", model, *options)
    assert (status, out) == (2, "")
    assert err.startswith("medfly: ") and err.count("\n") == 1 and words in err


def test_an_unaccounted_tensor_is_refused_or_told(cli, package_file, tiny_model, tmp_path: Path) -> None:
    model = shutil.copytree(tiny_model, tmp_path / "model")
    weights = load_file(model / "model.safetensors")
    save_file(weights | {"surplus": weights["vision_embed_tokens.bias"].clone()}, model / "model.safetensors")
    command = ["ask", package_file("CT_small.dcm"), QUESTION, "--model", model, *BRIEF]
    status, out, err = cli(*command)
    assert (status, out) == (2, "")
    assert "surplus" in err and "allow_unaccounted" in err and err.count("\n") == 1
    status, out, err = cli(*command, "--allow_unaccounted")
    assert status == 0 and json.loads(out)["question"] == QUESTION
    lines = err.splitlines()
    assert lines and all(line.startswith("medfly: warning: its answers may be wrong: ") for line in lines)
    assert any("surplus" in line for line in lines)


@pytest.fixture
def one_question(tmp_path: Path) -> list[object]:
    """`medfly eval` of one made question, without the model."""
    (tmp_path / "imgs" / "xmlab0").mkdir(parents=True)
    Image.fromarray(np.zeros((48, 48), np.uint8)).save(tmp_path / "imgs" / "xmlab0" / "source.jpg")
    row = {"img_id": 0, "img_name": "xmlab0/source.jpg", "q_lang": "en", "qid": 0, "question": "Why?", "answer": "Yes"}
    row |= {"answer_type": "OPEN", "location": "Lung", "modality": "CT", "base_type": "vqa", "content_type": "Organ"}
    (tmp_path / "validate.json").write_text(json.dumps([row | {"triple": ["vhead", "_", "_"]}]))
    command = ["eval", "--tasks", "slake", "--split", "validate", "--data", tmp_path]
    return [*command, "--output_path", tmp_path / "out"]


def predicted(command: list[object]) -> dict[str, Any]:
    (line,) = (Path(str(command[-1])) / "slake_validate" / "predictions.jsonl").read_text().splitlines()
    return json.loads(line)


def test_another_precision_is_another_run(cli, tiny_model, one_question: list[object]) -> None:
    """A run that was broken off is not gone on with by a model that may answer otherwise."""
    command = [*one_question, "--model", tiny_model]
    assert cli(*command).status == 0
    assert cli(*command).status == 0
    status, _, err = cli(*command, "--dtype", "bfloat16")
    assert status == 2 and "holds another run" in err and "+bfloat16" in err


def test_a_model_of_transformers(cli, tiny_llava: Path, one_question: list[object]) -> None:
    """Its config.json says that it is no Dragonfly; nothing else has to be said."""
    status, _, err = cli(*one_question, "--model", tiny_llava)
    assert status == 0, err
    row = predicted(one_question)
    assert row["question"] == "Why?" and 0 < row["confidence"] < 1
    status, _, err = cli(*one_question, "--model", tiny_llava, "--quantize", "nf4")
    assert status == 2 and "is a llava, expected a Dragonfly" in err


def test_a_served_model(cli, chat_server: ChatServerStandIn, one_question: list[object]) -> None:
    pytest.importorskip("openai")
    served = ["--base_url", chat_server.address, "--model", chat_server.model]
    status, _, err = cli(*one_question, *served, "--prompt", "short")
    assert status == 0, err
    assert (predicted(one_question)["prediction"], predicted(one_question)["question"]) == ("Lung", "Why?")
    last = chat_server.bodies[-1]["messages"][0]["content"]
    assert last[1]["text"] == "Why?\nAnswer the question using a single word or phrase."
    count = len(chat_server.bodies)
    assert cli(*one_question, *served, "--prompt", "short").status == 0
    assert len(chat_server.bodies) == count + 1  # the probe; what is answered is not asked again


@pytest.mark.parametrize(
    "options, words",
    [
        (("--base_url", "https://api.example.com/v1"), "say --allow_upload if they may leave this machine"),
        (("--base_url", "http://127.0.0.1:9/v1", "--dtype", "bfloat16"), "--dtype with --base_url"),
        (("--base_url", "http://127.0.0.1:9/v1", "--device", "cpu"), "--device with --base_url"),
        (("--base_url", "here"), "--base_url: no address"),
        (("--model", "no_such_folder"), "no such folder"),
    ],
)
def test_models_at_fault(cli, one_question: list[object], options: tuple[str, ...], words: str) -> None:
    status, out, err = cli(*one_question, *options)
    assert (status, out) == (2, "")
    assert err.startswith("medfly: ") and err.count("\n") == 1 and words in err
