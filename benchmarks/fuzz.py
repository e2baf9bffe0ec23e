"""Damaged files by the thousand: each has to become a scan or one line, and nothing else.

    python -m benchmarks.fuzz --count 20000 --seed 1 --kinds dicom,nifti,picture

Files that pydicom, pydicom-data and nibabel bring along, and small pictures made here, are mutated and read. A try
depends on the seed and its number only, so that `--only NUMBER` repeats one, with a traceback.
It knows no format's insides but DICOM's elements, and judges no pixel: a damaged picture may look like anything.
"""

from __future__ import annotations

import argparse
import faulthandler
import io
import logging
import math
import random
import resource
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import HTJ2KLossless

from benchmarks.progress import progress
from data_adapters import read
from data_adapters.isolation import ENDED, TOO_LONG, TOO_MUCH
from medfly.types import InputError, Scan

KINDS = ("dicom", "nifti", "picture")
MAX_SOURCE_BYTES = 400_000  # larger files take longer and have no more structure to break
SLOW_SECONDS = 10.0
HANG_SECONDS = 90.0  # more than a worker may take
EXTREMES = (b"\0\0\0\0", b"\1\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\0\0\1\0", b"\xff\xff")
VALUES = ("", "0", "-1", "1", "65535", "4294967295", "nan", "inf", "1e308", "1e-308", "2\\3", "\xb9", "A" * 70_000)

Mutation = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True)
class Source:
    """A sound file. secrets: texts of its header that may name somebody and must not come back in a message."""

    kind: str
    name: str
    data: bytes
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of one try. finding: what should not have happened, or empty."""

    name: str
    seconds: float
    finding: str = ""


@contextmanager
def silence() -> Iterator[None]:
    """pydicom has remarks while it writes damaged files; what it says while MedFly reads is another matter."""
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


@silence()
def sources(kinds: Iterable[str]) -> list[Source]:
    """The sound files, in an order that does not change."""
    makers = {"dicom": _dicom_files, "nifti": _nifti_files, "picture": _pictures}
    return [source for kind in kinds for source in makers[kind]()]


def _small_files(folder: Path, *patterns: str) -> Iterator[tuple[str, bytes]]:
    for path in sorted({path for pattern in patterns for path in folder.rglob(pattern)}):
        if path.is_file() and path.stat().st_size <= MAX_SOURCE_BYTES:
            yield path.name, path.read_bytes()


def _dicom_files() -> Iterator[Source]:
    folders = {Path(str(get_testdata_file(name, download=False))).parent for name in ("CT_small.dcm", "SC_rgb.dcm")}
    for folder in sorted(folders):
        for name, data in _small_files(folder, "*.dcm", "77654033/CT2/*"):
            yield Source("dicom", name, data, _secrets(data))
    yield Source("dicom", "HTJ2K, made", _htj2k())


def _secrets(data: bytes) -> tuple[str, ...]:
    dataset = _parsed(data)
    found = (str(dataset.get(keyword, "")) for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "StudyDate"))
    return tuple(text for text in found if len(text) > 4)


def _htj2k() -> bytes:
    from imagecodecs import htj2k_encode
    from pydicom.encaps import encapsulate

    dataset = dcmread(str(get_testdata_file("MR_small.dcm", download=False)))
    dataset.PixelData = encapsulate([bytes(htj2k_encode(dataset.pixel_array, reversible=True))])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.file_meta.TransferSyntaxUID = HTJ2KLossless
    stream = io.BytesIO()
    dataset.save_as(stream)
    return stream.getvalue()


def _nifti_files() -> Iterator[Source]:
    import nibabel

    folder = Path(nibabel.__file__).parent / "tests" / "data"
    for name, data in _small_files(folder, "*.nii", "*.nii.gz", "*.img", "*.hdr"):
        yield Source("nifti", name, data)


def _pictures() -> Iterator[Source]:
    y, x = np.mgrid[:60, :90]
    grey = (x + y).astype(np.uint8)
    colour = Image.fromarray(np.stack([grey, grey[::-1], grey[:, ::-1]], axis=-1))
    deep = Image.fromarray((x * 500 + y).astype(np.uint16))
    pages = {"save_all": True, "append_images": [colour.rotate(90), colour.rotate(180)]}
    wanted = [
        *((colour, form, {}) for form in ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP", "JPEG2000")),
        *((colour, "TIFF", {"compression": name}) for name in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")),
        *((colour, form, pages) for form in ("TIFF", "GIF", "WEBP", "PNG", "MPO")),
        *((deep, form, {}) for form in ("PNG", "TIFF", "JPEG2000")),
        (colour.convert("CMYK"), "JPEG", {}),
        (colour.convert("RGBA"), "PNG", {}),
        (colour, "JPEG", {"progressive": True}),
        (colour.convert("1"), "TIFF", {"compression": "group4"}),
    ]
    for image, form, options in wanted:
        stream = io.BytesIO()
        image.save(stream, form, **options)
        yield Source("picture", f"{image.mode} {form} {', '.join(map(str, options))}".strip(), stream.getvalue())


# --- mutations ---


def flip(data: bytes, chance: random.Random) -> bytes:
    """Some bytes, at any place."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 2, 4, 16, 64))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def flip_header(data: bytes, chance: random.Random) -> bytes:
    """Some bytes of the first ones, where most formats keep their description."""
    head = min(len(data), chance.choice((64, 512, 4096)))
    return flip(data[:head], chance) + data[head:]


def truncate(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def cut(data: bytes, chance: random.Random) -> bytes:
    """A piece is missing."""
    start = chance.randrange(len(data))
    return data[:start] + data[start + chance.choice((1, 2, 4, 100, 1000)) :]


def repeat(data: bytes, chance: random.Random) -> bytes:
    """A piece comes twice, here and elsewhere."""
    start, there = chance.randrange(len(data)), chance.randrange(len(data))
    return data[:there] + data[start : start + chance.choice((1, 8, 100, 5000))] + data[there:]


def extreme_number(data: bytes, chance: random.Random) -> bytes:
    """Lengths, offsets and sizes are such numbers; most are near the beginning, at even places."""
    value = chance.choice(EXTREMES)
    value = value[::-1] if chance.random() < 0.3 else value
    start = 2 * chance.randrange(max(1, min(len(data), chance.choice((400, 4000, len(data)))) // 2))
    return data[:start] + value + data[start + len(value) :]


def delete_element(data: bytes, chance: random.Random) -> bytes:
    """DICOM: some elements are missing."""
    return _edited(data, lambda dataset, tag: dataset.__delitem__(tag), chance)


def edit_element(data: bytes, chance: random.Random) -> bytes:
    """DICOM: some elements of text or numbers have an odd value."""

    def edit(dataset: Dataset, tag: int) -> None:
        element = dataset[tag]
        if element.VR in ("US", "SS", "UL", "SL"):
            element.value = chance.choice((0, 1, 2, 255, 32767) if element.VR != "US" else (0, 1, 3, 8, 32, 65535))
        elif element.VR in ("FL", "FD"):
            element.value = chance.choice((0.0, -1.0, math.nan, math.inf, 1e308))
        elif element.VR not in ("SQ", "OB", "OW", "UN", "OF", "OD", "UI"):
            element._value = chance.choice(VALUES)

    return _edited(data, edit, chance)


def _edited(data: bytes, edit: Callable[[Dataset, int], None], chance: random.Random) -> bytes:
    dataset = _parsed(data)
    # Image description, functional groups, tables, overlays: what the reader looks at.
    groups = (0x0018, 0x0020, 0x0028, 0x5200, 0x6000, 0x7FE0)
    tags = [tag for tag in list(dataset.keys()) if tag.group in groups]
    try:
        for tag in chance.sample(tags, min(len(tags), chance.choice((1, 1, 2, 4)))):
            edit(dataset, tag)
        stream = io.BytesIO()
        dataset.save_as(stream)
        return stream.getvalue()
    except Exception:  # pydicom will not write it: break it in another way
        return flip(data, chance)


def _parsed(data: bytes) -> Dataset:
    try:
        return dcmread(io.BytesIO(data), force=True)
    except Exception:
        return Dataset()


ANY: tuple[Mutation, ...] = (flip, flip_header, truncate, cut, repeat, extreme_number)
DICOM: tuple[Mutation, ...] = (*ANY, delete_element, edit_element, edit_element)


@silence()
def mutated(all_sources: list[Source], seed: int, number: int) -> tuple[Source, str, bytes]:
    """The try of this number: its source, the names of its mutations, and what is left of the file."""
    chance = random.Random(f"{seed}:{number}")
    kind = chance.choice(sorted({source.kind for source in all_sources}))
    source = chance.choice([source for source in all_sources if source.kind == kind])
    data, names = source.data, []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        if not data:
            break
        if chance.random() < 0.1:  # a splice: the end of another file
            other = chance.choice(all_sources).data
            data, name = data[: chance.randrange(len(data))] + other[chance.randrange(len(other)) :], "splice"
        else:
            mutation = chance.choice(DICOM if source.kind == "dicom" else ANY)
            data, name = mutation(data, chance), mutation.__name__
        names.append(name)
    return source, " + ".join(names), data


# --- reading ---


class _Counting(logging.Handler):
    """Whatever reaches the log: it may quote the header."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


def _give_up(*_: object) -> None:
    """This process, too, can hang: say where, and let the try count as slow."""
    faulthandler.dump_traceback()
    raise TimeoutError


def attempt(data: bytes, secrets: tuple[str, ...] = ()) -> Outcome:
    """Read it, and show its first frame. Never raises but for the user's wish to stop."""
    begun, log = time.perf_counter(), _Counting()
    logging.getLogger().addHandler(log)
    signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, HANG_SECONDS)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            name, said, finding = _read(data)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        logging.getLogger().removeHandler(log)
    seconds = time.perf_counter() - begun
    if any(secret in said for secret in secrets):
        finding = "a text of the header comes back"
    elif "\n" in said:
        finding = "more than one line"
    elif warned or log.count:
        finding = finding or f"{len(warned)} warnings, {log.count} log records"
    elif seconds > SLOW_SECONDS:
        finding = finding or "slow"
    return Outcome(name, seconds, finding)


def _read(data: bytes) -> tuple[str, str, str]:
    """(outcome, what was said, finding)"""
    try:
        opened = read(data)
        scan = opened if isinstance(opened, Scan) else opened[0]
        shown = scan.display()
    except InputError as refused:
        ends = {ENDED: "worker ended", TOO_LONG: "worker too slow", TOO_MUCH: "worker out of memory"}
        said = str(refused)
        return next((name for words, name in ends.items() if words in said), "refused"), said, ""
    except Exception as problem:
        place = traceback.extract_tb(problem.__traceback__)[-1]
        return "exception", "", f"{type(problem).__name__} at {Path(place.filename).name}:{place.lineno}"
    good = shown.shape == (*scan.pixels.shape[:2], 3) and scan.pixels.dtype in (np.float32, np.uint8)
    return ("scan" if opened is scan else "volume"), " ".join(scan.notes), "" if good else "a scan of a wrong shape"


def fuzz(all_sources: list[Source], seed: int, numbers: range) -> int:
    """Try them all and print what became of them. Returns how many findings there were."""
    counts: Counter[str] = Counter()
    findings: list[str] = []
    slowest, largest = (0.0, ""), (peak_bytes(), "before the first")
    with progress("Reading", len(numbers)) as advance:
        for number in numbers:
            source, how, data = mutated(all_sources, seed, number)
            outcome = attempt(data, source.secrets)
            counts[f"{source.kind}: {outcome.name}"] += 1
            label = f"{number} ({source.name}: {how}; {outcome.name})"
            slowest = max(slowest, (outcome.seconds, label))
            largest = max(largest, (peak_bytes(), label), key=lambda pair: pair[0])
            if outcome.finding:
                findings.append(f"{outcome.finding}: {label}")
                print("FOUND", findings[-1], flush=True)
            advance()
    print(f"{len(numbers)} tries of {len(all_sources)} files, seed {seed}")
    for name, count in sorted(counts.items()):
        print(f"  {name}: {count}")
    print(f"  findings: {len(findings)}")
    print(f"  slowest: {slowest[0]:.1f} s, try {slowest[1]}")
    print(f"  peak memory: {largest[0] / 1024**2:.0f} MB, try {largest[1]}")
    return len(findings)


def peak_bytes() -> int:
    """The most resident memory that this process ever had; what the workers may have is limited."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def repeated(all_sources: list[Source], seed: int, number: int, path: Path | None) -> int:
    """One try again, with its traceback; into a file, too, if a path is given."""
    source, how, data = mutated(all_sources, seed, number)
    print(f"{number} ({source.name}: {how}), {len(data):,} bytes: {attempt(data, source.secrets)}")
    if path is not None:
        path.write_bytes(data)
    opened = read(data)
    print(opened if isinstance(opened, Scan) else opened[0])
    return 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description="Damaged files, by the thousand.")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first try")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(KINDS), help=f"of {', '.join(KINDS)}")
    parser.add_argument("--only", type=int, help="repeat this try alone; give the same seed and kinds")
    parser.add_argument("--save", type=Path, help="with --only: write the damaged file here")
    chosen = parser.parse_args(arguments)
    kinds = chosen.kinds.split(",")
    if not set(kinds) <= set(KINDS):
        parser.error(f"--kinds {chosen.kinds}: expected some of {', '.join(KINDS)}")
    found = sources(kinds)
    if chosen.only is not None:
        return repeated(found, chosen.seed, chosen.only, chosen.save)
    return fuzz(found, chosen.seed, range(chosen.first, chosen.first + chosen.count))


if __name__ == "__main__":
    sys.exit(bool(main()))
