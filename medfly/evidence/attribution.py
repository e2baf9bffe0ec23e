"""How much each image position mattered for an answer, by gradient × input.

The answer's log-probability is differentiated with respect to the embeddings of the image positions; a
position's score is |gradient · embedding| (Shrikumar et al., 2017, "gradient × input"). One forward and one
backward pass an answer. It is a first-order estimate: it does not know what would have been answered without
the crop.

Shapes: P' image positions that are present, D decoder width, T prompt and answer.
"""

from __future__ import annotations

import torch
from torch import Tensor

from medfly.dragonfly import DragonflyForCausalLM

METHOD = "gradient × input on the answer's log-probability, absolute, summed per crop, normalised to 1"


def crop_scores(
    model: DragonflyForCausalLM,
    embeddings: Tensor,
    positions: Tensor,
    end: int,
    prompt: list[int],
    answer: list[int],
) -> Tensor:
    """Scores of the image positions: [P'], not negative.

    embeddings [1, P', D] and positions [1, P'] of the prefix; end: the position of the beginning of text.
    """
    with torch.inference_mode(False), torch.enable_grad():
        image = embeddings.clone().detach().requires_grad_()
        text = torch.tensor([prompt + answer], device=image.device)
        text_positions = torch.arange(end, end + text.shape[1], device=image.device)[None]
        logits = model(
            inputs_embeds=torch.cat([image, model.get_input_embeddings()(text).detach()], dim=1),
            position_ids=torch.cat([positions.clone(), text_positions], dim=1),
            logits_to_keep=len(answer) + 1,
        ).logits[0, :-1]
        chosen = torch.tensor(answer, device=image.device)
        log_probability = logits.float().log_softmax(-1).gather(1, chosen[:, None]).sum()
        (gradient,) = torch.autograd.grad(log_probability, image)
    return (gradient * image.detach()).sum(-1).abs()[0].float()
