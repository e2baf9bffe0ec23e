"""Native codecs run in a process of their own, with a memory limit and a timeout: `isolated(function, data, …)`.

Hostile files make codecs abort, loop or swallow memory. Here that costs one worker process, which the next call
replaces, and one refusal. Workers persist, because starting one takes about half a second.
It knows no file format, and it is no sandbox: a codec that an attacker takes over can do what the user can.

One message: two lengths (uint64, little endian), a header in JSON, raw bytes. Nothing is pickled.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from data_adapters.refusal import refusal
from medfly.types import InputError

Decode = Callable[..., tuple[dict[str, Any], np.ndarray]]

MEMORY_BYTES = 4 * 1024**3  # address space of a worker: several times what the largest frame allowed takes
SECONDS = 60.0  # for one call; 100 megapixels of JPEG 2000 take about 15
START_SECONDS = 60.0
WORKERS = 4  # at the same time, in each process that decodes; about 100 MB of resident memory each
CALLS = 1000  # of one worker: what a codec leaks goes with it
LENGTHS = struct.Struct("<QQ")
PIPE_BYTES = 1024**2  # Linux's limit for users; 64 kB otherwise, and many more switches between processes

# Beginnings of messages, by which others can tell them from refusals of the codecs themselves.
ENDED = "data that end the decoder"
TOO_LONG = "data that take longer to decode"
TOO_MUCH = "data that need more memory to decode"
REMEDY = "export it again from its source, or leave it out"


def isolated(function: Decode, data: bytes, /, **arguments: Any) -> tuple[dict[str, Any], np.ndarray]:
    """function(data, **arguments) in a worker process: (JSON-able facts, array of numbers).

    function: of a module that can be imported, at its top level; what it imports stays in the worker.
    arguments: what JSON can hold; tuples arrive as lists.
    Raises InputError as the function does, and for data on which it fails otherwise, ends its process, or needs
    more than MEMORY_BYTES or SECONDS. Safe to call from threads and after a fork.
    """
    return _pool.run(function, data, **arguments)


class Pool:
    """At most `workers` processes, each lent to one thread at a time."""

    def __init__(self, workers: int = WORKERS, seconds: float = SECONDS, memory: int = MEMORY_BYTES) -> None:
        self.seconds, self.memory = seconds, memory
        self._slots = threading.BoundedSemaphore(workers)
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()

    def run(self, function: Decode, data: bytes, /, **arguments: Any) -> tuple[dict[str, Any], np.ndarray]:
        """As `isolated`."""
        if function.__module__ == "__main__" or "<" in function.__qualname__:
            raise ValueError(f"{function.__qualname__} cannot be imported by another process")
        name = f"{function.__module__}:{function.__qualname__}"
        request = json.dumps({"function": name, "arguments": arguments, "seconds": self.seconds}).encode()
        with self._slots:
            worker = self._take_idle()
            if worker is not None:
                # What earlier data did to it may be the reason for its end: only a fresh one's counts.
                with contextlib.suppress(_EndedError):
                    return self._ask(worker, request, data)
            try:
                return self._ask(self._start(), request, data)
            except _EndedError as end:
                raise refusal(str(end), "a whole image", REMEDY) from None

    def _start(self) -> _Worker:
        worker = _Worker(self.memory)
        self._all.add(worker)
        return worker

    def _take_idle(self) -> _Worker | None:
        while self._idle:
            with contextlib.suppress(IndexError):  # another thread was faster
                worker = self._idle.pop()
                if worker.process.poll() is None:
                    return worker
                self._discard(worker)
        return None

    def _ask(self, worker: _Worker, request: bytes, data: bytes) -> tuple[dict[str, Any], np.ndarray]:
        try:
            reply, array = worker.call(request, data, self.seconds)
            if reply.get("failed") == "MemoryError":
                raise _EndedError(f"{TOO_MUCH} than {self.memory:,} bytes")
        except BaseException:  # KeyboardInterrupt, too: half a reply may be in the pipe
            self._discard(worker)
            raise
        if worker.calls < CALLS:
            self._idle.append(worker)
        else:
            self._discard(worker)
        if "unknown" in reply:
            raise RuntimeError(f"the decoding process cannot import {reply['unknown']}")
        if "refused" in reply:
            raise InputError(reply["refused"])
        if "failed" in reply:
            raise refusal(f"data on which the decoder fails ({reply['failed']})", "a whole image", REMEDY)
        return reply["facts"], array

    def _discard(self, worker: _Worker) -> None:
        worker.stop()
        self._all.discard(worker)

    def close(self) -> None:
        """End every worker and wait for it, so that no zombie stays."""
        self._idle.clear()
        for worker in list(self._all):
            self._discard(worker)

    def abandon(self) -> None:
        """In a forked child: close the copies of the parent's pipes; the workers themselves are the parent's."""
        for worker in self._all:
            worker.close_pipes()
            worker.process.returncode = 0  # none of this process's children: nothing to wait for


class _EndedError(Exception):
    """The worker is gone, or to be replaced; the text says what it was given."""


class _Worker:
    """One process and the two pipes to it."""

    def __init__(self, memory: int) -> None:
        # Modules are looked up as in this process, but never in the working directory of the moment.
        path = [*filter(None, map(str, sys.path)), str(Path(__file__).parents[1])]
        code = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from data_adapters.isolation import serve"
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", f"{code}; serve(int(sys.argv[2]))", json.dumps(path), str(memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # nothing is held back that a fork would copy
            pipesize=PIPE_BYTES,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},  # threads reserve memory
            start_new_session=True,  # Ctrl-C is for the parent, which ends this one in its own time
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.requests, self.replies = self.process.stdin, self.process.stdout
        self.calls = 0
        try:
            with self._deadline(START_SECONDS):
                _received(self.replies)
        except BaseException as problem:
            self.stop()
            if isinstance(problem, OSError | _EndedError):
                raise RuntimeError("the decoding process does not start") from None
            raise

    def call(self, request: bytes, data: bytes, seconds: float) -> tuple[dict[str, Any], np.ndarray]:
        """The reply to one request. Raises _EndedError, or InputError where it takes too long."""
        self.calls += 1
        try:
            with self._deadline(seconds):
                _send(self.requests, request, data)
                reply, body = _received(self.replies)
                return reply, _as_array(reply, body)
        except (OSError, ValueError, MemoryError, _EndedError):  # gone, or writing what is no reply
            raise _EndedError(f"{ENDED} ({self._last_words()})") from None

    @contextlib.contextmanager
    def _deadline(self, seconds: float) -> Iterator[None]:
        """Kills the process when the time is over; whoever waits for it then finds the pipe closed."""
        over = threading.Event()

        def end() -> None:
            over.set()
            self.process.kill()

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (OSError, _EndedError):
            if over.is_set():
                raise refusal(f"{TOO_LONG} than {seconds:g} s", "a whole image", REMEDY) from None
            raise
        finally:
            timer.cancel()

    def _last_words(self) -> str:
        try:
            status = self.process.wait(1)
        except subprocess.TimeoutExpired:
            return "no more answers"
        return signal.Signals(-status).name if status < 0 else f"exit status {status}"

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.close_pipes()

    def close_pipes(self) -> None:
        self.requests.close()
        self.replies.close()


def _send(stream: Any, header: bytes, body: Any) -> None:
    for part in (LENGTHS.pack(len(header), len(body)) + header, body):
        view = memoryview(part)
        while view:
            view = view[stream.write(view) :]


def _received(stream: Any) -> tuple[dict[str, Any], np.ndarray]:
    header, body = (np.empty(length, np.uint8) for length in LENGTHS.unpack(_filled(stream, bytearray(LENGTHS.size))))
    return json.loads(bytes(_filled(stream, header))), _filled(stream, body)


def _filled(stream: Any, buffer: Any) -> Any:
    view = memoryview(buffer)
    while view:
        count = stream.readinto(view)
        if not count:
            raise _EndedError("the other side is gone")
        view = view[count:]
    return buffer


def _as_array(reply: dict[str, Any], body: np.ndarray) -> np.ndarray:
    dtype = np.dtype(reply.get("dtype", "u1"))
    if dtype.kind not in "biuf":
        raise ValueError(f"an array of {dtype}")
    return body.view(dtype).reshape(reply.get("shape", -1))


# --- in the worker ---


def serve(memory: int) -> None:
    """Answer requests on standard input until it is closed."""
    requests, replies = os.fdopen(os.dup(0), "rb", buffering=0), os.fdopen(os.dup(1), "wb", buffering=0)
    _limit(memory)
    _send(replies, b"{}", b"")
    # From here on, silence: codecs print what they dislike, and with it what is in the header.
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    with contextlib.suppress(_EndedError, OSError):
        while True:
            _answer(requests, replies)


def _answer(requests: BinaryIO, replies: BinaryIO) -> None:
    request, data = _received(requests)
    try:
        module, _, name = request["function"].partition(":")
        function = attrgetter(name)(importlib.import_module(module))
    except (ImportError, AttributeError):
        return _send(replies, json.dumps({"unknown": request["function"]}).encode(), b"")
    with _alarm(request["seconds"]):
        reply, array = _outcome(function, data, request["arguments"])
    _send(replies, reply, array)


def _outcome(function: Decode, data: np.ndarray, arguments: dict[str, Any]) -> tuple[bytes, np.ndarray]:
    nothing = np.empty(0, np.uint8)
    try:
        facts, array = function(data.tobytes(), **arguments)
        reply = json.dumps({"facts": facts, "dtype": array.dtype.str, "shape": array.shape}).encode()
        return reply, np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    except InputError as problem:
        return json.dumps({"refused": str(problem)}).encode(), nothing
    except BaseException as problem:  # codecs written in Rust panic past Exception
        return json.dumps({"failed": type(problem).__name__}).encode(), nothing


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """The parent ends a worker that is late; should the parent be gone, SIGALRM does."""
    if not hasattr(signal, "setitimer"):
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds + 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _limit(memory: int) -> None:
    """No more address space than that, and no core dump: it would hold the picture."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # not every system knows or keeps these limits
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


# --- in every process that decodes ---

_pool = Pool()  # one a process, because workers persist


@atexit.register
def close() -> None:
    """End this process's workers; the next call starts new ones."""
    _pool.close()


def _after_fork() -> None:
    """DataLoader workers and the like: two processes must not talk into one pipe."""
    global _pool
    _pool.abandon()
    _pool = Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
