"""Slides against the arrays that their pyramids were written from."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, VLWholeSlideMicroscopyImageStorage
from skimage import data as real
from skimage.filters import threshold_otsu

from data_adapters import FileScan
from data_adapters.slide import _otsu, looks_like_slide, open_slide, tissue
from medfly.types import InputError

RNG = np.random.default_rng(0)
SIZE = (1536, 1280)  # (width, height): whole tiles on each level, so that JPEG has no edge to smear
APERIO = "Aperio Image Library v12.0\n1536x1280 (64x64) JPEG/RGB Q=95|AppMag = 20|MPP = {mpp}|Filename = Doe Jane"


def base() -> np.ndarray:
    """Tissue's colours without fine detail, so that JPEG and averaging keep them: [1280, 1600, 3]."""
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    return np.stack([x * 255 // SIZE[0], y * 255 // SIZE[1], (x + y) * 255 // sum(SIZE)], axis=-1).astype(np.uint8)


BASE = base()


def write(path: Path, pixels: np.ndarray, mpp: float | None = 0.5, factors: tuple[int, ...] = (1, 4, 16)) -> Path:
    """A pyramid as Aperio writes it (.svs by its description), each level the mean of level 0's pixels."""
    options: dict[str, Any] = {"photometric": "rgb", "metadata": None}
    description = APERIO.format(mpp=mpp) if mpp else APERIO.replace("|MPP = {mpp}", "")
    with tifffile.TiffWriter(path) as file:
        for factor in factors:
            height, width = pixels.shape[0] // factor, pixels.shape[1] // factor
            level = pixels[: height * factor, : width * factor].reshape(height, factor, width, factor, 3).mean((1, 3))
            jpeg = {"compression": "jpeg", "compressionargs": {"level": 95}}
            tile = (16, 16) if factor == 16 else (64, 64)
            file.write(level.round().astype(np.uint8), tile=tile, description=description, **jpeg, **options)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("slides") / "slide.bin", BASE)


def test_a_slide_says_what_it_is(path: Path) -> None:
    assert looks_like_slide(path)
    slide = open_slide(path)
    assert slide.size == SIZE and slide.microns_per_pixel == (0.5, 0.5)
    assert slide.input_hash == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_slide_is_hashed_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed, digest = [], hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *args: hashed.append(args) or digest(*args))
    copy = path.with_name("another.bin")
    copy.write_bytes(path.read_bytes())
    slide = open_slide(copy)
    assert not hashed  # not before it is asked for
    regions = [slide.region((0, 0, 64, 64)), open_slide(copy).region((64, 0, 128, 64)), FileScan(copy)()]
    assert {scan.input_hash for scan in regions} == {hashlib.sha256(path.read_bytes()).hexdigest()}
    assert len(hashed) == 1
    copy.write_bytes(path.read_bytes() + b"\0")
    assert slide.input_hash == hashlib.sha256(copy.read_bytes()).hexdigest()


def test_thumbnail(path: Path) -> None:
    slide = open_slide(path)
    scan = slide.thumbnail(384)
    assert scan.size == (384, 320) and scan.pixels.dtype == np.uint8
    expected = BASE.reshape(320, 4, 384, 4, 3).mean((1, 3))
    assert np.abs(scan.pixels - expected).max() <= 6  # JPEG
    assert scan.spacing == pytest.approx((0.002, 0.002))  # 2 µm
    (tile,) = scan.tiles
    assert (tile.frame, tile.box, tile.source) == (0, (0, 0, 384, 320), (0, 0, *SIZE))
    assert slide.thumbnail(9999).size == SIZE  # never enlarged
    assert scan.input_hash == slide.input_hash
    assert "Doe" not in repr(scan.notes) + repr(slide)


def mean_of(pixels: np.ndarray, box: tuple[float, ...], size: tuple[int, int]) -> np.ndarray:
    """Pillow's area average of level 0 itself: what any level should come to."""
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX, box), dtype=float)  # type: ignore[arg-type]


@pytest.mark.parametrize("microns", [0.5, 0.7, 1, 1.9, 2, 3, 8, 11])
def test_region_at_a_resolution(path: Path, microns: float) -> None:
    box = (201.5, 99.0, 1001.0, 899.25)
    scan = open_slide(path).region(box, microns)
    width, height = round((box[2] - box[0]) * 0.5 / microns), round((box[3] - box[1]) * 0.5 / microns)
    assert scan.size == (width, height)
    assert np.abs(scan.pixels - mean_of(BASE, box, (width, height))).max() <= 6
    exact = (box[2] - box[0]) * 0.5 / width
    assert scan.spacing is not None and scan.spacing[1] * 1000 == pytest.approx(exact)
    assert any(note.startswith(f"{exact:.4g} × ") and note.endswith("µm per pixel") for note in scan.notes)
    level = 0 if microns < 2 else 1 if microns < 8 else 2
    assert f"level {level} of the slide" in scan.notes
    assert scan.tiles[0].source == box and scan.tiles[0].box == (0, 0, width, height)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_level_0_coordinates_find_back(path: Path, data: st.DataObject) -> None:
    """Colours tell the place: any pixel of any region shows the level-0 pixel that its tile says."""
    x0, y0 = data.draw(st.floats(0, 1300)), data.draw(st.floats(0, 1100))
    box = (x0, y0, data.draw(st.floats(x0 + 40, 1536)), data.draw(st.floats(y0 + 40, 1280)))
    scan = open_slide(path).region(box, data.draw(st.floats(0.5, 6)))
    (tile,) = scan.tiles
    width, height = scan.size
    column, row = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    x = tile.source[0] + (column + 0.5) / width * (tile.source[2] - tile.source[0])
    y = tile.source[1] + (row + 0.5) / height * (tile.source[3] - tile.source[1])
    seen = scan.pixels[row, column].astype(int)
    assert np.abs(seen - (x * 255 / 1536, y * 255 / 1280, (x + y) * 255 / 2816)).max() <= 8


def test_bands_join_without_a_seam(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from data_adapters import slide

    box, size = [10.5, 20.25, 1510.5, 1220.25], [333, 251]
    _, whole = slide.area(b"", str(path), box, size)
    monkeypatch.setattr(slide, "BAND", 20_000)
    _, in_bands = slide.area(b"", str(path), box, size)
    assert np.abs(whole.astype(int) - in_bands).max() <= 1  # Pillow rounds its weights


def test_regions_are_cut_at_the_slides_edge(path: Path) -> None:
    slide = open_slide(path)
    scan = slide.region((1436, 1200, 1700, 1400))
    assert scan.size == (100, 80) and scan.tiles[0].source == (1436, 1200, 1536, 1280)
    assert np.abs(scan.pixels - BASE[1200:, 1436:].astype(int)).max() <= 6
    for box in ((1600, 0, 1700, 100), (-10, -10, 0, 0), (5, 5, 5, 9), (float("nan"), 0, 9, 9)):
        with pytest.raises(InputError, match="without a pixel"):
            slide.region(box)


def test_resolutions_that_the_slide_does_not_have(path: Path, tmp_path: Path) -> None:
    slide = open_slide(path)
    assert slide.region((0, 0, 100, 100), 0.49).spacing == pytest.approx((0.0005, 0.0005))  # as close as it has
    for finer in (0.25, 0, -1, float("nan")):
        with pytest.raises(InputError, match=r"0\.5 or more"):
            slide.region((0, 0, 100, 100), finer)
    unknown = open_slide(write(tmp_path / "unknown.svs", BASE, mpp=None))
    assert unknown.microns_per_pixel is None
    scan = unknown.region((0, 0, 100, 50))
    assert scan.spacing is None and scan.size == (100, 50) and "no µm per pixel stated" in scan.notes
    with pytest.raises(InputError, match="states no µm per pixel"):
        unknown.region((0, 0, 100, 100), 1)


def test_too_large_a_region(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from data_adapters import slide

    monkeypatch.setattr(slide, "MAX_PIXELS", 100_000)
    with pytest.raises(InputError, match="at most 100,000"):
        open_slide(path).region((0, 0, *SIZE))
    monkeypatch.setattr(slide, "MAX_READ", 1_000_000)
    with pytest.raises(InputError, match="to average"):
        slide.area(b"", str(write(tmp_path / "flat.svs", BASE, factors=(1,))), [0, 0, *SIZE], [40, 32])


def test_what_the_scanner_left_out_is_white(tmp_path: Path) -> None:
    """A tile of no bytes is transparent to OpenSlide."""
    file = write(tmp_path / "sparse.svs", np.zeros((512, 512, 3), np.uint8), factors=(1,))
    with tifffile.TiffFile(file, mode="r+") as tiff:
        counts = tiff.pages[0].tags["TileByteCounts"]  # type: ignore[union-attr]
        counts.overwrite((0, *counts.value[1:]))
    pixels = open_slide(file).region((0, 0, 512, 512)).pixels
    assert (pixels[:64, :64] == 255).all() and (pixels[64:] < 10).all()


def test_label_and_macro_are_never_shown(tmp_path: Path) -> None:
    """As Aperio writes them: pages in strips, the thumbnail after level 0, label and macro of kinds 1 and 9."""
    file = tmp_path / "labelled.svs"
    write(file, np.full((512, 512, 3), 200, np.uint8), factors=(1,))
    red = np.zeros((64, 96, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
    with tifffile.TiffWriter(file, append=True) as writer:
        for name, kind in (("thumbnail", 0), ("label", 1), ("macro", 9)):
            writer.write(red, photometric="rgb", description=f"Aperio\n{name} 96x64", subfiletype=kind, metadata=None)
    openslide = pytest.importorskip("openslide")
    assert set(openslide.OpenSlide(str(file)).associated_images) == {"thumbnail", "label", "macro"}
    slide = open_slide(file)
    for scan in (slide.thumbnail(), slide.region((0, 0, 512, 512))):
        assert np.abs(scan.pixels.astype(int) - 200).max() <= 2


# --- what is a slide


def test_pictures_are_no_slides(tmp_path: Path) -> None:
    small = RNG.integers(0, 256, (300, 300, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "plain.tif", small, photometric="rgb")
    tifffile.imwrite(tmp_path / "tiled.tif", small, photometric="rgb", tile=(128, 128))
    tifffile.imwrite(tmp_path / "deep.tif", small[..., 0].astype(np.uint16) * 200, tile=(128, 128))
    Image.fromarray(small).save(tmp_path / "picture.png")
    (tmp_path / "text.svs").write_text("no slide")
    (tmp_path / "empty.svs").write_bytes(b"")
    for file in tmp_path.iterdir():
        assert not looks_like_slide(file), file.name
    with pytest.raises(InputError, match="OpenSlide does not open"):
        open_slide(tmp_path / "text.svs")


def test_generic_pyramids_and_their_resolution(tmp_path: Path) -> None:
    file = tmp_path / "generic.tif"
    with tifffile.TiffWriter(file) as writer:
        for factor, per_centimetre in ((1, 40_000), (4, 10_000)):
            writer.write(
                BASE[::factor, ::factor],
                photometric="rgb",
                tile=(256, 256),
                subfiletype=int(factor > 1),
                resolution=(per_centimetre, per_centimetre),
                resolutionunit="CENTIMETER",
                metadata=None,
            )
    assert looks_like_slide(file)
    slide = open_slide(file)
    assert slide.microns_per_pixel == (0.25, 0.25)
    assert np.array_equal(slide.region((100, 200, 300, 300)).pixels, BASE[200:300, 100:300])  # lossless: exact


def test_dicom_slides(tmp_path: Path) -> None:
    """One level of JPEG tiles, TILED_FULL; OpenSlide takes further levels from the same folder."""
    file = dicom_slide(tmp_path / "a.dcm", BASE[:512, :512])
    assert looks_like_slide(file)
    slide = open_slide(file)
    assert slide.size == (512, 512) and slide.microns_per_pixel == (0.25, 0.25)
    scan = slide.region((100, 200, 400, 500), 0.5)
    assert scan.size == (150, 150)
    assert np.abs(scan.pixels - mean_of(BASE, (100, 200, 400, 500), (150, 150))).max() <= 6
    ordinary = get_testdata_file("CT_small.dcm", download=False)
    assert not looks_like_slide(Path(str(ordinary)))


def dicom_slide(path: Path, pixels: np.ndarray) -> Path:
    """The attributes that OpenSlide asks for (PS3.3 A.32.8), with tiles of 256 pixels."""
    slide = Dataset()
    slide.file_meta = FileMetaDataset()
    slide.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    slide.SOPClassUID = slide.file_meta.MediaStorageSOPClassUID = VLWholeSlideMicroscopyImageStorage
    slide.SOPInstanceUID = slide.file_meta.MediaStorageSOPInstanceUID = "2.25.1"
    slide.StudyInstanceUID, slide.SeriesInstanceUID, slide.FrameOfReferenceUID = "2.25.2", "2.25.3", "2.25.4"
    slide.Modality, slide.ImageType = "SM", ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    slide.Rows = slide.Columns = 256
    slide.TotalPixelMatrixRows, slide.TotalPixelMatrixColumns = pixels.shape[:2]
    slide.DimensionOrganizationType, slide.TotalPixelMatrixFocalPlanes = "TILED_FULL", 1
    slide.SamplesPerPixel, slide.PhotometricInterpretation, slide.PlanarConfiguration = 3, "YBR_FULL_422", 0
    slide.BitsAllocated, slide.BitsStored, slide.HighBit, slide.PixelRepresentation = 8, 8, 7, 0
    slide.NumberOfOpticalPaths, slide.OpticalPathSequence = 1, [Dataset()]
    slide.OpticalPathSequence[0].OpticalPathIdentifier = "1"
    measures = Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.00025, 0.00025], 0.001
    slide.SharedFunctionalGroupsSequence = [Dataset()]
    slide.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence = [measures]
    corners = [(y, x) for y in range(0, pixels.shape[0], 256) for x in range(0, pixels.shape[1], 256)]
    tiles = [imagecodecs.jpeg8_encode(pixels[y : y + 256, x : x + 256], level=95) for y, x in corners]
    slide.NumberOfFrames, slide.PixelData = len(tiles), encapsulate(tiles)
    slide["PixelData"].is_undefined_length = True
    slide.save_as(path, enforce_file_format=True)
    return path


def test_without_openslide_the_install_line(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openslide", None)  # as importlib sees a module that cannot be imported
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    named = tmp_path / "a.svs"
    named.write_bytes(b"II*\0")
    assert looks_like_slide(named) and not looks_like_slide(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r'pip install "medfly\[slides\]"'):
        open_slide(path)


# --- tissue


def test_tissue_of_real_sections() -> None:
    """scikit-image's immunohistochemistry, set on glass: found where it lies, and nowhere else."""
    section = real.immunohistochemistry()
    glass = np.clip(RNG.normal(243, 2, (700, 900, 3)), 0, 255).astype(np.uint8)
    glass[100:612, 200:712] = section
    found = tissue(glass)
    inside = np.zeros((700, 900), bool)
    inside[100:612, 200:712] = True
    assert found[inside].mean() > 0.5 and not found[~inside].any()
    pale = section.min(axis=2) > 225  # lumina and gaps in the section are glass
    assert not found[100:612, 200:712][pale].any()


def test_an_empty_slide_has_no_tissue_and_ink_drawn_round_it_counts() -> None:
    empty = np.clip(RNG.normal(240, 2, (200, 200, 3)), 0, 255).astype(np.uint8)
    assert tissue(empty).mean() < 0.01
    assert not tissue(np.full((9, 9, 3), 255, np.uint8)).any()
    image = Image.fromarray(empty)
    ImageDraw.Draw(image).rectangle((50, 50, 99, 99), fill=(200, 90, 160))
    found = tissue(np.asarray(image))
    assert found[50:100, 50:100].all() and found.sum() == 2500


@pytest.mark.parametrize("picture", ["immunohistochemistry", "retina", "coffee"])
def test_otsu_is_scikit_images(picture: str) -> None:
    pixels = getattr(real, picture)()
    chroma = pixels.max(axis=2) - pixels.min(axis=2)
    assert _otsu(chroma) == threshold_otsu(chroma)
