"""display against the standard's formulas as highdicom has them, and by hand where a value is known."""

from __future__ import annotations

import numpy as np
import pytest
from highdicom.pixels import apply_voi_window
from hypothesis import given
from hypothesis import strategies as st

from medfly.display import PRESETS, apply_window, chosen_window, parse_window, percentile_window, presets_for
from medfly.types import InputError, Scan, VoiLut, Window, one_window

VALUES = np.linspace(-3000, 3000, 601).reshape(1, -1)


def scan(values: np.ndarray, **facts: object) -> Scan:
    return Scan(np.asarray(values, dtype=np.float32), **facts)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:overflow encountered in exp")  # highdicom's, harmless
@given(
    center=st.floats(-2000, 2000),
    width=st.floats(1.01, 4000),
    function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
)
def test_window_against_highdicom(center: float, width: float, function: str) -> None:
    ours = apply_window(VALUES, Window(center, width, function))  # type: ignore[arg-type]
    assert np.abs(ours - apply_voi_window(VALUES, center, width, function)).max() < 1e-6


def test_linear_by_hand() -> None:
    # C.11.2.1.2.1, its example: c = 2048, w = 4096 maps 0 to 0 and 4095 to full.
    ends = apply_window(np.array([-1.0, 0, 4095, 9999]), Window(2048, 4096))
    assert ends.tolist() == [0, 0, 1, 1]
    assert apply_window(np.array([9.4, 9.6]), Window(10, 1)).tolist() == [0, 1]


def test_table_is_clamped_at_both_ends() -> None:
    lut = VoiLut(first=-2, entries=np.array([0, 100, 1023], dtype=np.uint16), bits=10)
    assert np.allclose(apply_window(np.array([-9.0, -2, -1, 0, 9]), lut) * 1023, [0, 0, 100, 1023, 1023])


def test_order_user_then_file_then_percentiles() -> None:
    first, second = Window(1, 2), Window(3, 4)
    suggested = scan(VALUES, windows=(first, second), unit="HU")
    assert chosen_window(suggested) is first
    assert chosen_window(suggested, second) is second
    assert chosen_window(suggested, "lung") == Window(-600, 1500, source="preset lung")
    fallback = chosen_window(scan(VALUES))
    assert isinstance(fallback, Window) and fallback.source.startswith("percentiles")


def test_the_files_own_windows_by_number() -> None:
    first, second = Window(1, 2), VoiLut(0, np.array([0, 1], np.uint16), 8)
    suggested = scan(VALUES, windows=(first, second))
    assert chosen_window(suggested, "file:1") is first
    assert chosen_window(suggested, "FILE:2") is second
    for wrong in ("file:0", "file:3"):
        with pytest.raises(InputError, match="expected file:1 to file:2"):
            chosen_window(suggested, wrong)
    with pytest.raises(InputError, match="the file suggests 0; expected WIDTH/LEVEL"):
        chosen_window(scan(VALUES), "file:1")


@pytest.mark.parametrize("unit", [None, "SUVbw", "OD"])
def test_presets_are_for_hounsfield_units_only(unit: str | None) -> None:
    other = scan(VALUES, unit=unit)
    assert presets_for(other) == ()
    with pytest.raises(InputError, match="a preset in HU for values"):
        chosen_window(other, "lung")
    assert chosen_window(other, "1500/-600") == Window(-600, 1500)


def test_ct_of_a_known_body_part_without_a_window() -> None:
    head = scan(VALUES, unit="HU", body_part="HEAD")
    assert chosen_window(head) == Window(40, 80, source="preset brain")
    assert presets_for(head)[:2] == ("brain", "subdural") and sorted(presets_for(head)) == sorted(PRESETS)
    assert chosen_window(scan(VALUES, unit="HU", body_part="HEAD", windows=(Window(1, 2),))) == Window(1, 2)
    unknown = chosen_window(scan(VALUES, unit="HU", body_part="TOE"))
    assert isinstance(unknown, Window) and unknown.source.startswith("percentiles")


@pytest.mark.parametrize("inverted", [False, True])
def test_what_is_no_number_is_black(inverted: bool) -> None:
    values = np.array([[0.0, np.nan, 1.0, np.inf, -np.inf]])
    grey = scan(values, windows=(Window(0.5, 1, "LINEAR_EXACT"),), inverted=inverted).display()[0, :, 0]
    assert grey.tolist() == ([255, 0, 0, 0, 255] if inverted else [0, 0, 255, 255, 0])


def test_percentiles_leave_out_padding_and_what_is_not_finite() -> None:
    values = np.arange(1000, dtype=np.float32).reshape(10, 100)
    clean = percentile_window(scan(values))
    assert (clean.center, clean.width) == (pytest.approx(499.5), pytest.approx(999 * 0.99))
    dirty = np.vstack([values, np.full((1, 100), -1e6, np.float32), np.full((1, 100), np.inf, np.float32)])
    padding = dirty == -1e6
    assert percentile_window(scan(dirty, padding=padding)) == clean
    assert scan(dirty, padding=np.ones_like(padding)).display().max() == 0


def test_inversion_then_padding_to_black() -> None:
    values = np.array([[0, 100, 200]])
    shown = scan(values, inverted=True, padding=values == 0, windows=(Window(100, 200, "LINEAR_EXACT"),)).display()
    assert shown.shape == (1, 3, 3) and shown.dtype == np.uint8
    assert shown[0, :, 0].tolist() == [0, 128, 0] and (shown == shown[:, :, :1]).all()


def test_input_is_left_alone() -> None:
    values = np.array([[np.nan, 5.0]], dtype=np.float32)
    before = values.copy()
    scan(values, padding=np.array([[True, False]])).display()
    assert np.array_equal(values, before, equal_nan=True)


@pytest.mark.parametrize(
    ("text", "center", "width"),
    [("1500/-600", -600, 1500), (" 350 / +50 ", 50, 350), ("1500/−600", -600, 1500), ("1.5/0.5", 0.5, 1.5)],
)
def test_parse_window(text: str, center: float, width: float) -> None:
    assert parse_window(text) == Window(center, width)


def test_presets_are_width_then_level() -> None:
    assert parse_window("Lung") == Window(-600, 1500, source="preset lung")
    assert all(width > 0 and width > abs(level) / 3 for width, level in PRESETS.values())


@pytest.mark.parametrize(
    "text", ["", "lungs", "0/40", "-80/40", "80", "80/", "a/b", "1.2.3/4", "nan/1", "./1", "80/--4"]
)
def test_odd_windows_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected WIDTH/LEVEL"):
        parse_window(text)


def test_colour_passes_and_refuses_windows() -> None:
    colour = Scan(np.zeros((2, 2, 3), dtype=np.uint8))
    assert colour.display() is colour.pixels and chosen_window(colour) is None
    with pytest.raises(InputError, match="colour"):
        colour.display("lung")


@pytest.mark.parametrize("shape", [(3, 70_000), (70_000, 3), (300, 301), (1, 1)])
def test_a_picture_of_many_blocks_is_as_one(shape: tuple[int, int]) -> None:
    """Windowed block by block, against the whole at once."""
    random = np.random.default_rng(0)
    values = random.integers(-2000, 2000, shape).astype(np.float32)
    padding = random.random(shape) < 0.1
    window = Window(40, 400)
    whole = np.rint((1 - apply_window(values, window)) * 255)
    whole[padding] = 0
    shown = scan(values, windows=(window,), inverted=True, padding=padding).display()
    assert shown.shape == (*shape, 3) and all(np.array_equal(shown[..., channel], whole) for channel in range(3))


LINEAR, SIGMOID = Window(10, 20), Window(30, 60, "SIGMOID")
TABLE = VoiLut(0, np.arange(4), 8)


@pytest.mark.parametrize(
    ("windows", "pair"),
    [
        ([LINEAR, Window(20, 40), Window(90, 90)], (20, 40)),
        ([LINEAR, Window(20, 20)], (15, 20)),
        ([LINEAR, None, None], (10, 20)),  # the others would have one of their own
        ([LINEAR, LINEAR], None),
        ([None, None], None),
        ([], None),
        ([LINEAR, SIGMOID], None),
        ([LINEAR, TABLE], None),
    ],
)
def test_one_window_for_many(windows: list[Window | VoiLut | None], pair: tuple[float, float] | None) -> None:
    found = one_window(windows, "here")
    assert found == (None if pair is None else Window(*pair, source="here"))
