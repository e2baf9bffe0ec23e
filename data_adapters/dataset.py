"""What every question data set can say about itself, and what a check may find in one.

A data set is a folder read by the class of its layout. It knows no model and no score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from medfly.types import Sample


@dataclass(frozen=True)
class Size:
    """How much a split holds, as its authors published or as it was counted."""

    questions: int
    images: int | None = None


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    severity: "error" makes a number wrong or impossible (missing pictures, leakage), "warning" is to be known.
    kind: a short fixed word, such as "missing_images". where: data set and split, as in "slake train".
    message: what was found, expected, and what to do. count: rows or pictures concerned.
    examples: the first few of them: ids or picture names, never patient data.
    """

    severity: Literal["error", "warning"]
    kind: str
    where: str
    message: str
    count: int = 1
    examples: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "severity": self.severity,
            "kind": self.kind,
            "where": self.where,
            "message": self.message,
            "count": self.count,
            "examples": list(self.examples),
        }


class DataSet(Protocol):
    """A folder of questions about pictures.

    name: as in `--tasks`. source, licence: of the data set, None where they are not known (a hospital's own).
    expected: split → size as published; empty where nothing was.
    """

    @property
    def name(self) -> str: ...
    @property
    def source(self) -> str | None: ...
    @property
    def licence(self) -> str | None: ...
    @property
    def expected(self) -> Mapping[str, Size]: ...
    @property
    def left_out(self) -> int:
        """How many rows at fault `samples` leaves out, of all splits together."""
        ...

    def splits(self) -> tuple[str, ...]:
        """The splits that this folder holds, in the order train, validation, test."""
        ...

    def samples(self, split: str) -> list[Sample]:
        """All questions of a split, in its own order. Raises InputError for another layout or missing pictures."""
        ...

    def validate(self) -> list[Finding]:
        """Count everything: sizes against `expected`, missing pictures, odd rows, splits that cannot be read."""
        ...
