"""The two sides of a comparison, and the controls that choose them: a window each, or a model each.

This module asks no model.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from app import models
from app.session import key
from app.texts import Texts
from medfly.display import chosen_window, parse_window, presets_for
from medfly.types import InputError, Scan, VoiLut, Window

MORE = "MEDFLY_COMPARE"
"""Models that the viewer's own may be compared with, joined by os.pathsep."""
OWN, SEEN, CUSTOM = "own", "seen", "custom"
START = "1500/-600"
"""What stands in the field of a window in numbers at first."""


@dataclass(frozen=True)
class Side:
    """model: by name. window: None for colour. called: in words, for a heading."""

    model: str
    window: Window | VoiLut | None
    called: str

    def same(self, other: Side) -> bool:
        """Whether both ask the same model with the same window, whatever they are called."""
        return self.model == other.model and _numbers(self.window) == _numbers(other.window)

    @property
    def shown(self) -> str:
        """Names the window by what decides the picture; says nothing."""
        return hashlib.sha256(repr(_numbers(self.window)).encode()).hexdigest()[:16]


def _numbers(window: Window | VoiLut | None) -> tuple[object, ...] | None:
    """What decides the picture; where a window came from does not."""
    if isinstance(window, VoiLut):
        return window.first, window.bits, window.entries.tobytes()
    return None if window is None else (window.center, window.width, window.function)


def models_given() -> tuple[str, ...]:
    """The models that the viewer may load, by name, its own first: no page can name another."""
    more = [name for name in os.environ.get(MORE, "").split(os.pathsep) if name]
    return tuple(dict.fromkeys([models.chosen(), *more]))


def windows_of(scan: Scan, seen: Window | VoiLut | None, texts: Texts) -> dict[str, str]:
    """Choice → what it is called. Colour has one. seen: as it is set in the viewer, None where it is not."""
    own = {OWN: texts["comparing.own"]}
    if scan.pixels.ndim == 3:
        return own
    if seen is not None:
        own[SEEN] = texts["comparing.seen"]
    more = {f"file:{n}": texts["comparing.own_number"].format(number=n) for n in range(2, len(scan.windows) + 1)}
    presets = {name: name for name in presets_for(scan)}
    return {**own, **more, **presets, CUSTOM: texts["comparing.custom"]}


def window_of(scan: Scan, choice: str, numbers: str, seen: Window | VoiLut | None) -> Window | VoiLut | None:
    """What a choice of `windows_of` means. numbers: "WIDTH/LEVEL", for CUSTOM. Raises InputError."""
    if choice == SEEN:
        return chosen_window(scan, seen)
    if choice == CUSTOM:
        return parse_window(numbers)
    return chosen_window(scan, None if choice == OWN else choice)


def controls(series: str, scan: Scan, seen: Window | VoiLut | None, texts: Texts) -> tuple[Side, Side] | None:
    """Draw them; the sides that are chosen, None where there are no two to choose from. Raises InputError."""
    windows, names = windows_of(scan, seen, texts), models_given()
    kinds = [kind for kind, count in (("windows", len(windows)), ("models", len(names))) if count > 1]
    if not kinds:
        return None
    kind = _kind(kinds, series, texts)
    left, right = st.columns(2)
    if kind == "models":
        return _model(left, names, 0, scan, seen, series, texts), _model(right, names, 1, scan, seen, series, texts)
    own = names[0]
    return (
        _window(left, windows, 0, scan, seen, own, series, texts),
        _window(right, windows, 1, scan, seen, own, series, texts),
    )


def _kind(kinds: list[str], series: str, texts: Texts) -> str:
    if len(kinds) == 1:
        return kinds[0]
    return st.radio(
        texts["comparing.between"],
        kinds,
        format_func=lambda kind: texts[f"comparing.{kind}"],
        horizontal=True,
        key=key("comparing", "kind", series),
    )


def _model(column, names, place: int, scan: Scan, seen, series: str, texts: Texts) -> Side:
    name = column.selectbox(_label("model", place, texts), names, index=place, key=key("comparing", place, "m", series))
    return Side(name, chosen_window(scan, seen), name)


def _window(column, windows: Mapping[str, str], place: int, scan: Scan, seen, model: str, series: str, texts: Texts):
    choices = list(windows)
    choice = column.selectbox(
        _label("window", place, texts),
        choices,
        index=place,
        format_func=lambda one: windows.get(one, one),
        key=key("comparing", place, "w", series),
    )
    numbers = ""
    if choice == CUSTOM:
        hint = texts["comparing.custom_hint"]
        where = key("comparing", place, "n", series)
        numbers = column.text_input(f"{windows[CUSTOM]} ({hint})", START, key=where)
    return Side(model, window_of(scan, choice, numbers, seen), windows[choice])


def _label(what: str, place: int, texts: Texts) -> str:
    return f"{texts['comparing.left' if place == 0 else 'comparing.right']}: {texts[f'comparing.{what}']}"


def check(sides: tuple[Side, Side], texts: Texts) -> None:
    """Raises InputError where both would be asked the very same."""
    left, right = sides
    if left.same(right):
        raise InputError(texts["comparing.equal_sides"])
