"""One image, many questions: the image prefix is computed once and shared by all of them.

Everything that answers (command line, harness, app) comes through here. The engine takes Scans and knows no
file formats; what a user types is text to it, never a special token.

Shapes: Q questions, P image positions, L prompt length, V vocabulary.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, overload

import torch
import transformers
from torch import Tensor
from transformers import Cache, DynamicCache

import medfly
from medfly.display import chosen_window
from medfly.dragonfly import DragonflyForCausalLM, DragonflyProcessor
from medfly.dragonfly.loading import load_pretrained, model_hash
from medfly.dragonfly.processing import END_OF_TURN
from medfly.evidence.attribution import METHOD, crop_scores
from medfly.geometry import LEVELS, Pyramid
from medfly.types import Answer, Evidence, InputError, Level, Region, Sample, Scan, VoiLut, Window

AnyWindow = Window | VoiLut | str | None
CHUNK = 512
"""Samples that are read ahead, so that questions about one image meet even when the data set mixes them."""


@dataclass(frozen=True)
class Prefix:
    """What an image leaves behind for its questions.

    embeddings: [1, P', D]; positions: [1, P'], with gaps where crops are left out; cache: their keys and values.
    crops: (level, crop) in the order of the embeddings. end: P, the position of the beginning of text.
    """

    embeddings: Tensor
    positions: Tensor
    cache: Cache
    crops: list[tuple[Level, int]]
    end: int
    pyramid: Pyramid
    provenance: dict[str, Any]


@dataclass(frozen=True)
class Generated:
    """Token ids with the end of turn, if it was reached, and the geometric mean of their probabilities."""

    ids: list[int]
    confidence: float


def load(name: str = "mini", *, dtype: torch.dtype = torch.float32, device: str | None = None) -> MedFly:
    """A model by folder, built-in name or hub repository, ready to be asked. Raises InputError."""
    model, processor = load_pretrained(name, dtype=dtype, device=device)
    return MedFly(model, processor, name=name, hash=model_hash(name))


class MedFly:
    """A model that can be asked about scans.

    name, hash: which model; they go into every answer's provenance.
    """

    def __init__(self, model: DragonflyForCausalLM, processor: DragonflyProcessor, *, name: str, hash: str) -> None:
        self.model = model.eval()
        self.processor = processor
        self.name = name
        self.hash = hash
        tokenizer = processor.tokenizer
        self._end_tokens = torch.tensor(
            [tokenizer.convert_tokens_to_ids(END_OF_TURN), tokenizer.eos_token_id], device=model.device
        )

    @overload
    def ask(
        self,
        scan: Scan,
        question: str,
        *,
        window: AnyWindow = ...,
        evidence: bool = ...,
        max_new_tokens: int = ...,
        levels: Sequence[Level] = ...,
    ) -> Answer: ...
    @overload
    def ask(
        self,
        scan: Scan,
        question: list[str] | tuple[str, ...],
        *,
        window: AnyWindow = ...,
        evidence: bool = ...,
        max_new_tokens: int = ...,
        levels: Sequence[Level] = ...,
    ) -> list[Answer]: ...
    def ask(
        self,
        scan: Scan,
        question: str | list[str] | tuple[str, ...],
        *,
        window: AnyWindow = None,
        evidence: bool = True,
        max_new_tokens: int = 64,
        levels: Sequence[Level] = LEVELS,
    ) -> Answer | list[Answer]:
        """Answer one question, or several about the same scan, greedily.

        window: see `Scan.display`. evidence: score every crop for every answer (one more pass each).
        levels: zoom levels that the model may see; the crops of the others are left out of the prefix.
        Raises InputError for an empty question or one that does not fit into the model's context.
        """
        questions = [question] if isinstance(question, str) else list(question)
        prompts = [self._prompt(one, max_new_tokens) for one in questions]
        prefix = self.read(scan, window=window, levels=levels)
        results = self.generate(prefix, prompts, max_new_tokens)
        answers = [
            Answer(
                question=asked,
                text=self.processor.tokenizer.decode(result.ids, skip_special_tokens=True).strip(),
                confidence=result.confidence,
                evidence=self._evidence(prefix, prompt, result.ids) if evidence else None,
                provenance=prefix.provenance,
            )
            for asked, prompt, result in zip(questions, prompts, results, strict=True)
        ]
        return answers[0] if isinstance(question, str) else answers

    def answer(
        self,
        samples: Iterable[Sample],
        *,
        levels: Sequence[Level] = LEVELS,
        batch_size: int = 16,
        max_new_tokens: int = 64,
    ) -> Iterator[Answer]:
        """Answer samples in their order, each image read once per chunk. Evidence is not computed.

        batch_size: questions of one image that are generated together; it never changes an answer in fp32.
        """
        stream = iter(samples)
        while chunk := list(islice(stream, CHUNK)):
            groups: dict[str, list[int]] = {}
            for index, sample in enumerate(chunk):
                groups.setdefault(sample.scan.content_hash, []).append(index)
            answers: dict[int, Answer] = {}
            for index in range(len(chunk)):
                if index not in answers:
                    mine = groups[chunk[index].scan.content_hash]
                    said = self._group([chunk[i] for i in mine], levels, batch_size, max_new_tokens)
                    answers.update(zip(mine, said, strict=True))
                yield answers.pop(index)

    def _group(self, samples: list[Sample], levels: Sequence[Level], batch_size: int, limit: int) -> Iterator[Answer]:
        """The answers to questions about one image."""
        prefix = self.read(samples[0].scan(), levels=levels)
        for start in range(0, len(samples), batch_size):
            batch = samples[start : start + batch_size]
            prompts = [self._prompt(sample.question, limit) for sample in batch]
            for sample, result in zip(batch, self.generate(prefix, prompts, limit), strict=True):
                text = self.processor.tokenizer.decode(result.ids, skip_special_tokens=True).strip()
                yield Answer(sample.question, text, result.confidence, provenance=prefix.provenance)

    @torch.inference_mode()
    def read(self, scan: Scan, *, window: AnyWindow = None, levels: Sequence[Level] = LEVELS) -> Prefix:
        """Show the model a scan: crops, encoder, pooling, projection, and the decoder over the prefix."""
        images, spans = self.processor.image_processor, self.processor.image_spans()
        picture = scan.display(window)
        crops = [crop for crop in spans if crop[0] in levels]
        if not crops:
            raise InputError(f"levels {tuple(levels)}: expected at least one of {', '.join(LEVELS)}")
        kept = [index for index, crop in enumerate(spans) if crop in set(crops)]
        device = self.model.device
        pixels = torch.from_numpy(images.normalise(images.crops(picture)[kept]))[None].to(device)
        ids = torch.tensor([self.processor.image_ids(crops)], device=device)
        positions = torch.tensor([self.processor.image_positions(crops)], device=device)
        counts = [sum(level == one for one, _ in crops) for level in LEVELS]
        features = self.model.get_image_features(pixels, counts)
        embeddings = self.model.merge(ids, self.model.get_input_embeddings()(ids), features)
        cache = self.model.language_model.model(
            inputs_embeds=embeddings, position_ids=positions, past_key_values=DynamicCache(), use_cache=True
        ).past_key_values
        return Prefix(
            embeddings,
            positions,
            cache,
            crops,
            end=spans[list(spans)[-1]].stop,
            pyramid=images.pyramid(*scan.size),
            provenance=self._provenance(scan, window, levels),
        )

    @torch.inference_mode()
    def generate(self, prefix: Prefix, prompts: Sequence[list[int]], max_new_tokens: int) -> list[Generated]:
        """Greedy answers to Q prompts behind one prefix, whose cache is left as it was."""
        device, count = self.model.device, len(prompts)
        longest = max(len(prompt) for prompt in prompts)
        pad = self.processor.tokenizer.pad_token_id
        # Pads stand between the prefix and the question, unseen, and take no position.
        ids = torch.tensor([[pad] * (longest - len(p)) + p for p in prompts], device=device)
        real = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=device)
        mask = torch.cat([real.new_ones(count, prefix.positions.shape[1]), real], dim=1)
        positions = prefix.end + (real.cumsum(1) - 1).clamp(min=0)
        cache = copy.deepcopy(prefix.cache)
        cache.batch_repeat_interleave(count)
        tokens, logs = [], []
        done = torch.zeros(count, dtype=torch.bool, device=device)
        for _ in range(max_new_tokens):
            logits = self.model(
                input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, logits_to_keep=1
            ).logits[:, -1]
            best, ids = logits.float().log_softmax(-1).max(-1)
            tokens.append(torch.where(done, pad, ids))
            logs.append(torch.where(done, torch.nan, best))
            done = done | torch.isin(ids, self._end_tokens)
            if done.all():
                break
            ids = ids[:, None]
            mask = torch.cat([mask, mask.new_ones(count, 1)], dim=1)
            positions = positions[:, -1:] + 1
        confidences = torch.stack(logs, 1).nanmean(1).exp().tolist()
        lengths = torch.stack(logs, 1).isfinite().sum(1).tolist()
        rows = torch.stack(tokens, 1).tolist()
        return [Generated(row[:n], c) for row, n, c in zip(rows, lengths, confidences, strict=True)]

    def _prompt(self, question: str, max_new_tokens: int) -> list[int]:
        if not question.strip():
            raise InputError("an empty question: expected some words, such as 'Which organ is abnormal?'")
        prompt = self.processor.prompt_ids(question)
        room = self.model.config.text_config.max_position_embeddings
        image = self.model.config.num_image_positions
        if image + len(prompt) + max_new_tokens > room:
            raise InputError(
                f"a question of {len(prompt)} tokens: with {image} image positions and {max_new_tokens} for the "
                f"answer, expected at most {room - image - max_new_tokens}: shorten it"
            )
        return prompt

    def _evidence(self, prefix: Prefix, prompt: list[int], answer: list[int]) -> Evidence:
        spans, start = [], 0
        for level, _ in prefix.crops:
            length = self.processor.tokens_per_crop[level] + 1
            spans.append((level, range(start, start + length)))
            start += length
        scores = crop_scores(self.model, prefix.embeddings, prefix.positions, spans, prefix.end, prompt, answer)
        regions = [
            Region(level, crop, prefix.pyramid.crop(level, crop).box, score)
            for (level, crop), score in zip(prefix.crops, scores, strict=True)
        ]
        return Evidence(METHOD, tuple(sorted(regions, key=lambda region: -region.score)))

    def _provenance(self, scan: Scan, window: AnyWindow, levels: Sequence[Level]) -> dict[str, Any]:
        used = chosen_window(scan, window)
        return {
            "input_hash": scan.input_hash,
            "frame": scan.frame,
            "size": list(scan.size),
            "modality": scan.modality,
            "window": used.to_dict() if used else None,
            "inverted": scan.inverted,
            "notes": list(scan.notes),
            "levels": list(levels),
            "model": self.name,
            "model_hash": self.hash,
            "versions": {
                "medfly": medfly.__version__,
                "torch": str(torch.__version__),
                "transformers": transformers.__version__,
            },
            "use": "Research use only – not for diagnosis",
        }
