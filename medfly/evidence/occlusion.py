"""What the answer loses when the model is not shown a crop: causal, where gradients are an approximation.

A crop is left out of the prefix as if its zoom level had not been wanted: its embeddings and its newline are dropped,
all other positions stay (see `MedFly.read`), and the answer that was given is read again. Its score is the change
of log p(answer) in nats: log p with all crops − log p without this one, positive where it made the answer more likely
("prediction difference", Zintgraf et al., 2017; occlusion: Zeiler and Fergus, 2014). There is no baseline picture
to be chosen, and nothing is approximated. But what two crops show alike, such as a medium crop and the high ones inside
it, is missed in neither, so scores do not add up to anything; only leaving them out together tells.

That is also the shortcut. The quadrants (a medium crop with the high crops inside it) are left out first, each as
a whole, and the crops one by one only in those whose joint effect is largest: `opened` has the rule. A crop that was
not left out on its own has no score, and nobody's share of its quadrant's effect is claimed for it.

The decoder is causal: what stands before the first crop left out is the same with and without it, so its keys and
values are taken from the prefix. Of a high crop, on average two thirds of the positions need not be read again.

Where high crops are selected by their likeness to medium ones (Dragonfly v1), the selection stays as it was.

Shapes: K rows (sets of crops left out, in one pass), P' image positions that are present, D decoder width.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from transformers import Cache

from medfly.dragonfly import DragonflyForCausalLM
from medfly.evidence import attribution
from medfly.evidence.attribution import log_probability
from medfly.geometry import LEVELS, Pyramid
from medfly.types import Box, Level

METHOD = "occlusion: change of log p(answer) in nats when a crop is left out"
SHARE = 0.8
"""Of what the quadrants that raised the answer raise it by in sum: enough, if the opened ones have that much."""
MOST_OPENED = 2
NEAR = 1 / 8
"""Of P': so much of what the cache holds may be read again for the sake of going through the decoder together."""


@dataclass(frozen=True)
class Effects:
    """scores: nats by crop, None where it was not left out on its own. quadrants: nats by quadrant, left out jointly,
    empty in the plain form. rows: how often the answer was read again. method: for `Evidence.method`."""

    scores: list[float | None]
    quadrants: list[float]
    rows: int
    method: str


@dataclass(frozen=True)
class Occluder:
    """An answer behind a prefix, to be read again with crops left out.

    embeddings [1, P', D], positions [1, P'] and cache of the prefix; crops: level and range within P' of each, the
    newline last; end: the position of the beginning of text; prompt, answer: token ids.
    """

    model: DragonflyForCausalLM
    embeddings: Tensor
    positions: Tensor
    cache: Cache
    crops: Sequence[tuple[Level, range]]
    end: int
    prompt: list[int]
    answer: list[int]

    def plain(self) -> Effects:
        """Every crop left out once."""
        singly: list[float | None] = list(self.effects([(crop,) for crop in range(len(self.crops))]))
        return Effects(singly, [], len(singly), METHOD)

    def hierarchical(self, quadrants: Sequence[Sequence[int]]) -> Effects:
        """The low crop, every quadrant as a whole, and single crops inside the quadrants that `opened` chooses.

        quadrants: the crops of each, as indices into `crops`, see `quadrants`; those of which nothing is present
        are told as 0.
        """
        if not any(quadrants):
            return self.plain()
        alone = [crop for crop, (level, _) in enumerate(self.crops) if level == "low"]
        first = self.effects([(crop,) for crop in alone] + [tuple(inside) for inside in quadrants if inside])
        together = iter(first[len(alone) :])
        joint = [next(together) if inside else 0.0 for inside in quadrants]
        inside = {crop for quadrant in opened(joint) for crop in quadrants[quadrant]}
        scores: list[float | None] = [None] * len(self.crops)
        for crop, effect in zip(alone, first, strict=False):
            scores[crop] = effect
        todo = sorted(inside)
        for crop, effect in zip(todo, self.effects([(crop,) for crop in todo]), strict=True):
            scores[crop] = effect
        return Effects(scores, joint, len(first) + len(todo), _told(joint))

    def effects(self, left_out: Sequence[Sequence[int]]) -> list[float]:
        """By how many nats each set of crops, indices into `crops`, raises log p(answer) when it is there."""
        if not left_out:
            return []
        whole, *logs = self.log_probabilities([(), *left_out])
        return [whole - log for log in logs]

    @torch.inference_mode()
    def log_probabilities(self, left_out: Sequence[Sequence[int]]) -> list[float]:
        """log p(answer) in nats without each set of crops, indices into `crops`; the empty set leaves all there."""
        logs: dict[int, float] = {}
        for batch, start in self._batches(left_out):
            logs |= dict(zip(batch, self._pass([left_out[one] for one in batch], start), strict=True))
        return [logs[one] for one in range(len(left_out))]

    def _batches(self, left_out: Sequence[Sequence[int]]) -> list[tuple[list[int], int]]:
        """Which sets go through the decoder together, and from which position within P' on.

        They are as many tokens long, and near neighbours, so that they share most of what need not be read again.
        """
        order = sorted(range(len(left_out)), key=lambda one: (self._dropped(left_out[one]), self._first(left_out[one])))
        batches: list[tuple[list[int], int]] = []
        for one in order:
            length = self._dropped(left_out[one])
            last = batches[-1][0] if batches else []
            near = last and self._first(left_out[one]) - batches[-1][1] <= NEAR * self.positions.shape[1]
            if near and len(last) < self._rows() and length == self._dropped(left_out[last[0]]):
                last.append(one)  # they are sorted: the first one's start is the earliest
            else:
                batches.append(([one], self._first(left_out[one])))
        return batches

    def _first(self, crops: Sequence[int]) -> int:
        return min((self.crops[crop][1].start for crop in crops), default=self.positions.shape[1])

    def _dropped(self, crops: Sequence[int]) -> int:
        return sum(len(self.crops[crop][1]) for crop in crops)

    def _rows(self) -> int:
        """As many rows at once as KEPT allows: each has the keys and values of all layers, and one layer's work."""
        text = self.model.config.text_config
        heads = text.num_key_value_heads * text.hidden_size // text.num_attention_heads
        position = 2 * heads * text.num_hidden_layers + 2 * text.intermediate_size + 4 * text.hidden_size
        length = self.positions.shape[1] + len(self.prompt) + len(self.answer)
        return max(1, attribution.KEPT // (length * position))

    def _pass(self, left_out: Sequence[Sequence[int]], start: int) -> list[float]:
        """log p(answer) without each of these sets, of which none has a crop before `start`."""
        present = self.positions.shape[1]
        kept = torch.ones(len(left_out), present, dtype=torch.bool)
        for row, crops in enumerate(left_out):
            for crop in crops:
                span = self.crops[crop][1]
                kept[row, span.start : span.stop] = False
        rows = [row.nonzero()[:, 0].to(self.embeddings.device) + start for row in kept[:, start:]]
        logs = log_probability(
            self.model,
            torch.stack([self.embeddings[0, row] for row in rows]),
            torch.stack([self.positions[0, row] for row in rows]),
            self.end,
            self.prompt,
            self.answer,
            beginning(self.cache, start, len(rows)),
        )
        return logs.tolist()


def beginning(cache: Cache, count: int, rows: int) -> Cache:
    """A cache of the first `count` tokens, for so many rows. The tensors are shared until they grow."""
    mine = copy.copy(cache)
    mine.layers = [copy.copy(layer) for layer in cache.layers]
    for layer in cast(list[Any], mine.layers):
        layer.keys = layer.keys[:, :, :count].expand(rows, -1, -1, -1)
        layer.values = layer.values[:, :, :count].expand(rows, -1, -1, -1)
    return mine


def quadrants(pyramid: Pyramid, crops: Sequence[tuple[Level, int]]) -> list[list[int]]:
    """Which of the crops (level, index within it) lie in which crop of the medium level, row by row.

    A high crop belongs to the one with which it shares most (of equals the first); the low crop to none. A quadrant
    of which nothing is present is empty.
    """
    boxes = [pyramid.crop("medium", index).box for index in range(pyramid.count("medium"))]
    found: list[list[int]] = [[] for _ in boxes]
    for number, (level, index) in enumerate(crops):
        if level != "low":
            box = pyramid.crop(level, index).box
            shared = [_shared(box, other) for other in boxes]
            found[shared.index(max(shared))].append(number)
    return found


def opened(joint: Sequence[float]) -> list[int]:
    """The quadrants whose crops are left out one by one: the one with the largest joint effect, whatever it is, and
    the next as long as those before have less than SHARE of all the positive effects; MOST_OPENED at most."""
    order = sorted(range(len(joint)), key=lambda quadrant: -joint[quadrant])
    wanted = SHARE * sum(effect for effect in joint if effect > 0)
    chosen: list[int] = []
    for quadrant in order[:MOST_OPENED]:
        if chosen and (joint[quadrant] <= 0 or sum(joint[one] for one in chosen) >= wanted):
            break
        chosen.append(quadrant)
    return chosen


def times_reading(model: DragonflyForCausalLM) -> float:
    """How much work the hierarchical form is, at most, as a multiple of reading the image. Arithmetic, not measured.

    As attribution.times_reading counts it; each occlusion reads the positions from its first gap on.
    """
    config, starts, start = model.config, {}, 0
    for level in LEVELS:
        length = config.tokens_per_crop[level] + 1
        starts[level] = [start + crop * length for crop in range(config.slots_per_level[level])]
        start += len(starts[level]) * length
    read = {level: sum(start - one for one in ones) for level, ones in starts.items()}
    part = MOST_OPENED / max(len(starts["medium"]), MOST_OPENED)
    positions = read["low"] + read["medium"] * (1 + part) + read["high"] * part
    patches = sum(config.crops_per_level.values()) * config.patch_grid**2
    decoder = model.language_model.num_parameters()
    return decoder * positions / (decoder * start + model.image_encoder.num_parameters() * patches)


def _shared(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)


def _told(joint: Sequence[float]) -> str:
    """The method, with what was left out together and what was not left out on its own."""
    if not joint:
        return METHOD
    effects = ", ".join(f"{effect:+.3f}" for effect in joint)
    which = " and ".join(str(quadrant + 1) for quadrant in sorted(opened(joint)))
    return (
        f"{METHOD}; the quarters of the picture with all their crops: {effects} (row by row); crops were left out one "
        f"by one only in quarter {which}, the others have no score"
    )
