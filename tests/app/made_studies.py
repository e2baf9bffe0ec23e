"""Small series on disk, for tests of what the viewer may open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from app.studies.library import Found, Listing

SECRET = "Doe^Jane"


def series(folder: Path, count: int = 3, *, patient: str = "P1", side: int = 16, number: int = 1) -> list[Path]:
    """CT slices, frame n of value n everywhere but for one column; their paths in the order of space."""
    folder.mkdir(parents=True, exist_ok=True)
    study, uid = f"1.2.{sum(patient.encode())}", generate_uid()
    paths = [folder / f"slice{index:04d}.dcm" for index in range(count)]
    for index, path in enumerate(paths):
        _slice(index, side, patient, study, uid, number).save_as(path, enforce_file_format=True)
    return paths


def _slice(index: int, side: int, patient: str, study: str, uid: str, number: int) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    dataset.PatientID, dataset.PatientName, dataset.SeriesDescription = patient, SECRET, f"{SECRET} thorax"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, uid
    dataset.SeriesNumber, dataset.InstanceNumber, dataset.Modality = number, index + 1, "CT"
    dataset.Rows = dataset.Columns = side
    dataset.PixelSpacing, dataset.ImageOrientationPatient = [0.7, 0.7], [1, 0, 0, 0, 1, 0]
    dataset.ImagePositionPatient = [0, 0, 2.0 * index]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    pixels = np.full((side, side), index, np.int16)
    pixels[:, 0] = -1000
    dataset.PixelData = pixels.tobytes()
    return dataset


def waited(listing: Listing) -> Found:
    """What it finds, within half a minute."""
    found = listing.wait(30)
    assert found is not None
    return found
