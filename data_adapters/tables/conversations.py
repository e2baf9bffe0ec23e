"""Conversations as training sets have them → questions with their answers.

Known are LLaVA's and ShareGPT's turns ({"from": "human", "value": …}), messages ({"role": "user", "content": …},
with text and picture parts, too) and the Dragonfly reference's text in Llama 3's own template. It knows nothing of
files: a picture is whatever the record calls it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ASKS = frozenset({"human", "user"})
ANSWERS = frozenset({"gpt", "chatgpt", "assistant", "model"})
PLACEHOLDER = re.compile(r"\s*<image(?:[ _]?\d+)?>\s*")
TEMPLATE = re.compile(
    r"<\|start_header_id\|>(\w+)<\|end_header_id\|>(.*?)(?=<\|eot_id\|>|<\|start_header_id\|>|\Z)", re.S
)


class Unfit(Exception):
    """A row that cannot become a question: what kind of fault, what was found, what was expected; no cell's text."""

    def __init__(self, kind: str, found: str, expected: str) -> None:
        super().__init__(f"found {found}; expected {expected}")
        self.kind = kind


@dataclass(frozen=True)
class Exchange:
    """One question, its answer (None where nobody answers), and the questions and answers before it."""

    question: str
    answer: str | None
    earlier: tuple[tuple[str, str], ...]


def is_conversation(record: Mapping[str, Any]) -> bool:
    return "conversations" in record or "messages" in record


def exchanges(record: Mapping[str, Any]) -> tuple[list[Exchange], list[Any]]:
    """The exchanges of one record in order, and the pictures that stand between the words of `messages`.

    Picture placeholders (<image>) are taken out of the questions; system turns are left out.
    Raises Unfit where the turns are no questions and answers by turns.
    """
    found: list[Exchange] = []
    pictures: list[Any] = []
    asked: str | None = None
    for role, content in _turns(record):
        text, shown = _content(content)
        pictures += shown
        if role == "system":
            continue
        if (role in ASKS) != (asked is None) or role not in ASKS | ANSWERS:
            raise Unfit("turns", "turns in another order or of another role", "question and answer by turns")
        if role in ASKS:
            asked = PLACEHOLDER.sub(" ", text).strip()
        else:
            found.append(Exchange(asked or "", text.strip(), _pairs(found)))
            asked = None
    if asked is not None:
        found.append(Exchange(asked, None, _pairs(found)))
    if not found:
        raise Unfit("turns", "a conversation without a turn", "a question")
    return found, pictures


def _pairs(found: list[Exchange]) -> tuple[tuple[str, str], ...]:
    return tuple((one.question, one.answer or "") for one in found)


def _turns(record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    turns = record.get("conversations") or record.get("messages")
    if isinstance(turns, str):  # the reference's: https://github.com/togethercomputer/Dragonfly#dataset
        yield from TEMPLATE.findall(turns)
        return
    for turn in turns if isinstance(turns, list) else []:
        if not isinstance(turn, Mapping):
            raise Unfit("turns", "a turn that is no object", '{"from", "value"} or {"role", "content"}')
        yield str(turn.get("from", turn.get("role"))), turn.get("value", turn.get("content"))


def _content(content: Any) -> tuple[str, list[Any]]:
    """The words and the pictures of one turn: a text, or a list of parts as OpenAI's interface has them."""
    if isinstance(content, str):
        return content, []
    texts, pictures = [], []
    for part in content if isinstance(content, list) else [None]:
        if not isinstance(part, Mapping) or part.get("type") not in ("text", "image", "image_url"):
            raise Unfit("turns", "a turn that is neither text nor a list of parts", "text and image parts")
        if part["type"] == "text":
            texts.append(str(part.get("text") or ""))
        else:
            picture = part.get("image_url", part.get("image"))
            pictures.append(picture.get("url") if isinstance(picture, Mapping) else picture)
    return " ".join(texts), pictures
