"""Text and pictures → what the model reads. The image positions stand before the beginning of text.

`DragonflyProcessor.__call__` trusts its text: special tokens in it are special. What a user types goes
through `prompt_ids`, where everything that was typed stays text.

Shapes: B batch, S sequence, P image positions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from transformers import BatchFeature, ProcessorMixin

from medfly.geometry import LEVELS
from medfly.types import Level

IMAGE_TOKEN = "<|reserved_special_token_0|>"
NEWLINE_TOKEN = "<|reserved_special_token_1|>"
END_OF_TURN = "<|eot_id|>"
USER_HEADER = "<|start_header_id|>user<|end_header_id|>\n\n"
ASSISTANT_HEADER = "<|start_header_id|>assistant<|end_header_id|>\n\n"


class DragonflyProcessor(ProcessorMixin):
    """tokens_per_crop, crops_per_level: as the model's configuration says, by level."""

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        tokens_per_crop: dict[Level, int] | None = None,
        crops_per_level: dict[Level, int] | None = None,
        chat_template: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(image_processor, tokenizer, chat_template=chat_template)
        self.tokens_per_crop = tokens_per_crop or {"low": 577, "medium": 37, "high": 37}
        self.crops_per_level = crops_per_level or {"low": 1, "medium": 4, "high": 36}
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token

    def image_spans(self) -> dict[tuple[Level, int], range]:
        """(level, crop) → its positions, newline included, in the order of the image positions."""
        spans, start = {}, 0
        for level in LEVELS:
            length = self.tokens_per_crop[level] + 1
            for crop in range(self.crops_per_level[level]):
                spans[level, crop] = range(start, start + length)
                start += length
        return spans

    def image_ids(self, crops: Iterable[tuple[Level, int]] | None = None) -> list[int]:
        """The placeholders of one image, or of some of its crops: each crop's tokens, then a newline."""
        image, newline = self.tokenizer.convert_tokens_to_ids([IMAGE_TOKEN, NEWLINE_TOKEN])
        chosen = self.image_spans() if crops is None else crops
        return [token for level, _ in chosen for token in [image] * self.tokens_per_crop[level] + [newline]]

    def image_positions(self, crops: Iterable[tuple[Level, int]]) -> list[int]:
        """The positions of some crops: the same as if all crops were there, so a crop left out leaves a gap."""
        spans = self.image_spans()
        return [position for crop in crops for position in spans[crop]]

    def prompt_ids(self, question: str) -> list[int]:
        """One user turn and the assistant's header, from the beginning of text. Nothing typed becomes special.

        The question is stripped first: Llama 3's pre-tokenisation would join a leading newline to the header's.
        """
        header = USER_HEADER.removesuffix("\n\n")
        ids = self.tokenizer(header)["input_ids"]
        ids += self._plain("\n\n" + question.strip())
        return ids + self.tokenizer(END_OF_TURN + ASSISTANT_HEADER, add_special_tokens=False)["input_ids"]

    def answer_ids(self, answer: str) -> list[int]:
        """An answer as the model should give it, with the end of its turn."""
        return [*self._plain(answer.strip()), self.tokenizer.convert_tokens_to_ids(END_OF_TURN)]

    def _plain(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]

    def __call__(
        self,
        images: Any = None,
        text: str | Sequence[str] | None = None,
        padding_side: str = "left",
        return_tensors: str | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """One image a text → input_ids and attention_mask [B, S], padded left, and pixel_values [B, N, 3, R, R].

        Without images the text is tokenised alone.
        """
        if text is None:
            raise ValueError("no text: expected a prompt, or one for each image")
        texts = [text] if isinstance(text, str) else list(text)
        rows = [self.tokenizer(one)["input_ids"] for one in texts]
        data: dict[str, Any] = {}
        if images is not None:
            pixels = self.image_processor(images, return_tensors=return_tensors)
            if len(pixels["pixel_values"]) != len(texts):
                raise ValueError(
                    f"{len(pixels['pixel_values'])} images and {len(texts)} texts: expected one image a text"
                )
            data.update(pixels)
            rows = [self.image_ids() + row for row in rows]
        padded = self.tokenizer.pad({"input_ids": rows}, padding_side=padding_side, return_tensors=return_tensors)
        return BatchFeature({**padded, **data})
