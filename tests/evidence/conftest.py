"""A model trained here, in seconds, on a planted cause."""

from __future__ import annotations

import numpy as np
import pytest
from transformers import TrainingArguments

from medfly.engine import MedFly
from medfly.training.data import PackedImages, by_image
from medfly.training.recipe import Scratch, new_model
from medfly.training.trainer import train
from medfly.types import Sample

from .planted import CELL, QUESTION, Planted


@pytest.fixture(scope="session")
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
