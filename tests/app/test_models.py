"""The line for a model: one at a time, first come first served, and nobody who leaves in trouble keeps it."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

import medfly
from app.models import MOST_KEPT, Kept, Line, Shared
from medfly.types import Scan


class GivesUp(Exception):
    """What a page raises that is gone."""


def queued(line: Line, count: int) -> None:
    """Until so many stand in the line."""
    end = time.monotonic() + 5
    while len(line) < count:
        assert time.monotonic() < end
        time.sleep(0.001)


def started(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_first_come_first_served_and_one_at_a_time() -> None:
    line, order, inside = Line(), [], 0

    def work(name: int) -> None:
        nonlocal inside
        with line.turn():
            inside += 1
            assert inside == 1
            order.append(name)
            time.sleep(0.01)
            inside -= 1

    with line.turn():
        threads = []
        for name in range(5):
            threads.append(started(lambda name=name: work(name)))
            queued(line, name + 2)
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4] and len(line) == 0


def test_whoever_fails_leaves_the_line_to_the_next() -> None:
    line = Line()
    with pytest.raises(GivesUp), line.turn():
        raise GivesUp
    with line.turn():
        assert len(line) == 1


def test_whoever_gives_up_waiting_leaves_it_too() -> None:
    line, before = Line(), []

    def told(count: int) -> None:
        before.append(count)
        raise GivesUp

    def work() -> None:
        with pytest.raises(GivesUp), line.turn(told):
            raise AssertionError("it is not its turn")

    with line.turn():
        started(work).join()
        assert before == [1] and len(line) == 1
    assert len(line) == 0


def test_long_work_lets_short_work_go_first() -> None:
    line, order = Line(), []

    def short() -> None:
        with line.turn():
            order.append("short")

    with line.turn() as hold:
        order.append("long 1")
        hold.pass_on()
        order.append("long 2")  # nobody waited
        thread = started(short)
        queued(line, 2)
        hold.pass_on()
        order.append("long 3")
    thread.join()
    assert order == ["long 1", "long 2", "short", "long 3"]


def test_giving_up_while_others_go_first_leaves_the_line() -> None:
    line, wanted = Line(), threading.Event()

    def told(_: int) -> None:
        raise GivesUp

    def short() -> None:
        with line.turn():
            wanted.wait(5)

    with pytest.raises(GivesUp), line.turn(told) as hold:
        thread = started(short)
        queued(line, 2)
        hold.pass_on()
    wanted.set()
    thread.join()
    assert len(line) == 0


@pytest.fixture(scope="module")
def shared(tiny_model) -> Shared:
    return Shared(medfly.load(str(tiny_model), device="cpu"))


def scan(seed: int) -> Scan:
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    return Scan(pixels, input_hash="the same")  # told apart by its pixels alone


def test_a_picture_is_read_once_and_another_anew(shared: Shared) -> None:
    fly, kept = shared.fly, Kept()
    first = shared.read(fly.view(scan(0)), kept)
    assert shared.read(fly.view(scan(0)), kept) is first
    other = shared.read(fly.view(scan(1)), kept)
    assert not np.array_equal(other.embeddings.numpy(), first.embeddings.numpy())
    assert np.array_equal(other.embeddings.numpy(), fly.read(scan(1)).embeddings.numpy())


def test_few_sessions_pictures_are_kept_and_none_of_a_session_that_ended(shared: Shared) -> None:
    sessions = [Kept() for _ in range(MOST_KEPT + 2)]
    for seed, kept in enumerate(sessions):
        shared.read(shared.fly.view(scan(seed)), kept)
    assert [kept.prefix is not None for kept in sessions] == [False, False] + [True] * MOST_KEPT
    shared.read(shared.fly.view(scan(9)), sessions[0])
    assert [kept.prefix is not None for kept in sessions] == [True, False, False, True]
    kept = sessions = None
    gc.collect()
    assert all(one() is None for one in shared._kept)  # nothing else holds a session's picture
