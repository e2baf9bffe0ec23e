"""Every transfer syntax against something that is no codec of ours.

The picture that was compressed, another implementation, or a twin that the publisher of the file decompressed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydicom import uid
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, generate_frames, get_frame
from pydicom.pixels import pack_bits

from data_adapters import read
from data_adapters.dicom.codecs import DECODERS, codestream_size
from medfly.types import InputError

Make = Callable[..., Any]
Encode = Callable[[np.ndarray, int], bytes]


def real(name: str) -> Path:
    return Path(str(get_testdata_file(name, download=False)))


def picture(bits: int, signed: bool = False, colour: bool = False) -> np.ndarray:
    """[48, 80] or [48, 80, 3], smooth, of the whole range of so many bits."""
    y, x = np.mgrid[:48, :80]
    values = np.rint((np.sin(x / 9) + np.cos(y / 7) + 2) / 4 * (2**bits - 1)).astype(int)
    if colour:
        values = np.stack([values, values[::-1], values[:, ::-1]], axis=-1)
    return (values - 2 ** (bits - 1) * signed).astype(f"{'i' if signed else 'u'}{1 if bits <= 8 else 2}")


def raw(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Two's complement in so many bits, as the codecs that know no sign store it."""
    return pixels.view(f"u{pixels.itemsize}") & (2**bits - 1)


@pytest.fixture(scope="module")
def compressed(make_dataset: Make, to_bytes: Make) -> Make:
    """compressed(pixels, bits, syntax, codestream, **attributes) → the bytes of a file."""

    def make(pixels: np.ndarray, bits: int, syntax: str, stream: bytes, **attributes: Any) -> bytes:
        colour = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
        dataset = make_dataset(
            pixels[..., 0] if pixels.ndim == 3 else pixels,
            **{"BitsStored": bits, "HighBit": bits - 1, **(colour if pixels.ndim == 3 else {}), **attributes},
        )
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.PixelData = encapsulate([stream])
        dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
        return to_bytes(dataset)

    return make


def lossless_jpeg(predictor: int) -> Encode:
    return lambda pixels, bits: imagecodecs.jpeg8_encode(
        raw(pixels, bits), lossless=True, predictor=predictor, bitspersample=bits
    )


# OpenJPH, CharLS and libjpeg-turbo's encoder. HTJ2K is decoded by OpenJPEG.
LOSSLESS: dict[str, tuple[uid.UID, Encode]] = {
    "HTJ2K lossless": (uid.HTJ2KLossless, lambda pixels, _: imagecodecs.htj2k_encode(pixels, reversible=True)),
    "HTJ2K RPCL": (uid.HTJ2KLosslessRPCL, lambda pixels, _: imagecodecs.htj2k_encode(pixels, reversible=True)),
    "HTJ2K": (uid.HTJ2K, lambda pixels, _: imagecodecs.htj2k_encode(pixels, reversible=True)),
    "JPEG 2000": (
        uid.JPEG2000Lossless,
        lambda pixels, bits: imagecodecs.jpeg2k_encode(pixels, reversible=True, codecformat="j2k", bitspersample=bits),
    ),
    "JPEG-LS": (uid.JPEGLSLossless, lambda pixels, _: imagecodecs.jpegls_encode(pixels.view(f"u{pixels.itemsize}"))),
    "JPEG lossless SV1": (uid.JPEGLosslessSV1, lossless_jpeg(1)),
    "JPEG lossless P14": (uid.JPEGLossless, lossless_jpeg(6)),
}
KINDS = [(8, False, False), (8, False, True), (12, False, False), (12, True, False), (16, True, False)]
KINDS += [(16, False, False), (12, False, True), (16, False, True)]


@pytest.mark.parametrize(("bits", "signed", "colour"), KINDS)
@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_gives_the_picture_back(compressed: Make, name: str, bits: int, signed: bool, colour: bool) -> None:
    syntax, encode = LOSSLESS[name]
    pixels = picture(bits, signed, colour)
    scan = read(compressed(pixels, bits, syntax, encode(pixels, bits)))
    assert np.array_equal(scan.pixels, pixels >> (bits - 8) if colour else pixels)
    assert f"decoded by {DECODERS[syntax]}" in scan.notes


@pytest.mark.parametrize("bits", range(2, 17))
def test_lossless_jpeg_of_any_predictor_and_depth(compressed: Make, bits: int) -> None:
    pixels = picture(bits)
    for predictor in range(1, 8):
        stream = lossless_jpeg(predictor)(pixels, bits)
        assert np.array_equal(imagecodecs.jpegsof3_decode(stream), pixels)  # another implementation
        assert np.array_equal(read(compressed(pixels, bits, uid.JPEGLossless, stream)).pixels, pixels)


@pytest.mark.parametrize(
    ("syntax", "bits", "colour", "encode", "tolerance"),
    [
        (uid.JPEGBaseline8Bit, 8, False, lambda pixels: imagecodecs.jpeg8_encode(pixels, level=100), 1),
        (uid.JPEGExtended12Bit, 8, False, lambda pixels: imagecodecs.jpeg8_encode(pixels, level=100), 1),
        (uid.JPEGExtended12Bit, 12, False, lambda p: imagecodecs.jpeg8_encode(p, level=100, bitspersample=12), 1),
        (uid.JPEGLSNearLossless, 8, False, lambda pixels: imagecodecs.jpegls_encode(pixels, level=2), 2),
        (uid.JPEGLSNearLossless, 16, False, lambda pixels: imagecodecs.jpegls_encode(pixels, level=2), 2),
        (uid.HTJ2K, 12, False, lambda p: imagecodecs.htj2k_encode(p, reversible=False, level=1e-4), 8),
        (uid.JPEG2000, 12, False, lambda p: imagecodecs.jpeg2k_encode(p, 80, codecformat="j2k", bitspersample=12), 4),
    ],
)
def test_lossy_comes_close(
    compressed: Make, syntax: uid.UID, bits: int, colour: bool, encode: Callable[[np.ndarray], bytes], tolerance: int
) -> None:
    pixels = picture(bits, colour=colour)
    scan = read(compressed(pixels, bits, syntax, encode(pixels)))
    assert np.abs(scan.pixels - pixels.astype(float)).max() <= tolerance
    assert any(note.startswith("lossy compression") for note in scan.notes)
    assert f"decoded by {DECODERS[syntax]}" in scan.notes


def test_12_bit_jpeg_has_the_published_values() -> None:
    """pydicom's own tests expect these two, which another decoder (libjpeg of the JPEG committee) gave."""
    for name in ("JPGExtended.dcm", "JPEG-lossy.dcm"):
        pixels = read(real(name)).pixels
        assert (pixels[420, 140], pixels[230, 120]) == (244, 95)
    # The same picture without loss; the difference is that of the compression.
    assert np.abs(read(real("JPEG-LL.dcm")).pixels - pixels).mean() < 3


@pytest.mark.parametrize("name", ["JPEG-LL.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm", "bad_sequence.dcm"])
def test_lossless_jpeg_of_the_packages_against_another_implementation(name: str) -> None:
    dataset = pydicom.dcmread(real(name))
    stored = imagecodecs.jpegsof3_decode(get_frame(dataset.PixelData, 0, number_of_frames=1))
    stored = stored.view(f"i{stored.itemsize}") if dataset.PixelRepresentation else stored
    expected = stored * float(dataset.get("RescaleSlope", 1)) + float(dataset.get("RescaleIntercept", 0))
    assert np.array_equal(read(real(name)).pixels, expected)


# The same image, compressed and not, as published. dcmd: decompressed by DCMTK, which is no decoder of ours.
TWINS = {
    "MR_small_RLE.dcm": ("MR_small.dcm", 0),
    "MR_small_jp2klossless.dcm": ("MR_small.dcm", 0),
    "MR_small_jpeg_ls_lossless.dcm": ("MR_small.dcm", 0),
    "MR_small_bigendian.dcm": ("MR_small.dcm", 0),
    "MR_small_implicit.dcm": ("MR_small.dcm", 0),
    "emri_small_RLE.dcm": ("emri_small.dcm", 0),
    "emri_small_jpeg_2k_lossless.dcm": ("emri_small.dcm", 0),
    "emri_small_jpeg_ls_lossless.dcm": ("emri_small.dcm", 0),
    "emri_small_big_endian.dcm": ("emri_small.dcm", 0),
    "rtdose_rle.dcm": ("rtdose.dcm", 0),
    "OBXXXX1A_rle_2frame.dcm": ("OBXXXX1A_2frame.dcm", 0),
    "OBXXXX1A_expb_2frame.dcm": ("OBXXXX1A_2frame.dcm", 0),
    "SC_rgb_rle_2frame.dcm": ("SC_rgb_2frame.dcm", 0),
    "SC_rgb_rle_16bit_2frame.dcm": ("SC_rgb_16bit_2frame.dcm", 0),
    "SC_rgb_rle_32bit_2frame.dcm": ("SC_rgb_32bit_2frame.dcm", 0),
    "SC_rgb_expb_32bit_2frame.dcm": ("SC_rgb_32bit_2frame.dcm", 0),
    "SC_rgb_jpeg_gdcm.dcm": ("SC_rgb.dcm", 0),
    "SC_rgb_gdcm_KY.dcm": ("SC_rgb_gdcm2k_uncompressed.dcm", 0),
    "SC_rgb_dcmtk_+eb+cr.dcm": ("SC_rgb_dcmtk_ebcr_dcmd.dcm", 0),
    "SC_rgb_dcmtk_+eb+cy+n1.dcm": ("SC_rgb_dcmtk_ebcyn1_dcmd.dcm", 3),
    "SC_rgb_dcmtk_+eb+cy+n2.dcm": ("SC_rgb_dcmtk_ebcyn2_dcmd.dcm", 3),
    "SC_rgb_dcmtk_+eb+cy+np.dcm": ("SC_rgb_dcmtk_ebcynp_dcmd.dcm", 3),
    "SC_rgb_dcmtk_+eb+cy+s2.dcm": ("SC_rgb_dcmtk_ebcys2_dcmd.dcm", 3),
    "SC_rgb_dcmtk_+eb+cy+s4.dcm": ("SC_rgb_dcmtk_ebcys4_dcmd.dcm", 3),
    "693_J2KR.dcm": ("693_UNCR.dcm", 0),
    "MR2_J2KR.dcm": ("MR2_UNCR.dcm", 0),
    "RG3_J2KR.dcm": ("RG3_UNCR.dcm", 0),
    "US1_J2KR.dcm": ("US1_UNCR.dcm", 0),
    "MR2_J2KI.dcm": ("MR2_UNCI.dcm", 1),
    "RG3_J2KI.dcm": ("RG3_UNCI.dcm", 1),
    "US1_J2KI.dcm": ("US1_UNCI.dcm", 1),
    "JPEG2000.dcm": ("JPEG2000_UNC.dcm", 1),
    "color-pl.dcm": ("color-px.dcm", 0),  # planar configuration 1 and 0
    "liver_expb_1frame.dcm": ("liver_1frame.dcm", 0),  # 1 bit a pixel
    "gdcm-US-ALOKA-16_big.dcm": ("gdcm-US-ALOKA-16.dcm", 0),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TWINS)
def test_twins_agree(name: str) -> None:
    twin, tolerance = TWINS[name]
    last = int(pydicom.dcmread(real(twin), stop_before_pixels=True).get("NumberOfFrames", 1)) - 1
    for frame in {0, last}:
        one, other = read(real(name), frame=frame), read(real(twin), frame=frame)
        assert one.pixels.shape == other.pixels.shape
        assert np.abs(one.pixels.astype(float) - other.pixels).max() <= tolerance


def test_jpeg_2000_that_forgot_its_sign() -> None:
    """Pixel Representation 1, BitsStored 13, and a codestream that says unsigned: PS3.5 8.2.4 wants them to agree."""
    dataset = pydicom.dcmread(real("J2K_pixelrep_mismatch.dcm"))
    stored = imagecodecs.jpeg2k_decode(get_frame(dataset.PixelData, 0, number_of_frames=1)).astype(int)
    assert dataset.PixelRepresentation == 1 and stored.min() >= 0
    expected = np.where(stored >= 2**12, stored - 2**13, stored)
    expected = expected * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    assert np.array_equal(read(real("J2K_pixelrep_mismatch.dcm")).pixels, expected)


@pytest.mark.parametrize("name", ["JPEG-LS", "JPEG 2000", "HTJ2K lossless"])
@pytest.mark.parametrize("extended", [False, True])
def test_sign_of_12_bits_in_a_codestream_of_16(compressed: Make, name: str, extended: bool) -> None:
    """The codestream names no sign, or the wrong one; Pixel Representation and Bits Stored do (PS3.5 8.1.1).

    extended: the unused bits repeat the sign, or are 0.
    """
    syntax, encode = LOSSLESS[name]
    pixels = picture(12, signed=True)
    words = pixels.view(np.uint16) if extended else raw(pixels, 12)
    assert np.array_equal(read(compressed(pixels, 12, syntax, encode(words, 16))).pixels, pixels)


def test_one_bit_a_pixel(make_dicom: Make) -> None:
    bits = np.random.default_rng(0).integers(0, 2, (2, 5, 7), np.uint8)  # frames that begin within a byte
    data = make_dicom(bits, NumberOfFrames=2, BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=pack_bits(bits))
    for frame in (0, 1):
        assert np.array_equal(read(data, frame=frame).pixels, bits[frame])


def test_deflated(make_dicom: Make) -> None:
    pixels = picture(16, signed=True)
    plain = make_dicom(pixels)
    start = 132 + 12 + struct.unpack_from("<I", plain, 140)[0]
    squeezer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    head = make_dicom(pixels, syntax=uid.DeflatedExplicitVRLittleEndian)
    head = head[: 132 + 12 + struct.unpack_from("<I", head, 140)[0]]
    assert np.array_equal(read(head + squeezer.compress(plain[start:]) + squeezer.flush()).pixels, pixels)


@pytest.mark.parametrize("name", LOSSLESS)
def test_a_codestream_of_another_size_is_refused(compressed: Make, name: str) -> None:
    """The same number of pixels would otherwise pass, as a scrambled picture."""
    syntax, encode = LOSSLESS[name]
    pixels = picture(8)
    with pytest.raises(InputError, match="codestream of 80 × 48; expected 48 × 80 as in the header"):
        read(compressed(pixels, 8, syntax, encode(pixels, 8), Rows=80, Columns=48))


@pytest.mark.parametrize("name", [*LOSSLESS, "JPEG baseline", "JPEG 12 bit"])
@pytest.mark.parametrize("share", [0.5, 0.98])
def test_half_a_codestream_is_refused(compressed: Make, name: str, share: float) -> None:
    bits = 12 if name == "JPEG 12 bit" else 8
    pixels = picture(bits)
    syntax, encode = LOSSLESS.get(
        name,
        (
            uid.JPEGBaseline8Bit if bits == 8 else uid.JPEGExtended12Bit,
            lambda pixels, bits: imagecodecs.jpeg8_encode(pixels, level=100, bitspersample=bits),
        ),
    )
    stream = encode(pixels, bits)
    with pytest.raises(InputError, match=f"{DECODERS[syntax]} cannot decode|data that are cut short"):
        read(compressed(pixels, bits, syntax, stream[: int(len(stream) * share)]))


@pytest.mark.filterwarnings("ignore")
def test_codestream_size_of_every_compressed_package_file(package_files: dict[str, Path]) -> None:
    found = 0
    for name, path in package_files.items():
        if path.suffix != ".dcm" or name == "JPEG2000-embedded-sequence-delimiter.dcm":
            continue
        dataset = pydicom.dcmread(path, force=True)
        syntax = getattr(dataset, "file_meta", dataset).get("TransferSyntaxUID")
        if syntax not in DECODERS or syntax == uid.RLELossless or "PixelData" not in dataset:
            continue
        frames = list(generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames", 1))))
        assert {codestream_size(frame, syntax) for frame in frames} == {(dataset.Columns, dataset.Rows)}
        found += 1
    assert found >= 25


@given(st.binary(max_size=100), st.sampled_from([*DECODERS]))
@example(b"\xff\xd8\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", uid.JPEGBaseline8Bit)
@example(b"\xff\xd8" + b"\xff\xe0\0\0" * 20, uid.JPEGBaseline8Bit)
def test_codestream_size_of_noise(noise: bytes, syntax: uid.UID) -> None:
    size = codestream_size(noise, syntax)
    assert size is None or len(size) == 2
