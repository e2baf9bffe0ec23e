"""Pictures against Pillow itself and against arrays that were saved."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from data_adapters import read
from data_adapters.image import MAX_PIXELS
from medfly.types import InputError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)


def saved(image: Image.Image | np.ndarray, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(stream, form, **options)
    return stream.getvalue()


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP"])
def test_8_bit_grey_is_shown_as_it_is(form: str) -> None:
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)
    scan = read(saved(every, form))
    assert scan.pixels.dtype == np.float32 and np.array_equal(scan.pixels, every)
    assert np.array_equal(scan.display(), np.repeat(every[:, :, None], 3, axis=2))
    assert (scan.spacing, scan.unit, scan.modality, scan.padding, scan.notes) == (None, None, None, None, ())


@pytest.mark.parametrize(("form", "options"), [("PNG", {}), ("TIFF", {}), ("BMP", {}), ("WEBP", {"lossless": True})])
def test_colour_passes_through(form: str, options: dict[str, object]) -> None:
    scan = read(saved(COLOUR, form, **options))
    assert scan.pixels.dtype == np.uint8 and np.array_equal(scan.pixels, COLOUR)
    assert np.array_equal(scan.display(), COLOUR) and scan.windows == () and scan.notes == ()


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_lossy_compression_is_noted(form: str) -> None:
    data = saved(COLOUR, form)
    scan = read(data)
    assert np.array_equal(scan.pixels, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    assert [note.lower() for note in scan.notes] == [f"lossy compression: {form.lower()}"]


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_its_values(form: str) -> None:
    deep = np.array([[0, 1, 256], [4095, 40000, 65535]], dtype=np.uint16)
    scan = read(saved(deep, form))
    assert np.array_equal(scan.pixels, deep) and scan.windows == () and not scan.inverted


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_32_bit_grey_keeps_its_values(dtype: type) -> None:
    deep = np.array([[-70000, 0], [1, 2**20]], dtype=dtype)
    assert np.array_equal(read(saved(deep, "TIFF")).pixels, deep)


def test_white_is_zero_in_16_bits_is_inverted() -> None:
    deep = np.array([[0, 1000, 65535]], dtype=np.uint16)
    data = saved(deep, "TIFF", tiffinfo={262: 0})
    assert Image.open(io.BytesIO(data)).tag_v2[262] == 0
    scan = read(data)
    assert np.array_equal(scan.pixels, deep) and scan.inverted
    assert scan.display()[0, 0, 0] == 255


def test_two_levels_and_palette() -> None:
    bits = Image.fromarray((GREY > 99).astype(np.uint8) * 255).convert("1")
    assert np.array_equal(read(saved(bits, "PNG")).pixels, (GREY > 99) * 255.0)
    palette = Image.fromarray(COLOUR).convert("P", palette=Image.Palette.ADAPTIVE)
    assert np.array_equal(read(saved(palette, "PNG")).pixels, np.asarray(palette.convert("RGB")))


def test_alpha_is_laid_over_black() -> None:
    alpha = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
    picture = Image.fromarray(np.dstack([COLOUR, alpha]))
    black = Image.new("RGBA", picture.size, (0, 0, 0, 255))
    expected = np.asarray(Image.alpha_composite(black, picture).convert("RGB"))
    scan = read(saved(picture, "PNG"))
    assert np.abs(scan.pixels.astype(int) - expected).max() <= 1
    assert "transparency laid over black" in scan.notes
    grey = read(saved(Image.fromarray(np.dstack([GREY, alpha]), "LA"), "PNG"))
    assert grey.pixels.ndim == 2 and (grey.pixels[alpha == 0] == 0).all()
    assert np.abs(grey.pixels - GREY * (alpha / 255.0)).max() <= 0.5


def test_cmyk_becomes_rgb() -> None:
    data = saved(Image.fromarray(COLOUR).convert("CMYK"), "TIFF")
    scan = read(data)
    assert np.array_equal(scan.pixels, COLOUR)
    assert "converted from CMYK to RGB" in scan.notes


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_orientation(orientation: int, form: str, depth: type) -> None:
    image = Image.fromarray(GREY.astype(depth))
    exif = Image.Exif()
    exif[0x0112] = orientation
    scan = read(saved(image, form, exif=exif))
    marked = image.copy()
    marked.getexif()[0x0112] = orientation
    assert np.array_equal(scan.pixels, np.asarray(ImageOps.exif_transpose(marked)))
    assert bool(scan.notes) == (orientation != 1)
    assert scan.size == ((7, 5) if orientation < 5 else (5, 7))


@pytest.mark.parametrize(("form", "options"), [("TIFF", {}), ("WEBP", {"lossless": True}), ("PNG", {})])
def test_frame_selects_a_page(form: str, options: dict[str, object]) -> None:
    pages = [np.full((6, 6, 3), value, dtype=np.uint8) for value in (10, 90, 200)]
    data = saved(pages[0], form, save_all=True, append_images=[Image.fromarray(p) for p in pages[1:]], **options)
    for number, page in enumerate(pages):
        scan = read(data, frame=number)
        assert np.array_equal(scan.pixels, page) and scan.frame == number
        assert f"frame {number} of 3 (0-based)" in scan.notes
    with pytest.raises(InputError, match="frame 3 of 3; expected 0 to 2"):
        read(data, frame=3)


def png_claiming(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [10_000, 15_000])  # Pillow's warning and Pillow's error
def test_decompression_bomb(side: int, recwarn: pytest.WarningsRecorder) -> None:
    with pytest.raises(InputError, match=f"at most {MAX_PIXELS:,}"):
        read(png_claiming(side, side))
    assert not recwarn.list


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
def test_truncated(form: str) -> None:
    noise = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = saved(noise, form)
    with pytest.raises(InputError, match="found"):
        read(data[: len(data) // 2])
