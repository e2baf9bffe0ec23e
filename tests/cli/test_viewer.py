"""`medfly app`: the right page is served, on this machine only, whatever lies in the working directory."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import app
from medfly.cli import viewer

SCRIPT = Path(sys.executable).with_name("medfly")


def test_command_line() -> None:
    command = viewer.command(port=8601, address="localhost", headless=True)
    assert command[:5] == [sys.executable, "-P", "-m", "streamlit", "run"]
    assert Path(command[5]) == Path(str(app.__file__)).parent / "viewer.py"
    assert {"--browser.gatherUsageStats=false", "--server.address=localhost", "--server.port=8601"} <= set(command)


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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
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
