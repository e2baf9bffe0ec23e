"""Trust through the engine, with a tiny random model: what is judged, what is not, and that no answer changes."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

import medfly
from medfly.engine import MedFly
from medfly.trust.asking import LATER_TURN, measured, option_probabilities
from medfly.trust.options import forms
from medfly.trust.outside import NO_PICTURE
from medfly.types import Sample, Scan

from .conftest import made_calibration

QUESTIONS = ["Is the lung healthy?", "Which is bigger in this image, lung or heart?", "Where is the liver?"]


def noise(seed: int) -> Scan:
    return Scan(np.random.default_rng(seed).normal(0, 300, (50, 60)).astype(np.float32), input_hash=str(seed))


@dataclasses.dataclass(frozen=True)
class Loader:
    seed: int

    @property
    def content_hash(self) -> str:
        return str(self.seed)

    def __call__(self) -> Scan:
        return noise(self.seed)


@pytest.fixture(scope="module")
def fly(tiny_model: Path) -> MedFly:
    fly = medfly.load(str(tiny_model), device="cpu")
    assert fly.calibration is None  # none lies beside it
    features = np.array([fly.read(noise(seed)).features for seed in range(10)])
    words = dataclasses.replace(made_calibration(features).familiar, strangest=1.0)  # any words will do
    fly.calibration = made_calibration(threshold=0.0, familiar=words, model_hash=fly.hash)
    return fly


def test_a_calibration_changes_no_answer_and_none_is_judged_for_a_score(fly: MedFly, tiny_model: Path) -> None:
    plain = medfly.load(str(tiny_model), device="cpu")
    samples = [Sample(i, "a", question, Loader(3)) for i, question in enumerate(QUESTIONS)]
    assert list(fly.answer(samples)) == list(plain.answer(samples))  # trust is None in both
    judged, unjudged = (one.ask(noise(3), QUESTIONS, evidence=False) for one in (fly, plain))
    assert [dataclasses.replace(answer, trust=None) for answer in judged] == unjudged
    assert all(answer.trust is not None for answer in judged)


def test_an_answer_is_judged_by_its_confidence_and_a_closed_ones_options(fly: MedFly) -> None:
    assert fly.calibration is not None
    prefix = fly.read(noise(3))
    for question, answer in zip(QUESTIONS, fly.ask(noise(3), QUESTIONS, evidence=False), strict=True):
        prompt = fly.prompt(question, 64, image_positions=prefix.end)
        shares = option_probabilities(fly, prefix, question, prompt)
        assert answer.trust == fly.calibration.assess(answer.confidence, shares)
        assert (shares is None) == (question == QUESTIONS[2])


def test_options_are_as_likely_as_all_the_ways_to_write_them(fly: MedFly) -> None:
    prefix = fly.read(noise(4))
    prompt = fly.prompt(QUESTIONS[1], 64, image_positions=prefix.end)
    found = option_probabilities(fly, prefix, QUESTIONS[1], prompt)
    sums = [sum(map(math.exp, fly.log_probabilities(prefix, prompt, list(forms(one))))) for one in ("lung", "heart")]
    assert found == pytest.approx({"lung": sums[0] / sum(sums), "heart": sums[1] / sum(sums)}, rel=1e-4)


def test_what_it_was_not_made_with_is_deferred(fly: MedFly) -> None:
    chat = fly.chat(noise(3))
    first, second = (chat.ask(QUESTIONS[0], evidence=False).trust for _ in range(2))
    assert first is not None and not first.deferred
    assert second is not None and LATER_TURN in second.reasons and second.options == ("yes", "no")
    blind = fly.ask(None, QUESTIONS[0], evidence=False).trust
    assert blind is not None and blind.reasons == (NO_PICTURE,)
    part = fly.ask(noise(3), QUESTIONS[0], levels=["low", "medium"], evidence=False).trust
    assert part is not None and part.deferred
    black = fly.ask(Scan(np.zeros((50, 60), np.float32)), QUESTIONS[0], evidence=False).trust
    assert black is not None and black.deferred


def test_what_is_fitted_on_is_what_the_harness_hears(fly: MedFly) -> None:
    samples = [Sample(i, "a", question, Loader(5)) for i, question in enumerate(QUESTIONS)]
    features, found = measured(fly, samples, batch_size=2)
    answers = list(fly.answer(samples, batch_size=2))
    assert [(one.text, one.confidence) for one in found] == [(a.text, a.confidence) for a in answers]
    assert features == fly.read(noise(5)).features
    assert [one.options and sum(one.options.values()) for one in found] == [pytest.approx(1), pytest.approx(1), None]


def test_a_calibration_beside_the_model_is_taken_and_another_models_is_not(fly: MedFly, tiny_model: Path) -> None:
    path = tiny_model / "calibration.json"
    try:
        made_calibration(model_hash=fly.hash).write(path)
        again = medfly.load(str(tiny_model), device="cpu")
        assert again.hash == fly.hash  # it is no part of the model
        assert again.calibration is not None and again.calibration.threshold == 0.5
        made_calibration().write(path)
        with pytest.warns(match="calibration.json is not used"):
            assert medfly.load(str(tiny_model), device="cpu").calibration is None
    finally:
        path.unlink()  # the model is shared by all tests


def test_the_minis_calibration_is_its_own_and_was_not_made_with_what_it_learned_from() -> None:
    mini = medfly.load("mini")
    assert mini.calibration is not None  # else a CalibrationWarning would say why
    assert mini.calibration.fitted.split == "validate" and mini.calibration.fitted.questions == 1053
    trust = mini.ask(noise(0), "Is the lung healthy?", evidence=False).trust
    assert trust is not None and trust.deferred and trust.likely_right is None  # noise is no picture that it knows
