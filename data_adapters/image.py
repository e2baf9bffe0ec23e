"""PNG, JPEG, TIFF, WebP, BMP, GIF and JPEG 2000 by Pillow → Scan and Volume, decoded in a process of its own.

Such pictures carry no unit, no modality and no trustworthy millimetres, and this module guesses none.
8-bit grey is shown as it is; deeper grey is handed over as values, for which `display` chooses a window. Colour is
8-bit: of deeper channels Pillow keeps the upper eight bits, and a note says so. Embedded colour profiles are not
applied, as the models and the published data sets were made without; a note says so unless it is sRGB. CMYK becomes
RGB by Pillow's plain arithmetic, without a profile. Transparency is laid over black.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from data_adapters.isolation import isolated
from data_adapters.refusal import refusal, refusing
from medfly.types import Scan, Volume, Window, frame_hash

FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "JPEG2000")
# Pillow's own threshold for its warning about decompression bombs, here a limit.
MAX_PIXELS = 89_478_485
MAX_FRAMES = 10_000
# apply_window maps 0 … 255 to 0 … 1 exactly, so that display() is the identity.
PICTURE_WINDOW = Window(127.5, 255, "LINEAR_EXACT", source="8-bit picture")
DEEP_GREY = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
ORIENTATION = 0x0112  # the EXIF and TIFF tag
# Further TIFF tags
NEW_SUBFILE_TYPE, IMAGE_LENGTH, BITS_PER_SAMPLE, PHOTOMETRIC, STRIP_OFFSETS = 254, 257, 258, 262, 273
ROWS_PER_STRIP, PLANAR_CONFIGURATION, SAMPLE_FORMAT = 278, 284, 339
UNSIGNED, SIGNED = 1, 2
BEGINNINGS = {
    b"II": "TIFF",
    b"MM": "TIFF",
    b"\xff\xd8": "JPEG",
    b"\x89P": "PNG",
    b"RI": "WebP",
    b"BM": "BMP",
    b"GI": "GIF",
}


def read_image(data: bytes, frame: int | None = None) -> Scan | Volume:
    """One picture: [H, W] float32 grey or [H, W, 3] uint8 colour, EXIF orientation applied; or a Volume of several.

    frame: 0-based page of a TIFF or picture of an animation, gives a Scan. Without it several pages are a Volume in
        the order of "pages" (smaller copies, which TIFF marks as such, are left out), an animation one in "time".
    Raises InputError for what is no picture, is damaged or is over MAX_PIXELS.
    """
    facts, pixels = isolated(decoded, data, frame=frame)
    digest = hashlib.sha256(data).hexdigest()
    if "frames" in facts:
        loaders = tuple(Picture(data, digest, number) for number in facts["frames"])
        return Volume(loaders, facts["order"], notes=tuple(facts["notes"]))
    return Scan(
        pixels if pixels.ndim == 3 else pixels.astype(np.float32),  # here, as fewer bytes come through the pipe
        windows=(PICTURE_WINDOW,) if facts["is_8_bit_grey"] else (),
        inverted=facts["inverted"],
        frame=frame or 0,
        input_hash=digest,
        notes=tuple(facts["notes"]),
    )


@dataclass(frozen=True)
class Picture:
    """A medfly.types.ScanLoader for one page or one picture of an animation. digest: SHA-256 of the file."""

    data: bytes = field(repr=False)
    digest: str
    frame: int

    @property
    def content_hash(self) -> str:
        return frame_hash(self.digest, self.frame)

    def __call__(self) -> Scan:
        """Decode it now. Raises InputError as `read_image` does."""
        scan = read_image(self.data, self.frame)
        assert isinstance(scan, Scan)
        return scan


# --- in the worker


def decoded(data: bytes, frame: int | None) -> tuple[dict[str, Any], np.ndarray]:
    """What `read_image` says of the file, and the pixels: none of them for a file of several pictures."""
    with warnings.catch_warnings():
        # Sizes are checked below, and Pillow's remarks on odd metadata are nothing that a user can act on.
        warnings.simplefilter("ignore")
        image = _opened(data)
        with image, refusing("a damaged picture", f"a whole {image.format} file", "fetch or export it again"):
            notes: list[str] = []
            if frame is None:
                frames, notes = _frames(image)
                if len(frames) > 1:
                    order = "pages" if image.format == "TIFF" else "time"
                    return {"frames": frames, "order": order, "notes": notes}, np.empty(0, np.uint8)
            notes += _page(image, frame or 0)
            notes += _remarks(image, data)
            return _picture(image, data, notes)


def _opened(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise refusal(
            "a picture of over twice the limit", f"at most {MAX_PIXELS:,} pixels", "crop or shrink it"
        ) from None
    except MemoryError:
        raise
    except Exception:
        if data[:2] in BEGINNINGS:
            raise refusal(
                f"a damaged or unusual {BEGINNINGS[data[:2]]} file",
                "grey of 8, 16 or 32 bits or colour of 8 or 16",
                "convert it to PNG, or fetch it again",
            ) from None
        raise refusal(
            "a file that is no known image",
            "DICOM, NIfTI, PNG, JPEG, TIFF, WebP, BMP, GIF or JPEG 2000",
            "convert it to one of these",
        ) from None


def _frames(image: Image.Image) -> tuple[list[int], list[str]]:
    """The pictures of a file that are worth showing, and what is left out."""
    count = getattr(image, "n_frames", 1)
    if count > MAX_FRAMES:
        raise refusal(f"{count:,} pictures in one file", f"at most {MAX_FRAMES:,}", "split it")
    if image.format == "MPO" and count > 1:  # previews, gain maps and second lenses of cameras
        return [0], ["further pictures of a camera's file (MPO) are left out"]
    if image.format != "TIFF" or count == 1:
        return list(range(count)), []
    full = [0]
    for number in range(1, count):
        image.seek(number)
        if not _tiff_tag(image, NEW_SUBFILE_TYPE, 0) & 1:
            full.append(number)
    image.seek(0)
    return full, [f"{count - len(full)} smaller copies are left out"] if len(full) < count else []


def _page(image: Image.Image, frame: int) -> list[str]:
    """Go to the page and check its size before any pixel is decoded."""
    count = getattr(image, "n_frames", 1)
    if not 0 <= frame < count:
        raise refusal(f"frame {frame} of {count}", f"0 to {count - 1}", "choose a frame in this range")
    if count > 1:
        image.seek(frame)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise refusal(f"{width} × {height} pixels", f"at most {MAX_PIXELS:,}", "crop or shrink it")
    deep_colour = image.mode not in DEEP_GREY and max(_tiff_tag(image, BITS_PER_SAMPLE, (8,))) > 8
    if deep_colour and _tiff_tag(image, PLANAR_CONFIGURATION, 1) == 2:
        # Pillow's picture of it is wrong, without a word.
        raise refusal("a TIFF with deep colours plane by plane", "pixel by pixel", "save it with interleaved channels")
    _check_strips(image)
    return [f"frame {frame} of {count} (0-based)"] if count > 1 else []


def _check_strips(image: Image.Image) -> None:
    """Strips must cover all rows (TIFF 6.0, StripOffsets): Pillow leaves the rest black, without a word."""
    strips = _tiff_tag(image, STRIP_OFFSETS, None)
    if strips is None:  # tiles, or another format
        return
    height = _tiff_tag(image, IMAGE_LENGTH, image.height)  # as stored: Pillow's own is that of the upright picture
    rows = min(_tiff_tag(image, ROWS_PER_STRIP, height), height)
    planes = len(_tiff_tag(image, BITS_PER_SAMPLE, (8,))) if _tiff_tag(image, PLANAR_CONFIGURATION, 1) == 2 else 1
    expected = -(-height // max(rows, 1)) * planes
    if len(strips) < expected:
        raise refusal(f"{len(strips)} strips in a TIFF", f"{expected:,} for its size", "fetch or export it again")


def _remarks(image: Image.Image, data: bytes) -> list[str]:
    """What is to be known of the compression, the colours and their depth."""
    notes = []
    if image.format in ("JPEG", "MPO") or image.info.get("compression") in ("jpeg", "tiff_jpeg"):
        notes.append("lossy compression: JPEG")
    if image.format == "WEBP" and data[12:16] != b"VP8L":  # the chunk of a plain lossless bitstream
        notes.append("lossy compression: WebP" + ("" if data[12:16] == b"VP8 " else ", perhaps"))
    if image.format == "JPEG2000":
        notes.append("lossy compression: JPEG 2000, perhaps")
    if image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        notes.append("CMYK without Adobe's marker: taken as inverted, as with it")
    profile = image.info.get("icc_profile") or b""
    if profile and b"sRGB" not in profile.replace(b"\0", b""):
        notes.append("embedded colour profile not applied")
    if image.mode not in DEEP_GREY and (bits := _depth(image, data)) > 8:
        notes.append(f"{bits} bits per channel reduced to 8")
    return notes


def _depth(image: Image.Image, data: bytes) -> int:
    """Bits per channel as the file's header has them."""
    if image.format == "PNG":
        return data[24]
    if image.format == "TIFF":
        return max(_tiff_tag(image, BITS_PER_SAMPLE, (8,)))
    return _jpeg2000_depth(data)[0] if image.format == "JPEG2000" else 8


def _jpeg2000_depth(data: bytes) -> tuple[int, bool]:
    """Bits and sign of the first component: Ssiz in the codestream's SIZ marker (ISO/IEC 15444-1 A.5.1)."""
    size = data[data.index(b"\xff\x4f\xff\x51") + 42]
    return (size & 0x7F) + 1, size >= 0x80


def _is_signed(image: Image.Image, data: bytes) -> bool:
    """Signed numbers of which Pillow makes plain ones."""
    if image.format == "JPEG2000":
        return _jpeg2000_depth(data)[1]
    return _tiff_tag(image, SAMPLE_FORMAT, (UNSIGNED,))[0] == SIGNED


def _picture(image: Image.Image, data: bytes, notes: list[str]) -> tuple[dict[str, Any], np.ndarray]:
    deep = image.mode in DEEP_GREY or (image.mode == "L" and _is_signed(image, data))
    # TIFF WhiteIsZero: Pillow inverts up to 8 bits while reading, but not 16.
    white_is_zero = deep and _tiff_tag(image, PHOTOMETRIC, None) == 0
    orientation = image.getexif().get(ORIENTATION, 1)
    image.load()  # raises for truncated data; TIFF is turned upright here already
    upright = ImageOps.exif_transpose(image)
    if orientation != 1:
        notes.append(f"turned upright by EXIF orientation {orientation}")
    pixels, more = (_values(np.asarray(upright), image, data), []) if deep else _colours(upright)
    if deep and "transparency" in image.info:
        notes.append("a value that the file calls transparent is shown")
    facts = {"is_8_bit_grey": pixels.ndim == 2 and not deep, "inverted": white_is_zero, "notes": [*notes, *more]}
    return facts, pixels


def _tiff_tag(image: Image.Image, tag: int, default: Any) -> Any:
    return getattr(image, "tag_v2", {}).get(tag, default)


def _values(stored: np.ndarray, file: Image.Image, data: bytes) -> np.ndarray:
    """Grey that is no 8-bit picture: [H, W], as the file has it and not as Pillow shifts it."""
    if file.format == "JPEG2000":  # aligned to the upper bit and moved to be positive
        bits, signed = _jpeg2000_depth(data)
        stored = (stored >> (stored.dtype.itemsize * 8 - bits)).astype(np.int32) - signed * 2 ** (bits - 1)
    elif file.mode == "L":
        stored = stored.view(np.int8)
    elif file.mode == "I" and _tiff_tag(file, SAMPLE_FORMAT, (UNSIGNED,))[0] == UNSIGNED:
        stored = stored.view(np.uint32)
    return stored


def _colours(image: Image.Image) -> tuple[np.ndarray, list[str]]:
    """[H, W] uint8 for grey, [H, W, 3] uint8 for colour, and remarks."""
    if image.has_transparency_data:
        return _over_black(image)
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L")), []
    notes = [f"converted from {image.mode} to RGB"] if image.mode not in ("RGB", "P") else []
    return np.array(image.convert("RGB")), notes


def _over_black(image: Image.Image) -> tuple[np.ndarray, list[str]]:
    grey = image.mode in ("1", "L", "LA", "La")
    target = "LA" if grey else "RGBA"
    values = np.asarray(image.convert(target)).astype(np.uint16)
    colour, alpha = values[..., :-1], values[..., -1:]
    notes = [] if (alpha == 255).all() else ["transparency laid over black"]
    over = ((colour * alpha + 127) // 255).astype(np.uint8)
    return (over[..., 0] if grey else over), notes
