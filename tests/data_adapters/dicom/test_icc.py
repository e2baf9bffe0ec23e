"""ICC profiles: against highdicom's colour manager, with the profile that is among pydicom's test files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from highdicom.color import ColorManager
from PIL import ImageCms

from data_adapters.dicom import DicomFile
from medfly.types import Scan

Make = Callable[..., bytes]
COLOURS = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
NOT_APPLIED = "ICC profile not applied"


def scan(make_dicom: Make, profile: bytes) -> Scan:
    attributes = {
        "SamplesPerPixel": 3,
        "PlanarConfiguration": 0,
        "PhotometricInterpretation": "RGB",
        "Rows": 6,
        "Columns": 5,
        "ICCProfile": profile + b"\0" * (len(profile) % 2),
    }
    return DicomFile(make_dicom(COLOURS, **attributes)).scan()


def test_profile_against_highdicom(make_dicom: Make, package_files: dict[str, Path]) -> None:
    profile = package_files["crayons.icc"].read_bytes()
    expected = ColorManager(profile).transform_frame(COLOURS.copy())
    found = scan(make_dicom, profile)
    assert np.array_equal(found.pixels, expected)
    assert not np.array_equal(expected, COLOURS), "the profile swaps colours"
    assert "colours converted to sRGB by the file's ICC profile" in found.notes


def test_srgb_stays(make_dicom: Make) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.abs(scan(make_dicom, profile).pixels.astype(int) - COLOURS).max() <= 1


@pytest.mark.parametrize("kind", ["noise", "lab", "empty header", "huge"])
def test_profile_of_no_use_leaves_the_colours(make_dicom: Make, kind: str) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    profiles = {"noise": b"Doe^Jane" * 40, "lab": lab, "empty header": b"\0" * 128, "huge": b"\0" * (5 * 1024**2)}
    found = scan(make_dicom, profiles[kind])
    assert np.array_equal(found.pixels, COLOURS)
    assert any(note.startswith(NOT_APPLIED) for note in found.notes) and "Doe" not in repr(found)
