"""The command line: `medfly ask | eval | train | app`. It composes the packages; it computes nothing itself."""

from __future__ import annotations

from medfly.cli.commands import main

__all__ = ["main"]
