"""The page's frame, in a script of the test's own: banner, legibility, focus, log-in, and that nothing leaves."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from .conftest import settled
from .provider import USER, Provider
from .server import Server

FRAME = """
import streamlit as st
from app import theme
from app.texts import table

st.set_page_config(page_title="MedFly", layout="wide")
st.html(theme.page(table("{language}")))
"""
MANY = """
with st.sidebar:
    st.title("MedFly")
    st.selectbox("Series", ["one", "two"])
    st.caption("A caption in the sidebar")
    st.file_uploader("Upload")
st.caption("A caption")
st.markdown("Text, [a link](https://example.com) and `code`")
st.button("Ask", type="primary")
st.button("Cancel")
st.text_input("Question")
st.slider("Opacity", 0.0, 1.0, 0.5)
st.radio("Show", ["Boxes", "Map"], horizontal=True)
st.checkbox("Vary")
st.segmented_control("Verdict", ["Agree", "Disagree"], default="Agree")
left, right = st.tabs(["One", "Two"])
left.error("An error"); left.warning("A warning"); left.info("An info"); left.success("Done")
with st.expander("Provenance"):
    st.write("inside")
@st.dialog("Help")
def help_sheet():
    st.write("Keys")
if st.button("Keys"):
    help_sheet()
for _ in range(60):
    st.write("a long page")
"""


def banner_seen(page: Page) -> bool:
    """Whether the lowest line of the window is the banner's colour: nothing lies over it."""
    size = page.viewport_size
    assert size is not None
    strip = {"x": 0, "y": size["height"] - 4, "width": size["width"], "height": 3}
    pixels = np.asarray(Image.open(io.BytesIO(page.screenshot(clip=strip))).convert("RGB")).reshape(-1, 3)
    return bool((np.abs(pixels.astype(int) - (255, 176, 102)).max(axis=1) <= 3).mean() > 0.98)


@pytest.mark.parametrize(("language", "line"), [("en", "Research use only"), ("de", "Nur für die Forschung")])
def test_the_banner_stays_in_view(script, tab, shot, language: str, line: str) -> None:
    page = tab(script(FRAME.format(language=language) + MANY))
    expect(page.get_by_text("a long page").last).to_be_attached()
    settled(page)
    expect(page.locator(".medfly-banner")).to_contain_text(line)
    assert banner_seen(page)
    page.get_by_text("a long page").last.scroll_into_view_if_needed()
    assert banner_seen(page)
    page.get_by_role("button", name="Keys").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    shot(page, f"frame-dialog-{language}")
    assert banner_seen(page)


def test_the_banner_stays_in_view_on_a_telephone(script, tab, shot) -> None:
    page = tab(script(FRAME.format(language="de") + MANY), viewport={"width": 375, "height": 667})
    expect(page.get_by_text("a long page").last).to_be_attached()
    shot(page, "frame-telephone")
    assert banner_seen(page)
    box = page.locator(".medfly-banner").evaluate("e => [e.scrollWidth, e.clientWidth]")
    assert box[0] <= box[1]


CONTRASTS = Path(__file__).with_name("contrasts.js").read_text("utf-8")


def test_all_text_is_legible(script, tab, shot) -> None:
    page = tab(script(FRAME.format(language="en") + MANY))
    expect(page.get_by_text("a long page").last).to_be_attached()
    settled(page)
    shot(page, "frame-widgets")
    found = page.evaluate(CONTRASTS)
    assert len(found) > 30
    assert [one for one in found if one["ratio"] < one["needed"]] == []


def test_the_measure_of_contrast_finds_what_is_too_faint(script, tab) -> None:
    faint = '<p style="color:#555a60">faint</p><p style="color:#919cab">enough</p>'
    page = tab(script(FRAME.format(language="en") + f"st.html('''{faint}''')"))
    expect(page.get_by_text("enough")).to_be_visible()
    low = {one["text"] for one in page.evaluate(CONTRASTS) if one["ratio"] < one["needed"]}
    assert low == {"faint"}


def test_everything_is_reached_by_keyboard_and_shows_it(script, tab) -> None:
    page = tab(script(FRAME.format(language="en") + MANY))
    expect(page.get_by_text("a long page").last).to_be_attached()
    settled(page)
    seen: dict[str, bool] = {}
    for _ in range(40):
        page.keyboard.press("Tab")
        name, ringed = page.evaluate(RINGED)
        seen[name] = seen.get(name, False) or ringed
    for name in ("Ask", "Cancel", "Question", "Opacity", "Vary", "Keys"):
        assert seen.get(name), (name, seen)


RINGED = """() => {
  const at = document.activeElement;
  const name = at.getAttribute("aria-label") || at.innerText || at.closest("label")?.innerText || at.tagName;
  let ringed = false;
  for (let one = at; one && one !== document.body; one = one.parentElement) {
    const style = getComputedStyle(one);
    if (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2) ringed = true;
  }
  return [name.trim().split("\\n")[0], ringed];
}"""


@pytest.fixture
def provider() -> Iterator[Provider]:
    server = Provider()
    yield server
    server.shutdown()
    server.server_close()


LOGIN = """
from app import login
texts = table("en")
if not login.admitted(texts):
    st.stop()
login.log_out_button(texts)
st.write("a scan")
"""


def test_a_log_in_is_asked_for_and_kept(
    script: Callable[..., Server], tab: Callable[..., Page], provider: Provider, tmp_path: Path, shot
) -> None:
    secrets = tmp_path / "secrets.toml"
    secrets.write_text(provider.secrets())
    server = script(FRAME.format(language="en") + LOGIN, login=str(secrets))
    page = tab(server, also=provider.address)
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    expect(page.get_by_text("a scan")).to_have_count(0)
    shot(page, "frame-login")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("a scan")).to_be_visible()
    page.reload()
    expect(page.get_by_text("a scan")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    assert USER not in server.log.read_text("utf-8")


def test_without_it_nothing_is_asked(script, tab) -> None:
    page = tab(script(FRAME.format(language="en") + LOGIN))
    expect(page.get_by_text("a scan")).to_be_visible()
    expect(page.get_by_role("button", name="Log")).to_have_count(0)
