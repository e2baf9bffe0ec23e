"""The full-size check on a tiny official layout: what it writes is a checkpoint, and what it measures is there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from tokenizers import Tokenizer

from benchmarks.perf import full_size, official_checkpoint, process
from benchmarks.perf.measurement import measured
from medfly.dragonfly.loading import load_pretrained

GOLDEN = Path(__file__).parent.parent / "golden"
TINY = GOLDEN / "dragonfly-v1-tiny"


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden checkpoint's own layout, in the form of golden/official."""
    with safe_open(TINY / "model.safetensors", "pt") as opened:
        tensors = {name: opened.get_slice(name).get_shape() for name in opened.keys()}  # noqa: SIM118  (no mapping)
    file = tmp_path_factory.mktemp("layout") / "tiny.json"
    file.write_text(json.dumps({"config": json.loads((TINY / "config.json").read_text()), "tensors": tensors}))
    return file


def write(folder: Path, layout: Path, *more: str) -> int:
    """The command, and the vision tower's configuration, which the tiny layout names by a folder."""
    status = full_size.main(["write", str(folder), "--layout", str(layout), *more])
    shutil.copytree(TINY / "clip", folder / "clip", dirs_exist_ok=True)
    return status


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    """All that the index names, read without transformers."""
    index = json.loads(next(folder.glob("*.index.json")).read_text())
    files = {
        name: load_file(folder / name) if name.endswith(".safetensors") else torch.load(folder / name)
        for name in set(index["weight_map"].values())
    }
    assert sum(len(held) for held in files.values()) == len(index["weight_map"])
    return {name: files[file][name] for name, file in index["weight_map"].items()}


def test_both_formats_hold_the_layout(tmp_path: Path, layout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(official_checkpoint, "SHARD_BYTES", 500_000)
    wanted: dict[str, Any] = json.loads(layout.read_text())["tensors"]
    found = {}
    for kind, pattern in (("safetensors", "model-*-of-*.safetensors"), ("bin", "pytorch_model-*-of-*.bin")):
        folder = tmp_path / kind
        assert write(folder, layout, "--format", kind) == 0
        shards = sorted(folder.glob(pattern))
        assert len(shards) > 2 and shards[0].name.split(".")[0].endswith(f"-00001-of-{len(shards):05d}")
        found[kind] = tensors(folder)
        assert {name: list(tensor.shape) for name, tensor in found[kind].items()} == wanted
        assert all(tensor.dtype == torch.bfloat16 for tensor in found[kind].values())
        load_pretrained(str(folder), device="cpu")  # refuses whatever is not accounted for
    assert all(torch.equal(found["bin"][name], tensor) for name, tensor in found["safetensors"].items())
    one = found["bin"]
    assert one["language_model.lm_head.weight"].float().std().item() == pytest.approx(0.02, rel=0.02)
    assert not torch.equal(*(one[f"language_model.model.layers.{i}.mlp.up_proj.weight"] for i in (0, 1)))
    assert (one["image_encoder.vision_model.pre_layrnorm.weight"] == 1).all()
    assert (one["vision_embed_tokens.bias"] == 0).all()


def test_the_tokenizer_has_llama_3s_special_tokens(tmp_path: Path, layout: Path) -> None:
    write(tmp_path / "model", layout)
    made, golden = (Tokenizer.from_file(str(folder / "tokenizer.json")) for folder in (tmp_path / "model", TINY))
    special = {token: index for token, index in golden.get_vocab().items() if token.startswith("<|")}
    assert special == {token: index for token, index in made.get_vocab().items() if token.startswith("<|")}
    assert made.get_vocab_size() == golden.get_vocab_size()
    text = "It's a CT, 1234 HU;\n\nñ 肝?"
    assert made.pre_tokenizer.pre_tokenize_str(text) == golden.pre_tokenizer.pre_tokenize_str(text)
    assert made.decode(made.encode(text).ids) == text and made.encode(text).ids[0] == special["<|begin_of_text|>"]


def test_llama_3s_full_vocabulary(tmp_path: Path) -> None:
    official_checkpoint._write_tokenizer(tmp_path, {"bos_token_id": 128000, "vocab_size": 128256})
    vocab = Tokenizer.from_file(str(tmp_path / "tokenizer.json")).get_vocab()
    assert sorted(vocab.values()) == list(range(128256))
    known = {
        "<|begin_of_text|>": 128000,
        "<|end_of_text|>": 128001,
        "<|reserved_special_token_0|>": 128002,
        "<|reserved_special_token_1|>": 128003,
        "<|start_header_id|>": 128006,
        "<|end_header_id|>": 128007,
        "<|eot_id|>": 128009,
        "<|reserved_special_token_250|>": 128255,
    }
    assert {token: vocab[token] for token in known} == known


def test_what_cannot_be_written(tmp_path: Path, layout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "model", layout)
    assert full_size.main(["write", str(tmp_path / "model"), "--layout", str(layout)]) == 2
    assert "found a checkpoint; expected a new folder" in capsys.readouterr().err
    assert full_size.main(["write", str(tmp_path / "new"), "--layout", str(tmp_path / "none.json")]) == 2
    assert "no layout; expected JSON" in capsys.readouterr().err
    huge = tmp_path / "huge.json"
    huge.write_text(json.dumps({"config": {}, "tensors": {"a.weight": [1 << 30, 1 << 30]}}))
    assert full_size.main(["write", str(tmp_path / "new"), "--layout", str(huge)]) == 2
    assert "GB free on its disk, expected 2305843009.5 GB" in capsys.readouterr().err
    assert not list((tmp_path / "new").iterdir())


def test_an_interrupted_write_is_no_checkpoint_and_goes_on(
    tmp_path: Path, layout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, save = tmp_path / "model", official_checkpoint._save
    monkeypatch.setattr(official_checkpoint, "SHARD_BYTES", 500_000)

    def interrupted(held: dict[str, torch.Tensor], file: Path) -> None:
        if "00002" in file.name:
            raise KeyboardInterrupt
        save(held, file)

    monkeypatch.setattr(official_checkpoint, "_save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(folder, layout)
    assert [file.name.split("-of-")[0] for file in folder.iterdir()] == ["model-00001"]
    monkeypatch.setattr(official_checkpoint, "_save", save)
    assert write(folder, layout) == 0
    load_pretrained(str(folder), device="cpu")


def test_stages_and_memory(tmp_path: Path, layout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDFLY_CACHE", str(tmp_path))  # which the measurement changes
    write(tmp_path / "model", layout)
    found = measured(tmp_path / "model", full_size._head_ct(), dtype="bfloat16", quantize=None, max_new_tokens=3)
    weights = sum(file.stat().st_size for file in (tmp_path / "model").glob("*.safetensors"))
    assert found["checkpoint"] == {"files": 1, "format": "safetensors", "bytes": weights}
    assert found["answer"]["image"] == [512, 512]
    asked = found["ask"]
    assert len(asked["tokens"]) == 2
    parts = [asked[name] for name in ("crops", "vision", "prefix", "prompt")] + asked["tokens"]
    assert min(parts) > 0 and 0.5 * asked["seconds"] < sum(parts) < asked["seconds"]
    for stage in (found["load"], found["hash"], found["ask"]):
        peak = stage["peak"]
        assert peak["VmRSS"] >= peak["RssAnon"] > 5e7
        # The kernel counts pages in batches, so that its two counts may be some pages apart.
        assert peak["VmRSS"] <= found["high_water"] + 2**20


@pytest.mark.slow
def test_measure(tmp_path: Path, layout: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "model", layout)
    capfd.readouterr()
    record = tmp_path / "record.json"
    command = ["measure", str(tmp_path / "model"), "--dtype", "bfloat16", "--max_new_tokens", "3"]
    assert full_size.main([*command, "--json", str(record)]) == 0
    printed, told = capfd.readouterr()
    assert told.splitlines()[0] == "load …" and "ask: " in told
    assert json.loads(printed.splitlines()[-1]) == json.loads(record.read_text())


def test_measure_says_what_is_wrong_in_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert full_size.main(["measure", str(tmp_path)]) == 2
    printed, told = capfd.readouterr()
    assert not printed and len(told.splitlines()) == 1 and "expected" in told


def test_peaks_see_what_comes_and_goes() -> None:
    before = process.memory()["RssAnon"]
    with process.Peaks() as watched:
        held = torch.ones(1 << 26)  # 268 MB, touched
        process.threading.Event().wait(4 * process.PERIOD)
        del held
    assert watched.peaks["RssAnon"] - before > 2.5e8 > process.memory()["RssAnon"] - before
