"""A folder, a ZIP archive or a DICOMDIR → patients, studies, series; everything else is counted by reason.

Of DICOM files only headers are read, of others the beginning. It decides nothing about what belongs together: that is
series.py's part. Labels count ("patient 1 / study 1 / series 3 CT 24 images"); names, identifiers, dates and
descriptions are there for the caller's own use and in no repr, message or log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from data_adapters.archive import looks_like_zip
from data_adapters.dicom.header import is_dicomdir, looks_like_dicom
from data_adapters.files import FileScan, Kind, kind_of
from data_adapters.listing import Progress, listing
from data_adapters.places import Places
from data_adapters.refusal import refusal
from data_adapters.series import SliceSeries, arrange, open_series, patient_of
from data_adapters.slice_header import SliceHeader, read_slice_header
from medfly.types import InputError, Order, Scan, ScanLoader, Volume, Window

NAMED = 5  # so many series are named where a choice is asked for


@dataclass(frozen=True)
class Series:
    """What can be looked at as one: a stack of DICOM slices, or one file of another kind.

    label: safe to show and to log. kind: by content.
    images: how many slices or frames; None where only opening tells (pictures, NIfTI, slides).
    size: (columns, rows). modality, body_part: as DICOM codes them.
    order, gap, notes, window: those of the Volume that `open` gives, as far as they are known before.
    localiser: an overview that other series are planned on.
    files: in order; description, number, uid: as the file has them. They may hold names, and repr leaves them out.
    """

    label: str
    kind: Kind
    images: int | None
    files: tuple[FileScan, ...] = field(repr=False)
    size: tuple[int, int] | None = None
    modality: str | None = None
    body_part: str | None = None
    order: Order | None = None
    gap: float | None = None
    localiser: bool = False
    notes: tuple[str, ...] = ()
    window: Window | None = None
    description: str = field(default="", repr=False)
    number: int | None = field(default=None, repr=False)
    uid: str = field(default="", repr=False)

    def open(self) -> Scan | Volume:
        """A Volume whose slices are read when they are asked for, or a single image. Raises InputError."""
        return open_series(self.files, self.order, self.gap, self.notes, self.window)

    def loaders(self) -> tuple[ScanLoader, ...]:
        """A picklable loader for each image. A file of which only opening tells how many it has is opened."""
        if len(self.files) > 1 or self.images == 1:
            return self.files
        opened = self.open()
        return opened.loaders if isinstance(opened, Volume) else self.files


@dataclass(frozen=True)
class Study:
    """label: safe to show. description, date, uid: as the files have them."""

    label: str
    series: tuple[Series, ...]
    description: str = field(default="", repr=False)
    date: str = field(default="", repr=False)
    uid: str = field(default="", repr=False)


@dataclass(frozen=True)
class Patient:
    """label: safe to show. name, identifier: as the files have them.

    One identifier is one patient. Without any, name and birth date are, else each study.
    """

    label: str
    studies: tuple[Study, ...]
    name: str = field(default="", repr=False)
    identifier: str = field(default="", repr=False)


@dataclass(frozen=True)
class Catalogue:
    """What a folder, archive or DICOMDIR holds.

    patients: of DICOM files. others: pictures, NIfTI files and slides, which name no patient.
    files: how many were looked at. skipped: reason → how many files (or hidden and linked folders) were passed over.
    """

    patients: tuple[Patient, ...]
    others: tuple[Series, ...]
    files: int
    skipped: Mapping[str, int]

    @property
    def studies(self) -> tuple[Study, ...]:
        return tuple(study for patient in self.patients for study in patient.studies)

    @property
    def series(self) -> tuple[Series, ...]:
        """All of them: `catalogue(path).series[3].open()`."""
        return (*(series for study in self.studies for series in study.series), *self.others)

    def only(self) -> Series:
        """The only series. Raises InputError naming how many there are otherwise."""
        if len(self.series) == 1:
            return self.series[0]
        if not self.series:
            reasons = ", ".join(f"{count} × {reason}" for reason, count in self.skipped.items())
            raise refusal(f"no image ({reasons or 'no file at all'})", "one series", "check the path")
        named = "; ".join(f"[{index}] {series.label}" for index, series in enumerate(self.series[:NAMED]))
        more = f"; and {len(self.series) - NAMED} more" if len(self.series) > NAMED else ""
        raise refusal(
            f"{len(self.series)} series ({named}{more})", "one", "choose: catalogue(path).series[index].open()"
        )

    def __str__(self) -> str:
        """One line a series and one a reason, all safe to show."""
        lines = [f"[{index}] {series.label}" for index, series in enumerate(self.series)]
        return "\n".join([*lines, *(f"passed over: {count} × {reason}" for reason, count in self.skipped.items())])


def catalogue(path: str | Path, *, progress: Progress | None = None, places: Places | None = None) -> Catalogue:
    """List what is in a folder (with its folders), a ZIP archive, a DICOMDIR or a single file.

    progress: called often with (files done, files in all); the second is None while they are being found. What it
        raises ends the catalogue, as Ctrl-C does.
    places: what may be opened; links that lead elsewhere are passed over. By default they are followed.
    Raises InputError for what is missing, or for an archive that is damaged as a whole, encrypted or over the limits;
    a damaged file in it is counted, and the next one goes on.
    """
    progress = progress or (lambda done, total: None)
    files, skipped = listing(path, progress, places)
    headers: list[SliceHeader] = []
    others: list[tuple[Kind, FileScan]] = []
    for done, file in enumerate(files):
        progress(done, len(files))
        try:
            if places is not None:
                places.check(file)
            found = _look(file)
        except InputError as problem:
            # Up to "expected" refusals are fixed words and numbers, see refusal.py.
            skipped[str(problem).removeprefix("found ").partition("; expected ")[0]] += 1
            continue
        if isinstance(found, SliceHeader):
            headers.append(found)
        else:
            others.append((found, file))
    progress(len(files), len(files))
    patients, copies = _patients(headers)
    skipped["copy of the same file"] += copies
    return Catalogue(patients, _others(others), len(files), dict(+skipped))


def _look(file: FileScan) -> SliceHeader | Kind:
    """The header of a DICOM image, or what else the file is. Raises InputError for what is no image."""
    head = file.head()
    expected, remedy = "an image", "leave it out"
    if not head:
        raise refusal("empty file", expected, remedy)
    if is_dicomdir(head):
        raise refusal("DICOMDIR (all files were looked at instead)", expected, remedy)
    if looks_like_zip(head):
        raise refusal("ZIP archive (name it to look into it)", expected, remedy)
    if looks_like_dicom(head):  # the levels of a DICOM slide, too: they name a patient
        return read_slice_header(file)
    kind = kind_of(head, None if file.member else Path(file.path))
    if kind is None:
        raise refusal("file of no known kind", expected, remedy)
    return kind


Item = TypeVar("Item")


def _grouped(items: Iterable[Item], key: Callable[[Item], Hashable]) -> list[list[Item]]:
    found: dict[Hashable, list[Item]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return list(found.values())


def _patients(headers: list[SliceHeader]) -> tuple[tuple[Patient, ...], int]:
    """Patients and studies in the order of their first files, and how many copies were left out."""
    stacks = arrange(headers)
    copies = len(headers) - sum(len(stack.headers) for stack in stacks)
    patients = []
    for place, of_patient in enumerate(_grouped(stacks, lambda stack: patient_of(stack.headers[0])), 1):
        texts = of_patient[0].headers[0].texts
        label = f"patient {place}"
        studies = _grouped(of_patient, lambda stack: stack.headers[0].texts["StudyInstanceUID"])
        made = tuple(_study(f"{label} / study {number}", study) for number, study in enumerate(studies, 1))
        patients.append(Patient(label, made, texts["PatientName"], texts["PatientID"]))
    return tuple(patients), copies


def _study(label: str, stacks: list[SliceSeries]) -> Study:
    """Its series in the order of their numbers, and of their first files where those are equal or absent."""
    stacks = sorted(stacks, key=lambda stack: _number(stack.headers[0]))
    texts = stacks[0].headers[0].texts
    series = tuple(_series(f"{label} / series {place}", stack) for place, stack in enumerate(stacks, 1))
    return Study(label, series, texts["StudyDescription"], texts["StudyDate"], texts["StudyInstanceUID"])


def _number(header: SliceHeader) -> tuple[bool, int]:
    return header.series_number is None, header.series_number or 0


def _series(place: str, stack: SliceSeries) -> Series:
    first = stack.headers[0]
    kind = " ".join(part for part in (first.modality, "localiser" if first.is_localiser else None) if part)
    label = f"{place}{f' {kind}' if kind else ''} {stack.images} {'image' if stack.images == 1 else 'images'}"
    files = [replace(header.where, label=f"{label}, image {number}") for number, header in enumerate(stack.headers, 1)]
    return Series(
        label=label,
        kind="dicom",
        images=stack.images,
        files=tuple(files) if len(files) > 1 else (replace(first.where, label=label),),
        size=(first.columns, first.rows),
        modality=first.modality,
        body_part=first.body_part,
        order=stack.order,
        gap=stack.gap,
        localiser=first.is_localiser,
        notes=stack.notes,
        window=stack.window,
        description=first.texts["SeriesDescription"],
        number=first.series_number,
        uid=first.texts["SeriesInstanceUID"],
    )


def _others(found: list[tuple[Kind, FileScan]]) -> tuple[Series, ...]:
    names = {"nifti": "NIfTI", "slide": "slide", "picture": "picture", "dicom": "DICOM"}
    numbers: Counter[str] = Counter()
    series = []
    for kind, file in found:
        numbers[kind] += 1
        label = f"{names[kind]} {numbers[kind]}"
        series.append(Series(label, kind, None, (replace(file, label=label),)))
    return tuple(series)
