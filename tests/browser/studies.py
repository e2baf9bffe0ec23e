"""DICOM studies for the browser tests: pydicom's own pictures under names that must be seen nowhere but on the page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pydicom
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRLittleEndian

PATIENT = "Plantedname"
"""Part of every patient's name here: no log, no audit log and no export may hold it."""

SLICES = 12
ROOT = "1.2.826.0.1.3680043.8.498.7"


def test_file(name: str) -> Path:
    """One of pydicom's own files; nothing is downloaded."""
    found = cast(Callable[..., str | None], get_testdata_file)(name, download=False)
    assert found is not None, name
    return Path(found)


def write_studies(folder: Path) -> None:
    """Patient One: a head CT of one slice and a small CT series of SLICES. Patient Two: an abdomen MR."""
    write_head_ct(folder / "one" / "head.dcm")
    for index in range(SLICES):
        write_slice(folder / "one" / "series" / f"{index:02}.dcm", index)
    write_one(folder / "two" / "abdomen.dcm", "examples_overlay.dcm", "Two")


def write_head_ct(path: Path) -> None:
    """512 × 512, 16 bits, in HU."""
    write_one(path, "J2K_pixelrep_mismatch.dcm", "One")


def write_one(path: Path, name: str, patient: str) -> None:
    header = pydicom.dcmread(test_file(name))
    header.PatientName, header.PatientID = f"{PATIENT}^{patient}", f"id-{patient}"
    _save(header, path)


def write_slice(path: Path, index: int, patient: str = "One") -> None:
    """One of a series: pydicom's small CT, each slice 50 HU brighter than the one below, 3 mm apart."""
    header = pydicom.dcmread(test_file("CT_small.dcm"))
    header.PatientName, header.PatientID = f"{PATIENT}^{patient}", f"id-{patient}"
    header.StudyInstanceUID, header.SeriesInstanceUID = f"{ROOT}.1", f"{ROOT}.1.1"
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = f"{ROOT}.1.1.{index + 1}"
    header.InstanceNumber = index + 1
    header.ImagePositionPatient = [-100, -100, 3.0 * index]
    pixels = header.pixel_array.astype(np.int16) + np.int16(50 * index)
    header.PixelData = pixels.tobytes()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    _save(header, path)


def write_broken(path: Path) -> None:
    """A DICOM file cut off within its pixels."""
    whole = test_file("CT_small.dcm").read_bytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(whole[: len(whole) // 2])


def _save(header: pydicom.Dataset, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    header.save_as(path)
