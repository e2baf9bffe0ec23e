"""Messages → the token ids of Llama 3's turns. Whatever stands in a message stays text.

A turn is `<|start_header_id|>role<|end_header_id|>\\n\\ntext<|eot_id|>`. Its marks are put in as ids; the text is
tokenised apart from them by a tokenizer that knows no special token, so that nobody can write one. The module
knows no pixels and no image positions: it only says which picture belongs to a conversation.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

START_HEADER = "<|start_header_id|>"
END_HEADER = "<|end_header_id|>"
END_OF_TURN = "<|eot_id|>"
BLANK_LINE = "\n\n"
ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Message:
    """One turn. role: system, user or assistant. text: as it was written; blanks around it do not count."""

    role: str
    text: str


class TurnTokens:
    """Token ids of turns, by a tokenizer with Llama 3's special tokens.

    placeholders: further tokens that no text may write. Raises ValueError where one of them all is not special.
    """

    def __init__(self, tokenizer: Any, placeholders: Iterable[str] = ()) -> None:
        self.tokenizer = tokenizer
        special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
        missing = {START_HEADER, END_HEADER, END_OF_TURN, *placeholders} - special
        if missing:
            raise ValueError(f"the tokenizer has no special token {min(missing)}: expected Llama 3's special tokens")
        self.start_header, self.end_header, self.end_of_turn = tokenizer.convert_tokens_to_ids(
            [START_HEADER, END_HEADER, END_OF_TURN]
        )
        # A copy of its own: the flag that turns special tokens into text is state that threads would share.
        self._backend = copy.deepcopy(tokenizer.backend_tokenizer)
        self._backend.no_truncation()
        self._backend.no_padding()

    def plain(self, text: str) -> list[int]:
        """Text → ids, none of them special. Raises ValueError for lone surrogates, which are no text."""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"a text with half of a surrogate pair, {text[error.start]!a}: expected Unicode text, check how it was "
                "decoded"
            ) from None
        if not self._backend.encode_special_tokens:  # at first, and after pickling, which forgets it
            self._backend.encode_special_tokens = True
        return self._backend.encode(text, add_special_tokens=False).ids

    def conversation(self, messages: Sequence[Message], *, reply: bool) -> list[int]:
        """All turns from the beginning of text on. reply: the assistant's header behind them."""
        ids = list(self.tokenizer("")["input_ids"])
        for message in messages:
            ids += [*self._header(message.role, message.text), self.end_of_turn]
        return ids + self._header("assistant", "") if reply else ids

    def _header(self, role: str, text: str) -> list[int]:
        # The text is stripped: Llama 3's pre-tokenisation would join a leading newline to the header's.
        return [self.start_header, *self.plain(role), self.end_header, *self.plain(BLANK_LINE + text.strip())]


def render(messages: Sequence[Message], *, reply: bool) -> str:
    """The turns as one string, for people and for who trusts it: what looks special in a text is special in it."""
    turns = [f"{_header(m.role)}{m.text.strip()}{END_OF_TURN}" for m in messages]
    return "".join(turns) + (_header("assistant") if reply else "")


def _header(role: str) -> str:
    return f"{START_HEADER}{role}{END_HEADER}{BLANK_LINE}"


def read_messages(conversation: Sequence[Mapping[str, Any]]) -> tuple[list[Message], Any]:
    """Hugging Face's messages → turns and their picture, or None where there is none.

    A message is {"role": …, "content": …}; the content is a string or a list of {"type": "text", "text": …} and,
    once and in the first user turn, {"type": "image", "image": …}. Raises ValueError for anything else.
    """
    if not conversation:
        raise ValueError("a conversation without messages: expected at least one")
    messages, image = [], None
    for number, message in enumerate(conversation, start=1):
        if not isinstance(message, Mapping):
            raise ValueError(f'message {number} is a {type(message).__name__}: expected {{"role": …, "content": …}}')
        role, content = message.get("role"), message.get("content")
        if role not in ROLES:
            raise ValueError(f"message {number} has the role {role!r}: expected one of {', '.join(ROLES)}")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not isinstance(parts, Sequence):
            raise ValueError(
                f"message {number} has a {type(content).__name__} for content: expected a string or a list"
            )
        texts = []
        for part in parts:
            if _kind(part) == "text":
                texts.append(part["text"])
            elif _kind(part) == "image":
                if image is not None or role != "user" or any(m.role == "user" for m in messages):
                    raise ValueError(f"an image in message {number}: expected one image, in the first user turn")
                image = part["image"]
            else:
                raise ValueError(
                    f'message {number} has a part that is neither {{"type": "text", "text": a string}} nor '
                    '{"type": "image", "image": an open picture}: expected only these'
                )
        messages.append(Message(role, "".join(texts)))
    return messages, image


def _kind(part: Any) -> str | None:
    """ "text", "image", or None for what is neither."""
    if not isinstance(part, Mapping):
        return None
    if part.get("type") == "text" and isinstance(part.get("text"), str):
        return "text"
    # A string would be an address or a path: fetching what a message names is not a tokenizer's business.
    openable = part.get("image") is not None and not isinstance(part.get("image"), (str, bytes))
    return "image" if part.get("type") == "image" and openable else None
