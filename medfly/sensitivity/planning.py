"""Which changes should leave an answer as it is: of windows, brightness, zoom, place, JPEG, words and sides.

A plan is a list of `Change`, each with what it is called, how the question is put and what the picture becomes. It
asks nobody. Where a change might rightly alter the answer it is not planned: no inversion where the question is about
grey levels, no zoom where a length is asked for (the lists are in medfly.sensitivity.questions and err towards
leaving out).

Windows: those that the file suggests, and for values in HU the presets that medfly.display names for the body part,
all of them where it names none. A finding may lie outside of a window: a flip there says that the answer hangs on the
window, not that it is wrong. Where there is no other window, the picture itself is made brighter, darker, flatter and
steeper by stated amounts.

Sides: the picture mirrored, left and right exchanged in the question, and exchanged back in the answer. Nothing here
can know whether the picture bears a side marker or other letters, which a model may read mirrored, and organs lie as in
situs inversus then. So a flip of this kind weighs less than the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from medfly.display import BODY_PRESETS, chosen_window, preset, presets_for
from medfly.sensitivity import pictures
from medfly.sensitivity.answers import exchange_sides
from medfly.sensitivity.pictures import Edit
from medfly.sensitivity.questions import (
    asks_about_greys,
    asks_about_quality,
    asks_for_a_measure,
    knows_its_side,
    paraphrases,
)
from medfly.types import Scan, VoiLut, Window

KINDS = ("window", "brightness", "inversion", "zoom", "shift", "jpeg", "paraphrase", "sides")
ZOOM, SHIFT = 0.02, 0.02
BRIGHTNESS, CONTRAST = 0.1, 1.25
"""Of the width of the display window; the factor by which the window is made narrower or wider."""
QUALITIES = (75, 50)
SHIFTS = {"left": (-SHIFT, 0.0), "right": (SHIFT, 0.0), "up": (0.0, -SHIFT), "down": (0.0, SHIFT)}
PLAN = {
    "version": 1,  # of the templates and lists of words, too: one more where any of them changes
    "zoom": ZOOM,
    "shift": SHIFT,
    "brightness": BRIGHTNESS,
    "contrast": CONTRAST,
    "jpeg": list(QUALITIES),
}
"""What tells runs under different plans apart."""
AnyWindow = Window | VoiLut | str | None


@dataclass(frozen=True)
class Change:
    """One way to ask again. kind: of KINDS; name: one of its own among a scan's changes; question: as it is put.

    edit: what is done to the displayed picture; window: shown with this one instead. None of both: as it is.
    """

    kind: str
    name: str
    question: str
    edit: Edit | None = None
    window: Window | VoiLut | None = None

    @property
    def same_picture(self) -> bool:
        return self.edit is None and self.window is None

    def scan(self, scan: Scan, window: AnyWindow = None) -> Scan:
        """The changed scan, whose default display is the changed picture. window: as the plain scan was shown.

        An edited one is its 8-bit picture, without windows, values' unit, places in the patient or tiles. What the
        file says is no image stays black where values are changed. Raises InputError as `Scan.display` does.
        """
        if self.window is not None:
            return replace(scan, windows=(self.window,))
        picture = scan.display(window)
        if self.edit is not None:
            picture = self.edit(picture)
        if self.kind in ("brightness", "inversion"):
            picture = _blackened(picture, scan)
        return replace(
            scan,
            pixels=picture,
            windows=(),
            unit=None,
            inverted=False,
            padding=None,
            overlay=None,
            affine=None,
            tiles=(),
        )


def changes(scan: Scan, question: str, window: AnyWindow = None) -> list[Change]:
    """The changes of this scan and question that should not change the answer, in the order of KINDS.

    window: as the scan is shown, see `Scan.display`. Raises InputError for one that does not fit.
    """
    found = [replace(change, question=question) for change in picture_changes(scan, window)]
    found = [change for change in found if _harmless(change.kind, question)]
    found += [Change("paraphrase", name, said) for name, said in paraphrases(question)]
    if not knows_its_side(question):
        found.append(Change("sides", "left and right exchanged", exchange_sides(question), pictures.mirrored))
    return found


def picture_changes(scan: Scan, window: AnyWindow = None) -> Iterator[Change]:
    """Those of the picture alone, whatever the question; their questions are empty."""
    windows = other_windows(scan, window)
    for number, other in enumerate(windows, 1):
        yield Change("window", f"{number}: {_called(other)}", "", window=other)  # a file's tables may look alike
    if not windows:
        tenth = f"{100 * BRIGHTNESS:.0f} %"
        for name, brightness, contrast in (
            (f"brighter by {tenth} of the window", BRIGHTNESS, 1.0),
            (f"darker by {tenth} of the window", -BRIGHTNESS, 1.0),
            (f"contrast × {CONTRAST}", 0.0, CONTRAST),
            (f"contrast ÷ {CONTRAST}", 0.0, 1 / CONTRAST),
        ):
            yield Change("brightness", name, "", partial(pictures.levelled, brightness=brightness, contrast=contrast))
    if scan.pixels.ndim == 2 or pictures.is_grey(scan.pixels):  # colours inverted are other colours
        yield Change("inversion", "inverted", "", pictures.inverted)
    for percent in (100 * ZOOM, -100 * ZOOM):
        name = f"zoom {percent:+.0f} %".replace("-", "−")
        yield Change("zoom", name, "", partial(pictures.zoomed, factor=1 + percent / 100))
    for where, (right, down) in SHIFTS.items():
        name = f"shift {100 * SHIFT:.0f} % {where}"
        yield Change("shift", name, "", partial(pictures.shifted, right=right, down=down))
    for quality in QUALITIES:
        yield Change("jpeg", f"JPEG quality {quality}", "", partial(pictures.jpeg, quality=quality))


def other_windows(scan: Scan, window: AnyWindow = None) -> list[Window | VoiLut]:
    """The windows that fit the scan besides the one that it is shown in, the file's first; none for colour."""
    chosen = chosen_window(scan, window)
    if chosen is None:
        return []
    names = BODY_PRESETS.get(scan.body_part or "") if scan.unit == "HU" else ()
    presets = [preset(name) for name in (presets_for(scan) if names is None else names)]
    seen, others = {_key(chosen)}, []
    for other in (*scan.windows, *presets):
        if _key(other) not in seen:
            seen.add(_key(other))
            others.append(other)
    return others


def _key(window: Window | VoiLut) -> tuple[float, float] | int:
    """Windows of one key show the same, near enough; tables are told apart as objects."""
    return id(window) if isinstance(window, VoiLut) else (window.center, window.width)


def _called(window: Window | VoiLut) -> str:
    if isinstance(window, VoiLut):
        return f"{window.source} ({len(window.entries)} entries from {window.first:g})"
    return f"window {window.width:g}/{window.center:g} ({window.source})"


def _harmless(kind: str, question: str) -> bool:
    """Whether a change of the picture leaves the right answer to this question as it is."""
    if kind in ("window", "inversion"):
        return not asks_about_greys(question)
    if kind in ("zoom", "shift"):
        return not asks_for_a_measure(question)
    return kind not in ("brightness", "jpeg") or not asks_about_quality(question)


def _blackened(picture: np.ndarray, scan: Scan) -> np.ndarray:
    """As medfly.display does: black where there is no image, and where a value is no number."""
    nothing = np.zeros(scan.pixels.shape[:2], bool) if scan.padding is None else scan.padding
    if scan.pixels.ndim == 2:
        nothing = nothing | np.isnan(scan.pixels)
    return np.where(nothing[:, :, None], 0, picture).astype(np.uint8)
