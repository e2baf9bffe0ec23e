"""Folders, ZIP archives and DICOMDIRs: everything is listed or counted, nothing leaks, nothing stops the rest."""

from __future__ import annotations

import logging
import os
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nibabel import Nifti1Image
from PIL import Image
from pydicom import datadict, dcmread
from pydicom.data import get_testdata_file

from data_adapters import FileScan, archive, catalogue, read
from data_adapters.catalogue import Catalogue
from medfly.types import InputError, Scan, Volume

Make = Callable[..., Any]
REAL = Path(str(get_testdata_file("CT_small.dcm", download=False))).parent / "dicomdirtests"
SMALL = np.zeros((4, 6), np.uint16)
SLICE = np.zeros((200, 300), np.uint16)  # more than is read of a file for its header
PLANTED = "Zyxwvut"


def contents(found: Catalogue) -> list[tuple[str, str]]:
    """What every series is called and holds."""
    return [(series.label, "\n".join(file.content_hash for file in series.files)) for series in found.series]


def counted(found: Catalogue) -> int:
    """Files that are in a series or counted as passed over for what they hold."""
    not_opened = ("hidden file or folder", "link to a folder that was seen already", "broken link, pipe or device")
    skipped = sum(count for reason, count in found.skipped.items() if reason not in not_opened)
    return skipped + sum(len(series.files) for series in found.series)


@pytest.fixture
def slices(tmp_path: Path, make_dataset: Make) -> Path:
    """A folder with a CT of three slices, in a folder of its own."""
    folder = tmp_path / "scans" / "ct"
    folder.mkdir(parents=True)
    for number in range(3):
        place = {"ImagePositionPatient": [0, 0, number], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        uids = {"SOPInstanceUID": f"1.2.1.{number}", "SeriesInstanceUID": "1.2.1", "StudyInstanceUID": "1.2"}
        dataset = make_dataset(SLICE + number, Modality="CT", PixelSpacing=[1, 1], **place, **uids)
        dataset.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return folder.parent


def zipped(folder: Path, path: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for one in sorted(folder.rglob("*")):
            if one.is_file():
                file.write(one, one.relative_to(folder))
    return path


# --- what is found


def test_a_real_folder() -> None:
    found = catalogue(REAL)
    datasets = [dcmread(path) for path in REAL.glob("*/*/*") if path.is_file() and path.parts[-3] != "TINY_ALPHA"]
    assert len(found.patients) == len({dataset.PatientID for dataset in datasets}) == 2
    assert len(found.studies) == len({dataset.StudyInstanceUID for dataset in datasets}) == 6
    assert {study.uid for study in found.studies} == {dataset.StudyInstanceUID for dataset in datasets}
    assert sum(len(series.files) for series in found.series) == len(datasets)
    assert counted(found) == found.files == sum(path.is_file() for path in REAL.rglob("*"))
    by_label = {series.label: series for series in found.series}
    ct = by_label["patient 2 / study 1 / series 3 CT 5 images"]
    assert (ct.order, ct.gap, ct.size, ct.body_part) == ("space", pytest.approx(2.5), (16, 16), None)
    assert by_label["patient 2 / study 1 / series 1 CT localiser 1 image"].localiser
    assert all(isinstance(series.open(), Scan if series.images == 1 else Volume) for series in found.series)


def test_a_dicomdir_gives_what_its_folder_gives() -> None:
    folder, records = catalogue(REAL), catalogue(REAL / "DICOMDIR")
    assert sorted(digests for _, digests in contents(records)) == sorted(digests for _, digests in contents(folder))
    assert records.skipped == {}
    tiny = catalogue(REAL / "TINY_ALPHA" / "DICOMDIR")  # fifty images without pixels
    assert tiny.series == () and tiny.skipped == {"no image in CT Image Storage": 50}


@pytest.mark.filterwarnings("ignore:.*Invalid value for VR CS")  # meant
def test_what_a_dicomdir_names_in_vain(tmp_path: Path) -> None:
    shutil.copytree(REAL, tmp_path / "media")
    path = tmp_path / "media" / "DICOMDIR"
    shutil.copy(REAL / "77654033" / "CR1" / "6154", tmp_path / "outside")
    os.remove(tmp_path / "media" / "77654033" / "CR2" / "6247")
    (tmp_path / "media" / "98892003").rename(tmp_path / "media" / "98892003x")
    shutil.copytree(tmp_path / "media" / "98892003x", tmp_path / "media" / "98892003")
    dataset = dcmread(path)
    images = [record for record in dataset.DirectoryRecordSequence if "ReferencedFileID" in record]
    names = ["..", "outside"], [str(tmp_path / "outside")], ["a/../..", "outside"]
    for record, name in zip(images, names, strict=False):
        record.ReferencedFileID = name
    images[3].RecordInUseFlag = 0
    dataset.save_as(path)
    found = catalogue(path)
    assert found.skipped["DICOMDIR names a file outside its folder"] == 3
    hashes = "".join(digests for _, digests in contents(found))
    assert FileScan(tmp_path / "outside").content_hash not in hashes
    del dataset.DirectoryRecordSequence
    dataset.save_as(path)
    assert catalogue(path).series == ()


def test_missing_files_and_small_letters_of_a_dicomdir(tmp_path: Path) -> None:
    for path in REAL.glob("[79]*/*/*"):
        target = tmp_path / str(path.relative_to(REAL)).lower()
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    os.remove(tmp_path / "77654033" / "cr2" / "6247")
    shutil.copy(REAL / "DICOMDIR", tmp_path)
    found = catalogue(tmp_path / "DICOMDIR")
    assert found.skipped == {"DICOMDIR names a file that is missing": 1}
    assert found.files == 30


def test_a_zip_gives_what_its_folder_gives(tmp_path: Path) -> None:
    path = zipped(REAL, tmp_path / "real.bin")
    found, folder = catalogue(path), catalogue(REAL)
    assert contents(found) == contents(folder)
    assert found.skipped == folder.skipped and counted(found) == found.files
    place = next(index for index, series in enumerate(found.series) if series.images == 5)
    volume = found.series[place].open()
    assert isinstance(volume, Volume)
    again = pickle.loads(pickle.dumps(volume))
    for one, other in zip(again, folder.series[place].open(), strict=True):  # type: ignore[arg-type]
        assert np.array_equal(one.pixels, other.pixels) and one.affine == pytest.approx(other.affine)


def test_every_kind_of_file_is_listed(slices: Path, tmp_path: Path) -> None:
    Image.new("L", (6, 4)).save(slices / "picture.dcm", "PNG")
    Image.new("RGB", (6, 4)).save(slices / "b.tif", save_all=True, append_images=[Image.new("RGB", (6, 4))])
    Nifti1Image(np.zeros((4, 5, 3), np.int16), np.eye(4)).to_filename(slices / "brain.nii.gz")
    (slices / "report.txt").write_text("a report")
    (slices / "empty").touch()
    zipped(slices / "ct", slices / "more.zip")
    found = catalogue(slices)
    labels = ["patient 1 / study 1 / series 1 CT 3 images", "picture 1", "NIfTI 1", "picture 2"]
    assert [series.label for series in found.series] == labels
    opened = [series.open() for series in found.series]
    assert [len(one) if isinstance(one, Volume) else 1 for one in opened] == [3, 2, 3, 1]
    assert [len(series.loaders()) for series in found.series] == [3, 2, 3, 1]
    expected = ["ZIP archive (name it to look into it)", "empty file", "file of no known kind"]
    assert sorted(found.skipped) == expected and set(found.skipped.values()) == {1}
    assert counted(found) == found.files == 9
    inside = catalogue(zipped(slices, tmp_path / "all.zip"))
    assert [series.label for series in inside.series] == labels
    assert [len(series.loaders()) for series in inside.series] == [3, 2, 3, 1]
    assert inside.skipped == found.skipped


def test_a_single_file_is_a_catalogue_of_one() -> None:
    path = REAL / "77654033" / "CR1" / "6154"
    found = catalogue(path)
    assert len(found.series) == 1 and found.series[0].loaders()[0]().input_hash == FileScan(path).content_hash


def test_reading_a_collection_needs_one_series(slices: Path, tmp_path: Path) -> None:
    volume = read(slices)
    assert isinstance(volume, Volume) and (len(volume), volume.gap) == (3, 1.0)
    assert read(zipped(slices, tmp_path / "a.zip")).content_hash == volume.content_hash  # type: ignore[union-attr]
    assert isinstance(read(slices, frame=1), Scan)
    Image.new("L", (6, 4)).save(slices / "picture.png")
    with pytest.raises(InputError, match=r"found 2 series \(\[0\] patient 1 .* CT 3 images; \[1\] picture 1\)"):
        read(slices)
    with pytest.raises(InputError, match=r"choose: catalogue\(path\)\.series\[index\]\.open\(\)"):
        read(slices)
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "absent")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match="no file at all"):
        read(tmp_path / "nothing")


# --- folders


def test_links_in_a_circle_and_hidden_files(slices: Path, tmp_path: Path) -> None:
    (slices / "ct" / "up").symlink_to(slices)
    (slices / "self").symlink_to("self")
    outside = tmp_path / "outside"
    outside.mkdir()
    Image.new("L", (6, 4)).save(outside / "picture.png")
    (slices / "linked").symlink_to(outside)
    (slices / ".DS_Store").write_bytes(b"x")
    (slices / ".git").mkdir()
    (slices / ".git" / "config").touch()
    os.mkfifo(slices / "pipe")
    found = catalogue(slices)
    assert [series.kind for series in found.series] == ["dicom", "picture"]
    assert found.skipped == {
        "hidden file or folder": 2,
        "link to a folder that was seen already": 1,
        "broken link, pipe or device": 2,
    }


def test_a_damaged_file_stops_nothing(slices: Path, tmp_path: Path) -> None:
    whole = (slices / "ct" / "1.dcm").read_bytes()
    (slices / "ct" / "a.dcm").write_bytes(whole[:300])
    # Sequences within one another, deeper than Python's stack
    deep = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 2000
    (slices / "ct" / "b.dcm").write_bytes(whole[: 144 + int.from_bytes(whole[140:144], "little")] + deep)
    for path in (slices, zipped(slices, tmp_path / "a.zip")):
        found = catalogue(path)
        assert [series.images for series in found.series] == [3]
        assert found.skipped["a DICOM header that cannot be parsed (RecursionError)"] == 1
        assert counted(found) == found.files == 5
    first = slices / "ct" / "0.dcm"
    first.write_bytes(first.read_bytes()[:-10])  # the header is whole, the pixels are not
    volume = catalogue(slices).series[0].open()
    assert isinstance(volume, Volume)
    assert volume[2].pixels.shape == SLICE.shape
    with pytest.raises(InputError, match=r"^patient 1 / study 1 / series 1 CT 3 images, image 1: found"):
        list(volume)


def test_progress_and_interruption(slices: Path) -> None:
    calls: list[tuple[int, int | None]] = []
    catalogue(slices, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (3, 3) and (0, None) in calls
    assert [done for done, total in calls if total] == [0, 1, 2, 3]

    def stop(done: int, total: int | None) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        catalogue(slices, progress=stop)


def test_who_is_one_patient(tmp_path: Path, make_dataset: Make) -> None:
    people = [
        {"PatientID": "1", "PatientName": "A"},
        {"PatientID": "1", "PatientName": "B"},
        {"PatientID": "", "PatientName": "A", "PatientBirthDate": "19700101"},
        {"PatientID": "", "PatientName": "A", "PatientBirthDate": "19700101"},
        {"PatientID": "", "PatientName": ""},
        {"PatientID": "", "PatientName": ""},
    ]
    for number, person in enumerate(people):
        uids = {"StudyInstanceUID": f"1.{number}", "SOPInstanceUID": f"1.{number}.1"}
        make_dataset(SMALL, **uids, **person).save_as(tmp_path / f"{number}", enforce_file_format=True)
    found = catalogue(tmp_path)
    assert [len(patient.studies) for patient in found.patients] == [2, 2, 1, 1]


# --- archives


def test_names_in_an_archive_lead_nowhere(slices: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        for number, name in enumerate(("../../escaped.dcm", "/absolute.dcm", "..\\back.dcm")):
            file.writestr(name, (slices / "ct" / f"{number}.dcm").read_bytes())
        file.writestr("__MACOSX/._0.dcm", b"x")
        file.writestr(".hidden/1.dcm", b"x")
    before = sorted(tmp_path.rglob("*"))
    volume = read(path)
    assert isinstance(volume, Volume) and len([scan.pixels for scan in volume]) == 3
    assert sorted(tmp_path.rglob("*")) == before
    assert catalogue(path).skipped == {"hidden file or folder": 2}


def test_an_encrypted_archive_is_refused(slices: Path, tmp_path: Path) -> None:
    """Python writes none: the flag is set by hand, in the member's head and in the directory."""
    path = zipped(slices, tmp_path / "a.zip")
    data = bytearray(path.read_bytes())
    directory = data.find(b"PK\1\2")
    data[6] |= 1
    data[directory + 8] |= 1
    path.write_bytes(data)
    for call in (read, catalogue):
        with pytest.raises(InputError, match="an encrypted ZIP archive"):
            call(path)


def test_bombs_and_crowds_are_refused(slices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", bytes(65 * 1024**2))
    with pytest.raises(InputError, match=r"inflates 1,0..-fold"):
        catalogue(bomb)
    path = zipped(slices, tmp_path / "a.zip")
    monkeypatch.setattr(archive, "MAX_MEMBERS", 2)
    with pytest.raises(InputError, match="3 files of"):
        catalogue(path)
    monkeypatch.undo()
    monkeypatch.setattr(archive, "MAX_DIRECTORY_BYTES", 100)
    archive._cached.cache_clear()
    with pytest.raises(InputError, match="ZIP directory of"):
        catalogue(path)


def test_damaged_archives(slices: Path, tmp_path: Path) -> None:
    path = zipped(slices, tmp_path / "a.zip", zipfile.ZIP_STORED)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="cannot be opened"):
        catalogue(path)
    # One bit of a pixel: the checksum tells, for this slice only.
    place = data.find(struct.pack("<99H", *[1] * 99))
    path.write_bytes(data[:place] + b"\7" + data[place + 1 :])
    volume = catalogue(path).series[0].open()
    assert isinstance(volume, Volume)
    assert volume[0].pixels[0, 0] == 0 and volume[2].pixels[0, 0] == 2
    with pytest.raises(InputError, match="a damaged member of a ZIP archive"):
        _ = volume[1]
    with pytest.raises(InputError, match="found"):
        FileScan(path, member="absent")()


# --- patients' data


def test_no_text_of_a_file_is_shown(
    slices: Path, make_dataset: Make, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], recwarn: Any
) -> None:
    """A planted word in every text attribute of the dictionary, in file names and in a damaged file."""
    caplog.set_level(logging.DEBUG)
    for number in range(3):
        place = {"ImagePositionPatient": [0, 0, 2 * number], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        dataset = make_dataset(SMALL, Modality="CT", PixelSpacing=[1, 1], SOPInstanceUID=f"1.9.{number}", **place)
        for tag in datadict.DicomDictionary:
            group, vr = tag >> 16, datadict.dictionary_VR(tag)
            if group > 2 and vr in ("PN", "LO", "SH", "LT", "ST", "UT", "UC") and tag not in dataset:
                dataset.add_new(tag, vr, PLANTED)
        dataset.PatientName = PLANTED
        dataset.EchoTime = None
        dataset.add_new("InstanceNumber", "LO", PLANTED)  # where a number should be
        dataset.add_new("AcquisitionTime", "LO", PLANTED)
        dataset.save_as(slices / f"{PLANTED}{number}.dcm", enforce_file_format=True)
    data = (slices / f"{PLANTED}0.dcm").read_bytes()
    (slices / f"{PLANTED}3.dcm").write_bytes(data[: data.find(PLANTED.encode()) + 3])
    found = catalogue(slices)
    series = next(series for series in found.series if series.description == PLANTED)
    volume = series.open()
    assert isinstance(volume, Volume) and len(volume) == 3
    texts = [repr(found), str(found), repr(volume), *(note for scan in volume for note in scan.notes)]
    os.remove(series.files[0].path)
    for call in (lambda: read(slices), lambda: volume[0], lambda: volume.content_hash):
        with pytest.raises(InputError) as refused:
            call()
        texts.append(str(refused.value))
    captured = capfd.readouterr()
    texts += [caplog.text, captured.out, captured.err, *(str(warning.message) for warning in recwarn)]
    assert PLANTED in [patient.name for patient in found.patients]  # it was there to be leaked
    assert not any(PLANTED in text for text in texts)
