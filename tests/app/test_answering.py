"""Answers as jobs make them: those of the engine, told in the right order, and the model free again after all."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import medfly
from app.asking import answering
from app.asking.answering import Subject, check, varied, without
from app.jobs import Job, Told
from app.models import Kept, Shared
from medfly.display import chosen_window
from medfly.sensitivity import with_variations
from medfly.trust.asking import LATER_TURN
from medfly.types import InputError, Scan
from medfly.wording import DEFERRED

from ..trust.conftest import made_calibration

QUESTION = "Is the lung healthy?"
REGION = (20, 10, 90, 60)


def noise(seed: int) -> Scan:
    pixels = np.random.default_rng(seed).normal(0, 300, (80, 120)).astype(np.float32)
    return Scan(pixels, input_hash=str(seed), modality="CT", spacing=(1.0, 1.0))


SCAN = noise(0)
SUBJECT = Subject(SCAN, chosen_window(SCAN))


LONGEST = 12
"""Tokens: the random model never ends by itself."""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "LONGEST", LONGEST)


@pytest.fixture(scope="module")
def shared(tiny_model: Path) -> Shared:
    """A random model, with a calibration to which noise is familiar, and any words."""
    fly = medfly.load(str(tiny_model), device="cpu")
    features = np.array([fly.read(noise(seed)).features for seed in range(10)])
    words = dataclasses.replace(made_calibration(features).familiar, strangest=1.0)
    fly.calibration = made_calibration(threshold=0.0, familiar=words, model_hash=fly.hash)
    return Shared(fly)


class Recorded(Job):
    """A job that keeps all that it told. stop_at: cancelled at the first step for which this holds."""

    def __init__(self, work: Callable[[Job], Any], stop_at: Callable[[Told], bool] = lambda told: False) -> None:
        self.steps: list[Told] = []
        self.stop_at = stop_at
        super().__init__(work)

    def tell(self, **changes: Any) -> None:
        super().tell(**changes)
        self.steps.append(self.told)
        if self.stop_at(self.told):
            self.cancel()


def asked(shared: Shared, subject: Subject, earlier: list[tuple[str, str]] = [], **options: Any) -> Recorded:  # noqa: B006
    job = Recorded(lambda job: answering.answer(shared, subject, QUESTION, earlier, Kept(), job), **options)
    assert job.wait(60) and len(shared.line) == 0
    return job


def in_line(shared: Shared, count: int) -> None:
    """Until so many stand in the line."""
    while len(shared.line) < count:
        time.sleep(0.001)


def test_it_is_the_engines_answer(shared: Shared) -> None:
    job, plain = asked(shared, SUBJECT), shared.fly.ask(SCAN, QUESTION, max_new_tokens=LONGEST)
    assert job.error is None
    assert job.result == dataclasses.replace(plain, provenance={**plain.provenance, "earlier_turns": []})
    assert plain.evidence is not None and len(plain.evidence.regions) == 41


def test_a_later_turn_is_the_conversations(shared: Shared) -> None:
    chat = shared.fly.chat(SCAN)
    first = chat.ask("Where is the liver?", evidence=False, max_new_tokens=LONGEST)
    job = asked(shared, SUBJECT, [("Where is the liver?", first.text)])
    assert job.result == chat.ask(QUESTION, max_new_tokens=LONGEST)
    assert job.told.strange == (DEFERRED, f"because: {LATER_TURN}")


def test_what_is_strange_is_told_before_the_first_word_and_the_evidence_comes_last(shared: Shared) -> None:
    steps = asked(shared, SUBJECT, [("Where is the liver?", "Left")]).steps  # behind a turn: it will be deferred
    stages = [step.stage for step in steps]
    assert list(dict.fromkeys(stages)) == ["reading", "answering", "evidence"]
    strange = next(number for number, step in enumerate(steps) if step.strange is not None)
    assert strange == stages.index("answering") and not steps[strange].words
    assert steps[strange].strange == (DEFERRED, f"because: {LATER_TURN}")
    assert steps[-1].answer is not None and steps[-1].answer.evidence is None and steps[-1].answer.trust is not None
    blank = asked(shared, Subject(Scan(np.zeros((80, 120, 3), np.uint8)), None))
    assert blank.told.strange is not None and "blank" in blank.told.strange[1]
    familiar = asked(shared, SUBJECT).steps
    assert next(step.strange for step in familiar if step.stage == "answering") == ()


def test_words_come_one_by_one(shared: Shared) -> None:
    """Each when the next has begun, for until then it may still grow."""
    job = Recorded(lambda job: None)
    words = answering.Words(shared.fly, job)
    sentence = "Is the lung healthy? Yes"
    ids = torch.tensor(shared.fly.processor.tokenizer(sentence, add_special_tokens=False)["input_ids"])
    words.put(torch.tensor([1, 2, 3]))  # a streamer is given the prompt first
    for one in ids:
        words.put(one[None])
    said = list(dict.fromkeys(step.words for step in job.steps))
    assert said == ["", "Is", "Is the", "Is the lung", "Is the lung healthy?"]


def test_words_are_the_answers(shared: Shared) -> None:
    steps = asked(shared, SUBJECT).steps
    said = [step.words for step in steps if step.stage == "answering"]
    text = steps[-1].words
    assert text == shared.fly.ask(SCAN, QUESTION, evidence=False, max_new_tokens=LONGEST).text
    assert all(len(one) <= len(other) for one, other in pairwise(said))
    assert all(text.startswith(words) for words in said)


@pytest.mark.parametrize("stage", ["reading", "answering", "evidence"])
def test_cancelled_at_any_stage_it_leaves_the_model_to_the_next(shared: Shared, stage: str) -> None:
    job = asked(shared, SUBJECT, stop_at=lambda told: told.stage == stage)
    assert job.cancelled and len(shared.line) == 0 and job.error is None
    if stage == "evidence":  # behind the words there is no step left: the answer came, whole
        assert job.result is not None
    assert asked(shared, SUBJECT).result is not None


def test_whoever_waits_is_told_how_many_are_before_and_may_leave(shared: Shared) -> None:
    with shared.turn():
        told = threading.Event()
        job = Recorded(
            lambda job: answering.answer(shared, SUBJECT, QUESTION, [], Kept(), job),
            stop_at=lambda step: bool(step.before) and not told.set(),
        )
        assert told.wait(10) and job.wait(10) and job.result is None
        assert job.told.stage == "waiting" and job.told.before == 1 and len(shared.line) == 1


def test_a_region_is_asked_in_the_whole_frames_window_and_its_boxes_lie_in_it(shared: Shared) -> None:
    part = Scan(SCAN.pixels[10:60, 20:90], input_hash="0", modality="CT", spacing=(1.0, 1.0))
    assert chosen_window(part) != SUBJECT.window  # by its own values it would be another
    plain = shared.fly.ask(part, QUESTION, window=SUBJECT.window, max_new_tokens=LONGEST)
    answer = asked(shared, Subject(SCAN, SUBJECT.window, REGION)).result
    assert (answer.text, answer.confidence) == (plain.text, plain.confidence)
    for here, there in zip(answer.evidence.regions, plain.evidence.regions, strict=True):
        x0, y0, x1, y1 = there.box
        assert here.box == (x0 + 20, y0 + 10, x1 + 20, y1 + 10) and here.score == there.score
    assert answer.provenance["region"] == list(REGION) and answer.provenance["size"] == [120, 80]
    assert "x 20–90, y 10–60" in " ".join(answer.provenance["notes"])


def test_an_empty_question_is_told_without_waiting(shared: Shared) -> None:
    with shared.turn():
        job = Recorded(lambda job: answering.answer(shared, SUBJECT, "  ", [], Kept(), job))
        assert job.wait(10) and job.error is not None and "empty question" in job.error


def test_under_changes_others_go_first_between_two_pictures(shared: Shared) -> None:
    plain = shared.fly.ask(SCAN, QUESTION, max_new_tokens=LONGEST)
    (wanted,) = with_variations(shared.fly, SCAN, [plain], window=SUBJECT.window, max_new_tokens=LONGEST)
    between: list[int] = []
    job: Recorded

    def other() -> None:
        with shared.turn():
            between.append(job.told.done)

    with shared.turn():
        job = Recorded(lambda job: varied(shared, SUBJECT, plain, job))
        waiting = threading.Thread(target=other)
        in_line(shared, 2)
        waiting.start()
        in_line(shared, 3)
    assert job.wait(60)
    waiting.join()
    assert job.result == wanted and len(wanted.variations) > 5
    assert job.told.done == job.told.total > 1 and 0 < between[0] < job.told.total


def test_a_later_turn_is_not_varied(shared: Shared) -> None:
    later = asked(shared, SUBJECT, [("Why?", "No")]).result
    job = Recorded(lambda job: varied(shared, SUBJECT, later, job))
    assert job.wait(10) and job.error is not None and "earlier turns" in job.error


def test_without_the_low_crop_it_is_what_the_engine_reads_without_that_level(shared: Shared) -> None:
    fly = shared.fly
    whole, none_low = fly.read(SCAN), fly.read(SCAN, levels=("medium", "high"))
    mine = without(fly, whole, 0)
    assert mine.crops == none_low.crops and torch.equal(mine.positions, none_low.positions)
    prompt = fly.prompt(QUESTION, LONGEST, image_positions=whole.end)
    assert fly.text(fly.generate(mine, [prompt], LONGEST)[0].ids) == fly.text(
        fly.generate(none_low, [prompt], LONGEST)[0].ids
    )
    texts = ["Yes", "No", "Left lung"]
    assert fly.log_probabilities(mine, prompt, texts) == pytest.approx(
        fly.log_probabilities(none_low, prompt, texts), abs=1e-4
    )


@pytest.mark.parametrize("number", [1, 17, 40])  # the last one has nothing behind it
def test_a_check_is_the_answer_without_a_crop_and_its_nats_are_the_occluders(shared: Shared, number: int) -> None:
    fly, given = shared.fly, shared.fly.ask(SCAN, QUESTION, evidence=False, max_new_tokens=LONGEST)
    prefix = fly.read(SCAN)
    job = Recorded(lambda job: check(shared, SUBJECT, given, prefix.crops[number], Kept(), job))
    assert job.wait(30) and job.error is None
    prompt = fly.prompt(QUESTION, LONGEST, image_positions=prefix.end)
    before = fly.log_probabilities(prefix, prompt, [given.text])[0]
    after = fly.log_probabilities(without(fly, prefix, number), prompt, [given.text])[0]
    assert (
        job.result.nats == pytest.approx(before - after, abs=1e-4)
        and (job.result.level, job.result.crop) == prefix.crops[number]
    )
    assert job.result.same == (job.result.text == given.text)


def test_a_crop_that_was_not_looked_at_cannot_be_left_out(shared: Shared) -> None:
    given = shared.fly.ask(SCAN, QUESTION, evidence=False, max_new_tokens=LONGEST)
    job = Recorded(lambda job: check(shared, SUBJECT, given, ("high", 99), Kept(), job))
    assert job.wait(30) and job.error is not None and "high 99" in job.error
    with pytest.raises(InputError):
        shared.fly.ask(SCAN, "")
