"""One answer held still while its evidence is questioned: crops are taken away, weights are drawn anew.

What a measure of faithfulness needs of a model, in plain numbers and lists, so that whoever measures need not know
tensors: the answer as it was given, the crops, their scores in each way that evidence is made, and log p(answer) with
any crops left out of the prefix (as medfly.evidence.occlusion leaves them out: there is no baseline picture to choose).
And the control: the same model with weights that have forgotten what they learned (Adebayo et al., 2018, "Sanity
Checks for Saliency Maps"). It judges nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

from medfly import engine
from medfly.engine import MedFly, Prefix
from medfly.evidence import Wanted
from medfly.evidence.explaining import explain, occluder
from medfly.evidence.occlusion import Occluder
from medfly.geometry import Crop
from medfly.types import InputError, Scan

PARTS = {"decoder": ("language_model",), "tower": ("image_encoder", "vision_embed_tokens")}
"""What can be drawn anew. The decoder holds the words' embeddings; to the tower belongs what projects its tokens."""


@dataclass(frozen=True)
class Probe:
    """An answer to one question about one image. ids: its tokens, the end of turn with them if it was reached."""

    fly: MedFly
    prefix: Prefix
    prompt: list[int]
    ids: list[int]

    @property
    def text(self) -> str:
        """The answer in words."""
        return self.fly.text(self.ids)

    @property
    def crops(self) -> tuple[Crop, ...]:
        """What the model saw, in its order: low, medium, high, each row by row; boxes in source pixels."""
        pyramid = self.prefix.pyramid
        assert pyramid is not None  # there is an image
        return tuple(pyramid.crop(level, index) for level, index in self.prefix.crops)

    def scores(self, way: Wanted) -> list[float | None]:
        """Each crop's share in the answer, in nats, as `MedFly.ask(evidence=way)` finds it; None where it has none."""
        found = explain(self.fly.model, self.fly.processor.tokens_per_crop, self.prefix, self.prompt, self.ids, way)
        told = {} if found is None else {(region.level, region.crop): region.score for region in found.regions}
        return [told.get(crop) for crop in self.prefix.crops]

    def log_probabilities(self, left_out: Sequence[Sequence[int]]) -> list[float]:
        """log p(answer) in nats without each of these sets of crops, indices into `crops`."""
        return self._occluder.log_probabilities(left_out)

    @cached_property
    def _occluder(self) -> Occluder:
        return occluder(self.fly.model, self.fly.processor.tokens_per_crop, self.prefix, self.prompt, self.ids)


@dataclass(frozen=True)
class Prober:
    """A model as something to be probed. name, hash: see MedFly."""

    fly: MedFly

    @property
    def name(self) -> str:
        return self.fly.name

    @property
    def hash(self) -> str:
        return self.fly.hash

    def probes(
        self,
        scan: Scan,
        questions: Sequence[str],
        answers: Sequence[list[int]] | None = None,
        max_new_tokens: int = 64,
    ) -> list[Probe]:
        """Each question's answer, greedily; the image is read once.

        answers: token ids (`Probe.ids`) to be probed in place of what this model would say, one answer a question.
        Raises InputError for a question that is empty or does not fit, ValueError for another number of answers.
        """
        positions = self.fly.model.config.num_image_positions
        prompts = [self.fly.prompt(one, max_new_tokens, image_positions=positions) for one in questions]
        prefix = self.fly.read(scan)
        if answers is None:
            answers = [one.ids for one in self.fly.generate(prefix, prompts, max_new_tokens)] if prompts else []
        return [Probe(self.fly, prefix, prompt, ids) for prompt, ids in zip(prompts, answers, strict=True)]

    def randomised(self, part: str, seed: int) -> Prober:
        """See `randomised`, of one of PARTS."""
        return Prober(randomised(self.fly, seed, [part]))


def load(name: str) -> Prober:
    """As `medfly.load`. Raises InputError."""
    return Prober(engine.load(name))


@torch.no_grad()
def randomised(fly: MedFly, seed: int, parts: Sequence[str] = tuple(PARTS)) -> MedFly:
    """A copy with the weights of these PARTS drawn anew: each tensor keeps its values, in a seeded random order.

    So every tensor has exactly the scale that it had, whatever it is, and nothing of what training put into its order.
    Tied weights stay tied; the running statistics of batch normalisation are no weights and stay. The copy takes as
    much memory again. Raises InputError for an unknown part, and for quantised weights, whose order is a packing.
    """
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise InputError(f"found part {unknown[0]!r} of a model; expected one of {', '.join(PARTS)}: choose one")
    if getattr(fly.model.config, "quantization_config", None) is not None:
        raise InputError(
            f"{fly.name}: found quantised weights ({fly.model.precision}); expected plain ones to draw anew: load it "
            "without quantisation"
        )
    model = copy.deepcopy(fly.model)
    generator = torch.Generator().manual_seed(seed)
    for part in parts:
        for module in PARTS[part]:
            _shuffle(getattr(model, module), generator)
    told = f"{' and '.join(parts)} drawn anew, seed {seed}"
    return MedFly(model, fly.processor, name=f"{fly.name} ({told})", hash=f"{fly.hash} {told}")


def _shuffle(module: nn.Module, generator: torch.Generator) -> None:
    """Every parameter's values in another order, in place; one that stands twice is shuffled once."""
    for parameter in module.parameters():
        order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
        parameter.copy_(parameter.flatten()[order].view_as(parameter))
