"""MedFly as its users have it: a wheel of the working tree, installed into an environment of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
PARTS = ("pyproject.toml", "README.md", "LICENSE", "medfly", "data_adapters", "benchmarks", "app")


def install(folder: Path) -> Path:
    """The bin folder of a fresh environment with the wheel in it; the packages it needs come from this one.

    The wheel is built from a copy: in the tree itself, setuptools would put what an older build/ holds into it.
    """
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / "tree" / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (folder / "tree").mkdir(exist_ok=True)
            shutil.copy(ROOT / name, folder / "tree" / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    _run([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(folder / "tree")])
    (wheel,) = folder.glob("medfly-*.whl")
    venv.create(folder / "env", with_pip=False)
    _run([*pip, "--python", str(folder / "env" / "bin" / "python"), "install", "--no-deps", str(wheel)])
    (site,) = (folder / "env" / "lib").glob("python*/site-packages")
    (here,) = (Path(sys.prefix) / "lib").glob("python*/site-packages")
    # Everything but medfly itself from the test's environment, where it is installed editable by a .pth hook.
    (site / "shared.pth").write_text(f"{here}\n")
    return folder / "env" / "bin"


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
