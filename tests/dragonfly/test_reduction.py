"""The two reductions against the plain reading of the paper: every token projected, then averaged, crop by crop."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from medfly.dragonfly.reduction import MeanPooling, PatchSelection
from medfly.types import Level

PROJECT = nn.Linear(5, 7)
Levels = dict[Level, torch.Tensor]


def v1_levels(seed: int, batch: int = 3) -> Levels:
    draw = torch.Generator().manual_seed(seed)
    counts: dict[Level, int] = {"low": 1, "medium": 4, "high": 24}
    return {level: torch.randn(batch, n, 50, 5, generator=draw) for level, n in counts.items()}


def selection() -> PatchSelection:
    return PatchSelection(3, MeanPooling({"low": 1, "medium": 1, "high": 1}, class_tokens=1))


@pytest.mark.parametrize("seed", range(5))
@torch.no_grad()
def test_patch_selection_is_the_plain_one(seed: int) -> None:
    levels = v1_levels(seed)
    tokens, kept = selection()(levels, PROJECT)
    for image in range(3):
        medium, high = PROJECT(levels["medium"][image]), PROJECT(levels["high"][image])
        expected = []
        for k in range(4):
            likeness = [float(medium[k].mean(0) @ high[6 * k + j].mean(0)) for j in range(6)]
            best = sorted(range(6), key=lambda j: -likeness[j])[:3]
            expected += sorted(6 * k + j for j in best)
        assert kept[image].tolist() == expected
        parts = [PROJECT(levels["low"][image]).flatten(0, 1), medium.flatten(0, 1), high[expected].flatten(0, 1)]
        torch.testing.assert_close(tokens[image], torch.cat(parts))


@torch.no_grad()
def test_patch_selection_follows_a_planted_crop() -> None:
    """The crop that is made like its medium crop is kept, wherever it stands; another medium crop's is not."""
    for planted in range(24):
        levels = v1_levels(0, batch=1)
        levels["high"] = levels["high"] * 0.01
        levels["high"][0, planted] += 3 * levels["medium"][0, planted // 6].mean(0)
        project = nn.Linear(5, 7, bias=False)
        assert planted in selection()(levels, project).high_crops[0].tolist()


def test_patch_selection_refuses_crops_that_were_left_out() -> None:
    levels = v1_levels(0)
    with pytest.raises(ValueError, match="23 high crops and 4 medium crops: expected"):
        selection()({**levels, "high": levels["high"][:, :23]}, PROJECT)
    with pytest.raises(ValueError, match="0 medium crops"):
        selection()({**levels, "medium": levels["medium"][:, :0]}, PROJECT)


@torch.no_grad()
def test_pooling_before_the_projection_is_pooling_after_it() -> None:
    draw = torch.Generator().manual_seed(0)
    levels: Levels = {
        level: torch.randn(2, n, 17, 5, generator=draw) for level, n in (("low", 1), ("medium", 2), ("high", 3))
    }  # type: ignore[misc]
    tokens, kept = MeanPooling({"low": 1, "medium": 2, "high": 4}, class_tokens=1)(levels, PROJECT)
    assert kept.tolist() == [[0, 1, 2]] * 2
    for image in range(2):
        expected = [PROJECT(levels["low"][image, 0])]
        for level, side in (("medium", 2), ("high", 1)):
            for crop in PROJECT(levels[level][image]):
                grid, window = crop[1:].reshape(4, 4, 7), 4 // side
                means = [
                    grid[y * window : (y + 1) * window, x * window : (x + 1) * window].mean((0, 1))
                    for y in range(side)
                    for x in range(side)
                ]
                expected += [crop[:1], torch.stack(means)]
        torch.testing.assert_close(tokens[image], torch.cat(expected))
