"""`read` and FileScan: chosen by content, one line for what cannot be read, picklable."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_adapters import FileScan, catalogue, read
from medfly.types import InputError, Scan, Volume

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "ramp.png"
    Image.fromarray(RAMP).save(path)
    return path


def test_content_decides_and_not_the_name(tmp_path: Path, picture: Path, make_dicom: Callable[..., bytes]) -> None:
    disguised = tmp_path / "disguised.png"
    disguised.write_bytes(make_dicom(RAMP, Modality="MR"))
    assert read(disguised).modality == "MR"
    renamed = picture.rename(tmp_path / "picture.dcm")
    assert np.array_equal(read(renamed).pixels, RAMP)


def test_str_path_and_bytes_agree(picture: Path) -> None:
    scans = [read(picture), read(str(picture)), read(picture.read_bytes())]
    assert {scan.input_hash for scan in scans} == {hashlib.sha256(picture.read_bytes()).hexdigest()}
    assert all(np.array_equal(scan.pixels, RAMP) for scan in scans)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    empty, text = tmp_path / "empty.dcm", tmp_path / "notes.txt"
    empty.touch()
    text.write_text("a report")
    os.mkfifo(tmp_path / "pipe")
    for path, words in [
        (tmp_path / "absent.png", "no such file"),
        (tmp_path, "found no image ("),
        (tmp_path / "pipe", "a pipe or device"),
        (empty, "an empty file"),
        (text, "no known image"),
        (Path("null\0byte"), "found"),
    ]:
        with pytest.raises(InputError) as refused:
            read(path)
        message = str(refused.value)
        assert message.startswith(repr(str(path))) and words in message and "\n" not in message
    with pytest.raises(InputError, match="bytes: found an empty file"):
        read(b"")


@pytest.mark.parametrize("frame", [-1, True, 1.5, "0"])
def test_odd_frames(picture: Path, frame: int) -> None:
    with pytest.raises(InputError, match="0-based"):
        read(picture, frame=frame)


def test_file_scan_opens_when_called(picture: Path) -> None:
    scan = FileScan(picture)
    assert np.array_equal(scan().pixels, RAMP)
    assert scan.content_hash == scan().input_hash == hashlib.sha256(picture.read_bytes()).hexdigest()
    copy = pickle.loads(pickle.dumps(scan))
    assert copy == scan and copy().input_hash == scan.content_hash
    with pytest.raises(dataclasses.FrozenInstanceError):
        scan.frame = 1  # type: ignore[misc]


def test_file_scan_hashes_once(picture: Path) -> None:
    scan = FileScan(picture)
    first = scan.content_hash
    picture.unlink()
    assert scan.content_hash == first
    assert hash(scan) == hash(FileScan(picture))
    with pytest.raises(InputError, match="no such file"):
        _ = FileScan(picture).content_hash
    with pytest.raises(InputError, match="no such file"):
        scan()


def test_file_scan_frame(tmp_path: Path) -> None:
    path = tmp_path / "pages.tif"
    Image.fromarray(RAMP).save(path, save_all=True, append_images=[Image.fromarray(RAMP[::-1].copy())])
    assert np.array_equal(FileScan(path, 1)().pixels, RAMP[::-1])


def test_a_file_in_an_archive(tmp_path: Path, picture: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(picture, "deep/down.png")
    scan = FileScan(path, member="deep/down.png")
    assert np.array_equal(scan().pixels, RAMP)
    assert scan.content_hash == scan().input_hash == FileScan(picture).content_hash
    assert pickle.loads(pickle.dumps(scan)) == scan != FileScan(path)
    with pytest.raises(InputError, match=r"a\.zip', member 'absent'"):
        FileScan(path, member="absent")()
    with pytest.raises(InputError, match="found a ZIP archive"):
        read(path.read_bytes())


def test_several_pages_are_a_volume(tmp_path: Path) -> None:
    path = tmp_path / "pages.tif"
    Image.fromarray(RAMP).save(path, save_all=True, append_images=[Image.fromarray(RAMP[::-1].copy())])
    volume, data = read(path), path.read_bytes()
    assert isinstance(volume, Volume) and (len(volume), volume.order) == (2, "pages")
    assert [scan.frame for scan in volume] == [0, 1]
    assert np.array_equal(volume[1].pixels, RAMP[::-1])
    assert volume.content_hash == read(data).content_hash  # type: ignore[union-attr]
    assert volume.loaders[1].content_hash == FileScan(path, 1).content_hash
    assert isinstance(read(path, frame=0), Scan) and isinstance(read(data, frame=0), Scan)


@pytest.mark.parametrize("packed", [False, True])
def test_pages_of_a_file_pickle_as_its_name(tmp_path: Path, packed: bool) -> None:
    """A DataLoader's workers each get the loaders: not the file's bytes along with every one."""
    noise = np.random.default_rng(0).integers(0, 256, (3, 200, 200), np.uint8)
    plain, archive = tmp_path / "pages.tif", tmp_path / "a.zip"
    Image.fromarray(noise[0]).save(plain, save_all=True, append_images=[Image.fromarray(page) for page in noise[1:]])
    with zipfile.ZipFile(archive, "w") as file:
        file.write(plain, "pages.tif")
    volume = catalogue(archive).series[0].open() if packed else read(plain)
    assert isinstance(volume, Volume) and len(pickle.dumps(volume)) < 5_000
    digest = hashlib.sha256(plain.read_bytes()).hexdigest()
    plain.rename(tmp_path / "gone.tif")
    assert [loader.content_hash for loader in volume.loaders] == [digest, f"{digest}#1", f"{digest}#2"]  # known already
    (tmp_path / "gone.tif").rename(plain)
    for number, loader in enumerate(pickle.loads(pickle.dumps(volume.loaders))):
        scan = loader()
        assert np.array_equal(scan.pixels, noise[number]) and (scan.frame, scan.input_hash) == (number, digest)


def test_the_frames_of_bytes_pickle_with_them(make_dicom: Callable[..., bytes]) -> None:
    data = make_dicom(np.stack([RAMP, RAMP + 1, RAMP + 2]), NumberOfFrames=3)
    volume = read(data)
    assert isinstance(volume, Volume) and volume.order == "pages"
    again = pickle.loads(pickle.dumps(volume))
    assert [scan.pixels[0, 0] for scan in again] == [0, 1, 2]
    assert {scan.input_hash for scan in again} == {hashlib.sha256(data).hexdigest()}


def test_a_label_hides_the_name() -> None:
    scan = FileScan("/data/Doe^Jane.dcm", 2, label="patient 1")
    assert repr(scan) == "FileScan(patient 1, frame=2)"
    assert scan == FileScan("/data/Doe^Jane.dcm", 2)
    with pytest.raises(InputError, match=r"^patient 1: found no such file"):
        scan()
