"""Colours: legible by WCAG's numbers, and the levels told apart with every common colour vision."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from app import theme
from app.texts import table
from medfly.drawing import BACKGROUND, MUTED, PANEL, TEXT, WARNING, Colour

# Machado, Oliveira, Fernandes 2009, severity 1.0, on linear RGB.
VISIONS = {
    "common": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def seen(colour: Colour, vision: str) -> np.ndarray:
    """The colour as it is seen, in CIELAB."""
    rgb = np.array(colour) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    mixed = np.clip(np.array(VISIONS[vision]) @ linear, 0, 1)
    return rgb2lab(np.where(mixed <= 0.0031308, mixed * 12.92, 1.055 * mixed ** (1 / 2.4) - 0.055))


@pytest.mark.parametrize(
    ("first", "second", "ratio"),
    [
        ((0, 0, 0), (255, 255, 255), 21.0),
        ((255, 255, 255), (255, 255, 255), 1.0),
        ((0x77, 0x77, 0x77), (255, 255, 255), 4.48),  # WebAIM's and WCAG's known example of just too little
        ((0x76, 0x76, 0x76), (255, 255, 255), 4.54),
        ((255, 0, 0), (255, 255, 255), 4.00),
    ],
)
def test_contrast_as_others_compute_it(first: Colour, second: Colour, ratio: float) -> None:
    assert theme.contrast(first, second) == pytest.approx(ratio, abs=0.005)
    assert theme.contrast(second, first) == theme.contrast(first, second)


@pytest.mark.parametrize("back", [BACKGROUND, PANEL])
@pytest.mark.parametrize("text", [TEXT, MUTED, WARNING, theme.LINK, *theme.LEVELS.values()])
def test_text_is_legible(text: Colour, back: Colour) -> None:
    assert theme.contrast(text, back) >= 4.5


@pytest.mark.parametrize("colour", [WARNING, theme.LEVELS["high"]])
def test_dark_text_on_the_banner_and_on_buttons_is_legible(colour: Colour) -> None:
    assert theme.contrast(BACKGROUND, colour) >= 4.5


@pytest.mark.parametrize("back", [BACKGROUND, PANEL])
@pytest.mark.parametrize("edge", [theme.LINE, theme.FOCUS])
def test_edges_are_seen(edge: Colour, back: Colour) -> None:
    assert theme.contrast(edge, back) >= 3


@pytest.mark.parametrize("vision", VISIONS)
def test_levels_and_focus_are_told_apart(vision: str) -> None:
    colours = [*theme.LEVELS.values(), theme.FOCUS]
    apart = [deltaE_ciede2000(seen(a, vision), seen(b, vision)) for a, b in combinations(colours, 2)]
    assert min(apart) > 8  # 2.3 is a just noticeable difference


def test_options_are_those_of_the_theme_alone() -> None:
    assert theme.options()["theme.base"] == "dark"
    assert {name.split(".")[0] for name in theme.options()} == {"theme"}


@pytest.mark.parametrize(("language", "line"), [("en", "not for diagnosis"), ("de", "nicht zur Diagnose")])
def test_the_banner_is_on_the_page_in_its_language(language, line: str) -> None:
    assert line in theme.page(table(language)).split("</style>")[1]
