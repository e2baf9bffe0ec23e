"""Readers' own words: kept apart, whole, and readable by their owner only."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.record import comments
from medfly.types import InputError

WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50).filter(str.strip)


def kept(path: Path) -> list[tuple[str, str]]:
    lines = path.read_text("ascii").splitlines() if path.exists() else []
    return [(line["turn"], line["comment"]) for line in map(json.loads, lines)]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), WORDS), max_size=4))
def test_comments_come_back_in_their_order(tmp_path_factory, said) -> None:
    path = tmp_path_factory.mktemp("log") / "x"
    for turn, text in said:
        comments.add(path, turn, text)
    assert kept(path) == [(turn, text.strip()) for turn, text in said]


def test_a_file_beside_the_log_for_its_owner(tmp_path) -> None:
    path = comments.comments_path(tmp_path / "audit.jsonl")
    assert path == tmp_path / "audit.jsonl.comments" and not path.exists()
    comments.add(path, "a", "The lesion is lower.")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", " \n ", "x" * (comments.LONGEST + 1)])
def test_lengths(tmp_path, text) -> None:
    path: Path = tmp_path / "x"
    with pytest.raises(InputError, match="expected 1 to"):
        comments.add(path, "a", text)
    assert not path.exists()


def test_a_torn_line_spoils_no_other(tmp_path) -> None:
    path = tmp_path / "x"
    comments.add(path, "a", "one")
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"turn": "b"')
    comments.add(path, "c", "two")
    first, torn, last = path.read_bytes().splitlines(keepends=True)
    assert torn == b'{"turn": "b"\n'
    path.write_bytes(first + last)
    assert kept(path) == [("a", "one"), ("c", "two")]
