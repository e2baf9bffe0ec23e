"""`medfly app`: hands the viewer to Streamlit, from where it is installed and from nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import medfly
from medfly.types import InputError

MODEL_VARIABLE = "MEDFLY_MODEL"
"""How the viewer, a process of its own, learns which model to load."""


def run(*, model: str, port: int, address: str, headless: bool) -> None:
    """Start the server and stay until it ends. Raises InputError where Streamlit is missing."""
    if find_spec("streamlit") is None:
        raise InputError('the viewer needs streamlit, which is not installed: pip install "medfly[app]"')
    arguments = command(port=port, address=address, headless=headless)
    environment = os.environ | {MODEL_VARIABLE: model}
    if os.name == "posix":  # the server takes this process's place, and with it its signals
        os.execve(arguments[0], arguments, environment)
    raise SystemExit(subprocess.call(arguments, env=environment))


def command(*, port: int, address: str, headless: bool) -> list[str]:
    """The server's command line.

    -P keeps the working directory off the import path: a user's own folder `app` or `benchmarks` is not ours.
    """
    options = {
        "browser.gatherUsageStats": "false",
        "server.address": address,
        "server.port": str(port),
        "server.headless": "true" if headless else "false",
        "server.showEmailPrompt": "false",
        "server.fileWatcherType": "none",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "theme.base": "dark",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-P", "-m", "streamlit", "run", str(page()), *flags]


def page() -> Path:
    """app/viewer.py beside the medfly package, which is where every installation puts it."""
    path = Path(medfly.__file__).parent.parent / "app" / "viewer.py"
    if not path.is_file():
        raise InputError(f"found no {path}; expected the viewer beside medfly: install medfly again")
    return path
