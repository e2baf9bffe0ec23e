"""What the sidebar offers and the canvas shows: one series, picture, NIfTI file or slide, opened when it is asked for.

Labels count and say nothing of the patient, so they may be shown and exported; what the files say in words is kept
apart in `told`, which is in no repr, for a screen on which the user asks for it. It knows no Streamlit and no cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.studies.samples import SAMPLES
from data_adapters.catalogue import Catalogue, Series
from data_adapters.files import FileScan, Kind
from data_adapters.places import Places
from medfly.types import Scan, Volume

EVERYBODY = ""  # the owner of what all sessions may see


@dataclass(frozen=True)
class Told:
    """What the files say in words; it may name the patient."""

    patient: str = ""
    study: str = ""
    series: str = ""


@dataclass(frozen=True)
class Opened:
    """One thing to look at; equal keys are the same thing, in the same state of its files.

    key: hexadecimal, says nothing. label: safe to show ("CT 24 images"). detail: size, body part and remarks, safe,
    too. images: None where only opening tells.
    numbers: of patient, study and series in the catalogue, from 1; (0, 0, n) for the n-th of what names no patient.
    owner: of uploads, the session's own random token; "" for what every session may see.
    """

    key: str
    label: str
    detail: str = field(compare=False)
    images: int | None = field(compare=False)
    kind: Kind = field(compare=False)
    modality: str | None = field(compare=False)
    numbers: tuple[int, int, int] = field(compare=False)
    localiser: bool = field(compare=False)
    series: Series = field(repr=False, compare=False)
    places: Places = field(repr=False, compare=False)
    owner: str = field(default=EVERYBODY, repr=False)
    told: Told = field(default=Told(), repr=False, compare=False)

    def open(self) -> Scan | Volume:
        """Raises InputError for what is damaged or missing, or has become a link that leads out."""
        self.check(0)
        return self.series.open()

    def check(self, image: int) -> None:
        """Raises InputError where the file of this image is outside the places that may be opened."""
        files = self.series.files
        slide = self.kind == "slide" or self.modality == "SM"
        self.places.check(files[min(image, len(files) - 1)], beside=slide)

    @property
    def bytes(self) -> int:
        """Of the one file that holds all images; 0 where each has its own."""
        first, *others = self.series.files
        if others:
            return 0
        if first.member is not None:  # as large as its pixels, about
            columns, rows = self.series.size or (0, 0)
            return 2 * columns * rows * (self.images or 1)
        with contextlib.suppress(OSError):
            return os.stat(first.path).st_size
        return 0


def opened_of(
    found: Catalogue, places: Places, *, owner: str = EVERYBODY, names: Mapping[Path, str] | None = None
) -> tuple[Opened, ...]:
    """All series of a catalogue, in its order. names: what an uploaded file is called in words."""
    return tuple(
        Opened(
            key=_key(series, owner),
            label=series.label.rpartition(" / ")[2],
            detail=_detail(series),
            images=series.images,
            kind=series.kind,
            modality=series.modality,
            numbers=numbers,
            localiser=series.localiser,
            series=series,
            places=places,
            owner=owner,
            told=told,
        )
        for numbers, series, told in _numbered(found, names)
    )


def samples() -> tuple[Opened, ...]:
    """The scans that come with pydicom, each once. Raises InputError where the package lacks them."""
    titles = {sample.path: sample.title for sample in reversed(SAMPLES)}  # of two titles the first
    return tuple(_sample(number, path, titles[path]) for number, path in enumerate(reversed(titles), 1))


def _sample(number: int, path: Path, title: str) -> Opened:
    return Opened(
        key=hashlib.sha256(path.name.encode()).hexdigest()[:32],
        label=title,
        detail="",
        images=1,
        kind="dicom",
        modality=None,
        numbers=(0, 0, number),
        localiser=False,
        series=Series(title, "dicom", 1, (FileScan(path, label=title),)),
        places=Places.of([path]),
    )


def _numbered(
    found: Catalogue, names: Mapping[Path, str] | None
) -> Iterator[tuple[tuple[int, int, int], Series, Told]]:
    for patient_number, patient in enumerate(found.patients, 1):
        for study_number, study in enumerate(patient.studies, 1):
            study_words = " ".join(part for part in (study.date, study.description) if part)
            for number, series in enumerate(study.series, 1):
                words = Told(patient.name or patient.identifier, study_words, series.description)
                yield (patient_number, study_number, number), series, words
    for number, series in enumerate(found.others, 1):
        file = series.files[0]
        name = file.member or (names or {}).get(Path(file.path)) or Path(file.path).name
        yield (0, 0, number), series, Told(series=name)


def _detail(series: Series) -> str:
    size = f"{series.size[0]} × {series.size[1]}" if series.size else None
    gap = f"{series.gap:.3g} mm" if series.gap else None
    return " · ".join(part for part in (size, series.body_part, gap, *series.notes) if part)


def _key(series: Series, owner: str) -> str:
    """From the paths, sizes and times of the files, so that another file under the same name is another thing."""
    digest = hashlib.sha256(owner.encode())
    archives: dict[str, bytes] = {}
    for file in series.files:
        path = os.fspath(file.path)
        if path not in archives:
            archives[path] = _state(path)
        digest.update(archives[path] + (file.member or "").encode("utf-8", "backslashreplace") + b"\0")
    return digest.hexdigest()[:32]


def _state(path: str) -> bytes:
    try:
        status = os.stat(path)
    except OSError:
        return os.fsencode(path)
    return os.fsencode(path) + f"\0{status.st_size}\0{status.st_mtime_ns}\0".encode()
