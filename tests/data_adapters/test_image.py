"""Pictures against Pillow itself and against arrays that were saved."""

from __future__ import annotations

import hashlib
import io
import pickle
import struct
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps
from skimage.color import lab2rgb

from data_adapters import read
from data_adapters.image import MAX_PIXELS, read_image
from medfly.types import InputError, Scan, Volume

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
DATASETS = Path(__file__).parents[3] / "shared" / "datasets"


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


def tiff(values: np.ndarray, **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, **options)
    return stream.getvalue()


def one(data: bytes, frame: int | None = None) -> Scan:
    scan = read_image(data, frame)
    assert isinstance(scan, Scan)
    return scan


@pytest.mark.skipif(not DATASETS.is_dir(), reason="needs ../shared/datasets")
def test_pictures_of_the_data_sets_are_those_that_pillow_reads() -> None:
    """Published scores rest on `Image.open(…).convert("RGB")`."""
    pictures = sorted([*DATASETS.glob("slake/imgs/*/source.jpg"), *DATASETS.glob("vqa_rad/**/*.jpg")])[::20]
    assert len(pictures) > 20
    for path in pictures:
        data = path.read_bytes()
        assert np.array_equal(one(data).display(), np.asarray(Image.open(path).convert("RGB"))), path.name


def test_a_picture_knows_its_file() -> None:
    data = saved(GREY, "PNG")
    assert one(data).input_hash == hashlib.sha256(data).hexdigest()


# --- numbers that are no 8-bit picture


@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8", "u8", "i8", "c8", "?"])
def test_grey_tiff_of_any_type_is_right_or_refused(dtype: str, byteorder: Any) -> None:
    """Against the array that tifffile wrote: Pillow alone drops the sign of bytes and gives one to 32 bits."""
    bits = 8 * np.dtype(dtype).itemsize
    values = (RNG.random((5, 7)) * 2**bits - (2 ** (bits - 1) if dtype[0] == "i" else 0)).astype(dtype)
    values = np.nan_to_num(values, posinf=1)
    refused = dtype in ("f2", "f8", "u8", "i8", "c8") or (dtype, byteorder) in (("u4", ">"), ("i4", ">"))
    data = tiff(values, photometric="minisblack", byteorder=byteorder)
    try:
        pixels = one(data).pixels
    except InputError as problem:
        assert "unusual TIFF" in str(problem)
        assert dtype not in ("u1", "u2", "i2", "f4", "?")
    else:
        assert not refused or dtype in ("u4", "i4")
        assert np.array_equal(pixels, values.astype(np.float32) * (255 if dtype == "?" else 1))


@pytest.mark.parametrize("compression", ["zlib", "lzw", "lzma", "zstd"])
@pytest.mark.parametrize("predictor", [True, False])
def test_compressed_tiff(compression: str, predictor: bool) -> None:
    deep = RNG.integers(0, 65536, (20, 30), dtype=np.uint16)
    assert np.array_equal(one(tiff(deep, compression=compression, predictor=predictor)).pixels, deep)


def test_big_tiff_and_tiles() -> None:
    colour = RNG.integers(0, 256, (100, 70, 3), dtype=np.uint8)
    assert np.array_equal(one(tiff(colour, bigtiff=True, photometric="rgb", tile=(32, 48))).pixels, colour)


@pytest.mark.parametrize("bits", [8, 10, 12, 15, 16])
@pytest.mark.parametrize("signed", [True, False])
def test_jpeg_2000_keeps_its_values(bits: int, signed: bool) -> None:
    """Pillow shifts them to 16 bits and drops the sign."""
    values = RNG.integers(0, 2**bits, (40, 30)) - (2 ** (bits - 1) if signed else 0)
    values = values.astype(f"{'i' if signed else 'u'}{1 if bits == 8 else 2}")
    scan = one(imagecodecs.jpeg2k_encode(values, level=0, bitspersample=bits))
    assert np.array_equal(scan.pixels, values) and "lossy compression: JPEG 2000, perhaps" in scan.notes
    assert bool(scan.windows) == (bits == 8 and not signed)


def test_12_bit_jpeg_is_refused_by_its_name() -> None:
    with pytest.raises(InputError, match="unusual JPEG file"):
        one(imagecodecs.jpeg8_encode(RNG.integers(0, 4096, (16, 16), dtype=np.uint16), bitspersample=12))


DEEP_COLOUR = RNG.integers(0, 65536, (8, 6, 3), dtype=np.uint16)


@pytest.mark.parametrize(
    "data",
    [
        imagecodecs.png_encode(DEEP_COLOUR),
        imagecodecs.png_encode(np.dstack([DEEP_COLOUR, np.full((8, 6), 65535, np.uint16)])),
        tiff(DEEP_COLOUR, photometric="rgb", byteorder="<"),
        tiff(DEEP_COLOUR, photometric="rgb", byteorder=">"),
        imagecodecs.jpeg2k_encode(DEEP_COLOUR, level=0, mct=False),
    ],
    ids=["png", "png with alpha", "tiff", "big-endian tiff", "jpeg 2000"],
)
def test_16_bit_colour_is_reduced_and_said(data: bytes) -> None:
    scan = one(data)
    assert scan.pixels.dtype == np.uint8 and np.abs(scan.pixels - DEEP_COLOUR / 257).max() <= 1.5
    assert "16 bits per channel reduced to 8" in scan.notes


def test_deep_colour_plane_by_plane_is_refused() -> None:
    """Pillow shows it wrongly without a word; 8 bits it reads."""
    planes = np.ascontiguousarray(DEEP_COLOUR.transpose(2, 0, 1))
    with pytest.raises(InputError, match="plane by plane"):
        one(tiff(planes, photometric="rgb", planarconfig="separate"))
    eight = (planes >> 8).astype(np.uint8)
    scan = one(tiff(eight, photometric="rgb", planarconfig="separate"))
    assert np.array_equal(scan.pixels, eight.transpose(1, 2, 0))


# --- colour spaces


def inks_to_rgb(inks: np.ndarray) -> np.ndarray:
    """The textbook's formula, in floating point: R = (1 − C)(1 − K). inks: [H, W, 4], 255 is full ink."""
    clear = 255 - inks.astype(float)
    return clear[..., :3] * clear[..., 3:] / 255


SMOOTH = np.clip(np.add.outer(np.arange(48) * 3, np.arange(40) * 2)[..., None] + [0, 20, 9, 5], 0, 255).astype(np.uint8)


@pytest.mark.parametrize("stored_as", ["CMYK", "YCCK"])
def test_cmyk_jpeg_with_adobes_inversion(stored_as: str) -> None:
    """PathVQA's kind. Adobe stores 255 − ink; imagecodecs hands out what is stored, an independent decoder."""
    image = Image.fromarray(SMOOTH, "CMYK")
    if stored_as == "CMYK":
        data = saved(image, "JPEG", quality=95)
    else:
        data = imagecodecs.jpeg8_encode(255 - SMOOTH, level=95, colorspace="CMYK", outcolorspace="YCCK")
    assert b"Adobe" in data
    scan = one(data)
    stored = imagecodecs.jpeg8_decode(data, outcolorspace="CMYK")
    assert np.abs(scan.pixels - inks_to_rgb(255 - stored)).max() <= 2
    assert np.abs(scan.pixels - inks_to_rgb(SMOOTH)).max() <= 8  # the compression's loss
    assert np.array_equal(scan.pixels, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    assert {"converted from CMYK to RGB", "lossy compression: JPEG"} <= set(scan.notes)


def test_cmyk_jpeg_without_adobes_marker_is_remarked() -> None:
    data = saved(Image.fromarray(SMOOTH, "CMYK"), "JPEG", quality=95)
    start = data.index(b"\xff\xee")
    stripped = data[:start] + data[start + 2 + int.from_bytes(data[start + 2 : start + 4], "big") :]
    assert b"Adobe" not in stripped
    scan = one(stripped)
    assert np.array_equal(scan.pixels, one(data).pixels)
    assert any("without Adobe's marker" in note for note in scan.notes)


def test_cmyk_tiff_is_not_inverted() -> None:
    scan = one(tiff(SMOOTH, photometric="separated"))
    assert np.abs(scan.pixels - inks_to_rgb(SMOOTH)).max() <= 1


def test_lab() -> None:
    lab = np.dstack([RNG.integers(110, 200, (6, 6)), *RNG.integers(-9, 9, (2, 6, 6))])
    scan = one(tiff(lab.astype(np.uint8), photometric="cielab"))
    expected = lab2rgb(lab / (2.55, 1, 1)) * 255  # its D65 white to white, as D50's is here
    assert np.abs(scan.pixels - expected).max() < 3 and "converted from LAB to RGB" in scan.notes


def test_colour_profiles_are_remarked_and_not_applied() -> None:
    from PIL import ImageCms

    other = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile, notes in ((other, ("embedded colour profile not applied",)), (srgb, ())):
        scan = one(saved(COLOUR, "PNG", icc_profile=profile))
        assert np.array_equal(scan.pixels, COLOUR) and scan.notes == notes


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_a_jpeg_against_turned_arrays(orientation: int) -> None:
    """EXIF 2.32, 4.6.4: where the stored picture's first row and column stand; mirrored ones, too."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    turns = [
        lambda a: a,
        np.fliplr,
        lambda a: np.rot90(a, 2),
        np.flipud,
        lambda a: a.T,
        lambda a: np.rot90(a, -1),
        lambda a: np.rot90(a, 2).T,
        np.rot90,
    ]
    stored = np.kron(np.array([[0, 80], [160, 255]]), np.ones((8, 16))).astype(np.uint8)
    scan = one(saved(stored, "JPEG", exif=exif, quality=100))
    assert np.abs(scan.pixels - turns[orientation - 1](stored)).max() <= 2


# --- several pictures in one file


PAGES = [np.full((6, 6, 3), value, np.uint8) for value in (10, 90, 200)]


@pytest.mark.parametrize(("form", "order"), [("TIFF", "pages"), ("WEBP", "time"), ("PNG", "time"), ("GIF", "time")])
def test_several_pictures_are_a_volume(form: str, order: str) -> None:
    options = {"lossless": True} if form == "WEBP" else {}
    data = saved(PAGES[0], form, save_all=True, append_images=[Image.fromarray(page) for page in PAGES[1:]], **options)
    volume = read_image(data)
    assert isinstance(volume, Volume) and (len(volume), volume.order, volume.gap) == (3, order, None)
    for number, scan in enumerate(pickle.loads(pickle.dumps(volume))):
        assert np.array_equal(scan.display(), PAGES[number]) and scan.frame == number
        assert f"frame {number} of 3 (0-based)" in scan.notes
    assert len({loader.content_hash for loader in volume.loaders}) == 3
    assert volume.loaders[0].content_hash == hashlib.sha256(data).hexdigest()


def test_smaller_copies_in_a_tiff_are_left_out_and_said() -> None:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as file:
        for page, kind in ((COLOUR, 0), (COLOUR[::2, ::2], 1), (COLOUR, 0)):
            file.write(page, subfiletype=kind, photometric="rgb", metadata=None)
    volume = read_image(stream.getvalue())
    assert isinstance(volume, Volume) and len(volume) == 2
    assert np.array_equal(volume[1].pixels, COLOUR)
    assert "1 smaller copies are left out" in volume[1].notes and "frame 2 of 3 (0-based)" in volume[1].notes


def test_a_cameras_further_pictures_are_left_out_and_said() -> None:
    data = saved(PAGES[0], "MPO", save_all=True, append_images=[Image.fromarray(PAGES[1])])
    scan = read_image(data)
    assert isinstance(scan, Scan) and np.array_equal(scan.pixels, PAGES[0])
    assert any("left out" in note for note in scan.notes)
    assert np.array_equal(one(data, 1).pixels, PAGES[1])


def test_transparency_of_an_animation_and_of_deep_grey() -> None:
    clear = Image.fromarray(np.dstack([COLOUR, np.zeros((5, 7), np.uint8)]))
    scan = one(saved(clear, "GIF"))
    assert (scan.pixels == 0).all() and "transparency laid over black" in scan.notes
    deep = saved(Image.fromarray(GREY.astype(np.uint16)), "PNG", transparency=int(GREY[0, 0]))
    assert np.array_equal(one(deep).pixels, GREY)
    assert "a value that the file calls transparent is shown" in one(deep).notes
