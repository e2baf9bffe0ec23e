"""The command line as a user meets it: exit status, stdout and stderr."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from pydicom.data import get_testdata_file
from typer.testing import CliRunner


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


def run_cli(*arguments: object) -> Outcome:
    """In this process, so that torch is imported once. An error that is not the user's is raised here."""
    from medfly.cli.commands import app

    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)


@pytest.fixture(scope="session")
def cli() -> Callable[..., Outcome]:
    return run_cli


@pytest.fixture(scope="session")
def package_file() -> Callable[[str], Path]:
    """pydicom's own test files by name; nothing is downloaded."""
    return lambda name: Path(str(get_testdata_file(name, download=False)))
