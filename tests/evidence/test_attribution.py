"""Evidence finds a cause that was planted: on a model trained here for it, in seconds.

The target is a bright checkerboard whose mean is the background's: resizing blurs it away at the low and the
medium level, so an answer that is right can only come from the high crop that holds it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from transformers import TrainingArguments

from medfly.engine import MedFly
from medfly.evidence.attribution import crop_scores, log_probability, mean_crops
from medfly.training.data import PackedImages, by_image
from medfly.training.recipe import Scratch, new_model
from medfly.training.trainer import train
from medfly.types import Sample, Scan, Window

QUESTION = "Is there a bright square?"
SIDE, CELL = 96, 16  # six high crops a side, at native resolution


@dataclass(frozen=True)
class Planted:
    """Noise with a target of 10 × 10 pixels in one high crop, or without."""

    crop: int | None
    seed: int

    @property
    def content_hash(self) -> str:
        return f"{self.crop} {self.seed}"

    def __call__(self) -> Scan:
        pixels = np.random.default_rng(self.seed).integers(40, 90, (SIDE, SIDE)).astype(np.float32)
        if self.crop is not None:
            row, column = divmod(self.crop, SIDE // CELL)
            y, x = row * CELL + 3, column * CELL + 3
            pixels[y : y + 10, x : x + 10] = np.indices((10, 10)).sum(0) % 2 * 130
        return Scan(pixels, windows=(Window(127.5, 255, "LINEAR_EXACT"),))


@pytest.fixture(scope="module")
def fly(tmp_path_factory: pytest.TempPathFactory) -> MedFly:
    rng = np.random.default_rng(0)
    crops = [int(rng.integers(36)) if i % 2 else None for i in range(640)]
    samples = [
        Sample(i, str(i), QUESTION, Planted(crop, i), "no" if crop is None else "yes") for i, crop in enumerate(crops)
    ]
    scratch = Scratch(
        vocab_size=300,
        tower={"widths": [8, 16, 16, 32]},
        decoder={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "max_position_embeddings": 512,
            "initializer_range": 0.1,
            "tie_word_embeddings": True,
        },
        dragonfly={"crop_size": CELL, "patch_grid": 1, "pool_windows": {"low": 1, "medium": 1, "high": 1}},
    )
    model, processor = new_model(scratch, [QUESTION, "yes", "no"], seed=0)
    arguments = TrainingArguments(
        str(tmp_path_factory.mktemp("planted")),
        max_steps=160,
        per_device_train_batch_size=16,
        learning_rate=5e-3,
        warmup_steps=10,
        report_to="none",
        remove_unused_columns=False,
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )
    model = train(model, PackedImages(by_image(samples, processor), processor), arguments)
    return MedFly(model, processor, name="planted", hash="")


def test_the_model_learned_the_task(fly: MedFly) -> None:
    """Otherwise its evidence would mean nothing."""
    truth = [None, 3, None, 20, 35, None, 0, 11]
    said = [fly.ask(Planted(crop, 9000 + i)(), QUESTION, evidence=False).text for i, crop in enumerate(truth)]
    assert said == ["no" if crop is None else "yes" for crop in truth]


def test_the_best_crop_moves_with_the_target(fly: MedFly) -> None:
    hits = 0
    for crop in range(0, 36, 3):
        answer = fly.ask(Planted(crop, 5000)(), QUESTION)  # the same noise; only the target moves
        assert answer.text == "yes" and answer.evidence is not None
        best = answer.evidence.top(1, "medium", "high")[0]
        hits += (best.level, best.crop) == ("high", crop)
    assert hits >= 11  # of 12; by chance 0.3


def test_the_box_holds_the_target(fly: MedFly) -> None:
    answer = fly.ask(Planted(14, 6000)(), QUESTION)
    assert answer.evidence is not None
    row, column = divmod(14, 6)
    assert answer.evidence.top(1, "high")[0].box == (column * 16, row * 16, column * 16 + 16, row * 16 + 16)


def test_scores_add_up_to_what_the_picture_changes(fly: MedFly) -> None:
    """Completeness: over many steps their sum is the log-probability's difference to the baseline's."""
    prefix = fly.read(Planted(21, 7000)())
    prompt, answer = fly.processor.prompt_ids(QUESTION), fly.processor.answer_ids("yes")
    spans = [(level, fly.processor.image_spans()[level, crop]) for level, crop in prefix.crops]
    where = (prefix.positions.clone(), prefix.end, prompt, answer)
    scores = crop_scores(fly.model, prefix.embeddings, prefix.positions, spans, prefix.end, prompt, answer, steps=256)
    with torch.no_grad():
        image = prefix.embeddings.clone()
        seen = log_probability(fly.model, image, *where)
        baseline = log_probability(fly.model, mean_crops(image[0], spans)[None], *where)
    assert float(seen - baseline) > 1  # the target matters
    assert sum(scores) == pytest.approx(float(seen - baseline), rel=0.02)


def test_the_best_crop_is_the_one_whose_absence_costs_most(fly: MedFly) -> None:
    """Against a plain causal path: each high crop hidden in turn from the attention."""
    prefix = fly.read(Planted(8, 8000)())
    prompt, answer = fly.processor.prompt_ids(QUESTION), fly.processor.answer_ids("yes")
    spans = fly.processor.image_spans()
    ids = torch.tensor([prompt + answer])
    text = fly.model.get_input_embeddings()(ids)
    embeddings = torch.cat([prefix.embeddings, text], dim=1)
    positions = torch.arange(embeddings.shape[1])[None]
    costs = []
    with torch.inference_mode():
        for crop in range(36):
            mask = torch.ones(embeddings.shape[:2], dtype=torch.long)
            mask[0, list(spans["high", crop])] = 0
            logits = fly.model(inputs_embeds=embeddings, attention_mask=mask, position_ids=positions).logits[0]
            logs = logits.log_softmax(-1)[-len(answer) - 1 : -1]
            costs.append(-float(logs.gather(1, torch.tensor(answer)[:, None]).sum()))
    assert int(np.argmax(costs)) == 8
    evidence = fly.ask(Planted(8, 8000)(), QUESTION).evidence
    assert evidence is not None and evidence.top(1, "high")[0].crop == 8
