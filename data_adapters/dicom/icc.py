"""Colours by their own definition → sRGB, where a DICOM file carries an ICC profile (PS3.3 C.11.15).

The model and every screen take 8-bit colour to be sRGB, so a profile that says otherwise has to be applied, as
highdicom does and not every viewer. It knows no grey picture: the standard gives those none.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from data_adapters.dicom.header import REPAIR, FrameHeader
from data_adapters.isolation import isolated
from data_adapters.refusal import refusal
from medfly.types import InputError

MAX_PROFILE_BYTES = 4 * 1024**2  # table-based scanner profiles have about one


def to_srgb(pixels: np.ndarray, header: FrameHeader) -> tuple[np.ndarray, list[str]]:
    """[H, W, 3] uint8 of the file's colour space → [H, W, 3] uint8 sRGB, and remarks.

    A profile that cannot be used is named in a remark, and the colours stay as they were stored.
    """
    profile = header.get("ICCProfile")
    if profile is None:
        return pixels, []
    if not isinstance(profile, bytes) or len(profile) > MAX_PROFILE_BYTES:
        return pixels, ["ICC profile not applied: too large or damaged"]
    height, width = pixels.shape[:2]
    try:
        _, converted = isolated(apply_profile, profile + pixels.tobytes(), height=height, width=width)
    except InputError:
        return pixels, ["ICC profile not applied: it is not one of RGB input colours"]
    return converted, ["colours converted to sRGB by the file's ICC profile"]


def apply_profile(data: bytes, height: int, width: int) -> tuple[dict[str, Any], np.ndarray]:
    """The profile and [height, width, 3] uint8 pixels, one behind the other → nothing to say, sRGB of this shape.

    Runs in a process of its own: LittleCMS is native code. Raises InputError for a profile of no use.
    """
    from PIL import Image, ImageCms

    start = len(data) - height * width * 3
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data[:start]))
        # C.11.15.1.1: three colour components; the intent is the profile's own business, and so relative here
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), "RGB", "RGB", intent)
        picture = Image.frombuffer("RGB", (width, height), data[start:])
        return {}, np.asarray(ImageCms.applyTransform(picture, transform))
    except (OSError, ImageCms.PyCMSError) as problem:
        raise refusal(f"an ICC profile of no use ({type(problem).__name__})", "RGB input colours", REPAIR) from None
