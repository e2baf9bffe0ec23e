"""What a training run is made of, read from YAML; and building the model that it starts from.

The words under `training:` are transformers' TrainingArguments. The caller reads the data: this module knows
neither data sets nor file formats of scans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import LlamaConfig, TrainingArguments

from medfly.dragonfly import (
    ConvTowerConfig,
    DragonflyConfig,
    DragonflyForCausalLM,
    DragonflyProcessor,
)
from medfly.training.augmentation import Augmentation
from medfly.training.tokenizer import train_tokenizer
from medfly.types import InputError


@dataclass(frozen=True)
class DataSource:
    """task, split, folder: as in `medfly eval`. repeat: how often an epoch goes through it."""

    task: str
    folder: str
    split: str = "train"
    repeat: int = 1


@dataclass(frozen=True)
class Regularisation:
    """dropout and label_smoothing: probabilities; average_decay: of the moving average of weights, 0 for none.

    high_crops: how many high crops a training step sees, drawn at random; 0 for all.
    """

    dropout: float = 0.0
    label_smoothing: float = 0.0
    average_decay: float = 0.0
    high_crops: int = 0


@dataclass(frozen=True)
class Scratch:
    """A model of random weights: its tokenizer's size and what differs from the configurations' defaults."""

    vocab_size: int
    tower: dict[str, Any]
    decoder: dict[str, Any]
    dragonfly: dict[str, Any]


@dataclass(frozen=True)
class Recipe:
    """One training run. model: a checkpoint to start from, or None with `scratch` given."""

    data: tuple[DataSource, ...]
    training: dict[str, Any]
    scratch: Scratch | None = None
    model: str | None = None
    seed: int = 0
    augmentation: Augmentation | None = None
    regularisation: Regularisation = field(default_factory=Regularisation)

    def arguments(self, output_dir: Path) -> TrainingArguments:
        """transformers' arguments, with what packed training needs."""
        try:
            return TrainingArguments(
                output_dir=str(output_dir),
                seed=self.seed,
                report_to="none",
                remove_unused_columns=False,
                label_names=["labels"],
                dataloader_pin_memory=torch.cuda.is_available(),
                **self.training,
            )
        except (TypeError, ValueError) as error:
            raise InputError(f"training: {error}; expected transformers' TrainingArguments names") from None


def read_recipe(path: Path) -> Recipe:
    """YAML → Recipe. Raises InputError that names the unknown, missing or wrong entry."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a training recipe in YAML") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: not readable as YAML ({' '.join(str(error).split())})") from None
    if not isinstance(raw, dict):
        raise InputError(f"{path}: found {type(raw).__name__}, expected a mapping with data and training")
    nested = {"scratch": Scratch, "augmentation": Augmentation, "regularisation": Regularisation}
    for key, kind in nested.items():
        if raw.get(key) is not None:
            raw[key] = _build(kind, raw[key], f"{path}: {key}")
    sources = raw.get("data") or []
    raw["data"] = tuple(_build(DataSource, source, f"{path}: data[{i}]") for i, source in enumerate(sources))
    recipe = _build(Recipe, raw, str(path))
    if not recipe.data:
        raise InputError(f"{path}: no data; expected a list of task, split and folder under data:")
    if (recipe.model is None) == (recipe.scratch is None):
        raise InputError(f"{path}: expected either model: (a checkpoint to start from) or scratch: (a new one)")
    return recipe


def _build(kind: Any, values: Any, where: str) -> Any:
    """A dataclass from a mapping, with an error that names what does not fit."""
    known = [one.name for one in fields(kind)]
    if not isinstance(values, dict):
        raise InputError(f"{where}: found {values!r}, expected a mapping with {', '.join(known)}")
    unknown = set(values) - set(known)
    if unknown:
        raise InputError(f"{where}: unknown {', '.join(sorted(map(str, unknown)))}; expected {', '.join(known)}")
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: {error}") from None


def new_model(scratch: Scratch, texts: Sequence[str], seed: int) -> tuple[DragonflyForCausalLM, DragonflyProcessor]:
    """A model of seeded random weights and the processor that fits it; the tokenizer is trained on `texts`."""
    tokenizer = train_tokenizer(texts, scratch.vocab_size)
    torch.manual_seed(seed)
    config = DragonflyConfig(
        vision_config=ConvTowerConfig(**scratch.tower),
        text_config=_decoder(scratch.decoder, tokenizer),
        tie_word_embeddings=bool(scratch.decoder.get("tie_word_embeddings")),
        class_token=False,
        vision_feature_layer=-1,
        **scratch.dragonfly,
    )
    return DragonflyForCausalLM(config), DragonflyProcessor.from_config(config, tokenizer)


def _decoder(decoder: dict[str, Any], tokenizer: Any) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **decoder,
    )
