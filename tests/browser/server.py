"""A Streamlit server of a test: started on a free port, waited for, stopped, and its log read."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 60
RUN_SCRIPT = """
import os, sys
from pathlib import Path
from medfly.cli import viewer

script, port, login = sys.argv[1:]
serving = viewer.Serving(port=int(port), headless=True, login=Path(login) if login else None)
given = {name: value for name, value in os.environ.items() if name.startswith("MEDFLY_")}
command = viewer.command(serving)
command[command.index(str(viewer.page()))] = script
os.execve(command[0], command, os.environ | viewer.environment(serving) | given)
"""
"""The command of `medfly app`, with a script of the test's in the viewer's place."""


@dataclass(frozen=True)
class Server:
    """address: http://localhost:PORT, without a slash at its end. log: what it writes goes into this file."""

    address: str
    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def app(cls, bin_folder: Path, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Server:
        port = _free_port()
        command = [str(bin_folder / "medfly"), "app", *arguments, "--headless", "--port", str(port)]
        return cls._start(command, port, folder, environment)

    @classmethod
    def script(
        cls, bin_folder: Path, script: Path, folder: Path, environment: Mapping[str, str], login: str = ""
    ) -> Server:
        port = _free_port()
        command = [str(bin_folder / "python"), "-P", "-c", RUN_SCRIPT, str(script), str(port), login]
        return cls._start(command, port, folder, environment)

    @classmethod
    def _start(cls, command: list[str], port: int, folder: Path, environment: Mapping[str, str]) -> Server:
        log = folder / f"server-{port}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                command, cwd=folder, stdout=stream, stderr=subprocess.STDOUT, env=os.environ | dict(environment)
            )
        server = cls(f"http://localhost:{port}", process, log)
        server._wait()
        return server

    def _wait(self) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.address}/_stcore/health", timeout=5):
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"the server did not start: {self.stop()}")

    def stop(self) -> str:
        """End it, as Ctrl-C does, and return its log."""
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout=20)
        return self.log.read_text("utf-8", "replace")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
