"""The sidebar: what can be opened, with thumbnails, and which series stand in one pane or in two. Drawn by Streamlit.

It opens no frame but those of thumbnails. Names from the files are shown where the user asks for them, and only there.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import cache, partial
from html import escape
from itertools import groupby

import streamlit as st

from app.failures import guarded, plain
from app.session import key
from app.studies import choice, folders, library, thumbnails, uploading
from app.studies.choice import Source
from app.studies.library import Found, Listing
from app.studies.opened import Opened, samples
from app.texts import Texts
from data_adapters.places import Places

KEYS = {side: key("studies", side) for side in choice.SIDES}
SOURCE, PANES, TOLD = key("studies", "source"), key("studies", "panes"), key("studies", "told")
THUMBNAIL_SECONDS = 1.0
LOOK_SECONDS = 0.2


def browser(texts: Texts) -> tuple[Opened, ...]:
    """Draw the sidebar. What was chosen: () where there is nothing, one, or two for two panes.

    Two windows of one series are the same Opened twice.
    """
    with st.sidebar:
        panes = _panes(texts)
        uploading.box(texts)
        sources = _sources(texts)
        _follow_upload(sources)
        keys = {side: st.session_state.get(name, "") for side, name in KEYS.items()}
        chosen = choice.shown(sources, panes, keys)
        _list(texts, sources, chosen)
    return chosen


def _panes(texts: Texts) -> choice.Panes:
    return st.radio(
        texts["studies.panes"],
        choice.PANES,
        format_func=lambda panes: texts[f"studies.panes_{panes}"],
        horizontal=True,
        key=PANES,
    )


def _sources(texts: Texts) -> list[Source]:
    """Folders given at start and uploads, each listed now where it is not yet.

    Samples only where no folder was given and nothing was uploaded: in a folder's place they would pass for its own.
    """
    found = [*_folders(texts), *_uploads(texts)]
    if folders.given() or any(source.found.items for source in found):
        return found
    return [*found, Source("samples", texts["studies.samples"], Found(samples()))]


def _folders(texts: Texts) -> list[Source]:
    paths = folders.given()
    places = _places(paths)
    sources = []
    for number, path in enumerate(paths, 1):
        title = texts["studies.folder"].format(number=number) if len(paths) > 1 else texts["studies.only_folder"]
        listing = library.SHARED.listing(path, places)
        found = _waited(texts, title, listing)
        again = partial(_again, path, places)
        sources.append(Source(f"folder {number}", title, found, listing.stopped, again))
    return sources


@guarded
def _again(path: str, places: Places) -> None:
    library.SHARED.listing(path, places, anew=True)


@cache
def _places(paths: tuple[str, ...]) -> Places:
    """As they are when the first page is opened: what a link among them leads to later is another place."""
    return Places.of(paths)


def _uploads(texts: Texts) -> list[Source]:
    held = uploading.current()
    sources = []
    for name, listing in held.listings.items() if held else ():
        number = name.rpartition(" ")[2]
        title = texts["studies.uploaded"] if name == "loose" else texts["studies.archive"].format(number=number)
        if held and st.session_state.get(TOLD) and name in held.called:
            title = f"{title} · {held.called[name]}"
        sources.append(Source(name, title, _waited(texts, title, listing)))
    return sources


def _waited(texts: Texts, title: str, listing: Listing) -> Found:
    """What the listing finds; while it takes longer, how far it is, and a button that stops it."""
    found = listing.wait(LOOK_SECONDS)
    if found is None and listing.running:
        place = st.empty()
        with place.container():
            bar = st.progress(0.0, text=plain(texts["studies.listing"]))
            st.button(texts["studies.stop"], key=key("studies", "stop", id(listing)), on_click=listing.stop)
        while listing.running and found is None:
            bar.progress(_share(listing), text=plain(f"{title}: {_progress(texts, listing)}"))
            found = listing.wait(LOOK_SECONDS)
        place.empty()
    return listing.wait(0) or Found()


def _share(listing: Listing) -> float:
    return min(listing.done / listing.total, 1.0) if listing.total else 0.0


def _progress(texts: Texts, listing: Listing) -> str:
    text = texts["studies.listing_done" if listing.total else "studies.listing_found"]
    return text.format(done=listing.done, total=listing.total)


def _list(texts: Texts, sources: Sequence[Source], chosen: Sequence[Opened]) -> None:
    """The series of one source and one patient, a page at a time."""
    for source in sources:
        if source.found.problem:
            st.error(plain(f"{source.title}: {source.found.problem}"))
    source = _source(texts, sources)
    _account(texts, source)
    items, patient = _patient(texts, source)
    if not items:
        return
    told = st.toggle(texts["studies.told"], help=texts["studies.told_help"], key=TOLD)
    shown = [items[index] for index in _page(texts, len(items), key("studies", "page", source.key, patient))]
    pictures = thumbnails.STORE.ready(shown, THUMBNAIL_SECONDS)
    for (_, study), group in groupby(shown, key=lambda item: item.numbers[:2]):
        rows = list(group)
        if study:
            _study(texts, rows[0], told)
        for item in rows:
            _row(texts, item, chosen, pictures, told)


def _follow_upload(sources: Sequence[Source]) -> None:
    """Go to what has just been uploaded, and show it on the left; where nothing of it can be, its account says why."""
    newest = st.session_state.pop(uploading.NEWEST, None)
    for source in sources:
        if source.key == newest:
            st.session_state[SOURCE] = newest
            if source.found.items:
                st.session_state[KEYS["left"]] = choice.first(source.found.items).key


def _source(texts: Texts, sources: Sequence[Source]) -> Source:
    by_key = {source.key: source for source in sources}
    if len(sources) == 1:
        return sources[0]
    if st.session_state.get(SOURCE) not in by_key:
        st.session_state[SOURCE] = next((source.key for source in sources if source.found.items), sources[0].key)
    name = st.selectbox(texts["studies.source"], list(by_key), format_func=lambda name: by_key[name].title, key=SOURCE)
    return by_key[name]


def _account(texts: Texts, source: Source) -> None:
    """How much was passed over, and the reasons in a fold."""
    found = source.found
    if source.stopped:
        st.info(plain(texts["studies.stopped"]))
    elif found.files and not found.items:
        st.info(plain(texts["studies.empty"]))
    count = sum(found.skipped.values())
    if not count and source.again is None:
        return
    told = texts["studies.passed_over" if count else "studies.passed_over_none"]
    with st.expander(plain(told.format(count=count, files=found.files)), expanded=not found.items):
        for reason, number in sorted(found.skipped.items(), key=lambda pair: -pair[1]):
            st.caption(plain(f"{number} × {reason}"))
        if source.again is not None:
            st.button(texts["studies.again"], key=key("studies", "again", source.key), on_click=source.again)


def _patient(texts: Texts, source: Source) -> tuple[tuple[Opened, ...], int]:
    items = source.found.items
    numbers = choice.patients(items)
    if len(numbers) < 2:
        return items, 0
    told = {item.numbers[0]: item.told.patient for item in items} if st.session_state.get(TOLD) else {}

    def called(number: int) -> str:
        name = texts["studies.patient"].format(number=number) if number else texts["studies.nobody"]
        return f"{name} · {told[number]}" if number and told.get(number) else name

    number = st.selectbox(
        texts["studies.patients"], numbers, format_func=called, key=key("studies", "patient", source.key)
    )
    return choice.of_patient(items, number), number


def _page(texts: Texts, count: int, name: str) -> range:
    """Which of so many rows are shown; the buttons are drawn only where there is more than one page."""
    page = choice.page_of(count, st.session_state.get(name, 0))
    if count <= choice.PER_PAGE:
        return page
    number = page.start // choice.PER_PAGE
    back, middle, on = st.columns([1, 1, 1], vertical_alignment="center")
    for column, text, target in ((back, "previous", number - 1), (on, "next", number + 1)):
        column.button(
            texts[f"studies.{text}"],
            key=f"{name}-{text}",
            disabled=target < 0 or target * choice.PER_PAGE >= count,
            on_click=st.session_state.__setitem__,
            args=(name, target),
        )
    middle.caption(plain(texts["studies.page"].format(first=page.start + 1, last=page.stop, count=count)))
    return page


def _study(texts: Texts, item: Opened, told: bool) -> None:
    patient, study, _ = item.numbers
    words = [texts["studies.patient"].format(number=patient), texts["studies.study"].format(number=study)]
    if told:
        words += [part for part in (item.told.patient, item.told.study) if part]
    st.markdown(f"**{plain(' · '.join(words))}**")


def _row(texts: Texts, item: Opened, chosen: Sequence[Opened], pictures: dict[str, bytes], told: bool) -> None:
    left, right = st.columns([2, 5], vertical_alignment="center")
    with left:
        st.html(_picture(texts, item, pictures))
    with right:
        name = choice.title(item, texts)
        if st.session_state.get(PANES) == "series":
            st.markdown(plain(name))
            for column, side, here in zip(st.columns(2), choice.SIDES, chosen, strict=False):
                _button(column, texts[f"studies.{side}"], item, side, item == here)
        else:
            _button(st, plain(name), item, "left", item in chosen)
        details = [choice.images(item, texts), item.detail, item.told.series if told else ""]
        if any(details):
            st.caption(plain(" · ".join(part for part in details if part)))


def _button(place, label: str, item: Opened, side: str, here: bool) -> None:
    place.button(
        label,
        key=key("studies", "open", side, item.key),
        type="primary" if here else "secondary",
        width="stretch",
        on_click=st.session_state.__setitem__,
        args=(KEYS[side], item.key),
    )


def _picture(texts: Texts, item: Opened, pictures: dict[str, bytes]) -> str:
    """The thumbnail inside the page itself: under an address of its own, whoever knew that could fetch it."""
    png = pictures.get(item.key)
    if png:
        data = base64.b64encode(png).decode()
        return f'<img src="data:image/png;base64,{data}" alt="" style="max-width:100%;display:block;margin:auto">'
    word = "…" if png is None else escape(texts["studies.no_thumbnail"])
    return f'<div style="text-align:center;font-size:.8rem;color:var(--medfly-muted)">{word}</div>'
