"""Runs that are killed and runs by several processes: the file in the end is compared byte for byte."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import predictions
from benchmarks.shards import Answered, Share, batches
from medfly.types import Answer, InputError, Sample

from .conftest import MemoryLoader, make_samples

SLOW_MODEL = """
import importlib.util, sys, time
from pathlib import Path
spec = importlib.util.spec_from_file_location("made", sys.argv[1])
made = importlib.util.module_from_spec(spec)
sys.modules["made"] = made
spec.loader.exec_module(made)
from benchmarks.runner import run
from medfly.types import Answer

def answer(samples):
    for sample in samples:
        time.sleep(float(sys.argv[3]))
        yield Answer(sample.question, f"about {sample.id}", 0.5)

run(answer, made.make_samples(12, 5), Path(sys.argv[2]), model={"name": "slow", "hash": "s"}, task="slake",
    split="validate", batch_size=2)
"""


def process(folder: Path, pause: float, rank: int = 0, world: int = 1) -> subprocess.Popen[bytes]:
    made = Path(__file__).with_name("conftest.py")
    environment = os.environ | {"RANK": str(rank), "WORLD_SIZE": str(world)}
    command = [sys.executable, "-c", SLOW_MODEL, made, folder, str(pause)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


def ended(*running: subprocess.Popen[bytes]) -> list[int]:
    """Their exit statuses; none is waited for for ever, as the first of them waits for the others."""
    try:
        return [one.wait(timeout=60) for one in running]
    finally:
        for one in running:
            one.kill()


def content(folder: Path) -> bytes:
    return (folder / "slake_validate" / "predictions.jsonl").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("whole")
    assert ended(process(folder, 0)) == [0]
    assert content(folder).count(b"\n") == 60
    return content(folder)


def rows(folder: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in (folder / "slake_validate").glob("predictions*.jsonl"))


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_killed_again_and_again_the_file_is_the_same(whole: bytes, tmp_path: Path) -> None:
    """One process, then two of which one is killed, then three, then one: whatever is left is gone on with."""
    for world, share in ((1, 0.2), (2, 0.5), (3, 0.7)):
        running = [process(tmp_path, 0.02, rank, world) for rank in range(world)]
        until = time.monotonic() + 60
        while time.monotonic() < until and (not (tmp_path / "slake_validate").exists() or rows(tmp_path) < 60 * share):
            time.sleep(0.005)
        for one in running:
            one.send_signal(signal.SIGKILL)
            one.wait()
        assert 60 * share <= rows(tmp_path) < 60
    assert ended(process(tmp_path, 0)) == [0]
    assert content(tmp_path) == whole
    assert sorted(path.name for path in (tmp_path / "slake_validate").iterdir()) == ["predictions.jsonl", "run.json"]


def test_two_processes_write_the_file_of_one(whole: bytes, tmp_path: Path) -> None:
    """The second is the slower: the first waits for it and puts both parts together."""
    first, second = process(tmp_path, 0, 0, 2), process(tmp_path, 0.02, 1, 2)
    assert ended(first, second) == [0, 0]
    assert content(tmp_path) == whole
    assert not list((tmp_path / "slake_validate").glob("*part*"))


@given(images=st.lists(st.integers(0, 5), min_size=1, max_size=30), size=st.integers(1, 7), world=st.integers(1, 4))
def test_every_question_is_one_processs_and_in_one_batch_of_its_image(images: list[int], size: int, world: int) -> None:
    samples = [Sample(i, f"image{n}", "?", MemoryLoader(n)) for i, n in enumerate(images)]
    dealt = batches(samples, size)
    answered = Answered(Path("no such folder"), dealt)
    own = [answered.own(Share(rank, world)) for rank in range(world)]
    asked = [sample.id for mine in own for batch in mine for sample in batch]
    assert sorted(asked) == list(range(len(images)))
    for batch in (batch for mine in own for batch in mine):
        assert len({sample.image for sample in batch}) == 1 and len(batch) <= size
    for mine in own:  # an image's questions are side by side, in their order
        names = [batch[0].image for batch in mine]
        assert len([n for i, n in enumerate(names) if i == 0 or names[i - 1] != n]) == len(set(names))
        assert all(list(batch) == sorted(batch, key=lambda s: s.id) for batch in mine)


@settings(max_examples=60)
@given(cut=st.integers(0, 2000), size=st.integers(1, 4))
def test_a_file_cut_anywhere_keeps_its_whole_batches(tmp_path_factory, cut: int, size: int) -> None:
    folder = tmp_path_factory.mktemp("cut")
    samples = make_samples(3, 3)
    answered = Answered(folder, batches(samples, size))
    lines = [predictions.to_line(predictions.to_row(s, Answer(s.question, "größer"))).encode() for s in samples]
    text = b"".join(lines)[:cut]
    (folder / "predictions.jsonl").write_bytes(text)
    answered.cut(Share())
    kept = (folder / "predictions.jsonl").read_bytes()
    todo = [sample.id for batch in answered.own(Share()) for sample in batch]
    done = [sample.id for sample in samples][: kept.count(b"\n")]
    assert text.startswith(kept) and done + todo == [sample.id for sample in samples]
    assert len(text) - len(kept) < size * max(map(len, lines))  # no whole batch is thrown away


@pytest.mark.parametrize(
    ("rank", "world"), [("2", "2"), ("-1", "2"), ("x", "2"), ("0", "0"), ("", "")], ids=["big", "low", "x", "0", "none"]
)
def test_a_broken_environment_is_told(rank: str, world: str) -> None:
    with pytest.raises(InputError, match=r"RANK=.*WORLD_SIZE=.*torchrun"):
        Share.from_environment({"RANK": rank, "WORLD_SIZE": world})


def test_the_environment_of_torchrun() -> None:
    assert Share.from_environment({}) == Share(0, 1)
    assert Share.from_environment({"RANK": "1", "WORLD_SIZE": "3", "LOCAL_RANK": "0"}) == Share(1, 3)
