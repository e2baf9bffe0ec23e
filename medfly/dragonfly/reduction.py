"""Two ways to make few tokens of many crops: mean pooling (v2) and zoom-in patch selection (v1).

Both take the tower's tokens by level and the projector, and give the projected tokens in the order of the image
positions. What is averaged is averaged before it is projected: both are linear, so the result is the same for
less work. The module knows no pixels and no text.

Shapes: B batch, n crops of a level, T tokens in all, K class tokens (0 or 1), g patch grid, C tower width,
D decoder width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from medfly.dragonfly.configuration import DragonflyConfig
from medfly.geometry import LEVELS
from medfly.types import Level

Projector = Callable[[Tensor], Tensor]


class ImageFeatures(NamedTuple):
    """tokens: [B, T, D], projected, without newlines.

    high_crops: [B, n], which of the high crops that were given these are, in the order of their tokens.
    """

    tokens: Tensor
    high_crops: Tensor


class Reduction(Protocol):
    """Tokens of each level's crops, {level: [B, n, K + g·g, C]}, and the projector C → D → ImageFeatures."""

    def __call__(self, levels: Mapping[Level, Tensor], project: Projector) -> ImageFeatures: ...


def reduction(config: DragonflyConfig) -> Reduction:
    """The reduction that a configuration asks for."""
    pool = MeanPooling(config.pool_windows or {}, int(config.class_token))
    return pool if config.kept_per_medium is None else PatchSelection(config.kept_per_medium, pool)


class MeanPooling:
    """v2: every crop is kept, its token grid averaged in windows. windows: side of the window by level."""

    def __init__(self, windows: Mapping[Level, int], class_tokens: int) -> None:
        self.windows = windows
        self.class_tokens = class_tokens

    def __call__(self, levels: Mapping[Level, Tensor], project: Projector) -> ImageFeatures:
        high = levels["high"]
        kept = torch.arange(high.shape[1], device=high.device).expand(len(high), -1)
        return ImageFeatures(project(self.pooled(levels)), kept)

    def pooled(self, levels: Mapping[Level, Tensor]) -> Tensor:
        """All levels' pooled tokens, one after the other: [B, T, C]."""
        parts = []
        for level in LEVELS:
            tokens = levels[level]
            pooled = mean_pool(tokens.flatten(0, 1), self.windows[level], self.class_tokens)
            parts.append(pooled.reshape(len(tokens), -1, pooled.shape[-1]))
        return torch.cat(parts, dim=1)


class PatchSelection:
    """v1: of the high crops that belong to a medium crop the `kept` likest are read, in their own order.

    High crops belong to medium crops by their number: with 4 medium and 24 high crops, 6k … 6k + 5 to the k-th.
    Likeness is the dot product of the crops' mean projected tokens (arXiv 2406.00977v1, zoom-in patch selection).
    """

    def __init__(self, kept: int, pool: MeanPooling) -> None:
        self.kept = kept
        self.pool = pool

    def __call__(self, levels: Mapping[Level, Tensor], project: Projector) -> ImageFeatures:
        """Raises ValueError where crops were left out: the selection needs all that belong together."""
        medium, high = levels["medium"], levels["high"]
        if not medium.shape[1] or high.shape[1] % medium.shape[1] or high.shape[1] < self.kept * medium.shape[1]:
            raise ValueError(
                f"{high.shape[1]} high crops and {medium.shape[1]} medium crops: expected the high crops of each "
                "medium crop, none left out, to select the best of them"
            )
        crops = self.select(project(medium.mean(2)), project(high.mean(2)))
        chosen = high.gather(1, crops[:, :, None, None].expand(-1, -1, *high.shape[2:]))
        return ImageFeatures(project(self.pool.pooled({**levels, "high": chosen})), crops)

    def select(self, medium: Tensor, high: Tensor) -> Tensor:
        """Mean projected tokens [B, m, D] and [B, m·k, D] → the kept high crops' numbers, rising: [B, m·kept]."""
        groups = high.float().unflatten(1, (medium.shape[1], -1))
        likeness = torch.einsum("bmd,bmkd->bmk", medium.float(), groups)
        best = likeness.topk(self.kept, dim=-1).indices.sort(dim=-1).values
        first = torch.arange(medium.shape[1], device=high.device)[:, None] * groups.shape[2]
        return (best + first).flatten(1)


def mean_pool(tokens: Tensor, window: int, class_tokens: int) -> Tensor:
    """Mean over window × window neighbours of the token grid. [N, K + g·g, C] → [N, K + (g/window)², C]"""
    if window == 1:
        return tokens
    lead, grid = tokens[:, :class_tokens], tokens[:, class_tokens:]
    side = int(grid.shape[1] ** 0.5)
    pooled = F.avg_pool2d(grid.transpose(1, 2).unflatten(2, (side, side)), window).flatten(2).transpose(1, 2)
    return torch.cat([lead, pooled], dim=1)
