"""Agree, comment and export in a browser, by mouse and by keyboard, with a log beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from .server import Server

SOURCE = """
from datetime import UTC, datetime
import numpy as np, streamlit as st
from app import session, texts, theme
from app.record import audit_panel
from medfly.types import Answer, Evidence, Region

st.set_page_config(page_title="MedFly", layout="wide")
said = texts.table("en")
st.html(theme.page(said))
now = session.current()
if not now.history:
    grey = np.linspace(0, 255, 300 * 400).astype(np.uint8).reshape(300, 400, 1).repeat(3, axis=2)
    found = Evidence("shares", (Region("medium", 0, (0, 0, 200, 150), 0.5),))
    answer = Answer("Is it healthy?", "yes", 0.9, found)
    now.add("one", session.Turn(session.new_id(), answer, 0, "", None, datetime.now(UTC), "ab" * 32, "", grey))
for _, turn in list(now.every()):
    audit_panel.verdict(now, turn, said)
audit_panel.exports(now, said)
"""


@pytest.fixture
def log(tmp_path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def page(script: Callable[..., Server], tab: Callable[..., Page], log) -> Page:
    return tab(script(SOURCE, MEDFLY_AUDIT=str(log)))


def lines(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_exports_are_downloaded_and_noted(page, log, shot) -> None:
    for label, start in (("HTML", b"<!DOCTYPE html>"), ("PDF", b"%PDF-"), ("JSON", b'{"kind": "session"')):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=label).click()
        assert waiting.value.suggested_filename.startswith("medfly-session-")
        data = Path(waiting.value.path()).read_bytes()
        assert data.startswith(start)
        assert lines(log)[-1]["file"] == hashlib.sha256(data).hexdigest()
    shot(page, "export")


def test_a_verdict_by_keyboard_and_a_comment(page, log, shot) -> None:
    agree = page.get_by_role("radio", name="Agree", exact=True).or_(
        page.get_by_role("button", name="Agree", exact=True)
    )
    agree.focus()
    page.keyboard.press("Space")
    expect(agree).to_have_attribute("aria-checked", "true")
    page.get_by_text("Comment", exact=True).first.click()
    page.get_by_role("textbox").fill("The lesion is lower.")
    page.get_by_role("button", name="Keep the comment").click()
    expect(page.get_by_text("Your comment was kept.")).to_be_visible()
    shot(page, "verdict")
    assert [line.get("verdict") for line in lines(log)] == [None, None, "agree"]
    assert "lesion" not in log.read_text() and "lesion" in log.with_name("audit.jsonl.comments").read_text()
