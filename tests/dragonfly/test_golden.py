"""A checkpoint in the official layout gives the published implementation's own tensors.

tests/golden/dragonfly-v2-tiny holds random weights and what the reference implementation computed with them.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoTokenizer

from medfly.dragonfly import DragonflyConfig, DragonflyForCausalLM, DragonflyImageProcessor, DragonflyProcessor
from medfly.engine import MedFly
from medfly.types import Scan

FOLDER = Path(__file__).parent.parent / "golden" / "dragonfly-v2-tiny"
CASES = json.loads((FOLDER / "cases.json").read_text())


@pytest.fixture(scope="module")
def expected() -> dict[str, torch.Tensor]:
    return load_file(FOLDER / "expected.safetensors")


@pytest.fixture(scope="module")
def model() -> DragonflyForCausalLM:
    # The official config names its tower by a folder and gives no shape: it is put together here by hand.
    text = json.loads((FOLDER / "config.json").read_text())["text_config"]
    vision = json.loads((FOLDER / "clip" / "config.json").read_text())
    config = DragonflyConfig(vision_config=vision, text_config=text)
    model, report = DragonflyForCausalLM.from_pretrained(FOLDER, config=config, output_loading_info=True)
    assert not any(report.values())
    return model.eval()


@pytest.fixture(scope="module")
def processor() -> DragonflyProcessor:
    return DragonflyProcessor(DragonflyImageProcessor(), AutoTokenizer.from_pretrained(FOLDER))


def picture(case: int) -> Image.Image:
    return Image.open(FOLDER / CASES[case]["image"])


@pytest.mark.parametrize("case", range(5))
def test_ids_and_crops(case: int, processor: DragonflyProcessor, expected: dict[str, torch.Tensor]) -> None:
    inputs = processor(text=CASES[case]["prompt"], images=picture(case), return_tensors="pt")
    assert torch.equal(inputs["input_ids"][0], expected[f"{case}.input_ids"])
    crops = inputs["pixel_values"][0]
    assert torch.equal(crops[:, :, :4, :4], expected[f"{case}.crop_corner"])
    torch.testing.assert_close(crops.mean((2, 3)), expected[f"{case}.crop_mean"], atol=1e-6, rtol=0)
    torch.testing.assert_close(crops.std((2, 3)), expected[f"{case}.crop_std"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("case", [0, 3])
@torch.inference_mode()
def test_logits(
    case: int, model: DragonflyForCausalLM, processor: DragonflyProcessor, expected: dict[str, torch.Tensor]
) -> None:
    inputs = processor(text=CASES[case]["prompt"], images=picture(case), return_tensors="pt")
    logits, wanted = model(**inputs).logits[0, -8:], expected[f"{case}.last_logits"]
    assert (logits - wanted).abs().max() <= 1e-4 * wanted.abs().max()


@pytest.mark.parametrize("case", [1, 4])
def test_the_engine_generates_the_same_tokens(
    case: int, model: DragonflyForCausalLM, processor: DragonflyProcessor, expected: dict[str, torch.Tensor]
) -> None:
    """Through the prefix's cache, and with the prompt tokenised from the bare question."""
    fly = MedFly(model, processor, name="golden", hash="")
    scan = Scan(np.array(picture(case).convert("RGB")))
    result = fly.generate(fly.read(scan), [processor.prompt_ids(CASES[case]["question"])], max_new_tokens=12)[0]
    assert result.ids == expected[f"{case}.generated"].tolist()


def test_prompt_ids_are_those_of_the_official_prompt(processor: DragonflyProcessor) -> None:
    for case in CASES:
        assert processor.prompt_ids(case["question"]) == processor.tokenizer(case["prompt"])["input_ids"]
