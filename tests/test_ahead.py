"""Reading ahead: order kept, bounded, errors in their place, nothing left running."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfly.ahead import ahead


@given(st.lists(st.integers(), max_size=20), st.integers(1, 5))
def test_order_is_kept(values: list[int], depth: int) -> None:
    assert list(ahead((partial(int, value) for value in values), depth)) == values


def test_the_next_is_made_meanwhile_and_no_more_than_depth() -> None:
    made: list[int] = []
    third = threading.Event()

    def make(number: int) -> int:
        made.append(number)
        if number == 2:
            third.set()
        return number

    results = ahead((partial(make, number) for number in range(10)), depth=2)
    assert next(results) == 0
    assert third.wait(10)  # made by the other thread: nobody has asked for it yet
    assert made == [0, 1, 2]
    results.close()
    assert made == [0, 1, 2]


def test_an_error_is_raised_in_its_turn_and_ends_it() -> None:
    def fail() -> int:
        raise ValueError("the second")

    calls: list[Callable[[], int]] = [lambda: 1, fail, lambda: 3]
    results = ahead(calls)
    assert next(results) == 1
    with pytest.raises(ValueError, match="the second"):
        next(results)
    assert list(results) == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
