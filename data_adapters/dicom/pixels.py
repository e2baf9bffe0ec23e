"""One frame's stored values out of a DICOM dataset: limits first, then the codec, then colour and padding.

It knows no unit and no window: what comes out is what the modality stored, or 8-bit RGB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.utils import as_pixel_options, get_expected_length

from data_adapters.dicom.codecs import DECODERS, DECOMPRESS, as_array, codestream_size, decoded_frame
from data_adapters.dicom.header import REPAIR, FrameHeader, frame_count, sop_class_name, tag_name, transfer_syntax
from data_adapters.dicom.lut import descriptor, entries
from data_adapters.dicom.palette import expanded
from data_adapters.isolation import isolated
from data_adapters.refusal import refusal, refusing

MAX_PIXELS = 100_000_000  # 10,000 × 10,000: several times the largest radiograph
MAX_FRAME_BYTES = 512 * 1024**2
MAX_FRAMES = 200_000  # functional MR has some 20,000
PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
INCONSISTENT = "pixel data that do not fit their description", "consistent image attributes", REPAIR
GREY = ("MONOCHROME1", "MONOCHROME2")
PALETTES = tuple(f"{name}PaletteColorLookupTableData" for name in ("Red", "Green", "Blue"))
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


@dataclass(frozen=True)
class Layout:
    """The Image Pixel module's description (PS3.3 C.7.6.3), checked against the limits."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    frames: int
    photometric: str
    keyword: str

    @property
    def frame_bytes(self) -> int:
        return self.rows * self.columns * self.samples * max(1, self.bits_allocated // 8)


def layout(dataset: Dataset) -> Layout:
    """The description of the pixel data, without decoding any.

    Raises InputError for absent or absurd ones, data that cannot hold so many frames, and unknown transfer syntaxes.
    """
    header = FrameHeader((dataset,))
    keyword = next((name for name in PIXEL_KEYWORDS if dataset.get(name)), None)
    if keyword is None:
        raise _no_pixels(dataset)
    photometric = header.code("PhotometricInterpretation")
    if photometric not in (*GREY, *COLOUR, "PALETTE COLOR"):
        raise refusal(
            f"{tag_name('PhotometricInterpretation')} that is {'retired or unknown' if photometric else 'absent'}",
            f"one of {', '.join((*GREY, 'PALETTE COLOR', *COLOUR))}",
            "convert it to RGB or MONOCHROME2",
        )
    bits_allocated = _integer(header, "BitsAllocated")
    found = Layout(
        rows=_integer(header, "Rows"),
        columns=_integer(header, "Columns"),
        samples=_integer(header, "SamplesPerPixel", default=1),
        bits_allocated=bits_allocated,
        bits_stored=_integer(header, "BitsStored", default=bits_allocated),
        frames=frame_count(header),
        photometric=photometric,
        keyword=keyword,
    )
    _check_limits(found)
    syntax = transfer_syntax(dataset)
    if syntax not in (*uid.UncompressedTransferSyntaxes, *DECODERS):
        name = syntax.name if syntax.is_valid and len(syntax.name) < 80 else "damaged"
        raise refusal(f"transfer syntax {name}", "one that can be decoded", DECOMPRESS)
    if keyword == "PixelData" and syntax in (*uid.UncompressedTransferSyntaxes, uid.RLELossless):
        _check_high_bit(header, found)
    with refusing(*INCONSISTENT):
        _check_amount(dataset, syntax, found)
    return found


def _no_pixels(dataset: Dataset) -> Exception:
    found = f"no pixel data in {sop_class_name(dataset)}"
    if "Rows" in dataset:
        return refusal(f"{found} although it describes some", "pixel data: the file may be cut short", REPAIR)
    return refusal(found, "an image", "choose an image of the same study")


def _integer(header: FrameHeader, keyword: str, default: int | None = None) -> int:
    value = header.number(keyword)
    value = default if value is None else value
    if value is None or value < 1 or value != int(value):
        shown = "no value" if value is None else f"{value:g}"
        raise refusal(f"{shown} in {tag_name(keyword)}", "a positive whole number", REPAIR)
    return int(value)


def _check_high_bit(header: FrameHeader, found: Layout) -> None:
    """Values stand in the lowest bits (PS3.5 8.1.1). Elsewhere, as older files have them, or a mistake: who knows?"""
    high = header.number("HighBit")
    if high is not None and high != found.bits_stored - 1:
        raise refusal(
            f"{high:g} in {tag_name('HighBit')}",
            f"{found.bits_stored - 1}, for {found.bits_stored} in {tag_name('BitsStored')}",
            "convert it so that values stand in the lowest bits",
        )


def _check_limits(found: Layout) -> None:
    if found.rows * found.columns > MAX_PIXELS or found.frame_bytes > MAX_FRAME_BYTES:
        raise refusal(
            f"a frame of {found.columns} × {found.rows} pixels, {found.frame_bytes:,} bytes",
            f"at most {MAX_PIXELS:,} pixels and {MAX_FRAME_BYTES:,} bytes",
            "crop or shrink it",
        )
    if found.frames > MAX_FRAMES:
        raise refusal(f"{found.frames:,} frames", f"at most {MAX_FRAMES:,}", REPAIR)
    samples = 3 if found.photometric in COLOUR else 1
    if found.samples != samples:
        raise refusal(f"{found.samples} in {tag_name('SamplesPerPixel')}", f"{samples} for {found.photometric}", REPAIR)


def stored_values(dataset: Dataset, syntax: uid.UID, found: Layout, frame: int) -> tuple[np.ndarray, str | None]:
    """Decode one frame: [H, W] stored values or [H, W, 3] RGB of the stored depth, and the codec used, if any.

    frame: 0-based, within found.frames. Raises InputError for data that are short, damaged or not supported.
    """
    if frame >= found.frames:
        raise refusal(f"frame {frame} of {found.frames}", f"0 to {found.frames - 1}", "choose a frame in this range")
    plain = syntax not in DECODERS
    with refusing(*INCONSISTENT):
        options = as_pixel_options(dataset)
        stream = b"" if plain else _codestream(dataset, syntax, found, frame, options.pop("extended_offsets", None))
    if plain:
        with refusing("pixel data that cannot be read", "a whole image", REPAIR):
            return as_array(dataset, syntax, frame, options), None
    _, pixels = isolated(decoded_frame, stream, syntax=syntax, options={**options, "number_of_frames": 1})
    return pixels, DECODERS[syntax]


def _check_amount(dataset: Dataset, syntax: uid.UID, found: Layout) -> None:
    """The data must be able to hold the frames that the header claims."""
    actual = len(dataset[found.keyword].value)
    if syntax.is_encapsulated:
        # PS3.5 A.4: no fragment holds parts of two frames, and each has a header of 8 bytes.
        if actual < 8 * found.frames:
            raise refusal(f"{actual:,} bytes for {found.frames:,} frames", "at least one fragment a frame", REPAIR)
        return
    # pydicom knows 1-bit packing and the YBR_FULL_422 of C.7.6.3.1.2, but no floats.
    is_integer = found.keyword == "PixelData"
    expected = get_expected_length(dataset) if is_integer else found.frame_bytes * found.frames
    if actual < expected:
        raise refusal(
            f"{actual:,} bytes in {tag_name(found.keyword)}",
            f"{expected:,} for {found.frames} × {found.rows} × {found.columns}",
            f"the file is cut short: {REPAIR}",
        )


def _codestream(dataset: Dataset, syntax: uid.UID, found: Layout, frame: int, offsets: Any) -> bytes:
    """One frame's compressed data, if they claim the size that the header does."""
    stream = get_frame(dataset.PixelData, frame, number_of_frames=found.frames, extended_offsets=offsets)
    size = codestream_size(stream, syntax)
    if size is not None and size != (found.columns, found.rows):
        raise refusal(
            f"a {syntax.name} codestream of {size[0]} × {size[1]}",
            f"{found.columns} × {found.rows} as in the header",
            REPAIR,
        )
    return stream


def padding_mask(stored: np.ndarray, header: FrameHeader) -> np.ndarray | None:
    """[H, W] bool, True from Pixel Padding Value to Range Limit, both included (PS3.3 C.7.5.1.1.2).

    stored: [H, W] before any modality transformation. None where the file names no padding.
    """
    keyword = "FloatPixelPaddingValue" if stored.dtype.kind == "f" else "PixelPaddingValue"
    if stored.dtype.kind == "f" and stored.dtype.itemsize == 8:
        keyword = "DoubleFloatPixelPaddingValue"
    value = header.number(keyword)
    if value is None:
        return None
    limit = header.number(keyword.replace("Value", "RangeLimit"))
    bounds = [_as_stored(bound, stored.dtype) for bound in (value, value if limit is None else limit)]
    return (stored >= min(bounds)) & (stored <= max(bounds))


def _as_stored(value: float, dtype: np.dtype) -> float:
    """A 16-bit value in the pixels' signedness: writers mix up the US and SS of an "US or SS" element."""
    if dtype.kind == "i" and 2**15 <= value < 2**16 and dtype.itemsize == 2:
        return value - 2**16
    if dtype.kind == "u" and -(2**15) <= value < 0 and dtype.itemsize == 2:
        return value + 2**16
    return value


def palette_colours(stored: np.ndarray, dataset: Dataset, little_endian: bool) -> np.ndarray:
    """PALETTE COLOR indices [H, W] → RGB [H, W, 3] uint8 (PS3.3 C.7.6.3.1.5, C.7.6.3.1.6, C.7.9.2)."""
    header = FrameHeader((dataset,))
    with refusing("a palette that cannot be read", "three colour tables", REPAIR):
        count, first, bits = descriptor(header, "RedPaletteColorLookupTableDescriptor")
        if "SegmentedRedPaletteColorLookupTableData" in dataset:
            with refusing("a segmented palette that cannot be expanded", f"segments of {count} entries", REPAIR):
                segments = (dataset[f"Segmented{name}"].value for name in PALETTES)
                table = np.stack([expanded(data, count, bits, little_endian) for data in segments], axis=1)
        else:
            table = np.stack([entries(header, name, count, bits, little_endian) for name in PALETTES], axis=1)
    index = np.clip(stored.astype(np.int64) - first, 0, count - 1)
    return to_8bit(table, 16 if bits > 8 else 8)[index]


def to_8bit(colours: np.ndarray, bits: int) -> np.ndarray:
    """Colour of `bits` per sample → uint8. The high byte of deeper ones, exact for both x·257 and x·256."""
    if bits > 8:
        colours = colours >> (bits - 8)
    elif bits < 8:
        colours = np.rint(colours * (255 / (2**bits - 1)))
    return np.clip(colours, 0, 255).astype(np.uint8)
