"""The accounting of tensors, against the published lists, transformers' own report and the values it loads."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from math import prod
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from medfly.dragonfly import DragonflyConfig, DragonflyForCausalLM
from medfly.dragonfly.certificate import account, skeleton, unarrived
from medfly.types import InputError

GOLDEN = Path(__file__).parent.parent / "golden"
MINI = Path(__file__).parent.parent.parent / "medfly" / "models" / "mini"
V2 = GOLDEN / "dragonfly-v2-tiny"
NORM = "language_model.model.norm.weight"
QUERY = "language_model.model.layers.0.self_attn.q_proj.weight"
KEY = "language_model.model.layers.0.self_attn.k_proj.weight"
GATE = "language_model.model.layers.0.mlp.gate_proj.weight"
NESTED = "image_encoder.vision_model.encoder.layers.0.mlp.fc1.weight"
FLAT = "image_encoder.encoder.layers.0.mlp.fc1.weight"
State = dict[str, Tensor]


def folder_with(state: State, folder: Path, source: Path = V2) -> Path:
    """A copy of a golden checkpoint with other weights."""
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.safetensors", "images", "cases.json"))
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def meta(folder: Path) -> DragonflyForCausalLM:
    return skeleton(DragonflyConfig.from_pretrained(folder))


def load(folder: Path, **options) -> DragonflyForCausalLM:
    return DragonflyForCausalLM.from_pretrained(folder, **options)


def write_sparse(folder: Path, tensors: dict[str, list[int]], shards: int) -> None:
    """Shards with true headers and their true sizes, whose weights are holes in the file."""
    names, weight_map = list(tensors), {}
    for shard in range(shards):
        file, header, end = f"model-{shard + 1:05}-of-{shards:05}.safetensors", {}, 0
        for name in names[shard::shards]:
            start, end = end, end + 2 * prod(tensors[name])
            header[name] = {"dtype": "BF16", "shape": tensors[name], "data_offsets": [start, end]}
            weight_map[name] = file
        text = json.dumps(header).encode()
        with (folder / file).open("wb") as stream:
            stream.write(len(text).to_bytes(8, "little") + text)
            stream.truncate(8 + len(text) + end)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


@pytest.mark.parametrize("version, count", [("v1", 492), ("v2", 684)])
def test_every_tensor_of_the_published_models(version: str, count: int, tmp_path: Path) -> None:
    official = json.loads((GOLDEN / "official" / f"official-{version}.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(official["config"]))
    write_sparse(tmp_path, official["tensors"], shards=4)
    model = meta(tmp_path)
    told = account(tmp_path, model)
    assert told.complete and len(told.entries) == count == len(official["tensors"])
    assert {entry.checkpoint: list(entry.expected or ()) for entry in told.entries} == official["tensors"]
    assert {entry.state for entry in told.entries} == {"loaded", "renamed"}
    assert {entry.dtype for entry in told.entries} == {"bfloat16"}
    assert sum(parameter.numel() for parameter in model.parameters()) == official["parameters"]
    assert all(tensor.is_meta for tensor in model.state_dict().values())


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_each_tensor_arrives_under_the_name_that_the_account_says(version: str, tmp_path: Path) -> None:
    """Every tensor of the file holds a number of its own, so that transformers shows where it puts it."""
    source = GOLDEN / f"dragonfly-{version}-tiny"
    stored = load_file(source / "model.safetensors")
    numbered = {name: torch.full_like(tensor, number) for number, (name, tensor) in enumerate(stored.items())}
    folder = folder_with(numbered, tmp_path / "numbered", source)
    told, loaded = account(folder, meta(folder)), load(folder).state_dict()
    assert told.complete and told.counts == {"loaded": 32, "renamed": 71}
    assert {entry.model for entry in told.entries} == set(loaded)
    for entry in told.entries:
        assert torch.equal(loaded[str(entry.model)], numbered[str(entry.checkpoint)]), entry


def test_our_own_layout_and_its_tied_head(tmp_path: Path) -> None:
    told = account(MINI, meta(MINI))
    head = next(entry for entry in told.entries if entry.state == "tied")
    assert told.complete and told.counts == {"loaded": 91, "tied": 1}
    assert head.model == "language_model.lm_head.weight" and head.checkpoint is None
    assert head.source == "language_model.model.embed_tokens.weight"
    config = DragonflyConfig.from_pretrained(MINI)
    config.tie_word_embeddings = config.text_config.tie_word_embeddings = False
    untied = account(MINI, skeleton(config))
    assert [entry.to_dict() for entry in untied.offenders] == [
        {"state": "missing", "model": head.model, "expected": [1024, 192]}
    ]


def remove(state: State) -> None:
    del state[NORM]


def rename(state: State) -> None:
    state[NORM + "s"] = state.pop(NORM)


def transpose(state: State) -> None:
    state[GATE] = state[GATE].T.contiguous()


def add(state: State) -> None:
    state["image_encoder.vision_model.head.weight"] = torch.zeros(2, 2)


def unmap(state: State) -> None:
    """A prefix that nobody maps, as it was when tensors were lost once."""
    for name in [name for name in state if name.startswith("image_encoder.")]:
        state[name.replace("image_encoder.vision_model.", "image_encoder.model.")] = state.pop(name)


@pytest.mark.parametrize("damage", [remove, rename, transpose, add, unmap])
def test_damage_is_found_as_transformers_finds_it(damage: Callable[[State], None], tmp_path: Path) -> None:
    state = load_file(V2 / "model.safetensors")
    damage(state)
    folder = folder_with(state, tmp_path / "damaged")
    told = account(folder, meta(folder))
    _, report = load(folder, output_loading_info=True, ignore_mismatched_sizes=True)
    assert not told.complete
    assert {entry.model for entry in told.offenders if entry.state == "missing"} == report["missing_keys"]
    differing = {(one.model, one.found, one.expected) for one in told.offenders if one.state == "shape differs"}
    assert differing == {(name, tuple(found), tuple(wanted)) for name, found, wanted in report["mismatched_keys"]}
    mine = {str(entry.checkpoint) for entry in told.offenders if entry.state == "unexpected"}
    assert {name.replace("image_encoder.vision_model.", "image_encoder.") for name in mine} == {
        name.replace("image_encoder.vision_model.", "image_encoder.") for name in report["unexpected_keys"]
    }
    line = told.line()
    assert "\n" not in line and "found" in line and "expected" in line and "again" in line


def test_the_line_names_counts_and_the_first_offender(tmp_path: Path) -> None:
    state = load_file(V2 / "model.safetensors")
    transpose(state), rename(state)
    folder = folder_with(state, tmp_path / "damaged")
    assert account(folder, meta(folder)).line() == (
        "3 of 104 tensors not accounted for (30 loaded, 71 renamed, 1 shape differs, 1 missing, 1 unexpected); the "
        f"first: {GATE}: shape differs: found [96, 288] in model.safetensors, expected [288, 96]: the weights and "
        "config.json do not belong together: fetch the checkpoint again"
    )


def test_leftovers_of_old_versions_are_left(tmp_path: Path) -> None:
    state = load_file(V2 / "model.safetensors")
    old = {
        "image_encoder.vision_model.embeddings.position_ids": torch.arange(577)[None] + 1,  # whatever it holds
        "language_model.model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(8),
    }
    folder = folder_with(state | old, tmp_path / "old")
    told = account(folder, meta(folder))
    assert told.complete and told.counts == {"loaded": 32, "renamed": 71, "left": 2}
    assert {entry.checkpoint for entry in told.entries if entry.state == "left"} == set(old)
    assert unarrived(folder, load(folder)) == []


def test_a_tensor_that_is_there_twice_is_unexpected(tmp_path: Path) -> None:
    state = load_file(V2 / "model.safetensors")
    folder = folder_with(state | {FLAT: state[NESTED] + 1}, tmp_path / "twice")
    told = account(folder, meta(folder))
    assert told.counts["unexpected"] == 1 and not told.complete


# ── values ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("folder", [V2, GOLDEN / "dragonfly-v1-tiny", MINI], ids=lambda folder: folder.name)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_all_values_arrive_in_any_type(folder: Path, dtype: torch.dtype) -> None:
    assert unarrived(folder, load(folder, dtype=dtype)) == []


def test_a_tensor_made_anew_and_two_swapped_ones_are_noticed() -> None:
    model = load(V2)
    with torch.no_grad():
        torch.nn.init.normal_(model.get_parameter(FLAT))
        one, other = model.get_parameter(QUERY), model.get_parameter(QUERY.replace("q_proj", "o_proj"))
        kept = one.clone()
        one.copy_(other)
        other.copy_(kept)
    assert sorted(unarrived(V2, model)) == sorted([FLAT, QUERY, QUERY.replace("q_proj", "o_proj")])


def test_a_mapping_that_was_dropped_is_noticed() -> None:
    """Loaded by name alone, as a model class without a key conversion is: the whole vision tower stays random."""
    model = DragonflyForCausalLM(DragonflyConfig.from_pretrained(V2))
    model.load_state_dict(load_file(V2 / "model.safetensors"), strict=False)
    told = account(V2, meta(V2))
    # Biases start at nought and norms at one, in the checkpoint as in a new model: only the rest can differ.
    weights = {e.model for e in told.entries if e.state == "renamed" and len(e.expected or ()) > 1}
    assert weights <= set(unarrived(V2, model)) <= {e.model for e in told.entries if e.state == "renamed"}


def test_a_head_that_is_no_longer_tied_is_noticed() -> None:
    model = load(MINI)
    head = model.get_output_embeddings()
    head.weight = torch.nn.Parameter(torch.randn_like(head.weight))
    assert unarrived(MINI, model) == ["language_model.lm_head.weight"]


@pytest.mark.parametrize("row", [0, -1, 1000])
def test_of_a_large_tensor_some_rows_are_read(row: int, tmp_path: Path) -> None:
    """Two tensors of four thousand rows, of which one row is changed after loading: at the ends it is noticed."""
    text = json.loads((V2 / "config.json").read_text())
    text["text_config"] |= {"vocab_size": 4001}
    folder = tmp_path / "large"
    shutil.copytree(V2, folder, ignore=shutil.ignore_patterns("*.safetensors", "images"))
    (folder / "config.json").write_text(json.dumps(text))
    load_config = DragonflyConfig.from_pretrained(folder)
    model = DragonflyForCausalLM(load_config)
    model.save_pretrained(folder)
    assert unarrived(folder, model) == []
    with torch.no_grad():
        model.get_input_embeddings().weight[row] += 1
    assert unarrived(folder, model) == ["language_model.model.embed_tokens.weight"]


def test_what_is_on_no_device_is_passed_over() -> None:
    assert unarrived(V2, meta(V2)) == []


@pytest.mark.parametrize("quantise", ["load_in_8bit", "load_in_4bit"])
def test_quantised_tensors_are_passed_over_and_the_others_are_not(quantise: str) -> None:
    pytest.importorskip("bitsandbytes")
    from transformers import BitsAndBytesConfig

    model = load(V2, quantization_config=BitsAndBytesConfig(**{quantise: True}), device_map="cpu")
    assert {parameter.dtype for parameter in model.parameters()} & {torch.int8, torch.uint8}
    assert unarrived(V2, model) == []
    with torch.no_grad():
        model.get_parameter(NORM).add_(1)
    assert unarrived(V2, model) == [NORM]


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────


def as_bin(folder: Path, *, shards: int = 1, **options) -> Path:
    """The golden checkpoint as PyTorch's own files."""
    shutil.copytree(V2, folder, ignore=shutil.ignore_patterns("*.safetensors", "images"))
    state = load_file(V2 / "model.safetensors")
    if shards == 1:
        torch.save(state, folder / "pytorch_model.bin", **options)
        return folder
    files = {name: f"pytorch_model-{i % shards + 1:05}-of-{shards:05}.bin" for i, name in enumerate(state)}
    for file in set(files.values()):
        torch.save({name: state[name] for name in state if files[name] == file}, folder / file, **options)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": files}))
    return folder


@pytest.mark.parametrize("options", [{}, {"shards": 3}, {"_use_new_zipfile_serialization": False}], ids=str)
def test_pytorch_files(options: dict, tmp_path: Path) -> None:
    folder = as_bin(tmp_path / "bin", **options)
    told, model = account(folder, meta(folder)), load(folder)
    assert told.complete and told.counts == {"loaded": 32, "renamed": 71}
    assert {entry.dtype for entry in told.entries} == {"float32"}
    assert unarrived(folder, model) == []
    with torch.no_grad():
        model.get_parameter(NORM)[3] += 1
    assert unarrived(folder, model) == [NORM]


def test_only_the_files_that_transformers_reads_are_accounted_for(tmp_path: Path) -> None:
    folder = as_bin(tmp_path / "both")
    torch.save({"other": torch.zeros(1)}, folder / "pytorch_model.bin")
    shutil.copy(V2 / "model.safetensors", folder)
    save_file({"more": torch.zeros(1)}, folder / "expected.safetensors")
    told = account(folder, meta(folder))
    assert told.complete and Counter(entry.file for entry in told.entries) == {"model.safetensors": 103}


class Code:
    def __reduce__(self):
        return (print, ("code ran",))


def cut_short(folder: Path) -> None:
    whole = (V2 / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-100])


def code_inside(folder: Path) -> None:
    torch.save({"a": Code()}, folder / "pytorch_model.bin")


def no_table(folder: Path) -> None:
    torch.save([torch.zeros(1)], folder / "pytorch_model.bin")


def lost_shard(folder: Path) -> None:
    write_sparse(folder, {"a": [2], "b": [2]}, shards=2)
    (folder / "model-00002-of-00002.safetensors").unlink()


def index_without_map(folder: Path) -> None:
    (folder / "model.safetensors.index.json").write_text("[]")


def index_that_leads_away(folder: Path) -> None:
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../model.safetensors"}}')


@pytest.mark.parametrize(
    "damage, words",
    [
        (cut_short, "not readable"),
        (code_inside, "not readable"),
        (no_table, "no table of tensors"),
        (lost_shard, "1 of 2 shards, model-00002-of-00002.safetensors is not there"),
        (index_without_map, "no table of shards"),
        (index_that_leads_away, "no table of shards"),
        (lambda folder: None, "no weights"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_files_at_fault(damage: Callable[[Path], None], words: str, tmp_path: Path, capfd) -> None:
    damage(tmp_path)
    with pytest.raises(InputError, match=words) as error:
        account(tmp_path, meta(V2))
    assert "expected" in str(error.value) and "\n" not in str(error.value)
    assert "code ran" not in "".join(capfd.readouterr())
