"""transformers' Trainer with the loss that MedFly defines, moving averages and dropout.

The loss is the sum over answer tokens divided by the answer tokens of the optimiser step, however they are
packed, batched or accumulated. The module knows no data set and no file format.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from safetensors.torch import load_model, save_model
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_pt_utils import LengthGroupedSampler

from medfly.dragonfly import DragonflyForCausalLM
from medfly.training.packing import IGNORED

AVERAGE_FILE = "average.safetensors"


class AnswerLoss:
    """Cross-entropy of the answer tokens, with label smoothing (Szegedy et al., 2016)."""

    def __init__(self, smoothing: float = 0.0) -> None:
        self.smoothing = smoothing

    def __call__(self, outputs: Any, labels: Tensor, num_items_in_batch: Tensor | int | None = None) -> Tensor:
        """outputs.logits [B, S, V], labels [B, S]; position t is judged by the label at t + 1.

        num_items_in_batch: answer tokens of the whole optimiser step; by default those of this batch.
        """
        targets = labels[:, 1:]
        answers = targets != IGNORED
        logits = outputs.logits[:, :-1][answers].float()
        total = F.cross_entropy(logits, targets[answers], reduction="sum", label_smoothing=self.smoothing)
        return total / (answers.sum() if num_items_in_batch is None else num_items_in_batch)


class MovingAverage(TrainerCallback):
    """Keeps an exponential moving average of the weights; saves and restores it with each checkpoint."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs) -> None:
        saved = self._file(args, state)
        if state.global_step and saved.is_file():
            load_model(self.average, saved)

    def on_step_end(self, args, state, control, model: nn.Module, **kwargs) -> None:
        self.average.update_parameters(model)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs) -> None:
        save_model(self.average, str(self._file(args, state)))

    @staticmethod
    def _file(args: TrainingArguments, state: TrainerState) -> Path:
        return Path(args.output_dir or ".") / f"checkpoint-{state.global_step}" / AVERAGE_FILE


def add_dropout(model: DragonflyForCausalLM, probability: float) -> None:
    """Dropout on the decoder's inputs and after each attention and MLP, while training.

    Llama has none in transformers; hooks add it without changing the architecture or the checkpoint.
    """

    def drop(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        return F.dropout(output, probability, module.training)

    decoder = model.language_model.model
    model.vision_embed_tokens.register_forward_hook(drop)
    for layer in decoder.layers:
        layer.self_attn.o_proj.register_forward_hook(drop)
        layer.mlp.down_proj.register_forward_hook(drop)


class PackedTrainer(Trainer):
    """Puts images with about as many questions into one batch, so that little of it is padding."""

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthGroupedSampler:
        data: Any = train_dataset or self.train_dataset
        step = self.args.train_batch_size * self.args.gradient_accumulation_steps
        return LengthGroupedSampler(step, lengths=data.lengths())


def train(
    model: DragonflyForCausalLM,
    data: Any,
    arguments: TrainingArguments,
    *,
    dropout: float = 0.0,
    label_smoothing: float = 0.0,
    average_decay: float = 0.0,
    resume: bool = False,
) -> DragonflyForCausalLM:
    """Train in place and return the model that is to be kept: the moving average where one is asked for.

    data: a PackedImages. resume: go on from the last checkpoint in arguments.output_dir.
    """
    if dropout:
        add_dropout(model, dropout)
    average = MovingAverage(model, average_decay) if average_decay else None
    trainer = PackedTrainer(
        model=model,
        args=arguments,
        train_dataset=data,
        data_collator=data.collate,
        compute_loss_func=AnswerLoss(label_smoothing),
        callbacks=[average] if average else None,
    )
    trainer.train(resume_from_checkpoint=resume)
    return (cast(DragonflyForCausalLM, average.average.module) if average else model).eval()
