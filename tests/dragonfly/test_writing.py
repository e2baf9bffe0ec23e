"""A folder is written whole or not at all, and nothing that was there is touched."""

from __future__ import annotations

import json
import math
import resource
import shutil
import signal
import stat
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from medfly.dragonfly.checkpoint import Stored
from medfly.dragonfly.export import export_llama, export_official
from medfly.dragonfly.writing import complete_or_nothing, write_weights
from medfly.types import InputError

GOLDEN = Path(__file__).parent.parent / "golden" / "dragonfly-v1-tiny"


def test_what_is_there_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    (tmp_path / "full-2").mkdir()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name, free in (("full", "full-3"), ("file", "file-2"), ("link", "link-2")):
        for export in (export_official, export_llama):
            with pytest.raises(InputError, match="expected a new or an empty folder") as error:
                export(str(GOLDEN), tmp_path / name)
            assert str(error.value).endswith(f"such as {tmp_path / free}")
    assert [f.name for f in (tmp_path / "full").iterdir()] == ["notes.txt"]
    assert sorted(f.name for f in tmp_path.iterdir()) == ["file", "full", "full-2", "link"]


def test_an_empty_folder_is_filled_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inode = tmp_path.stat().st_ino
    monkeypatch.chdir(tmp_path)
    export_llama(str(GOLDEN), Path("."))
    assert tmp_path.stat().st_ino == inode
    assert sorted(f.name for f in tmp_path.iterdir()) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    weights, config = (stat.S_IMODE((tmp_path / f).stat().st_mode) for f in ("model.safetensors", "config.json"))
    assert weights == config


def test_a_disk_that_takes_no_more_leaves_nothing(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))  # the weights have three megabytes
    try:
        with pytest.raises(InputError, match=r"out: not written \(.*too large.*\); expected a place") as error:
            export_official(str(GOLDEN), tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(error.value) and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "why"), [("file/out", "Not a directory"), ("a" * 300, "File name too long")])
def test_a_place_that_cannot_be_is_one_line(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=rf"not written \({why}\)"):
        export_llama(str(GOLDEN), tmp_path / name)


def test_a_disk_without_room_is_told_before(tmp_path: Path) -> None:
    huge = Stored("huge", (1 << 30, 1 << 20), "bfloat16", "model.safetensors")  # two petabytes
    with pytest.raises(InputError, match=r"\d GB free, expected 2,251,799.8 GB for the weights: make room"):
        write_weights(GOLDEN, {"huge": huge}, tmp_path / "out", "5GB")


def inflate(folder: Path, vocabulary: int) -> None:
    """Give a golden checkpoint a vocabulary of so many tokens. The file has holes for them."""
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["vocab_size"] = vocabulary
    (folder / "config.json").write_text(json.dumps(config))
    header, end = {}, 0
    for name, tensor in load_file(folder / "model.safetensors").items():
        shape = [vocabulary, *tensor.shape[1:]] if tensor.shape[0] == 401 else list(tensor.shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end := end + 4 * math.prod(shape)]}
    table = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(table)) + table)
        file.truncate(8 + len(table) + end)


def test_killed_in_the_middle_it_leaves_nothing_that_looks_complete(tmp_path: Path) -> None:
    source = shutil.copytree(GOLDEN, tmp_path / "source", ignore=shutil.ignore_patterns("images"))
    there = tmp_path / "there"
    inflate(source, vocabulary=400_000)  # 300 MB, so that there is a middle
    there.mkdir()
    process = subprocess.Popen([Path(sys.executable).with_name("medfly"), "export", source, there / "out"])
    while not list(there.iterdir()):
        assert process.poll() is None, "it ended before it wrote anything"
        time.sleep(0.001)
    process.kill()
    assert process.wait(timeout=60) == -signal.SIGKILL
    (left,) = there.iterdir()
    assert left.name.startswith(".out.") and left.name.endswith(".part")
    with pytest.raises(InputError, match=r"no config\.json"):
        export_llama(str(left), tmp_path / "again")
    shutil.rmtree(there)


def test_interrupted_it_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), complete_or_nothing(tmp_path / "out") as folder:
        (folder / "model.safetensors").touch()
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
