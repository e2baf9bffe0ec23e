"""Files per second: MedFly's reading beside plain pydicom and Pillow; and how much of it hides behind the model.

    python -m benchmarks.perf.reading [--repeats 5] [--slices 40] [--json FILE]

The files are made here: CT slices of 512 × 512 and a radiograph of 2,000 × 2,500 (width × height), uncompressed,
RLE, JPEG-LS and JPEG 2000. Both ways end with the same windowed 8-bit picture, which is checked. MedFly also hashes the
file, checks its header against limits, and decodes in another process; the plain way does none of that.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import torch
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.pixels.processing import apply_modality_lut
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

import medfly
from benchmarks.perf.interleaved import cell, interleaved, ratios, spread
from benchmarks.perf.process import machine
from data_adapters import FileScan, read
from medfly.types import Sample

SYNTAXES = (ExplicitVRLittleEndian, RLELossless, JPEGLSLossless, JPEG2000Lossless)
CT_SHAPE, XRAY_SHAPE = (512, 512), (2500, 2000)
QUESTION = "What modality is used to take this image?"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.perf.reading", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--slices", type=int, default=40)
    parser.add_argument("--json", type=Path, help="write the results into this file, too")
    options = parser.parse_args(arguments)
    facts = machine()
    print(f"{facts['cpu']}, {facts['cores']} cores, load {facts['load_average']}; one thread reads")
    print(f"{'files per second: median (least … most)':<46}{'plain':>26}{'medfly':>26}{'plain / medfly, time':>24}")
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, files in made(Path(folder), options.slices):
            results[name] = compared(files, options.repeats)
            print("{:<46}{:>26}{:>26}{:>24}".format(name, *map(cell, results[name].values())), flush=True)
        print(f"\n{options.slices} slices (JPEG 2000) and the mini, one question each, seconds:")
        for threads in (torch.get_num_threads(), 1):
            found = overlap(Path(folder), options.slices, options.repeats, threads)
            results[f"overlap, {threads} threads"] = found
            text = "the model on {} threads: one after the other {}, read ahead {}, ratio {}"
            print(text.format(threads, *map(cell, found.values())), flush=True)
    if options.json:
        options.json.write_text(json.dumps({"machine": facts, "results": results}) + "\n")
    return 0


def compared(files: list[Path], repeats: int) -> dict[str, Any]:
    """Files per second of both ways, and the plain way's time over MedFly's. Raises where their pictures differ."""
    for file in files[:1]:
        difference = np.abs(plain(file).astype(int) - read(file, frame=0).display()).max()
        if difference > 1:  # one level: they round at different steps
            raise RuntimeError(f"{file.name}: the pictures differ by {difference} levels")
    found = interleaved({"plain": partial(_each, plain, files), "medfly": partial(_each, shown, files)}, repeats)
    rates = {name: spread([len(files) / second for second in seconds]) for name, seconds in found.items()}
    return rates | {"ratio": ratios(found["plain"], found["medfly"])}


def _each(way: Callable[[Path], np.ndarray], files: list[Path]) -> None:
    for file in files:
        way(file)


def shown(file: Path) -> np.ndarray:
    """MedFly's way to the picture."""
    return read(file, frame=0).display()


def plain(file: Path) -> np.ndarray:
    """As most scripts do it: pydicom's pixels, rescaled, windowed and inverted by numpy, RGB by Pillow."""
    dataset = pydicom.dcmread(file)
    values = apply_modality_lut(dataset.pixel_array, dataset)
    low = dataset.WindowCenter - 0.5 - (dataset.WindowWidth - 1) / 2
    brightness = np.clip((values - low) / (dataset.WindowWidth - 1), 0, 1)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        brightness = 1 - brightness
    return np.asarray(Image.fromarray(np.rint(brightness * 255).astype(np.uint8)).convert("RGB"))


def overlap(folder: Path, count: int, repeats: int, threads: int) -> dict[str, Any]:
    """Seconds for one question about each slice: with nothing read ahead, and as `medfly eval` and `medfly ask` do.

    threads: of the model; with fewer than there are cores, one is free to read, as it is beside a GPU.
    """
    torch.set_num_threads(threads)
    fly = medfly.load("mini", device="cpu")
    files = sorted((folder / f"ct-{JPEG2000Lossless.keyword}").iterdir())[:count]
    samples = [Sample(number, str(number), QUESTION, FileScan(file)) for number, file in enumerate(files)]

    def one_by_one() -> None:
        for sample in samples:
            _ = sample.scan.content_hash  # by which questions about one image find each other
            fly.ask(sample.scan(), sample.question, evidence=False)

    def read_ahead() -> None:
        with closing(fly.answer(samples)) as answers:  # type: ignore[type-var]
            for _ in answers:
                pass

    found = interleaved({"one by one": one_by_one, "read ahead": read_ahead}, repeats)
    times = {name: spread(seconds) for name, seconds in found.items()}
    return times | {"ratio": ratios(found["one by one"], found["read ahead"])}


def made(folder: Path, slices: int) -> list[tuple[str, list[Path]]]:
    """(what it is, the files) for each kind and transfer syntax."""
    found = []
    for syntax in SYNTAXES:
        ct = [_write(folder / f"ct-{syntax.keyword}", number, CT_SHAPE, syntax) for number in range(slices)]
        found.append((f"CT slices {_size(CT_SHAPE)}, {syntax.name}", ct))
    for syntax in SYNTAXES:
        radiographs = [_write(folder / f"xray-{syntax.keyword}", number, XRAY_SHAPE, syntax) for number in range(4)]
        found.append((f"radiographs {_size(XRAY_SHAPE)}, {syntax.name}", radiographs))
    return found


def _size(shape: tuple[int, int]) -> str:
    return f"{shape[1]} × {shape[0]}"


def _write(folder: Path, number: int, shape: tuple[int, int], syntax: UID) -> Path:
    """One file of 12 stored bits: blobs with noise, so that it compresses about as scans do."""
    folder.mkdir(exist_ok=True)
    is_ct = shape == CT_SHAPE
    random = np.random.default_rng(number)
    y, x = np.mgrid[0 : 1 : shape[0] * 1j, 0 : 1 : shape[1] * 1j]
    waves = sum(
        np.sin(2 * np.pi * (random.uniform(1, 8) * x + random.uniform(1, 8) * y + random.random())) for _ in "abcd"
    )
    pixels = np.clip(1500 + 300 * waves + random.normal(0, 15, shape), 0, 4095).astype(np.uint16)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = CTImageStorage if is_ct else ComputedRadiographyImageStorage
    dataset.SOPInstanceUID, dataset.Modality = generate_uid(), "CT" if is_ct else "CR"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2" if is_ct else "MONOCHROME1"
    dataset.Rows, dataset.Columns = shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024 if is_ct else 0
    dataset.WindowCenter, dataset.WindowWidth = (40, 400) if is_ct else (1500, 2500)
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OW"
    if syntax.is_compressed:
        dataset.compress(syntax)
    path = folder / f"{number:03}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


if __name__ == "__main__":
    sys.exit(main())
