"""A built wheel works from a folder that has its own app/, benchmarks/ and medfly/: the installed ones are used."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from .installed_wheel import ROOT, install

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def impostors(tmp_path: Path) -> Path:
    for name in ("app", "benchmarks", "medfly", "data_adapters"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('the folder of the user was imported')\n")
    return tmp_path


def test_ask_uses_the_installed_packages(installed: Path, impostors: Path) -> None:
    scan = str(get_testdata_file("MR_small_RLE.dcm", download=False))
    command = [installed / "medfly", "ask", scan, "What modality is used to take this image?", "--json"]
    done = subprocess.run(command, cwd=impostors, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert '"model": "mini"' in done.stdout


def test_the_wheel_holds_what_it_needs_and_no_tests(installed: Path) -> None:
    (site,) = (installed.parent / "lib").glob("python*/site-packages")
    for needed in ("medfly/models/mini/model.safetensors", "medfly/models/mini/LICENSE", "app/viewer.py"):
        assert (site / needed).is_file(), needed
    for needed in (ROOT / "app" / "canvas").glob("*.*"):
        assert (site / "app" / "canvas" / needed.name).is_file(), needed
    for needed in ("recipes/mini.yaml", "templates/page.html", "templates/page.css", "published.yaml"):
        assert (site / "benchmarks" / needed).is_file(), needed
    assert not (site / "tests").exists()
    files = subprocess.run(
        [installed / "python", "-c", "import medfly; print(medfly.__file__)"], capture_output=True, text=True, cwd="/"
    )
    assert str(site) in files.stdout
