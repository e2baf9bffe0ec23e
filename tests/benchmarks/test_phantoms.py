"""Phantoms: the same bytes again, boxes that hold their cause and nothing else, answers that words do not give away.

Boxes are checked against the pictures: what differs with a thing and without it. Answers are checked against
truth.json, not against the code that made them.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.baselines import QuestionOnlyMajority
from benchmarks.phantoms import Marker, Nodule, Pacemaker, Phantom, boxes, moved, render, to_scan, without
from benchmarks.phantoms.__main__ import main
from benchmarks.phantoms.anatomy import anatomy
from benchmarks.phantoms.design import Planned, design
from benchmarks.phantoms.things import Catheter, IntBox, Kind
from benchmarks.tasks import get_task
from data_adapters.check import check
from data_adapters.institutional import Institutional
from medfly.types import InputError

IMAGES = 48


@pytest.fixture(scope="module")
def planned() -> list[Planned]:
    return design(IMAGES, seed=5)


@pytest.fixture(scope="module")
def many() -> list[Planned]:
    return design(240, seed=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms") / "set"
    assert main(["--output_path", str(folder), "--images", str(IMAGES), "--seed", "5"]) == 0
    return folder


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Institutional:
    return Institutional.from_folder(folder)


@pytest.fixture(scope="module")
def truth(folder: Path) -> dict:
    return json.loads((folder / "truth.json").read_text("utf-8"))


def changed(a: Phantom, b: Phantom) -> np.ndarray:
    return render(a) != render(b)


def holds(box: IntBox, pixels: np.ndarray) -> bool:
    """Whether all of the pixels lie in the box, and some do."""
    x0, y0, x1, y1 = box
    return bool(pixels.any()) and pixels[y0:y1, x0:x1].sum() == pixels.sum()


def holder(planned: list[Planned], kind: Kind, body: str | None = None) -> Phantom:
    return next(p.phantom for p in planned if p.phantom.of(kind) and body in (None, p.phantom.body))


# -- what is written --------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    main(["--output_path", str(tmp_path / "again"), "--images", str(IMAGES), "--seed", "5"])
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert len(files) == IMAGES + 3
    assert all((folder / file).read_bytes() == (tmp_path / "again" / file).read_bytes() for file in files)


def test_another_seed_gives_other_pictures(planned: list[Planned]) -> None:
    others = design(IMAGES, seed=6)
    assert not {p.phantom.seed for p in planned} & {p.phantom.seed for p in others}
    assert changed(planned[0].phantom, others[0].phantom).mean() > 0.5


def test_the_set_opens_as_a_hospitals_and_nothing_is_odd(dataset: Institutional) -> None:
    """Neither in a split, nor between two: no picture, question about one or patient in two of them."""
    assert dataset.splits() == ("train", "validate", "test")
    assert check([dataset]) == []


def test_the_check_between_splits_sees_a_picture_in_two(folder: Path, tmp_path: Path) -> None:
    """So that the check before can fail."""
    rows = list(csv.reader((folder / "questions.csv").open(encoding="utf-8")))
    rows[1][4] = "test"  # one question about the first picture, whose others stay in train
    with (tmp_path / "questions.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    bad = Institutional(tmp_path / "questions.csv", image_dir=folder)
    assert {"same_file", "same_patient"} <= {finding.kind for finding in check([bad])}


def test_the_harness_reads_it_as_a_task(folder: Path) -> None:
    task = get_task("institutional")
    samples = task.samples(task.open(folder), "test")
    assert len({sample.image for sample in samples}) == 7
    assert set(task.group_keys(samples)) == {"body", "topic"}


def test_the_file_shows_what_the_phantom_shows(dataset: Institutional, planned: list[Planned]) -> None:
    """What a model is shown of a phantom in memory is what it is shown of the PNG."""
    sample = dataset.samples("train")[0]
    assert np.array_equal(sample.scan().display(), to_scan(planned[0].phantom).display())


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["--output_path", str(tmp_path), "--images", "40"]) == 2
    assert "expected an empty folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("images", "seed", "size", "told"),
    [(39, 0, 192, "39 images"), (40, -1, 192, "seed -1"), (40, 0, 8, "size 8"), (40, 0, 5000, "size 5000")],
)
def test_what_cannot_be_drawn_is_refused(images: int, seed: int, size: int, told: str) -> None:
    with pytest.raises(InputError, match=f"{told}; expected"):
        design(images, seed, size)


def test_some_topics_alone_are_asked_about_the_same_pictures(planned: list[Planned]) -> None:
    some = design(IMAGES, seed=5, topics=("nodule", "marker"))
    assert [p.phantom for p in some] == [p.phantom for p in planned]
    for one, all_of_it in zip(some, planned, strict=True):
        assert one.questions() == tuple(q for q in all_of_it.questions() if q.topic in ("nodule", "marker"))
    with pytest.raises(InputError, match="topic 'liver'; expected some of nodule"):
        design(IMAGES, seed=5, topics=("liver",))


@pytest.mark.parametrize("size", [96, 257])
def test_pictures_of_another_size_hold_what_is_planted(size: int) -> None:
    for one in design(40, 0, size)[::8]:
        assert render(one.phantom).shape == (size, size)
        for x0, y0, x1, y1 in boxes(one.phantom):
            assert 0 <= x0 < x1 <= size and 0 <= y0 < y1 <= size


# -- answers ----------------------------------------------------------------------------------------------------------


def test_answers_say_what_truth_json_says_is_planted(dataset: Institutional, truth: dict) -> None:
    for split in dataset.splits():
        for sample in dataset.samples(split):
            things = truth["images"][f"images/{Path(sample.image).name}"]["things"]
            of = {
                kind: [t for t in things if t["kind"] == kind] for kind in ("nodule", "catheter", "pacemaker", "marker")
            }
            middles = [(one["box"][0] + one["box"][2]) / 2 < 96 for one in of["nodule"]]
            expected = {
                "nodule": "yes" if of["nodule"] else "no",
                "side": "left" if all(middles) else "right",
                "count": str(len(of["nodule"])),
                "catheter": "yes" if of["catheter"] else "no",
                "pacemaker": "yes" if of["pacemaker"] else "no",
                "marker": of["marker"][0]["letter"],
            }
            topic = sample.metadata["topic"]
            assert sample.answer == expected[topic]
            if topic == "side":
                assert of["nodule"] and len(set(middles)) == 1
            cause = "nodule" if topic in ("side", "count") else topic
            assert truth["questions"][sample.id] == [one["box"] for one in of[cause]]


def test_words_alone_answer_no_better_than_chance(many: list[Planned]) -> None:
    """Chance: one of two, one of four for counts. Fitted on train, asked of test; by topic, so that none hides."""
    counts: dict[tuple[str, str, str], Counter[str]] = {}
    for one in many:
        for question in one.questions():
            counts.setdefault((one.split, question.topic, question.text), Counter())[question.answer] += 1
    for (split, topic, text), answers in counts.items():
        chance = 0.25 if topic == "count" else 0.5
        # Up to one picture in each body's group, of both bodies, and of each way to ask for the side.
        spare = 4 if topic == "side" else 2
        assert max(answers.values()) <= answers.total() * chance + spare, (split, text, answers)


def test_majority_of_the_harness_stays_near_chance(dataset: Institutional) -> None:
    majority = QuestionOnlyMajority.fit(dataset.samples("train"))
    closed = [one for one in dataset.samples("train") if one.answer_type == "CLOSED"]
    said = list(majority(closed))
    right = np.mean([answer.text == one.answer for answer, one in zip(said, closed, strict=True)])
    assert 0.45 <= right <= 0.55


def test_a_markers_corner_does_not_tell_its_letter(many: list[Planned]) -> None:
    markers = [one for p in many for one in p.phantom.of("marker") if isinstance(one, Marker)]
    on_the_left = Counter(one.letter for one in markers if one.column < 96)
    assert abs(on_the_left["L"] - on_the_left["R"]) < 3 * np.sqrt(on_the_left.total())


def test_devices_and_nodules_are_planted_independently(many: list[Planned]) -> None:
    """A nodule must not be guessed from a catheter."""
    phantoms = [p.phantom for p in many]
    both = np.array([(bool(p.of("nodule")), bool(p.of("catheter"))) for p in phantoms], float)
    assert abs(np.corrcoef(both.T)[0, 1]) < 0.2  # three standard errors


# -- boxes ------------------------------------------------------------------------------------------------------------


def test_every_box_holds_the_pixels_of_its_thing_and_hardly_more(planned: list[Planned]) -> None:
    checked = Counter()
    for phantom in (p.phantom for p in planned[::5]):
        for thing, box in zip(phantom.things, boxes(phantom), strict=True):
            rest = Phantom(**{**vars(phantom), "things": tuple(t for t in phantom.things if t is not thing)})
            rows, columns = np.nonzero(difference := changed(phantom, rest))
            assert holds(box, difference)
            tight = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert max(abs(a - b) for a, b in zip(box, tight, strict=True)) <= 2  # faint edges round to nothing
            checked[thing.kind] += 1
    assert set(checked) == {"nodule", "catheter", "pacemaker", "marker"}


def test_truths_boxes_lie_inside_the_picture_and_share_no_pixel_of_a_nodule(folder: Path, truth: dict) -> None:
    for name, image in truth["images"].items():
        width, height = Image.open(folder / name).size
        for thing in image["things"]:
            x0, y0, x1, y1 = thing["box"]
            assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
    assert {box for found in truth["questions"].values() for box in map(tuple, found)}


@settings(max_examples=40, deadline=None)
@given(x=st.floats(30, 66), y=st.floats(30, 66), diameter=st.floats(5, 40))
def test_a_nodule_is_as_large_as_stated(x: float, y: float, diameter: float) -> None:
    """Its area is that of a disc, and its centre of mass is where it is said to be."""
    coverage = Nodule(x, y, diameter, 0.3).coverage(96)
    assert coverage.sum() == pytest.approx(np.pi * diameter**2 / 4, rel=0.1)
    middle = (np.arange(96) + 0.5) @ coverage.sum(0) / coverage.sum()
    assert middle == pytest.approx(x, abs=0.3)


@pytest.mark.parametrize(
    "thing",
    [
        Nodule(31.3, 40.7, 12.2, 0.3),
        Pacemaker(40.2, 50.9, 17.5, 22.1),
        Catheter((10, 12), (60.5, 30), (70.1, 80.2), 2.9),
        Marker("R", 7, 60, 3),
        Marker("L", 84, 81, 2),
    ],
)
def test_nothing_is_cut_off_at_the_reach(thing: Nodule | Pacemaker | Catheter | Marker) -> None:
    """The whole picture computed pixel by pixel is what is computed within the reach alone."""
    x, y = np.arange(96)[None] + 0.5, np.arange(96)[:, None] + 0.5
    assert np.array_equal(thing.coverage(96), thing.covered(x, y))


def test_a_box_outside_of_the_picture_is_an_error() -> None:
    with pytest.raises(ValueError, match="no pixel of it in a picture of side 96"):
        Nodule(300, 300, 10, 0.3).box(96)


def test_nodules_lie_in_the_lungs(planned: list[Planned]) -> None:
    for phantom in (p.phantom for p in planned):
        fields = anatomy(phantom.body, phantom.size, phantom.seed).fields
        for one in phantom.of("nodule"):
            assert isinstance(one, Nodule)
            assert sum(field.holds(one.x, one.y, one.diameter / 2) for field in fields) == 1


# -- the same with a cause elsewhere ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["nodule", "catheter", "pacemaker", "marker"])
@pytest.mark.parametrize("seed", [0, 1])
def test_only_the_cause_moves(planned: list[Planned], kind: Kind, seed: int) -> None:
    phantom = holder(planned, kind)
    other = moved(phantom, kind, seed)
    assert np.array_equal(render(without(phantom, kind)), render(without(other, kind)))
    x0, y0, x1, y1 = np.array(boxes(phantom, kind)).T
    for u0, v0, u1, v1 in boxes(other, kind):
        assert not ((np.maximum(x0, u0) < np.minimum(x1, u1)) & (np.maximum(y0, v0) < np.minimum(y1, v1))).any()
    difference = changed(phantom, other)
    for box in (*boxes(phantom, kind), *boxes(other, kind)):
        difference[box[1] : box[3], box[0] : box[2]] = False
    assert not difference.any()


def test_a_moved_cause_keeps_its_size(planned: list[Planned]) -> None:
    for kind in ("nodule", "pacemaker", "marker"):
        phantom = holder(planned, kind)
        sizes = [
            sorted((x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes(one, kind)) for one in (phantom, moved(phantom, kind))
        ]
        assert np.abs(np.subtract(sizes[0], sizes[1])).max() <= 1  # a disc between the pixels may take one more


def test_what_is_not_there_cannot_move(planned: list[Planned]) -> None:
    empty = next(p.phantom for p in planned if not p.phantom.of("nodule"))
    with pytest.raises(InputError, match="without a nodule; expected one to move"):
        moved(empty, "nodule")
