"""Evidence finds a cause that was planted, see planted.py, on a model trained for it, see conftest.py."""

from __future__ import annotations

import copy
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch

import medfly
from medfly.dragonfly import DragonflyConfig, DragonflyForCausalLM
from medfly.dragonfly.quantization import quantization
from medfly.engine import MedFly
from medfly.evidence import attribution
from medfly.evidence.attribution import crop_scores, log_probability, mean_crops, times_reading
from medfly.generation import Generated
from medfly.types import Scan

from .planted import QUESTION, Planted


def test_the_model_learned_the_task(fly: MedFly) -> None:
    """Otherwise its evidence would mean nothing."""
    truth = [None, 3, None, 20, 35, None, 0, 11]
    said = [fly.ask(Planted(crop, 9000 + i)(), QUESTION, evidence=False).text for i, crop in enumerate(truth)]
    assert said == ["no" if crop is None else "yes" for crop in truth]


def test_the_best_crop_moves_with_the_target(fly: MedFly) -> None:
    hits = 0
    for crop in range(0, 36, 3):
        answer = fly.ask(Planted(crop, 5000)(), QUESTION)  # the same noise; only the target moves
        assert answer.text == "yes" and answer.evidence is not None
        best = answer.evidence.top(1, "medium", "high")[0]
        hits += (best.level, best.crop) == ("high", crop)
    assert hits >= 11  # of 12; by chance 0.3


def test_the_box_holds_the_target(fly: MedFly) -> None:
    answer = fly.ask(Planted(14, 6000)(), QUESTION)
    assert answer.evidence is not None
    row, column = divmod(14, 6)
    assert answer.evidence.top(1, "high")[0].box == (column * 16, row * 16, column * 16 + 16, row * 16 + 16)


def test_scores_add_up_to_what_the_picture_changes(fly: MedFly) -> None:
    """Completeness: over many steps their sum is the log-probability's difference to the baseline's."""
    prefix = fly.read(Planted(21, 7000)())
    prompt, answer = fly.processor.prompt_ids(QUESTION), fly.processor.answer_ids("yes")
    spans = [(level, fly.processor.image_spans()[level, crop]) for level, crop in prefix.crops]
    where = (prefix.positions.clone(), prefix.end, prompt, answer)
    scores = crop_scores(fly.model, prefix.embeddings, prefix.positions, spans, prefix.end, prompt, answer, steps=256)
    with torch.no_grad():
        image = prefix.embeddings.clone()
        seen = log_probability(fly.model, image, *where)
        baseline = log_probability(fly.model, mean_crops(image[0], spans)[None], *where)
    assert float(seen - baseline) > 1  # the target matters
    assert sum(scores) == pytest.approx(float(seen - baseline), rel=0.02)


def test_the_best_crop_is_the_one_whose_absence_costs_most(fly: MedFly) -> None:
    """Against a plain causal path: each high crop hidden in turn from the attention."""
    prefix = fly.read(Planted(8, 8000)())
    prompt, answer = fly.processor.prompt_ids(QUESTION), fly.processor.answer_ids("yes")
    spans = fly.processor.image_spans()
    ids = torch.tensor([prompt + answer])
    text = fly.model.get_input_embeddings()(ids)
    embeddings = torch.cat([prefix.embeddings, text], dim=1)
    positions = torch.arange(embeddings.shape[1])[None]
    costs = []
    with torch.inference_mode():
        for crop in range(36):
            mask = torch.ones(embeddings.shape[:2], dtype=torch.long)
            mask[0, list(spans["high", crop])] = 0
            logits = fly.model(inputs_embeds=embeddings, attention_mask=mask, position_ids=positions).logits[0]
            logs = logits.log_softmax(-1)[-len(answer) - 1 : -1]
            costs.append(-float(logs.gather(1, torch.tensor(answer)[:, None]).sum()))
    assert int(np.argmax(costs)) == 8
    evidence = fly.ask(Planted(8, 8000)(), QUESTION).evidence
    assert evidence is not None and evidence.top(1, "high")[0].crop == 8


def all_at_once(fly: MedFly, scan: Scan, prompt: list[int], answer: list[int]) -> list[float]:
    """Integrated gradients as the formula says: every step in one batch, all activations kept."""
    prefix, steps = fly.read(scan), attribution.STEPS
    spans = [(level, fly.processor.image_spans()[level, crop]) for level, crop in prefix.crops]
    image = prefix.embeddings.clone()
    baseline = mean_crops(image[0], spans)
    line = torch.stack([baseline + (i + 0.5) / steps * (image[0] - baseline) for i in range(steps)]).requires_grad_()
    text = torch.tensor([prompt + answer])
    embeddings = torch.cat([line, fly.model.get_input_embeddings()(text).expand(steps, -1, -1)], dim=1)
    logs = fly.model(inputs_embeds=embeddings).logits[:, -len(answer) - 1 : -1].log_softmax(-1)
    total = logs.gather(2, torch.tensor(answer)[None, :, None].expand(steps, -1, -1)).sum()
    (gradient,) = torch.autograd.grad(total, line)
    shares = ((image[0] - baseline) * gradient.mean(0)).sum(-1)
    return [float(shares[span.start : span.stop].sum()) for _, span in spans]


class Box:
    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor


class Kept:
    """Counts the numbers that autograd keeps for its way back, at their most; parameters are there anyway."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def pack(self, tensor: torch.Tensor) -> Box:
        box = Box(tensor)
        count = 0 if isinstance(tensor, torch.nn.Parameter) or tensor._base is not None else tensor.numel()
        self.now += count
        self.most = max(self.most, self.now)
        weakref.finalize(box, self.forget, count)
        return box

    def forget(self, count: int) -> None:
        self.now -= count

    @staticmethod
    def unpack(box: Box) -> torch.Tensor:
        return box.tensor


@pytest.mark.parametrize("rows, recompute", [(8, False), (3, False), (1, False), (1, True)])
def test_bounded_memory_changes_no_score(
    fly: MedFly, rows: int, recompute: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan, prompt, answer = Planted(21, 7000)(), fly.processor.prompt_ids(QUESTION), fly.processor.answer_ids("yes")
    expected = all_at_once(fly, scan, prompt, answer)
    prefix = fly.read(scan)
    spans = [(level, fly.processor.image_spans()[level, crop]) for level, crop in prefix.crops]
    row = (prefix.end + len(prompt) + len(answer)) * 32 * 2  # positions × width × layers
    monkeypatch.setattr(attribution, "KEPT", row - 1 if recompute else rows * row)
    kept = Kept()
    with torch.autograd.graph.saved_tensors_hooks(kept.pack, kept.unpack):
        scores = crop_scores(fly.model, prefix.embeddings, prefix.positions, spans, prefix.end, prompt, answer)
    # Measured: 14.4 a row; 23 with the parameters' share; 2.2 where each layer keeps its input only.
    assert kept.most < (3 if recompute else 16 * rows) * row
    largest = max(map(abs, expected))
    assert scores == pytest.approx(expected, rel=1e-5, abs=1e-5 * largest)
    everything = list(fly.model.parameters())
    assert all(p.requires_grad and p.grad is None for p in everything)  # as it was before
    assert not [m for m in fly.model.modules() if "forward" in m.__dict__]


def test_gaps_in_the_positions_are_no_borders(fly: MedFly) -> None:
    """With levels left out, the answer's log-probability is the one that it was generated with."""
    prefix = fly.read(Planted(21, 7000)(), levels=("low", "high"))
    assert (prefix.positions.diff() > 1).any()
    prompt = fly.processor.prompt_ids(QUESTION)
    (result,) = fly.generate(prefix, [prompt], 8)
    with torch.no_grad():
        where = (prefix.positions.clone(), prefix.end, prompt, result.ids)
        logs = log_probability(fly.model, prefix.embeddings.clone(), *where)
    assert float(logs) == pytest.approx(len(result.ids) * np.log(result.confidence), rel=1e-4)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("kind", ["bfloat16", "int8", "nf4"])
def test_evidence_in_other_precisions(
    kind: str, recompute: bool, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finite Python numbers, and those of float32 with weights that went through the same precision."""
    if kind == "bfloat16":
        fly = medfly.load(str(tiny_model), device="cpu", dtype=kind)
        plain = copy.deepcopy(fly.model).float()
    else:
        pytest.importorskip("bitsandbytes")
        fly = medfly.load(str(tiny_model), device="cpu", quantization_config=quantization(kind))
        assert {"int8": "Linear8bitLt", "nf4": "Linear4bit"}[kind] in {type(m).__name__ for m in fly.model.modules()}
        plain = copy.deepcopy(fly.model).dequantize().float()
    monkeypatch.setattr(attribution, "KEPT", 1 if recompute else 2**25)
    scan = Scan(np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8))
    scores = []
    for one in (fly, MedFly(plain, fly.processor, name="plain", hash="")):
        prompt, answer = fly.processor.prompt_ids("Where is it?"), fly.processor.answer_ids("upper left")
        evidence = one.finish(one.read(scan), "", prompt, Generated(answer, 1.0), evidence=True).evidence
        assert evidence is not None
        by_crop = {(region.level, region.crop): region.score for region in evidence.regions}
        assert all(type(score) is float and np.isfinite(score) for score in by_crop.values())
        scores.append(list(dict(sorted(by_crop.items())).values()))
    assert np.corrcoef(scores)[0, 1] > 0.999
    np.testing.assert_allclose(*scores, atol=0.05 * np.abs(scores[1]).max())


def test_what_evidence_costs_at_full_size() -> None:
    """8 steps through the decoder three times, beside a vision tower that is a third of the work of reading."""
    with torch.device("meta"):
        model = DragonflyForCausalLM(DragonflyConfig())
    decoder, tower = 8.03e9 * 2098, 0.303e9 * 41 * 576
    assert times_reading(model) == pytest.approx(24 * decoder / (decoder + tower), rel=0.02)
