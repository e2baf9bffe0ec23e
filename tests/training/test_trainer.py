"""Training with the Trainer: the loss of an optimiser step, and going on after an interruption."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor, TrainerCallback, TrainingArguments

import medfly.dragonfly  # noqa: F401  registers the Auto classes
from medfly.training import trainer as training
from medfly.training.augmentation import Augmentation
from medfly.training.data import PackedImages, by_image
from medfly.training.trainer import train
from medfly.types import Sample, Scan, Window

ANSWERS = ["No", "upper right, lower left", "heart", "Yes", "Left Lung, Right", "MRI", "CT", "brain"]


@dataclass(frozen=True)
class Noise:
    seed: int

    @property
    def content_hash(self) -> str:
        return str(self.seed)

    def __call__(self) -> Scan:
        values = np.random.default_rng(self.seed).uniform(0, 255, (40, 40)).astype(np.float32)
        return Scan(values, windows=(Window(127.5, 255, "LINEAR_EXACT"),))


def data(folder: Path, augmentation: Augmentation | None = None, high_crops: int = 0) -> PackedImages:
    processor = AutoProcessor.from_pretrained(folder)
    samples = [Sample(i, str(i // 2), f"question {i}?", Noise(i // 2), a) for i, a in enumerate(ANSWERS)]
    return PackedImages(by_image(samples, processor), processor, augmentation, high_crops)


def arguments(folder: Path, **changes: object) -> TrainingArguments:
    options = {
        "max_steps": 1,
        "learning_rate": 1e-2,
        "per_device_train_batch_size": 4,
        "report_to": "none",
        "remove_unused_columns": False,
        "label_names": ["labels"],
        "logging_strategy": "no",
        "save_strategy": "no",
        "disable_tqdm": True,
        **changes,
    }
    return TrainingArguments(str(folder), **options)


def weights_after(tiny_model: Path, tmp_path: Path, **changes: object) -> dict[str, torch.Tensor]:
    model = AutoModelForImageTextToText.from_pretrained(tiny_model)
    # batch normalisation sees other batches when they are cut up: held still, the rest must agree
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.0
            module.train = lambda mode=True, module=module: module  # type: ignore[method-assign]
            module.training = False
    options = {"optim": "sgd", "max_grad_norm": 0.0, **changes}
    return train(model, data(tiny_model), arguments(tmp_path, **options)).state_dict()


def test_accumulated_steps_equal_one_large_step(tiny_model: Path, tmp_path: Path) -> None:
    """Four images at once, or two and two with answers of unequal length: the same weights after the step."""
    whole = weights_after(tiny_model, tmp_path)
    parts = weights_after(tiny_model, tmp_path, per_device_train_batch_size=2, gradient_accumulation_steps=2)
    start = AutoModelForImageTextToText.from_pretrained(tiny_model).state_dict()
    moved = 0.0
    for name, value in whole.items():
        torch.testing.assert_close(value, parts[name], atol=1e-6, rtol=1e-4, msg=name)
        moved = max(moved, float((value - start[name]).abs().max()))
    assert moved > 1e-4  # a step was made


class StopAt(TrainerCallback):
    """Ends a run the way an interruption does: by an exception in the middle of an epoch."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            raise KeyboardInterrupt


def test_an_interrupted_run_goes_on_to_the_same_weights(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(folder: Path, resume: bool = False, callbacks: tuple = ()):
        torch.manual_seed(0)
        model = AutoModelForImageTextToText.from_pretrained(tiny_model)
        options = arguments(folder, max_steps=6, per_device_train_batch_size=2, save_strategy="steps", save_steps=2)
        if callbacks:
            plain = training.PackedTrainer

            def with_callbacks(*args, **kwargs):
                kwargs["callbacks"] = [*(kwargs.get("callbacks") or []), *callbacks]
                return plain(*args, **kwargs)

            monkeypatch.setattr(training, "PackedTrainer", with_callbacks)
        try:
            # high_crops: the crops that a step sees are drawn at random, and must be drawn alike after the resume
            return train(model, data(tiny_model, high_crops=12), options, average_decay=0.5, resume=resume).state_dict()
        finally:
            monkeypatch.undo()

    straight = run(tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", callbacks=(StopAt(5),))
    resumed = run(tmp_path / "cut", resume=True)
    for name, value in straight.items():
        torch.testing.assert_close(value, resumed[name], atol=1e-6, rtol=1e-5, msg=name)


def test_questions_without_an_answer_are_counted_out(tiny_model: Path, caplog: pytest.LogCaptureFixture) -> None:
    processor = AutoProcessor.from_pretrained(tiny_model)
    samples = [Sample(0, "a", "lung?", Noise(0), "Yes"), Sample(1, "a", "liver?", Noise(0), "")]
    items = by_image(samples, processor)
    assert [len(item.turns) for item in items] == [1]
    assert "1 of 2 questions have no answer" in caplog.text


def test_an_item_sees_some_high_crops_and_all_others(tiny_model: Path) -> None:
    dataset = data(tiny_model, Augmentation(), high_crops=12)
    packed, pixels = dataset[0]
    assert pixels.shape == (1 + 4 + 12, 3, 32, 32)
    spans = dataset.processor.image_spans()
    seen = set(packed.position_ids[packed.segments == 0].tolist())
    for crop, span in spans.items():
        if crop[0] != "high":
            assert seen.issuperset(span)
    assert sum(seen.issuperset(span) for (level, _), span in spans.items() if level == "high") == 12
