"""Quantised models on the CPU, against the plain model with the weights that the quantised ones stand for."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import medfly
from medfly.dragonfly.precision import computes_natively
from medfly.dragonfly.quantization import keep_differentiable, quantization
from medfly.engine import MedFly
from medfly.types import Answer, InputError, Scan

bnb: Any = pytest.importorskip("bitsandbytes")
GOLDEN = Path(__file__).parent.parent / "golden" / "dragonfly-v1-tiny"
CASE = json.loads((GOLDEN / "cases.json").read_text())[0]
KINDS = ("int8", "nf4")


@pytest.fixture(scope="module")
def plain() -> MedFly:
    return medfly.load(str(GOLDEN))


@pytest.fixture(scope="module", params=KINDS)
def quantised(request: pytest.FixtureRequest) -> MedFly:
    config = quantization(request.param)
    config.bnb_4bit_compute_dtype = torch.float32  # on every machine the same
    return medfly.load(str(GOLDEN), quantization_config=config)


@pytest.fixture(scope="module")
def stood_for(quantised: MedFly) -> MedFly:
    """The plain model with the quantised model's weights, written out."""
    fly = medfly.load(str(GOLDEN))
    for name, layer in quantised_layers(quantised).items():
        fly.model.get_submodule(name).weight.data = written_out(layer)  # type: ignore[union-attr]
    return fly


def kind(fly: MedFly) -> str:
    return "nf4" if getattr(fly.model, "is_loaded_in_4bit", False) else "int8"


def quantised_layers(fly: MedFly) -> dict[str, Any]:
    classes = (bnb.nn.Linear4bit, bnb.nn.Linear8bitLt)
    return {name: layer for name, layer in fly.model.named_modules() if isinstance(layer, classes)}


def written_out(layer: Any) -> Tensor:
    if isinstance(layer, bnb.nn.Linear4bit):
        return bnb.functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state)
    scales = layer.weight.SCB if layer.weight.SCB is not None else layer.state.SCB
    return layer.weight.data.float() * scales[:, None] / 127


def ask(fly: MedFly) -> Answer:
    scan = Scan(np.array(Image.open(GOLDEN / CASE["image"]).convert("RGB")))
    return fly.ask(scan, CASE["question"], max_new_tokens=3)


@torch.inference_mode()
def logits(fly: MedFly) -> Tensor:
    inputs = fly.processor(text=CASE["prompt"], images=Image.open(GOLDEN / CASE["image"]), return_tensors="pt")
    return fly.model(**inputs).logits[0, -8:]


def test_the_decoders_linear_layers_and_no_others(quantised: MedFly, plain: MedFly) -> None:
    assert quantised.model.precision == kind(quantised)
    layers = quantised_layers(quantised)
    decoder = plain.model.get_submodule("language_model.model.layers")
    expected = {name for name, module in decoder.named_modules() if isinstance(module, nn.Linear)}
    assert layers.keys() == {f"language_model.model.layers.{name}" for name in expected} and len(layers) == 21
    assert {layer.weight.dtype for layer in layers.values()} == {
        torch.int8 if kind(quantised) == "int8" else torch.uint8
    }
    kept = dict(quantised.model.named_parameters())
    for name, tensor in plain.model.named_parameters():
        if name.removesuffix(".weight") not in layers:  # vision tower, projector, embeddings, output layer, norms
            assert torch.equal(kept[name], tensor), name


def test_the_weights_are_close(quantised: MedFly, plain: MedFly) -> None:
    """Normal weights err by 9 % in NF4 with blocks of 64, and by far less in 8 bits."""
    low, high = {"int8": (0.003, 0.01), "nf4": (0.08, 0.1)}[kind(quantised)]
    for name, layer in quantised_layers(quantised).items():
        weight = plain.model.get_submodule(name).weight.detach()
        assert low < float((written_out(layer) - weight).norm() / weight.norm()) < high


def test_the_logits_are_those_of_its_weights(quantised: MedFly, stood_for: MedFly, plain: MedFly) -> None:
    """int8 rounds what goes into a layer, too. Against the original weights, which are noise, little is left of nf4."""
    found, expected, original = logits(quantised), logits(stood_for), logits(plain)
    bound = {"int8": 0.1, "nf4": 1e-5}[kind(quantised)]
    assert (found - expected).abs().max() <= bound * expected.abs().max()
    likeness = torch.cosine_similarity(found.flatten(), original.flatten(), dim=0)
    assert likeness > {"int8": 0.99, "nf4": 0.7}[kind(quantised)]


def test_it_answers_with_evidence(quantised: MedFly, stood_for: MedFly) -> None:
    found, expected = ask(quantised), ask(stood_for)
    assert found.text == expected.text and found.evidence and expected.evidence
    crops = [(region.level, region.crop) for region in expected.evidence.regions]
    scores = {(region.level, region.crop): region.score for region in found.evidence.regions}
    likeness = np.corrcoef([scores[crop] for crop in crops], [region.score for region in expected.evidence.regions])
    assert likeness[0, 1] > 0.95


def test_a_layer_that_was_asked_without_gradients_still_gives_them() -> None:
    """On a CPU with bfloat16 a layer in 4 bits is repacked then; here it is made to believe that it runs on one."""
    weight = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    layer = bnb.nn.Linear4bit(64, 64, bias=False, compute_dtype=torch.float32, quant_type="nf4")
    layer.weight = bnb.nn.Params4bit(weight, requires_grad=False, quant_type="nf4").to("cpu")
    written = written_out(layer)
    layer.support_avx512bf16_for_cpu = True
    keep_differentiable(nn.Sequential(layer).eval())
    layer(torch.ones(1, 64))
    row = torch.ones(1, 64, requires_grad=True)
    layer(row).sum().backward()
    torch.testing.assert_close(row.grad, written.sum(0, keepdim=True))


def test_every_loaded_layer_keeps_its_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bnb.nn.modules, "has_avx512bf16", lambda: True)
    fly = medfly.load(str(GOLDEN), quantization_config=quantization("nf4"))
    assert not any(layer.support_avx512bf16_for_cpu for layer in quantised_layers(fly).values())


def test_nf4_computes_in_what_is_fast_here() -> None:
    fast = torch.bfloat16 if computes_natively(torch.bfloat16) else torch.float32
    assert quantization("nf4", "cpu").bnb_4bit_compute_dtype == fast


def test_what_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="quantize 'int4': expected int8 or nf4"):
        quantization("int4")
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)  # as where it is not installed
    for one in KINDS:
        with pytest.raises(InputError, match=r'pip install "medfly\[quantize\]"') as told:
            quantization(one)
        assert "\n" not in str(told.value)


@pytest.mark.skipif(computes_natively(torch.bfloat16), reason="this CPU computes bfloat16 itself: nothing is widened")
def test_int8_layers_in_bfloat16_give_their_float32_product_rounded_once() -> None:
    fly = medfly.load(str(GOLDEN), dtype="bfloat16", quantization_config=quantization("int8"))
    name, layer = next(iter(quantised_layers(fly).items()))
    values = torch.randn(3, layer.in_features, generator=torch.Generator().manual_seed(0)).bfloat16()
    seen: list[torch.dtype] = []
    layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].dtype))
    with torch.inference_mode():
        widened = layer(values)
        bare = bnb.matmul(values.float(), layer.weight, bias=None, state=layer.state)
    assert seen == [torch.float32], name
    assert widened.dtype == torch.bfloat16 and torch.equal(widened, bare.bfloat16())
    assert ask(fly).provenance["precision"] == "int8"
