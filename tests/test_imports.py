"""The directions of imports between the four packages, read from the source, and the light start of medfly."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import medfly

ROOT = Path(medfly.__file__).parent.parent
SIBLINGS = {"data_adapters", "benchmarks", "app"}
FORBIDDEN = {
    "medfly": SIBLINGS,
    "medfly/cli": set(),
    "data_adapters": {"benchmarks", "app"},
    "benchmarks": {"app"},
    "app": set(),
}
SOURCES = [
    path for name in ("medfly", "data_adapters", "benchmarks", "app") for path in sorted((ROOT / name).rglob("*.py"))
]


def imported(source: Path) -> set[str]:
    """Dotted names of all that a file imports, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_keep_their_direction(source: Path) -> None:
    folder = source.relative_to(ROOT).as_posix()
    package = "medfly/cli" if folder.startswith("medfly/cli/") else folder.split("/")[0]
    names = imported(source)
    assert not {name.split(".")[0] for name in names} & FORBIDDEN[package]
    if package == "data_adapters":
        inner = {".".join(name.split(".")[:2]) for name in names if name.split(".")[0] == "medfly" and "." in name}
        assert inner <= {"medfly.types", "medfly.geometry"}


def test_training_knows_no_benchmark_and_the_harness_no_torch() -> None:
    """The harness knows models as callables only; its speed scripts are the exception."""
    for source in (ROOT / "medfly" / "training").rglob("*.py"):
        assert not {name.split(".")[0] for name in imported(source)} & SIBLINGS
    for source in (ROOT / "benchmarks").rglob("*.py"):
        if "perf" not in source.parts:
            assert not {name.split(".")[0] for name in imported(source)} & {"torch", "transformers"}


def test_an_import_inside_a_function_is_seen(tmp_path: Path) -> None:
    source = tmp_path / "wrong.py"
    source.write_text("def f():\n    import medfly.engine\n    from app import viewer\n")
    assert imported(source) >= {"medfly.engine", "app", "app.viewer"}


@pytest.mark.parametrize(
    "module", ["medfly", "medfly.drawing", "medfly.cli", "app.report", "app.demo", "benchmarks.runner"]
)
def test_light_start(module: str) -> None:
    script = f"import sys, {module}; print(sorted({{'torch', 'transformers', 'monai'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
