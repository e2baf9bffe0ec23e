"""The directions of imports that DESIGN.md fixes, read from the source and from a fresh interpreter."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import benchmarks

ROOT = Path(benchmarks.__file__).parent
SOURCES = sorted(ROOT.rglob("*.py"))


def imported(source: Path) -> set[str]:
    """Top-level names of all that a file imports, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_keep_their_direction(source: Path) -> None:
    assert "app" not in imported(source)
    if ROOT / "perf" not in source.parents:
        assert not imported(source) & {"torch", "transformers", "scipy", "sklearn"}


def test_importing_the_package_loads_no_torch() -> None:
    modules = [
        ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
        for path in SOURCES
        if path.name != "__init__.py" and ROOT / "perf" not in path.parents
    ]
    assert "benchmarks.mini_card" in modules
    script = f"import sys, {', '.join(modules)}; print(sorted({{'torch', 'transformers', 'app'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT.parent, check=True)
    assert done.stdout.strip() == "[]"
