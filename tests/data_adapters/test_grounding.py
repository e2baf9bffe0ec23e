"""SLAKE's boxes and the questions about them: the file's traps, what is matched, and what is left out rather than
guessed."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_adapters.grounding import NAMES, Detections, LabelledBox, Match, detections, fold, match, named, parse
from data_adapters.slake import Slake
from medfly.types import InputError, Sample, Scan

SIZE = (100, 80)
BOXES = Detections(
    tuple(
        LabelledBox(label, (float(x), 0.0, x + 5.0, 5.0))
        for x, label in enumerate(
            (
                "Left Lung",
                "Right Lung",
                "Heart",
                "Lung Cancer",
                "Brain Non-enhancing Tumor",
                "Nodule",
                "Nodule",
                "Liver",
            )
        )
    )
)
DATA = Path(__file__).parents[3] / "shared" / "datasets" / "slake"


class NoScan:
    content_hash = ""

    def __call__(self) -> Scan:
        raise AssertionError("a match needs no pixels")


def asked(question: str, answer: str | None = "Yes", found: Detections = BOXES) -> Any:
    """The labels of a match, or the reason for none."""
    matched = match(Sample(1, "xmlab1/source.jpg", question, NoScan(), answer), found)
    return list(matched.labels) if isinstance(matched, Match) else matched


def entries(*boxes: Any) -> bytes:
    return json.dumps([{"Liver": box} for box in boxes]).encode()


def test_boxes_are_corners_within_the_picture_and_what_was_cut_is_counted() -> None:
    found = parse(entries([10, 20, 30, 40], [-5, 70, 10, 20], [95.5, -3, 10, 4]), SIZE)
    assert [one.box for one in found.boxes] == [(10, 20, 40, 60), (0, 70, 5, 80), (95.5, 0, 100, 1)]
    assert (found.clipped, found.empty) == (2, 0)
    assert {one.label for one in found.boxes} == {"Liver"}


@pytest.mark.parametrize(
    "box", [[100, 0, 5, 5], [-5, 0, 5, 5], [0, 0, 0, 5], [10, 10, -3, 4], [0, 80, 5, 5], [3.6, 0, 0.8, 9]]
)
def test_boxes_without_a_pixel_of_the_picture_are_counted_and_left_out(box: list[float]) -> None:
    assert parse(entries(box), SIZE) == Detections((), 0, 1)


@given(st.lists(st.tuples(*[st.floats(-150, 150)] * 4), max_size=4))
def test_every_box_is_kept_within_or_counted_and_holds_what_the_original_holds(boxes: list[tuple[float, ...]]) -> None:
    found = parse(entries(*map(list, boxes)), SIZE)
    assert len(found.boxes) + found.empty == len(boxes)
    centres = [(x + 0.5, y + 0.5) for x in range(0, SIZE[0], 7) for y in range(0, SIZE[1], 7)]
    for x, y in centres:
        before = sum(x0 <= x < x0 + w and y0 <= y < y0 + h for x0, y0, w, h in boxes)
        after = sum(b[0] <= x < b[2] and b[1] <= y < b[3] for b in (one.box for one in found.boxes))
        assert after == before
    for one in found.boxes:
        assert 0 <= one.box[0] < one.box[2] <= SIZE[0] and 0 <= one.box[1] < one.box[3] <= SIZE[1]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b'"Liver"',
        b"[1]",
        b"[{}]",
        b'[{"": [1, 2, 3, 4]}]',
        b'[{"Liver": [1, 2, 3]}]',
        b'[{"Liver": [1, 2, 3, "4"]}]',
        b'[{"Liver": [1, 2, 3, true]}]',
        b'[{"Liver": [1, 2, 3, NaN]}]',
        b'[{"Liver": [1, 2, 3, 1e999]}]',
        b'[{"Liver": [1, 2, 3, 4], "Heart": [1, 2, 3, 4]}]',
        b"\xff",
    ],
)
def test_files_of_another_form_are_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(InputError, match=r"^found .*; expected ") as refused:
        parse(data, SIZE)
    assert "\n" not in str(refused.value)


def test_an_empty_list_is_no_error() -> None:
    assert parse(b"[]", SIZE) == Detections(())


def test_folder_and_zip_give_the_same(tmp_path: Path) -> None:
    (tmp_path / "a/imgs/xmlab1").mkdir(parents=True)
    (tmp_path / "a/imgs/xmlab1/detection.json").write_bytes(entries([1, 2, 3, 4]))
    (tmp_path / "b").mkdir()
    with zipfile.ZipFile(tmp_path / "b/imgs.zip", "w") as archive:
        archive.writestr("imgs/xmlab1/detection.json", entries([1, 2, 3, 4]))
    found = [detections(tmp_path / name, "xmlab1/source.jpg", SIZE) for name in "ab"]
    assert found[0] == found[1] == Detections((LabelledBox("Liver", (1, 2, 4, 6)),))


@pytest.mark.parametrize("image", ["xmlab2/source.jpg", "../xmlab1/source.jpg"])
def test_a_picture_without_the_file_and_one_outside_are_refused(tmp_path: Path, image: str) -> None:
    (tmp_path / "imgs/xmlab1").mkdir(parents=True)
    with pytest.raises(InputError, match="expected"):
        detections(tmp_path, image, SIZE)


@pytest.mark.parametrize(
    ("question", "labels"),
    [
        ("Does the picture contain liver?", ["Liver"]),
        ("Where is the LIVER?", ["Liver"]),
        ("What color does the left lung show?", ["Left Lung"]),
        ("Can effusion-free upper right lung be seen?", "not boxed"),  # effusion is named, too, and has no box
        ("Is the lung healthy?", ["Left Lung", "Right Lung"]),
        ("How many lungs are there?", ["Left Lung", "Right Lung"]),
        ("Are the left and right lungs there?", ["Left Lung", "Right Lung"]),
        ("Which organ is abnormal, heart or lung?", ["Heart", "Left Lung", "Right Lung"]),
        ("Does the patient have lung cancer?", ["Lung Cancer"]),
        ("Where is the brain non-enhancing tumor?", ["Brain Non-enhancing Tumor"]),
        ("Is there a pulmonary nodule?", ["Nodule"]),
        ("Is the spleen there?", "not boxed"),
        ("Which is larger, heart or spleen?", "not boxed"),
        ("What can the organ with the effect of heartbeat do?", "names no structure"),
        ("Does the gallbladder show?", "names no structure"),
        ("What is on the left of the lung?", "side unclear"),
        ("Which side of lung is abnormal, left or right?", "side unclear"),
        ("Is there a nodule on the right?", "side unclear"),  # of the two nodules
        ("What is on the left of the heart?", ["Heart"]),
    ],
)
def test_the_questions_words(question: str, labels: list[str] | str) -> None:
    assert asked(question) == labels


@pytest.mark.parametrize(
    ("answer", "labels"),
    [
        ("Liver", ["Liver"]),
        ("Right Lung", ["Right Lung"]),
        ("Lung, heart", ["Heart", "Left Lung", "Right Lung"]),
        ("Left Lung, Right", "names no structure"),
        ("Lower Left Lung", "names no structure"),
        ("Lung, Spleen", "not boxed"),
        ("Brain", "names no structure"),
        ("", "names no structure"),
        (None, "names no structure"),
    ],
)
def test_the_answer_counts_where_the_question_names_nothing_and_only_whole(
    answer: str | None, labels: list[str] | str
) -> None:
    assert asked("What is the main organ in the image?", answer) == labels


def test_one_lung_is_never_the_other() -> None:
    only_right = Detections((LabelledBox("Right Lung", (0.0, 0.0, 5.0, 5.0)),))
    assert asked("What color is the left lung?", "Black", only_right) == "not boxed"
    assert asked("What is the rightmost organ?", "Left Lung", only_right) == "not boxed"
    assert asked("Are the left and right lung there?", "Yes", only_right) == "not boxed"
    assert asked("Is the lung healthy?", "No", only_right) == ["Right Lung"]


def test_an_answer_that_denies_the_structure_is_left_out_unless_its_state_was_asked() -> None:
    for denial in ("No", "no.", "None", "0", "Not seen"):
        assert asked("How many hearts are there?", denial) == "answered no"
    assert asked("Is the heart healthy?", "No") == ["Heart"]
    assert asked("What is there?", "No", Detections(())) == "no boxes in the picture"


def test_all_boxes_of_all_structures_are_taken_and_counted() -> None:
    matched = match(Sample(1, "i", "Where are nodules and the heart?", NoScan(), "Left"), BOXES)
    assert isinstance(matched, Match)
    assert (len(matched.boxes), matched.structures, matched.by) == (3, 2, "question")
    matched = match(Sample(1, "i", "What organ is it?", NoScan(), "Lung"), BOXES)
    assert isinstance(matched, Match)
    assert (len(matched.boxes), matched.structures, matched.by) == (2, 1, "answer")


def test_folding_keeps_words_that_only_look_like_plurals() -> None:
    assert fold("Masses? Lungs, eyes; ESOPHAGUS is atelectasis") == "masse lung eye esophagus is atelectasis"
    assert all(fold(name) == name and named(name) == (name,) for name in NAMES)


@pytest.mark.skipif(not DATA.is_dir(), reason="needs SLAKE's files")
def test_the_real_boxes_have_the_traps_that_the_module_names() -> None:
    names = sorted(path.parent.name for path in (DATA / "imgs").glob("*/detection.json"))
    found = [detections(DATA, f"{name}/source.jpg", (10**6, 10**6)) for name in names]
    assert sum(one.clipped + one.empty for one in found) == 0
    assert sum(not one.boxes for one in found) == 53
    assert sum(max(Counter(b.label for b in one.boxes).values(), default=0) > 1 for one in found) == 97
    assert {fold(b.label) for one in found for b in one.boxes} <= {name for name in NAMES if name in NAMES[name]}
    both = [{b.label: b.box for b in one.boxes} for one in found]
    lungs = [one for one in both if {"Left Lung", "Right Lung"} <= set(one)]
    assert lungs and all(one["Right Lung"][0] < one["Left Lung"][0] for one in lungs)  # the patient's sides


@pytest.mark.skipif(not DATA.is_dir(), reason="needs SLAKE's files")
def test_how_many_questions_match() -> None:
    samples = Slake(DATA).samples("validate")
    matched = [match(sample, detections(DATA, sample.image, (10**6, 10**6))) for sample in samples]
    kinds = Counter(one.by if isinstance(one, Match) else one for one in matched)
    assert sum(kinds.values()) == 1053
    assert (kinds["question"], kinds["answer"]) == (119, 71)
