"""`medfly app`: looks through what was given, then hands the viewer to Streamlit, from where it is installed.

The viewer is a process of its own: what was given reaches it through the environment, and nothing else tells it which
files it may open. This module loads neither Streamlit nor a model.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import medfly
from medfly.types import InputError

LOCAL = ("localhost", "127.0.0.1", "::1")
"""Addresses that only this machine reaches."""
LOGIN_KEYS = ("redirect_uri", "cookie_secret")
PROVIDER_KEYS = ("client_id", "client_secret", "server_metadata_url")
"""What Streamlit's [auth] needs, the second in [auth] itself or in a table of a provider below it."""


@dataclass(frozen=True)
class Serving:
    """What `medfly app` was given.

    studies: folders, ZIP archives, DICOMDIRs or files. compare: further models, to be compared with. address: where the
    server listens. audit_log: a file, made when first written. runs: a folder of `medfly eval`'s, or one of such
    folders; data: the folder of its data set. max_upload_mb: of one file. login: a TOML file with Streamlit's [auth].
    """

    studies: tuple[Path, ...] = ()
    model: str = "mini"
    compare: tuple[str, ...] = ()
    port: int = 8501
    address: str = "localhost"
    headless: bool = False
    audit_log: Path | None = None
    runs: Path | None = None
    data: Path | None = None
    max_upload_mb: int = 500
    login: Path | None = None


def run(serving: Serving) -> None:
    """Start the server and stay until it ends. Raises InputError where it cannot serve what was given."""
    check(serving)
    arguments = command(serving)
    told = os.environ | environment(serving)
    if os.name == "posix":  # the server takes this process's place, and with it its signals
        os.execve(arguments[0], arguments, told)
    raise SystemExit(subprocess.call(arguments, env=told))


def check(serving: Serving) -> None:
    """Raises InputError, for the first that is wrong. Says on stderr who else can see the scans."""
    if find_spec("streamlit") is None:
        raise InputError('the viewer needs streamlit, which is not installed: pip install "medfly[app]"')
    for place in serving.studies:
        _check_place("STUDY", place)
    for name in serving.compare:
        if os.pathsep in name:
            raise InputError(f"--compare {name!r}: found a {os.pathsep!r} in it; expected none: rename the folder")
    if serving.runs is not None:
        _check_folder("--runs", serving.runs)
    if serving.data is not None:
        _check_folder("--data", serving.data)
    if (serving.runs is None) != (serving.data is None):
        raise InputError("--runs or --data alone; expected both or none: a run is shown with its data set's images")
    if serving.audit_log is not None:
        _check_log(serving.audit_log)
    if serving.login is not None:
        _check_login(serving.login)
    _check_port(serving.address, serving.port)
    if serving.address not in LOCAL and serving.login is None:
        who = f"whoever reaches {serving.address}:{serving.port} sees the scans"
        print(f"medfly: {who}: there is no log-in; see --login", file=sys.stderr)


def environment(serving: Serving) -> dict[str, str]:
    """What the viewer is told; a name that is not given is emptied, so that none is taken over from outside."""
    return {
        "MEDFLY_MODEL": serving.model,
        "MEDFLY_COMPARE": os.pathsep.join(serving.compare),
        "MEDFLY_STUDIES": os.pathsep.join(str(folder.resolve()) for folder in serving.studies),
        "MEDFLY_AUDIT": _absolute(serving.audit_log),
        "MEDFLY_RUNS": _absolute(serving.runs),
        "MEDFLY_DATA": _absolute(serving.data),
        "MEDFLY_LOGIN": _absolute(serving.login),
    }


def command(serving: Serving) -> list[str]:
    """The server's command line.

    -P keeps the working directory off the import path: a user's own folder `app` or `benchmarks` is not ours.
    """
    flags = [f"--{name}={value}" for name, value in options(serving).items()]
    if serving.address in LOCAL:  # a page elsewhere that has its name point here is not let in (DNS rebinding)
        flags += [f"--server.allowedHosts={name}" for name in LOCAL]
    return [sys.executable, "-P", "-m", "streamlit", "run", str(page()), *flags]


def options(serving: Serving) -> dict[str, str]:
    """Streamlit's options; a config.toml of the user's own changes none of them."""
    from app import theme

    chosen = {
        "browser.gatherUsageStats": "false",
        "server.address": serving.address,
        "server.port": str(serving.port),
        "server.headless": "true" if serving.headless else "false",
        "server.showEmailPrompt": "false",
        "server.fileWatcherType": "none",
        "server.enableAgentApi": "false",
        "server.enableStaticServing": "false",
        "server.enableXsrfProtection": "true",
        "server.maxUploadSize": str(serving.max_upload_mb),
        "server.disconnectedSessionTTL": "60",  # seconds; then a closed page's uploads go
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": "false",
        "logger.level": "warning",
        "logger.enableRich": "false",
        "runner.magicEnabled": "false",
        # Collecting all garbage after every run of the page takes a third of a second beside torch, with the
        # interpreter's lock held: while an answer is watched, little else would be done.
        "runner.postScriptGC": "false",
    }
    if serving.login is not None:
        chosen["secrets.files"] = str(serving.login.resolve())
    return chosen | theme.options()


def page() -> Path:
    """app/viewer.py beside the medfly package, which is where every installation puts it."""
    path = Path(medfly.__file__).parent.parent / "app" / "viewer.py"
    if not path.is_file():
        raise InputError(f"found no {path}; expected the viewer beside medfly: install medfly again")
    return path


def _absolute(path: Path | None) -> str:
    return "" if path is None else str(path.resolve())


def _check_place(option: str, place: Path) -> None:
    """There, to be read, and with a name that the environment can carry."""
    if not place.exists():
        raise InputError(f"{option} {str(place)!r}: found nothing; expected a folder or a file: check the path")
    if not os.access(place, os.R_OK | (os.X_OK if place.is_dir() else 0)):
        raise InputError(f"{option} {str(place)!r}: may not be read; expected to read it: change its permissions")
    if os.pathsep in str(place.resolve()):
        raise InputError(f"{option} {str(place)!r}: found a {os.pathsep!r} in its path; expected none: rename it")


def _check_folder(option: str, folder: Path) -> None:
    _check_place(option, folder)
    if not folder.is_dir():
        raise InputError(f"{option} {str(folder)!r}: found a file; expected a folder: check the path")


def _check_log(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"--audit_log {str(path)!r}: found a folder; expected a file's name: add one")
    place = path if path.exists() else path.absolute().parent
    if not place.exists():
        raise InputError(f"--audit_log {str(path)!r}: found no folder {str(place)!r}; expected one: make it first")
    if not os.access(place, os.W_OK):
        raise InputError(f"--audit_log {str(path)!r}: may not be written; expected to write it: choose another")


def _check_login(path: Path) -> None:
    """The file says enough for Streamlit's log-in, and the log-in's own package is there."""
    auth = _auth(path)
    missing = [key for key in LOGIN_KEYS if not auth.get(key)]
    tables = [auth, *(table for table in auth.values() if isinstance(table, Mapping))]
    if not any(all(table.get(key) for key in PROVIDER_KEYS) for table in tables):
        missing += [key for key in PROVIDER_KEYS if not auth.get(key)]
    if missing:
        raise InputError(
            f"--login {str(path)!r}: [auth] has no {', '.join(missing)}; expected them: see docs/viewer.md"
        )
    if find_spec("authlib") is None:
        raise InputError('--login needs authlib, which is not installed: pip install "medfly[login]"')


def _auth(path: Path) -> Mapping[str, Any]:
    try:
        auth = tomllib.loads(path.read_text("utf-8")).get("auth")
    except OSError as error:
        raise InputError(f"--login {str(path)!r}: cannot be read ({error.strerror}); expected a TOML file") from None
    except ValueError:  # its message may quote the file, and with it a secret
        raise InputError(f"--login {str(path)!r}: found no TOML; expected a file as in docs/viewer.md") from None
    if not isinstance(auth, Mapping):
        raise InputError(f"--login {str(path)!r}: found no table [auth]; expected one: see docs/viewer.md")
    return auth


def _check_port(address: str, port: int) -> None:
    """The server would say so itself, over several lines and after a while."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":  # as the server does, so that the port of one that has just ended counts as free
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except socket.gaierror:
        raise InputError(f"--address {address!r}: no such address; expected one of this machine's") from None
    except OSError as error:
        what = f"--address {address!r} --port {port}: cannot be listened on ({error.strerror})"
        raise InputError(f"{what}; expected a free port of this machine: choose another --port") from None
