"""Damaged and hostile NIfTI files, pictures and slides: a Scan or one line, within a stated budget of memory.

Each known attack stays as a regression; mutations of real files look for new ones.
"""

from __future__ import annotations

import functools
import gzip
import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from data_adapters import nifti
from data_adapters.image import read_image
from data_adapters.nifti import looks_like_nifti, read_nifti
from data_adapters.nifti_header import MAX_INFLATED
from data_adapters.slide import looks_like_slide, open_slide
from medfly.types import InputError, Scan, Volume

NIBABEL = Path(nib.__file__).parent / "tests" / "data"
RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (12, 10, 3), dtype=np.uint8)
MEGABYTE = 1024**2
MUTATIONS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def refused(words: str, call: Callable[..., object], *arguments: object) -> None:
    with pytest.raises(InputError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert words in message, message
    assert "\n" not in message and "found" in message and "expected" in message


def peak_of(call: Callable[[], object]) -> int:
    """The most memory, in bytes, that Python and NumPy held at once during a call."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# --- NIfTI


def header(shape: tuple[int, ...], code: int = 4, form: type = nib.Nifti1Header, **fields: object) -> bytes:
    """A bare header that claims a shape, extension flag included. code: NIfTI's type; 4 is int16."""
    made = form()
    made["dim"] = [len(shape), *shape, *[1] * (7 - len(shape))]
    made["datatype"], made["bitpix"] = code, made._data_type_codes.dtype[code].itemsize * 8
    made["vox_offset"] = 352 if form is nib.Nifti1Header else 544
    made["sform_code"], made["srow_x"], made["srow_y"], made["srow_z"] = 1, [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]
    for name, value in fields.items():
        made[name] = value
    return made.binaryblock + bytes(4)


@pytest.mark.parametrize("form", [nib.Nifti1Header, nib.Nifti2Header])
def test_1_kb_that_claims_32_gib(form: type) -> None:
    data = header((2048, 2048, 4096), form=form) + bytes(500)
    assert peak_of(lambda: refused("bytes where the header needs 34,359,738,", read_nifti, data)) < MEGABYTE
    packed = gzip.compress(data)
    assert peak_of(lambda: refused("behind gzip", read_nifti, packed)) < MEGABYTE


@pytest.fixture(scope="module")
def zeros() -> bytes:
    """512 MB behind 500 kB of gzip, in 32 members."""
    return gzip.compress(bytes(16 * MEGABYTE)) * 32


def test_512_mb_behind_a_small_header(zeros: bytes) -> None:
    """Inflated as far as the header needs, whatever follows."""
    data = gzip.compress(header((64, 64, 4))) + zeros
    assert len(data) < 550_000
    nifti._inflated.cache_clear()

    def look() -> None:
        volume = read_nifti(data)
        assert isinstance(volume, Volume) and not volume[3].pixels.any()

    assert peak_of(look) < MEGABYTE


def test_more_than_the_budget_behind_gzip(zeros: bytes) -> None:
    data = gzip.compress(header((1024, 1024, 513))) + zeros * 3
    assert peak_of(lambda: refused(f"at most {MAX_INFLATED:,}", read_nifti, data)) < MEGABYTE


def test_a_large_plain_file_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "large.nii"
    with path.open("wb") as file:
        file.write(header((512, 512, 256)))
        file.truncate(352 + 512 * 512 * 256 * 2)  # 128 MB, sparse

    def look() -> None:
        volume = read_nifti(path)
        assert isinstance(volume, Volume) and volume[200].size == (512, 512)

    assert peak_of(look) < 8 * MEGABYTE


@pytest.mark.parametrize("path", ["a.nii", "a.nii.gz"])
def test_truncated_nifti(path: str, tmp_path: Path) -> None:
    whole = header((20, 20, 20)) + RNG.bytes(16_000)
    for cut in (3, 100, 347, 352, 9_000, len(whole) - 1):
        data = whole[:cut] if path == "a.nii" else gzip.compress(whole[:cut])
        (tmp_path / path).write_bytes(data)
        for source in (data, tmp_path / path):
            refused("", read_nifti, source, 0)
    packed = gzip.compress(whole)
    for broken in (packed[:5_000], packed[:-8], packed[:-8] + bytes(4) + packed[-4:]):  # and a wrong checksum
        refused("", read_nifti, broken, 0)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"vox_offset": 0}, "voxels from byte 0"),
        ({"vox_offset": np.nan}, "cannot be decoded"),
        ({"vox_offset": 1e30}, "where the header needs"),
        ({"dim": [3, -5, 4, 4, 1, 1, 1, 1]}, ""),
        ({"dim": [3, 0, 4, 4, 1, 1, 1, 1]}, "an array of 0 × 4 × 4 values"),
        ({"dim": [7, 4, 4, 4, 1, 2, 1, 1]}, "2 to 4 dimensions"),
        ({"dim": [99, 4, 4, 4, 1, 1, 1, 1]}, ""),
        ({"datatype": 9999}, ""),
    ],
)
def test_fields_that_lie(fields: dict[str, object], words: str) -> None:
    refused(words, read_nifti, header((4, 4, 4), **fields) + bytes(999))


@pytest.mark.parametrize("field", ["srow_x", "srow_y"])
@pytest.mark.parametrize("row", [[np.nan] * 4, [np.inf, 0, 0, 0], [0, 0, 0, 0], [1e9, 0, 0, 0]])
def test_an_affine_that_is_none(field: str, row: list[float]) -> None:
    volume = read_nifti(header((4, 5, 6), **{field: row}) + bytes(999))
    assert isinstance(volume, Volume)
    assert volume[0].affine is None and "orientation damaged: shown as stored" in volume[0].notes


def test_slices_without_end_are_refused() -> None:
    refused("1,000,000 slices", read_nifti, header((1, 1, 1000, 1000)) + bytes(2_000_000))


SEEDS = [
    *(NIBABEL / name for name in ("standard.nii.gz", "resampled_anat_moved.nii", "functional.nii")),
    *(NIBABEL / name for name in ("nifti1.hdr", "nifti2.hdr", "analyze.hdr")),
]


@functools.cache
def seeds() -> list[bytes]:
    return [path.read_bytes() for path in SEEDS] + [gzip.decompress((NIBABEL / "example_nifti2.nii.gz").read_bytes())]


def mutated(draw: Callable[..., int], data: bytes, reach: int) -> bytes:
    """Some bytes among the first `reach` replaced, and perhaps cut short."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 6))):
        changed[draw(st.integers(0, min(reach, len(changed)) - 1))] = draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFF)))
    return bytes(changed[: draw(st.integers(1, len(data)))] if draw(st.booleans()) else changed)


def opened(source: bytes, read: Callable[[bytes], Scan | Volume]) -> None:
    """A frame, or a refusal in one line: nothing else may come."""
    try:
        result = read(source)
        scan = result[len(result) // 2] if isinstance(result, Volume) else result
        assert scan.pixels.size and scan.pixels.dtype in (np.float32, np.uint8)
        if scan.affine is not None:
            assert np.isfinite(scan.affine).all()
    except InputError as problem:
        assert "\n" not in str(problem)


@MUTATIONS
@given(data=st.data())
def test_mutated_nifti(data: st.DataObject) -> None:
    source = mutated(data.draw, data.draw(st.sampled_from(seeds())), 544)
    looks_like_nifti(source)
    opened(source, read_nifti)


# --- pictures


@functools.cache
def pictures() -> list[bytes]:
    """Small ones of each format, several kinds of some."""
    found = []
    image = Image.fromarray(COLOUR)
    for form in ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "JPEG2000", "MPO"):
        stream = io.BytesIO()
        image.save(stream, form)
        found.append(stream.getvalue())
    for form in ("PNG", "TIFF", "WEBP", "GIF"):
        stream = io.BytesIO()
        image.save(stream, form, save_all=True, append_images=[Image.fromarray(255 - COLOUR)])
        found.append(stream.getvalue())
    deep = Image.fromarray(COLOUR[..., 0].astype(np.uint16))
    modes = [(image.convert(mode), form) for mode, form in (("CMYK", "JPEG"), ("CMYK", "TIFF"), ("P", "PNG"))]
    for special, form in (*modes, (image.convert("LA"), "PNG"), (image.convert("1"), "TIFF"), (deep, "PNG")):
        stream = io.BytesIO()
        special.save(stream, form)
        found.append(stream.getvalue())
    for options in ({"compression": "zlib", "tile": (16, 16)}, {"compression": "lzw", "bigtiff": True}):
        stream = io.BytesIO()
        tifffile.imwrite(stream, COLOUR, photometric="rgb", **options)
        found.append(stream.getvalue())
    return found


@MUTATIONS
@given(data=st.data())
def test_mutated_pictures(data: st.DataObject) -> None:
    source = mutated(data.draw, data.draw(st.sampled_from(pictures())), 400)
    opened(source, read_image)


def tiff_claiming(**tags: int) -> bytes:
    """A TIFF of one directory. tags: numbers by t256 (width) and so on; strips of nothing."""
    entries = sorted((int(name[1:]), value) for name, value in tags.items())
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries)) + body + struct.pack("<I", 0) + bytes(64)


GREY_TIFF = {"t258": 8, "t259": 1, "t262": 1, "t273": 150, "t277": 1, "t278": 1, "t279": 8}


def test_a_tiff_that_claims_terabytes() -> None:
    refused("at most 89,478,485", read_image, tiff_claiming(t256=80_000, t257=2_000, **GREY_TIFF))
    refused("", read_image, tiff_claiming(t256=2**31, t257=2**31, **GREY_TIFF))
    refused("", read_image, tiff_claiming(t256=9_000, t257=9_000, **GREY_TIFF))  # allowed, but nothing is there


def test_tiff_directories_in_a_circle() -> None:
    circle = bytearray(tiff_claiming(t256=4, t257=2, **GREY_TIFF))
    count = struct.unpack_from("<H", circle, 8)[0]
    struct.pack_into("<I", circle, 10 + 12 * count, 8)
    opened(bytes(circle), read_image)


def test_a_png_whose_text_inflates_without_end() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    stream = io.BytesIO()
    Image.fromarray(COLOUR).save(stream, "PNG")
    plain = stream.getvalue()
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(64 * MEGABYTE)))
    opened(plain[:33] + bomb * 8 + plain[33:], read_image)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "JPEG2000", "MPO"])
def test_truncated_pictures(form: str) -> None:
    stream = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(stream, form)
    refused("", read_image, stream.getvalue()[:600])


def test_the_next_file_goes_on() -> None:
    refused("", read_image, b"\x89PNG\r\n\x1a\n" + bytes(40))
    scan = read_image(pictures()[0])
    assert isinstance(scan, Scan) and np.array_equal(scan.pixels, COLOUR)


# --- slides


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_slides(data: st.DataObject, tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        for factor in (1, 4):
            level = np.full((64 // factor, 64 // factor, 3), 200, np.uint8)
            writer.write(level, photometric="rgb", tile=(16, 16), description="Aperio\n|MPP = 0.5", metadata=None)
    path = tmp_path / "slide"
    path.write_bytes(mutated(data.draw, stream.getvalue(), 900))
    looks_like_slide(path)
    opened(path.read_bytes(), lambda _: open_slide(path).thumbnail(32))


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_tiff_with_fewer_strips_than_rows(planar: str) -> None:
    """Found by mutations: a height of thousands over one strip came out black, without a word."""
    stream = io.BytesIO()
    pixels = COLOUR if planar == "contig" else COLOUR.transpose(2, 0, 1)
    tifffile.imwrite(stream, pixels, rowsperstrip=4, photometric="rgb", planarconfig=planar)
    whole = stream.getvalue()
    scan = read_image(whole)
    assert isinstance(scan, Scan) and np.array_equal(scan.pixels, COLOUR)
    length = whole.index(struct.pack("<HHII", 257, 4, 1, 12))  # ImageLength
    planes = 1 if planar == "contig" else 3
    taller = whole[: length + 8] + struct.pack("<I", 40) + whole[length + 12 :]
    refused(f"{3 * planes} strips in a TIFF; expected {10 * planes}", read_image, taller)
