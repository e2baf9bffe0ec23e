"""A session's turns: in their order, changed in their place, and nobody else's."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from app.session import Session, Turn, key, new_id
from medfly.types import Answer

START = datetime(2026, 1, 1, tzinfo=UTC)


def turn(name: str, minute: int = 0) -> Turn:
    at = START + timedelta(minutes=minute)
    return Turn(name, Answer("Q", name), 0, "colour", None, at, "ab", "CT", np.zeros((2, 2, 3), np.uint8))


def test_turns_of_all_series_come_in_the_order_in_which_they_were_asked() -> None:
    session = Session()
    for series, name, minute in (("one", "a", 0), ("two", "b", 1), ("one", "c", 2)):
        session.add(series, turn(name, minute))
    assert [(series, found.id) for series, found in session.every()] == [("one", "a"), ("two", "b"), ("one", "c")]
    assert [found.id for found in session.turns("one")] == ["a", "c"] and session.turns("three") == ()
    session.forget("one")
    assert [found.id for _, found in session.every()] == ["b"]
    session.forget("one")


def test_a_turn_is_changed_in_its_place_and_the_old_one_stays_as_it_was() -> None:
    session = Session()
    first = turn("a")
    session.add("one", first)
    session.add("one", turn("b"))
    changed = session.change("a", verdict="disagree")
    assert changed.verdict == "disagree" and session.turns("one")[0] is changed and first.verdict is None
    with pytest.raises(KeyError):
        session.change("c", verdict="agree")
    with pytest.raises(FrozenInstanceError):
        first.verdict = "agree"  # type: ignore[misc]


def test_sessions_share_nothing() -> None:
    one, other = Session(), Session()
    one.add("one", turn("a"))
    assert not other.history and one.id != other.id and len(bytes.fromhex(one.id)) == 16


def test_keys_and_ids_are_their_own() -> None:
    assert key("asking", "question", "ab") != key("asking", "question", "cd") != key("audit", "question", "cd")
    assert len({new_id() for _ in range(100)}) == 100
