"""PNG, JPEG, TIFF, WebP and BMP by Pillow → Scan.

Such pictures carry no unit, no modality and no trustworthy millimetres, and this module guesses none.
8-bit grey is shown as it is; deeper grey is handed over as values, for which `display` chooses a window.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image, ImageOps

from data_adapters.refusal import refusal, refusing
from medfly.types import Scan, Window

FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP")
# Pillow's own threshold for its warning about decompression bombs, here a limit.
MAX_PIXELS = 89_478_485
# apply_window maps 0 … 255 to 0 … 1 exactly, so that display() is the identity.
PICTURE_WINDOW = Window(127.5, 255, "LINEAR_EXACT", source="8-bit picture")
DEEP_GREY = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
ORIENTATION = 0x0112  # the EXIF and TIFF tag


def read_image(data: bytes, frame: int = 0) -> Scan:
    """One page of a picture: [H, W] float32 grey or [H, W, 3] uint8 colour, EXIF orientation applied.

    frame: 0-based page of a TIFF or picture of an animation.
    Transparency is laid over black. Raises InputError for what is no picture, is damaged or is over MAX_PIXELS.
    """
    with warnings.catch_warnings():
        # Sizes are checked below, and Pillow's remarks on odd metadata are nothing that a user can act on.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        warnings.simplefilter("ignore", UserWarning)
        image = _opened(data)
        with image, refusing("a damaged picture", f"a whole {image.format} file", "fetch or export it again"):
            notes = _page(image, frame)
            notes += _compression(image, data)
            return _scan(image, frame, notes)


def _opened(data: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise refusal(
            "a picture of over twice the limit", f"at most {MAX_PIXELS:,} pixels", "crop or shrink it"
        ) from None
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        raise refusal(
            "a file that is no known image", "DICOM, PNG, JPEG, TIFF, WebP or BMP", "convert it to one of these"
        ) from None
    return image


def _page(image: Image.Image, frame: int) -> list[str]:
    """Go to the page and check its size before any pixel is decoded."""
    count = getattr(image, "n_frames", 1)
    if frame >= count:
        raise refusal(f"frame {frame} of {count}", f"0 to {count - 1}", "choose a frame in this range")
    if count > 1:
        image.seek(frame)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise refusal(f"{width} × {height} pixels", f"at most {MAX_PIXELS:,}", "crop or shrink it")
    return [f"frame {frame} of {count} (0-based)"] if count > 1 else []


def _compression(image: Image.Image, data: bytes) -> list[str]:
    if image.format in ("JPEG", "MPO") or image.info.get("compression") in ("jpeg", "tiff_jpeg"):
        return ["lossy compression: JPEG"]
    if image.format == "WEBP" and data[12:16] != b"VP8L":  # the chunk of a plain lossless bitstream
        return ["lossy compression: WebP" + ("" if data[12:16] == b"VP8 " else ", perhaps")]
    return []


def _scan(image: Image.Image, frame: int, notes: list[str]) -> Scan:
    # TIFF WhiteIsZero: Pillow inverts up to 8 bits while reading, but not 16.
    white_is_zero = image.format == "TIFF" and image.mode in DEEP_GREY and _tiff_photometric(image) == 0
    orientation = image.getexif().get(ORIENTATION, 1)
    image.load()  # raises for truncated data; TIFF is turned upright here already
    upright = ImageOps.exif_transpose(image)
    if orientation != 1:
        notes.append(f"turned upright by EXIF orientation {orientation}")
    pixels, more = _pixels(upright)
    is_picture = pixels.ndim == 2 and upright.mode not in DEEP_GREY
    return Scan(
        pixels=pixels,
        windows=(PICTURE_WINDOW,) if is_picture else (),
        inverted=white_is_zero,
        frame=frame,
        notes=(*notes, *more),
    )


def _tiff_photometric(image: Image.Image) -> int | None:
    return getattr(image, "tag_v2", {}).get(262)


def _pixels(image: Image.Image) -> tuple[np.ndarray, list[str]]:
    """[H, W] float32 for grey, [H, W, 3] uint8 for colour, and remarks."""
    if image.mode in DEEP_GREY:
        return np.asarray(image).astype(np.float32), []
    if image.has_transparency_data:
        return _over_black(image)
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L")).astype(np.float32), []
    notes = [f"converted from {image.mode} to RGB"] if image.mode not in ("RGB", "P") else []
    return np.array(image.convert("RGB")), notes


def _over_black(image: Image.Image) -> tuple[np.ndarray, list[str]]:
    grey = image.mode in ("1", "L", "LA", "La")
    target = "LA" if grey else "RGBA"
    values = np.asarray(image.convert(target)).astype(np.uint16)
    colour, alpha = values[..., :-1], values[..., -1:]
    notes = [] if (alpha == 255).all() else ["transparency laid over black"]
    over = ((colour * alpha + 127) // 255).astype(np.uint8)
    return (over[..., 0].astype(np.float32) if grey else over), notes
