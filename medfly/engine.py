"""One image, many questions: the image prefix is computed once and shared by all of them.

Everything that answers (command line, harness, app) comes through here. The engine takes Scans and knows no
file formats; what a user types is text to it, never a special token.

Shapes: P image positions, P' of them present, D decoder width.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import groupby
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor
from transformers import Cache, DynamicCache

from medfly.ahead import ahead
from medfly.conversation import Conversation
from medfly.dragonfly import DragonflyForCausalLM, DragonflyProcessor
from medfly.dragonfly.hashes import model_hash
from medfly.dragonfly.loading import load_pretrained
from medfly.evidence import Wanted, checked
from medfly.evidence.attribution import log_probability
from medfly.evidence.explaining import explain, occluder
from medfly.evidence.occlusion import Occluder, beginning
from medfly.generation import Generated, Streamer, ended, greedy
from medfly.geometry import LEVELS, Pyramid
from medfly.provenance import provenance
from medfly.trust import Calibration, beside, features, judge
from medfly.types import (
    Answer,
    InputError,
    Level,
    Sample,
    Scan,
    Tile,
    VoiLut,
    Volume,
    Window,
    naming_question,
)

AnyWindow = Window | VoiLut | str | None


@dataclass(frozen=True)
class Prefix:
    """What an image leaves behind for its questions; without an image P is 0 and there is no pyramid.

    embeddings: [1, P', D]; positions: [1, P'], with gaps where crops are left out; cache: their keys and values.
    crops: (level, crop) in the order of the embeddings. end: P, the position of the beginning of text.
    tiles: see `Scan.tiles`.
    """

    embeddings: Tensor
    positions: Tensor
    cache: Cache
    crops: list[tuple[Level, int]]
    end: int
    pyramid: Pyramid | None
    tiles: tuple[Tile, ...]
    provenance: dict[str, Any]

    @cached_property
    def features(self) -> list[float] | None:
        return features(self)


@dataclass(frozen=True)
class View:
    """A scan as the model will look at it, made without the model, so that it can be made ahead of time.

    pixels: [N, 3, R, R] float32, normalised crops of the levels that are looked at.
    """

    pixels: np.ndarray
    levels: tuple[Level, ...]
    pyramid: Pyramid
    tiles: tuple[Tile, ...]
    provenance: dict[str, Any]


def load(
    name: str = "mini",
    *,
    dtype: str | torch.dtype = "auto",
    device: str | None = None,
    device_map: Any = None,
    attn_implementation: str | None = None,
    quantization_config: Any = None,
    allow_unaccounted: bool = False,
) -> MedFly:
    """A model by folder, built-in name or hub repository, ready to be asked. Raises InputError.

    The options are those of `medfly.dragonfly.loading.load_pretrained`. A calibration that lies beside the model is
    used where it is this model's in this precision; else a CalibrationWarning says why not.
    """
    model, processor = load_pretrained(
        name,
        dtype=dtype,
        device=device,
        device_map=device_map,
        attn_implementation=attn_implementation,
        quantization_config=quantization_config,
        allow_unaccounted=allow_unaccounted,
    )
    # Of the folder that it came from: on the hub there may be a newer one by now.
    folder = Path(str(model.name_or_path))
    fly = MedFly(model, processor, name=name, hash=model_hash(folder))
    fly.calibration = beside(folder, fly.hash, model.precision)
    return fly


class MedFly:
    """A model that can be asked about scans.

    name, hash: which model; they go into every answer's provenance.
    calibration: what answers are judged by (Answer.trust), None where they are not; it changes no answer.
    """

    def __init__(self, model: DragonflyForCausalLM, processor: DragonflyProcessor, *, name: str, hash: str) -> None:
        self.model = model.eval()
        self.processor = processor
        self.name = name
        self.hash = hash
        self.calibration: Calibration | None = None

    @overload
    def ask(
        self,
        scan: Scan | View | None,
        question: str,
        *,
        window: AnyWindow = ...,
        evidence: Wanted = ...,
        max_new_tokens: int = ...,
        levels: Sequence[Level] = ...,
        streamer: Streamer | None = ...,
    ) -> Answer: ...
    @overload
    def ask(
        self,
        scan: Scan | View | None,
        question: list[str] | tuple[str, ...],
        *,
        window: AnyWindow = ...,
        evidence: Wanted = ...,
        max_new_tokens: int = ...,
        levels: Sequence[Level] = ...,
        streamer: Streamer | None = ...,
    ) -> list[Answer]: ...
    def ask(
        self,
        scan: Scan | View | None,
        question: str | list[str] | tuple[str, ...],
        *,
        window: AnyWindow = None,
        evidence: Wanted = True,
        max_new_tokens: int = 64,
        levels: Sequence[Level] = LEVELS,
        streamer: Streamer | None = None,
    ) -> Answer | list[Answer]:
        """Answer one question, or several about the same scan that know nothing of each other, greedily.

        scan: None for a question about no image. window: see `Scan.display`.
            window, levels: for a Scan; a View has been made with its own.
        evidence: score every crop for every answer, which takes several times as long as the answer: True by
            gradients, "causal" by leaving crops out (medfly.evidence.occlusion), some of them on their own.
        levels: zoom levels that the model may see; the crops of the others are left out of the prefix.
        streamer: is given the tokens of a single question's answer as they come, as by transformers' `generate`.
        Raises InputError for an empty question or one that does not fit into the model's context.
        """
        checked(evidence)
        questions = [question] if isinstance(question, str) else list(question)
        with ended(streamer):
            if streamer is not None and len(questions) != 1:
                raise InputError(f"{len(questions)} questions and a streamer: expected one: ask them one by one")
            if not questions:
                return []
            positions = 0 if scan is None else self.model.config.num_image_positions
            prompts = [self.prompt(one, max_new_tokens, image_positions=positions) for one in questions]
            prefix = self.text_only() if scan is None else self.read(scan, window=window, levels=levels)
            results = self.generate(prefix, prompts, max_new_tokens, streamer)
        answers = [
            self.finish(prefix, *one, evidence=evidence) for one in zip(questions, prompts, results, strict=True)
        ]
        return answers[0] if isinstance(question, str) else answers

    def chat(
        self, scan: Scan | View | None, *, window: AnyWindow = None, levels: Sequence[Level] = LEVELS
    ) -> Conversation:
        """Several turns about one image, or about none; the image is read here, once."""
        prefix = self.text_only() if scan is None else self.read(scan, window=window, levels=levels)
        return Conversation(self, prefix)

    def answer(
        self,
        samples: Iterable[Sample],
        *,
        levels: Sequence[Level] = LEVELS,
        batch_size: int = 16,
        max_new_tokens: int = 64,
        evidence: Wanted = False,
    ) -> Iterator[Answer]:
        """Answer samples in their order; questions about one image that stand side by side share it.

        batch_size: as many of them are generated together; it never changes an answer in fp32. What is in a batch
            depends on the samples from this image's first on, and on nothing before.
        No answer is judged or deferred here, whatever the calibration: every one of them is to be scored.
        Raises InputError with the id of the question that cannot be answered.
        """
        checked(evidence)
        groups: Iterator[list[Sample]] = (list(group) for _, group in groupby(samples, key=lambda s: s.image))
        # The next picture is read and cut while the model is busy with this one.
        with closing(ahead(partial(self._opened, group, levels) for group in groups)) as opened:
            for group, view in opened:
                yield from self._group(group, view, batch_size, max_new_tokens, evidence)

    def _opened(self, samples: list[Sample], levels: Sequence[Level]) -> tuple[list[Sample], View]:
        with naming_question(samples[0]):
            return samples, self.view(samples[0].scan(), levels=levels)

    def _group(
        self, samples: list[Sample], view: View, batch_size: int, limit: int, evidence: Wanted
    ) -> Iterator[Answer]:
        """The answers to questions about one image."""
        prompts, positions = [], self.model.config.num_image_positions
        for sample in samples:
            with naming_question(sample):
                prompts.append(self.prompt(sample.question, limit, image_positions=positions))
        prefix = self.read(view)
        for start in range(0, len(samples), batch_size):
            batch = slice(start, start + batch_size)
            results = self.generate(prefix, prompts[batch], limit)
            for sample, prompt, result in zip(samples[batch], prompts[batch], results, strict=True):
                yield self.finish(prefix, sample.question, prompt, result, evidence=evidence, trust=False)

    def view(self, scan: Scan, *, window: AnyWindow = None, levels: Sequence[Level] = LEVELS) -> View:
        """What the model is shown of a scan. It needs no model and may run in another thread. Raises InputError."""
        if isinstance(scan, Volume):
            raise InputError(
                f"a volume of {len(scan)} frames; expected one scan: take volume[{len(scan) // 2}], its key_frames(), "
                "or medfly.montage(volume)"
            )
        if not set(levels) & set(LEVELS):
            raise InputError(f"levels {tuple(levels)}: expected at least one of {', '.join(LEVELS)}")
        images, looked = self.processor.image_processor, self._looked(levels)
        counts = self.model.config.crops_per_level
        cut = [level in looked for level in LEVELS for _ in range(counts[level])]
        aspect = scan.pixel_aspect
        return View(
            images.normalise(images.crops(scan.display(window), aspect)[cut]),
            tuple(levels),
            images.pyramid(*scan.size, aspect),
            scan.tiles,
            self._provenance(scan, window, levels),
        )

    def _looked(self, levels: Sequence[Level]) -> Sequence[Level]:
        """Where high crops are selected by their likeness to medium ones, all are looked at."""
        return levels if self.model.config.kept_per_medium is None else LEVELS

    @torch.inference_mode()
    def read(self, scan: Scan | View, *, window: AnyWindow = None, levels: Sequence[Level] = LEVELS) -> Prefix:
        """Show the model a scan: crops, encoder, pooling, projection, and the decoder over the prefix.

        window, levels: for a Scan; a View has been made with its own.
        """
        view = scan if isinstance(scan, View) else self.view(scan, window=window, levels=levels)
        levels, looked = view.levels, self._looked(view.levels)
        spans, config, device = self.processor.image_spans(), self.model.config, self.model.device
        counts = [config.crops_per_level[level] if level in looked else 0 for level in LEVELS]
        features = self.model.get_image_features(torch.from_numpy(view.pixels)[None].to(device), counts)
        slots = [slot for slot in spans if slot[0] in looked]
        ids = torch.tensor([self.processor.image_ids(slots)], device=device)
        embeddings = self.model.merge(ids, self.model.get_input_embeddings()(ids), features.tokens)
        read = torch.tensor([slot[0] in levels for slot in slots for _ in spans[slot]], device=device)
        positions = torch.tensor([self.processor.image_positions(slots)], device=device)[:, read]
        embeddings = embeddings[:, read]
        cache = self.model.language_model.model(
            inputs_embeds=embeddings, position_ids=positions, past_key_values=DynamicCache(), use_cache=True
        ).past_key_values
        high = features.high_crops[0].tolist()
        crops: list[tuple[Level, int]] = [
            (level, high[i] if level == "high" else i) for level, i in slots if level in levels
        ]
        return Prefix(
            embeddings,
            positions,
            cache,
            crops,
            end=config.num_image_positions,
            pyramid=view.pyramid,
            tiles=view.tiles,
            provenance=view.provenance,
        )

    def text_only(self) -> Prefix:
        """What stands before a question about no image: nothing."""
        device, width = self.model.device, self.model.config.text_config.hidden_size
        return Prefix(
            torch.zeros(1, 0, width, dtype=self.model.dtype, device=device),
            torch.zeros(1, 0, dtype=torch.long, device=device),
            DynamicCache(),
            crops=[],
            end=0,
            pyramid=None,
            tiles=(),
            provenance=self._provenance(None, None, ()),
        )

    def generate(
        self, prefix: Prefix, prompts: Sequence[list[int]], max_new_tokens: int, streamer: Streamer | None = None
    ) -> list[Generated]:
        """Greedy answers to prompts behind one prefix, see `medfly.generation.greedy`."""
        seen, pad = prefix.positions.shape[1], self.processor.tokenizer.pad_token_id
        return greedy(self.model, prefix.cache, seen, prefix.end, prompts, max_new_tokens, pad=pad, streamer=streamer)

    def prompt(
        self,
        question: str,
        max_new_tokens: int,
        *,
        image_positions: int,
        earlier: Sequence[tuple[str, str]] = (),
    ) -> list[int]:
        """The token ids that ask a question, behind the earlier turns' questions and answers.

        Raises InputError for what is no question, and where image, text and answer do not fit into the context.
        """
        if not question.strip():
            raise InputError("an empty question: expected some words, such as 'Which organ is abnormal?'")
        if max_new_tokens < 1:
            raise InputError(f"max_new_tokens {max_new_tokens}: expected at least 1")
        try:
            prompt = self.processor.prompt_ids(question, earlier)
        except ValueError as error:
            raise InputError(str(error)) from None
        context = self.model.config.text_config.max_position_embeddings
        room = context - image_positions - max_new_tokens
        if len(prompt) > room:
            what, remedy = ("conversation", "shorten it, or start a new one") if earlier else ("question", "shorten it")
            raise InputError(
                f"a {what} of {len(prompt)} tokens: with {image_positions} image positions and {max_new_tokens} for "
                f"the answer, expected at most {max(room, 0)} in a context of {context}: {remedy}"
            )
        return prompt

    def finish(
        self, prefix: Prefix, question: str, prompt: list[int], said: Generated, *, evidence: Wanted, trust: bool = True
    ) -> Answer:
        """What was generated as an answer, with its evidence if wanted; judged by the calibration, if there is one."""
        return Answer(
            question=question,
            text=self.text(said.ids),
            confidence=said.confidence,
            evidence=explain(self.model, self.processor.tokens_per_crop, prefix, prompt, said.ids, evidence),
            provenance=prefix.provenance,
            trust=judge(self, prefix, question, prompt, said.confidence) if trust else None,
        )

    @torch.inference_mode()
    def log_probabilities(self, prefix: Prefix, prompt: list[int], answers: Sequence[str]) -> list[float]:
        """log p(answer) in nats for each of these texts, end of turn included, instead of what would be generated."""
        seen = prefix.positions.shape[1]
        nothing = prefix.embeddings[:, seen:], prefix.positions[:, seen:]  # all of the image is in the cache
        return [
            log_probability(
                self.model,
                *nothing,
                prefix.end,
                prompt,
                self.processor.answer_ids(answer),
                beginning(prefix.cache, seen, 1),
            ).item()
            for answer in answers
        ]

    def occluder(self, prefix: Prefix, prompt: list[int], answer: str) -> Occluder:
        """An answer to be read again with crops left out: see `Occluder.effects`; its crops are `prefix.crops`."""
        ids = self.processor.answer_ids(answer)
        return occluder(self.model, self.processor.tokens_per_crop, prefix, prompt, ids)

    def text(self, ids: list[int]) -> str:
        """The words of an answer's tokens, without the blanks around them."""
        decode = self.processor.tokenizer.decode
        return decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False).strip()

    def _provenance(self, scan: Scan | None, window: AnyWindow, levels: Sequence[Level]) -> dict[str, Any]:
        precision = self.model.precision
        return provenance(scan, window, levels, model=self.name, model_hash=self.hash, precision=precision)
