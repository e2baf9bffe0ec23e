"""A page of the documentation: every DICOM file that pydicom and pydicom-data bring along, and what became of it.

    python -m benchmarks.dicom_files --output docs/dicom_files.md

Each frame that MedFly reads is compared with what highdicom makes of it, before rounding to 8 bits; where highdicom
cannot be the judge, pydicom is, and the page says why. It judges pixels only: notes and geometry have their own tests.
"""

from __future__ import annotations

import argparse
import itertools
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.data import get_testdata_file
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.pixels.utils import pixel_array

from data_adapters.dicom import DicomFile, looks_like_dicom
from data_adapters.dicom.header import sop_class_name, transfer_syntax
from medfly.display import apply_window
from medfly.types import InputError, Scan, VoiLut, Window

MOST_FRAMES, SAMPLE = 30, 10  # of files of more frames a sample is compared, spread evenly
GREY_LEVELS = 65535
BIG_ENDIAN = "highdicom reads no big-endian files"
# Files on which highdicom is not asked, and why. tests/data_adapters/dicom/test_package_files.py checks the reasons.
NOT_HIGHDICOM = {
    "OT-PAL-8-face.dcm": "highdicom reads no files without file meta information",
    "SC_rgb_small_odd.dcm": "highdicom stops at a reference that is not complete",
    "color-pl.dcm": "highdicom does not know the retired object class",
    "color-px.dcm": "highdicom does not know the retired object class",
    "gdcm-US-ALOKA-16.dcm": "highdicom expands no segmented palettes",
    "mlut_18.dcm": "highdicom takes unused high bits for a part of the value, and the test pattern falls apart",
}
NOT_COMPARED = {
    "JPEG-lossy.dcm": "no other free decoder for 12-bit JPEG",
    "JPGExtended.dcm": "no other free decoder for 12-bit JPEG",
}


@dataclass(frozen=True)
class Row:
    """One file. name: within its package. levels: the largest difference, in `scale` steps; None where not compared."""

    package: str
    name: str
    kind: str
    syntax: str = ""
    size: str = ""
    decoder: str = ""
    read_as: str = ""
    refusal: str = ""
    judge: str = ""
    levels: float | None = None
    scale: int = GREY_LEVELS


def package_folders() -> dict[str, Path]:
    """Where the two packages keep their files. Nothing is downloaded."""
    import data_store  # what pydicom-data installs

    pydicom_files = Path(str(get_testdata_file("CT_small.dcm", download=False))).parent
    return {"pydicom": pydicom_files, "pydicom-data": Path(data_store.__file__).parent / "data"}


def rows() -> list[Row]:
    """All DICOM files of both packages, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            examined(package, folder, path)
            for package, folder in package_folders().items()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and looks_like_dicom(path.read_bytes()[:1024])
        ]


def examined(package: str, folder: Path, path: Path) -> Row:
    """Read a file, compare its frames, and say what came out."""
    name = path.relative_to(folder).as_posix()
    try:
        file = DicomFile(path.read_bytes())
        first = file.scan(0)
    except InputError as problem:
        return Row(package, name, _kind(path), refusal=str(problem))
    judge, levels = _judged(path, file, first)
    frames = f" × {file.frames} frames" if file.frames > 1 else ""
    return Row(
        package,
        name,
        _kind(path),
        syntax=file.syntax.name,
        size=f"{first.size[0]} × {first.size[1]}{frames}",
        decoder=next((note.removeprefix("decoded by ") for note in first.notes if note.startswith("decoded by ")), ""),
        read_as=_read_as(first),
        judge=judge,
        levels=levels,
        scale=255 if first.pixels.ndim == 3 else GREY_LEVELS,
    )


def _judged(path: Path, file: DicomFile, first: Scan) -> tuple[str, float | None]:
    """Who compared the file, and the largest difference of its frames; first: frame 0, which is decoded already."""
    if path.name in NOT_COMPARED:
        return f"nothing ({NOT_COMPARED[path.name]})", None
    judge = Judge(path)
    count = file.frames if file.frames <= MOST_FRAMES else SAMPLE
    chosen = np.linspace(0, file.frames - 1, count).astype(int).tolist()
    levels = max(judge.difference(file.scan(frame) if frame else first, frame) for frame in chosen)
    return judge.name + (f", {count} of the frames" if count < file.frames else ""), levels


def _kind(path: Path) -> str:
    try:
        return sop_class_name(pydicom.dcmread(path, force=True, stop_before_pixels=True)).removesuffix(" Storage")
    except Exception:  # pydicom gives up in many ways; the row has our own refusal
        return "damaged"


def _read_as(scan: Scan) -> str:
    if scan.pixels.ndim == 3:
        facts = ["colour"]
    else:
        window = scan.windows[0].source if scan.windows else "percentiles"
        facts = [scan.unit or "no unit", window, *(["inverted"] if scan.inverted else [])]
    facts += ["spacing"] if scan.spacing else []
    facts += ["position"] if scan.affine is not None else []
    return "; ".join([*facts, *(note for note in scan.notes if not note.startswith("decoded by "))])


class Judge:
    """What another library makes of the same file. name: which one, and why not highdicom."""

    def __init__(self, path: Path) -> None:
        import highdicom

        self._dataset = pydicom.dcmread(path, force=True)
        self._dataset.file_meta.TransferSyntaxUID = transfer_syntax(self._dataset)  # one file has none
        reason = NOT_HIGHDICOM.get(path.name)
        if self._dataset.original_encoding[1] is False:
            reason = BIG_ENDIAN
            _turn_palette(self._dataset)
        self._image = highdicom.imread(path) if reason is None else None
        self.name = "highdicom" if reason is None else f"pydicom ({reason})"
        if reason is None and self._needs_two_steps():
            self.name = "highdicom in two steps (with a slope it subtracts ½ and 1 of C.11.2.1.2.1 in stored values)"

    def _needs_two_steps(self) -> bool:
        return float(self._dataset.get("RescaleSlope") or 1) != 1 and "WindowCenter" in self._dataset

    def difference(self, scan: Scan, frame: int) -> float:
        """The largest difference of a frame, over all windows of the file: of 255 for colour, of 65,535 for grey."""
        if scan.pixels.ndim == 3:
            return float(np.abs(scan.pixels - self._colour(frame)).max())
        if scan.windows:
            shown = ((apply_window(scan.pixels, w), self._brightness(frame, n, w)) for n, w in enumerate(scan.windows))
            return GREY_LEVELS * max(float(np.abs((1 - y if scan.inverted else y) - other).max()) for y, other in shown)
        values = self._values(frame) * float(self._dataset.get("DoseGridScaling") or 1)  # neither library applies it
        span = float(np.ptp(values)) or 1.0
        return GREY_LEVELS * float(np.abs(scan.pixels - values).max()) / span

    def _values(self, frame: int) -> np.ndarray:
        """After the modality transformation, [H, W] float64."""
        if self._image is not None:
            return self._frame(frame, apply_voi_transform=False, apply_presentation_lut=False)
        stored = pixel_array(self._dataset, index=frame)
        return apply_modality_lut(stored, self._dataset).astype(np.float64)

    def _brightness(self, frame: int, number: int, window: Window | VoiLut) -> np.ndarray:
        """In [0, 1], as it is shown: highdicom's whole pipeline, or its window alone on physical values."""
        from highdicom.pixels import apply_voi_window

        if self._image is not None and not self._needs_two_steps():
            return self._frame(frame, apply_voi_transform=True, voi_transform_selector=number)
        assert isinstance(window, Window), "no file of the packages has a table and needs this way"
        center, width = (_several(self._dataset[keyword].value)[number] for keyword in ("WindowCenter", "WindowWidth"))
        y = apply_voi_window(self._values(frame), center, width)
        return 1 - y if self._dataset.PhotometricInterpretation == "MONOCHROME1" else y

    def _colour(self, frame: int) -> np.ndarray:
        """[H, W, 3], the high 8 bits of each sample."""
        is_palette = self._dataset.PhotometricInterpretation == "PALETTE COLOR"
        if self._image is not None:
            colours = self._frame(frame, apply_voi_transform=False)
        else:
            colours = pixel_array(self._dataset, index=frame)
            if is_palette:
                colours = apply_color_lut(colours, self._dataset)
        bits = self._dataset.RedPaletteColorLookupTableDescriptor[2] if is_palette else self._dataset.BitsStored
        return np.floor(colours.astype(np.float64) / 2.0 ** (bits - 8))

    def _frame(self, frame: int, **transforms: Any) -> np.ndarray:
        assert self._image is not None
        return self._image.get_frames([frame + 1], apply_real_world_transform=False, **transforms)[0]


def _turn_palette(dataset: pydicom.Dataset) -> None:
    """Big-endian words of a palette → little-endian ones: pydicom takes them for such (PS3.5 7.3 says otherwise)."""
    for name in ("Red", "Green", "Blue"):
        keyword = f"{name}PaletteColorLookupTableData"
        if keyword in dataset and dataset[keyword].VR == "OW":
            dataset[keyword].value = np.frombuffer(dataset[keyword].value, ">u2").astype("<u2").tobytes()


def _several(value: Any) -> list[float]:
    return [float(part) for part in (value if isinstance(value, Iterable) else [value])]


def page(found: Sequence[Row]) -> str:
    """The page in Markdown."""
    read = [row for row in found if not row.refusal]
    refused = [row for row in found if row.refusal]
    worst = max(row.levels for row in read if row.levels is not None and row.scale == GREY_LEVELS)
    colour = max(row.levels for row in read if row.levels is not None and row.scale == 255)
    by_highdicom, by_pydicom = (sum(row.judge.startswith(name) for row in read) for name in ("highdicom", "pydicom"))
    lines = [
        "# DICOM files tried",
        "",
        "Written by `python -m benchmarks.dicom_files`; a test writes it again and compares. "
        "The files are those in the packages pydicom and pydicom-data.",
        "",
        f"Of {len(found)} files {len(read)} are read and {len(refused)} refused: most of these hold no picture. "
        f"highdicom judges {by_highdicom} of those read, pydicom {by_pydicom}. The largest difference before "
        f"rounding to 8 bits is {worst:.2f} of 65,535 grey levels, and {colour:.0f} of 255 in colour, "
        "which is 8-bit when it is handed over.",
        "",
        "A file without a window is compared over the full range of its values. Radiotherapy doses are multiplied by "
        "their scaling for both sides. Of a file of more than "
        f"{MOST_FRAMES} frames {SAMPLE} are compared, spread evenly, of others all, and each with every window.",
        "",
        "## Read",
        "",
        "| file | object | transfer syntax | size | decoder | read as | compared with | levels |",
        "|---|---|---|---|---|---|---|---|",
        *(_read_line(row) for row in read),
        "",
        "## Refused",
        "",
        "| file | object | message |",
        "|---|---|---|",
        *_refused_lines(refused),
    ]
    return "\n".join(lines) + "\n"


def _read_line(row: Row) -> str:
    levels = "" if row.levels is None else f"{row.levels:.2f}" if row.scale > 255 else f"{row.levels:.0f} of 255"
    return _line(
        f"{row.package}: {row.name}", row.kind, row.syntax, row.size, row.decoder, row.read_as, row.judge, levels
    )


def _refused_lines(refused: Iterable[Row]) -> Iterator[str]:
    """One a file; files of one folder of the same fate, which DICOMDIR's test has by dozens, in one line."""
    for (package, folder, kind, message), same in itertools.groupby(
        refused, key=lambda row: (row.package, row.name.rpartition("/")[0], row.kind, row.refusal)
    ):
        names = [row.name for row in same]
        shown = ", ".join(names) if len(names) <= 10 else f"{folder or 'top folder'}: {len(names)} files"
        yield _line(f"{package}: {shown}", kind, message)


def _line(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dicom_files", description="Which DICOM files are read.")
    parser.add_argument("--output", required=True, type=Path, help="the page, as in docs/dicom_files.md")
    options = parser.parse_args(arguments)
    options.output.write_text(page(rows()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
