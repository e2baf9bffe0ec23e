"""Small DICOM files built for one test each, and the real ones that pydicom brings along."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage


def dicom_dataset(pixels: np.ndarray, syntax: str = ExplicitVRLittleEndian, **attributes: Any) -> FileDataset:
    """pixels: [H, W], [frames, H, W] with NumberOfFrames given, or [H, W, 3] with its attributes given."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    encoding = {"is_implicit_VR": UID(syntax).is_implicit_VR, "is_little_endian": UID(syntax).is_little_endian}
    dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128, **encoding)
    dataset.SOPClassUID, dataset.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    dataset.PatientName = "Doe^Jane"
    dataset.Modality = "OT"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    dataset["PixelData"].VR = "OW"
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def dicom_bytes(dataset: Dataset) -> bytes:
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


@pytest.fixture(scope="session")
def make_dataset() -> Callable[..., FileDataset]:
    return dicom_dataset


@pytest.fixture(scope="session")
def to_bytes() -> Callable[[Dataset], bytes]:
    return dicom_bytes


@pytest.fixture(scope="session")
def make_dicom() -> Callable[..., bytes]:
    """make_dicom(pixels, **attributes) → the bytes of a file."""
    return lambda pixels, **attributes: dicom_bytes(dicom_dataset(pixels, **attributes))


@pytest.fixture(scope="session")
def package_files() -> dict[str, Path]:
    """pydicom's own test files by name; nothing is downloaded."""
    root = Path(str(get_testdata_file("CT_small.dcm", download=False))).parent
    return {path.name: path for path in sorted(root.rglob("*")) if path.is_file()}
