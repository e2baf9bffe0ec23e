"""Uploads: numbered files in a private folder, one session's never another's, gone when it ends."""

from __future__ import annotations

import io
import os
import signal
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.studies import frames, server_folder, thumbnails
from app.studies.uploads import LOOSE, Limits, Upload, Uploads
from medfly.types import InputError

from .made_studies import SECRET, series, waited


def upload(name: str, content: bytes) -> Upload:
    return Upload(name, len(content), io.BytesIO(content))


def of_files(*paths: Path) -> list[Upload]:
    return [upload(f"{SECRET}/{path.name}", path.read_bytes()) for path in paths]


def zipped(*paths: Path) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path in paths:
            archive.write(path, f"../../{SECRET}/{path.name}")
    return stream.getvalue()


def on_disk(held: Uploads) -> list[str]:
    return sorted(str(path.relative_to(held.folder)) for path in held.folder.rglob("*") if path.is_file())


def test_files_and_archives_become_series(tmp_path: Path) -> None:
    held = Uploads()
    first, second = series(tmp_path / "a", 3), series(tmp_path / "b", 2, patient="P2")
    held.add([*of_files(*first), upload("x.zip", zipped(*second))])
    (loose,) = waited(held.listings[LOOSE]).items
    (packed,) = waited(held.listings["archive 1"]).items
    assert (loose.images, packed.images) == (3, 2)
    assert frames.STORE.frame(packed, 1).pixels[0, 1] == 1
    assert on_disk(held) == ["archives/000001/000001", *(f"loose/000002/00000{n}" for n in (1, 2, 3))]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in [held.folder, *held.folder.rglob("*")]}
    assert modes <= {0o600, 0o700}


def test_a_series_may_come_in_parts(tmp_path: Path) -> None:
    held = Uploads()
    paths = series(tmp_path, 4)
    held.add(of_files(*paths[:2]))
    before = waited(held.listings[LOOSE]).items
    held.add(of_files(*paths[2:]))
    after = waited(held.listings[LOOSE]).items
    assert ([i.images for i in before], [i.images for i in after]) == ([2], [4]) and before[0].key != after[0].key


class Torn(io.BytesIO):
    """A stream that breaks off behind its first bytes."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() >= 4:
            raise OSError(28, "No space left on device")
        return super().read(4)


def test_an_upload_that_breaks_off_keeps_nothing_and_counts_nothing(tmp_path: Path) -> None:
    held = Uploads(Limits(files=4, total=10**7))
    paths = series(tmp_path, 3)
    torn = Upload("z/torn", 100, Torn(b"x" * 100))
    with pytest.raises(InputError, match="cannot be kept"):
        held.add([upload("a.zip", zipped(*paths)), upload("a/first", b"x"), torn])
    assert (held.files, held.bytes, on_disk(held), held.listings) == (0, 0, [], {})
    held.add(of_files(*paths))
    assert held.files == 3 and waited(held.listings[LOOSE]).items[0].images == 3


NAMES = st.text(st.sampled_from([".", "/", "\\", "a", "~", "\0", ":", "é", "\n"]), max_size=12)


@settings(deadline=None, max_examples=40)
@given(st.lists(NAMES, max_size=8))
def test_names_are_never_paths(names: list[str]) -> None:
    held = Uploads()
    held.add([upload(name, b"x") for name in names])
    written = on_disk(held)
    assert len(written) == len(names)
    assert all(part.isdigit() for path in written for part in path.split("/")[1:])
    held.close()


def test_what_a_file_was_called_is_for_the_screen_only() -> None:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("L", (8, 8), 7).save(stream, "PNG")
    held = Uploads()
    held.add([upload(f"{SECRET}.png", stream.getvalue())])
    (item,) = waited(held.listings[LOOSE]).items
    assert item.told.series == f"{SECRET}.png" and SECRET not in repr(item) + item.label + item.detail


def test_broken_ones_are_told_and_the_others_stay(tmp_path: Path) -> None:
    held = Uploads()
    paths = series(tmp_path, 2)
    whole = zipped(*paths)
    bad = [upload("bad.zip", whole[: len(whole) // 2]), upload("notes.txt", b"words"), upload("none", b"")]
    held.add([*of_files(*paths), *bad])
    loose, archive = waited(held.listings[LOOSE]), waited(held.listings["archive 1"])
    assert [item.images for item in loose.items] == [2] and sum(loose.skipped.values()) == 2
    assert archive.problem and "\n" not in archive.problem and str(held.folder) not in archive.problem


def test_limits_are_kept_and_nothing_of_what_is_refused() -> None:
    held = Uploads(Limits(files=3, total=10))
    held.add([upload("a", b"12345")])
    for refused in ([upload("b", b"123456")], [upload(str(n), b"") for n in range(3)]):
        with pytest.raises(InputError, match="at most"):
            held.add(refused)
    assert (held.files, held.bytes, len(on_disk(held))) == (1, 5, 1)


def test_two_sessions_have_nothing_in_common(tmp_path: Path) -> None:
    paths = series(tmp_path, 2)
    mine, theirs = Uploads(), Uploads()
    for held in (mine, theirs):
        held.add(of_files(*paths))
    (one,), (other,) = (waited(held.listings[LOOSE]).items for held in (mine, theirs))
    assert one.key != other.key and one.owner != other.owner and mine.folder != theirs.folder
    assert not one.places.hold(other.series.files[0].path), "not even by a path that is known"
    theirs.close()
    assert frames.STORE.frame(one, 0).pixels[0, 1] == 0
    with pytest.raises(InputError):
        frames.STORE.frame(other, 0)


def test_all_is_gone_when_the_session_is_closed(tmp_path: Path) -> None:
    held = Uploads()
    held.add(of_files(*series(tmp_path, 2)))
    (item,) = waited(held.listings[LOOSE]).items
    frames.STORE.frame(item, 1)
    assert thumbnails.STORE.ready([item], 30)[item.key]
    folder = held.folder
    held.close()
    assert held.closed and not folder.exists()
    assert frames.STORE.frames.get(item.owner, (item.key, 1)) is None
    assert frames.STORE.files.get(item.owner, item.key) is None
    assert not thumbnails.STORE.ready([item], 30).get(item.key)
    with pytest.raises(InputError, match="session's end"):
        held.add([upload("late", b"x")])


def test_a_session_that_is_dropped_without_a_word_leaves_nothing() -> None:
    held = Uploads()
    held.add([upload("a", b"x")])
    waited(held.listings[LOOSE])
    folder = held.folder
    del held
    assert not folder.exists()


def test_a_lost_connection_may_come_back() -> None:
    held = Uploads()
    held.left(30)
    held.back()
    held.left(0.01)
    deadline = time.monotonic() + 10
    while held.folder.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert held.closed and not held.folder.exists()


SERVER = """
import sys, tempfile, time
from app.studies import server_folder
tempfile.tempdir = sys.argv[1]
(server_folder.new() / "scan").write_bytes(b"x")
print("ready", flush=True)
time.sleep(float(sys.argv[2]))
"""


def server(folder: Path, seconds: float) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(folder), str(seconds)], stdout=subprocess.PIPE)
    assert process.stdout and process.stdout.readline() == b"ready\n"
    return process


def test_a_server_removes_all_at_its_end_and_what_a_killed_one_left(tmp_path: Path) -> None:
    ending, killed, living = server(tmp_path, 0), server(tmp_path, 60), server(tmp_path, 60)
    try:
        assert ending.wait(30) == 0
        folders = [path for path in tmp_path.iterdir() if (path / server_folder.LOCK).exists()]
        assert len(folders) == 2
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait(30)
        assert server_folder.sweep(tmp_path) == 1
        (left,) = tmp_path.iterdir()
        assert [path.read_bytes() for path in left.rglob("scan")] == [b"x"], "a living server's is left alone"
    finally:
        for process in (killed, living):
            process.kill()
            process.wait()


def test_uploads_are_read_as_the_files_are(tmp_path: Path) -> None:
    from data_adapters import read

    paths = series(tmp_path, 3)
    held = Uploads()
    held.add(of_files(*reversed(paths)))
    (item,) = waited(held.listings[LOOSE]).items
    for index, expected in enumerate(read(paths)):
        np.testing.assert_array_equal(frames.STORE.frame(item, index).pixels, expected.pixels)
