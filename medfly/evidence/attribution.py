"""How much each crop raised the log-probability of an answer: integrated gradients over the crop tokens.

Between a baseline and what the model saw, the gradient of the answer's log-probability is summed along a
straight line (Sundararajan et al., 2017, "Axiomatic Attribution for Deep Networks"), so that the scores of all
crops add up to the difference that the picture makes against the baseline. The baseline of a crop is the mean
of all crops of its level: a crop that is like the others explains nothing. The low level is one crop; its
baseline is the mean of its own tokens, a picture without layout. The module does not know what would have been
answered without a crop: only a new answer can tell.

Memory is bounded by KEPT, whatever the decoder's size: as many steps go through it at once as fit, and where not
even one fits, each layer keeps its input only and is computed once more on the way back.

Shapes: K rows (steps in one pass), P' image positions that are present, D decoder width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Lock

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import Cache

from medfly.dragonfly import DragonflyForCausalLM
from medfly.types import Level

STEPS = 8
KEPT = 2**25
"""Rows × positions × width × layers that a pass may keep for its way back. Measured: 61 bytes each in float32, 2 GB
in all, and 35 in bfloat16; the way back itself takes half as much again."""
_ONE_AT_A_TIME = Lock()  # a model is changed while its evidence is computed, and the viewer's sessions share one
METHOD = f"integrated gradients of the answer's log-probability in nats, {STEPS} steps from the mean crop of the level"


def crop_scores(
    model: DragonflyForCausalLM,
    embeddings: Tensor,
    positions: Tensor,
    crops: Sequence[tuple[Level, range]],
    end: int,
    prompt: list[int],
    answer: list[int],
    steps: int = STEPS,
) -> list[float]:
    """One score a crop, in nats: positive where it made the answer more likely.

    embeddings [1, P', D] and positions [1, P'] of the prefix; crops: level and range within P' of each crop,
    the newline last; end: the position of the beginning of text. The line and its gradient are float32, whatever
    the model's precision.
    """
    rows, recompute = _plan(model, embeddings.shape[1] + len(prompt) + len(answer), steps)
    with torch.inference_mode(False), torch.enable_grad(), _inputs_only(model, recompute):
        image = embeddings.detach().clone().float()
        difference = image - mean_crops(image[0], crops)
        middles = (torch.arange(steps, device=image.device) + 0.5) / steps
        gradient = torch.zeros_like(image[0])
        for some in middles.split(rows):
            line = (image - (1 - some[:, None, None]) * difference).requires_grad_()
            total = log_probability(model, line, positions.clone(), end, prompt, answer).sum()
            gradient += torch.autograd.grad(total, line)[0].sum(0)
    shares = (gradient / steps * difference[0]).sum(-1)
    return [float(shares[span.start : span.stop].sum()) for _, span in crops]


def times_reading(model: DragonflyForCausalLM) -> float:
    """How much work the evidence of one answer is, as a multiple of reading the image. Arithmetic, not measured.

    Weights × positions of the decoder and of the tower; a step goes through the decoder forth and back, and forth
    twice where it is recomputed.
    """
    config = model.config
    decoder = model.language_model.num_parameters() * config.num_image_positions
    patches = sum(config.crops_per_level.values()) * config.patch_grid**2
    tower = model.image_encoder.num_parameters() * patches
    _, recompute = _plan(model, config.num_image_positions, STEPS)
    return STEPS * (3 if recompute else 2) * decoder / (decoder + tower)


def _plan(model: DragonflyForCausalLM, positions: int, steps: int) -> tuple[int, bool]:
    """How many steps go through the decoder at once, and whether its layers are recomputed on the way back."""
    text = model.config.text_config
    row = positions * text.hidden_size * text.num_hidden_layers
    return max(1, min(steps, KEPT // row)), row > KEPT


@contextmanager
def _inputs_only(model: DragonflyForCausalLM, recompute: bool) -> Iterator[None]:
    """No parameter wants a gradient, so nothing is kept for one; with recompute, a layer keeps its input only."""
    with _ONE_AT_A_TIME:
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        layers = list(model.language_model.model.layers) if recompute else []
        hooked = [layer.__dict__.get("forward") for layer in layers]  # where devices are mixed, not the class's own
        for parameter in trained:
            parameter.requires_grad_(False)
        for layer in layers:
            layer.forward = partial(checkpoint, layer.forward, use_reentrant=False, preserve_rng_state=False)
        try:
            yield
        finally:
            for parameter in trained:
                parameter.requires_grad_(True)
            for layer, forward in zip(layers, hooked, strict=True):
                del layer.forward
                if forward is not None:
                    layer.forward = forward


def mean_crops(image: Tensor, crops: Sequence[tuple[Level, range]]) -> Tensor:
    """The baseline, [P', D]: each crop's tokens replaced by the mean of its level; newlines stay."""
    baseline = image.clone()
    for level in {level for level, _ in crops}:
        spans = [span for one, span in crops if one == level]
        tokens = torch.stack([image[span.start : span.stop - 1] for span in spans])
        mean = tokens.mean(0) if len(spans) > 1 else tokens.mean(1)
        for span in spans:
            baseline[span.start : span.stop - 1] = mean
    return baseline


def log_probability(
    model: DragonflyForCausalLM,
    image: Tensor,
    positions: Tensor,
    end: int,
    prompt: list[int],
    answer: list[int],
    cache: Cache | None = None,
) -> Tensor:
    """log p(answer | image, prompt) in nats for each row of image [K, P', D]: [K], in float32.

    positions: [1, P'], or [K, P'] where the rows' differ. cache: of K rows, what stands before the image's part that
    is given here; it grows.
    """
    count, seen = len(image), 0 if cache is None else cache.get_seq_length()
    text = torch.tensor([prompt + answer], device=image.device).expand(count, -1)
    text_positions = torch.arange(end, end + text.shape[1], device=image.device)[None].expand(count, -1)
    words = model.get_input_embeddings()(text).detach()
    embeddings = torch.cat([image.to(words.dtype), words], dim=1)
    logits = model(
        inputs_embeds=embeddings,
        # Said, because without it and without a cache a gap in the positions would be taken for another sequence.
        attention_mask=torch.ones(count, seen + embeddings.shape[1], dtype=torch.long, device=image.device),
        position_ids=torch.cat([positions.expand(count, -1), text_positions], dim=1),
        logits_to_keep=len(answer) + 1,
        past_key_values=cache,
        use_cache=cache is not None,
    ).logits[:, :-1]
    chosen = torch.tensor(answer, device=image.device)[None, :, None].expand(count, -1, -1)
    return logits.float().log_softmax(-1).gather(2, chosen).sum((1, 2))
