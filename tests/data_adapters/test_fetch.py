"""Data sets from the hub: against a server on this machine that speaks its API, never the hub."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants

from data_adapters.fetch import DATA_SETS, fetch, known
from medfly.types import InputError

from ..stand_in_hub import Hub
from .made_sets import make_copy, make_slake, picture, slake_row

SLAKE = "datasets/BoKelvin/SLAKE"
VQA_RAD = "datasets/flaviagiammarino/vqa-rad"


def repository(folder: Path) -> Path:
    """SLAKE as its copy on the hub has it, with files that nobody needs."""
    for split, language in ("train", "en"), ("validation", "zh"), ("test", "en"):
        make_slake(folder, [slake_row(q_lang=language)], split=split, zipped=True)
    for name in ("README.md", "KG.zip", "mask.txt"):
        (folder / name).write_text(name)
    return folder


def fetched(name: str, folder: Path) -> str:
    """What fetch says where it fails; "" where it does not."""
    try:
        assert fetch(name, folder) == folder
    except InputError as told:
        assert "\n" not in str(told) and "127.0.0.1" not in str(told) and "expected" in str(told)
        return str(told)
    return ""


def test_slake_from_the_hub_to_its_samples(near: Hub, tmp_path: Path) -> None:
    near.folders[SLAKE] = repository(tmp_path / "repository")
    assert fetched("slake", tmp_path / "data") == ""
    assert near.given(SLAKE) == {"train.json", "validation.json", "test.json", "imgs.zip"}
    data = known("slake")(tmp_path / "data")
    (sample,) = data.samples("train")
    assert sample.scan().size == (6, 4)
    assert {one.kind for one in known("slake")(tmp_path / "data").validate() if one.where.endswith("train")} == {
        "size_questions",
        "size_images",
    }
    seen = len(near.seen)
    assert fetched("slake", tmp_path / "data") == ""
    assert not [path for verb, path, _ in near.seen[seen:] if verb == "GET" and "/resolve/" in path]


def test_parquet_copies(near: Hub, tmp_path: Path) -> None:
    rows = [(picture(), "is it so?", "yes")]
    near.folders[VQA_RAD] = make_copy(tmp_path / "one", {"train": rows, "test": rows})
    near.folders["datasets/flaviagiammarino/path-vqa"] = make_copy(tmp_path / "two", {"validation": rows})
    for name, splits in ("vqa_rad", ("train", "test")), ("path_vqa", ("val",)):
        assert fetched(name, tmp_path / name) == ""
        assert known(name)(tmp_path / name).splits() == splits


def test_a_connection_that_breaks_is_taken_up(near: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)  # what is counted as received; 10 MB usually
    near.folders[SLAKE] = repository(tmp_path / "repository")
    (tmp_path / "repository" / "imgs.zip").write_bytes(whole := np.random.default_rng(0).bytes(100_000))
    near.breaks["imgs.zip"] = 60_000
    assert fetched("slake", tmp_path / "data") == ""
    assert near.ranges == ["bytes=60000-"]
    assert (tmp_path / "data" / "imgs.zip").read_bytes() == whole


def test_what_was_whole_is_kept_after_an_interruption(near: Hub, tmp_path: Path) -> None:
    near.folders[SLAKE] = repository(tmp_path / "repository")
    near.refused["/" + SLAKE + "/resolve/0123456789abcdef0123456789abcdef01234567/imgs.zip"] = (403, {})
    assert "found the hub's answer 403" in fetched("slake", tmp_path / "data")
    near.refused.clear()
    assert fetched("slake", tmp_path / "data") == ""
    given = Counter(path.split("/")[-1] for verb, path, _ in near.seen if verb == "GET" and "/resolve/" in path)
    assert max(given[name] for name in ("train.json", "validation.json", "test.json")) == 1


def test_what_the_hub_may_answer(near: Hub, tmp_path: Path) -> None:
    api = f"/api/{SLAKE}"
    assert "no such repository for this visitor" in fetched("slake", tmp_path / "data")
    near.folders[SLAKE] = repository(tmp_path / "repository")
    for answer, words in (
        ((401, {"X-Error-Code": "GatedRepo"}), "accept them on the hub, then log in with `hf auth login`"),
        ((503, {}), "the hub's answer 503"),
        ((401, {"X-Error-Message": "Invalid credentials in Authorization header"}), "log in with `hf auth login`"),
    ):
        near.refused[api] = answer
        assert words in fetched("slake", tmp_path / "data")
    near.refused.clear()
    with pytest.raises(InputError, match="no version 'v2'"):
        fetch("slake", tmp_path / "data", revision="v2")
    assert not (tmp_path / "data").exists() or not list((tmp_path / "data").glob("*.json"))


def test_a_copy_of_another_layout(near: Hub, tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "README.md").write_text("moved")
    near.folders[SLAKE] = tmp_path / "repository"
    assert "expected SLAKE in" in fetched("slake", tmp_path / "data")


def test_a_silent_hub_is_told_even_where_the_folder_holds_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_slake(tmp_path, [slake_row()])
    with socket.socket() as one:  # a port on which nobody listens
        one.bind(("127.0.0.1", 0))
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{one.getsockname()[1]}")
    assert "no whole answer from the hub (ConnectError)" in fetched("slake", tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in fetched("slake", tmp_path)


SCRIPT = """
import sys
from data_adapters.fetch import fetch
from medfly.types import InputError
try:
    print(fetch("vqa_rad", sys.argv[1]))
except InputError as told:
    print(told)
"""


def test_no_room_on_the_disk(near: Hub, tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk; in a process of its own, which reads HF_ENDPOINT."""
    near.folders[VQA_RAD] = make_copy(tmp_path / "one", {"train": [(bytes(200_000), "is it so?", "yes")]})
    (file,) = (tmp_path / "one" / "data").iterdir()
    file.write_bytes(file.read_bytes() + np.random.default_rng(0).bytes(200_000))

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "data")]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=120, preexec_fn=small_files)
    assert "found no room on the disk" in done.stdout, done.stderr
    assert "Traceback" not in done.stderr


def test_where_it_may_not_be_put(near: Hub, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "found a file at" in fetched("slake", tmp_path / "file")
    near.folders[SLAKE] = repository(tmp_path / "repository")
    assert "a folder or connection that fails (Not a directory)" in fetched("slake", tmp_path / "file" / "data")


def test_names_and_facts() -> None:
    with pytest.raises(InputError, match="data set 'mimic'; expected one of slake, vqa_rad, path_vqa"):
        known("mimic")
    for one in DATA_SETS:
        assert known(one.name) is one
        assert one.source.startswith("https://") and one.licence and "/" in one.repository
    assert "publishers" in known("path_vqa").licence  # MIT is for the questions alone
