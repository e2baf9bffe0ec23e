"""The model's hash, against hashlib itself; and the kept hashes, with real files and real processes."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from medfly.dragonfly import hashes
from medfly.dragonfly.hashes import cache_folder, decisive_files, file_hash, file_hashes, model_hash, unhashed_bytes
from medfly.types import InputError

GOLDEN = Path(__file__).parent.parent / "golden" / "dragonfly-v2-tiny"
MINI = Path(__file__).parent.parent.parent / "medfly" / "models" / "mini"
PLANTED = "ab" * 32


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own; files count as settled at once, so that no test waits."""
    monkeypatch.setenv("MEDFLY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hashes, "SETTLED", -1)
    return tmp_path / "cache" / "hashes"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"weights")
    return file


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def plant(cache: Path) -> None:
    """Put a value that no file has into every kept hash."""
    for entry in cache.iterdir():
        entry.write_text(json.dumps(json.loads(entry.read_text()) | {"sha256": PLANTED}))


def test_the_minis_hash_stays_what_it_was() -> None:
    """Answers of earlier versions carry it in their provenance."""
    assert model_hash(MINI) == "f72d80b5dca66eade498ef70fe714984c3cb71730caa4a47484071c32ded2b15"


def test_the_hash_is_that_of_names_and_contents() -> None:
    names = sorted(file_hashes(GOLDEN))
    assert names == [
        "clip/config.json",
        "clip/preprocessor_config.json",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    expected = b"".join(name.encode() + hashlib.sha256((GOLDEN / name).read_bytes()).digest() for name in names)
    assert model_hash(GOLDEN) == hashlib.sha256(expected).hexdigest()


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "clip/config.json", "tokenizer.json"])
def test_a_change_in_what_decides_changes_it(name: str, tmp_path: Path) -> None:
    folder = shutil.copytree(GOLDEN, tmp_path / "copy")
    assert model_hash(folder) == model_hash(GOLDEN)
    with (folder / name).open("ab") as stream:
        stream.write(b" ")
    assert model_hash(folder) != model_hash(GOLDEN)


def test_a_change_in_what_does_not_decide_leaves_it(tmp_path: Path) -> None:
    folder = shutil.copytree(GOLDEN, tmp_path / "copy")
    (folder / "README.md").write_text("a card")
    (folder / "expected.safetensors").write_bytes(b"not read where model.safetensors is")
    (folder / "pytorch_model.bin").write_bytes(b"nor is this")
    assert model_hash(folder) == model_hash(GOLDEN)


def test_weights_in_pytorchs_files_count(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "dragonfly"}')
    (folder / "pytorch_model.bin").write_bytes(b"one")
    first = model_hash(folder)
    assert list(decisive_files(folder)) == ["config.json", "pytorch_model.bin"]
    (folder / "pytorch_model.bin").write_bytes(b"two")
    assert model_hash(folder) != first


def test_a_kept_hash_is_used(file: Path, cache: Path) -> None:
    assert file_hash(file) == sha256(file)
    assert len(list(cache.iterdir())) == 1
    plant(cache)
    assert file_hash(file) == PLANTED
    link = file.with_name("link.safetensors")
    link.symlink_to(file)
    assert file_hash(link) == PLANTED  # the same file by another way


def touched(file: Path) -> None:
    os.utime(file, (1, 1))


def grown(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"!")


def changed_within_its_size_and_time(file: Path) -> None:
    times = file.stat()
    file.write_bytes(b"WEIGHTS")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def replaced_by_another_of_its_size_and_time(file: Path) -> None:
    times, other = file.stat(), file.with_name("other")
    other.write_bytes(b"WEIGHTS")
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(file)


@pytest.mark.parametrize(
    "change", [touched, grown, changed_within_its_size_and_time, replaced_by_another_of_its_size_and_time]
)
def test_a_changed_file_is_hashed_again(change, file: Path, cache: Path) -> None:
    file_hash(file)
    plant(cache)
    time.sleep(0.02)  # file systems count time in steps of some milliseconds
    change(file)
    assert file_hash(file) == sha256(file)


def test_the_hash_of_a_file_that_was_just_written_is_not_kept(file: Path, cache: Path, monkeypatch) -> None:
    """It might change once more within the same step of the clock."""
    monkeypatch.setattr(hashes, "SETTLED", 60)
    assert file_hash(file) == sha256(file)
    assert not cache.exists()


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"sha256": 5}', "null"])
def test_a_damaged_cache_only_means_hashing_again(damage: str, file: Path, cache: Path) -> None:
    file_hash(file)
    (entry,) = cache.iterdir()
    entry.write_text(damage)
    assert file_hash(file) == sha256(file)
    assert json.loads(entry.read_text())["sha256"] == sha256(file)  # and it is whole again
    entry.write_text(json.dumps(json.loads(entry.read_text()) | {"sha256": "no hash"}))
    assert file_hash(file) == sha256(file)


def test_a_cache_that_cannot_be_written_only_means_hashing_again(file: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv("MEDFLY_CACHE", str(tmp_path / "a file"))
    assert file_hash(file) == file_hash(file) == sha256(file)


@pytest.mark.parametrize(
    "environment, expected",
    [
        ({"MEDFLY_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a/hashes"),
        ({"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/medfly/hashes"),
        ({"HOME": "/c"}, "/c/.cache/medfly/hashes"),
    ],
)
def test_where_hashes_are_kept(environment: dict[str, str], expected: str, monkeypatch) -> None:
    for name in ("MEDFLY_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cache_folder().as_posix() == expected


def test_no_path_is_kept(file: Path, cache: Path) -> None:
    file_hash(file)
    (entry,) = cache.iterdir()
    assert set(json.loads(entry.read_text())) == {"size", "mtime_ns", "ctime_ns", "inode", "sha256"}
    assert str(file) not in entry.name and file.stem not in entry.read_text()


def hash_often(files: list[Path], start: Barrier, results: multiprocessing.Queue) -> None:
    start.wait()
    results.put([file_hash(file) for _ in range(20) for file in files])


def test_processes_at_once_lose_nothing(tmp_path: Path, cache: Path) -> None:
    files = [tmp_path / f"model-{number}.safetensors" for number in range(8)]
    for number, file in enumerate(files):
        file.write_bytes(bytes([number]) * 100_000)
    here = multiprocessing.get_context("fork")  # the other ways import torch again, for many seconds
    start, results = here.Barrier(4), here.Queue()
    running = [here.Process(target=hash_often, args=(files, start, results)) for _ in range(4)]
    for process in running:
        process.start()
    said = [results.get(timeout=60) for _ in running]
    for process in running:
        process.join()
    expected = [sha256(file) for file in files]
    assert said == [expected * 20] * 4
    kept = sorted(json.loads(entry.read_text())["sha256"] for entry in cache.iterdir())
    assert kept == sorted(expected)  # one for each file, whole, and nothing half-written beside them


def test_the_hubs_name_of_a_file_is_compared(tmp_path: Path) -> None:
    """As huggingface_hub lays files out: a link to a blob that is named by the SHA-256 that the hub declared."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "main"
    blobs.mkdir(), snapshot.mkdir(parents=True)
    good, bad = hashlib.sha256(b"weights").hexdigest(), hashlib.sha256(b"other weights").hexdigest()
    for name in (good, bad):
        (blobs / name).write_bytes(b"weights")
        (snapshot / name[:8]).symlink_to(blobs / name)
    assert file_hash(snapshot / good[:8]) == good
    with pytest.raises(InputError, match="download is damaged") as error:
        file_hash(snapshot / bad[:8])
    assert "expected" in str(error.value) and "\n" not in str(error.value)


def test_progress_counts_what_is_read(tmp_path: Path) -> None:
    file, steps = tmp_path / "large", []
    file.write_bytes(bytes(9_000_000))
    file_hash(file, steps.append)
    assert sum(steps) == 9_000_000 and len(steps) > 1
    file_hash(file, steps.append)
    assert sum(steps) == 9_000_000  # kept: nothing was read


def test_what_is_still_to_be_hashed() -> None:
    everything = sum(file.stat().st_size for file in decisive_files(MINI).values())
    assert unhashed_bytes(MINI) == everything > 4_000_000
    file_hash(MINI / "model.safetensors")
    assert unhashed_bytes(MINI) == everything - (MINI / "model.safetensors").stat().st_size


def test_a_file_that_is_gone_is_the_users_matter(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not readable") as error:
        file_hash(tmp_path / "model.safetensors")
    assert "expected" in str(error.value)
