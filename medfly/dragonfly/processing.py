"""Text and pictures → what the model reads. The image positions stand before the beginning of text.

`DragonflyProcessor.__call__` trusts its text: special tokens in it are special. What a user types goes
through `prompt_ids` or `apply_chat_template`, where everything that was typed stays text.

Shapes: B batch, S sequence, P image positions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from transformers import AutoTokenizer, BatchFeature, ProcessorMixin
from transformers.utils import PROCESSOR_NAME

from medfly.dragonfly.chat import Message, TurnTokens, read_messages, render
from medfly.dragonfly.configuration import DragonflyConfig
from medfly.dragonfly.image_processing import DragonflyImageProcessor
from medfly.dragonfly.official import HUB_OPTIONS, preprocessing, read_beside
from medfly.geometry import LEVELS
from medfly.types import Level

IMAGE_TOKEN = "<|reserved_special_token_0|>"
NEWLINE_TOKEN = "<|reserved_special_token_1|>"
HARMLESS = {"padding": (True, "longest"), "padding_side": ("left",), "sanitize_control_tokens": (True,)}
"""Options of transformers' own `apply_chat_template` that ask for what is done anyway."""


class DragonflyProcessor(ProcessorMixin):
    """tokens_per_crop, crops_per_level: of the crops that reach the decoder, by level (`slots_per_level`)."""

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

    @classmethod
    def from_config(cls, config: DragonflyConfig, tokenizer: Any, **options: Any) -> DragonflyProcessor:
        """The processor that fits a model. options: see `DragonflyImageProcessor.from_config`."""
        images = DragonflyImageProcessor.from_config(config, **options)
        return cls(images, tokenizer, config.tokens_per_crop, config.slots_per_level)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """As in transformers; a checkpoint in the published layout, which has no processor, gets the one that fits."""
        name, options = str(pretrained_model_name_or_path), {k: v for k, v in kwargs.items() if k in HUB_OPTIONS}
        if read_beside(name, "", PROCESSOR_NAME, **options) is not None:
            return super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        config = DragonflyConfig.from_pretrained(name, **options)
        pixels = preprocessing(getattr(config, "image_encoder", ""), name, **options)
        return cls.from_config(config, AutoTokenizer.from_pretrained(name, **options), **pixels)

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

    def prompt_ids(self, question: str, earlier: Sequence[tuple[str, str]] = ()) -> list[int]:
        """A user turn and the assistant's header, from the beginning of text. Nothing typed becomes special.

        earlier: (question, answer) of the turns before. Raises ValueError for lone surrogates.
        The texts are stripped first: Llama 3's pre-tokenisation would join a leading newline to the header's.
        """
        said = [Message(*one) for pair in earlier for one in zip(("user", "assistant"), pair, strict=True)]
        return self._turns().conversation([*said, Message("user", question)], reply=True)

    def answer_ids(self, answer: str) -> list[int]:
        """An answer as the model should give it, with the end of its turn."""
        turns = self._turns()
        return [*turns.plain(answer.strip()), turns.end_of_turn]

    def apply_chat_template(
        self,
        conversation: Any,
        *,
        tokenize: bool = False,
        add_generation_prompt: bool = False,
        return_dict: bool = False,
        return_tensors: str | None = None,
        **options: Any,
    ) -> Any:
        """One conversation or a list of them, as messages (see `read_messages`), for a model that answers.

        With tokenize: ids as `prompt_ids` gives them, behind the image's positions where a message holds a picture;
        with return_dict also attention_mask and pixel_values, as `__call__` gives them. Nothing in a message becomes
        special. Without tokenize: a string a conversation, for `__call__`, without its picture.
        Raises ValueError for what is no such conversation, for a text with a special token where a string is asked
        for, and for other options: there is one template and nothing is cut.
        """
        options |= options.pop("processor_kwargs", None) or {}
        for name, value in options.items():
            if value and value not in HARMLESS.get(name, ()):
                raise ValueError(f"option {name}={value!r}: the layout of Dragonfly's turns is fixed, leave it off")
        single = bool(conversation) and isinstance(conversation[0], Mapping)
        read = [read_messages(one) for one in ([conversation] if single else conversation)]
        if not read:
            raise ValueError("no conversation: expected a list of messages, or several")
        rows = [self._turns().conversation(messages, reply=add_generation_prompt) for messages, _ in read]
        if not tokenize:
            texts = [render(messages, reply=add_generation_prompt) for messages, _ in read]
            if [self.tokenizer(text)["input_ids"] for text in texts] != rows:
                raise ValueError("a message holds a special token, which a string would set free: use tokenize=True")
            return texts[0] if single else texts
        data = self._batch(rows, [image for _, image in read], None if return_tensors == "auto" else return_tensors)
        return data if return_dict else data["input_ids"]

    def _batch(self, rows: list[list[int]], images: list[Any], return_tensors: str | None) -> BatchFeature:
        """Token ids and their pictures → what the model takes, as `__call__` says."""
        given = [image for image in images if image is not None]
        if given and len(given) < len(rows):
            raise ValueError(f"{len(given)} images in {len(rows)} conversations: expected one in each, or in none")
        data = self.image_processor(given, return_tensors=return_tensors) if given else {}
        rows = [self.image_ids() + row for row in rows] if given else rows
        return BatchFeature(
            {**self.tokenizer.pad({"input_ids": rows}, padding_side="left", return_tensors=return_tensors), **data}
        )

    def _turns(self) -> TurnTokens:
        # Made when it is needed: it copies the tokenizer. Another tokenizer may have been set since.
        turns = self.__dict__.get("_turn_tokens")
        if turns is None or turns.tokenizer is not self.tokenizer:
            turns = self._turn_tokens = TurnTokens(self.tokenizer, (IMAGE_TOKEN, NEWLINE_TOKEN))
        return turns

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
