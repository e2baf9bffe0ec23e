"""An answer's evidence, and an answer read again with crops left out, behind a prefix that the engine has read.

It joins what the ways of asking (attribution, occlusion) need: which positions belong to which crop, where the crops
lie in the scan, and the answer's tokens. It asks nothing and shows nothing.

Shapes: P' image positions that are present.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from medfly.dragonfly import DragonflyForCausalLM
from medfly.evidence import Wanted
from medfly.evidence.attribution import METHOD, crop_scores
from medfly.evidence.occlusion import Occluder, quadrants
from medfly.geometry import sources
from medfly.types import Evidence, Level, Region

if TYPE_CHECKING:
    from medfly.engine import Prefix


def spans(prefix: Prefix, tokens_per_crop: Mapping[Level, int]) -> list[tuple[Level, range]]:
    """Level and range within P' of each of the prefix's crops, the newline last."""
    found: list[tuple[Level, range]] = []
    start = 0
    for level, _ in prefix.crops:
        length = tokens_per_crop[level] + 1
        found.append((level, range(start, start + length)))
        start += length
    return found


def occluder(
    model: DragonflyForCausalLM,
    tokens_per_crop: Mapping[Level, int],
    prefix: Prefix,
    prompt: list[int],
    answer: list[int],
) -> Occluder:
    """The answer's token ids behind the prompt's, to be read again with crops left out."""
    crops = spans(prefix, tokens_per_crop)
    return Occluder(model, prefix.embeddings, prefix.positions, prefix.cache, crops, prefix.end, prompt, answer)


def explain(
    model: DragonflyForCausalLM,
    tokens_per_crop: Mapping[Level, int],
    prefix: Prefix,
    prompt: list[int],
    answer: list[int],
    wanted: Wanted,
) -> Evidence | None:
    """The evidence of an answer; None where none is wanted, and where there was no image."""
    if not wanted or prefix.pyramid is None:
        return None
    if wanted is True:
        method = METHOD
        crops = spans(prefix, tokens_per_crop)
        scores: Sequence[float | None] = crop_scores(
            model, prefix.embeddings, prefix.positions, crops, prefix.end, prompt, answer
        )
    else:
        occluded = occluder(model, tokens_per_crop, prefix, prompt, answer)
        every = wanted == "causal_all"
        effects = occluded.plain() if every else occluded.hierarchical(quadrants(prefix.pyramid, prefix.crops))
        method, scores = effects.method, effects.scores
    regions = []
    for (level, crop), score in zip(prefix.crops, scores, strict=True):
        if score is None:
            continue
        box = prefix.pyramid.crop(level, crop).box
        regions.append(Region(level, crop, box, score, sources(box, prefix.tiles)))
    return Evidence(method, tuple(sorted(regions, key=lambda region: -region.score)))
