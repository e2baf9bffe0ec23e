"""A hospital's own questions: a table or conversations in one file, pictures and scans in a folder.

    questions.csv (.tsv .xlsx .parquet .json .jsonl), or a folder with dataset.yaml that names the file:
        table: questions.csv
        image_dir: scans                 # by default the table's folder
        columns: {image: dcm_path, question: Frage}

It knows no split of its own: there is a column, or a manifest by data_adapters.splits, or one split called "all".
Cells may be patient data: messages give row numbers and names of columns only, and a Sample carries no study and
of the patient a number only. A scan of several frames without a frame is refused when it is opened, not guessed at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from data_adapters.dataset import Finding, Size
from data_adapters.refusal import naming, refusal, refusing
from data_adapters.tables.columns import assign, told
from data_adapters.tables.entries import Entry, Fault, Reader
from data_adapters.tables.row_checks import check_contents
from data_adapters.tables.rows import Contents, Row
from data_adapters.tables.table import Records, read_table
from medfly.types import Sample

SETTINGS = "dataset.yaml"
WHOLE = "all"
ORDER = ("train", "training", "validate", "validation", "valid", "val", "dev", "test", "testing")
EXAMPLES = 5
MAX_SPLITS = 20  # more of them, and the column is not one of splits
SETTING_TYPES: Mapping[str, type] = {
    "table": str,
    "image_dir": str,
    "columns": dict,
    "subgroups": list,
    "encoding": str,
    "manifest": str,
    "skip": bool,
    "name": str,
    "source": str,
    "licence": str,
}


@dataclass(frozen=True)
class Institutional:
    """Questions of an institution as a data_adapters.dataset.DataSet.

    path: the table, or the folder of a dataset.yaml (see `from_folder`).
    image_dir: where relative paths start, and which no path may leave; by default the table's folder.
    columns: what is held ("image", "question", "answer", "answer_type", "patient", "study", "split", "frame", "id")
        → its column; by default by common names (data_adapters.tables.columns). frame counts from 0.
    subgroups: further columns to hand on in Sample.metadata; others are left behind, for they may name patients.
    encoding: of CSV and JSON. manifest: a file by data_adapters.splits; goes before a split column.
    skip: leave out rows at fault, which `validate` counts; else `samples` refuses a table that has any.

    Sample.id is the id column's cell, else the row number; a conversation's later questions have ".2", ".3" behind
    it. Sample.metadata holds "row", and for conversations "earlier": the questions and answers before.
    """

    path: Path
    image_dir: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    subgroups: Sequence[str] = ()
    encoding: str | None = None
    manifest: Path | None = None
    skip: bool = False
    name: str = "institutional"
    source: str | None = None
    licence: str | None = None

    def __post_init__(self) -> None:
        """Reads the table, not the scans. Raises InputError where it cannot be read or lacks columns."""
        self._read  # noqa: B018 (kept from here on)

    @classmethod
    def from_folder(cls, folder: Path) -> Institutional:
        """By the folder's dataset.yaml, whose keys are the fields above, `table` for `path`. Raises InputError."""
        import yaml

        if not (folder / SETTINGS).is_file():
            remedy = "check the path, or write one that names the table: `table: questions.csv`"
            raise refusal(f"no {SETTINGS} in {str(folder)!r}", "one", remedy)
        with refusing(f"a {SETTINGS} that cannot be read", "YAML", "correct it"):
            settings = yaml.safe_load((folder / SETTINGS).read_text("utf-8"))
        fits = isinstance(settings, dict) and "table" in settings
        if not fits or not all(isinstance(value, SETTING_TYPES.get(key, ())) for key, value in settings.items()):
            expected = "table, and perhaps " + ", ".join(
                f"{key} ({kind.__name__})" for key, kind in SETTING_TYPES.items()
            )
            raise refusal(f"a {SETTINGS} of another form", expected, "correct it")
        paths = {key: folder / settings.pop(key) for key in ("image_dir", "manifest") if key in settings}
        return cls(folder / settings.pop("table"), **paths, **{"name": str(folder), **settings})

    @property
    def left_out(self) -> int:
        """How many rows at fault `samples` leaves out."""
        return len(self._read[1]) if self.skip else 0

    @property
    def expected(self) -> Mapping[str, Size]:
        return {}

    def splits(self) -> tuple[str, ...]:
        """Those of the manifest, else of the split column, else ("all",)."""
        names = set(self._assigned.values())
        if len(names) > MAX_SPLITS:
            raise refusal(f"{len(names)} different splits", "train, validate, test or so", "name another column")
        rank = {name: place for place, name in enumerate(ORDER)}
        return tuple(sorted(names, key=lambda name: (rank.get(name.lower(), len(ORDER)), name)))

    def samples(self, split: str) -> list[Sample]:
        """The questions of a split in the table's order. Raises InputError for unknown splits and rows at fault."""
        return [entry.sample for entry in self.entries(split)]

    def entries(self, split: str | None = None, *, skip: bool | None = None) -> list[Entry]:
        """As `samples`, with patients and studies; of all splits by default. skip: in place of the field."""
        entries, faults = self._read
        if faults and not (self.skip if skip is None else skip):
            kinds = ", ".join(Counter(fault.problem.kind for fault in faults))
            raise refusal(
                f"{len(faults):,} rows at fault ({kinds}), the first row {faults[0].row}: {faults[0].problem}",
                f"none in {str(self.path)!r}",
                "`medfly data check` lists them: correct them, or leave them out with skip",
            )
        if split is None:
            return entries
        if split not in self.splits():
            raise refusal(f"split {split!r}", f"one of {', '.join(self.splits())}", "choose one of these")
        return [entry for entry in entries if self._assigned.get(entry.row) == split]

    def validate(self) -> list[Finding]:
        """Rows at fault by kind, what changed since the manifest, then what is odd but kept, by split.

        Raises InputError where the table or the manifest cannot be read.
        """
        entries, faults = self._read
        alike: dict[str, list[Fault]] = {}
        for fault in faults:
            alike.setdefault(str(fault.problem), []).append(fault)
        findings = [self._fault_finding(found) for found in alike.values()]
        if self.manifest is not None:
            from data_adapters.splits import changes, read_manifest

            changed = changes(read_manifest(self.manifest), self.path, entries, self.name)
            if changed:
                return findings + changed
        for split in self.splits():
            here = [entry for entry in entries if self._assigned.get(entry.row) == split]
            findings += check_contents(_nameless(here), f"{self.name} {split}", None)
            findings += self._patients(here, split)
        return findings

    def _fault_finding(self, faults: list[Fault]) -> Finding:
        what = "left out" if self.skip else "neither usable nor compared"
        return Finding(
            "warning" if self.skip else "error",
            faults[0].problem.kind,
            self.name,
            f"{len(faults):,} rows {what}: {faults[0].problem}",
            len(faults),
            tuple(f"row {fault.row}" for fault in faults[:EXAMPLES]),
        )

    def _patients(self, entries: list[Entry], split: str) -> list[Finding]:
        """Rows whose patient is not in the table. Reads the DICOM headers of these."""
        nameless = {entry.row: entry for entry in entries if not entry.patient}
        by_header = [row for row, entry in nameless.items() if entry.header.patient]
        unknown = [row for row, entry in nameless.items() if not entry.header.patient]
        messages = {
            "header_patient": (
                by_header,
                "whose patient only the DICOM header names: compared by it; files that were "
                "made anonymous may all name the same",
            ),
            "no_patient": (unknown, "without a patient: whether splits share patients cannot be told"),
        }
        return [
            Finding(
                "warning",
                kind,
                f"{self.name} {split}",
                f"{len(rows):,} rows {message}",
                len(rows),
                tuple(f"row {row}" for row in rows[:EXAMPLES]),
            )
            for kind, (rows, message) in messages.items()
            if rows
        ]

    @cached_property
    def _read(self) -> tuple[list[Entry], list[Fault]]:
        with naming(repr(str(self.path))):
            records = read_table(self.path, self.encoding)
            columns = self._columns(records)
        return Reader(columns, self.image_dir or self.path.parent, self.subgroups).read(records)

    def _columns(self, records: Records) -> Mapping[str, str]:
        header = dict.fromkeys(name for record in records.values() for name in record)
        columns = assign(header, self.columns)
        # Conversations hold their questions, and messages their pictures, too.
        held = {"messages": {"image", "question"}, "conversations": {"question"}}
        within = set().union(*(roles for name, roles in held.items() if name in header))
        missing = [role for role in ("image", "question") if role not in columns and role not in within]
        if missing:
            found = f"no column for the {missing[0]} among {told(header, self.columns)}"
            raise refusal(found, "one", f"name it: {missing[0]}=COLUMN")
        if lost := [name for name in self.subgroups if name not in header]:
            raise refusal(f"no column {lost[0]!r} for subgroups", f"one of {', '.join(header)}", "correct it")
        return columns

    @cached_property
    def _assigned(self) -> Mapping[int, str]:
        """Row → split. Rows that a manifest leaves out are not in it."""
        if self.manifest is not None:
            from data_adapters.splits import assignment

            return assignment(self.manifest, self.path)
        return {entry.row: entry.split or WHOLE for entry in self._read[0]}


def _nameless(entries: list[Entry]) -> Contents:
    """The rows for the checks that all data sets share, told by row number and by nothing that a cell says."""
    pictures: dict[str, str] = {}
    rows = [
        Row(
            f"row {entry.row}" + (f", question {entry.turn}" if entry.turn > 1 else ""),
            pictures.setdefault(entry.sample.image, f"picture {len(pictures)}"),
            entry.sample.question,
            entry.sample.answer,
            entry.sample.answer_type,
        )
        for entry in entries
    ]
    scans = {pictures[entry.sample.image]: entry.sample.scan for entry in entries}
    return Contents(rows, scans.get, "the folder of pictures")
