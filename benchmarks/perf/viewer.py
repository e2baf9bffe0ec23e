"""The viewer as its user waits for it: windowing, the first word, and the server's memory over many questions.

    python -m benchmarks.perf.viewer [--questions 100] [--drags 3] [--json FILE]

`medfly app` is started on a folder made here (a radiograph of 2048 × 2048) and driven by Playwright in
Debian's Chromium, as in tests/browser. Frames are those that the browser shows, counted while the mouse drags; beside
them stands what it shows on the same page when nothing moves, which is the most that this machine can show. Needs
`pip install "medfly[browser]"`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from benchmarks.perf.process import machine

if TYPE_CHECKING:
    from playwright.sync_api import Page  # pyright: ignore[reportMissingImports]

SIDE = 2048
CHROMIUM = os.environ.get("MEDFLY_CHROMIUM", "/usr/bin/chromium")
QUESTIONS = (
    "What modality is used to take this image?",
    "Which part of the body does this image belong to?",
    "Does the picture contain lung?",
    "Is the lung healthy?",
    "Which organ system is imaged?",
)
COUNT_FRAMES = """() => {
  window.medflyTimes = [];
  const note = (time) => { window.medflyTimes.push(time); window.medflyGoing = requestAnimationFrame(note); };
  window.medflyGoing = requestAnimationFrame(note);
}"""
FIRST_WORD = """(before) => {
  if (document.querySelector(".medfly-card:has(.doing) .answer")) return true;
  return document.querySelectorAll(".medfly-card:not(:has(.doing))").length > before;
}"""
"""Words in the card that is being made, or the whole card where both came at once."""
TIMES = "() => { cancelAnimationFrame(window.medflyGoing); return window.medflyTimes; }"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.perf.viewer", description=__doc__)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--drags", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the results into this file, too")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name, served(write_scans(Path(name))) as (address, process):
        found = {"machine": machine(), **measured(address, process, options.drags, options.questions)}
    print(json.dumps(found, indent=2))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    return 0


def write_scans(folder: Path) -> Path:
    """A radiograph of SIDE × SIDE, 12 bits, and nothing else: the page opens it by itself."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    noise = np.random.default_rng(0).integers(0, 200, (SIDE, SIDE))
    pixels = ((rows + columns) // 2 + noise).clip(0, 4095).astype(np.uint16)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid()
    header = FileDataset(str(folder / "large.dcm"), {}, file_meta=meta, preamble=bytes(128))
    header.SOPClassUID, header.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    header.PatientID, header.Modality, header.BodyPartExamined = "made", "DX", "CHEST"
    header.StudyInstanceUID, header.SeriesInstanceUID = generate_uid(), generate_uid()
    header.Rows = header.Columns = SIDE
    header.SamplesPerPixel, header.PhotometricInterpretation, header.PixelRepresentation = 1, "MONOCHROME2", 0
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, 12, 11
    header.WindowCenter, header.WindowWidth = 1100, 2200
    header.PixelData = pixels.tobytes()
    pydicom.dcmwrite(folder / "large.dcm", header)
    return folder


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`medfly app FOLDER`: its address and its process, ended afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("medfly")), "app", str(folder), "--headless", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://localhost:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield address, process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def measured(address: str, process: subprocess.Popen[bytes], drags: int, questions: int) -> dict[str, Any]:
    """All three. Frames per second, seconds, bytes."""
    from playwright.sync_api import sync_playwright  # pyright: ignore[reportMissingImports]

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(180_000)
        page.goto(address)
        page.locator(".medfly-canvas .said", has_text="Window").wait_for(state="attached")
        found: dict[str, Any] = {"still": rate(page, None), "windowing": [rate(page, drag) for drag in range(drags)]}
        found |= asked(page, process, questions)
        browser.close()
    return found


def rate(page: Page, drag: int | None) -> dict[str, float]:
    """Frames per second over about two seconds and the longest pause, while windowing; still where drag is None."""
    box = page.locator(".medfly-canvas .stage").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.evaluate(COUNT_FRAMES)
    end = time.perf_counter() + 2
    if drag is not None:
        page.mouse.down()
    step = 0
    while time.perf_counter() < end:
        step += 1
        if drag is None:
            page.wait_for_timeout(16)
        else:
            page.mouse.move(x + 150 * np.sin(step / 10), y + 100 * np.cos(step / 10 + drag))
    if drag is not None:
        page.mouse.up()
    times = np.diff(page.evaluate(TIMES))
    return {"frames_per_second": float(1000 / times.mean()), "longest_ms": float(times.max()), "moves": step}


def asked(page: Page, process: subprocess.Popen[bytes], questions: int) -> dict[str, Any]:
    """Seconds from a question to its first word and to its last crop; the server's memory before, after one and all."""
    before, first, whole, memory = resident(process.pid), [], [], []
    for number in range(questions):
        words, crops = ask(page, QUESTIONS[number % len(QUESTIONS)])
        first.append(words)
        whole.append(crops)
        memory.append(resident(process.pid))
    return {
        "first_word_s": {"first": first[0], "median": median(first[1:] or first), "most": max(first[1:] or first)},
        "whole_answer_s": {"first": whole[0], "median": median(whole[1:] or whole), "most": max(whole[1:] or whole)},
        "server_bytes": {"before": before, "by_question": {n: memory[n - 1] for n in kept(questions)}},
    }


def kept(questions: int) -> list[int]:
    """Which questions' memory is told."""
    return [n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500) if n < questions] + [questions]


def ask(page: Page, question: str) -> tuple[float, float]:
    """Seconds to the first word of the new answer, and until it is whole."""
    box = page.get_by_role("textbox", name="Question", exact=True).first
    box.fill(question)
    cards = page.locator(".medfly-card").count()
    start = time.perf_counter()
    box.press("Enter")
    page.wait_for_function(FIRST_WORD, arg=cards)
    words = time.perf_counter() - start
    page.wait_for_function("() => !document.querySelector('.medfly-card .doing')")
    page.locator("[data-medfly-crop]").first.wait_for()
    return words, time.perf_counter() - start


def resident(pid: int) -> int:
    """VmRSS of a process."""
    found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


if __name__ == "__main__":
    sys.exit(main())
