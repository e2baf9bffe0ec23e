"""Hash-chained lines: every change is found where it was made, and what cannot be found is found against a tip."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import app
from app.record import chain
from app.record.chain import LONGEST, START, Tip, append, begin, check, parse_tip, tail
from medfly.types import InputError

LINES = 7
ROOT = Path(str(app.__file__)).parent.parent
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def lines(tmp_path_factory) -> list[bytes]:
    """A whole chain, line by line."""
    path = tmp_path_factory.mktemp("chain") / "log"
    for number in range(LINES):
        append(path, {"event": "ü\n", "value": number % 2})
    return path.read_bytes().splitlines(keepends=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("place") / "log"


def tip_of(lines: list[bytes]) -> Tip:
    return Tip(len(lines), hashlib.sha256(lines[-1]).hexdigest())


def broken(place: Path, lines: list[bytes], *known: Tip) -> int | None:
    place.write_bytes(b"".join(lines))
    return check(place, known).broken


def resealed(line: bytes, **changes) -> bytes:
    """The line as a forger would write it who knows the format."""
    values = json.loads(line) | changes
    del values["sum"]
    text = json.dumps(values, separators=(",", ":"))[:-1]
    return f'{text},"sum":"{hashlib.sha256(text.encode()).hexdigest()}"}}\n'.encode()


def test_lines_as_documented(lines) -> None:
    before = START
    for number, line in enumerate(lines, 1):
        values = json.loads(line)
        assert values["n"] == number and values["previous"] == before and values["event"] == "ü\n"
        assert values["sum"] == hashlib.sha256(line[: line.rindex(b',"sum"')]).hexdigest()
        before = hashlib.sha256(line).hexdigest()


def test_whole(lines, place) -> None:
    assert broken(place, lines) is None
    assert check(place).tip == tail(place) == tip_of(lines)
    assert broken(place, []) is None and check(place).tip == Tip()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_changed_byte_is_found_in_its_line(lines, place, data) -> None:
    number = data.draw(st.integers(0, LINES - 1))
    position = data.draw(st.integers(0, len(lines[number]) - 1))
    line = bytearray(lines[number])
    line[position] ^= data.draw(st.integers(1, 255))
    assert broken(place, [*lines[:number], bytes(line), *lines[number + 1 :]]) == number + 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, LINES - 2))
def test_a_lost_line_is_found(lines, place, number) -> None:
    assert broken(place, lines[:number] + lines[number + 1 :]) == number + 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, LINES - 1), st.integers(0, LINES))
def test_a_doubled_line_is_found(lines, place, number, where) -> None:
    """Wherever the copy stands: behind its original, or elsewhere."""
    copied = [*lines[:where], lines[number], *lines[where:]]
    first = next(index for index, (one, other) in enumerate(zip([*lines, b""], copied, strict=True)) if one != other)
    assert broken(place, copied) == first + 1


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(LINES)))
def test_moved_lines_are_found(lines, place, order) -> None:
    first = next((index for index, number in enumerate(order) if index != number), None)
    assert broken(place, [lines[number] for number in order]) == (None if first is None else first + 1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, LINES - 1), st.integers(1, 200))
def test_cut_off_bytes_are_found(lines, place, number, count) -> None:
    """In the middle of a line; at its end nothing is missing but later lines."""
    kept = lines[number][: -min(count, len(lines[number]) - 1)]
    assert broken(place, [*lines[:number], kept]) == number + 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, LINES - 1), st.binary(min_size=1, max_size=40))
def test_foreign_bytes_between_lines_are_found(lines, place, number, junk) -> None:
    assert broken(place, [*lines[:number], junk, *lines[number:]]) == number + 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, LINES - 2))
def test_a_forged_line_is_found_by_the_next(lines, place, number) -> None:
    forged = [*lines[:number], resealed(lines[number], value="forged"), *lines[number + 1 :]]
    assert broken(place, forged) == number + 2


def test_what_only_a_kept_tip_finds(lines, place) -> None:
    """Lines cut off at the end and a forged last line leave a whole chain: the docstring says so."""
    tip, earlier = tip_of(lines), tip_of(lines[:3])
    for damaged, where in ((lines[:-1], LINES), (lines[:2], 3), ([*lines[:-1], resealed(lines[-1], value=9)], LINES)):
        assert broken(place, damaged) is None
        assert broken(place, damaged, earlier, tip) == where
    assert broken(place, lines, earlier, tip) is None


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(st.text(max_size=8).filter(lambda name: name not in ("n", "previous", "sum")), VALUES, max_size=4)
)
def test_fields_come_back(place, fields) -> None:
    place.unlink(missing_ok=True)
    tip = append(place, fields)
    line = json.loads(place.read_bytes())
    assert {name: line[name] for name in fields} == fields and check(place).tip == tip


def test_first_line_is_written_once(tmp_path) -> None:
    path = tmp_path / "log"
    assert begin(path, {"event": "one"})["event"] == "one"
    assert begin(path, {"event": "two"})["event"] == "one"
    assert check(path).tip.line == 1


@pytest.mark.parametrize("end", [b'{"n":1', b"words\n", b"\n", b"\0" * 100, b"x" * (2 * LONGEST)])
def test_nothing_is_put_behind_a_torn_line(lines, tmp_path, end) -> None:
    path = tmp_path / "log"
    path.write_bytes(lines[0] + end)
    with pytest.raises(InputError, match=r"not whole.*keep it apart"):
        append(path, {})
    assert path.read_bytes() == lines[0] + end and check(path).broken == 2


def test_a_line_that_is_too_long(tmp_path) -> None:
    path = tmp_path / "log"
    tip = append(path, {})
    with pytest.raises(ValueError, match="bytes"):
        append(path, {"text": "x" * LONGEST})
    assert check(path).tip == tip
    append(path, {"text": "x" * (LONGEST - 300)})
    assert append(path, {}).line == 3 and check(path).whole


def test_places_that_cannot_be_written(tmp_path) -> None:
    with pytest.raises(InputError, match="cannot be"):
        append(tmp_path, {})
    with pytest.raises(InputError, match="cannot be read"):
        check(tmp_path / "absent")


@pytest.mark.parametrize("text", ["", "7", "7:abc", f"-1:{START}", f"1:{START.upper()}g"])
def test_tips_as_text(text) -> None:
    tip = Tip(7, "ab" * 32)
    assert parse_tip(f" {tip} ") == tip
    with pytest.raises(InputError, match="LINE:HASH"):
        parse_tip(text)


APPENDING = """
import sys, time; from pathlib import Path; from app.record.chain import append
print("ready", flush=True); sys.stdin.readline()
path = Path(sys.argv[1])
for number in range(int(sys.argv[2])):
    append(path, {"who": sys.argv[3], "value": number})
    while not number and path.read_bytes().count(b"\\n") < int(sys.argv[4]): time.sleep(0.001)
"""
"""After its first line a process waits until there are so many: then all who write have begun."""


def appending(path: Path, count: int, who: str, begun: int = 1) -> subprocess.Popen[str]:
    """Another process, which waits for a line before it begins."""
    command = [sys.executable, "-c", APPENDING, str(path), str(count), who, str(begun)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def start(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_two_processes_and_two_threads_append_at_once(tmp_path) -> None:
    path, count = tmp_path / "log", 60
    processes = [appending(path, count, who, 4) for who in "ab"]

    def write(who: str) -> None:
        for number in range(count):
            append(path, {"who": who, "value": number})
            while not number and path.read_bytes().count(b"\n") < 4:
                time.sleep(0.001)

    threads = [threading.Thread(target=write, args=who) for who in "cd"]
    for process in processes:
        start(process)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait(60) for process in processes] == [0, 0]
    assert check(path).tip.line == 4 * count and check(path).whole
    values = [json.loads(line) for line in path.read_text().splitlines()]
    for who in "abcd":
        assert [value["value"] for value in values if value["who"] == who] == list(range(count))
    changes = sum(one["who"] != other["who"] for one, other in pairwise(values))
    assert changes >= 6  # they did take turns, else this shows nothing


def test_a_killed_process_leaves_a_whole_log_that_goes_on(tmp_path) -> None:
    path = tmp_path / "log"
    process = appending(path, 1_000_000, "a")
    start(process)
    while not path.exists() or path.stat().st_size < 5000:
        assert process.poll() is None
    process.kill()
    process.wait(60)
    assert check(path).whole
    assert append(path, {}).line == check(path).tip.line > 5


FULL = """
import resource, signal, sys; from pathlib import Path
from app.record.chain import append; from medfly.types import InputError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
path = Path(sys.argv[1])
try:
    for number in range(99): append(path, {"value": number})
except InputError as error: print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_full_disk_leaves_the_log_as_it_was(tmp_path) -> None:
    """A file size limit fails in the middle of a line, as a full disk does."""
    path = tmp_path / "log"
    run = subprocess.run([sys.executable, "-c", FULL, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert "cannot be written" in run.stdout and "Traceback" not in run.stderr
    assert check(path).whole and 1700 < path.stat().st_size < 2000
    assert append(path, {}).line == check(path).tip.line


HOLDING = """
import sys; from pathlib import Path; from app.record.chain import locked
with locked(Path(sys.argv[1])): print("ready", flush=True); sys.stdin.readline()
"""


def test_a_lock_that_is_never_given_back(tmp_path, monkeypatch) -> None:
    """It is told after a while, and the lock is free once its holder is gone, however it went."""
    path = tmp_path / "log"
    command = [sys.executable, "-c", HOLDING, str(path)]
    holder = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "ready\n"
    monkeypatch.setattr(chain, "WAIT", 0.2)
    with pytest.raises(InputError, match=r"another process has held log\.lock"):
        append(path, {})
    holder.kill()
    holder.wait(60)
    monkeypatch.undo()
    assert append(path, {}).line == 1
