"""How much each crop raised the log-probability of an answer: integrated gradients over the crop tokens.

Between a baseline and what the model saw, the gradient of the answer's log-probability is summed along a
straight line (Sundararajan et al., 2017, "Axiomatic Attribution for Deep Networks"), so that the scores of all
crops add up to the difference that the picture makes against the baseline. The baseline of a crop is the mean
of all crops of its level: a crop that is like the others explains nothing. The low level is one crop; its
baseline is the mean of its own tokens, a picture without layout. The module does not know what would have been
answered without a crop: only a new answer can tell.

Shapes: K steps, P' image positions that are present, D decoder width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from medfly.dragonfly import DragonflyForCausalLM
from medfly.types import Level

STEPS = 8
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
    the newline last; end: the position of the beginning of text. One forward and one backward pass of K rows.
    """
    with torch.inference_mode(False), torch.enable_grad():
        image = embeddings.detach().clone()
        difference = image - mean_crops(image[0], crops)
        middles = (torch.arange(steps, device=image.device) + 0.5) / steps
        line = (image - (1 - middles[:, None, None]) * difference).requires_grad_()
        total = log_probability(model, line, positions.clone(), end, prompt, answer).sum()
        (gradient,) = torch.autograd.grad(total, line)
    shares = (gradient.mean(0) * difference[0]).sum(-1)
    return [float(shares[span.start : span.stop].sum()) for _, span in crops]


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
    model: DragonflyForCausalLM, image: Tensor, positions: Tensor, end: int, prompt: list[int], answer: list[int]
) -> Tensor:
    """log p(answer | image, prompt) in nats for each row of image [K, P', D]: [K]."""
    count = len(image)
    text = torch.tensor([prompt + answer], device=image.device).expand(count, -1)
    text_positions = torch.arange(end, end + text.shape[1], device=image.device)[None].expand(count, -1)
    logits = model(
        inputs_embeds=torch.cat([image, model.get_input_embeddings()(text).detach()], dim=1),
        position_ids=torch.cat([positions.expand(count, -1), text_positions], dim=1),
        logits_to_keep=len(answer) + 1,
    ).logits[:, :-1]
    chosen = torch.tensor(answer, device=image.device)[None, :, None].expand(count, -1, -1)
    return logits.float().log_softmax(-1).gather(2, chosen).sum((1, 2))
