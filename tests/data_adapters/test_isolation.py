"""Work in another process: what comes back, and what becomes of a worker that crashes, hangs or swallows memory."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from data_adapters.isolation import ENDED, TOO_LONG, TOO_MUCH, Pool
from medfly.types import InputError

HERE = str(Path(__file__).parent)


@pytest.fixture(scope="module")
def functions() -> Iterator[ModuleType]:
    """A module that this process and the workers can import by the same name."""
    sys.path.append(HERE)
    yield importlib.import_module("isolated_functions")
    sys.path.remove(HERE)


@pytest.fixture(scope="module")
def pool(functions: ModuleType) -> Iterator[Pool]:
    pool = Pool(workers=2, seconds=1, memory=2 * 1024**3)
    yield pool
    pool.close()


def process_of(pool: Pool, functions: ModuleType) -> int:
    return pool.run(functions.echo, b"", dtype="u1", shape=[0])[0]["process"]


def alive(process: int) -> bool:
    """Running, and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


@pytest.mark.parametrize(
    ("dtype", "shape"), [("<u2", (3, 5)), (">i4", (2, 3, 4)), ("<f8", (7,)), ("?", (4, 2)), ("u1", (0, 5)), ("<i2", ())]
)
def test_arrays_and_facts_come_back(pool: Pool, functions: ModuleType, dtype: str, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape)).astype(dtype).reshape(shape)
    facts, back = pool.run(functions.echo, array.tobytes(), dtype=dtype, shape=list(shape), text="é\n", number=0.1)
    assert facts.pop("process") != os.getpid()
    assert facts == {"text": "é\n", "number": 0.1}
    assert back.dtype == array.dtype and back.shape == shape and np.array_equal(back, array)
    assert back.flags.writeable


def test_more_than_a_pipe_holds_both_ways(pool: Pool, functions: ModuleType) -> None:
    data = np.random.default_rng(0).bytes(20_000_000)
    assert pool.run(functions.echo, data, dtype="u1", shape=[-1])[1].tobytes() == data
    assert np.array_equal(pool.run(functions.transposed, bytes([1, 2, 3, 4]))[1], [[1, 3], [2, 4]])


def test_a_refusal_comes_out_as_it_is_and_the_worker_stays(pool: Pool, functions: ModuleType) -> None:
    before = process_of(pool, functions)
    with pytest.raises(InputError, match=r"^found this; expected that; do so$"):
        pool.run(functions.refuse, b"")
    assert process_of(pool, functions) == before


@pytest.mark.parametrize(
    ("kind", "name"), [("value", "ValueError"), ("panic", "PanicException"), ("exit", "SystemExit")]
)
def test_any_other_exception_is_a_refusal_without_its_text(
    pool: Pool, functions: ModuleType, kind: str, name: str
) -> None:
    with pytest.raises(InputError, match=name) as caught:
        pool.run(functions.fail, b"", kind=kind)
    assert "Doe" not in str(caught.value) and "\n" not in str(caught.value)


def test_an_ended_worker_is_a_refusal_and_is_replaced(pool: Pool, functions: ModuleType) -> None:
    before = process_of(pool, functions)
    for how, reason in (("abort", "SIGABRT"), ("kill", "SIGKILL"), ("leave", "exit status 3")):
        with pytest.raises(InputError, match=f"{ENDED} .{reason}.; expected a whole image; export it again"):
            pool.run(functions.end, b"", how=how)
    assert process_of(pool, functions) != before
    assert not alive(before)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["babble", "hang_up"])
def test_a_worker_that_talks_nonsense_or_hangs_up_is_replaced(pool: Pool, functions: ModuleType, name: str) -> None:
    with pytest.raises(InputError, match=rf"{ENDED} \(.*\)|{TOO_LONG}"):
        pool.run(getattr(functions, name), b"")
    assert pool.run(functions.echo, b"next", dtype="u1", shape=[-1])[1].tobytes() == b"next"


def test_arrays_of_anything_but_numbers_are_refused(pool: Pool, functions: ModuleType) -> None:
    with pytest.raises(InputError):
        pool.run(functions.text, b"")


@pytest.mark.parametrize(("name", "arguments"), [("sleep", {"seconds": 60}), ("spin", {})])
def test_a_worker_that_hangs_is_killed(
    pool: Pool, functions: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str, arguments: dict[str, Any]
) -> None:
    before = process_of(pool, functions)
    monkeypatch.setattr(pool, "seconds", 0.2)
    start = time.monotonic()
    with pytest.raises(InputError, match=f"{TOO_LONG} than 0.2 s"):
        pool.run(getattr(functions, name), b"", **arguments)
    assert 0.2 <= time.monotonic() - start < 5
    monkeypatch.undo()
    assert process_of(pool, functions) != before
    assert not alive(before)


def test_memory_is_limited(pool: Pool, functions: ModuleType) -> None:
    assert pool.run(functions.allocate, b"", size=10**8)[0] == {"bytes": 10**8}
    with pytest.raises(InputError, match=f"{TOO_MUCH} than 2,147,483,648 bytes"):
        pool.run(functions.allocate, b"", size=2 * 1024**3)


def test_what_one_file_breaks_is_not_blamed_on_the_next(pool: Pool, functions: ModuleType) -> None:
    pool.run(functions.poison, b"")
    assert pool.run(functions.end_if_poisoned, b"") is not None


def test_codecs_that_print_reach_neither_console_nor_protocol(
    pool: Pool, functions: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    assert pool.run(functions.chatter, b"")[0] == {"input": ""}
    process_of(pool, functions)
    assert capfd.readouterr() == ("", "")


def test_threads_get_their_own_answers_from_few_workers(pool: Pool, functions: ModuleType) -> None:
    def ask(number: int) -> tuple[int, int]:
        facts, array = pool.run(functions.echo, bytes([number]) * 100_000, dtype="u1", shape=[-1], number=number)
        assert facts["number"] == number and (array == number).all()
        return facts["process"], number

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(60)))
    assert [number for _, number in answers] == list(range(60))
    assert len({process for process, _ in answers}) <= 2


def test_an_interrupted_call_leaves_no_stale_answer(pool: Pool, functions: ModuleType) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    process_of(pool, functions)
    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(KeyboardInterrupt):
            pool.run(functions.sleep, b"", seconds=1)
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert pool.run(functions.echo, b"next", dtype="u1", shape=[-1])[1].tobytes() == b"next"


def test_functions_that_no_other_process_can_import_are_mistakes_of_ours(
    pool: Pool, functions: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="cannot be imported"):
        pool.run(lambda data: ({}, np.zeros(1)), b"")
    monkeypatch.setattr(functions.echo, "__module__", "no_such_module")
    with pytest.raises(RuntimeError, match="no_such_module:echo"):
        pool.run(functions.echo, b"", dtype="u1", shape=[0])


PREAMBLE = f"""
import json, os, sys, time
sys.path.append({HERE!r})
import isolated_functions as f
from data_adapters.isolation import isolated
process = lambda: isolated(f.echo, b"", dtype="u1", shape=[0])[0]["process"]
"""


def start(code: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", PREAMBLE + code], cwd=folder, stdout=subprocess.PIPE, text=True)


def outcome(code: str, folder: Path) -> Any:
    """What another process prints as JSON; it has to end well."""
    process = start(code, folder)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return json.loads(output)


def test_a_process_that_forks_and_ends(tmp_path: Path) -> None:
    """In one process, because a start takes a second; it calls from a folder that names modules of ours.

    The forked child is as a DataLoader's worker: at once after a call in the parent, and both go on.
    """
    trap = tmp_path / "trap"
    for name in ("benchmarks", "dl", "imagecodecs", "json", "numpy"):
        (trap / name).mkdir(parents=True)
        (trap / name / "__init__.py").touch()
    code = f"""
assert "" in sys.path
os.chdir({str(trap)!r})
mine = process()
reader, writer = os.pipe()
if os.fork() == 0:
    os.write(writer, json.dumps([process(), process()]).encode())
    os._exit(0)
again = process()
os.wait()
theirs = json.loads(os.read(reader, 1000))
print(json.dumps([[mine, again, process()], theirs, isolated(f.surroundings, b"")[0]]))
"""
    mine, theirs, found = outcome(code, tmp_path)
    assert "" not in found["path"] and str(trap) not in found["benchmarks"]
    assert found["threads"] == "1"
    assert len(set(mine)) == len(set(theirs)) == 1 and mine[0] != theirs[0]
    assert eventually(lambda: not alive(theirs[0]))  # its parent left by os._exit, without a word
    assert not alive(mine[0])


def test_no_worker_outlives_its_parent(tmp_path: Path) -> None:
    """Though it was killed and could not say a word: an idle one ends at once, one that hangs by SIGALRM, a second
    after the parent would have killed it. One whose parent ends by itself is above.
    """
    code = """
from data_adapters.isolation import Pool
pool = Pool(seconds=1)
print(process(), pool.run(f.echo, b"", dtype="u1", shape=[0])[0]["process"], flush=True)
pool.run(f.spin, b"")
"""
    parent = start(code, tmp_path)
    assert parent.stdout is not None
    idle, hanging = map(int, parent.stdout.readline().split())
    time.sleep(0.3)
    assert alive(idle)
    parent.kill()
    parent.communicate()
    assert alive(hanging)
    assert eventually(lambda: not alive(idle))
    assert eventually(lambda: not alive(hanging))
