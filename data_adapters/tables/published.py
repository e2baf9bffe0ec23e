"""What the classes of the published data sets share: samples and checks over the contents of their splits.

A subclass knows its layouts and its authors' numbers; this module knows neither.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from data_adapters.dataset import Finding, Size
from data_adapters.refusal import refusal
from data_adapters.tables.row_checks import absent_splits, check_contents
from data_adapters.tables.rows import Contents, samples_of
from medfly.types import InputError, Sample


class OtherLayout(InputError):
    """The folder is not laid out as this data set is: it may be another one."""


class Published(ABC):
    """A data set that was published, in a folder on this machine: a data_adapters.dataset.DataSet.

    name: as in `--tasks`. title: for people. source, licence: of the data set. repository: the copy on the
    Hugging Face hub that MedFly fetches, files: which of its files are needed. SPLITS: as the authors spell them,
    in the order train, validation, test.
    """

    name: str
    title: ClassVar[str]
    source: str
    licence: str
    repository: ClassVar[str]
    files: ClassVar[tuple[str, ...]]
    SPLITS: ClassVar[tuple[str, ...]]

    def __init__(self, folder: str | Path) -> None:
        """Raises OtherLayout, with what was looked for, where the folder has none of this data set's."""
        self.folder = Path(folder)
        if not self.splits():
            found = "a folder with none of these" if self.folder.is_dir() else "no such folder"
            expected = f"{self.title} in {str(self.folder)!r}: {self.looked_for()}"
            remedy = f"check the path, or fetch it with `medfly data fetch {self.name}`"
            raise OtherLayout(str(refusal(found, expected, remedy)))

    @property
    def left_out(self) -> int:
        """None: rows at fault are refused or handed on as they are."""
        return 0

    @property
    @abstractmethod
    def expected(self) -> Mapping[str, Size]:
        """Split → size as published for the layout that the folder has."""

    @abstractmethod
    def splits(self) -> tuple[str, ...]:
        """The splits that the folder holds, told by its files; none for another layout."""

    @abstractmethod
    def looked_for(self) -> str:
        """The layouts, in words, for a message."""

    @abstractmethod
    def contents(self, split: str) -> Contents:
        """The rows and pictures of a split that is there. Raises InputError where its files cannot be read."""

    def samples(self, split: str, *, pictures: bool = True) -> list[Sample]:
        """All questions of a split, in its own order; see `rows.samples_of` for what is done to a row.

        pictures: False for text only, as the question-only baseline wants it: then pictures may be missing.
        Raises InputError for an unknown, absent or empty split, for rows that cannot be used and for missing pictures.
        """
        if split not in self.SPLITS:
            raise refusal(f"split {split!r}", f"one of {', '.join(self.SPLITS)}", "choose one of these")
        if split not in self.splits():
            have = ", ".join(self.splits())
            raise refusal(f"no {split} split in {str(self.folder)!r}, only {have}", self.looked_for(), "add its files")
        contents = self.contents(split)
        if not contents.rows:
            expected = f"{self.expected[split].questions:,} of them"
            raise refusal(f"no questions for {self.name} {split} in its files", expected, "use the official release")
        return samples_of(contents, pictures=pictures)

    def validate(self) -> list[Finding]:
        """Count everything: sizes, odd rows, missing pictures. A split that cannot be read is a finding, too."""
        here = self.splits()
        findings = absent_splits(self.name, self.expected, here)
        for split in here:
            where = f"{self.name} {split}"
            try:
                findings += check_contents(self.contents(split), where, self.expected.get(split))
            except InputError as problem:
                findings.append(Finding("error", "unreadable", where, str(problem)))
        return findings

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.folder)!r})"
