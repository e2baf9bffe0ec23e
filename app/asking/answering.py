"""What a job asks of a model: an answer, told as it comes; the same under changes; the same without one crop.

The order is that of `medfly ask --stream`: what is strange about picture or question is known, and told, before the
first word; how sure the answer is, behind its words; its evidence last, which takes longest. The steps are the
engine's own. The module knows no page and no Streamlit; questions and answers go nowhere but to the job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from app.asking import regions
from app.jobs import Job
from app.models import Hold, Kept, Shared
from medfly import wording
from medfly.types import Answer, Box, InputError, Level, Scan, VoiLut, Window

if TYPE_CHECKING:
    from medfly.engine import MedFly, Prefix

LONGEST = 64
"""Tokens of an answer, as everywhere."""


@dataclass(frozen=True, eq=False)
class Subject:
    """What is asked about. scan: the whole frame. window: as chosen for it, None for colour. region: the part that the
    model is shown, whole pixels, or None for all of it."""

    scan: Scan
    window: Window | VoiLut | None
    region: Box | None = None

    @property
    def shown(self) -> Scan:
        """What the model is shown."""
        return self.scan if self.region is None else regions.cut(self.scan, self.region)

    def mapped(self, answer: Answer) -> Answer:
        return answer if self.region is None else regions.mapped(answer, self.scan, self.region)


@dataclass(frozen=True)
class Check:
    """An answer without one crop. text: what is answered then; same: whether it says the same.

    nats: by how much the crop raised log p of the first answer.
    """

    level: Level
    crop: int
    text: str
    same: bool
    nats: float


def answer(shared: Shared, subject: Subject, question: str, earlier: Sequence[tuple[str, str]], kept: Kept, job: Job):
    """The answer, with its evidence, behind earlier turns about the same picture. Raises InputError."""
    fly = shared.fly
    if not question.strip():  # before anybody waits in line for it
        raise InputError("an empty question: expected some words, such as 'Which organ is abnormal?'")
    view = fly.view(subject.shown, window=subject.window)
    with shared.turn(job.waiting):
        job.tell(stage="reading")
        prefix = shared.read(view, kept)
        said, prompt, result = _words(fly, prefix, question, earlier, job)
        said = replace(said, provenance={**said.provenance, "earlier_turns": _turns(earlier)})
        job.tell(stage="evidence", words=said.text, answer=subject.mapped(said))
        evidence = fly.finish(prefix, question, prompt, result, evidence=True, trust=False).evidence
    return subject.mapped(replace(said, evidence=evidence))


def _words(fly: MedFly, prefix: Prefix, question: str, earlier: Sequence[tuple[str, str]], job: Job):
    """The answer without its evidence, and the prompt and tokens that it is made of."""
    from medfly.trust import strangeness

    prompt = fly.prompt(question, LONGEST, image_positions=prefix.end, earlier=earlier)
    strange = wording.because(strangeness(fly, prefix, question, later=bool(earlier)))
    job.tell(stage="answering", strange=strange)
    (result,) = fly.generate(prefix, [prompt], LONGEST, Words(fly, job))
    return fly.finish(prefix, question, prompt, result, evidence=False), prompt, result


class Words:
    """A streamer that tells a job the words of an answer; the last one may still grow, and is kept back."""

    def __init__(self, fly: MedFly, job: Job) -> None:
        self._fly, self._job = fly, job
        self._started = False
        self._ids: list[int] = []

    def put(self, value: Any) -> None:
        if not self._started:
            self._started = True  # this is the prompt
            return
        self._ids += value.tolist()
        words = self._fly.text(self._ids).rsplit(maxsplit=1)
        self._job.tell(words=words[0] if len(words) == 2 else "")

    def end(self) -> None:
        """The answer itself comes next, whole."""


def varied(shared: Shared, subject: Subject, given: Answer, job: Job) -> Answer:
    """The answer with what is answered under changes that should not matter; others go first between two of them.

    Raises InputError for an answer that hangs on earlier turns.
    """
    from medfly.sensitivity import reads, with_variations

    if given.provenance.get("earlier_turns"):
        raise InputError("an answer behind earlier turns; expected one to a single question: ask it on its own")
    scan = subject.shown
    done, total = 0, reads(scan, [given.question], subject.window)

    def advance(hold: Hold) -> None:
        nonlocal done
        done += 1
        job.tell(done=done)
        hold.pass_on()

    with shared.turn(job.waiting) as hold:
        job.tell(stage="looking", total=total)
        (found,) = with_variations(
            shared.fly,
            scan,
            [given],
            window=subject.window,
            max_new_tokens=LONGEST,
            advance=lambda: advance(hold),
        )
    return found


def check(shared: Shared, subject: Subject, given: Answer, crop: tuple[Level, int], kept: Kept, job: Job) -> Check:
    """Does the answer change without this crop? Asked again with all else as it was. Raises InputError."""
    from medfly.sensitivity import same_answer

    fly = shared.fly
    view = fly.view(subject.shown, window=subject.window)
    with shared.turn(job.waiting):
        job.tell(stage="reading")
        prefix = shared.read(view, kept)
        if crop not in prefix.crops:
            raise InputError(f"crop {crop[0]} {crop[1]}: the model did not look at it; expected one that it did")
        prompt = fly.prompt(
            given.question, LONGEST, image_positions=prefix.end, earlier=earlier_turns(given.provenance)
        )
        job.tell(stage="looking")
        number = prefix.crops.index(crop)
        (nats,) = fly.occluder(prefix, prompt, given.text).effects([(number,)])
        job.tell()
        (result,) = fly.generate(without(fly, prefix, number), [prompt], LONGEST)
    said = fly.text(result.ids)
    return Check(*crop, said, same_answer(said, given.text), nats)


def without(fly: MedFly, prefix: Prefix, number: int) -> Prefix:
    """The prefix as it is with one of its crops left out: the others' places, and what stands before it, stay."""
    import torch

    from medfly.evidence.explaining import spans
    from medfly.evidence.occlusion import beginning

    _, span = spans(prefix, fly.processor.tokens_per_crop)[number]
    kept = [at for at in range(prefix.positions.shape[1]) if at not in span]
    behind = [at for at in kept if at >= span.stop]
    cache = beginning(prefix.cache, span.start, 1)
    if behind:
        with torch.inference_mode():
            cache = fly.model.language_model.model(
                inputs_embeds=prefix.embeddings[:, behind],
                position_ids=prefix.positions[:, behind],
                past_key_values=cache,
                use_cache=True,
            ).past_key_values
    return replace(
        prefix,
        embeddings=prefix.embeddings[:, kept],
        positions=prefix.positions[:, kept],
        cache=cache,
        crops=[crop for at, crop in enumerate(prefix.crops) if at != number],
    )


def earlier_turns(provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The questions and answers before this one, as its provenance names them."""
    return [(turn["question"], turn["answer"]) for turn in provenance.get("earlier_turns", ())]


def _turns(earlier: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"question": asked, "answer": said} for asked, said in earlier]
