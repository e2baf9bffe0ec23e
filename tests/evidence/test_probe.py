"""Answers held still and weights drawn anew, against slow plain forwards; faithfulness where the cause is planted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import medfly
from benchmarks import faithfulness
from benchmarks.faithfulness_measures import ALL, OTHERS, area
from benchmarks.faithfulness_tables import heights, needed, summary
from medfly.engine import MedFly
from medfly.evidence.probe import PARTS, Probe, Prober, randomised
from medfly.types import InputError, Level, Sample, Scan

from .planted import QUESTION, Planted

QUESTIONS = ["What modality is used?", "Is the lung healthy?"]


@pytest.fixture(scope="module")
def tiny(tiny_model: Path) -> MedFly:
    return medfly.load(str(tiny_model))


def noise(seed: int = 0) -> Scan:
    return Scan(np.random.default_rng(seed).integers(0, 256, (40, 50, 3), np.uint8))


@torch.inference_mode()
def plainly(probe: Probe, hide: set[int]) -> float:
    """log p(answer), all in one forward without a cache, with the hidden crops' positions masked."""
    fly, model = probe.fly, probe.fly.model
    ids = torch.tensor([fly.processor.image_ids() + probe.prompt + probe.ids])
    mask = torch.ones_like(ids)
    for crop, positions in enumerate(fly.processor.image_spans().values()):
        mask[0, list(positions)] = int(crop not in hide)
    pixels = torch.from_numpy(fly.view(noise()).pixels)[None]
    words = model.get_input_embeddings()(ids)
    logits = model(
        inputs_embeds=model.merge(ids, words, model.get_image_features(pixels).tokens),
        attention_mask=mask,
        position_ids=torch.arange(ids.shape[1])[None],
    ).logits[0]
    logs = logits.double().log_softmax(-1)[-len(probe.ids) - 1 : -1]
    return float(logs.gather(1, torch.tensor(probe.ids)[:, None]).sum())


def test_what_is_left_out_is_masked_in_a_plain_forward(tiny: MedFly) -> None:
    probe = Prober(tiny).probes(noise(), QUESTIONS, max_new_tokens=5)[1]
    sets = [(), (0,), (7, 40), (1, 2, 3, 20, 33), tuple(range(5, 41)), tuple(range(41))]
    expected = [plainly(probe, set(one)) for one in sets]
    assert max(expected) - min(expected) > 1e-3
    assert probe.log_probabilities(sets) == pytest.approx(expected, abs=2e-5)


def test_a_probe_is_the_answer_that_asking_gives(tiny: MedFly) -> None:
    probes = Prober(tiny).probes(noise(), QUESTIONS, max_new_tokens=5)
    for question, probe in zip(QUESTIONS, probes, strict=True):
        for way in (True, "causal", "causal_all"):
            answer = tiny.ask(noise(), question, evidence=way, max_new_tokens=5)
            assert answer.text == probe.text and answer.evidence is not None
            scores = probe.scores(way)
            scored = {(crop.level, crop.index): score for crop, score in zip(probe.crops, scores, strict=True)}
            told = {(one.level, one.crop): one for one in answer.evidence.regions}
            assert {key for key, score in scored.items() if score is not None} == set(told)
            for crop in probe.crops:
                if (crop.level, crop.index) in told:
                    region = told[crop.level, crop.index]
                    assert scored[crop.level, crop.index] == pytest.approx(region.score, abs=1e-5)
                    assert crop.box == region.box
    assert probes[0].scores(False) == [None] * 41


def test_given_answers_are_probed_in_place_of_its_own(tiny: MedFly) -> None:
    ids = [tiny.processor.answer_ids(text) for text in ("left", "upper right")]
    prober = Prober(tiny)
    probes = prober.probes(noise(), QUESTIONS, ids)
    prefix = tiny.read(noise())
    for probe, text in zip(probes, ("left", "upper right"), strict=True):
        assert probe.text == text
        expected = tiny.log_probabilities(prefix, probe.prompt, [text])
        assert probe.log_probabilities([()]) == pytest.approx(expected, abs=2e-5)
    assert prober.probes(noise(), []) == []
    with pytest.raises(ValueError, match="shorter"):
        prober.probes(noise(), QUESTIONS, ids[:1])
    with pytest.raises(InputError, match="empty question"):
        prober.probes(noise(), [" "])


def test_weights_drawn_anew_are_the_old_ones_in_another_order(tiny: MedFly) -> None:
    before = {name: value.clone() for name, value in tiny.model.state_dict().items()}
    other = randomised(tiny, seed=1)
    same, moved = 0, 0
    for name, value in other.model.named_parameters():
        old = before[name].flatten()
        assert torch.equal(value.flatten().sort().values, old.sort().values)  # so mean and deviation are, too
        distinct = old.unique().numel() > 1  # norms start as ones
        assert torch.equal(value.flatten(), old) != distinct
        same, moved = same + (not distinct), moved + distinct
    assert moved > 20 and same > 0
    for name, value in other.model.named_buffers():
        assert torch.equal(value, tiny.model.get_buffer(name))
    for name, value in tiny.model.state_dict().items():
        assert torch.equal(value, before[name])
    tied = other.model.get_output_embeddings().weight is other.model.get_input_embeddings().weight
    assert tied and not other.model.training
    assert other.hash != tiny.hash and "drawn anew, seed 1" in other.name


@pytest.mark.parametrize("part, untouched", [("decoder", "tower"), ("tower", "decoder")])
def test_a_part_is_drawn_anew_and_the_other_stays(tiny: MedFly, part: str, untouched: str) -> None:
    found = [dict(randomised(tiny, seed, [part]).model.named_parameters()) for seed in (1, 1, 2)]
    old = dict(tiny.model.named_parameters())
    for name in old:
        here = name.startswith(PARTS[part])
        assert here != name.startswith(PARTS[untouched])
        assert torch.equal(found[0][name], found[1][name])
        if here and old[name].unique().numel() > 9:
            assert not torch.equal(found[0][name], found[2][name])
        assert here or torch.equal(found[0][name], old[name])


def test_what_cannot_be_drawn_anew_is_told(tiny: MedFly, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"found part 'lens'.*expected one of decoder, tower"):
        randomised(tiny, 0, ["lens"])
    quantised = type("Quantised", (), {"load_in_8bit": True})()
    monkeypatch.setattr(tiny.model.config, "quantization_config", quantised, raising=False)
    with pytest.raises(InputError, match=r"quantised weights \(int8\)"):
        randomised(tiny, 0)


@pytest.fixture(scope="module")
def planted_rows(fly: MedFly, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """Six pictures with the cause in one high crop, whose answer is "yes"."""
    samples = [Sample(crop, str(crop), QUESTION, Planted(crop, 6000 + crop), "yes") for crop in (0, 8, 15, 21, 28, 35)]
    return faithfulness.run(Prober(fly), samples, tmp_path_factory.mktemp("faithful"))


@pytest.mark.parametrize("way", ["gradients", "causal"])
@pytest.mark.parametrize("variant, crops", [(ALL, 41), (OTHERS, 40)])
def test_where_the_cause_is_planted_evidence_beats_what_has_not_looked(
    planted_rows: list[dict], way: str, variant: str, crops: int
) -> None:
    """Measured: without the cause the probability of "yes" is nearly nothing, and with it alone nearly 1."""
    for curve, sign in (("deletion", -1), ("insertion", 1)):
        areas = {
            subject: np.asarray(
                [area(heights(row, subject, variant, curve, "probability"), crops) for row in planted_rows]
            )
            for subject in (way, "random", "centre", "coarse")
        }
        for blind in ("random", "centre", "coarse"):
            assert (sign * (areas[way] - areas[blind])).mean() > 0.15
        first = [heights(row, way, variant, curve, "probability")[1] for row in planted_rows]
        assert (np.mean(first) < 0.75) if curve == "deletion" else (np.mean(first) > 0.75)


def test_where_the_cause_is_planted_both_ways_agree_on_it(planted_rows: list[dict]) -> None:
    assert all(needed(row) > 0.5 for row in planted_rows)
    for name in (
        "same best crop, without the low crop",
        "shortcut finds the causal best crop, without the low crop",
    ):
        assert [row["agreement"][name] for row in planted_rows] == [1.0] * 6


def test_the_map_changes_with_its_cause(planted_rows: list[dict]) -> None:
    checks = summary(planted_rows)["sanity"]
    for way in ("gradients", "causal"):
        assert checks["the same again"][way]["high"]["value"] == pytest.approx(1)
        for check in ("decoder drawn anew", "tower drawn anew"):
            assert checks[check][way]["high"]["value"] < 0.5
    assert checks["blank image"]["gradients"]["high"]["value"] is None  # flat, but for rounding
    assert checks["blank image"]["causal"]["high"]["value"] < 0.5


@pytest.mark.parametrize("levels", [("low", "medium"), ("high",)])
def test_leaving_out_a_level_is_not_showing_it(tiny: MedFly, levels: tuple[Level, ...]) -> None:
    (probe,) = Prober(tiny).probes(noise(), QUESTIONS[:1], [tiny.processor.answer_ids("left")])
    gone = tuple(i for i, crop in enumerate(probe.crops) if crop.level not in levels)
    expected = tiny.log_probabilities(tiny.read(noise(), levels=levels), probe.prompt, ["left"])
    assert probe.log_probabilities([gone]) == pytest.approx(expected, abs=2e-5)
