"""One compressed DICOM frame → its stored values: which codec for which transfer syntax, and the call of it.

`decoded_frame` is meant for a worker (data_adapters.isolation): codecs are native code, and RLE, which is not,
swells by a factor of 64. This module knows one frame's codestream and the Image Pixel attributes, no dataset.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import DecodeRunner, get_decoder

from data_adapters.dicom.header import REPAIR
from data_adapters.refusal import refusal, refusing

DECOMPRESS = "decompress it first, for instance with dcmdjpeg or gdcmconv --raw"
IMAGECODECS = "imagecodecs"

# One decoder for each transfer syntax, so that results are the same everywhere (decoders differ by up to 3 levels
# in JPEG baseline) and say which one made them; there is no second try. None is under the GPL. All but imagecodecs'
# are plugins of pydicom.
DECODERS: dict[uid.UID, str] = {
    uid.JPEGBaseline8Bit: "pillow",
    uid.JPEGExtended12Bit: IMAGECODECS,
    uid.JPEGLossless: IMAGECODECS,
    uid.JPEGLosslessSV1: IMAGECODECS,
    uid.JPEGLSLossless: "pyjpegls",
    uid.JPEGLSNearLossless: "pyjpegls",
    uid.JPEG2000Lossless: "pylibjpeg",
    uid.JPEG2000: "pylibjpeg",
    uid.HTJ2KLossless: "pylibjpeg",
    uid.HTJ2KLosslessRPCL: "pylibjpeg",
    uid.HTJ2K: "pylibjpeg",
    uid.RLELossless: "pydicom",  # pylibjpeg-rle panics past `except Exception`
}
JPEG2000_FAMILY = (uid.JPEG2000Lossless, uid.JPEG2000, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K)


def codestream_size(stream: bytes, syntax: uid.UID) -> tuple[int, int] | None:
    """(width, height) that the codestream claims, or None for RLE and where no such header is found.

    Decoders allocate that much, whatever the DICOM header says.
    """
    if syntax == uid.RLELossless:
        return None
    return _jpeg2000_size(stream) if syntax in JPEG2000_FAMILY else _jpeg_size(stream)


def _jpeg2000_size(stream: bytes) -> tuple[int, int] | None:
    start = stream.find(b"\xff\x4f\xff\x51")  # SOC and SIZ: ISO 15444-1 A.5.1
    if start < 0 or len(stream) < start + 24:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", stream, start + 8)
    return right - left, bottom - top


def _jpeg_size(stream: bytes) -> tuple[int, int] | None:
    """From the first start of frame: SOF0 … SOF15 (ISO 10918-1 B.2.2), SOF55 (ISO 14495-1 C.2.2)."""
    position = stream.find(b"\xff\xd8") + 2
    while 2 <= position <= len(stream) - 9:
        marker, length = struct.unpack_from(">HH", stream, position)
        if marker == 0xFFF7 or (0xFFC0 <= marker <= 0xFFCF and marker not in (0xFFC4, 0xFFC8, 0xFFCC)):
            height, width = struct.unpack_from(">HH", stream, position + 5)
            return width, height
        if marker == 0xFFFF:  # any number of fill bytes (B.1.1.2)
            position += 1
        elif marker < 0xFF00 or marker == 0xFFDA:  # no marker, or entropy-coded data follow
            return None
        else:
            position += 2 + length
    return None


def decoded_frame(data: bytes, syntax: str, options: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
    """One compressed frame → ({}, its pixels as `as_array` gives them).

    data: the codestream. options: as pydicom's `as_pixel_options` gives them, for one frame.
    Raises InputError for data that the decoder refuses.
    """
    found = uid.UID(syntax)
    # EOI (ISO 10918-1 B.2.1, 14495-1 C.1.1). Without it libjpeg paints what is missing and tells nobody, and CharLS
    # takes ten seconds over half a kilobyte. OpenJPEG and pydicom's RLE notice by themselves.
    if found in (*uid.JPEGTransferSyntaxes, *uid.JPEGLSTransferSyntaxes) and b"\xff\xd9" not in data:
        raise refusal(f"{found.name} data that are cut short", "an end of image marker", REPAIR)
    with refusing(f"{found.name} data that {DECODERS[found]} cannot decode", "a whole image", DECOMPRESS):
        return {}, as_array(encapsulate([data]), found, 0, options)


def as_array(source: Dataset | bytes, syntax: uid.UID, frame: int, options: dict[str, Any]) -> np.ndarray:
    """[H, W] stored values, or [H, W, 3] RGB of the stored depth, by the one decoder for this transfer syntax."""
    decoder, name = get_decoder(syntax), DECODERS.get(syntax, "")
    if name == IMAGECODECS and name not in decoder.available_plugins:
        decoder.add_plugin(IMAGECODECS, (__name__, "_libjpeg"))
    pixels, properties = decoder.as_array(source, index=frame, decoding_plugin=name, **options)
    if pixels.ndim == 3 and properties["photometric_interpretation"] != "RGB":
        raise refusal(
            "colour data that stayed in another colour space", "RGB after decoding", "convert it to RGB first"
        )
    if pixels.dtype.kind == "i" and syntax in (*JPEG2000_FAMILY, *uid.JPEGLSTransferSyntaxes):
        # pydicom looks for the sign in the highest bit of the codestream, which may be deeper than Bits Stored.
        unused = max(0, 8 * pixels.itemsize - options["bits_stored"])
        pixels = pixels << unused >> unused
    return pixels


DECODER_DEPENDENCIES = {syntax: (IMAGECODECS,) for syntax, name in DECODERS.items() if name == IMAGECODECS}


def is_available(syntax: uid.UID) -> bool:
    """What pydicom asks of a plugin."""
    return syntax in DECODER_DEPENDENCIES


def _libjpeg(stream: bytes, runner: DecodeRunner) -> bytes:
    """pydicom's plugin for libjpeg-turbo 3, which knows 12-bit and lossless JPEG of 2 to 16 bits."""
    from imagecodecs import jpeg8_decode

    # One name for both sides: no conversion. Which colours they are is the Photometric Interpretation's to say.
    colours = "RGB" if runner.samples_per_pixel == 3 else None
    pixels = jpeg8_decode(stream, colorspace=colours, outcolorspace=colours)
    expected = (runner.rows, runner.columns, runner.samples_per_pixel)
    if (*pixels.shape, 1)[:3] != expected:
        raise ValueError(f"{pixels.shape} instead of {expected}")
    runner.set_option("bits_allocated", 8 * pixels.dtype.itemsize)
    runner.set_option("planar_configuration", 0)
    return pixels.tobytes()
