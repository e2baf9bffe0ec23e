"""Pictures with reference texts: every picture is asked for in the same words, and none has a right answer.

    folder/captions.jsonl     {"image": "scans/1.dcm", "captions": ["A first text.", "Another."], "split": "test"}
    folder/scans/1.dcm …      pictures and scans of any kind that data_adapters.read takes

A line has image and captions (a list, or one text; "caption" is the same), and may have id, split, patient and frame
(from 0). Other columns are left behind, for they may name patients. Published sets: see data_adapters.caption_layouts.

The instruction is the one of the reference implementation's example (togethercomputer/Dragonfly, README at 00b86ac,
test_dragonfly.py at 226cb8d). How the paper asked for its medical captions is not known to us.
This module knows no score.
Texts may be patient data: messages give row numbers and names of columns only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from data_adapters.caption_layouts import LAYOUTS, Layout
from data_adapters.dataset import Finding, Size
from data_adapters.institutional import EXAMPLES, MAX_SPLITS, ORDER, WHOLE
from data_adapters.refusal import refusal
from data_adapters.tables.conversations import Unfit
from data_adapters.tables.entries import Entry, Fault, Reader
from data_adapters.tables.published import OtherLayout
from data_adapters.tables.rows import one_line
from medfly.types import Sample

INSTRUCTION = "Summarize the visual content of the image."
COLUMNS = ("id", "split", "patient", "frame")  # read as data_adapters.tables.entries says


class Captions:
    """A folder of pictures with reference texts as a data_adapters.dataset.DataSet.

    Sample.question is INSTRUCTION, Sample.answer None, Sample.image the path from the folder (#N behind it for a
    frame), Sample.metadata holds "references": tuple[str, ...] without repeated blanks, and "row". Sample.id is the
    row's id as text, else its number. Sample.patient numbers the patients, or in IU X-Ray the reports.
    Paths may not leave the folder; links in it are followed.
    """

    def __init__(self, folder: str | Path) -> None:
        """Reads the texts, not the scans. Raises OtherLayout for a folder in no layout of LAYOUTS, else InputError."""
        self.folder = Path(folder)
        self._layout = _layout(self.folder)
        self._entries, self._faults = _read(self.folder, self._layout)
        if not self._entries and not self._faults:
            raise refusal(f"no rows in {str(self.folder)!r}", self._layout.looked_for, "fetch or write it again")

    @property
    def name(self) -> str:
        """ "captions", and for the published ones "roco", "iu_xray" or "peir_gross"; all are read by one task."""
        return self._layout.name

    @property
    def title(self) -> str:
        return self._layout.title

    @property
    def source(self) -> str | None:
        return self._layout.source

    @property
    def licence(self) -> str | None:
        return self._layout.licence

    @property
    def expected(self) -> Mapping[str, Size]:
        return {}

    @property
    def left_out(self) -> int:
        """ROCO's rows whose picture is not there, for its articles may be withdrawn; of other layouts none."""
        return sum(self._is_spared(fault) for fault in self._faults)

    def splits(self) -> tuple[str, ...]:
        """Those of the rows, else ("all",). Raises InputError for too many of them."""
        names = {entry.split or WHOLE for entry in self._entries} or {WHOLE}
        if len(names) > MAX_SPLITS:
            raise refusal(f"{len(names)} different splits", "train, validate, test or so", "correct the rows")
        rank = {name: place for place, name in enumerate(ORDER)}
        return tuple(sorted(names, key=lambda name: (rank.get(name.lower(), len(ORDER)), name)))

    def samples(self, split: str) -> list[Sample]:
        """The pictures of a split in the rows' order. Raises InputError for unknown splits and rows at fault."""
        if faults := [fault for fault in self._faults if not self._is_spared(fault)]:
            kinds = ", ".join(f"{count:,} {kind}" for kind, count in Counter(f.problem.kind for f in faults).items())
            raise refusal(
                f"{len(faults):,} rows at fault ({kinds}): {_rows([f.row for f in faults])}: {faults[0].problem}",
                f"none in {str(self.folder)!r}",
                "correct or remove them",
            )
        if not self._entries:
            found = f"none of the {self.left_out:,} pictures in {str(self.folder)!r}"
            raise refusal(found, "some of them", "fetch the pictures, too")
        if split not in self.splits():
            raise refusal(f"split {split!r}", f"one of {', '.join(self.splits())}", "choose one of these")
        return [entry.sample for entry in self._of(split)]

    def validate(self) -> list[Finding]:
        """Rows at fault by kind, then by split what is odd but kept. Opens no scan."""
        alike: dict[str, list[Fault]] = {}
        for fault in self._faults:
            alike.setdefault(str(fault.problem), []).append(fault)
        findings = [self._fault_finding(faults) for faults in alike.values()]
        for split in self.splits():
            findings += self._repeated(
                split,
                "duplicate_images",
                lambda sample: sample.image,
                "rows about a picture that an earlier row is about, too: put its texts into one row",
            )
            findings += self._repeated(
                split,
                "same_texts",
                lambda sample: sample.metadata["references"],
                "rows with the same texts as an earlier row: a model that always says them scores well",
            )
        return findings + self._shared()

    def _of(self, split: str) -> list[Entry]:
        return [entry for entry in self._entries if (entry.split or WHOLE) == split]

    def _is_spared(self, fault: Fault) -> bool:
        return fault.problem.kind in self._layout.spares

    def _fault_finding(self, faults: list[Fault]) -> Finding:
        spared = self._is_spared(faults[0])
        message = f"{len(faults):,} rows {'left out' if spared else 'cannot be used'}: {faults[0].problem}"
        examples = tuple(f"row {fault.row}" for fault in faults[:EXAMPLES])
        severity = "warning" if spared else "error"
        return Finding(severity, faults[0].problem.kind, self.name, message, len(faults), examples)

    def _repeated(self, split: str, kind: str, key: Callable[[Sample], Hashable], message: str) -> list[Finding]:
        seen: set[Hashable] = set()
        again: list[int] = []
        for entry in self._of(split):
            here = key(entry.sample)
            if here in seen:
                again.append(entry.row)
            seen.add(here)
        if not again:
            return []
        examples = tuple(f"row {row}" for row in again[:EXAMPLES])
        return [Finding("warning", kind, f"{self.name} {split}", f"{len(again):,} {message}", len(again), examples)]

    def _shared(self) -> list[Finding]:
        """Patients and picture names in more than one split; pictures are compared by the leakage check."""
        findings = []
        for kind, key in ("patients", lambda entry: entry.patient), ("images", lambda entry: entry.sample.image):
            where: dict[str, set[str]] = {}
            for entry in self._entries:
                where.setdefault(key(entry), set()).add(entry.split)
            count = sum(len(splits) > 1 for name, splits in where.items() if name)
            if count:
                message = f"{count:,} {kind} in more than one split: scores on the later ones say too much"
                findings.append(Finding("error", f"shared_{kind}", self.name, message, count))
        return findings

    def __repr__(self) -> str:
        return f"Captions({str(self.folder)!r})"


def _layout(folder: Path) -> Layout:
    for layout in LAYOUTS:
        if layout.is_here(folder):
            return layout
    found = "a folder with none of these" if folder.is_dir() else "no such folder"
    expected = f"captions in {str(folder)!r}: {'; or '.join(layout.looked_for for layout in LAYOUTS)}"
    raise OtherLayout(str(refusal(found, expected, "check the path, or write captions.jsonl")))


def _read(folder: Path, layout: Layout) -> tuple[list[Entry], list[Fault]]:
    records = layout.read(folder)
    texts: dict[int, tuple[str, ...]] = {}
    faults: list[Fault] = []
    for row, record in records.items():
        try:
            texts[row] = _references(record)
            _check_names(record)
        except Unfit as problem:
            texts.pop(row, None)
            faults.append(Fault(row, problem))
    named = {name for record in records.values() for name in record}
    columns = {name: name for name in COLUMNS if name in named} | {"image": "image", "question": "question"}
    entries, unfit = Reader(columns, folder).read(
        {row: {name: records[row].get(name, "") for name in columns} | {"question": INSTRUCTION} for row in texts}
    )
    whole = [replace(entry, sample=_with_references(entry.sample, texts[entry.row])) for entry in entries]
    return whole, sorted([*faults, *unfit], key=lambda fault: fault.row)


def _with_references(sample: Sample, references: tuple[str, ...]) -> Sample:
    return replace(sample, metadata={**sample.metadata, "references": references})


def _references(record: Mapping[str, Any]) -> tuple[str, ...]:
    """The reference texts of a row. Raises Unfit for none, and for what is no text."""
    given = [record[name] for name in ("captions", "caption") if record.get(name) not in (None, "")]
    if len(given) > 1:
        raise Unfit("two_captions", "both captions and caption", "one of them")
    texts = given[0] if given and isinstance(given[0], list) else given  # one text is never taken letter by letter
    if not all(isinstance(text, str) for text in texts):
        raise Unfit("odd_captions", "captions that are no texts", "a list of texts")
    references = tuple(one_line(text) for text in texts)
    if not references or not all(references):
        raise Unfit("no_captions", "no captions, or an empty one", "at least one text of at least one word")
    return references


def _check_names(record: Mapping[str, Any]) -> None:
    """Half a surrogate pair is a text in JSON and in no file: it would stop the run when the answer is written."""
    for name in ("image", "id", "split"):
        try:
            str(record.get(name, "")).encode()
        except UnicodeEncodeError:
            raise Unfit(f"odd_{name}", f"broken Unicode in column {name}", "text that can be written down") from None


def _rows(rows: list[int]) -> str:
    shown = ", ".join(f"{row:,}" for row in rows[:EXAMPLES])
    return f"row{'s' * (len(rows) > 1)} {shown}{' …' * (len(rows) > EXAMPLES)}"
