"""Packed or not, accumulated or not: the same loss and the same gradients."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

import medfly.dragonfly  # noqa: F401  registers the Auto classes
from medfly.training.packing import IGNORED, Turn, collate, pack, packed_mask
from medfly.training.trainer import AnswerLoss

QA = [("Is the lung healthy?", "No"), ("Where is the liver?", "upper right"), ("Which organ?", "heart, spleen, lung")]


@pytest.fixture(scope="module")
def parts(tiny_model: Path):
    model = AutoModelForImageTextToText.from_pretrained(tiny_model).eval()
    return model, AutoProcessor.from_pretrained(tiny_model)


def items(processor, groups: list[list[tuple[str, str]]], seed: int = 0):
    """One packed sequence and its crops for each group of questions; the crops follow from the group's number."""
    spans = processor.image_spans()
    ids, positions = processor.image_ids(), processor.image_positions(spans)
    out = []
    for number, group in enumerate(groups):
        turns = [Turn(processor.prompt_ids(q), processor.answer_ids(a)) for q, a in group]
        generator = torch.Generator().manual_seed(seed + number)
        out.append((pack(ids, positions, len(ids), turns), torch.rand(41, 3, 32, 32, generator=generator)))
    return out


def loss_of(model, batch: dict, num_items: int) -> torch.Tensor:
    labels = batch["labels"]
    outputs = model(**{k: v for k, v in batch.items() if k != "labels"})
    return AnswerLoss()(outputs, labels, num_items)


def by_hand(model, processor, question: str, answer: str, pixels: torch.Tensor) -> torch.Tensor:
    """The sum of an answer's negative log-probabilities: one sequence, no mask, no packing."""
    prompt, said = processor.prompt_ids(question), processor.answer_ids(answer)
    ids = torch.tensor([processor.image_ids() + prompt + said])
    logs = model(input_ids=ids, pixel_values=pixels[None]).logits[0].log_softmax(-1)
    start = ids.shape[1] - len(said)
    return -sum(logs[start + i - 1, token] for i, token in enumerate(said))


def test_packed_loss_and_gradients_equal_one_sequence_a_question(parts) -> None:
    model, processor = parts
    two = items(processor, [QA, QA[:1]])
    packs, pixels = zip(*two, strict=True)
    batch = collate(packs, pixels, processor.tokenizer.pad_token_id)
    count = int((batch["labels"] != IGNORED).sum())
    model.zero_grad()
    packed = loss_of(model, batch, count)
    packed.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    plain = sum(by_hand(model, processor, q, a, pixels[0]) for q, a in QA) + by_hand(
        model, processor, *QA[0], pixels[1]
    )
    plain = plain / count
    plain.backward()
    torch.testing.assert_close(packed, plain, atol=1e-5, rtol=1e-5)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, atol=2e-5, rtol=1e-3, msg=name)


def test_accumulation_over_answers_of_unequal_length(parts) -> None:
    """Two micro-batches with 1 and 3 answers give the loss of both together, not the mean of their means."""
    model, processor = parts
    first, second = items(processor, [QA[:1], QA])
    both = collate(*zip(first, second, strict=True), processor.tokenizer.pad_token_id)
    count = int((both["labels"] != IGNORED).sum())
    halves = [collate([p], [x], processor.tokenizer.pad_token_id) for p, x in (first, second)]
    with torch.no_grad():
        together = loss_of(model, both, count)
        summed = sum(loss_of(model, half, count) for half in halves)
        means = [loss_of(model, half, int((half["labels"] != IGNORED).sum())) for half in halves]
    torch.testing.assert_close(summed, together, atol=1e-5, rtol=1e-5)
    assert abs(sum(means) / 2 - together) > 1e-3  # what it would be if each micro-batch were averaged


def test_the_header_stands_once_and_positions_restart(parts) -> None:
    _, processor = parts
    packed = items(processor, [QA])[0][0]
    prompts = [processor.prompt_ids(q) for q, _ in QA]
    header = next(i for i in range(99) if len({tuple(p[: i + 1]) for p in prompts}) > 1)
    prefix = len(processor.image_ids()) + header
    assert packed.segments[:prefix].eq(0).all() and packed.segments[prefix] == 1
    for number in (1, 2, 3):
        assert packed.position_ids[packed.segments == number][0] == prefix
    assert len(packed.input_ids) == prefix + sum(
        len(p) - header + len(processor.answer_ids(a)) for p, (_, a) in zip(prompts, QA, strict=True)
    )


def test_mask_by_hand() -> None:
    mask = packed_mask(torch.tensor([[0, 0, 1, 1, 2, -1]]))[0, 0].int().tolist()
    assert mask == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],  # question 2 does not see question 1
        [1, 1, 0, 0, 0, 1],  # padding is seen by nobody; what it sees goes nowhere
    ]


def test_eager_attention_takes_the_same_mask(parts, tiny_model: Path) -> None:
    model, processor = parts
    eager = AutoModelForImageTextToText.from_pretrained(tiny_model, attn_implementation="eager").eval()
    packed = collate(*zip(*items(processor, [QA]), strict=True), processor.tokenizer.pad_token_id)
    with torch.no_grad():
        torch.testing.assert_close(loss_of(eager, packed, 1), loss_of(model, packed, 1), atol=1e-3, rtol=1e-4)
