"""What a model gives for judging its answers: the options' probabilities, the picture's features, and so a Trust.

It joins the engine's parts with a calibration; it fits nothing and decides nothing itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medfly.trust.options import forms, options
from medfly.types import Sample, Trust, naming_question

if TYPE_CHECKING:
    from medfly.engine import MedFly, Prefix

LATER_TURN = "asked behind earlier turns; the calibration was made with single questions"


@dataclass(frozen=True)
class Measured:
    """An answer as a calibration is fitted on it. options: of a closed question → their probabilities, else None."""

    text: str
    confidence: float
    options: dict[str, float] | None


def judge(fly: MedFly, prefix: Prefix, question: str, prompt: list[int], confidence: float) -> Trust | None:
    """What to make of the answer to a question behind a prefix; None where the model has no calibration.

    prompt: the token ids that asked it; confidence: the answer's.
    """
    if fly.calibration is None:
        return None
    strange = strangeness(fly, prefix, question, later=prompt != fly.processor.prompt_ids(question))
    return fly.calibration.assess(confidence, option_probabilities(fly, prefix, question, prompt), strange)


def strangeness(fly: MedFly, prefix: Prefix, question: str, *, later: bool) -> tuple[str, ...]:
    """Why an answer will be deferred, as far as it is known before there is one; empty without a calibration.

    later: whether it is asked behind other turns.
    """
    if fly.calibration is None:
        return ()
    return (*[LATER_TURN] * later, *fly.calibration.familiar.strange(prefix.features, question))


def option_probabilities(fly: MedFly, prefix: Prefix, question: str, prompt: list[int]) -> dict[str, float] | None:
    """The options of a closed question → their probabilities, which add up to 1; None of other questions.

    An option's is the sum over the ways to write it (`forms`), each with the end of turn behind it.
    """
    found = options(question)
    if found is None:
        return None
    written = [(option, form) for option in found for form in forms(option)]
    logs = fly.log_probabilities(prefix, prompt, [form for _, form in written])
    sums = dict.fromkeys(found, 0.0)
    highest = max(logs)  # taken off before the exponential: all of them may be far below what a float holds
    for (option, _), log in zip(written, logs, strict=True):
        sums[option] += float(np.exp(log - highest))
    total = sum(sums.values())
    return {option: value / total for option, value in sums.items()}


def measured(
    fly: MedFly, samples: Sequence[Sample], *, max_new_tokens: int = 64, batch_size: int = 16
) -> tuple[list[float], list[Measured]]:
    """Of samples about one image: its features, and to each what a calibration is fitted on.

    The answers are those of `MedFly.answer`. Raises InputError with the id of the question that cannot be answered.
    """
    with naming_question(samples[0]):
        prefix = fly.read(samples[0].scan())
    prompts, found = [], []
    for sample in samples:
        with naming_question(sample):
            prompts.append(fly.prompt(sample.question, max_new_tokens, image_positions=prefix.end))
    for start in range(0, len(samples), batch_size):
        batch = slice(start, start + batch_size)
        results = fly.generate(prefix, prompts[batch], max_new_tokens)
        for sample, prompt, result in zip(samples[batch], prompts[batch], results, strict=True):
            shares = option_probabilities(fly, prefix, sample.question, prompt)
            found.append(Measured(fly.text(result.ids), result.confidence, shares))
    assert prefix.features is not None  # there is a picture
    return prefix.features, found
