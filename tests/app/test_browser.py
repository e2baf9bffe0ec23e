"""The sidebar, run by Streamlit's own tester: choosing, passing over, uploading, two sessions that share nothing."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.session import key
from app.studies import choice, library, uploading
from app.studies.library import Found, Library, Listing
from app.studies.opened import Opened, opened_of
from app.studies.uploads import LOOSE
from app.texts import table
from data_adapters import catalogue
from data_adapters.places import Places

from .made_studies import SECRET, series

PAGE = Path(__file__).parent / "studies_page.py"
TEXTS = table("en")


def page() -> AppTest:
    return AppTest.from_file(str(PAGE), default_timeout=60)


def started(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> AppTest:
    monkeypatch.setenv("MEDFLY_STUDIES", ":".join(map(str, folders)))
    return page().run()


def panes(page: AppTest) -> list[str]:
    assert not page.exception
    return [text.value for text in page.main.text]


def words(page: AppTest) -> str:
    """All that is written in the sidebar."""
    side = page.sidebar
    written = [*side.caption, *side.markdown, *side.info, *side.error, *side.expander, *side.button]
    return " ".join(getattr(item, "value", None) or item.label for item in written).replace("\\", "")


def give(page: AppTest, *paths: Path) -> AppTest:
    turn = page.session_state[uploading.TURN] if uploading.TURN in page.session_state else 0  # noqa: SIM401
    files = [(path.name, path.read_bytes(), "application/dicom") for path in paths]
    return page.file_uploader(key=key("studies", "files", turn)).set_value(files).run()


def test_samples_where_there_is_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDFLY_STUDIES", raising=False)
    shown = page().run()
    assert panes(shown) == ["Abdomen, MR 1"]
    buttons = [button for button in shown.sidebar.button if "open-left" in str(button.key)]
    assert len(buttons) == 4
    buttons[1].click().run()
    assert panes(shown) == ["Head, CT 1"]


def test_a_folder_and_what_was_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    series(tmp_path / "a", 3)
    (tmp_path / "notes.txt").write_text("words")
    (tmp_path / "out").symlink_to("/etc")
    shown = started(monkeypatch, tmp_path)
    assert panes(shown) == ["series 1 CT 3 images 3"]
    assert "4 files, 2 passed over" in words(shown) and "1 × link that leads out" in words(shown)
    assert SECRET not in words(shown)
    shown.toggle(key=key("studies", "told")).set_value(True).run()
    assert SECRET in words(shown)


def test_a_missing_folder_is_one_line_and_the_other_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    series(tmp_path / "a", 2)
    shown = started(monkeypatch, tmp_path / "nowhere", tmp_path / "a")
    assert panes(shown) == ["series 1 CT 2 images 2"]
    assert len(shown.sidebar.error) == 1 and "Folder 1: found no such file" in words(shown)
    assert str(tmp_path) not in words(shown)


def test_two_series_two_windows_and_patients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    series(tmp_path / "a", 2)
    series(tmp_path / "b", 3, number=2)
    series(tmp_path / "c", 4, patient="P2")
    shown = started(monkeypatch, tmp_path)
    layout = shown.radio(key=key("studies", "panes"))
    layout.set_value("windows").run()
    assert panes(shown) == ["series 1 CT 2 images 2"] * 2
    shown.radio(key=key("studies", "panes")).set_value("series").run()
    assert panes(shown) == ["series 1 CT 2 images 2", "series 2 CT 3 images 3"]
    shown.selectbox(key=key("studies", "patient", "folder 1")).set_value(2).run()
    (right,) = [button for button in shown.sidebar.button if "open-right" in str(button.key)]
    right.click().run()
    assert panes(shown) == ["series 1 CT 2 images 2", "series 1 CT 4 images 4"]


def test_a_long_list_is_shown_in_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(choice.PER_PAGE + 2):
        series(tmp_path / f"{number:02d}", 1, number=number)
    shown = started(monkeypatch, tmp_path)

    def rows() -> int:
        return sum("open-left" in str(button.key) for button in shown.sidebar.button)

    assert rows() == choice.PER_PAGE and "1–12 of 14" in words(shown)
    next(button for button in shown.sidebar.button if button.label == TEXTS["studies.next"]).click().run()
    assert rows() == 2 and "13–14 of 14" in words(shown)


def test_limits_are_told_before_and_an_upload_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDFLY_STUDIES", raising=False)
    shown = page().run()
    assert "200 MB a file, 5000 files and 4 GB in all" in words(shown)
    give(shown, *series(tmp_path, 3))
    assert panes(shown) == ["series 1 CT 3 images 3"] and "Held: 3 files" in words(shown)
    assert not shown.file_uploader(key=key("studies", "files", 1)).value, "Streamlit's own copy is gone"
    folder = shown.session_state[uploading.HELD].folder
    shown.button(key=key("studies", "remove")).click().run()
    assert panes(shown) == ["Abdomen, MR 1"] and not folder.exists()


def test_too_much_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDFLY_STUDIES", raising=False)
    monkeypatch.setattr(uploading, "LIMITS", uploading.Limits(files=1))
    shown = page().run()
    give(shown, *series(tmp_path, 2))
    assert panes(shown) == ["Abdomen, MR 1"] and "found 2 files; expected at most 1" in words(shown)
    give(shown, tmp_path / "slice0000.dcm")
    assert panes(shown) == ["series 1 CT 1 image 1"] and not shown.sidebar.error


def test_two_sessions_do_not_see_each_others_uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDFLY_STUDIES", raising=False)
    (path,) = series(tmp_path, 1)
    mine, theirs = page().run(), page().run()
    give(mine, path)
    assert panes(mine) == ["series 1 CT 1 image 1"]
    assert panes(theirs.run()) == ["Abdomen, MR 1"]
    secret = mine.session_state["seen"][-1]
    theirs.session_state[key("studies", "left")] = secret
    assert panes(theirs.run()) == ["Abdomen, MR 1"], "not even by its key"
    give(theirs, path)
    assert panes(theirs) == ["series 1 CT 1 image 1"] and theirs.session_state["seen"][-1] != secret
    one, other = mine.session_state[uploading.HELD], theirs.session_state[uploading.HELD]
    assert one.folder != other.folder
    one.close()
    assert panes(theirs.run()) == ["series 1 CT 1 image 1"] and panes(mine.run()) == ["Abdomen, MR 1"]


def test_the_end_of_the_connection_begins_the_end_of_the_uploads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Streamlit calls when a page's connection ends is called here for the session that AppTest names."""
    from streamlit.runtime.caching import clear_session_resource_cache

    monkeypatch.delenv("MEDFLY_STUDIES", raising=False)
    monkeypatch.setattr(uploading, "_grace", lambda: 0.05)
    shown = page().run()
    give(shown, *series(tmp_path, 1))
    held = shown.session_state[uploading.HELD]
    assert held.folder.exists()
    clear_session_resource_cache("test session id")
    for _ in range(200):
        if not held.folder.exists():
            break
        time.sleep(0.05)
    assert held.closed and not held.folder.exists()


def test_a_listing_can_be_stopped_and_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths, places = series(tmp_path, 3), Places.of([tmp_path])
    go = threading.Event()
    real = library.catalogue

    def slow(path, *, progress, places):
        go.wait(30)
        return real(path, progress=progress, places=places)

    monkeypatch.setattr(library, "catalogue", slow)
    shared = Library()
    listing = shared.listing(str(tmp_path), places)
    assert shared.listing(str(tmp_path), places, anew=True) is listing, "it is under way"
    assert listing.wait(0.01) is None and listing.running
    listing.stop()
    go.set()
    assert listing.wait(30) is None and listing.stopped
    again = shared.listing(str(tmp_path), places, anew=True)
    found = again.wait(30)
    assert again is not listing and found and found.files == len(paths) and again.done == again.total == 3


def test_an_unforeseen_failure_is_told_by_its_class_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(path, *, progress, places):
        raise RuntimeError(SECRET)

    monkeypatch.setattr(library, "catalogue", failing)
    found = Listing(str(tmp_path), Places.of([tmp_path])).wait(30)
    assert found and found.problem and "RuntimeError" in found.problem and SECRET not in found.problem


def of(folder: Path) -> tuple[Opened, ...]:
    return opened_of(catalogue(folder), Places.of([folder]))


def test_what_is_shown_falls_back_to_what_there_is(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        series(tmp_path / str(number), 1, number=number)
    items = of(tmp_path)
    source = choice.Source(LOOSE, "", Found(items))
    assert choice.shown([], "series", {}) == ()
    assert choice.shown([source], "one", {"left": "gone"}) == items[:1]
    assert choice.shown([source], "series", {"left": items[2].key}) == (items[2], items[0])
    assert choice.shown([source], "windows", {"left": items[1].key, "right": items[2].key}) == (items[1],) * 2
    assert choice.title(items[1], table("de")) == "Serie 2 · CT" and choice.images(items[1], table("de")) == "1 Bild"


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 kB"), (4 * 2**30, "4 GB")]
)
def test_sizes_in_words(size: int, text: str) -> None:
    assert choice.size_text(size) == text
