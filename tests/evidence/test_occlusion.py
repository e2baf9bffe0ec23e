"""Leaving crops out, against slow plain forwards that hide them, and against a planted cause.

The golden checkpoints are v1 (which selects high crops) and v2, in the published layout, with random weights.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor
from typer.testing import CliRunner

import medfly.dragonfly  # noqa: F401  (registers the Auto classes)
from medfly.cli.commands import app
from medfly.dragonfly import DragonflyConfig, DragonflyForCausalLM
from medfly.engine import MedFly, Prefix
from medfly.evidence import attribution
from medfly.evidence.occlusion import METHOD, Occluder, opened, quadrants, times_reading
from medfly.generation import Generated
from medfly.geometry import LEVELS, Pyramid
from medfly.types import InputError, Level, Scan

from .planted import CELL, QUESTION, SIDE, Planted

GOLDEN = Path(__file__).parent.parent / "golden"


def behind(fly: MedFly, prefix: Prefix, prompt: list[int], answer: list[int]) -> Occluder:
    spans: list[tuple[Level, range]] = []
    start = 0
    for level, _ in prefix.crops:
        end = start + fly.processor.tokens_per_crop[level] + 1
        spans.append((level, range(start, end)))
        start = end
    return Occluder(fly.model, prefix.embeddings, prefix.positions, prefix.cache, spans, prefix.end, prompt, answer)


def planted(fly: MedFly, scan: Scan) -> tuple[Occluder, list[list[int]]]:
    prefix = fly.read(scan)
    assert prefix.pyramid is not None
    occluder = behind(fly, prefix, fly.processor.prompt_ids(QUESTION), fly.processor.answer_ids("yes"))
    return occluder, quadrants(prefix.pyramid, prefix.crops)


class Golden:
    """A golden checkpoint that is asked one thing about one picture, and the slow plain path to the answer."""

    def __init__(self, version: str) -> None:
        folder = GOLDEN / f"dragonfly-{version}-tiny"
        model = AutoModelForImageTextToText.from_pretrained(folder)
        self.fly = MedFly(model, AutoProcessor.from_pretrained(folder), name=version, hash="")
        self.picture = Image.open(folder / "images" / "landscape.png").convert("RGB")
        self.prompt = self.fly.processor.prompt_ids("Where?")
        self.answer = self.fly.processor.answer_ids("left lung")
        self.prefix = self.fly.read(Scan(np.asarray(self.picture)))
        assert self.prefix.pyramid is not None
        self.quarters = quadrants(self.prefix.pyramid, self.prefix.crops)
        self.known: dict[tuple[int, ...], float] = {}

    def occluder(self) -> Occluder:
        return behind(self.fly, self.prefix, self.prompt, self.answer)

    def effect(self, crops: list[int]) -> float:
        """log p(answer) minus what it is with these crops hidden from the attention."""
        spans = list(self.fly.processor.image_spans().values())
        return self.masked([]) - self.masked([position for crop in crops for position in spans[crop]])

    @torch.inference_mode()
    def masked(self, hide: list[int]) -> float:
        if tuple(hide) not in self.known:
            model, ids = self.fly.model, torch.tensor([self.ids])
            mask = torch.ones_like(ids)
            mask[0, hide] = 0
            positions = torch.arange(ids.shape[1])[None]
            logits = model(inputs_embeds=self.embeddings, attention_mask=mask, position_ids=positions).logits[0]
            logs = logits.double().log_softmax(-1)[-len(self.answer) - 1 : -1]
            self.known[tuple(hide)] = float(logs.gather(1, torch.tensor(self.answer)[:, None]).sum())
        return self.known[tuple(hide)]

    @cached_property
    def ids(self) -> list[int]:
        return self.fly.processor.image_ids() + self.prompt + self.answer

    @cached_property
    def embeddings(self) -> torch.Tensor:
        model, ids = self.fly.model, torch.tensor([self.ids])
        pixels = self.fly.processor.image_processor(self.picture, return_tensors="pt")["pixel_values"]
        return model.merge(ids, model.get_input_embeddings()(ids), model.get_image_features(pixels).tokens)


@pytest.fixture(scope="module", params=["v1", "v2"])
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(request.param)


@pytest.mark.parametrize("at_once", [False, True])
def test_an_occlusion_is_a_forward_with_the_crop_masked(
    golden: Golden, at_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some crops of each level and a quadrant, several in one pass and each in its own."""
    monkeypatch.setattr(attribution, "KEPT", 2**29 if at_once else 1)
    occluder, last = golden.occluder(), len(golden.prefix.crops) - 1
    assert (occluder._rows() > 1) == at_once
    sets = [[last], golden.quarters[2], [2]] + ([[0], [5]] if golden.fly.name == "v1" else [])  # in no order
    expected = [golden.effect(crops) for crops in sets]
    assert max(map(abs, expected)) > 1e-3
    assert occluder.effects(sets) == pytest.approx(expected, abs=2e-5)


@pytest.mark.slow
def test_every_occlusion_is_a_forward_with_the_crop_masked(golden: Golden) -> None:
    plain = golden.occluder().plain()
    expected = [golden.effect([crop]) for crop in range(len(golden.prefix.crops))]
    assert plain.scores == pytest.approx(expected, abs=2e-5)
    joint = golden.occluder().hierarchical(golden.quarters).quadrants
    assert joint == pytest.approx([golden.effect(crops) for crops in golden.quarters], abs=2e-5)


def test_a_checkpoint_that_selects_its_high_crops_scores_those() -> None:
    golden = Golden("v1")
    prefix, pyramid = golden.prefix, golden.prefix.pyramid
    assert pyramid is not None and len(prefix.crops) == 17
    result = Generated(golden.answer, 1.0)
    evidence = golden.fly.finish(prefix, "", golden.prompt, result, evidence="causal").evidence
    assert evidence is not None and len(evidence.regions) >= 5
    assert {(region.level, region.crop) for region in evidence.regions} <= set(prefix.crops)
    for region in evidence.regions:
        assert region.box == pyramid.crop(region.level, region.crop).box


def test_the_best_crop_is_the_cause(fly: MedFly) -> None:
    """Measured: 108 of 108, every crop over three backgrounds, and as many by gradients; by chance 1 in 40."""
    hits = 0
    for crop in range(0, 36, 3):
        answer = fly.ask(Planted(crop, 5000)(), QUESTION, evidence="causal")
        assert answer.text == "yes" and answer.evidence is not None
        best = answer.evidence.top(1, "medium", "high")[0]
        hits += (best.level, best.crop) == ("high", crop)
    assert hits == 12


def test_hierarchical_is_plain_where_it_looks(fly: MedFly) -> None:
    occluder, quarters = planted(fly, Planted(21, 7000)())
    plain, found = occluder.plain(), occluder.hierarchical(quarters)
    assert None not in plain.scores and plain.rows == 41
    assert found.rows == 5 + sum(score is not None for score in found.scores[1:]) <= 25
    looked = {crop for crop, score in enumerate(found.scores) if score is not None}
    assert looked == {0}.union(*(quarters[quarter] for quarter in opened(found.quadrants)))
    for crop in looked:
        assert found.scores[crop] == pytest.approx(plain.scores[crop], abs=1e-5)
    assert found.quadrants == pytest.approx(occluder.effects(quarters), abs=1e-5)
    assert int(np.argmax(found.quadrants)) == 3  # high crop 21 of 6 × 6 is in row 3, column 3


def test_what_two_crops_show_alike_only_their_quadrant_tells(fly: MedFly) -> None:
    """Two targets: the answer stays "yes" without either of them, and falls without both."""
    pixels, other = Planted(28, 7000)().pixels.copy(), Planted(35, 7000)()
    y = x = 5 * CELL
    pixels[y:, x:] = other.pixels[y:, x:]
    occluder, quarters = planted(fly, Scan(pixels, windows=other.windows))
    found = occluder.hierarchical(quarters)
    single = [found.scores[5 + 28], found.scores[5 + 35]]
    assert None not in single  # their quadrant was opened
    assert found.quadrants[3] > 2 * sum(score for score in single if score is not None)


def test_evidence_is_sorted_and_says_what_was_not_looked_at(fly: MedFly) -> None:
    answer = fly.ask(Planted(0, 5000)(), QUESTION, evidence="causal")
    assert answer.evidence is not None
    scores = [region.score for region in answer.evidence.regions]
    assert scores == sorted(scores, reverse=True) and len(scores) in (11, 21)
    assert answer.evidence.method.startswith("occlusion: change of log p(answer) in nats")
    assert "one by one only in quarter 1" in answer.evidence.method
    assert all(max(region.box) <= SIDE for region in answer.evidence.regions)


@pytest.mark.parametrize("levels, most", [(("low",), 1), (("low", "medium"), 3), (("high",), 18)])
def test_levels_that_were_not_shown_are_not_left_out(fly: MedFly, levels: tuple[Level, ...], most: int) -> None:
    answer = fly.ask(Planted(3, 5000)(), QUESTION, evidence="causal", levels=levels)
    assert answer.evidence is not None
    assert {region.level for region in answer.evidence.regions} == set(levels)
    assert len(answer.evidence.regions) <= most
    if levels == ("low",):  # there are no quadrants
        assert answer.evidence.method == METHOD


def test_a_conversation_takes_it_too_and_a_wrong_name_is_told(fly: MedFly) -> None:
    chat = fly.chat(Planted(3, 5000)())
    said = chat.ask(QUESTION, evidence="causal")
    assert said.evidence is not None and said.evidence.method.startswith("occlusion")
    for ask in (chat.ask, lambda *a, **k: fly.ask(Planted(3, 5000)(), *a, **k)):
        with pytest.raises(InputError, match="evidence 'casual': expected True"):
            ask(QUESTION, evidence="casual")
    assert len(chat.answers) == 1
    assert fly.ask(None, QUESTION, evidence="causal").evidence is None


@pytest.mark.parametrize(
    "joint, expected",
    [
        ([0.1, 3.0, 0.2, 0.1], [1]),  # 3.0 of 3.4
        ([1.0, 3.0, 0.2, 0.0], [1, 0]),
        ([1.0, 1.0, 1.0, 1.0], [0, 1]),  # never more than two
        ([-1.0, 0.5, -0.2, -3.0], [1]),
        ([-1.0, -0.5, -0.2, -3.0], [2]),  # the best, though it spoke against the answer
        ([2.0, 0.5, 0.0, 0.0], [0]),  # 0.8 exactly is enough
    ],
)
def test_which_quadrants_are_opened(joint: list[float], expected: list[int]) -> None:
    assert opened(joint) == expected


@pytest.mark.parametrize("medium", [(2, 2), (1, 4), (4, 1)])
@pytest.mark.parametrize("size", [(96, 96), (501, 337), (7, 1001)])
def test_high_crops_lie_in_their_quadrant(medium: tuple[int, int], size: tuple[int, int]) -> None:
    """Where the grids are nested, as in v2: nine in each, wholly inside; the low crop in none."""
    pyramid = Pyramid(*size, 16, medium, (medium[0] * 3, medium[1] * 3))
    crops = [(level, index) for level in LEVELS for index in range(pyramid.count(level))]
    found = quadrants(pyramid, crops)
    assert sorted(crop for quadrant in found for crop in quadrant) == list(range(1, 41))
    for index, quadrant in enumerate(found):
        assert len(quadrant) == 10 and quadrant[0] == 1 + index
        outer = pyramid.crop("medium", index).box
        for crop in quadrant:
            box = pyramid.crop(*crops[crop]).box
            assert all(box[i] >= outer[i] - 1e-9 and box[i + 2] <= outer[i + 2] + 1e-9 for i in (0, 1))


@pytest.mark.parametrize("high", [(6, 4), (4, 6), (3, 8), (8, 3), (2, 12), (12, 2)])
def test_where_grids_are_not_nested_each_crop_has_one_quadrant(high: tuple[int, int]) -> None:
    pyramid = Pyramid(640, 480, 16, (2, 2), high)
    crops = [(level, index) for level in LEVELS for index in range(pyramid.count(level))]
    found = quadrants(pyramid, crops)
    assert sorted(crop for quadrant in found for crop in quadrant) == list(range(1, len(crops)))
    for index, quadrant in enumerate(found):  # and reaches half into it at least
        outer = pyramid.crop("medium", index).box
        for x0, y0, x1, y1 in (pyramid.crop(*crops[crop]).box for crop in quadrant):
            shared = (min(x1, outer[2]) - max(x0, outer[0])) * (min(y1, outer[3]) - max(y0, outer[1]))
            assert shared >= (x1 - x0) * (y1 - y0) * 0.25 - 1e-6


def test_what_it_costs_at_full_size() -> None:
    """Positions that are read again, by hand: the prefix of v2 is 578 + 4 · 38 + 36 · 38 = 2098."""
    with torch.device("meta"):
        model = DragonflyForCausalLM(DragonflyConfig())
    medium = [2098 - 578 - 38 * i for i in range(4)]
    high = [2098 - 730 - 38 * i for i in range(36)]
    again = 2098 + sum(medium) + (sum(medium) + sum(high)) / 2
    decoder, tower = 8.03e9, 0.303e9 * 41 * 576
    assert times_reading(model) == pytest.approx(decoder * again / (decoder * 2098 + tower), rel=0.02)


def test_the_command_line(tiny_model: Path, tmp_path: Path) -> None:
    picture = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)).save(picture)
    command = ["ask", str(picture), "Where?", "--model", str(tiny_model), "--max_new_tokens", "4", "--causal"]
    outcome = CliRunner().invoke(app, [*command, "--json"])
    assert outcome.exit_code == 0
    said = json.loads(outcome.stdout)
    assert said["evidence_method"].startswith(METHOD) and len(said["evidence"]) in (11, 21)
    outcome = CliRunner().invoke(app, [*command, "--stream"])
    assert (
        outcome.exit_code == 0
        and "high" in outcome.stdout
        and "the others have no score" in " ".join(outcome.stdout.split())
    )
    outcome = CliRunner().invoke(app, [*command, "--no_evidence"])
    assert outcome.exit_code == 2 and "--causal and --no_evidence: expected one" in outcome.stderr
