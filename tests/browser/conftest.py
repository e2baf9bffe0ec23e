"""The true app in a true browser: an installed wheel, its server, Debian's Chromium. Run by `make test_browser`.

    def test_something(viewer, tab):
        server = viewer(study_folder)          # medfly app STUDY_FOLDER, on a free port, with the bundled model
        page = tab(server)                     # a new session: its own browser context, opened on the server
    def test_a_part(script, tab):
        page = tab(script("import streamlit as st; st.write('one part alone')"))

A test ends with a failure where a page asked for anything outside its server or raised an error in the browser, and
where a server wrote a traceback or the name of a patient into its log. Screenshots: `shot(page, "name")` writes
name.png into MEDFLY_SHOTS, by default a temporary folder whose path is in the test's output.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from ..installed_wheel import install
from .server import Server
from .studies import PATIENT, write_studies

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = os.environ.get("MEDFLY_CHROMIUM", "/usr/bin/chromium")
PATIENCE = 60_000  # milliseconds: two cores may be shared with other work

if find_spec("playwright") is None:  # `make test_browser` installs it
    collect_ignore_glob = ["test_*.py"]


@pytest.hookimpl(tryfirst=True)  # before pytest looks at -m
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that has MedFly as a wheel."""
    return install(tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two patients' DICOM studies; see studies.py. Read only: tests that change files make their own."""
    folder = tmp_path_factory.mktemp("studies")
    write_studies(folder)
    return folder


@contextmanager
def watched() -> Iterator[list[Server]]:
    """Servers that are stopped at the end, and what they wrote is looked through."""
    started: list[Server] = []
    yield started
    logs = [server.stop() for server in started]
    for log in logs:
        assert "Traceback" not in log, log
        assert PATIENT not in log


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    """All servers of a test."""
    with watched() as started:
        yield started


@pytest.fixture(scope="module")
def shared_viewer(installed: Path, study_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`medfly app STUDY_FOLDER` for all tests of a module, each in sessions of its own: the model is loaded once."""
    with watched() as started:
        folder = tmp_path_factory.mktemp("server")
        started.append(Server.app(installed, [str(study_folder)], folder, {}))
        yield started[0]


@pytest.fixture
def viewer(installed: Path, servers: list[Server], tmp_path: Path) -> Callable[..., Server]:
    """Starts `medfly app ARGUMENTS …` from a folder that is not the source tree; environment names are added."""

    def start(*arguments: str | Path, **environment: str) -> Server:
        servers.append(Server.app(installed, [str(one) for one in arguments], tmp_path, environment))
        return servers[-1]

    return start


@pytest.fixture
def script(installed: Path, servers: list[Server], tmp_path: Path) -> Callable[..., Server]:
    """Serves a Streamlit script of the test's own in the app's place, for a part of it alone."""

    def start(source: str, login: str = "", **environment: str) -> Server:
        path = tmp_path / f"script{len(servers)}.py"
        path.write_text(source, "utf-8")
        servers.append(Server.script(installed, path, tmp_path, environment, login))
        return servers[-1]

    return start


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import expect, sync_playwright  # only where a browser is asked for

    expect.set_options(timeout=PATIENCE / 2)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a server's page in a session of its own. also: another address that it may call."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def open_page(server: Server, path: str = "", also: str = "", **options: Any) -> Page:
        allowed = (server.address, also)
        options = {"viewport": {"width": 1600, "height": 1000}, "accept_downloads": True} | options
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(f"error in the page: {error}"))
        for kind in ("request", "websocket"):
            page.on(kind, lambda made: wrong.extend([f"outside: {made.url}"] if outside(allowed, made.url) else []))
        page.goto(f"{server.address}/{path}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong, "\n".join(wrong)


def outside(addresses: Sequence[str], url: str) -> bool:
    """Whether a request leaves the servers at these addresses; data: and blob: are in the page."""
    if url.startswith(("data:", "blob:")):
        return False
    return urlsplit(url).netloc not in [urlsplit(address).netloc for address in addresses]


@pytest.fixture
def shot(tmp_path: Path) -> Callable[[Page, str], Path]:
    """Takes a screenshot of the window as it stands."""
    folder = Path(os.environ.get("MEDFLY_SHOTS", tmp_path / "shots"))
    folder.mkdir(parents=True, exist_ok=True)

    def take(page: Page, name: str) -> Path:
        settled(page)
        path = folder / f"{name}.png"
        page.screenshot(path=path)
        print(f"screenshot: {path}")
        return path

    return take


def settled(page: Page, seconds: float = 60) -> None:
    """Wait until Streamlit has run the script to its end and has drawn what it said."""
    until = time.monotonic() + seconds
    ended = page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')
    while not ended.count() or page.locator('[data-testid="stSkeleton"]').count():
        assert time.monotonic() < until, f"the page was still being drawn after {seconds} s"
        page.wait_for_timeout(50)
