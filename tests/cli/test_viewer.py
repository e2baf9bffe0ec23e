"""`medfly app`: the right page is served, on this machine only, whatever lies in the working directory."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import app
from medfly.cli import viewer
from medfly.types import InputError

SCRIPT = Path(sys.executable).with_name("medfly")


def flags(**given: Any) -> list[str]:
    return viewer.command(viewer.Serving(**given))


def test_command_line() -> None:
    command = flags(port=8601, headless=True)
    assert command[:5] == [sys.executable, "-P", "-m", "streamlit", "run"]
    assert Path(command[5]) == Path(str(app.__file__)).parent / "viewer.py"
    assert {"--browser.gatherUsageStats=false", "--server.address=localhost", "--server.port=8601"} <= set(command)
    assert "--server.maxUploadSize=500" in command and "--server.maxUploadSize=7" in flags(max_upload_mb=7)


def test_streamlit_knows_every_option() -> None:
    """The names and types are Streamlit's own; a misspelt one would be an error at the start only."""
    from streamlit import config
    from streamlit.config_option import ConfigOption

    known: dict[str, ConfigOption] = config._config_options_template
    for name, value in viewer.options(viewer.Serving()).items():
        assert name in known, name
        if known[name].type in (int, bool):
            assert value.isdigit() or value in ("true", "false")


def test_only_a_local_address_is_closed_to_other_names_of_it() -> None:
    assert "--server.allowedHosts=localhost" in flags()
    assert not [flag for flag in flags(address="0.0.0.0") if "allowedHosts" in flag]


def test_the_viewer_is_told_absolute_paths_and_nothing_from_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEDFLY_RUNS", "/somebody/elses")
    told = viewer.environment(
        viewer.Serving((Path("one"), Path("two")), compare=("a", "b/c"), audit_log=Path("log.jsonl"))
    )
    assert told["MEDFLY_COMPARE"].split(os.pathsep) == ["a", "b/c"]
    assert told["MEDFLY_STUDIES"].split(os.pathsep) == [str(tmp_path / "one"), str(tmp_path / "two")]
    assert told["MEDFLY_AUDIT"] == str(tmp_path / "log.jsonl")
    assert told["MEDFLY_RUNS"] == told["MEDFLY_LOGIN"] == ""


SECRETS = """[auth]
redirect_uri = "http://localhost:8501/oauth2callback"
cookie_secret = "not a secret"
"""
PROVIDER = 'client_id = "c"\nclient_secret = "s"\nserver_metadata_url = "https://idp.example/.well-known/x"\n'


WRONG = (
    "no folder",
    "a file",
    "a separator",
    "runs alone",
    "log is a folder",
    "log nowhere",
    "no login file",
    "login no TOML",
    "login without auth",
    "login without provider",
    "address",
)


def wrong(tmp_path: Path) -> dict[str, tuple[dict[str, Any], str]]:
    """What is given wrongly, and a part of the line that says so."""
    (tmp_path / "file").write_text("x")
    (tmp_path / f"a{os.pathsep}b").mkdir(exist_ok=True)
    (tmp_path / "broken.toml").write_text("client_secret = 'hidden")
    (tmp_path / "other.toml").write_text("[other]\n")
    (tmp_path / "half.toml").write_text(SECRETS)
    return {
        "no folder": ({"studies": (tmp_path, tmp_path / "nothing")}, "found nothing; expected a folder"),
        "a file": ({"runs": tmp_path / "file", "data": tmp_path}, "found a file; expected a folder"),
        "a separator": ({"studies": (tmp_path / f"a{os.pathsep}b",)}, "in its path; expected none"),
        "runs alone": ({"runs": tmp_path}, "--runs or --data alone"),
        "log is a folder": ({"audit_log": tmp_path}, "found a folder; expected a file"),
        "log nowhere": ({"audit_log": tmp_path / "no" / "log"}, "found no folder"),
        "no login file": ({"login": tmp_path / "nothing"}, "No such file"),
        "login no TOML": ({"login": tmp_path / "broken.toml"}, "found no TOML"),
        "login without auth": ({"login": tmp_path / "other.toml"}, "no table [auth]"),
        "login without provider": ({"login": tmp_path / "half.toml"}, "no client_id, client_secret"),
        "address": ({"address": "no.such.host.invalid"}, "no such address"),
    }


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_served_is_one_line(name: str, tmp_path: Path) -> None:
    given, said = wrong(tmp_path)[name]
    with pytest.raises(InputError) as error:
        viewer.check(viewer.Serving(**given))
    assert said in str(error.value) and "\n" not in str(error.value)
    assert "hidden" not in str(error.value)


@pytest.mark.parametrize("text", [SECRETS + PROVIDER, SECRETS + "[auth.hospital]\n" + PROVIDER])
def test_a_login_is_taken_with_one_provider_or_a_named_one(text: str, tmp_path: Path) -> None:
    pytest.importorskip("authlib")
    (tmp_path / "secrets.toml").write_text(text)
    given = viewer.Serving(login=tmp_path / "secrets.toml", port=free_port())
    viewer.check(given)
    assert f"--secrets.files={tmp_path / 'secrets.toml'}" in viewer.command(given)


def test_a_taken_port_is_said_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match="choose another --port"):
            viewer.check(viewer.Serving(port=taken.getsockname()[1], address="127.0.0.1"))


def test_an_open_address_is_pointed_out(capsys: pytest.CaptureFixture[str]) -> None:
    viewer.check(viewer.Serving(address="0.0.0.0", port=free_port()))
    assert "no log-in" in capsys.readouterr().err
    viewer.check(viewer.Serving(port=free_port()))
    assert capsys.readouterr().err == ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def impostor(folder: Path) -> Path:
    """A working directory with packages of our names in it."""
    for name in ("app", "benchmarks", "medfly"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise SystemExit('the wrong package')")
        (folder / name / "viewer.py").write_text("raise SystemExit('the wrong page')")
    return folder


def test_import_path_of_the_server_leaves_out_the_working_directory(tmp_path) -> None:
    code = "import app, benchmarks, medfly; print(app.__file__)"
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=impostor(tmp_path), capture_output=True, text=True)
    assert done.stdout.strip() == app.__file__, done.stderr


def test_server_starts_from_a_folder_with_its_own_app(tmp_path) -> None:
    port = free_port()
    process = subprocess.Popen(
        [SCRIPT, "app", "--headless", "--port", str(port)],
        cwd=impostor(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        answer = b""
        until = time.monotonic() + 60
        while answer != b"ok" and time.monotonic() < until and process.poll() is None:
            time.sleep(0.2)
            try:
                with urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=5) as reply:
                    answer = reply.read()
            except OSError:
                continue
        assert answer == b"ok"
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=30)
    assert "wrong" not in said and "Traceback" not in said
