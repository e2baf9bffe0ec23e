"""A checkpoint in the official layout gives the published implementation's own tensors, v1 and v2.

tests/golden/dragonfly-v*-tiny hold random weights and what the reference implementation computed with them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor

import medfly.dragonfly  # noqa: F401  (registers the Auto classes)
from medfly.engine import MedFly
from medfly.types import Scan

GOLDEN = Path(__file__).parent.parent / "golden"


@dataclass
class Checkpoint:
    folder: Path

    @cached_property
    def cases(self) -> list[dict[str, Any]]:
        return json.loads((self.folder / "cases.json").read_text())

    @cached_property
    def expected(self) -> dict[str, torch.Tensor]:
        return load_file(self.folder / "expected.safetensors")

    @cached_property
    def processor(self) -> Any:
        return AutoProcessor.from_pretrained(self.folder)

    @cached_property
    def model(self) -> Any:
        model, report = AutoModelForImageTextToText.from_pretrained(self.folder, output_loading_info=True)
        assert not any(report.values())
        return model.eval()

    def picture(self, case: int) -> Image.Image:
        return Image.open(self.folder / self.cases[case]["image"])

    def inputs(self, case: int) -> Any:
        prompt = self.cases[case]["prompt"]
        return self.processor(text=[prompt], images=[self.picture(case)], return_tensors="pt")


@pytest.fixture(scope="module", params=["v1", "v2"])
def golden(request: pytest.FixtureRequest) -> Checkpoint:
    return Checkpoint(GOLDEN / f"dragonfly-{request.param}-tiny")


def assert_logits(logits: torch.Tensor, expected: torch.Tensor) -> None:
    """The bound is 1e-4; what is left is the order of fp32 sums (2.5e-6 was measured)."""
    assert logits.shape == expected.shape
    assert (logits - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("case", range(5))
def test_ids_and_crops(golden: Checkpoint, case: int) -> None:
    inputs = golden.inputs(case)
    assert torch.equal(inputs["input_ids"][0], golden.expected[f"{case}.input_ids"])
    crops = inputs["pixel_values"][0]
    assert torch.equal(crops[:, :, :4, :4], golden.expected[f"{case}.crop_corner"])
    torch.testing.assert_close(crops.mean((2, 3)), golden.expected[f"{case}.crop_mean"], atol=1e-6, rtol=0)
    torch.testing.assert_close(crops.std((2, 3)), golden.expected[f"{case}.crop_std"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("case", range(5))
@torch.inference_mode()
def test_logits_and_generated_tokens(golden: Checkpoint, case: int) -> None:
    inputs = golden.inputs(case)
    assert_logits(golden.model(**inputs).logits[0, -8:], golden.expected[f"{case}.last_logits"])
    generated = golden.model.generate(**inputs, max_new_tokens=12, do_sample=False)
    assert torch.equal(generated[0, inputs["input_ids"].shape[1] :], golden.expected[f"{case}.generated"])


@torch.inference_mode()
def test_the_left_padded_batch(golden: Checkpoint) -> None:
    prompts, pictures = [case["prompt"] for case in golden.cases], [golden.picture(i) for i in range(5)]
    inputs = golden.processor(text=prompts, images=pictures, return_tensors="pt")
    assert torch.equal(inputs["attention_mask"], golden.expected["batch.attention_mask"])
    assert_logits(golden.model(**inputs, logits_to_keep=1).logits[:, 0], golden.expected["batch.last_logits"])


@torch.inference_mode()
def test_the_training_batch(golden: Checkpoint) -> None:
    """Right-padded, each text with its end-of-text token; the reference's labels cover question and padding."""
    ids, start = golden.expected["train.input_ids"], golden.model.config.num_image_positions
    bare = [golden.processor.tokenizer.decode(row[start:]).replace("<|end_of_text|>", "") for row in ids]
    texts = [text.removeprefix("<|begin_of_text|>") + "<|end_of_text|>" for text in bare]
    pictures = [golden.picture(i) for i in range(5)]
    inputs = golden.processor(text=texts, images=pictures, padding_side="right", return_tensors="pt")
    assert torch.equal(inputs["input_ids"], ids)
    loss = golden.model(**inputs, labels=golden.expected["train.labels"]).loss
    torch.testing.assert_close(loss, golden.expected["train.loss"][0], rtol=1e-6, atol=0)


@pytest.mark.parametrize("case", range(5))
def test_the_engine_generates_the_same_tokens(golden: Checkpoint, case: int) -> None:
    """Through the prefix's cache, and with the prompt tokenised from the bare question."""
    fly = MedFly(golden.model, golden.processor, name="golden", hash="")
    scan = Scan(np.array(golden.picture(case).convert("RGB")))
    prompt = golden.processor.prompt_ids(golden.cases[case]["question"])
    result = fly.generate(fly.read(scan), [prompt], max_new_tokens=12)[0]
    assert result.ids == golden.expected[f"{case}.generated"].tolist()


def test_prompt_ids_are_those_of_the_official_prompt(golden: Checkpoint) -> None:
    for case in golden.cases:
        assert golden.processor.prompt_ids(case["question"]) == golden.processor.tokenizer(case["prompt"])["input_ids"]


@pytest.mark.parametrize("case", [1, 3])
def test_the_evidence_of_v1_is_on_the_crops_that_were_kept(case: int) -> None:
    """1 low, 4 medium and the 12 selected of 24 high crops, with their own boxes; they are what the answer hangs on."""
    golden = Checkpoint(GOLDEN / "dragonfly-v1-tiny")
    fly = MedFly(golden.model, golden.processor, name="golden", hash="")
    scan = Scan(np.array(golden.picture(case).convert("RGB")))
    with torch.inference_mode():
        kept = golden.model(**golden.inputs(case)).high_crops[0].tolist()
    evidence = fly.ask(scan, golden.cases[case]["question"], max_new_tokens=3).evidence
    assert evidence is not None
    seen = sorted((region.level, region.crop) for region in evidence.regions)
    assert seen == sorted([("low", 0), *[("medium", i) for i in range(4)], *[("high", i) for i in kept]])
    columns, rows = fly.read(scan).pyramid.high
    assert columns * rows == 24
    for region in evidence.regions:
        if region.level == "high":
            row, column = divmod(region.crop, columns)
            width, height = scan.size[0] / columns, scan.size[1] / rows
            box = (column * width, row * height, (column + 1) * width, (row + 1) * height)
            assert region.box == pytest.approx(box)


def test_v1_selects_by_the_medium_crops_even_where_they_are_left_out_of_the_prefix() -> None:
    golden = Checkpoint(GOLDEN / "dragonfly-v1-tiny")
    fly = MedFly(golden.model, golden.processor, name="golden", hash="")
    scan = Scan(np.array(golden.picture(0).convert("RGB")))
    whole, high = fly.read(scan), fly.read(scan, levels=("high",))
    assert high.crops == [crop for crop in whole.crops if crop[0] == "high"]
    assert torch.equal(high.embeddings, whole.embeddings[:, -12 * 51 :])
    assert torch.equal(high.positions, whole.positions[:, -12 * 51 :])
