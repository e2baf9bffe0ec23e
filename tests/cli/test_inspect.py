"""`medfly inspect` on the built-in model, the golden checkpoints and damaged copies of them."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from medfly.wording import RESEARCH_USE

GOLDEN = Path(__file__).parent.parent / "golden"
MINI = Path(__file__).parent.parent.parent / "medfly" / "models" / "mini"
V1, V2 = GOLDEN / "dragonfly-v1-tiny", GOLDEN / "dragonfly-v2-tiny"
NORM = "language_model.model.norm.weight"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return shutil.copytree(V2, tmp_path / "copy", ignore=shutil.ignore_patterns("images", "expected.*", "cases.json"))


def change(file: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    fields = json.loads(file.read_text())
    edit(fields)
    file.write_text(json.dumps(fields))


@pytest.mark.parametrize("folder, cases", [(V1, 867), (V2, 2098)], ids=["v1", "v2"])
def test_json_says_what_the_files_hold(cli, folder: Path, cases: int) -> None:
    status, out, _ = cli("inspect", folder, "--json")
    assert status == 0 and out.count("\n") == 1
    facts = json.loads(out)
    with safe_open(folder / "model.safetensors", "pt") as file:
        shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    states = {one["checkpoint"]: one for one in facts["tensors"]["tensors"]}
    assert {name: one["found"] for name, one in states.items()} == shapes
    assert {one["state"] for one in states.values()} == {"loaded", "renamed"}
    assert facts["tensors"]["complete"] and facts["failed"] == [] and facts["use"] == RESEARCH_USE
    assert facts["dtypes"] == {"float32": 103}
    assert facts["architecture"]["version"] == folder.name[10:12]
    case = json.loads((folder / "cases.json").read_text())[0]
    assert facts["architecture"]["image_positions"] == facts["chat"]["image_positions"] == cases
    assert case["prompt"].replace(case["question"], facts["chat"]["question"]) in facts["chat"]["text"]
    assert facts["rope"] | {"remark": None} == {
        "type": "default",
        "theta": 500000.0,
        "scaling": None,
        "max_positions": 8192,
        "remark": None,
    }
    tokens = json.loads((folder / "tokenizer.json").read_text())["added_tokens"]
    ids = {one["content"]: one["id"] for one in tokens}
    assert len(facts["special_tokens"]) == 6
    for one in facts["special_tokens"]:
        assert one["id"] == ids[one["token"]] and one["agrees"] in (True, None)
    for one in facts["files"]:
        content = (folder / one["name"]).read_bytes()
        assert (one["bytes"], one["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_crops_by_level(cli) -> None:
    levels = json.loads(cli("inspect", V1, "--json").out)["architecture"]["levels"]
    assert [(one["crops"], one["crops_kept"], one["positions_per_crop"]) for one in levels.values()] == [
        (1, 1, 51),
        (4, 4, 51),
        (24, 12, 51),
    ]
    levels = json.loads(cli("inspect", V2, "--json").out)["architecture"]["levels"]
    assert [(one["crops"], one["crops_kept"], one["positions_per_crop"]) for one in levels.values()] == [
        (1, 1, 578),
        (4, 4, 38),
        (36, 36, 38),
    ]


def test_for_people(cli) -> None:
    status, out, _ = cli("inspect", "mini")
    text = " ".join(out.split())
    assert status == 0 and out.startswith(RESEARCH_USE)
    for words in (
        "91 loaded, 1 tied",
        "2,210,160",
        "109 positions",
        "float16",
        hashlib.sha256((MINI / "model.safetensors").read_bytes()).hexdigest(),
        "f72d80b5dca66eade498ef70fe714984c3cb71730caa4a47484071c32ded2b15",
        "<|eot_id|>",
        "CC BY 4.0",
        "name the authors",
        "Every tensor is accounted for",
    ):
        assert words in text, words


def removed(folder: Path) -> str:
    state = load_file(folder / "model.safetensors")
    del state[NORM]
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    return f"{NORM}: missing: found nothing, expected [96]"


def renamed(folder: Path) -> str:
    state = load_file(folder / "model.safetensors")
    state["norm.weight"] = state.pop(NORM)
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    return "1 missing, 1 unexpected"


def transposed(folder: Path) -> str:
    state = load_file(folder / "model.safetensors")
    state["vision_embed_tokens.weight"] = state["vision_embed_tokens.weight"].T.contiguous()
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    return "found [64, 96] in model.safetensors, expected [96, 64]"


def extra(folder: Path) -> str:
    state = load_file(folder / "model.safetensors")
    save_file(state | {"more": state[NORM].clone()}, folder / "model.safetensors", {"format": "pt"})
    return "more: unexpected: found [96] in model.safetensors, expected no such tensor"


def other_image_token(folder: Path) -> str:
    edit = lambda fields: fields.update(bos_token_id=0)  # noqa: E731
    change(folder / "config.json", lambda fields: edit(fields["text_config"]))
    return "expected 0 as config.json says"


def more_tokens_than_rows(folder: Path) -> str:
    change(folder / "tokenizer.json", lambda fields: fields["model"]["vocab"].update({"zebra": 401}))
    return "the tokenizer has 402 tokens, expected at most the model's 401"


@pytest.mark.parametrize("damage", [removed, renamed, transposed, extra, other_image_token, more_tokens_than_rows])
def test_a_check_that_fails_ends_with_1(damage: Callable[[Path], str], cli, copy: Path) -> None:
    words = damage(copy)
    status, out, err = cli("inspect", copy)
    assert status == 1 and "failed: " in out and "Traceback" not in err
    assert words in " ".join(out.split()) and "Every tensor is accounted for" not in out
    status, out, _ = cli("inspect", copy, "--json")
    facts = json.loads(out)
    assert status == 1 and any(words in line for line in facts["failed"])


def test_many_offenders_are_counted_and_json_names_them_all(cli, copy: Path) -> None:
    state = load_file(copy / "model.safetensors")
    kept = {name: tensor for name, tensor in state.items() if not name.startswith("image_encoder.")}
    save_file(kept, copy / "model.safetensors", {"format": "pt"})
    assert "and 61 more" in cli("inspect", copy).out
    facts = json.loads(cli("inspect", copy, "--json").out)
    assert facts["tensors"]["counts"] == {"loaded": 32, "missing": 71}


def no_weights(folder: Path) -> str:
    (folder / "model.safetensors").unlink()
    return "no weights"


def another_architecture(folder: Path) -> str:
    change(folder / "config.json", lambda fields: fields.update(model_type="llama"))
    return "llama"


def no_json(folder: Path) -> str:
    (folder / "config.json").write_text("{")
    return "JSON"


def cut_short(folder: Path) -> str:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    return "not readable"


def no_tower(folder: Path) -> str:
    shutil.rmtree(folder / "clip")
    return "image_encoder 'clip'"


def no_tokenizer(folder: Path) -> str:
    (folder / "tokenizer.json").unlink()
    return "configuration and tokenizer"


@pytest.mark.parametrize(
    "damage", [no_weights, another_architecture, no_json, cut_short, no_tower, no_tokenizer, shutil.rmtree]
)
def test_what_is_no_checkpoint_ends_with_2(damage: Callable[[Path], str | None], cli, copy: Path) -> None:
    words = damage(copy) or "no such folder"
    status, out, err = cli("inspect", copy)
    assert (status, out) == (2, "")
    assert err.startswith("medfly: ") and err.count("\n") == 1 and words in err and "expected" in err


# ── rope and licence ────────────────────────────────────────────────────────────────────────────────────────


def test_rope_is_told_as_it_is_in_effect(cli, copy: Path) -> None:
    assert json.loads(cli("inspect", V1, "--json").out)["rope"]["remark"] is None  # Llama 3 has no scaling
    assert "kept as published" in json.loads(cli("inspect", copy, "--json").out)["rope"]["remark"]
    scaling = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    change(copy / "config.json", lambda fields: fields["text_config"].update(rope_scaling=scaling))
    rope = json.loads(cli("inspect", copy, "--json").out)["rope"]
    assert rope["type"] == "llama3" and rope["theta"] == 500000.0 and rope["remark"] is None
    assert rope["scaling"] == {key: value for key, value in scaling.items() if key != "rope_type"}


@pytest.mark.parametrize(
    "decoder, name, notice, prefix",
    [
        ("meta-llama/Meta-Llama-3-8B-Instruct", "Meta Llama 3 Community License", "Built with Meta Llama 3", "Llama 3"),
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", "Llama 3.1 Community License", "Built with Llama", "Llama"),
        ("meta-llama/Llama-3.1-8B", "Llama 3.1 Community License", "Built with Llama", "Llama"),
        ("meta-llama/Llama-3.2-3B", None, None, None),
        ("someone/else", None, None, None),
    ],
)
def test_licence_of_the_decoder(cli, copy: Path, decoder: str, name: str | None, notice: str, prefix: str) -> None:
    change(copy / "config.json", lambda fields: fields.update(text_pretrained_model_name_or_path=decoder))
    (statement,) = json.loads(cli("inspect", copy, "--json").out)["licence"]
    assert statement["source"] == "config.json" and decoder in statement["says"]
    if name is None:
        assert statement["licence"] is None
        assert "a licence that MedFly does not know" in cli("inspect", copy).out
    else:
        duties = " ".join(statement["licence"]["duties"])
        assert statement["licence"]["name"] == name
        assert f"“{notice}”" in duties and f"begins with “{prefix}”" in duties and "acceptable use policy" in duties


def test_licence_of_card_and_file(cli, copy: Path) -> None:
    change(copy / "config.json", lambda fields: fields.pop("text_pretrained_model_name_or_path"))
    assert json.loads(cli("inspect", copy, "--json").out)["licence"] == []
    assert "unknown" in cli("inspect", copy).out
    (copy / "README.md").write_text("---\nlicense: other\nlicense_name: house-rules\n---\n# A model\n")
    (copy / "LICENSE.txt").write_text("\nLLAMA 3.1 COMMUNITY LICENSE AGREEMENT\nVersion Release Date: July 23, 2024\n")
    card, file = json.loads(cli("inspect", copy, "--json").out)["licence"]
    assert card["licence"]["id"] == "house-rules" and card["licence"]["duties"] is None
    assert file["licence"]["id"] == "llama3.1" and file["says"] == "LLAMA 3.1 COMMUNITY LICENSE AGREEMENT"
    out = " ".join(cli("inspect", copy).out.split())
    assert "duties that MedFly does not know" in out and "Built with Llama" in out
    (copy / "README.md").write_text("---\nlicense: [\n---\n")  # no YAML: then the card says nothing
    assert len(json.loads(cli("inspect", copy, "--json").out)["licence"]) == 1
