"""What a reader does with the viewer's page, by the names that stand on it; used by the tests of the whole app."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageOps

from app.texts import Language, table

from .conftest import settled

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

WINDOW = re.compile(r"Window (?P<width>[\d.,−-]+) / level (?P<level>[\d.,−-]+)")
SERIES, SINGLE = (re.compile(r"(?<!\d)12 images"), 12), (re.compile(r"(?<!\d)1 image(?!s)"), 1)
"""Of the first patient of studies.py: what a series' row says in the sidebar, and how many frames it has."""


class Reader:
    """One session at the page. language: of the page, for the names of its buttons."""

    def __init__(self, page: Page, language: Language = "en") -> None:
        self.page, self.texts = page, table(language)

    @property
    def stage(self) -> Locator:
        """The scan in its canvas, the first where there are two."""
        return self.page.locator(".medfly-canvas .stage").first

    @property
    def status(self) -> str:
        """What the canvas tells those who do not see: frame, window, tool."""
        return self.page.locator(".medfly-canvas .said").first.inner_text()

    @property
    def answers(self) -> Locator:
        """The words of answers that are there in full: what is being made has a line that says so."""
        return self.page.locator(".medfly-card:not(:has(.doing)) .answer")

    @property
    def crops(self) -> Locator:
        return self.page.locator("button[data-medfly-crop]")

    def open(self, series: tuple[re.Pattern[str], int]) -> None:
        """A series in the sidebar."""
        words, frames = series
        rows = self.page.locator("[data-testid=stSidebar] [data-testid=stHorizontalBlock]").filter(has_text=words)
        rows.first.get_by_role("button").first.click()
        self.until(lambda: f" of {frames}," in self.status, f"a series of {frames}")
        self.ready()

    def ready(self) -> None:
        """The scan is drawn: its window is told."""
        settled(self.page)
        self.until(lambda: WINDOW.search(self.status) is not None, "a scan with a window")

    def until(self, fulfilled, what: str, seconds: float = 90) -> None:
        for _ in range(round(seconds / 0.1)):
            if fulfilled():
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"waited {seconds} s for {what}; the canvas says {self.status!r}")

    def window(self) -> tuple[float, float]:
        """Width and level, as the canvas tells them."""
        found = WINDOW.search(self.status)
        assert found, self.status
        width, level = (float(found[name].replace(",", "").replace("−", "-")) for name in ("width", "level"))
        return width, level

    def tool(self, name: str) -> None:
        self.page.locator(f".medfly-canvas button[data-name={name}]").first.click()

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Over the scan, in shares of its stage."""
        box = self.stage.bounding_box()
        assert box is not None
        (x0, y0), (x1, y1) = ((box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end))
        self.page.mouse.move(x0, y0)
        self.page.mouse.down()
        self.page.mouse.move((x0 + x1) / 2, (y0 + y1) / 2, steps=5)
        self.page.mouse.move(x1, y1, steps=5)
        self.page.mouse.up()

    def start(self, question: str) -> None:
        """Ask, and do not wait."""
        box = self.page.get_by_role("textbox", name=self.texts["asking.question"], exact=True).first
        box.fill(question)
        box.press("Enter")

    def ask(self, question: str) -> str:
        """The answer's words, when its crops are there, too."""
        self.start(question)
        card = self.page.locator(".medfly-card:not(:has(.doing))").filter(has_text=question).first
        card.locator(".answer").wait_for(timeout=120_000)
        self.until(lambda: self.crops.count() > 0, "the crops of the answer", 120)
        settled(self.page)
        return card.locator(".answer").inner_text()

    def upload(self, *paths: Path) -> None:
        self.page.get_by_text(self.texts["studies.upload"], exact=True).click()
        chooser = self.page.locator("[data-testid=stFileUploaderDropzoneInput]").first
        chooser.set_input_files([str(path) for path in paths])
        settled(self.page)
        self.page.wait_for_timeout(500)
        settled(self.page)

    def source(self) -> Locator:
        """The choice between the folder, what was uploaded and archives; it is there where there are several."""
        return self.page.get_by_role("combobox", name=self.texts["studies.source"], exact=True)

    def seen(self) -> bytes:
        """The scan as it is seen now, as PNG, without its rim: rounded corners vary."""
        stage = Image.open(io.BytesIO(self.stage.screenshot())).convert("RGB")
        inner = io.BytesIO()
        ImageOps.crop(stage, 8).save(inner, "PNG")
        return inner.getvalue()

    def picture(self) -> bytes:
        """The scan as `seen`, once it stands still and nothing is pointed at."""
        self.page.mouse.move(2, 2)
        found = b""
        for _ in range(20):
            before, found = found, self.seen()
            if found == before:
                break
            self.page.wait_for_timeout(400)
        return found
