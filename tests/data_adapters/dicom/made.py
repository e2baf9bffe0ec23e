"""What several tests of DICOM files put together and read back."""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset

from data_adapters.dicom import DicomFile
from medfly.types import Scan


def item(**attributes: Any) -> Dataset:
    """A sequence's item, or any bare dataset."""
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def scan(data: bytes, frame: int = 0) -> Scan:
    return DicomFile(data).scan(frame)
