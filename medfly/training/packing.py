"""All questions of an image in one sequence behind its shared image prefix.

The prefix is read once and seen by every question; questions do not see each other; positions restart after
the prefix. So the loss equals that of one sequence a question, for a fraction of the work. The module knows
token ids only: no pixels, no model.

Shapes: B images, S packed length, P image positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, takewhile

import torch
from torch import Tensor

IGNORED = -100
PREFIX, PADDING = 0, -1


@dataclass(frozen=True)
class Turn:
    """A question's prompt (from the beginning of text) and its answer (with the end of turn), as token ids."""

    prompt: list[int]
    answer: list[int]


@dataclass(frozen=True)
class Packed:
    """One image's sequence, each [S]. segments: 0 for the prefix, k for question k, -1 for padding."""

    input_ids: Tensor
    position_ids: Tensor
    segments: Tensor
    labels: Tensor


def pack(image_ids: list[int], image_positions: list[int], end: int, turns: Sequence[Turn]) -> Packed:
    """The prefix and its questions one after the other; labels only on answer tokens and the end of turn.

    image_positions: of the image_ids; where crops are left out there are gaps. end: P, where text starts.
    What all prompts begin with (the turn's header) stands once, in the prefix: causal attention cannot tell.
    """
    header = _common_start([turn.prompt for turn in turns])
    shared, start = len(image_ids) + len(header), end + len(header)
    ids, labels = [image_ids + header], [[IGNORED] * shared]
    positions, segments = [image_positions + list(range(end, start))], [[PREFIX] * shared]
    for number, turn in enumerate(turns, start=1):
        own = turn.prompt[len(header) :]
        length = len(own) + len(turn.answer)
        ids.append(own + turn.answer)
        positions.append(list(range(start, start + length)))
        segments.append([number] * length)
        labels.append([IGNORED] * len(own) + turn.answer)
    return Packed(*(torch.tensor(list(chain.from_iterable(parts))) for parts in (ids, positions, segments, labels)))


def _common_start(prompts: Sequence[list[int]]) -> list[int]:
    """The longest list with which all prompts begin."""
    same = takewhile(lambda column: len(set(column)) == 1, zip(*prompts, strict=False))
    return [column[0] for column in same]


def packed_mask(segments: Tensor) -> Tensor:
    """segments [B, S] → [B, 1, S, S] bool, True where the query (row) may see the key (column).

    Causal, and the key belongs to the prefix or to the query's own question. No question sees padding; padding
    sees itself, because a row without any key would be undefined in the softmax.
    """
    length = segments.shape[1]
    queries, keys = segments[:, :, None], segments[:, None, :]
    causal = torch.ones(length, length, dtype=torch.bool, device=segments.device).tril()
    allowed = causal & ((keys == PREFIX) | (keys == queries)) & (keys != PADDING)
    return (allowed | torch.eye(length, dtype=torch.bool, device=segments.device))[:, None]


def collate(packs: Sequence[Packed], pixel_values: Sequence[Tensor], pad_token_id: int) -> dict[str, Tensor]:
    """Packed images → a right-padded batch for `DragonflyForCausalLM.forward`."""

    def padded(name: str, value: int) -> Tensor:
        rows = [getattr(one, name) for one in packs]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)

    return {
        "input_ids": padded("input_ids", pad_token_id),
        "position_ids": padded("position_ids", 0),
        "attention_mask": packed_mask(padded("segments", PADDING)),
        "labels": padded("labels", IGNORED),
        "pixel_values": torch.stack(list(pixel_values)),
    }
