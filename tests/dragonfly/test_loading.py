"""What is loaded, and what is refused with one line: real files, damaged in every way that was thought of."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from medfly.dragonfly import DragonflyConfig, DragonflyForCausalLM
from medfly.dragonfly import loading as module
from medfly.dragonfly.certificate import skeleton
from medfly.dragonfly.loading import UnaccountedWarning, load_pretrained
from medfly.types import InputError

GOLDEN = Path(__file__).parent.parent / "golden" / "dragonfly-v1-tiny"
WEIGHTS = load_file(GOLDEN / "model.safetensors")
FLAT = {name.replace("image_encoder.vision_model.", "image_encoder."): tensor for name, tensor in WEIGHTS.items()}
"""As the loaded model names them."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Golden v1 without what only tests read."""
    ignored = shutil.ignore_patterns("images", "expected.safetensors", "cases.json")
    return shutil.copytree(GOLDEN, tmp_path / "checkpoint", ignore=ignored)


def loaded(folder: Path | str, **options: Any) -> DragonflyForCausalLM:
    return load_pretrained(str(folder), **options)[0]


def refused(folder: Path, words: str, **options: Any) -> None:
    """Refused with one line that holds these words, says what was expected, and names the model."""
    with pytest.raises(InputError) as told:
        loaded(folder, **options)
    line = str(told.value)
    assert words in line and "expected" in line and str(folder) in line and "\n" not in line, line


def change(file: Path, **fields: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def change_decoder(folder: Path, **fields: Any) -> None:
    text = json.loads((folder / "config.json").read_text())["text_config"]
    change(folder / "config.json", text_config=text | fields)


def write(folder: Path, tensors: dict[str, Tensor], kind: str) -> None:
    """The weights in place of the golden ones. kind: safetensors, bin or legacy; with " shards" in two and an index."""
    (folder / "model.safetensors").unlink()
    stem, end = ("model", "safetensors") if "safetensors" in kind else ("pytorch_model", "bin")

    def save(part: dict[str, Tensor], file: str) -> None:
        if end == "safetensors":
            save_file(part, folder / file, metadata={"format": "pt"})
        else:
            torch.save(part, folder / file, _use_new_zipfile_serialization="legacy" not in kind)

    if "shards" not in kind:
        return save(tensors, f"{stem}.{end}")
    table = {}
    for number in (1, 2):
        file = f"{stem}-0000{number}-of-00002.{end}"
        part = {name: tensor for index, (name, tensor) in enumerate(tensors.items()) if index % 2 == number - 1}
        save(part, file)
        table |= dict.fromkeys(part, file)
    index = {"metadata": {}, "weight_map": table}
    (folder / f"{stem}.{end}.index.json").write_text(json.dumps(index))


KINDS = ["safetensors", "safetensors shards", "bin", "bin shards", "legacy bin", "legacy bin shards"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_of_the_weights(kind: str, folder: Path) -> None:
    write(folder, WEIGHTS, kind)
    model = loaded(folder)
    assert not model.training
    found = model.state_dict()
    assert found.keys() == FLAT.keys()
    assert all(torch.equal(found[name], FLAT[name]) for name in FLAT)


def test_safetensors_win_over_pickles(folder: Path) -> None:
    torch.save({name: torch.zeros_like(tensor) for name, tensor in WEIGHTS.items()}, folder / "pytorch_model.bin")
    assert torch.equal(loaded(folder).vision_embed_tokens.weight, FLAT["vision_embed_tokens.weight"])


@pytest.mark.parametrize(
    "stored, asked, expected",
    [
        (torch.float32, "auto", torch.float32),
        (torch.bfloat16, "auto", torch.bfloat16),
        (torch.float16, "auto", torch.float32),
        (torch.float16, "float16", torch.float16),
        (torch.float32, "bfloat16", torch.bfloat16),
        (torch.bfloat16, torch.float32, torch.float32),
    ],
)
@pytest.mark.parametrize("kind", ["safetensors", "bin shards"])
def test_dtype(stored: torch.dtype, asked: Any, expected: torch.dtype, kind: str, folder: Path) -> None:
    """By the weights, whatever config.json says."""
    # Biases and norms are more tensors, but fewer numbers: the type of most numbers counts.
    weights = {name: tensor if tensor.ndim == 1 else tensor.to(stored) for name, tensor in WEIGHTS.items()}
    write(folder, weights, kind)
    change(folder / "config.json", torch_dtype="float16")
    found = loaded(folder, dtype=asked).state_dict()
    for name, tensor in FLAT.items():
        wanted = tensor if tensor.ndim == 1 else tensor.to(stored)
        assert found[name].dtype == expected and torch.equal(found[name], wanted.to(expected))


def test_the_built_in_model_is_computed_in_float32() -> None:
    assert loaded("mini").dtype == torch.float32


def test_options_reach_transformers() -> None:
    model: Any = loaded(GOLDEN, device_map={"": "meta"}, attn_implementation="eager")
    assert {tensor.device.type for tensor in model.parameters()} == {"meta"}
    assert model.config.text_config._attn_implementation == model.config.vision_config._attn_implementation == "eager"


@pytest.mark.parametrize(
    "options, words",
    [
        ({"device": "cpu", "device_map": "auto"}, "expected one of the two"),
        ({"device": "nonsense"}, "device 'nonsense': not here; expected cpu"),
        ({"dtype": "float8"}, "dtype 'float8': expected auto, float32, bfloat16 or float16"),
        ({"dtype": torch.int8}, "dtype 'torch.int8': expected auto"),
    ],
)
def test_options_at_fault(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        load_pretrained("no/such_model", **options)  # never looked for


def test_options_that_transformers_refuses() -> None:
    refused(GOLDEN, 'attn_implementation="nonsense"` is not supported', attn_implementation="nonsense")
    refused(GOLDEN, "Unknown quantization type", quantization_config={"quant_method": "nonsense"})


class Malice:
    """A pickle that makes a file when it is read."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.file),)


@pytest.mark.parametrize("kind", ["bin", "legacy bin", "bin shards", "pickle"])
def test_a_pickle_that_asks_for_code(kind: str, folder: Path, tmp_path: Path) -> None:
    trace = tmp_path / "code ran"
    weights: Any = {**WEIGHTS, "malice": Malice(trace)}
    if kind == "pickle":
        (folder / "model.safetensors").unlink()
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps(weights, protocol=2))
    else:
        write(folder, weights, kind)
    refused(folder, "posix.mkdir" if kind != "pickle" and os.name == "posix" else "not readable")
    assert not trace.exists()
    victim = max(folder.glob("*.bin"), key=lambda file: b"mkdir" in file.read_bytes())
    if kind == "pickle":
        pickle.loads(victim.read_bytes())
    else:
        torch.load(victim, weights_only=False)
    assert trace.exists()  # so it would have


@pytest.mark.parametrize("file", ["config.json", "clip/config.json", "tokenizer_config.json", "generation_config.json"])
def test_a_configuration_that_asks_for_code(file: str, folder: Path, tmp_path: Path) -> None:
    code = f"import os\nos.mkdir({str(tmp_path / 'code ran')!r})\nclass Own: pass\n"
    for place in (folder, folder / "clip"):
        (place / "own.py").write_text(code)
    before = (folder / file).read_text()
    change(folder / file, auto_map={"AutoConfig": "own.Own", "AutoModelForImageTextToText": "own.Own"})
    refused(folder, f"{file}: auto_map asks for code of its own")
    (folder / file).write_text(before)
    change(folder / file, nested=[{"auto_map": {"AutoTokenizer": ["own.Own", None]}}])
    refused(folder, "auto_map asks for code of its own, which is never run")
    assert not (tmp_path / "code ran").exists()


@pytest.mark.parametrize("kind", ["safetensors shards", "bin shards"])
@pytest.mark.parametrize("share", [None, 0, 0.001, 0.5, 0.999])
def test_a_shard_that_is_missing_or_cut_short(kind: str, share: float | None, folder: Path) -> None:
    """share: how much of it is left."""
    write(folder, WEIGHTS, kind)
    shard = next(folder.glob("*-00002-of-*"))
    content = shard.read_bytes()
    shard.unlink()
    if share is None:
        return refused(folder, f"1 of 2 shards, {shard.name} is not there")
    shard.write_bytes(content[: int(len(content) * share)])
    refused(folder, f"{shard.name}: not readable")


def unlink(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def text(name: str, content: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(content) and None


def fields(name: str, **changed: Any) -> Callable[[Path], None]:
    return lambda folder: change(folder / name, **changed)


def decoder(**changed: Any) -> Callable[[Path], None]:
    return lambda folder: change_decoder(folder, **changed)


def another_clip(folder: Path) -> None:
    shutil.copy(folder / "clip" / "config.json", folder / "config.json")


def swapped_tokens(folder: Path) -> None:
    content = (folder / "tokenizer.json").read_text()
    other = "<|reserved_special_token_5|>"
    content = content.replace("<|eot_id|>", "<eot>").replace(other, "<|eot_id|>").replace("<eot>", other)
    (folder / "tokenizer.json").write_text(content)
    (folder / "tokenizer_config.json").unlink()


@pytest.mark.parametrize(
    "damage, words",
    [
        (unlink("config.json"), "no config.json"),
        (unlink("model.safetensors"), "no weights"),
        (unlink("tokenizer.json"), "no tokenizer.json"),
        (text("config.json", "{"), "config.json: not readable (it is not JSON)"),
        (text("config.json", "[" * 100_000), "config.json: not readable (it is not JSON)"),
        (text("config.json", "[]"), "config.json: a JSON list, expected a JSON object"),
        (text("tokenizer_config.json", "7"), "tokenizer_config.json: a JSON int, expected a JSON object"),
        (text("tokenizer.json", "{}"), "not loadable as a Dragonfly checkpoint"),
        (text("model.safetensors.index.json", "{}"), ""),  # beside a whole file it counts for nothing
        (fields("config.json", model_type="llama"), "model_type 'llama', expected 'dragonfly'"),
        (another_clip, "model_type 'clip_vision_model', expected 'dragonfly'"),
        (
            fields("clip/config.json", image_size=256),
            "has a grid of 8 × 8 patches; expected 7 × 7 (Dragonfly v1) or 24",
        ),
        (fields("config.json", image_encoder="elsewhere"), "no elsewhere/config.json in the checkpoint"),
        (
            fields("config.json", image_encoder="google/siglip-so400m"),
            "expected a folder in it, or openai/clip-vit-base",
        ),
        (fields("config.json", image_encoder="openai/clip-vit-large-patch14-336"), "shape differs"),
        (decoder(hidden_size="many"), "'hidden_size' expected int"),
        (decoder(vocab_size=400), "401 tokens, expected at most the model's 400"),
        (decoder(num_hidden_layers=4), "9 missing"),
        (decoder(num_hidden_layers=2), "9 unexpected"),
        (decoder(bos_token_id=380), "the tokenizer has <|reserved_special_token_0|> as 392, expected 382"),
        (swapped_tokens, "the tokenizer has <|eot_id|> as 400, expected 399 (end_of_turn_token_id)"),
    ],
)
def test_checkpoints_at_fault(damage: Callable[[Path], None], words: str, folder: Path) -> None:
    damage(folder)
    if words:
        refused(folder, words)
    else:
        loaded(folder)


def test_an_unaccounted_tensor(folder: Path) -> None:
    """One is missing, one is too many: refused, unless it is allowed; then it is said."""
    missing, surplus = "vision_embed_tokens.bias", "vision_embed_tokens.scale"
    write(folder, {name: t for name, t in WEIGHTS.items() if name != missing} | {surplus: torch.ones(1)}, "safetensors")
    refused(folder, "or load it all the same with allow_unaccounted")
    with pytest.warns(UnaccountedWarning) as told:
        model = loaded(folder, allow_unaccounted=True)
    lines = [str(one.message) for one in told if one.category is UnaccountedWarning]
    assert any(missing in line for line in lines) and any(surplus in line for line in lines)
    assert any("2 of" in line and "not accounted for" in line for line in lines)  # our own account
    assert any("missing keys" in line for line in lines)  # and transformers'
    assert torch.equal(model.vision_embed_tokens.weight, FLAT["vision_embed_tokens.weight"])


def test_values_that_do_not_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    """One number lost while loading, behind transformers' back."""
    whole = module._model

    def lossy(*arguments: Any, **options: Any) -> Any:
        model, report = whole(*arguments, **options)
        with torch.no_grad():
            model.vision_embed_tokens.bias[3] += 1
        return model, report

    monkeypatch.setattr(module, "_model", lossy)
    refused(GOLDEN, "1 tensors hold other values than the file after loading, the first vision_embed_tokens.bias")
    with pytest.warns(UnaccountedWarning, match="other values than the file"):
        loaded(GOLDEN, allow_unaccounted=True)


@pytest.mark.skipif(sys.platform != "linux", reason="a limit on the address space")
@pytest.mark.parametrize("room", [0.5, 3.3])
def test_out_of_memory(room: float, folder: Path) -> None:
    """room: how much may be taken, in sizes of the file, which is a sparse one of 0.4 GB; as float32 it needs 2."""
    change_decoder(folder, vocab_size=1_000_000)
    header, end = {}, 0
    for name, tensor in skeleton(DragonflyConfig.from_pretrained(folder)).state_dict().items():
        start, end = end, end + tensor.numel() * 2
        header[name] = {"dtype": "BF16", "shape": list(tensor.shape), "data_offsets": [start, end]}
    table = json.dumps(header | {"__metadata__": {"format": "pt"}}).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(table)) + table)
        file.truncate(file.tell() + end)
    import resource

    loaded(GOLDEN)  # what is imported late is imported now
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (int(taken + room * end), before[1]))
    try:
        refused(folder, "out of memory while it was loaded", dtype="float32")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
