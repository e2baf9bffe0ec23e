"""The whole app, as a reader uses it: `medfly app STUDY_FOLDER` from an installed wheel, with the bundled model."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from medfly.wording import RESEARCH_USE

from .conftest import settled
from .reader import SERIES, SINGLE, Reader
from .server import Server
from .studies import PATIENT, SLICES, write_broken, write_head_ct

MODALITY = "What modality is used to take this image?"
BODY = "Which part of the body does this image belong to?"
CONTRASTS = Path(__file__).with_name("contrasts.js").read_text("utf-8")


@pytest.fixture
def reader(shared_viewer: Server, tab: Callable[..., Page]) -> Reader:
    """A session of its own at the page of a server that was given the study folder."""
    found = Reader(tab(shared_viewer))
    found.ready()
    return found


def test_a_folder_is_opened_and_its_frames_are_gone_through(reader: Reader, shot) -> None:
    reader.open(SERIES)
    before = reader.picture()
    reader.stage.focus()
    reader.page.keyboard.press("Home")
    reader.until(lambda: f"Frame 1 of {SLICES}" in reader.status, "the first frame")
    for _ in range(3):
        reader.page.keyboard.press("ArrowDown")
    reader.until(lambda: f"Frame 4 of {SLICES}" in reader.status, "the fourth frame")
    reader.stage.hover()
    reader.page.mouse.wheel(0, 120)
    reader.until(lambda: f"Frame 5 of {SLICES}" in reader.status, "the fifth frame")
    assert reader.picture() != before
    shot(reader.page, "app-series")


def test_names_of_patients_are_not_shown_unless_asked_for(reader: Reader) -> None:
    assert PATIENT not in reader.page.content()
    reader.page.get_by_text(reader.texts["studies.told"], exact=True).click()
    expect(reader.page.get_by_text(PATIENT).first).to_be_visible()


def test_the_window_is_dragged_and_the_model_sees_it(reader: Reader, shot) -> None:
    reader.open(SINGLE)
    width, level = reader.window()
    before = reader.picture()
    reader.tool("window")
    reader.drag((0.4, 0.5), (0.6, 0.35))
    reader.until(lambda: reader.window() != (width, level), "another window")
    assert reader.window()[0] > width, "to the right is wider"
    assert reader.picture() != before
    now = reader.window()
    reader.ask(MODALITY)
    reader.page.get_by_text(reader.texts["asking.provenance"], exact=True).first.click()
    said = reader.page.locator(".medfly-card").first.inner_text()
    found = re.search(r"window (-?[\d.]+)/(-?[\d.]+)", said)
    assert found, said
    assert (float(found[1]), float(found[2])) == pytest.approx(now, abs=1.0)
    shot(reader.page, "app-window")


def test_asking_hovering_and_a_click_on_a_crop(reader: Reader, shot) -> None:
    reader.open(SINGLE)
    assert reader.ask(MODALITY)
    shot(reader.page, "app-answer")
    still = reader.picture()
    reader.page.locator("[data-medfly-crops]").first.hover()
    reader.page.wait_for_timeout(400)
    assert reader.seen() != still, "hovering an answer highlights its crops"
    shot(reader.page, "app-hover")
    assert reader.picture() == still, "and leaving it takes that back"
    crop = reader.crops.first
    crop.focus()
    reader.page.wait_for_timeout(400)
    assert reader.seen() != still, "the keyboard does the same"
    crop.click()
    inset = reader.page.locator(".medfly-canvas .inset").first
    expect(inset).to_be_visible()
    told = inset.locator("figcaption").inner_text()
    assert re.search(r"Score [+−]?\d", told), told
    assert reader.picture() != still, "the scan is zoomed to the crop"
    shot(reader.page, "app-crop")


def test_several_turns_are_kept_for_their_series(reader: Reader) -> None:
    reader.open(SINGLE)
    reader.ask(MODALITY)
    reader.ask(BODY)
    expect(reader.page.locator(".medfly-card").filter(has_text=MODALITY)).to_have_count(1)
    reader.open(SERIES)
    expect(reader.page.locator(".medfly-card")).to_have_count(0)
    reader.open(SINGLE)
    expect(reader.page.locator(".medfly-card").filter(has_text=BODY)).to_have_count(1)


def test_a_region_is_drawn_and_asked_about(reader: Reader, shot) -> None:
    reader.open(SINGLE)
    reader.tool("region")
    reader.drag((0.40, 0.30), (0.60, 0.65))
    only = reader.page.get_by_text(re.compile(r"^Only about the region drawn"))
    expect(only).to_be_visible()
    edges = [float(n) for n in re.findall(r"\d+", only.inner_text())]
    reader.ask(BODY)
    crops = [
        [float(n) for n in found]
        for found in re.findall(r"x (\d+)–(\d+), y (\d+)–(\d+)", " ".join(reader.crops.all_inner_texts()))
    ]
    x0, x1, y0, y1 = edges
    assert crops
    for left, right, top, bottom in crops:
        assert x0 - 1 <= left < right <= x1 + 1 and y0 - 1 <= top < bottom <= y1 + 1
    shot(reader.page, "app-region")


def lines(before: bytes, after: bytes) -> tuple[int, int]:
    """How many lines over half of the scan and more, from left to right and from top to bottom, came with a picture."""
    one, other = (np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int) for png in (before, after))
    changed = np.abs(one - other).max(axis=-1) > 20
    assert changed.any(), "the two pictures are the same"
    top, bottom = np.flatnonzero(changed.any(axis=1))[[0, -1]]
    left, right = np.flatnonzero(changed.any(axis=0))[[0, -1]]
    scan = changed[top : bottom + 1, left : right + 1]
    found = [np.concatenate([[False], scan.mean(axis=axis) > 0.5]) for axis in (1, 0)]
    return int((~found[0][:-1] & found[0][1:]).sum()), int((~found[1][:-1] & found[1][1:]).sum())


def test_the_map_of_evidence_and_the_grid(reader: Reader, shot) -> None:
    reader.open(SINGLE)
    reader.ask(BODY)
    boxes = reader.picture()
    reader.page.get_by_text(reader.texts["asking.grid"], exact=True).click()
    settled(reader.page)
    grid = reader.picture()
    across, down = lines(boxes, grid)
    assert across >= 5 and down >= 5, "the lines between six rows and six columns of high crops"
    shot(reader.page, "app-grid")
    reader.page.get_by_text(reader.texts["asking.heat"], exact=True).click()
    settled(reader.page)
    assert reader.picture() != grid
    shot(reader.page, "app-heat")


def exported(reader: Reader, form: str, folder: Path) -> Path:
    button = reader.page.get_by_role("button", name=reader.texts[f"audit.as_{form}"])
    if not button.is_visible():
        reader.page.get_by_text(reader.texts["audit.export"], exact=True).first.click()
    with reader.page.expect_download() as download:
        button.click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    assert PATIENT not in path.name and PATIENT.encode() not in path.read_bytes()
    return path


def test_verdict_export_and_audit_log(viewer, tab, study_folder: Path, tmp_path: Path, shot) -> None:
    log = tmp_path / "audit.jsonl"
    reader = Reader(tab(viewer(study_folder, "--audit_log", log)))
    reader.ready()
    reader.open(SINGLE)
    said = reader.ask(MODALITY)
    reader.page.get_by_role("radio", name=reader.texts["audit.agree"], exact=True).click()
    settled(reader.page)
    page = exported(reader, "html", tmp_path).read_text("utf-8")
    assert RESEARCH_USE in page and MODALITY in page and said.rpartition(": ")[2] in page
    assert exported(reader, "pdf", tmp_path).read_bytes().startswith(b"%PDF-")
    lines = [json.loads(line) for line in exported(reader, "jsonl", tmp_path).read_text("utf-8").splitlines()]
    assert any(MODALITY in json.dumps(line) for line in lines)
    assert any(line.get("verdict") == "agree" or '"agree"' in json.dumps(line) for line in lines)
    shot(reader.page, "app-export")
    kept = log.read_text("utf-8")
    assert '"agree"' in kept
    for hidden in (PATIENT, MODALITY, "modality is used", "head.dcm"):
        assert hidden not in kept
    from app.record.audit import check

    assert check(log).whole


def test_two_sessions_do_not_see_each_other(shared_viewer: Server, tab, tmp_path: Path) -> None:
    one, two = Reader(tab(shared_viewer)), Reader(tab(shared_viewer))
    one.ready(), two.ready()
    one.open(SINGLE)
    two.open(SINGLE)
    one.start(MODALITY)
    two.start(BODY)
    for reader, own, other in ((one, MODALITY, BODY), (two, BODY, MODALITY)):
        expect(reader.page.locator(".medfly-card:not(:has(.doing)) .answer").first).to_be_visible(timeout=120_000)
        cards = reader.page.locator(".medfly-card")
        expect(cards.filter(has_text=own)).to_have_count(1)
        expect(cards.filter(has_text=other)).to_have_count(0)
    write_head_ct(tmp_path / "mine.dcm")
    one.upload(tmp_path / "mine.dcm")
    expect(one.source()).to_have_value(one.texts["studies.uploaded"])
    two.open(SERIES)
    expect(two.source()).to_have_count(0)  # there is the folder alone


def test_uploads_are_gone_when_the_server_is(viewer, tab, study_folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    server = viewer(study_folder, TMPDIR=str(place))
    reader = Reader(tab(server))
    reader.ready()
    write_head_ct(tmp_path / "mine.dcm")
    reader.upload(tmp_path / "mine.dcm")
    expect(reader.source()).to_have_value(reader.texts["studies.uploaded"])
    held = [path for path in place.rglob("*") if path.is_file() and path.stat().st_size > 50_000]
    assert held, "the upload is on the disk while the session has it"
    assert all(not path.stat().st_mode & 0o077 for path in held), "and nobody else may read it"
    server.stop()
    assert not [path for path in place.rglob("*") if path.is_file() and path.stat().st_size > 50_000]


def test_a_broken_file_is_told_and_the_rest_goes_on(viewer, tab, study_folder: Path, tmp_path: Path, shot) -> None:
    folder = tmp_path / "some"
    shutil.copytree(study_folder, folder)
    write_broken(folder / "zz" / "cut.dcm")
    (folder / "notes.txt").write_text("no image")
    reader = Reader(tab(viewer(folder)))
    settled(reader.page)
    errors = reader.page.locator("[data-testid=stAlert]")
    reader.upload(folder / "zz" / "cut.dcm")
    reader.until(lambda: errors.count() > 0, "a line that says what is wrong")
    assert "Traceback" not in reader.page.content()
    shot(reader.page, "app-broken")
    reader.source().click()
    reader.page.get_by_role("option", name=reader.texts["studies.only_folder"]).click()
    expect(reader.page.get_by_text(SERIES[0]).first).to_be_visible()
    reader.open(SINGLE)
    assert reader.ask(MODALITY)


def test_a_reload_in_mid_answer_frees_the_model(reader: Reader) -> None:
    reader.open(SINGLE)
    reader.ask(MODALITY)  # the model is loaded
    reader.start(BODY)
    expect(reader.page.locator(".medfly-card:has(.doing)")).to_be_visible()
    reader.page.reload()
    reader.ready()
    expect(reader.page.locator(".medfly-card")).to_have_count(0)
    reader.open(SINGLE)
    assert reader.ask(BODY)


def test_long_work_is_cancelled(reader: Reader) -> None:
    """The same question under some 15 changes, for an answer of the mini may be there before a button is pressed."""
    reader.open(SINGLE)
    reader.ask(BODY)
    reader.page.get_by_text(reader.texts["asking.more"], exact=True).click()
    reader.page.get_by_role("button", name=reader.texts["asking.vary"], exact=True).click()
    cancel = reader.page.get_by_role("button", name=reader.texts["asking.cancel"], exact=True)
    expect(reader.page.get_by_text(re.compile("of 1[0-9]"))).to_be_visible()
    cancel.click()
    expect(cancel).to_have_count(0, timeout=10_000)
    assert reader.ask(MODALITY)


def test_the_page_is_legible_and_speaks_german(reader: Reader, shot) -> None:
    reader.open(SINGLE)
    reader.ask(MODALITY)
    faint = [one for one in reader.page.evaluate(CONTRASTS) if one["ratio"] < one["needed"]]
    assert faint == []
    language = reader.page.get_by_role("combobox", name=reader.texts["frame.language"])
    if language.count():
        language.click()
        reader.page.get_by_role("option", name="Deutsch").click()
    else:
        reader.page.get_by_text("Deutsch", exact=True).click()
    settled(reader.page)
    expect(reader.page.locator(".medfly-banner")).to_contain_text("nicht zur Diagnose")
    expect(reader.page.get_by_role("button", name="Fragen", exact=True)).to_be_visible()
    shot(reader.page, "app-german")
