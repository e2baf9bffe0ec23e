"""What two sets share, on pictures made for it and on the real ones."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from scipy.ndimage import gaussian_filter

from data_adapters.leakage import NEAR_BITS, NEAR_CORRELATION, Part, Print, fingerprint, fingerprints, leakage, words
from data_adapters.source import FileScan
from medfly.types import Sample

REAL = Path(__file__).parents[3] / "shared" / "datasets"


def scene(seed: int, size: tuple[int, int] = (240, 200)) -> Image.Image:
    """Smooth blobs, as pictures of bodies have them."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=size), 12)
    return Image.fromarray(np.uint8(255 * (noise - noise.min()) / np.ptp(noise)))


def part(folder: Path, where: str, images: dict[str, Image.Image | bytes], **questions: tuple[str, str]) -> Part:
    """A split with one question a picture: "Is it clear?" "Yes" unless `questions` says otherwise."""
    samples = []
    for name, image in images.items():
        path = folder / where / name
        path.parent.mkdir(exist_ok=True)
        if isinstance(image, bytes):
            path.write_bytes(image)
        else:
            image.save(path)
        asked, answer = questions.get(name.partition(".")[0], ("Is it clear?", "Yes"))
        samples.append(Sample(len(samples), name, asked, FileScan(path), answer))
    return Part(where, samples, fingerprints({sample.image: sample.scan for sample in samples}))


def found(a: Part, b: Part) -> dict[str, tuple[int, tuple[str, ...]]]:
    return {finding.kind: (finding.count, finding.examples) for finding in leakage(a, b)}


def test_the_three_stages_and_the_questions(tmp_path: Path) -> None:
    scenes = [scene(i) for i in range(6)]
    jpeg = io.BytesIO()
    scenes[2].resize((300, 360)).save(jpeg, "JPEG", quality=60)
    train = part(tmp_path, "train", {f"{i}.png": scenes[i] for i in range(4)}, b=("Other?", "No"))
    test = part(
        tmp_path,
        "test",
        {
            "a.png": (tmp_path / "train/0.png").read_bytes(),
            "b.png": scenes[1].convert("RGB"),  # other bytes, and grey stored as colour
            "c.jpg": jpeg.getvalue(),
            "d.png": scenes[4],
            "e.png": scenes[5],
        },
        a=("is it CLEAR", "yes."),
        b=("Is it clear?", "No"),
    )
    assert found(train, test) == {
        "same_file": (1, ("a.png",)),
        "same_pixels": (1, ("b.png",)),
        "near_duplicate": (1, ("c.jpg",)),
        "same_question": (2, ("0", "2")),  # not b's: another answer
    }
    clean = part(tmp_path, "clean", {"d.png": scenes[4], "e.png": scenes[5]})
    assert found(train, clean) == {}
    where = {(finding.where, finding.severity) for finding in leakage(train, test)}
    assert where == {("test", "error")}
    assert {finding.severity for finding in leakage(train, test, "warning")} == {"warning"}


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.resize((120, 100)),
        lambda image: image.resize((224, 224)),
        lambda image: ImageEnhance.Brightness(image).enhance(0.8),
        lambda image: ImageEnhance.Contrast(image).enhance(1.2),
        lambda image: image.point([int(255 * (i / 255) ** 0.8) for i in range(256)]),
    ],
    ids=["half", "square", "darker", "contrast", "gamma"],
)
def test_copies_are_found(tmp_path: Path, change: Callable[[Image.Image], Image.Image]) -> None:
    train = part(tmp_path, "train", {"a.png": scene(0)})
    assert set(found(train, part(tmp_path, "test", {"b.png": change(scene(0))}))) == {"near_duplicate", "same_question"}


def test_upright_pixels_and_dicom_count_as_shown(tmp_path: Path, make_dicom: Callable[..., bytes]) -> None:
    """A photograph turned by its EXIF tag, and a DICOM file beside its export."""
    turned = scene(1).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise
    stream = io.BytesIO()
    turned.save(stream, "PNG", exif=exif)
    values = np.asarray(scene(2)).astype(np.uint16)
    values[0, :2] = 0, 255
    dicom = make_dicom(values, WindowCenter=127.5, WindowWidth=255, VOILUTFunction="LINEAR_EXACT")
    train = part(tmp_path, "train", {"a.png": scene(1), "b.png": Image.fromarray(values.astype(np.uint8))})
    assert found(train, part(tmp_path, "test", {"c.png": stream.getvalue(), "d.dcm": dicom}))["same_pixels"] == (
        2,
        ("c.png", "d.dcm"),
    )


def test_dicom_files_with_the_same_pixels_under_other_headers(tmp_path: Path, make_dicom: Callable[..., bytes]) -> None:
    """Exported twice, under other names and identifiers; and once with another window, which shows other pixels."""
    values = np.asarray(scene(3)).astype(np.uint16) * 4
    window = {"WindowCenter": 500, "WindowWidth": 1000}
    headers = [{"PatientID": "A", "StudyInstanceUID": "1.2.1"}, {"PatientID": "B", "PatientName": "Roe", **window}]
    first, second = (make_dicom(values, **(window | header)) for header in headers)
    windowed = make_dicom(values, WindowCenter=520, WindowWidth=1100)
    train = part(tmp_path, "train", {"a.dcm": first})
    test = found(train, part(tmp_path, "test", {"b.dcm": second, "c.dcm": windowed}))
    assert (test["same_pixels"], test["near_duplicate"]) == ((1, ("b.dcm",)), (1, ("c.dcm",)))


def test_flat_pictures_are_no_near_duplicates(tmp_path: Path) -> None:
    black, grey = (Image.fromarray(np.full((64, 64), value, np.uint8)) for value in (0, 90))
    train = part(tmp_path, "train", {"a.png": black})
    assert found(train, part(tmp_path, "test", {"b.png": grey})) == {}
    assert set(found(train, part(tmp_path, "same", {"c.bmp": black}))) == {"same_pixels", "same_question"}


def test_unreadable_pictures_are_left_out_and_steps_are_counted(tmp_path: Path) -> None:
    scene(0).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    steps: list[None] = []
    scans = {name: FileScan(tmp_path / f"{name}.png") for name in ("a", "b", "c")}
    known: dict[str, Print | None] = {}
    assert set(fingerprints(scans, known, lambda: steps.append(None))) == {"a"}
    assert len(steps) == 3 and sorted(one is None for one in known.values()) == [False, True]


def test_other_frames_of_one_file_are_the_same_file(tmp_path: Path, make_dicom: Callable[..., bytes]) -> None:
    frames = np.random.default_rng(0).integers(0, 4000, (2, 32, 32)).astype(np.uint16)
    (tmp_path / "cine.dcm").write_bytes(make_dicom(frames, NumberOfFrames=2))
    sides = [
        Part(
            str(frame),
            [Sample(0, f"cine#{frame}", "Clear?", scan, "Yes")],
            {f"cine#{frame}": fingerprint(scan)},
        )
        for frame, scan in ((f, FileScan(tmp_path / "cine.dcm", f)) for f in range(2))
    ]
    assert found(*sides)["same_file"] == (1, ("cine#1",))


def test_patients_and_studies_are_counted_and_never_named(tmp_path: Path) -> None:
    def side(where: str, seeds: range, patients: list[str], studies: list[str]) -> Part:
        one = part(tmp_path, where, {f"{where}{seed}.png": scene(seed) for seed in seeds})
        samples = [Sample(s.id, s.image, s.question, s.scan, s.answer, metadata={"row": s.id}) for s in one.samples]
        return Part(where, samples, one.prints, {"patient": patients, "study": studies})

    train = side("train", range(3), ["doe", "roe", ""], ["s1", "s2", ""])
    test = side("test", range(3, 6), ["doe", "", "doe"], ["s3", "", "s1"])
    findings = leakage(train, test)
    assert {f.kind: (f.count, f.examples) for f in findings} == {
        "same_patient": (1, ("row 0", "row 2")),
        "same_study": (1, ("row 2",)),
    }
    assert "doe" not in str(findings)
    copied = Part("copy", train.samples, train.prints, train.keys)
    assert {f.examples for f in leakage(train, copied) if f.kind == "same_file"} == {("row 0", "row 1", "row 2")}


def test_words_in_any_script() -> None:
    assert words(" Is it\tCLEAR？ ") == words("is it clear?") == "is it clear"
    assert words("图像中有肺吗？") == "图像中有肺吗" != words("图像中有肝吗？")
    assert words("ﬁbrosis") == words("Fibrosis") and words("T1") != words("T2")


@pytest.mark.slow
@pytest.mark.skipif(not (REAL / "slake").is_dir(), reason="SLAKE and VQA-RAD are not at hand")
def test_no_two_different_x_rays_are_called_the_same() -> None:
    """The measurement that the module's text states, as far as it is about pictures that differ."""
    rows = [r for name in ("train", "validate") for r in json.loads((REAL / "slake" / f"{name}.json").read_text())]
    modality = {row["img_name"]: row["modality"] for row in rows}
    paths = {name: REAL / "slake/imgs" / name for name in modality}
    paths |= {path.name: path for path in (REAL / "vqa_rad/VQA_RAD Image Folder").glob("*.jpg")}
    prints = fingerprints({name: FileScan(path) for name, path in paths.items()})
    assert len(prints) == 859
    small = {name: one.small for name, one in prints.items() if one.small is not None}
    near = [
        (a, b)
        for a, b in itertools.combinations(small, 2)
        if int(prints[a].bits ^ prints[b].bits).bit_count() <= NEAR_BITS and small[a] @ small[b] >= NEAR_CORRELATION
    ]
    assert not [pair for pair in near if any(modality.get(name, "VQA-RAD") in ("X-Ray", "VQA-RAD") for name in pair)]
    numbers = [sorted(int(name.split("/")[0].removeprefix("xmlab")) for name in pair) for pair in near]
    assert len(near) == 107
    # Neighbouring slices have neighbouring numbers; 69 and 531 are one slice twice, by eye.
    assert [pair for pair in numbers if pair[1] - pair[0] > 6] == [[69, 531]]
