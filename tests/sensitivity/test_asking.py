"""Answers asked again, with a tiny random model: the same as asking the engine one change at a time."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

import medfly
from medfly.sensitivity import changes, exchange_sides, reads, same_answer, vary, with_variations
from medfly.types import Scan, Window

QUESTIONS = ["Is there a nodule in this image?", "What color is the left lung?"]


@pytest.fixture(scope="module")
def fly(tiny_model) -> medfly.MedFly:
    return medfly.load(str(tiny_model))


@pytest.fixture(scope="module")
def scan() -> Scan:
    pixels = np.random.default_rng(3).integers(0, 256, (48, 64)).astype(np.float32)
    return Scan(pixels, windows=(Window(127.5, 255, "LINEAR_EXACT"), Window(60, 90)), spacing=(1.0, 0.8))


def test_every_variation_is_what_the_engine_says_to_it(fly, scan) -> None:
    answers = fly.ask(scan, QUESTIONS, evidence=False, max_new_tokens=4, window="file:2")
    counted: list[None] = []
    varied = with_variations(
        fly, scan, answers, window="file:2", max_new_tokens=4, advance=lambda: counted.append(None)
    )
    assert len(counted) == reads(scan, QUESTIONS, "file:2")
    for plain, answer in zip(answers, varied, strict=True):
        plan = changes(scan, plain.question, "file:2")
        assert [(v.kind, v.name, v.question) for v in answer.variations] == [(c.kind, c.name, c.question) for c in plan]
        assert (answer.text, answer.question, answer.confidence) == (plain.text, plain.question, plain.confidence)
        for change, found in zip(plan, answer.variations, strict=True):
            picture, window = (scan, "file:2") if change.same_picture else (change.scan(scan, "file:2"), None)
            alone = fly.ask(picture, change.question, window=window, evidence=False, max_new_tokens=4)
            assert found.text == alone.text
            assert found.confidence == pytest.approx(alone.confidence, rel=1e-4)
            said = exchange_sides(alone.text) if change.kind == "sides" else alone.text
            assert found.same == same_answer(said, plain.text)
    kinds = [{one.kind for one in answer.variations} for answer in varied]
    assert "window" in kinds[0] and "window" not in kinds[1]  # a colour is another in another window
    assert reads(scan, QUESTIONS, "file:2") == 1 + len([c for c in changes(scan, QUESTIONS[0]) if not c.same_picture])


def test_one_question_and_none(fly, scan) -> None:
    answer = fly.ask(scan, QUESTIONS[0], evidence=False, max_new_tokens=3)
    (expected,) = with_variations(fly, scan, [answer], max_new_tokens=3)
    assert vary(fly, scan, QUESTIONS[0], max_new_tokens=3) == expected.variations
    assert with_variations(fly, scan, []) == [] and reads(scan, []) == 0


def test_an_exchanged_answer_that_follows_is_no_flip(fly, scan, monkeypatch) -> None:
    """A model that reads the side off the picture: its answer is mirrored with it, and that is the same."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, :20] = 255
    bright = Scan(picture)
    view, finish = fly.view, fly.finish

    def seen(scan, **options):
        half = scan.display()[:, :32].mean() > scan.display()[:, 32:].mean()
        looked = view(scan, **options)
        return dataclasses.replace(looked, provenance={**looked.provenance, "side": "Left" if half else "Right"})

    def said(prefix, question, prompt, result, **options):
        answer = finish(prefix, question, prompt, result, **options)
        return medfly.Answer(answer.question, prefix.provenance["side"])

    monkeypatch.setattr(fly, "view", seen)
    monkeypatch.setattr(fly, "finish", said)
    found = vary(fly, bright, "What is shown on the left?", max_new_tokens=1)
    (mirrored,) = [one for one in found if one.kind == "sides"]
    assert mirrored.question == "What is shown on the right?" and mirrored.text == "Right" and mirrored.same
    assert [one.kind for one in found if not one.same] == ["inversion"]  # there the other side is the bright one


def test_planning_needs_no_torch() -> None:
    script = (
        "import sys, numpy as np, medfly.sensitivity as s; from medfly.types import Scan;"
        "assert s.changes(Scan(np.zeros((8, 8, 3), np.uint8)), 'Is it so?');"
        "print(sorted({'torch', 'transformers', 'monai'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
