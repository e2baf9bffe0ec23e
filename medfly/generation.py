"""Greedy generation behind a prefix whose keys and values are known: the tokens of the plain path, for less work.

It ends where the published implementation ends, at the end of turn and nowhere else. The module knows token ids
only: no scan, no picture and no text.

Shapes: Q prompts, L length of the longest, V vocabulary.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import Cache

from medfly.dragonfly import DragonflyForCausalLM


class Streamer(Protocol):
    """transformers' protocol: the prompt [1, L] comes first, then each token [1], then the end."""

    def put(self, value: Tensor) -> Any: ...
    def end(self) -> Any: ...


@dataclass(frozen=True)
class Generated:
    """Token ids with the end of turn, if it was reached, and the geometric mean of their probabilities."""

    ids: list[int]
    confidence: float


@contextmanager
def ended(streamer: Streamer | None) -> Iterator[None]:
    """The streamer's end comes whatever happens, so that nobody waits for it in another thread for ever."""
    try:
        yield
    finally:
        if streamer is not None:
            streamer.end()


@torch.inference_mode()
def greedy(
    model: DragonflyForCausalLM,
    cache: Cache,
    seen: int,
    start: int,
    prompts: Sequence[list[int]],
    max_new_tokens: int,
    *,
    pad: int,
    streamer: Streamer | None = None,
) -> list[Generated]:
    """Answers to Q prompts behind one prefix, whose cache is left as it was.

    seen: number of tokens in the cache; start: the position of a prompt's first token. pad: any id.
    streamer: given the tokens of the only prompt; its end is the caller's business.
    """
    device, count = model.device, len(prompts)
    longest = max(len(prompt) for prompt in prompts)
    # Pads stand between the prefix and the question, unseen, and take no position.
    ids = torch.tensor([[pad] * (longest - len(p)) + p for p in prompts], device=device)
    real = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=device)
    mask = torch.cat([real.new_ones(count, seen), real], dim=1)
    positions = start + (real.cumsum(1) - 1).clamp(min=0)
    cache = _repeated(cache, count)
    tokens, logs = [], []
    done = torch.zeros(count, dtype=torch.bool, device=device)
    if streamer is not None:
        streamer.put(ids.cpu())
    for _ in range(max_new_tokens):
        logits = model(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, logits_to_keep=1
        ).logits[:, -1]
        best, ids = logits.float().log_softmax(-1).max(-1)
        tokens.append(torch.where(done, pad, ids))
        logs.append(torch.where(done, torch.nan, best))
        if streamer is not None:
            streamer.put(ids.cpu())
        done = done | (ids == model.config.end_of_turn_token_id)
        if done.all():
            break
        ids = ids[:, None]
        mask = torch.cat([mask, mask.new_ones(count, 1)], dim=1)
        positions = positions[:, -1:] + 1
    confidences = torch.stack(logs, 1).nanmean(1).exp().tolist()
    lengths = torch.stack(logs, 1).isfinite().sum(1).tolist()
    rows = torch.stack(tokens, 1).tolist()
    return [Generated(row[:n], c) for row, n, c in zip(rows, lengths, confidences, strict=True)]


def _repeated(cache: Cache, count: int) -> Cache:
    """A cache of its own for each prompt. Its tensors are shared until they grow: nobody writes into them."""
    mine = copy.copy(cache)
    mine.layers = [copy.copy(layer) for layer in cache.layers]
    if count > 1:
        mine.batch_repeat_interleave(count)
    return mine
