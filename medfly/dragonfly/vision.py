"""Which of a vision tower's hidden states the decoder reads, computed without the layers behind it.

The module knows no levels and no decoder.

Shapes: N crops, R crop side, C tower width, g patch grid, K class tokens (0 or 1).
"""

from __future__ import annotations

from torch import Tensor, nn
from transformers import CLIPVisionModel


def hidden_state(tower: nn.Module, crops: Tensor, layer: int) -> Tensor:
    """The tower's tokens after `layer`, an index into its hidden states. [N, 3, R, R] → [N, K + g·g, C]

    In CLIP the layers behind it are skipped: the published models read the last state but one. Another tower
    runs whole.
    """
    if isinstance(tower, CLIPVisionModel):
        states = len(tower.encoder.layers) + 1
        tokens = tower.pre_layrnorm(tower.embeddings(crops))
        for block in tower.encoder.layers[: range(states)[layer]]:
            tokens = block(tokens, None)
        return tokens
    if layer == -1:
        tokens = tower(crops).last_hidden_state
    else:
        tokens = tower(crops, output_hidden_states=True).hidden_states[layer]
    if tokens.ndim == 4:  # a convolutional tower gives [N, C, g, g]
        tokens = tokens.flatten(2).transpose(1, 2)
    return tokens
