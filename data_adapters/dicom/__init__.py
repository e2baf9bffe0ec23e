"""DICOM files → Scans: one file and its frames. What the standard says is cited where it is followed."""

from __future__ import annotations

from data_adapters.dicom.file import DicomFile, looks_like_dicom, read_dicom

__all__ = ["DicomFile", "looks_like_dicom", "read_dicom"]
