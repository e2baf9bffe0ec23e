"""Headers of DICOM files → the stacks that can be looked at as one, each in its physical order.

What has one Series Instance UID may still be several things: two orientations, two echoes, an overview. Those are
told apart here, and sorted along their normal by Image Position (Patient); Instance Number decides only where there
are no positions. It reads no pixels, turns nothing over and fills no gap.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from data_adapters.files import FileScan, open_file
from data_adapters.refusal import naming, refusal
from data_adapters.slice_header import APART, SliceHeader, read_slice_header
from data_adapters.stack import along_normal, is_parallel, places, stacked
from medfly.types import InputError, Order, Scan, Volume, Window, one_window

# Their single frames follow one another; others' (CR, MG, OT, SC) are views, in no order but their numbers'.
IN_TIME = ("US", "IVUS", "XA", "RF", "NM", "ES", "IVOCT")
IN_PLANE = 5.0  # millimetres: pictures whose corners are nearer cover the same part of their plane
CLOCKS = (
    "TemporalPositionIdentifier",
    "TriggerTime",
    "NominalPercentageOfCardiacPhase",
    "AcquisitionDateTime",
    "AcquisitionTime",
    "ContentTime",
)


@dataclass(frozen=True)
class SliceSeries:
    """Files that make one stack, in order, or one file of several frames.

    order, gap, notes: as those of a Volume; order is None for a file of several frames, which says it when opened.
    """

    headers: tuple[SliceHeader, ...] = field(repr=False)
    order: Order | None
    gap: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        return sum(header.frames for header in self.headers)

    @property
    def window(self) -> Window | None:
        """See Volume.window: of an MR whose slices suggest different ones."""
        return one_window([header.window for header in self.headers], f"median of {len(self.headers)} slices")

    def open(self) -> Scan | Volume:
        """A Volume whose slices are read when they are asked for, or the only image. Raises InputError."""
        return open_series([header.where for header in self.headers], self.order, self.gap, self.notes, self.window)


def open_series(
    files: Sequence[FileScan],
    order: Order | None,
    gap: float | None,
    notes: tuple[str, ...],
    window: Window | None,
) -> Scan | Volume:
    """The files of one series: a Volume of several slices, or all that is in a single file. Raises InputError."""
    if len(files) > 1:
        return Volume(tuple(files), order or "pages", gap, notes, window)
    opened = open_file(files[0], None)
    return replace(opened, notes=(*opened.notes, *notes))


def series_of_files(files: Sequence[FileScan]) -> SliceSeries:
    """The one series that these DICOM files are. Raises InputError naming the first that is none, or for several."""
    headers = []
    for file in files:
        with naming(file.name):
            headers.append(read_slice_header(file))
    found = arrange(headers)
    if len(found) != 1:
        raise refusal(f"{len(found)} series", "the slices of one", "use data_adapters.catalogue on their folder")
    return found[0]


def arrange(headers: Iterable[SliceHeader]) -> list[SliceSeries]:
    """Sort headers into stacks, in the order in which the first file of each series comes.

    What belongs together is the same patient, study and series as the file says, and of one kind: modality, size,
    pixel spacing, frame of reference, orientation; overviews (localisers) and files of several frames are apart.
    Places that repeat are split by the first attribute of APART that tells the repeats apart, and never interleaved.
    """
    found = []
    for series in _groups(headers, _identity):
        unique, twice = _without_copies(series)
        kinds = _groups(unique, _kind)
        stacks = [stack for kind in kinds for part in _orientations(kind) for stack in _stacks(part)]
        notes = [f"{twice} {'copy' if twice == 1 else 'copies'} of a file left out"] if twice else []
        notes += [f"one of {len(stacks)} stacks of the same series"] if len(stacks) > 1 else []
        found += [replace(stack, notes=(*stack.notes, *notes)) for stack in stacks]
    return found


def _groups(headers: Iterable[SliceHeader], key: Callable[[SliceHeader], Hashable]) -> list[list[SliceHeader]]:
    found: dict[Hashable, list[SliceHeader]] = defaultdict(list)
    for header in headers:
        found[key(header)].append(header)
    return list(found.values())


def _identity(header: SliceHeader) -> Hashable:
    """Whose series it is. A file that names no series is one with the others of its folder."""
    known = header.texts["SeriesInstanceUID"]
    place = known or _file_name(header).rpartition("/")[0]
    return patient_of(header), header.texts["StudyInstanceUID"], place


def patient_of(header: SliceHeader) -> tuple[str, ...]:
    """The patient's identifier; failing that, name and birth date; failing that, the study stands for the patient."""
    texts = header.texts
    if texts["PatientID"]:
        return ("id", texts["PatientID"], texts["IssuerOfPatientID"])
    if texts["PatientName"]:
        return ("name", texts["PatientName"], texts["PatientBirthDate"])
    return ("study", texts["StudyInstanceUID"])


def _kind(header: SliceHeader) -> Hashable:
    """What pictures of one stack have in common. A file of several frames is one of its own."""
    alone = header.where if header.frames > 1 else None
    placed = header.position is not None
    size = (header.rows, header.columns, header.samples, header.spacing if placed else None)
    return alone, header.is_localiser, header.modality, size, placed and header.texts["FrameOfReferenceUID"], placed


def _without_copies(series: list[SliceHeader]) -> tuple[list[SliceHeader], int]:
    """Files with the same bytes count once. Only those with the same SOP Instance UID are compared."""
    instances = Counter(header.texts["SOPInstanceUID"] for header in series)
    seen, found = set(), []
    for header in series:
        if instances[header.texts["SOPInstanceUID"]] > 1:
            with contextlib.suppress(InputError):  # what cannot be read to its end shows when it is opened
                if header.where.content_hash in seen:
                    continue
                seen.add(header.where.content_hash)
        found.append(header)
    return found, len(series) - len(found)


def _orientations(kind: list[SliceHeader]) -> list[list[SliceHeader]]:
    """Parts whose planes are parallel, each to the first of its part."""
    found: list[list[SliceHeader]] = []
    for header in kind:
        own = header.orientation
        for part in found:
            first = part[0].orientation
            if own is None or first is None or is_parallel(own, first):
                part.append(header)
                break
        else:
            found.append([header])
    return found


def _stacks(part: list[SliceHeader]) -> list[SliceSeries]:
    """One or more stacks of parallel pictures of one size."""
    part = sorted(part, key=_by_number)
    if len(part) == 1:
        return [SliceSeries((part[0],), order=None)]
    positions = np.array([header.position for header in part if header.position is not None])
    orientation = part[0].orientation
    if orientation is None or len(positions) < len(part):
        return [_unplaced(part, "no positions in space: sorted by instance number")]
    taken = places(along_normal(positions, orientation))
    if taken.max() == 0:
        return [_in_one_plane(part)]
    if len(set(taken)) < len(part):
        beside = np.rint(positions @ np.transpose([orientation[:3], orientation[3:]]) / IN_PLANE)
        return [stack for share, note in _apart(part, taken, beside) for stack in _with_note(_stacks(share), note)]
    stack = stacked(positions, orientation)
    return [SliceSeries(tuple(part[index] for index in stack.order), "space", stack.gap, stack.notes)]


def _by_number(header: SliceHeader) -> tuple[bool, int, str]:
    """Instance number first; without one the name of the file, so that the order on the disk does not matter."""
    known = header.instance is not None
    return not known, header.instance or 0, _file_name(header)


def _file_name(header: SliceHeader) -> str:
    return f"{header.where.path}/{header.where.member or ''}".rstrip("/")


def _with_note(stacks: list[SliceSeries], note: str) -> list[SliceSeries]:
    return [replace(stack, notes=(note, *stack.notes)) for stack in stacks]


def _unplaced(part: list[SliceHeader], note: str) -> SliceSeries:
    return SliceSeries(tuple(part), "time" if part[0].modality in IN_TIME else "pages", notes=(note,))


def _in_one_plane(part: list[SliceHeader]) -> SliceSeries:
    """Several pictures of one plane: in the order of a clock that differs for all of them, if there is one."""
    for clock in CLOCKS:
        values = [header.apart[clock] for header in part]
        if all(values) and len(set(values)) == len(part):
            part = sorted(part, key=lambda header: _as_number(header.apart[clock]))
            return SliceSeries(tuple(part), "time", notes=(f"all in one plane, sorted by {APART[clock]}",))
    return _unplaced(part, "all in one plane: sorted by instance number")


def _as_number(value: str) -> tuple[float, str]:
    """Numbers, and DICOM's dates and times, in their order."""
    try:
        return float(value), ""
    except ValueError:
        return math.inf, value


def _apart(part: list[SliceHeader], taken: np.ndarray, beside: np.ndarray) -> Iterator[tuple[list[SliceHeader], str]]:
    """Split pictures of which several are at one place along the normal, with a note for each share on how.

    taken: the place of each; beside: [n, 2] where it is in its plane (the upper and the lower half of a spine).
    By an attribute, if its values share the repeats out among few; one that has another value for almost every
    slice, as most times do, tells nothing apart. Else one by one.
    """
    repeats = int(np.bincount(taken).max())
    attributes: dict[str, list[Hashable]] = {"place in the plane": [tuple(offset) for offset in beside.tolist()]}
    attributes |= {word: [header.apart[keyword] for header in part] for keyword, word in APART.items()}
    for word, values in attributes.items():
        shares = _indices(values)
        if len(shares) >= 2 * repeats:
            continue
        left = max(int(np.bincount(taken[share]).max()) for share in shares)
        if left < repeats and len(shares) * left < 2 * repeats:
            for share in shares:
                yield [part[index] for index in share], f"split by {word}, because places repeat"
            return
    turns: Counter[int] = Counter()
    numbered = []
    for place in taken.tolist():
        numbered.append(turns[place])
        turns[place] += 1
    for share in _indices(numbered):
        note = "places repeat, and nothing tells the repeats apart: shared out by instance number"
        yield [part[index] for index in share], note


def _indices(values: Sequence[Hashable]) -> list[list[int]]:
    """For each different value, in the order of their first, where it is."""
    found: dict[Hashable, list[int]] = defaultdict(list)
    for index, value in enumerate(values):
        found[value].append(index)
    return list(found.values())
