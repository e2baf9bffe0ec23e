"""`medfly ask` on what is more than one frame: multi-frame files, folders, archives, several windows."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

QUESTION = "What modality is used to take this image?"
CINE = "examples_ybr_color.dcm"  # 30 frames of ultrasound


@pytest.fixture
def ask(cli, tiny_model):
    """ask(path, *options) → exit status, the answers, stderr."""

    def run(path: Path, *options: object, questions: tuple[str, ...] = (QUESTION,)) -> tuple[int, list[dict], str]:
        outcome = cli("ask", path, *questions, "--json", "--no_evidence", "--model", tiny_model, *options)
        return outcome.status, [json.loads(line) for line in outcome.out.splitlines()], outcome.err

    return run


def frames(answers: list[dict[str, Any]]) -> list[int]:
    return [answer["provenance"]["frame"] for answer in answers]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], [3, 9, 15, 21, 27]),
        (["--slices", "key:2"], [7, 22]),
        (["--slices", "0,29,4"], [0, 29, 4]),
        (["--frame", "29"], [29]),
    ],
)
def test_frames_of_a_cine(ask, package_file, options: list[str], expected: list[int]) -> None:
    status, answers, _ = ask(package_file(CINE), *options)
    assert status == 0 and frames(answers) == expected
    for answer, frame in zip(answers, expected, strict=True):
        assert answer["source"].startswith(str(package_file(CINE)))
        assert f"frame {frame} of 30" in answer["source"] or options[:1] == ["--frame"]


def test_a_montage_names_the_frames_of_its_evidence(cli, package_file, tiny_model) -> None:
    outcome = cli("ask", package_file(CINE), QUESTION, "--json", "--slices", "montage:4", "--model", tiny_model)
    (answer,) = map(json.loads, outcome.out.splitlines())
    assert outcome.status == 0 and "montage of frames 3, 11, 18, 26 of 30" in answer["provenance"]["notes"][0]
    named = {source["frame"] for region in answer["evidence"] for source in region["sources"]}
    assert named == {3, 11, 18, 26}
    low = next(region for region in answer["evidence"] if region["level"] == "low")
    assert all(source["box"][:2] == [0, 0] for source in low["sources"])  # the whole of each frame


def test_the_answers_of_frames_are_counted_and_not_merged(cli, package_file, tiny_model) -> None:
    outcome = cli("ask", package_file(CINE), QUESTION, "--no_evidence", "--model", tiny_model)
    assert outcome.status == 0 and outcome.out.count(f"Q  {QUESTION}") == 5
    assert "all together" in outcome.out and "frame 3 of 30" in outcome.out


def test_several_windows(ask, package_file) -> None:
    status, answers, _ = ask(package_file("CT_small.dcm"), "--window", "lung", "--window", "400/40")
    assert status == 0
    assert [answer["provenance"]["window"]["width"] for answer in answers] == [1500, 400]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--slices", "best"], "expected key, key:N"),
        (["--slices", "key:0"], "expected key, key:N"),
        (["--slices", "5,30"], "found frame 30 of 30; expected 0 to 29"),
        (["--slices", "all", "--frame", "1"], "--frame and --slices"),
        (["--window", "lungs"], "WIDTH/LEVEL"),
        (["--window", "lung"], "leave it off"),  # it is in colour
        (["--frame", "30"], "frame 30 of 30"),
    ],
)
def test_options_at_fault(cli, package_file, options: list[str], words: str) -> None:
    outcome = cli("ask", package_file(CINE), QUESTION, *options, "--model", "/no/model")  # never looked for
    assert (outcome.status, outcome.out) == (2, "")
    assert words in outcome.err and outcome.err.count("\n") == 1


def test_slices_of_a_single_frame_are_refused(cli, package_file) -> None:
    outcome = cli("ask", package_file("CT_small.dcm"), QUESTION, "--slices", "all", "--model", "/no/model")
    assert outcome.status == 2 and "is one frame; expected a volume" in outcome.err


@pytest.fixture
def folder(package_file, tmp_path) -> Path:
    """A CT series of four slices, a picture, a cut file with a header, and a text."""
    root = tmp_path / "study"
    (root / "ct").mkdir(parents=True)
    series = package_file("CT_small.dcm").parent / "dicomdirtests" / "77654033" / "CT2"
    for path in series.iterdir():
        shutil.copy(path, root / "ct" / path.name)
    Image.new("L", (40, 30), 128).save(root / "grey.png")
    whole = package_file("MR_small.dcm").read_bytes()
    (root / "cut.dcm").write_bytes(whole[: len(whole) // 2])
    (root / "notes.txt").write_text("nothing to see")
    return root


def test_a_folder_is_asked_about_whole_and_one_bad_file_stops_nothing(ask, folder: Path) -> None:
    status, answers, err = ask(folder)
    assert status == 2 and "the others were answered" in err and "Traceback" not in err
    assert "cut short" in err and "passed over: 1 × file of no known kind" in err
    sources = [answer["source"] for answer in answers]
    assert sum("CT 4 images, frame" in source for source in sources) == 4 and sources[-1] == "grey.png"
    hashes = {answer["provenance"]["input_hash"] for answer in answers}
    assert len(answers) == len(hashes) == 5


def test_an_archive_gives_the_same_answers_as_its_folder(ask, folder: Path, tmp_path: Path) -> None:
    (folder / "cut.dcm").unlink()
    (folder / "notes.txt").unlink()
    packed = tmp_path / "study.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(folder.rglob("*.*")) + sorted((folder / "ct").iterdir()):
            archive.write(path, path.relative_to(folder))
    plain, zipped = ask(folder), ask(packed)
    assert plain[0] == zipped[0] == 0 and len(plain[1]) == 5
    for one, other in zip(plain[1], zipped[1], strict=True):
        assert one == other


@pytest.mark.parametrize("packed", [False, True])
def test_single_images_among_volumes_are_asked_about_as_they_are(
    ask, package_file, tmp_path: Path, packed: bool
) -> None:
    """Also where the first is one, and in an archive: what does not fit one series stops no other."""
    path = tmp_path / "study"
    if packed:
        with zipfile.ZipFile(path, "w") as archive:
            for name in ("CT_small.dcm", CINE):
                archive.write(package_file(name), name)
    else:
        path.mkdir()
        for name in ("CT_small.dcm", CINE):
            shutil.copy(package_file(name), path)
    status, answers, _ = ask(path, "--slices", "montage:4")
    assert status == 0
    assert sorted(len(answer["provenance"]["frames"]) for answer in answers) == [0, 4]
    status, answers, err = ask(path, "--frame", "3")
    assert status == 2 and frames(answers) == [3] and "found frame 3 of 1; expected 0" in err


def test_an_empty_folder(cli, tmp_path: Path) -> None:
    outcome = cli("ask", tmp_path, QUESTION, "--model", "/no/model")
    assert outcome.status == 2 and "found no image" in outcome.err and outcome.err.count("\n") == 1
