"""The measures against slow plain ones and analytic values, and the script: what it asks, keeps, resumes and prints."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks import grounding
from benchmarks.localisation import area, centre_prior, cover, energy, iou, mask_of, measure, pointing, top_iou
from benchmarks.statistics import proportion
from medfly.geometry import Pyramid
from medfly.types import Answer, Box, Evidence, InputError, Region, Scan

SIZE = (48, 24)  # width, height
FEW = settings(max_examples=20, deadline=None)  # each looks at a thousand pixels one by one
PYRAMID = Pyramid(*SIZE, 336, (2, 2), (6, 6))


def regions(**best: int) -> list[Region]:
    """All crops with score 0, save the given index of a level with score 1."""
    return [Region(c.level, c.index, c.box, float(best.get(c.level) == c.index)) for c in PYRAMID.crops()]


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    x, y = (sorted(draw(st.tuples(st.integers(0, side - 1), st.integers(1, side)))) for side in SIZE)
    return float(x[0]), float(y[0]), float(max(x[1], x[0] + 1)), float(max(y[1], y[0] + 1))


def plain_mask(some: list[Box]) -> np.ndarray:
    mask = np.zeros((SIZE[1], SIZE[0]), bool)
    for x, y in itertools.product(range(SIZE[0]), range(SIZE[1])):
        mask[y, x] = any(x0 <= x + 0.5 < x1 and y0 <= y + 0.5 < y1 for x0, y0, x1, y1 in some)
    return mask


@FEW
@given(st.lists(boxes(), min_size=1, max_size=3), st.integers(0, 1000))
def test_pointing_and_energy_are_what_loops_over_pixels_say(some: list[Box], seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 50, (SIZE[1], SIZE[0])).astype(float)  # the maximum many times
    mask = plain_mask(some)
    pixels = [(values[y, x], mask[y, x]) for y in range(SIZE[1]) for x in range(SIZE[0])]
    highest = max(value for value, _ in pixels)
    best = [inside for value, inside in pixels if value == highest]
    assert (mask_of(some, SIZE) == mask).all()
    assert pointing(values, mask) == pytest.approx(sum(best) / len(best))
    assert energy(values, mask) == pytest.approx(sum(v for v, i in pixels if i) / sum(v for v, _ in pixels))


@given(boxes(), boxes())
def test_iou_of_whole_pixels_is_that_of_the_rectangles(one: Box, other: Box) -> None:
    sides = [min(one[a + 2], other[a + 2]) - max(one[a], other[a]) for a in (0, 1)]
    both = max(sides[0], 0) * max(sides[1], 0)
    assert iou(one, mask_of([other], SIZE)) == pytest.approx(both / (area(one) + area(other) - both))


@given(st.tuples(*[st.floats(0, 1)] * 4))
def test_cover_adds_up_to_the_area_between_pixels_too(edges: tuple[float, ...]) -> None:
    (x0, x1), (y0, y1) = sorted(edges[:2]), sorted(edges[2:])
    box = (x0 * SIZE[0], y0 * SIZE[1], x1 * SIZE[0], y1 * SIZE[1])
    covered = cover(box, SIZE)
    assert covered.shape == (SIZE[1], SIZE[0])
    assert covered.sum() == pytest.approx(area(box), abs=1e-9)
    assert covered.min() >= 0 and covered.max() <= 1


@FEW
@given(st.lists(boxes(), min_size=1, max_size=3))
def test_chance_is_the_share_of_the_image_and_so_are_a_flat_map_and_one_of_zeros(some: list[Box]) -> None:
    mask = plain_mask(some)
    for flat in (np.zeros(mask.shape), np.full(mask.shape, 0.3)):
        assert pointing(flat, mask) == pytest.approx(mask.mean())
        assert energy(flat, mask) == pytest.approx(mask.mean())
    measured = measure(regions(), some, SIZE)
    assert measured["share"] == pytest.approx(mask.mean())
    for subject in ("random", "low"):
        assert measured[subject]["pointing"] == measured[subject]["energy"] == measured["share"]
    assert measured["low"]["iou"] == pytest.approx(mask.mean())  # of the whole image with a part of it


@FEW
@given(boxes())
def test_chance_of_the_top_crops_is_the_mean_over_all_pairs(box: Box) -> None:
    mask = mask_of([box], SIZE)
    medium, high = ([iou(r.box, mask) for r in regions() if r.level == level] for level in ("medium", "high"))
    pairs = [max(pair) for pair in itertools.product(medium, high)]
    assert len(pairs) == 4 * 36
    assert measure(regions(), [box], SIZE)["random"]["iou"] == pytest.approx(np.mean(pairs))
    assert top_iou(regions(medium=2, high=30), mask) == max(medium[2], high[30])


def test_top_crops_need_medium_or_high_and_do_with_one() -> None:
    mask = mask_of([(0.0, 0.0, 24.0, 12.0)], SIZE)
    assert top_iou([r for r in regions(medium=0) if r.level != "high"], mask) == 1
    assert top_iou([r for r in regions(medium=3) if r.level != "high"], mask) == 0
    with pytest.raises(ValueError, match="medium or high"):
        top_iou([r for r in regions() if r.level == "low"], mask)


def test_the_best_crop_is_the_best_where_all_spoke_against_the_answer() -> None:
    against = [Region(r.level, r.crop, r.box, r.score - 2) for r in regions(medium=1, high=3)]
    assert top_iou(against, mask_of([(24.0, 0.0, 48.0, 12.0)], SIZE)) == 1


def test_the_centre_prior_is_the_gaussian_that_is_stated() -> None:
    prior = centre_prior((401, 201))
    assert prior.shape == (201, 401)
    assert np.unravel_index(prior.argmax(), prior.shape) == (100, 200) and prior[100, 200] == 1
    sigma_x, sigma_y = 0.25 * 401, 0.25 * 201
    for x, y in ((0, 0), (37, 180), (300, 100)):
        expected = np.exp(-(((x - 200) / sigma_x) ** 2 + ((y - 100) / sigma_y) ** 2) / 2)
        assert prior[y, x] == pytest.approx(expected)
    assert np.allclose(prior, prior[::-1, ::-1])


@pytest.mark.parametrize("index", range(36))
def test_evidence_in_the_box_is_found_wherever_it_is_and_missed_elsewhere(index: int) -> None:
    box = PYRAMID.crop("high", index).box
    found = measure(regions(high=index), [box], SIZE)["model"]
    missed = measure(regions(high=(index + 14) % 36), [box], SIZE)["model"]
    assert found["pointing"] == 1 and found["iou"] == 1
    assert found["energy"] > 0.5 and missed["energy"] < 0.2
    assert missed["pointing"] == 0


def test_the_centre_prior_ranks_the_crops_in_the_middle_first() -> None:
    middle = (16.0, 8.0, 32.0, 16.0)  # four of the 36 crops, each a quarter of it; each medium crop overlaps a quarter
    measured = measure(regions(), [middle], SIZE)["centre"]
    assert measured["iou"] == pytest.approx(1 / 4)
    assert measured["pointing"] == 1


def test_boxes_without_a_pixel_are_refused() -> None:
    with pytest.raises(ValueError, match="a pixel in them"):
        measure(regions(), [(1.6, 0.0, 2.4, 5.0)], SIZE)


class Pointer:
    """Says "Liver" always, and points at the crop that it is told to. It may break off after some images."""

    name, hash = "pointer", "1"

    def __init__(self, crop: int, breaks_after: int | None = None) -> None:
        self.crop, self.left, self.asked = crop, breaks_after, list[str]()

    def ask(self, scan: Scan, question: list[str]) -> list[Answer]:
        assert scan.size == SIZE
        if self.left == 0:
            raise KeyboardInterrupt
        self.left = None if self.left is None else self.left - 1
        self.asked += question
        evidence = Evidence("told", tuple(sorted(regions(high=self.crop), key=lambda one: -one.score)))
        return [Answer(one, "Liver", 1.0, evidence) for one in question]


@pytest.fixture
def slake(tmp_path: Path) -> Path:
    """Three images with a liver in the first high crop, one without boxes; each has two questions."""
    folder, rows = tmp_path / "slake", []
    for number in range(1, 5):
        (folder / f"imgs/xmlab{number}").mkdir(parents=True)
        Image.new("L", SIZE, 80).save(folder / f"imgs/xmlab{number}/source.jpg")
        boxed = [{"Liver": [0, 0, 8, 4]}] if number < 4 else []
        (folder / f"imgs/xmlab{number}/detection.json").write_text(json.dumps(boxed))
        for part, (question, answer) in enumerate(
            (("What is the main organ?", "Liver"), ("Where is the liver?", "Top"))
        ):
            rows.append(
                {"qid": 10 * number + part, "img_name": f"xmlab{number}/source.jpg", "question": question}
                | {"answer": answer, "answer_type": "OPEN", "content_type": "Organ", "modality": "CT", "img_id": number}
                | {"location": "Abdomen", "base_type": "vqa", "q_lang": "en"}
            )
    (folder / "validate.json").write_text(json.dumps(rows))
    return folder


def command(slake: Path, *more: str) -> list[str]:
    out = str(slake.parent / "out")
    return ["--model", "mini", "--data", str(slake), "--output_path", out, *more]


def test_the_script_writes_a_row_a_question_and_the_table(slake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert grounding.main(command(slake), load=lambda name: Pointer(0)) == 0
    out = slake.parent / "out"
    rows = [json.loads(line) for line in (out / grounding.ROWS).read_text().splitlines()]
    assert [row["id"] for row in rows] == [10, 11, 20, 21, 30, 31]
    assert [row["right"] for row in rows] == [True, False] * 3
    assert [row["named_by"] for row in rows] == ["answer", "question"] * 3
    assert {row["share"] for row in rows} == {32 / (48 * 24)}
    assert all(row["model"]["pointing"] == row["model"]["iou"] == 1 for row in rows)
    table = capsys.readouterr().out
    assert table == (out / grounding.TABLE).read_text()
    assert "| no boxes in the picture | 2 |" in table and "| matched by the answer | 3 |" in table
    certain = proportion([1.0] * 6, [1, 1, 2, 2, 3, 3])
    assert certain.low is not None
    assert f"| all | 6 (3) | pointing | 100.0 [{100 * certain.low:.1f}, 100.0] | 0.0 | 2.8 | 2.8 |" in table
    assert "| answered right | 3 (3) |" in table and "| answered wrong | 3 (3) |" in table
    assert "| under 5 % | 6 (3) |" in table and "over 20 %" not in table


def test_a_killed_run_goes_on_where_it_stopped(slake: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        grounding.main(command(slake), load=lambda name: Pointer(0, breaks_after=2))
    path = slake.parent / "out" / grounding.ROWS
    before = path.read_bytes()
    assert before.count(b"\n") == 4
    path.write_bytes(before[:-7])  # as if it had been killed while it wrote
    fly = Pointer(0)
    assert grounding.main(command(slake), load=lambda name: fly) == 0
    assert fly.asked == ["Where is the liver?", "What is the main organ?", "Where is the liver?"]
    assert path.read_bytes().startswith(before) and path.read_bytes().count(b"\n") == 6


def test_another_run_in_the_folder_is_refused(slake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = Pointer(0)
    other.hash = "2"
    assert grounding.main(command(slake), load=lambda name: Pointer(0)) == 0
    assert grounding.main(command(slake), load=lambda name: other) == 2
    assert grounding.main(command(slake, "--limit", "1"), load=lambda name: Pointer(0)) == 2
    assert "another run's" in capsys.readouterr().err and other.asked == []


def test_limit_and_every_choose_questions_and_images(slake: Path) -> None:
    fly = Pointer(0)
    assert grounding.main(command(slake, "--every", "2", "--limit", "3"), load=lambda name: fly) == 0
    ids = [json.loads(line)["id"] for line in (slake.parent / "out" / grounding.ROWS).read_text().splitlines()]
    assert ids == [10, 11, 30]


@pytest.mark.parametrize("more", [("--limit", "0"), ("--every", "0"), ("--split", "train"), ("--split", "nonsense")])
def test_a_users_mistake_is_one_line(slake: Path, more: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    def never(name: str) -> Any:
        raise AssertionError("the data are looked at first")

    assert grounding.main(command(slake, *more), load=never) == 2
    assert "expected" in (said := capsys.readouterr().err) and said.count("\n") == 1


def test_missing_boxes_are_told(slake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (slake / "imgs/xmlab2/detection.json").unlink()
    assert grounding.main(command(slake), load=lambda name: Pointer(0)) == 2
    assert "xmlab2/detection.json" in capsys.readouterr().err


def test_a_map_that_is_below_the_prior_is_printed_so() -> None:
    def row(value: float) -> dict[str, Any]:
        return {"pointing": value, "energy": value, "iou": value}

    def rows() -> Iterator[dict[str, Any]]:
        for image in range(8):
            yield {"image": image, "structures": 1 + image % 2, "right": True, "share": 0.3, "method": "m"} | {
                "model": row(0.2),
                "centre": row(0.7),
                "random": row(0.3),
                "low": row(0.3),
            }

    table = grounding.markdown(list(rows()), {"validate": {"matched": 8}})
    assert "| over 20 % | 8 (8) | iou | 20.0 [20.0, 20.0] | 70.0 | 30.0 | 30.0 | -50.0 [-50.0, -50.0] | -10.0" in table
    assert "4 of them about several structures" in table and "answered wrong" not in table


def test_a_folder_of_another_kind_is_refused_by_run(tmp_path: Path) -> None:
    (tmp_path / grounding.RUN).write_text('{"model": "other"}')
    with pytest.raises(InputError, match="another run's"):
        grounding.run(Pointer(0), [], tmp_path)
