"""What the viewer opens: all that is inside the folders given at start, and nothing that is outside."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.studies.folders import given as given_at_start
from app.studies.opened import Opened, opened_of
from data_adapters import catalogue
from data_adapters.places import LEADS_OUT, Places
from medfly.types import InputError, Volume

from .made_studies import SECRET, series

PARTS = st.lists(st.sampled_from(["a", "b", "ab", "..", "."]), max_size=6)


def listed(path: Path, *roots: Path) -> tuple[tuple[Opened, ...], dict[str, int]]:
    places = Places.of(roots or (path,))
    found = catalogue(path, places=places)
    return opened_of(found, places), dict(found.skipped)


def test_without_links_it_is_the_adapters_catalogue(tmp_path: Path) -> None:
    series(tmp_path / "b", 2)
    series(tmp_path / "a" / "deep", 3, patient="P2")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / ".hidden").write_text("")
    expected = catalogue(tmp_path)
    found = catalogue(tmp_path, places=Places.of([tmp_path]))
    assert str(found) == str(expected) and found.files == expected.files == 6
    assert [s.files for s in found.series] == [s.files for s in expected.series]


def test_links_that_lead_out_are_passed_over_and_counted(tmp_path: Path) -> None:
    inside, outside = tmp_path / "studies", tmp_path / "studies-not"  # a name that begins alike
    series(inside / "own", 2)
    (secret, *_) = series(outside / "x", 3, patient="P9")
    (inside / "folder").symlink_to(outside)
    (inside / "file.dcm").symlink_to(secret)
    (inside / "own" / "chain").symlink_to(inside / "folder")
    (inside / "fine").symlink_to(inside / "own")
    items, skipped = listed(inside)
    assert [item.images for item in items] == [2]
    assert skipped == {LEADS_OUT: 3, "link to a folder that was seen already": 1}
    assert len(catalogue(inside).series) == 2, "the adapters follow them"
    items, skipped = listed(inside, inside, outside)  # both given at start
    assert sorted(item.images or 0 for item in items) == [2, 3] and LEADS_OUT not in skipped


def test_a_file_that_becomes_a_link_afterwards_is_not_opened(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    paths = series(inside, 3)
    (other, *_) = series(outside, 1, patient="P9")
    (item,), _ = listed(inside)
    assert isinstance(item.open(), Volume)
    paths[0].unlink()
    paths[0].symlink_to(other)
    with pytest.raises(InputError, match="leads out") as caught:
        item.open()
    assert str(tmp_path) not in str(caught.value)
    item.check(1)
    with pytest.raises(InputError):
        item.check(0)


def test_a_slide_may_not_bring_its_neighbours_from_outside(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out.dat").write_bytes(b"")
    slide = tmp_path / "in" / "x.mrxs"
    slide.write_bytes(b"\xff\xd8\xff")
    (tmp_path / "in" / "x").mkdir()
    (tmp_path / "in" / "x" / "Data0000.dat").symlink_to(tmp_path / "out.dat")
    items, skipped = listed(tmp_path / "in")
    assert not items and skipped == {LEADS_OUT: 1, "a " + LEADS_OUT: 1}


def test_a_dicomdir_holds_the_folder_around_it_and_one_file_only_itself(tmp_path: Path) -> None:
    import pydicom.data

    folder = Path(str(pydicom.data.__file__)).parent / "test_files" / "dicomdirtests"
    items, _ = listed(folder / "DICOMDIR")
    assert len(items) == len(catalogue(folder / "DICOMDIR").series) > 1
    one, other = series(tmp_path, 2)
    places = Places.of([one])
    assert places.hold(one) and not places.hold(other) and not places.hold(tmp_path)


@settings(deadline=None)
@given(PARTS)
def test_hold_is_what_the_system_resolves(parts: list[str]) -> None:
    root = "/srv/a"
    real = os.path.realpath("/srv/a/" + "/".join(parts))
    assert Places((root,)).hold("/srv/a/" + "/".join(parts)) == (Path(root) in (Path(real), *Path(real).parents))


def test_broken_files_are_counted_and_the_others_stay(tmp_path: Path) -> None:
    (first, *_) = series(tmp_path, 3)
    (tmp_path / "cut.dcm").write_bytes(first.read_bytes()[:200])
    (tmp_path / "empty.dcm").write_bytes(b"")
    (tmp_path / "pipe").unlink(missing_ok=True)
    os.mkfifo(tmp_path / "pipe")
    items, skipped = listed(tmp_path)
    assert [item.images for item in items] == [3]
    assert sum(skipped.values()) == 3 and skipped["empty file"] == 1


def test_nothing_that_is_shown_by_default_names_the_patient(tmp_path: Path) -> None:
    series(tmp_path / "doe", 2, patient="DOE-1")
    (item,), _ = listed(tmp_path)
    safe = f"{item!r} {item.label} {item.detail} {item.key}"
    assert SECRET not in safe and "DOE" not in safe.upper() and str(tmp_path) not in safe
    assert item.told.patient == SECRET and item.told.series.startswith(SECRET)
    assert (item.numbers, item.images) == ((1, 1, 1), 2)


def test_another_file_under_the_same_name_has_another_key(tmp_path: Path) -> None:
    (path,) = series(tmp_path, 1)
    (before,), _ = listed(tmp_path)
    (again,), _ = listed(tmp_path)
    shutil.copy(series(tmp_path / "new", 1, side=20)[0], path)
    shutil.rmtree(tmp_path / "new")
    (after,), _ = listed(tmp_path)
    assert before.key == again.key != after.key and before == again != after


def test_the_environment_names_the_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDFLY_STUDIES", os.pathsep.join(["/a", "/b c", "", "/a"]))
    assert given_at_start() == ("/a", "/b c")
    monkeypatch.delenv("MEDFLY_STUDIES")
    assert given_at_start() == ()
