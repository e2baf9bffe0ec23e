"""What the canvas tells, read with distrust; the letters at its edges; the component on a page; its script."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.orientations import aff2axcodes
from scipy.spatial.transform import Rotation
from streamlit.testing.v1 import AppTest

from app import canvas
from app.canvas.orientation import letters
from app.canvas.telling import MOST_NEEDED, Acted, acted, lacks_heat
from app.texts import part, table
from medfly.types import Window

DONE = {
    "series": "s",
    "frame": 3,
    "window": {"center": -600, "width": 1500, "function": "LINEAR", "source": "preset lung"},
    "region": [1, 2.5, 30, 40],
    "crop": ["high", 35],
    "order": "b1",
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=12,
)


def test_what_the_browser_tells() -> None:
    told = acted(DONE, {"series": "s", "frames": [4, 3, 4, 5]}, series="s", frames=5)
    window = Window(-600, 1500, "LINEAR", "preset lung")
    assert told == Acted(3, window, (4, 3), (1, 2.5, 30, 40), ("high", 35), "b1")


def test_another_series_tells_nothing() -> None:
    assert acted(DONE, {"series": "s", "frames": [1]}, series="t", frames=5) == Acted()
    assert acted(None, None, series="s", frames=5) == Acted()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frame", 5),
        ("frame", -1),
        ("frame", True),
        ("frame", 1.0),
        ("window", {"center": 0, "width": 0, "function": "LINEAR"}),
        ("window", {"center": float("nan"), "width": 9, "function": "LINEAR"}),
        ("window", {"center": 10**400, "width": 9, "function": "LINEAR"}),
        ("window", {"center": 0, "width": 9, "function": "CUBIC"}),
        ("window", {"center": 0, "width": 9, "function": []}),
        ("region", [1, 2, 3]),
        ("region", [5, 2, 3, 9]),
        ("region", [-1, 2, 3, 9]),
        ("region", "1234"),
        ("crop", ["top", 1]),
        ("crop", ["high", -1]),
        ("crop", [["high"], 1]),
        ("crop", "hi"),
        ("order", 3),
        ("order", "b" * 81),
    ],
)
def test_what_does_not_fit_is_left_out(name: str, value: object) -> None:
    told = acted({**DONE, name: value}, None, series="s", frames=5)
    assert getattr(told, name) is None
    assert sum(getattr(told, other) is None for other in ("frame", "window", "region", "crop", "order")) == 1


@settings(max_examples=150, deadline=None)
@given(JSON)
def test_nothing_from_a_browser_raises(sent: object) -> None:
    state = {"series": "s", "frame": sent, "window": sent, "region": sent, "crop": sent}
    assert acted(sent, sent, series="s", frames=9) == Acted()
    told = acted(state, {"series": "s", "frames": sent}, series="s", frames=9)
    assert lacks_heat(sent) is (isinstance(sent, dict) and sent.get("heat") is True)
    assert told.order is None or told.order == sent
    assert told.frame is None or 0 <= told.frame < 9
    assert all(0 <= one < 9 for one in told.need) and len(told.need) <= MOST_NEEDED


@settings(deadline=None)
@given(st.permutations(range(3)), st.tuples(*[st.sampled_from([-1, 1])] * 3), st.integers(0, 10**6))
def test_the_nearest_axis_comes_first_as_nibabel_names_it(order: list[int], signs: tuple[int, ...], seed: int) -> None:
    """Slices along any axes, turned by up to some 25°; nibabel names them in RAS."""
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[order] * signs
    turn = Rotation.from_rotvec(np.random.default_rng(seed).uniform(-0.25, 0.25, 3)).as_matrix()
    affine[:3, :3] = turn @ affine[:3, :3] * [0.7, 0.8, 3]
    found = letters(affine)
    assert found is not None
    ras = np.diag([-1.0, -1, 1, 1]) @ affine
    towards = aff2axcodes(ras, labels=(("L", "R"), ("P", "A"), ("F", "H")))
    away = aff2axcodes(ras, labels=(("R", "L"), ("A", "P"), ("H", "F")))
    assert [side[0] for side in found] == [away[0], towards[0], away[1], towards[1]]


def test_letters_of_a_plain_and_a_tilted_slice() -> None:
    assert letters(np.diag([0.5, 0.5, 5, 1])) == ("R", "L", "A", "P")
    tilted = np.eye(4)
    tilted[:3, 0] = (np.cos(0.5), np.sin(0.5), 0)
    tilted[:3, 1] = (-np.sin(0.5), np.cos(0.5), 0)
    assert letters(tilted) == ("RA", "LP", "AL", "PR")
    tilted[:3, 0] = (np.cos(0.1), np.sin(0.1), 0)
    assert letters(tilted)[1] == "L"  # type: ignore[index]


@pytest.mark.parametrize("affine", [None, np.zeros((4, 4)), np.full((4, 4), np.nan)])
def test_unknown_stays_unknown(affine: np.ndarray | None) -> None:
    assert letters(affine) is None


def page() -> None:
    import numpy as np
    import streamlit as st

    from app.canvas import View, canvas, done
    from medfly.types import Scan

    before = done("place", "s", 2)
    told = canvas(View(series="s", frames=2, images={0: Scan(np.zeros((4, 6), np.float32))}), key="place")
    st.write(str(before == told), str(told))


def test_the_component_on_a_page() -> None:
    at = AppTest.from_function(page, default_timeout=30).run()
    assert not at.exception
    assert [one.value for one in at.markdown] == [f"True {Acted()}"]
    again = AppTest.from_function(page, default_timeout=30).run()  # another runtime of the same process
    assert not again.exception and len(again.markdown) == 1


def test_one_script_with_every_module_and_without_imports_or_addresses() -> None:
    script = canvas.script()
    folder = canvas.files("app.canvas")
    modules = {one.name.removesuffix(".js") for one in folder.iterdir() if one.name.endswith(".js")}
    assert modules == set(canvas.MODULES)
    assert not re.search(r"^\s*import\b", script, re.MULTILINE)
    assert "://" not in script
    names = re.findall(r"^(?:export )?(?:const|function|class|async function) (\w+)", script, re.MULTILINE)
    assert len(names) == len(set(names)) > 50, "one scope holds all modules"


def test_modules_come_after_those_that_they_need() -> None:
    """Classes and constants of a module are there when one that follows is run."""
    for place, name in enumerate(canvas.MODULES):
        text = canvas.files("app.canvas").joinpath(f"{name}.js").read_text("utf-8")
        needed = set(re.findall(r'from "\./(\w+)\.js"', text))
        assert needed <= set(canvas.MODULES[:place]), name


def test_every_text_is_there_and_used() -> None:
    script, texts = canvas.script(), part(table(), "canvas")
    asked = set(re.findall(r'\b(?:text|group)\("(\w+)"', script)) | set(re.findall(r"texts\.(\w+)", script))
    tools = set(re.findall(r'(?:button|tool)\("(\w+)"', script))
    asked |= tools | {f"{name}_help" for name in tools} | set(re.findall(r'"(key_\w+|mouse_\w+|frame_\w+)"', script))
    assert asked - set(texts) - {"graphics", "keys"} == set()
    quoted = set(re.findall(r'["`.](\w+)', script)) | asked
    ends = ("_help", "_key")
    assert {name for name in texts if name not in quoted and not name.endswith(ends)} <= {
        "level_low", "level_medium", "level_high",
    }  # fmt: skip
