"""Boxes where they belong, to the pixel; the caller's picture untouched; all the words in the figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from medfly import drawing
from medfly.sensitivity.planning import picture_changes
from medfly.types import Answer, Evidence, InputError, Level, Region, Scan, Trust, Variation
from medfly.wording import RESEARCH_USE, answer_line, confidence_line, window_line

AMBER, BLUE = drawing.LEVEL_COLOURS["medium"], drawing.LEVEL_COLOURS["high"]


def region(box: tuple[float, float, float, float], level: Level = "medium", score: float = 0.5) -> Region:
    return Region(level, 0, box, score)


def grey(height: int = 40, width: int = 60, value: int = 100) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def make_answer(text: str = "Left", **changes) -> Answer:
    regions = (region((0, 0, 30, 20)), region((10, 10, 20, 20), "high", 0.2), region((0, 0, 60, 40), "low", 0.1))
    values = {
        "question": "Where is the liver?",
        "text": text,
        "confidence": 0.87,
        "evidence": Evidence("by hand", regions),
        "provenance": {
            "size": [60, 40],
            "modality": "CT",
            "window": {"center": 40, "width": 400, "function": "LINEAR", "source": "preset abdomen"},
        },
    }
    return Answer(**(values | changes))


def pixels_of(image: Image.Image, colour: tuple[int, int, int]) -> np.ndarray:
    """[H, W] bool."""
    return (np.asarray(image) == colour).all(axis=2)


def test_outline_is_the_first_and_the_last_pixel_of_the_box() -> None:
    image = drawing.highlight(grey(), [region((10, 5, 30, 25))], stroke=1, labels=False)
    expected = np.zeros((40, 60), bool)
    expected[5:25, 10:30] = True
    expected[6:24, 11:29] = False
    assert np.array_equal(pixels_of(image, AMBER), expected)
    values = np.asarray(image)
    assert (values[6:24, 11:29] == 100).all()  # the inside keeps its brightness
    assert (values[0, 0] == 60).all() and (values[25, 30] == 60).all()  # the rest is dimmed to 0.6


def test_scale_moves_the_box_with_the_picture() -> None:
    image = drawing.highlight(grey(), [region((10, 5, 30, 25), "high")], scale=2.5, stroke=1, labels=False)
    assert image.size == (150, 100)
    rows, columns = np.nonzero(pixels_of(image, BLUE))
    # 2.5 · (10, 5, 30, 25) = (25, 12.5, 75, 62.5); halves go to the even neighbour
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (25, 12, 75, 62)


def test_whole_picture_as_box_dims_nothing() -> None:
    image = drawing.highlight(grey(), [region((0, 0, 60, 40))], stroke=2, labels=False)
    assert not (np.asarray(image) == 60).all(axis=2).any()
    assert pixels_of(image, AMBER)[[0, -1]].all() and pixels_of(image, AMBER)[:, [0, -1]].all()


def test_without_regions_the_picture_is_as_it_was() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(drawing.highlight(picture, [])), picture)


def test_better_box_lies_on_top_and_labels_do_not_cover_each_other() -> None:
    boxes = [region((0, 0, 100, 100), "high"), region((0, 0, 200, 200))]
    image = drawing.highlight(grey(200, 200), boxes, stroke=2)
    assert pixels_of(image, BLUE)[0, 50]  # the shared edge is the better one's
    assert pixels_of(image, BLUE)[20, 20] and pixels_of(image, AMBER)[20, 180]  # two labels in two corners


@pytest.mark.parametrize("call", [drawing.highlight, lambda p, r: drawing.crop_picture(p, r[0], 50)])
def test_input_is_never_changed(call) -> None:
    picture = grey()
    picture.setflags(write=False)
    image = call(picture, [region((10, 5, 30, 25))])
    assert (picture == 100).all()
    image.putpixel((0, 0), (1, 2, 3))
    assert (picture == 100).all()


@given(
    width=st.integers(1, 700),
    height=st.integers(1, 700),
    canvas=st.tuples(st.integers(1, 900), st.integers(1, 900)),
    ends=st.tuples(*[st.floats(0, 1)] * 4),
)
def test_canvas_box_is_never_empty_nor_outside(width, height, canvas, ends) -> None:
    (x0, x1), (y0, y1) = sorted(ends[:2]), sorted(ends[2:])
    box = drawing.canvas_box((x0 * width, y0 * height, x1 * width, y1 * height), (width, height), canvas)
    assert 0 <= box[0] < box[2] <= canvas[0] and 0 <= box[1] < box[3] <= canvas[1]


def test_neighbouring_boxes_share_no_pixel_and_leave_none_out() -> None:
    thirds = [drawing.canvas_box((i * 10 / 3, 0, (i + 1) * 10 / 3, 1), (10, 1), (77, 5)) for i in range(3)]
    assert thirds[0][0] == 0 and thirds[2][2] == 77
    assert thirds[0][2] == thirds[1][0] and thirds[1][2] == thirds[2][0]


def test_crop_takes_exactly_its_box() -> None:
    picture = grey(value=0)
    picture[5:25, 10:30] = 200
    crop = drawing.crop_picture(picture, region((10, 5, 30, 25)), 100)
    assert crop.size == (100, 100)
    values = np.asarray(crop)[..., 0].astype(int)  # 5 pixels each: bicubic reaches two pixels beyond the edge
    assert (values[10:-10, 10:-10] == 200).all() and (values > 70).all()
    assert drawing.crop_picture(picture, region((0, 0, 60, 40)), 90).size == (90, 60)


def test_shown_regions_are_the_best_of_both_levels_by_score() -> None:
    regions = [region((0, 0, 1, 1), "low", 0.4), *[region((0, 0, i, 1), "medium", 0.3 / i) for i in (1, 2)]]
    regions += [region((0, 0, i, 2), "high", 0.1 / i) for i in (1, 2, 3)]
    shown = drawing.shown_regions(make_answer(evidence=Evidence("", tuple(regions))))
    assert [(r.level, r.score) for r in shown] == [("medium", 0.3), ("high", 0.1), ("high", 0.05)]
    assert drawing.shown_regions(make_answer(evidence=None)) == ()


@pytest.mark.parametrize("height, width", [(40, 60), (1, 1), (300, 4), (4, 300)])
def test_figure_of_any_shape(height: int, width: int) -> None:
    whole = region((0, 0, width, height))
    figure = drawing.answer_figure(grey(height, width), make_answer(evidence=Evidence("", (whole,))), width=800)
    assert figure.width == 800 and figure.height > 200
    assert pixels_of(figure, drawing.WARNING)[-1].all()  # the banner closes every figure


def test_figure_holds_question_answer_crops_and_banner() -> None:
    figure = drawing.answer_figure(grey(), make_answer(), width=800)
    shorter = drawing.answer_figure(grey(), make_answer(evidence=None), width=800)
    words = slice(400, None)
    assert pixels_of(figure, drawing.TEXT)[:, words].sum() > 300  # question and answer
    assert pixels_of(figure, AMBER)[:, words].any() and pixels_of(figure, BLUE)[:, words].any()
    assert not pixels_of(shorter, AMBER).any()
    banner = figure.crop((0, figure.height - 22, 800, figure.height))
    assert pixels_of(banner, drawing.BACKGROUND).sum() > 100  # dark letters in it
    other = drawing.answer_figure(grey(), make_answer("Right"), width=800)
    assert np.asarray(other).tobytes() != np.asarray(figure).tobytes()


def test_figure_warns_of_deferral_and_of_flips() -> None:
    """In the warning colour; the banner has it too, so above it is looked at. A deferred answer is not large."""
    flip, same = (Variation("k", "inverted", "Where is the liver?", "Right", 0.5, same) for same in (False, True))
    trust = Trust(0.5, ("too unsure",), "100 answers", None)
    states = {
        "plain": make_answer(),
        "fine": make_answer(trust=Trust(0.9, (), "100 answers"), variations=(same,)),
        "flipped": make_answer(variations=(flip, same)),
        "deferred": make_answer(trust=trust),
    }
    figures = {name: drawing.answer_figure(grey(), answer, width=800) for name, answer in states.items()}
    warned = {name: pixels_of(figure, drawing.WARNING)[:-30].sum() for name, figure in figures.items()}
    assert warned["plain"] == warned["fine"] == 0 < warned["flipped"] and warned["deferred"] > 100
    words = {name: pixels_of(figure, drawing.TEXT)[60:, 400:] for name, figure in figures.items()}
    assert np.nonzero(words["plain"])[0].min() < np.nonzero(pixels_of(figures["deferred"], drawing.MUTED))[0].max()
    assert figures["fine"].tobytes() != figures["plain"].tobytes()


def test_figure_shows_the_map_below_the_boxes_only_where_there_is_one() -> None:
    """The right half of a wide picture has no evidence: colour is seen in the left half of the lower picture alone."""
    placed = Evidence("", (region((0, 0, 10, 20), "high"),))
    figure = drawing.answer_figure(grey(20, 60), make_answer(evidence=placed), width=800)
    values = np.asarray(figure).astype(int)
    coloured = np.ptp(values, axis=2) > 40
    lower = coloured[150:, 20:380]
    assert lower[:, :120].sum() > 100 and values.shape[0] > 200
    even = Evidence("", (region((0, 0, 60, 20), "low"),))
    pale = drawing.answer_figure(grey(20, 60), make_answer(evidence=even), width=800)
    assert not (np.ptp(np.asarray(pale)[:-30, 20:380].astype(int), axis=2) > 40).any()


def test_long_and_foreign_texts_fit() -> None:
    long = make_answer("w" * 400, question="Is the lung healthy? " * 60)
    figure = drawing.answer_figure(grey(), long, width=800)
    assert figure.height > drawing.answer_figure(grey(), make_answer(), width=800).height
    assert not pixels_of(figure, drawing.TEXT)[:, -15:].any()  # nothing runs over the margin
    assert drawing.legible("Größe 5 × 3 – café 肝") == "Grosse 5 x 3 - cafe ?"
    changes = picture_changes(Scan(np.zeros((20, 30), np.uint8)))
    assert not [one.name for one in changes if "?" in drawing.legible(one.name)]
    assert drawing.legible(RESEARCH_USE) == "Research use only - not for diagnosis"


def test_stacked_figures_keep_their_pixels() -> None:
    figures = [drawing.answer_figure(grey(), make_answer(text), width=400) for text in ("a", "b c")]
    whole = drawing.stack(figures)
    assert whole.size == (400, figures[0].height + figures[1].height)
    below = whole.crop((0, figures[0].height, *whole.size))
    assert below.tobytes() == figures[1].tobytes()


def test_save_is_whole_or_nothing(tmp_path: Path) -> None:
    image = drawing.highlight(grey(), [])
    drawing.save(image, tmp_path / "a.png")
    drawing.save(image, tmp_path / "a.JPG")
    assert Image.open(tmp_path / "a.png").size == (60, 40) and Image.open(tmp_path / "a.JPG").format == "JPEG"
    for wrong in (tmp_path / "a.gif", tmp_path / "a", tmp_path / "no" / "a.png"):
        with pytest.raises(InputError, match="expected"):
            drawing.save(image, wrong)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.JPG", "a.png"]


def test_lines_say_what_is_unknown() -> None:
    assert confidence_line(make_answer()) == "confidence 0.87 (not calibrated, not a probability of disease)"
    assert confidence_line(make_answer(confidence=None)) == "confidence unknown"
    assert answer_line(make_answer(" ")) == "(no answer)"
    assert window_line(make_answer().provenance) == "window 400/40 (preset abdomen)"
    assert window_line({"window": None}) == "colour, not windowed"
    assert window_line({"window": {"entries": 256, "source": "VOILUTSequence"}}).startswith("lookup table of 256")


def test_pixels_that_are_not_square_are_drawn_as_they_are_seen() -> None:
    whole = drawing.highlight(grey(40, 60), [], scale=2, aspect=1.5)
    assert whole.size == (120, 120)
    image = drawing.highlight(
        grey(40, 60), [region((0, 10, 60, 20), "high")], scale=2, aspect=1.5, stroke=1, labels=False
    )
    rows = np.flatnonzero((np.asarray(image) == drawing.LEVEL_COLOURS["high"]).all(axis=(1, 2)))
    assert rows.tolist() == [30, 59]  # the first and the last row of 10 … 20, three to one
    assert drawing.crop_picture(grey(40, 60), region((0, 0, 20, 20)), 90, aspect=1.5).size == (60, 90)
    assert drawing.fitted(grey(40, 60), 120, 1.5) == 2
