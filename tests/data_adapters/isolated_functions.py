"""What the tests of isolation have done in a worker: good work, and all the ways to go wrong."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import Any

import numpy as np

from medfly.types import InputError

Result = tuple[dict[str, Any], np.ndarray]
NOTHING = np.zeros(0, np.uint8)
poisoned = False


def echo(data: bytes, dtype: str, shape: list[int], **arguments: Any) -> Result:
    return {"process": os.getpid(), **arguments}, np.frombuffer(data, dtype).reshape(shape)


def transposed(data: bytes) -> Result:
    return {}, np.frombuffer(data, np.uint8).reshape(2, -1).T


def refuse(data: bytes) -> Result:
    raise InputError("found this; expected that; do so")


def fail(data: bytes, kind: str) -> Result:
    kinds = {"value": ValueError, "panic": type("PanicException", (BaseException,), {}), "exit": SystemExit}
    raise kinds[kind]("Doe^Jane")


def end(data: bytes, how: str) -> Result:
    if how == "abort":
        os.abort()
    if how == "leave":
        os._exit(3)
    os.kill(os.getpid(), 9)
    return {}, NOTHING


def babble(data: bytes) -> Result:
    """Write into every file that is open, as a codec with a wild pointer might."""
    for descriptor in range(3, 20):
        with suppress(OSError):
            os.write(descriptor, b"\x20\0\0\0\0\0\0\0" * 8)
    return {}, NOTHING


def hang_up(data: bytes) -> Result:
    os.closerange(3, 20)
    return sleep(data, 60)


def text(data: bytes) -> Result:
    return {}, np.array(["a"], dtype=object)


def crash_of_a_codec(data: bytes, **arguments: Any) -> Result:
    return end(data, "abort")


def sleep(data: bytes, seconds: float) -> Result:
    time.sleep(seconds)
    return {}, NOTHING


def spin(data: bytes) -> Result:
    return {}, NOTHING + sum(1 for _ in iter(int, 1))  # never ends, never lets go


def allocate(data: bytes, size: int) -> Result:
    return {"bytes": len(bytearray(size))}, NOTHING


def poison(data: bytes) -> Result:
    global poisoned
    poisoned = True
    return {}, NOTHING


def end_if_poisoned(data: bytes) -> Result:
    return end(data, "abort") if poisoned else ({}, NOTHING)


def chatter(data: bytes) -> Result:
    os.write(1, b"Doe^Jane")
    os.write(2, b"Doe^Jane")
    print("Doe^Jane", file=sys.stderr, flush=True)
    print("Doe^Jane", flush=True)
    return {"input": sys.stdin.read()}, NOTHING


def surroundings(data: bytes) -> Result:
    import benchmarks

    return {"path": sys.path, "benchmarks": str(benchmarks.__file__), "threads": os.environ["OMP_NUM_THREADS"]}, NOTHING
