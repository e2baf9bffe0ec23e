"""The plan of a scan and a question, and what each change makes of the scan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medfly.display import preset
from medfly.sensitivity import KINDS, changes
from medfly.sensitivity.planning import picture_changes
from medfly.types import InputError, Scan, Tile, VoiLut, Window

QUESTION = "Is there a nodule in the left lung in this image?"


def ct(**more: object) -> Scan:
    pixels = np.linspace(-1000, 1000, 60 * 80, dtype=np.float32).reshape(60, 80)
    return replace(Scan(pixels, unit="HU", body_part="CHEST", modality="CT", spacing=(0.5, 1.0)), **more)


def grey(**more: object) -> Scan:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80)).astype(np.float32)
    return replace(Scan(pixels, windows=(Window(127.5, 255, "LINEAR_EXACT"),)), **more)


def colour(like: Scan | None = None) -> Scan:
    picture = np.random.default_rng(1).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    return Scan(picture if like is None else like.display())


def kinds(scan: Scan, question: str = QUESTION, window: object = None) -> list[str]:
    return list(dict.fromkeys(change.kind for change in changes(scan, question, window)))  # type: ignore[arg-type]


def test_the_order_of_the_kinds_and_that_names_are_unique() -> None:
    for scan in (ct(), grey(), colour(), colour(grey())):
        plan = changes(scan, QUESTION)
        assert [KINDS.index(one.kind) for one in plan] == sorted(KINDS.index(one.kind) for one in plan)
        assert len({one.name for one in plan}) == len(plan)
        assert all(one.same_picture == (one.kind == "paraphrase") for one in plan)
        assert all(one.question == QUESTION for one in plan if one.kind not in ("paraphrase", "sides"))
        (sides,) = [one for one in plan if one.kind == "sides"]
        assert sides.question == QUESTION.replace("left", "right")


def test_windows_are_the_files_and_the_body_parts_presets_but_for_the_one_in_use() -> None:
    def windows(scan: Scan, used: object = None) -> list[Window | VoiLut | None]:
        return [one.window for one in picture_changes(scan, used) if one.kind == "window"]  # type: ignore[arg-type]

    assert windows(ct()) == [preset("lung"), preset("bone")]
    assert windows(ct(), "lung") == [preset("mediastinum"), preset("bone")]
    assert len(windows(ct(body_part=None))) == 9
    own, table = Window(50, 350, source="WindowCenter"), VoiLut(0, np.arange(4), 2)
    assert windows(ct(windows=(own, table))) == [table, preset("lung"), preset("bone")]  # own is the mediastinum's
    assert windows(ct(windows=(own, table)), "file:2") == [own, preset("lung"), preset("bone")]
    assert windows(grey()) == windows(colour()) == []
    with pytest.raises(InputError):
        changes(grey(), QUESTION, "lung")


def test_a_change_of_window_shows_the_scan_as_that_window_does() -> None:
    scan = ct()
    for one in picture_changes(scan):
        if one.kind == "window":
            assert (one.scan(scan).display() == scan.display(one.window)).all()
            assert one.scan(scan).pixels is scan.pixels


@pytest.mark.parametrize(
    "scan, found",
    [
        (ct(), ["window", "inversion", "zoom", "shift", "jpeg", "paraphrase", "sides"]),
        (ct(body_part="SPINE"), ["brightness", "inversion", "zoom", "shift", "jpeg", "paraphrase", "sides"]),
        (grey(), ["brightness", "inversion", "zoom", "shift", "jpeg", "paraphrase", "sides"]),
        (colour(grey()), ["brightness", "inversion", "zoom", "shift", "jpeg", "paraphrase", "sides"]),
        (colour(), ["brightness", "zoom", "shift", "jpeg", "paraphrase", "sides"]),
    ],
)
def test_kinds_by_scan(scan: Scan, found: list[str]) -> None:
    assert kinds(scan) == found


@pytest.mark.parametrize(
    "question, missing",
    [
        ("What color is it?", {"window", "inversion"}),
        ("Is it T1 weighted?", {"window", "inversion"}),
        ("How large is it in mm?", {"zoom", "shift"}),
        ("Is it blurred?", {"jpeg"}),
        ("Which letter is the marker?", {"sides"}),
        ("肝脏在哪里？", {"paraphrase"}),
    ],
)
def test_no_change_that_changes_the_answer(question: str, missing: set[str]) -> None:
    assert set(kinds(ct())) - set(kinds(ct(), question)) == missing


def test_a_changed_scan_is_its_picture_and_keeps_what_is_true_of_it() -> None:
    tile = Tile(3, (0, 0, 80, 60), (0, 0, 80, 60))
    scan = ct(tiles=(tile,), affine=np.eye(4), inverted=True, input_hash="ab")
    for one in picture_changes(scan, "lung"):
        changed = one.scan(scan, "lung")
        assert changed.size == scan.size and changed.pixel_aspect == scan.pixel_aspect
        assert (changed.modality, changed.input_hash) == ("CT", "ab")
        if one.kind != "window":
            assert (changed.display() == changed.pixels).all() and changed.pixels.dtype == np.uint8
            assert changed.unit is None and changed.tiles == () and changed.affine is None
            assert (changed.pixels != scan.display("lung")).any(), one.name
    inverted = next(one for one in picture_changes(scan) if one.kind == "inversion")
    assert (inverted.scan(scan, "lung").pixels == replace(scan, inverted=False).display("lung")).mean() > 0.99


def test_padding_and_no_numbers_stay_black_where_values_change() -> None:
    padding = np.zeros((60, 80), bool)
    padding[:10] = True
    pixels = grey().pixels.copy()
    pixels[20, 20] = np.nan
    scan = grey(pixels=pixels, padding=padding)
    for one in picture_changes(scan):
        if one.kind in ("inversion", "brightness"):
            shown = one.scan(scan).display()
            assert (shown[padding] == 0).all() and (shown[20, 20] == 0).all()
            if "brighter" in one.name or one.kind == "inversion":
                assert (shown[~padding] > 0).mean() > 0.95
