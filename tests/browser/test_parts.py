"""The fixtures themselves: a script of a test's own is served from the installed wheel, and what leaves it is seen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from .conftest import outside
from .server import Server


def test_a_script_is_served_with_the_installed_packages(
    script: Callable[..., Server], tab: Callable[..., Page], shot
) -> None:
    source = "import app.texts, streamlit as st\nst.write(app.texts.__file__)\nst.write('research use')"
    page = tab(script(source))
    expect(page.get_by_text("site-packages/app/texts")).to_be_visible()
    expect(page.get_by_text("research use")).to_be_visible()
    assert shot(page, "script").stat().st_size > 1000


@pytest.mark.parametrize(
    ("url", "leaves"),
    [
        ("http://localhost:8501/_stcore/stream", False),
        ("ws://localhost:8501/_stcore/stream", False),
        ("data:image/png;base64,AA", False),
        ("blob:http://localhost:8501/1", False),
        ("https://webhooks.fivetran.com/", True),
        ("http://localhost:8502/", True),
        ("http://localhost:85010/", True),
    ],
)
def test_requests_that_leave_the_server(url: str, leaves: bool) -> None:
    assert outside(["http://localhost:8501", ""], url) is leaves
