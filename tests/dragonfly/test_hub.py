"""A model's name becomes a folder: against a server on this machine that speaks the hub's API, never the hub."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from pydicom.data import get_testdata_file
from safetensors.torch import load_file

import medfly
from data_adapters import read
from medfly.dragonfly.hub import BUILT_IN, resolve
from medfly.types import InputError

from ..stand_in_hub import COMMIT, Hub

GOLDEN = Path(__file__).parent.parent / "golden" / "dragonfly-v2-tiny"
SCRIPT = Path(sys.executable).with_name("medfly")
MR = Path(str(get_testdata_file("MR_small.dcm", download=False)))
NAME = "togethercomputer/Llama-3.1-8B-Dragonfly-Med-v2"
QUESTION = "Which organ is abnormal?"
TOKEN = "hf_ThisIsNoRealTokenButItMustNotBeShown"
SMALL = {
    "config.json",
    "generation_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "LICENSE",
    "README.md",
    "USE_POLICY.md",
}
NEEDED = SMALL | {"clip/config.json", "clip/preprocessor_config.json"}


def repository(folder: Path) -> Path:
    """Golden v2 with what a published repository also holds; not all of it is needed."""
    shutil.copytree(GOLDEN, folder)
    for name in ("LICENSE", "README.md", "USE_POLICY.md"):
        (folder / name).write_text(name)
    shutil.copy(folder / "model.safetensors", folder / "clip" / "model.safetensors")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "original").mkdir()
    (folder / "original" / "consolidated.00.pth").write_bytes(b"\0")
    return folder


def run(command: Sequence[str | Path], home: Path, address: str, **more: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the hub's library reads these variables when it is imported."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    own = {"HF_HOME": str(home), "HF_ENDPOINT": address, "MEDFLY_CACHE": str(home), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env={**kept, **own, **more}, capture_output=True, text=True, timeout=300)


def ask(home: Path, address: str, **more: str) -> subprocess.CompletedProcess[str]:
    options = ["--json", "--no_evidence", "--max_new_tokens", "8", "--model", NAME]
    return run([SCRIPT, "ask", MR, QUESTION, *options], home, address, **more)


RESOLVE = """
import json, sys
from medfly.dragonfly.hub import resolve
from medfly.types import InputError
for name in sys.argv[1:]:
    try:
        print(json.dumps([name, str(resolve(name))]))
    except InputError as error:
        print(json.dumps([name, str(error)]))
"""


def resolved(names: Sequence[str], home: Path, address: str, **more: str) -> dict[str, str]:
    """Name → the folder, or the line that says why there is none. Nothing else is printed."""
    done = run([sys.executable, "-c", RESOLVE, *names], home, address, **more)
    assert done.returncode == 0, done.stderr
    assert TOKEN not in done.stdout + done.stderr
    return dict(map(json.loads, done.stdout.splitlines()))


def test_a_hub_name_is_fetched_once_and_asked_again_without_the_hub(hub: Hub, tmp_path: Path) -> None:
    hub.folders[NAME] = repository(tmp_path / "repository")
    first = ask(tmp_path / "home", hub.address, HF_TOKEN=TOKEN)
    assert first.returncode == 0, first.stderr
    assert hub.given(NAME) == NEEDED | {"model.safetensors"}
    assert {token for _, path, token in hub.seen if path.startswith(f"/{NAME}/")} == {f"Bearer {TOKEN}"}
    answer = json.loads(first.stdout)  # the bars went to stderr
    assert "Fetching 1 files" in first.stderr and TOKEN not in first.stderr
    hub.shutdown()
    hub.server_close()
    again = ask(tmp_path / "home", hub.address, HF_HUB_OFFLINE="1")
    assert (again.returncode, again.stderr) == (0, "")
    assert json.loads(again.stdout) == answer
    assert answer["provenance"]["model"] == NAME
    assert answer["text"] == medfly.load(str(GOLDEN)).ask(read(MR), QUESTION, evidence=False, max_new_tokens=8).text


def test_what_is_fetched_and_what_is_refused(hub: Hub, tmp_path: Path) -> None:
    """All of it in one process, for it takes seconds to start."""
    whole = repository(tmp_path / "repository")
    for name in ("a/whole", "gated/all", "gated/files", "broken/hub", "wrong/token"):
        hub.folders[name] = whole
    hub.folders |= {
        name: tmp_path / name for name in ("a/pickled", "asks/for_code", "a/llama", "no/config", "no/weights")
    }
    for name in ("a/pickled", "asks/for_code", "a/llama", "no/config", "no/weights"):
        shutil.copytree(whole, hub.folders[name])
    for file in (tmp_path / "a/pickled").rglob("*.safetensors"):
        file.unlink()
    change(tmp_path / "asks/for_code" / "config.json", auto_map={"AutoModel": "modeling.Own"})
    change(tmp_path / "a/llama" / "config.json", model_type="llama")
    (tmp_path / "no/config" / "config.json").unlink()
    for file in ("model.safetensors", "pytorch_model.bin"):
        (tmp_path / "no/weights" / file).unlink()
    hub.refused = {
        "/api/models/gated/all": (401, {"X-Error-Code": "GatedRepo"}),
        f"/gated/files/resolve/{COMMIT}/config.json": (403, {"X-Error-Code": "GatedRepo"}),
        "/api/models/broken/hub": (503, {}),
        "/api/models/not/shown": (401, {"X-Error-Code": "RepoNotFound"}),  # what this visitor may not see
        "/api/models/wrong/token": (401, {"X-Error-Message": "Invalid credentials in Authorization header"}),
    }
    names = [*hub.folders, "not/there", "not/shown", "no//name", "-/-"]
    told = resolved(names, tmp_path / "home", hub.address, HF_TOKEN=TOKEN)
    for name, words in {
        "gated/all": "accept it on https://huggingface.co/gated/all, then log in with `hf auth login` or set HF_TOKEN",
        "gated/files": "accept it on https://huggingface.co/gated/files",
        "broken/hub": "the hub answered with an error (503)",
        "wrong/token": "the hub asks who you are (401)",
        "not/there": "no such folder or hub repository",
        "not/shown": "no such folder or hub repository",
        "no//name": "no such folder",
        "-/-": "no name that a hub repository can have",
        "asks/for_code": "auto_map asks for code of its own, which is never run",
        "a/llama": "model_type 'llama', expected 'dragonfly'",
        "no/config": "no config.json",
        "no/weights": "no weights",
    }.items():
        assert words in told[name] and name in told[name] and "expected" in told[name], told[name]
        assert "\n" not in told[name]
    assert Path(told["a/whole"], "clip", "config.json").is_file()
    assert hub.given("a/whole") == NEEDED | {"model.safetensors"}
    assert hub.given("a/pickled") == NEEDED | {"pytorch_model.bin"}
    # refused before any weight is on its way
    assert hub.given("asks/for_code") == hub.given("a/llama") == SMALL


def test_no_hub_and_nothing_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as one:  # a port on which nobody listens
        one.bind(("127.0.0.1", 0))
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{one.getsockname()[1]}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    start = f"model {NAME!r}: no such folder, not in the cache, and "
    for offline, words in (False, "the hub did not answer (ConnectError)"), (True, "HF_HUB_OFFLINE keeps MedFly from"):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
        with pytest.raises(InputError, match=re.escape(start + words)) as told:
            resolve(NAME)
        assert "\n" not in str(told.value)


def change(file: Path, **fields: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def test_folders_come_before_built_in_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve("mini") == BUILT_IN["mini"]
    shutil.copytree(GOLDEN, "mini")
    assert resolve("mini") == Path("mini")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve("~/mini") == tmp_path / "mini"


@pytest.mark.parametrize(
    "name", ["", " ", "no_such_model", "no/such/folder", "/no/folder", "./folder", "x" * 5000, "\0"]
)
def test_names_that_no_hub_is_asked_about(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="no such folder; expected a checkpoint folder, or a built-in name"):
        resolve(name)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(InputError, match="a file, expected the folder that holds it"):
        resolve(str(tmp_path / "model.safetensors"))
