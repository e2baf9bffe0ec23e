"""A real checkpoint of transformers, LLaVA's shape in miniature with random weights, asked as a peer."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from medfly.dragonfly.loading import UnaccountedWarning
from medfly.peers import checkpoint, transformers_model
from medfly.peers.transformers_model import TransformersModel, load
from medfly.types import InputError, Sample

from ..stand_in_hub import Hub


@pytest.fixture
def folder(tiny_llava: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_llava, tmp_path / "llava")


@pytest.fixture(scope="module")
def peer(tiny_llava: Path) -> TransformersModel:
    return load(str(tiny_llava), device="cpu")


def slowly(peer: TransformersModel, picture: Image.Image, question: str, steps: int, end: int = 2) -> tuple[str, float]:
    """Greedy by hand: the whole text through the model for each token, without generate, cache or chat template."""
    text = f"USER: <image>\n{question} ASSISTANT:"
    inputs = peer.processor(images=picture, text=text, return_tensors="pt")
    ids, start, logs = inputs["input_ids"], inputs["input_ids"].shape[1], []
    while len(logs) < steps and not (logs and ids[0, -1] == end):
        with torch.no_grad():
            logits = peer.model(input_ids=ids, pixel_values=inputs["pixel_values"]).logits[0, -1]
        best, token = logits.log_softmax(-1).max(-1)
        logs.append(best)
        ids = torch.cat([ids, token[None, None]], 1)
    said = peer.processor.tokenizer.decode(ids[0, start:], skip_special_tokens=True)
    return said.strip(), torch.stack(logs).mean().exp().item()


def test_the_same_as_by_hand(peer: TransformersModel, samples: list[Sample]) -> None:
    answers = list(peer.answer(samples, max_new_tokens=8))
    for sample, answer in zip(samples, answers, strict=True):
        text, confidence = slowly(peer, Image.fromarray(sample.scan().display()), sample.question, 8)
        assert (answer.question, answer.text) == (sample.question, text)
        assert answer.confidence == pytest.approx(confidence, rel=1e-4)
    assert len({answer.text for answer in answers}) == 3


def test_the_end_token_counts(tiny_llava: Path, samples: list[Sample]) -> None:
    """A model that ends after three tokens: none of the end in the text, all of it in the confidence."""
    peer = load(str(tiny_llava), device="cpu")
    picture = Image.fromarray(samples[0].scan().display())
    inputs = peer._inputs(picture, samples[0].question, 8)
    end = peer.model.generate(**inputs, max_new_tokens=3)[0, -1].item()
    peer.model.generation_config.eos_token_id = end
    (answer,) = peer.answer(samples[:1], max_new_tokens=8)
    _, confidence = slowly(peer, picture, samples[0].question, 8, end)
    assert answer.confidence == pytest.approx(confidence, rel=1e-4)
    assert answer.confidence == pytest.approx(slowly(peer, picture, samples[0].question, 3)[1], rel=1e-4)


def test_one_at_a_time(peer: TransformersModel, samples: list[Sample]) -> None:
    together = [answer.to_dict() for answer in peer.answer(samples, max_new_tokens=8)]
    alone = [next(iter(peer.answer([sample], max_new_tokens=8))).to_dict() for sample in samples]
    assert together == alone
    assert samples[0].scan.opened == 1 + 2  # type: ignore[attr-defined]  (once for both, then for each alone)


def test_square_pixels_reach_the_model(peer: TransformersModel, made: Callable) -> None:
    tall = Sample(1, "a", "Why?", made(spacing=(2.0, 1.0)))
    (answer,) = peer.answer([tall], max_new_tokens=6)
    square = Image.fromarray(tall.scan().display()).resize((20, 24), Image.Resampling.BICUBIC)
    assert answer.text == slowly(peer, square, "Why?", 6)[0]
    assert any("square pixels" in note for note in answer.provenance["notes"])


def test_provenance(peer: TransformersModel, samples: list[Sample]) -> None:
    told = next(iter(peer.answer(samples, max_new_tokens=1))).provenance
    assert told["input_hash"] == samples[0].scan().input_hash and told["model_hash"] == peer.hash
    assert set(told["versions"]) == {"medfly", "torch", "transformers"} and told["precision"] == "float32"


@pytest.mark.parametrize(
    "stored, chosen, expected",
    [
        (torch.bfloat16, "auto", "bfloat16"),
        (torch.float16, "auto", "float32"),  # a CPU is slow in it
        (torch.float16, "float16", "float16"),
        (torch.float32, "bfloat16", "bfloat16"),
    ],
)
def test_precision(folder: Path, samples: list[Sample], stored: torch.dtype, chosen: str, expected: str) -> None:
    weights = {name: tensor.to(stored) for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    answer = next(iter(load(str(folder), device="cpu", dtype=chosen).answer(samples, max_new_tokens=2)))
    assert answer.provenance["precision"] == expected


@pytest.mark.parametrize(
    "question, words",
    [
        (" ", "^question 7: an empty question"),
        ("What is <image> here?", "^question 7: <image>, a special token of this model"),
        ("why " * 60, "^question 7: .* tokens of picture and question and 8 of the answer; expected at most 200"),
    ],
)
def test_questions_at_fault(peer: TransformersModel, made: Callable, question: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        list(peer.answer([Sample(7, "a", question, made())], max_new_tokens=8))


def test_a_missing_tensor_is_refused(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    lost = next(name for name in weights if name.endswith("linear_1.weight"))
    save_file({k: v for k, v in weights.items() if k != lost}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"1 missing keys, the first .*linear_1\.weight") as told:
        load(str(folder), device="cpu")
    assert str(folder) in str(told.value) and "--allow_unaccounted" in str(told.value)
    with pytest.warns(UnaccountedWarning, match="its answers may be wrong: 1 missing keys"):
        load(str(folder), device="cpu", allow_unaccounted=True)


def test_a_tensor_of_another_shape_is_refused(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("linear_1.weight"))
    weights[name] = weights[name][:-1].clone()
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="mismatch"):
        load(str(folder), device="cpu")


def test_a_surplus_tensor_is_told(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file(weights | {"surplus": torch.zeros(3)}, folder / "model.safetensors", {"format": "pt"})
    with pytest.warns(UnaccountedWarning, match="1 unexpected keys, the first surplus"):
        load(str(folder), device="cpu")


def test_pickles_are_refused(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"Python pickles, which can run code; expected model\.safetensors"):
        load(str(folder))


def test_an_adapter_is_refused(folder: Path) -> None:
    """transformers would fetch the model that it belongs to, whose files no hash covers."""
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match=r"an adapter; expected a whole model: merge"):
        load(str(folder))


def test_code_of_a_checkpoint_is_not_run(folder: Path, tmp_path: Path) -> None:
    file = folder / "config.json"
    fields = json.loads(file.read_text()) | {"model_type": "own", "auto_map": {"AutoConfig": "own.Own"}}
    file.write_text(json.dumps(fields))
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(InputError, match="expected one that needs no code of its own"):
        load(str(folder))
    assert not (tmp_path / "ran").exists()


def test_without_a_chat_template_the_documented_prompt(folder: Path, peer, samples: list[Sample], monkeypatch) -> None:
    (folder / "chat_template.jinja").unlink()
    plain = load(str(folder), device="cpu")
    assert plain.processor.chat_template is None
    pairs = zip(plain.answer(samples, max_new_tokens=6), peer.answer(samples, max_new_tokens=6), strict=True)
    assert all(one.text == other.text for one, other in pairs)
    monkeypatch.delitem(transformers_model.WITHOUT_TEMPLATE, "llava")
    with pytest.raises(InputError, match="no chat template, and model_type 'llava' is none of blip-2"):
        load(str(folder), device="cpu")


def test_a_template_that_takes_no_picture(folder: Path, samples: list[Sample]) -> None:
    (folder / "chat_template.jinja").write_text("{{ raise_exception('no: ' + messages[0]['content'][1]['text']) }}")
    with pytest.raises(InputError, match=r"^question 1: the processor of .* does not take one picture") as told:
        list(load(str(folder), device="cpu").answer(samples))
    assert samples[0].question not in str(told.value)


@pytest.mark.skipif(find_spec("torchvision") is not None, reason="the processor finds what it needs")
def test_a_processor_that_needs_torchvision(folder: Path) -> None:
    """Qwen2-VL and its kin ask for it, even where no video is shown."""
    for file in ("processor_config.json", "preprocessor_config.json"):
        (folder / file).unlink(missing_ok=True)
    kind = {"image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen2VLProcessor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(kind))
    (folder / "config.json").write_text('{"model_type": "qwen2_vl"}')
    with pytest.raises(InputError, match=r"its processor needs torchvision.*or serve the model and give --base_url"):
        load(str(folder))


def test_the_hash_is_of_what_decides(tiny_llava: Path, folder: Path) -> None:
    before = checkpoint.model_hash(tiny_llava)
    (folder / "README.md").write_text("a card")
    assert checkpoint.model_hash(folder) == before
    for file in ("chat_template.jinja", "config.json", "tokenizer.json", "model.safetensors", "processor_config.json"):
        content = (folder / file).read_bytes()
        (folder / file).write_bytes(content + b" ")
        assert checkpoint.model_hash(folder) != before
        (folder / file).write_bytes(content)


@pytest.fixture
def on_the_hub(near: Hub, folder: Path) -> Iterator[Hub]:
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "training.log").write_text("long")
    near.folders["clinic/llava"] = folder
    yield near


def test_from_the_hub(on_the_hub: Hub, peer: TransformersModel, samples: list[Sample]) -> None:
    assert checkpoint.config("clinic/llava")["model_type"] == "llava"
    assert "model.safetensors" not in on_the_hub.given("clinic/llava")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnaccountedWarning)
        fetched = load("clinic/llava", device="cpu")
    assert not {"pytorch_model.bin", "training.log"} & on_the_hub.given("clinic/llava")
    assert (fetched.name, fetched.hash) == ("clinic/llava", peer.hash)
    first, second = (next(iter(one.answer(samples, max_new_tokens=5))) for one in (fetched, peer))
    assert first.text == second.text
