"""Which series stand in which pane, and what part of a long list is shown: plain values, without Streamlit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from app.studies.library import Found
from app.studies.opened import Opened
from app.texts import Texts

Panes = Literal["one", "series", "windows"]
PANES: tuple[Panes, ...] = ("one", "series", "windows")
SIDES = ("left", "right")
PER_PAGE = 12


@dataclass(frozen=True)
class Source:
    """A folder, the uploads, an archive or the samples.

    key: does not change with the language. stopped: listed in part, so nothing is known. again: lists it anew.
    """

    key: str
    title: str
    found: Found
    stopped: bool = False
    again: Callable[[], None] | None = None


def shown(sources: Sequence[Source], panes: Panes, keys: Mapping[str, str]) -> tuple[Opened, ...]:
    """What the panes hold: one, two series, or one series twice; () where there is nothing at all.

    keys: side → key of what was chosen; what is gone or was never chosen is replaced by the first that there is, on
    the right by the next after the left.
    """
    items = [item for source in sources for item in source.found.items]
    if not items:
        return ()
    by_key = {item.key: item for item in items}
    left = by_key.get(keys.get("left", "")) or first(items)
    if panes == "one":
        return (left,)
    if panes == "windows":
        return left, left
    following = items[(items.index(left) + 1) % len(items)]
    return left, by_key.get(keys.get("right", "")) or following


def first(items: Sequence[Opened]) -> Opened:
    """The first that is no overview, if there is one."""
    return next((item for item in items if not item.localiser), items[0])


def of_patient(items: Iterable[Opened], number: int) -> tuple[Opened, ...]:
    """number: of the patient; 0 for what names none."""
    return tuple(item for item in items if item.numbers[0] == number)


def patients(items: Iterable[Opened]) -> tuple[int, ...]:
    """Their numbers, those without a patient last."""
    return tuple(sorted({item.numbers[0] for item in items}, key=lambda number: (number == 0, number)))


def page_of(count: int, page: int) -> range:
    """The indices that a page shows; a page that there is not becomes the nearest."""
    last = max(0, (count - 1) // PER_PAGE)
    start = min(max(page, 0), last) * PER_PAGE
    return range(start, min(start + PER_PAGE, count))


def title(item: Opened, texts: Texts) -> str:
    """Its name in the list, short: "Series 3 · CT"."""
    number = item.numbers[2]
    if not item.numbers[0]:
        return item.label if item.kind == "dicom" else texts[f"studies.kind_{item.kind}"].format(number=number)
    overview = texts["studies.localiser"] if item.localiser else None
    parts = (texts["studies.series"].format(number=number), item.modality, overview)
    return " · ".join(part for part in parts if part)


def images(item: Opened, texts: Texts) -> str:
    """How many there are; "" where only opening tells, or where that goes without saying."""
    if item.images is None or not item.numbers[0]:
        return ""
    return texts["studies.image"] if item.images == 1 else texts["studies.images"].format(count=item.images)


def size_text(count: int) -> str:
    """Bytes for reading, in steps of 1,024: "3.2 GB"."""
    size, units = float(count), ["bytes", "kB", "MB", "GB"]
    while size >= 1024 and len(units) > 1:
        size /= 1024
        units.pop(0)
    return f"{size:.3g} {units[0]}" if size < 1000 else f"{size:.0f} {units[0]}"
