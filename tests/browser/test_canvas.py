"""The canvas in a true browser: its pictures against medfly.display, its gestures, its links, what it tells."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from app.canvas import View
from app.canvas import script as joined
from app.canvas.packet import pack
from medfly.display import render
from medfly.drawing import LEVEL_COLOURS
from medfly.geometry import Pyramid, patient_point
from medfly.types import Scan, VoiLut, Window

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

PAGE = Path(__file__).parent / "pages" / "canvas_page.py"
WINDOWS = (
    Window(40, 400),
    Window(-600.5, 1500),
    Window(10, 1),
    Window(3, 2.5),
    Window(40, 400, "LINEAR_EXACT"),
    Window(0.25, 1e-6, "LINEAR_EXACT"),
    Window(40, 400, "SIGMOID"),
    Window(0, 1e-3, "SIGMOID"),
)
RENDER = """([data, window, flip]) => {
  const header = canvas.unpack(Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0)));
  const image = header.images[0];
  const out = new Int32Array(image.width * image.height);
  canvas.fill(out, image, window, flip);
  return Array.from(new Uint8Array(out.buffer));
}"""


@pytest.fixture(scope="module")
def modules(browser: Browser) -> Page:
    """A page without a server that has all of the script's exports as `canvas`."""
    page = browser.new_page()
    page.evaluate(
        """async (text) => {
          window.canvas = await import(URL.createObjectURL(new Blob([text], {type: "text/javascript"})));
        }""",
        joined(),
    )
    return page


def shown(page: Page, scan: Scan, window: Window | VoiLut | None, flip: bool = False) -> np.ndarray:
    """[H, W, 4] uint8, as the browser makes it out of a packet."""
    data = pack(View(series="s", frames=1, images={0: scan}, window=window))
    used = window.to_dict() if isinstance(window, Window) else None
    found = page.evaluate(RENDER, [b64encode(data).decode(), used, flip])
    return np.array(found, np.uint8).reshape(scan.size[1], scan.size[0], 4)


def some_scans() -> dict[str, Scan]:
    noise = np.random.default_rng(3)
    whole = noise.integers(-1024, 3000, (31, 45)).astype(np.float32)
    real = noise.normal(0, 300, (31, 45)).astype(np.float32)
    odd = real.copy()
    odd[0, :6] = [np.nan, np.inf, -np.inf, 0, 1e30, -1e-30]
    padding = noise.random((31, 45)) < 0.2
    return {
        "whole": Scan(whole, unit="HU"),
        "steps": Scan(whole / 8),
        "real": Scan(real),
        "odd, inverted": Scan(odd, inverted=True),
        "padded": Scan(whole, padding=padding, inverted=True),
        "real, padded": Scan(real, padding=padding),
        "sixteen bits full": Scan(np.linspace(0, 65534, 31 * 45).round().reshape(31, 45).astype(np.float32)),
    }


@pytest.mark.parametrize("name", some_scans())
def test_what_is_seen_is_what_the_model_sees(modules: Page, name: str) -> None:
    scan = some_scans()[name]
    for window in WINDOWS:
        found = shown(modules, scan, window)
        difference = np.abs(found[..., :3].astype(int) - render(scan, window))
        assert difference.max() <= (1 if window.function == "SIGMOID" else 0), (window, difference.max())
        assert (found[..., 3] == 255).all()


def test_tables_and_colour_are_shown_as_they_are(modules: Page) -> None:
    noise = np.random.default_rng(4)
    scan = some_scans()["padded"]
    table = VoiLut(-50, (np.arange(300) * 977 % 4096).astype(np.uint16), 12)
    assert np.array_equal(shown(modules, scan, table)[..., :3], render(scan, table))
    colour = Scan(noise.integers(0, 256, (9, 7, 3), dtype=np.uint8))
    assert np.array_equal(shown(modules, colour, None)[..., :3], colour.pixels)
    assert np.array_equal(shown(modules, colour, None, flip=True)[..., :3], 255 - colour.pixels)


@pytest.mark.parametrize("name", ["whole", "real, padded", "padded"])
def test_inverting_is_the_scan_the_other_way_round(modules: Page, name: str) -> None:
    scan = some_scans()[name]
    expected = render(replace(scan, inverted=not scan.inverted), WINDOWS[0])
    assert np.array_equal(shown(modules, scan, WINDOWS[0], flip=True)[..., :3], expected)


def test_lengths_are_those_in_the_patient(modules: Page) -> None:
    """Against the distance of the two points in the patient, by the affine."""
    noise = np.random.default_rng(6)
    for _ in range(20):
        rotation, _ = np.linalg.qr(noise.normal(size=(3, 3)))
        rows, columns = noise.uniform(0.2, 3, 2)
        affine = np.eye(4)
        affine[:3, 0], affine[:3, 1], affine[:3, 3] = rotation[0] * columns, rotation[1] * rows, noise.normal(size=3)
        a, b = noise.uniform(0, 500, (2, 2)).tolist()
        found = modules.evaluate("([a, b, s]) => canvas.distance(a, b, s)", [a, b, [rows, columns]])
        expected = np.linalg.norm(np.subtract(patient_point(affine, *a), patient_point(affine, *b)))
        assert found["unit"] == "mm" and found["length"] == pytest.approx(expected)
    assert modules.evaluate("canvas.distance([0, 0], [3, 4], null)") == {"length": 5, "unit": "px"}


def test_places_on_the_screen(modules: Page) -> None:
    noise = np.random.default_rng(7)
    for _ in range(50):
        box = np.sort(noise.uniform(0, 900, (2, 2)), axis=0).ravel()[[0, 1, 2, 3]].tolist()
        view = {"width": float(noise.uniform(200, 1500)), "height": float(noise.uniform(200, 1500))}
        aspect, factor = float(noise.uniform(0.3, 3)), float(noise.uniform(0.5, 2))
        point, at = noise.uniform(0, 900, 2).tolist(), noise.uniform(0, 500, 2).tolist()
        found = modules.evaluate(
            """([box, view, aspect, factor, point, at]) => {
              const place = canvas.placeOf(box, view, aspect, 0.5);
              const corners = [box.slice(0, 2), box.slice(2)].map((one) => canvas.toScreen(place, aspect, one));
              const back = canvas.toSource(place, aspect, canvas.toScreen(place, aspect, point));
              const under = canvas.toSource(place, aspect, at);
              const after = canvas.toSource(canvas.zoomedAt(place, factor, at), aspect, at);
              return {corners, back, under, after};
            }""",
            [box, view, aspect, factor, point, at],
        )
        (x0, y0), (x1, y1) = found["corners"]
        assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((view["width"] / 2, view["height"] / 2))
        assert (y1 - y0) / (x1 - x0) == pytest.approx((box[3] - box[1]) * aspect / (box[2] - box[0]))
        assert max((x1 - x0) / view["width"], (y1 - y0) / view["height"]) <= 0.5 + 1e-9
        assert found["back"] == pytest.approx(point)
        assert found["after"] == pytest.approx(found["under"])


def test_scale_bars_are_of_round_lengths(modules: Page) -> None:
    noise = np.random.default_rng(8)
    for _ in range(100):
        step, zoom, room = 10 ** noise.uniform(-3, 1), 10 ** noise.uniform(-1.5, 2), noise.uniform(50, 200)
        bar = modules.evaluate("([s, z, r]) => canvas.scaleBar([9, s], z, r)", [step, zoom, room])
        assert bar["length"] == pytest.approx(bar["mm"] / step * zoom)
        assert room * 0.4 - 1e-6 <= bar["length"] <= room * (1 + 1e-6)
        assert f"{bar['mm']:.6e}"[0] in "125"
    assert modules.evaluate("canvas.scaleBar(null, 1, 100)") is None


def test_frames_around_one(modules: Page) -> None:
    assert modules.evaluate("canvas.wanted(10, 1, 30, 6)") == [10, 11, 12, 13, 9, 14]
    assert modules.evaluate("canvas.wanted(10, -1, 30, 6)") == [10, 9, 8, 7, 11, 6]
    for frame, way, count, room in [(0, 1, 3, 16), (2, 1, 3, 16), (0, -1, 1, 16), (7, -1, 9, 4)]:
        found = modules.evaluate(f"canvas.wanted({frame}, {way}, {count}, {room})")
        assert found[0] == frame and len(set(found)) == len(found) and set(found) <= set(range(count))


def test_what_is_on_its_way_is_not_asked_for_again(modules: Page) -> None:
    """Until patience is at an end; what never comes is given up."""
    asked, lost = modules.evaluate(
        """() => {
          const asked = [];
          let time = 0;
          const frames = new canvas.Frames((some) => asked.push([...some]), () => time);
          frames.clear(9);
          frames.add({frame: 0, bytes: 2e6}, 0);
          for (const frame of [0, 0, 6, 7]) frames.want(frame);
          time = 5000;
          frames.want(6);
          for (let i = 0; i < 9; i++) (time += 1e6), frames.want(3);
          return [asked, [3, 8].map((one) => frames.lost(one))];
        }"""
    )
    assert asked[:3] == [[1, 2, 3], [6, 7, 8], [6, 7, 8]], "one request while the wanted frame is on its way"
    assert sum(3 in some for some in asked) == 6 and lost[0]


def test_an_echo_is_no_order(modules: Page) -> None:
    """The user went 5 → 7 → 9; the server's repeating 7 must not lead back, its 7 after 9 must."""
    orders = modules.evaluate(
        """() => {
          const echo = new canvas.Echo(5);
          const found = [echo.orders(5)];
          echo.tell(7), echo.tell(9);
          return found.concat([7, 9, 9, 7].map((value) => echo.orders(value)));
        }"""
    )
    assert orders == [False, False, False, False, True]


def test_an_echo_keeps_little(modules: Page) -> None:
    """What the server never repeats, such as a window, is not kept for ever."""
    same, many, last = modules.evaluate(
        """() => {
          const [same, many] = [new canvas.Echo(null), new canvas.Echo(null)];
          for (let i = 0; i < 1000; i++) same.tell({center: 40, width: 400}), many.tell({center: i, width: 400});
          return [same.told.length, many.told.length, many.orders({center: 999, width: 400})];
        }"""
    )
    assert (same, last) == (1, False) and many <= 100


# A canvas without a server: `v`, and in `sent` what it would tell.


@pytest.fixture
def alone(modules: Page) -> Iterator[Page]:
    folder = files("app.canvas")
    page = f"<style>{folder.joinpath('canvas.css').read_text()}</style>{folder.joinpath('canvas.html').read_text()}"
    modules.evaluate(
        """(page) => {
          document.body.innerHTML = page + "<button id='elsewhere'>ask</button>";
          document.querySelector(".medfly-canvas").style.width = "900px";
          window.v = new canvas.Viewer(document.querySelector(".medfly-canvas"));
          window.sent = [];
          const note = (name, value) => sent.push([name, value]);
          Object.assign(v.reporter, { setStateValue: note, setTriggerValue: note });
        }""",
        page,
    )
    yield modules
    modules.evaluate("v.close()")


def show(page: Page, known: str | None = None, **facts: Any) -> None:
    """The server sends a view of three frames, all of them with it."""
    images = {frame: Scan(np.full((60, 100), 10.0 * frame, np.float32)) for frame in range(3)}
    view = View(**{"series": "s", "frames": 3, "images": images, "window": Window(0, 100)} | facts)
    text = b64encode(pack(view, known=known)).decode()
    page.evaluate("(data) => v.show(Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0)))", text)
    drawn(page)


def drawn(page: Page) -> None:
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def seen(page: Page) -> np.ndarray:
    """[H, W, 4] uint8, the canvas as it is drawn."""
    drawn(page)
    text = page.evaluate("v.canvas.toDataURL()").split(",")[1]
    return np.asarray(Image.open(BytesIO(b64decode(text))).convert("RGBA")).astype(int)


def last_told(page: Page) -> dict[str, Any] | None:
    return page.evaluate("sent.filter(([name]) => name === 'acted').at(-1)?.[1] ?? null")


@pytest.mark.parametrize("press", ["pointerdown", "focusin", "click"])
def test_what_is_pressed_elsewhere_finds_all_told(alone: Page, press: str) -> None:
    show(alone)
    alone.evaluate("v.cine.toggle()")
    alone.wait_for_function("v.frame !== 0")
    act = "(press) => document.querySelector('#elsewhere').dispatchEvent(new Event(press, {bubbles: true}))"
    alone.evaluate(act, press)
    assert alone.evaluate("v.cine.playing") is False
    assert last_told(alone) == alone.evaluate("v.reporter.done()") and last_told(alone)["frame"] != 0  # type: ignore[index]
    alone.evaluate("v.turnWindow(50, 0)")
    alone.evaluate("(press) => v.stage.dispatchEvent(new Event(press, {bubbles: true}))", "focusin")
    assert last_told(alone)["window"] is None, "on the canvas itself it has time"  # type: ignore[index]
    alone.evaluate(act, press)
    assert last_told(alone)["window"] is not None  # type: ignore[index]
    told = alone.evaluate("sent.length")
    alone.evaluate("v.turnWindow(50, 0), v.close()")
    alone.evaluate(act, press)
    assert alone.evaluate("sent.length") == told, "a canvas that is gone listens to nothing"


def test_a_key_outside_of_a_form_stops_cine_and_leaves_telling_to_the_click(alone: Page) -> None:
    show(alone)
    alone.evaluate("v.cine.toggle()")
    key = "(where) => document.querySelector(where).dispatchEvent(new KeyboardEvent('keydown', {bubbles: true}))"
    alone.evaluate(key, "#elsewhere")
    assert alone.evaluate("v.cine.playing") is False
    alone.evaluate("v.turnWindow(50, 0)")
    alone.evaluate(key, "#elsewhere")
    assert last_told(alone) is None
    alone.evaluate("document.querySelector('#elsewhere').outerHTML = '<p data-testid=stForm><input></p>'")
    alone.evaluate(key, "[data-testid=stForm] input")
    assert last_told(alone)["window"] is not None  # type: ignore[index]


def test_a_click_waits_until_what_is_told_is_away(alone: Page) -> None:
    """And comes once, with the same key held and at the same place."""
    show(alone)
    found = alone.evaluate(
        """async () => {
          const found = [];
          const note = (event) => found.push([event.shiftKey, event.clientX, sent.length]);
          document.querySelector("#elsewhere").addEventListener("click", note);
          const click = () => new MouseEvent("click", {bubbles: true, cancelable: true, shiftKey: true, clientX: 7});
          document.querySelector("#elsewhere").dispatchEvent(click());
          v.goTo(1);
          const set = v.reporter.setStateValue;
          v.reporter.setStateValue = (...value) => setTimeout(() => set(...value)); // as Streamlit sends it
          document.querySelector("#elsewhere").dispatchEvent(click());
          await new Promise((done) => setTimeout(done, 50));
          return found;
        }"""
    )
    assert found == [[True, 7, 0], [True, 7, 1]]


def test_its_own_play_button_does_not_stop_cine_before_it_is_pressed(alone: Page) -> None:
    show(alone)
    for playing in (True, False, True):
        alone.locator("[data-name=cine]").click()
        assert alone.evaluate("v.cine.playing") is playing


def test_cine_runs_once_however_fast_it_is_toggled(alone: Page) -> None:
    show(alone)
    most = alone.evaluate(
        """async () => {
          const play = v.cine.play;
          let calls = 0, most = 0;
          v.cine.play = function (before) { calls++; play.call(this, before); };
          for (let i = 0; i < 5; i++) v.cine.toggle();
          for (let i = 0; i < 10; i++) {
            calls = 0;
            await new Promise(requestAnimationFrame);
            most = Math.max(most, calls);
          }
          return most;
        }"""
    )
    assert most == 1


def test_an_order_is_obeyed_once(alone: Page) -> None:
    """The server repeats it until it is told; whoever has gone on meanwhile is not led back."""
    frame = "v.frame"
    show(alone)
    show(alone, frame=2, order="a")
    assert alone.evaluate(frame) == 2
    show(alone, frame=0)  # a run of the page that knows of neither
    assert alone.evaluate(frame) == 2
    alone.evaluate("v.reporter.tell()")
    assert last_told(alone)["order"] == "a" and last_told(alone)["frame"] == 2  # type: ignore[index]
    alone.evaluate("v.goTo(1)")
    for order in ("a", None):
        show(alone, frame=2, order=order)
        assert alone.evaluate(frame) == 1
    alone.evaluate("v.cine.toggle()")
    show(alone, frame=2, order="b")
    assert alone.evaluate("[v.frame, v.cine.playing]") == [2, False]


def test_the_grid_is_seen_as_soon_as_it_is_sent(alone: Page) -> None:
    """On the frame that the model saw, and on no other."""
    grid = Pyramid(100, 60, 16, (2, 2), (4, 4)).crops()
    show(alone, evidence_frame=0)
    before = seen(alone)
    show(alone, evidence_frame=0, grid=grid)
    changed = (seen(alone) != before).any(axis=-1)
    place = alone.evaluate("v.place")
    for x in (25, 50, 75):
        column = round(place["x"] + x * place["zoom"])
        rows = slice(round(place["y"]), round(place["y"] + 60 * place["zoom"]))
        assert changed[rows, column - 2 : column + 2].any(axis=1).mean() > 0.8, "a line from top to bottom"
    alone.evaluate("v.toggle('grid')")
    assert (seen(alone) == before).all()
    show(alone, evidence_frame=0, grid=grid)
    assert (seen(alone) == before).all(), "who took it away does not get it back with every view"
    show(alone, evidence_frame=0)
    alone.evaluate("v.goTo(1)")
    before = seen(alone)
    show(alone, evidence_frame=0, grid=grid)
    assert alone.evaluate("v.shows.grid") is True
    assert (seen(alone) == before).all()


def test_a_map_of_evidence_is_sent_once_and_asked_for_where_it_is_lacking(alone: Page) -> None:
    heat = np.ones((30, 50), np.float32)
    name = View(series="s", frames=3, heat=heat).heat_id
    show(alone)
    plain = seen(alone)
    show(alone, heat=heat, known=name)
    assert (seen(alone) == plain).all()
    asked = alone.evaluate("sent.filter(([name]) => name === 'need').map(([, need]) => need)")
    assert asked == [{"series": "s", "frames": [], "heat": True}]
    show(alone, heat=heat)
    red = seen(alone)
    assert (red != plain).any()
    show(alone)
    assert (seen(alone) == plain).all()
    show(alone, heat=heat, known=name)
    assert (seen(alone) == red).all()
    show(alone, heat=heat / 2, known=name)
    assert alone.evaluate("sent.at(-1)[1].heat") is False or (seen(alone) != red).any()
    assert len(alone.evaluate("sent.filter(([name]) => name === 'need')")) == 1, "not again while it has it"


def test_what_cannot_be_opened_is_said_once(alone: Page) -> None:
    show(alone, frames=9, missing=(5,))
    show(alone, frames=9)
    alone.evaluate("v.goTo(5)")
    drawn(alone)
    assert alone.evaluate("v.frames.lost(5)") is True
    assert 5 not in [one for _, need in alone.evaluate("sent") for one in need.get("frames", [])]
    show(alone, series="another", frames=9)
    assert alone.evaluate("v.frames.lost(5)") is False


# On a page of Streamlit.


@pytest.fixture
def opened(script: Callable[..., Any], tab: Callable[..., Page]) -> Callable[..., Page]:
    def open_series(series: str = "volume", **options: Any) -> Page:
        options = {"viewport": {"width": 1600, "height": 1400}} | options  # all of it is in view: nothing scrolls
        page = tab(script(PAGE.read_text("utf-8")), f"?series={series}", **options)
        waits(page, "(viewer) => viewer.shownImage !== null")
        return page

    return open_series


def waits(page: Page, condition: str) -> None:
    """condition: a function of the viewer, in JavaScript."""
    text = """(text) => {
      const shadow = document.querySelector("[data-testid=stBidiComponentIsolated]")?.shadowRoot;
      const viewer = shadow?.querySelector(".medfly-canvas")?.viewer;
      return Boolean(viewer?.header && eval(text)(viewer));
    }"""
    page.wait_for_function(text, arg=condition)


def ask(page: Page, expression: str, number: int = 0) -> Any:
    """Of the viewer, called `v`."""
    return (
        page.locator(".medfly-canvas")
        .nth(number)
        .evaluate(f"(root) => {{ const v = root.viewer; return {expression}; }}")
    )


def told(page: Page, condition: Callable[[dict[str, Any]], bool], number: int = 0) -> dict[str, Any]:
    """What the page's script was told last, as soon as that is so."""
    for _ in range(300):
        found = json.loads(page.locator(f"#told{number}").inner_text())
        if condition(found):
            return found
        page.wait_for_timeout(50)
    raise AssertionError(found)


def stage(page: Page) -> Locator:
    return page.locator(".stage")


def press(page: Page, *names: str) -> None:
    stage(page).focus()
    for name in names:
        page.keyboard.press(name)


def button(page: Page, name: str) -> Locator:
    return page.locator(f"[data-name={name}]")


def drag(page: Page, by: tuple[float, float], start: tuple[float, float] = (0.5, 0.5), which: str = "left") -> None:
    box = stage(page).bounding_box()
    assert box
    x, y = box["x"] + start[0] * box["width"], box["y"] + start[1] * box["height"]
    page.mouse.move(x, y)
    page.mouse.down(button=which)  # type: ignore[arg-type]
    page.mouse.move(x + by[0] / 2, y + by[1] / 2)
    page.mouse.move(x + by[0], y + by[1])
    page.mouse.up(button=which)  # type: ignore[arg-type]


def test_windowing_moving_and_what_is_told(opened: Callable[..., Page], shot: Callable[..., Path]) -> None:
    page = opened()
    runs = page.locator("#runs").inner_text()
    drag(page, (100, 40))
    window = told(page, lambda said: said["window"] is not None)["window"]
    assert window["width"] == pytest.approx(400 * np.exp(0.4)) and window["center"] == pytest.approx(80)
    assert window["source"] == "user" and ask(page, "v.userWindow.width") == window["width"]
    page.keyboard.press("p")
    drag(page, (60, 0), which="right")
    assert told(page, lambda said: said["window"] != window)["window"]["width"] > window["width"]
    before = ask(page, "v.place.x")
    drag(page, (37, -12))
    page.wait_for_timeout(100)
    assert ask(page, "v.place.x") == pytest.approx(before + 37)
    button(page, "preset").select_option(label="exact")
    exact = told(page, lambda said: (said["window"] or {}).get("width") == 300)["window"]
    assert exact == {"center": 0, "width": 300, "function": "LINEAR_EXACT", "source": "user"}
    press(page, "r")
    assert told(page, lambda said: said["window"] is None)["frame"] == 5
    assert ask(page, "v.fitted") is True
    assert page.locator("#runs").inner_text() == runs, "only the fragment ran"
    shot(page, "canvas_volume")


def test_frames_are_asked_for_as_needed(opened: Callable[..., Page]) -> None:
    page = opened()
    told(page, lambda said: len(said["needed"]) > 10)
    press(page, "ArrowDown", "ArrowDown")
    assert told(page, lambda said: said["frame"] == 7)
    stage(page).hover()
    for notch in (100, 120, 240, 60, 60):  # one, one, two at once, and a touchpad's two that make one
        page.mouse.wheel(0, notch)
    waits(page, "(v) => v.shownImage?.frame === 12")
    press(page, "PageDown")
    waits(page, "(v) => v.shownImage === null")  # frame 13 cannot be opened
    assert ask(page, "v.frames.lost(13)") is True
    press(page, "End")
    waits(page, "(v) => v.shownImage?.frame === 29")
    assert ask(page, "v.shownImage.intercept") == -119 * 5 + 40 * 29 - 700
    press(page, "Home", "ArrowUp")
    needed = told(page, lambda said: said["frame"] == 0 and 0 in said["needed"])["needed"]
    assert len(needed) == len(set(needed)), "no frame was asked for twice, and not what cannot be opened"
    assert 13 in needed and set(needed) <= set(range(30))


def test_cine_runs_and_tells_only_where_it_stopped(opened: Callable[..., Page]) -> None:
    page = opened()
    button(page, "speed").select_option("20")
    button(page, "cine").click()
    for _ in range(2):
        waits(page, "(v) => v.frame > 20")
        waits(page, "(v) => v.frame < 10")
    frame = json.loads(page.locator("#told0").inner_text())["frame"]
    button(page, "cine").click()
    last = ask(page, "v.frame")
    assert told(page, lambda said: said["frame"] == last)["frame"] == last
    assert frame is None
    assert last != 13, "what cannot be opened is passed over"


def test_a_question_is_about_what_is_seen(opened: Callable[..., Page]) -> None:
    """While cine plays, and at once after a turn of the wheel, a drag, or a key."""
    page = opened()
    asked = page.locator("#asked")
    button(page, "speed").select_option("30")
    button(page, "cine").click()
    waits(page, "(v) => v.frame > 8")
    page.get_by_role("button", name="Ask").click()
    assert ask(page, "v.cine.playing") is False
    expect(asked).to_have_text(f"[{ask(page, 'v.frame')}, null]")
    for _ in range(3):
        frame = ask(page, "v.frame")
        stage(page).hover()
        page.mouse.wheel(0, -100)
        page.get_by_role("button", name="Ask").click()
        expect(asked).to_have_text(f"[{frame - 1}, null]")
        assert ask(page, "v.frame") == frame - 1
    drag(page, (100, 0))
    page.get_by_role("button", name="Ask").focus()
    page.keyboard.press("Enter")
    width = ask(page, "v.userWindow.width")
    expect(asked).to_have_text(f"[{frame - 1}, {width}]")
    page.get_by_role("textbox", name="Question").fill("what is this?")
    stage(page).hover()
    page.mouse.wheel(0, -100)
    waits(page, f"(v) => v.frame === {frame - 2}")
    page.keyboard.press("Enter")  # in the form
    expect(asked).to_have_text(f"[{frame - 2}, {width}]")


def test_both_canvases_of_a_series_go_where_they_are_ordered(
    script: Callable[..., Any], tab: Callable[..., Page]
) -> None:
    page = tab(script(PAGE.read_text("utf-8")), "?panes=2", viewport={"width": 1200, "height": 1900})
    for number in (0, 1):
        told(page, lambda said: len(said["needed"]) > 5, number)
    page.get_by_role("button", name="Go to 9").click()
    for number in (0, 1):
        assert told(page, lambda said: said["frame"] == 9, number)["order"] is None, "it is told that it was obeyed"
        assert ask(page, "v.frame", number) == 9
    page.locator(".stage").first.focus()
    page.keyboard.press("ArrowUp")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#asked")).to_have_text("[8, null]")
    assert [ask(page, "v.frame", number) for number in (0, 1)] == [8, 9]
    page.get_by_role("button", name="Go to 9").click()
    assert told(page, lambda said: said["frame"] == 9)["order"] is None


def test_a_map_of_evidence_comes_once(opened: Callable[..., Page]) -> None:
    """Views that follow name it only; a browser that has lost it gets it again."""
    page = opened()
    waits(page, "(v) => v.heat !== null")
    press(page, "ArrowDown")
    told(page, lambda said: said["frame"] == 6)
    waits(page, "(v) => v.header.heat.values === null && !v.lacksHeat()")
    ask(page, "(v.heat = null)")
    press(page, "ArrowDown")
    told(page, lambda said: said["frame"] == 7)
    waits(page, "(v) => !v.lacksHeat()")


def test_hovering_and_choosing_crops_needs_no_run(opened: Callable[..., Page], shot: Callable[..., Path]) -> None:
    page = opened()
    page.locator("[data-medfly-crop=high-3]").first.hover()
    waits(page, "(v) => v.highlighted().join() === 'high-3'")
    page.locator("#several").focus()
    page.mouse.move(0, 0)
    waits(page, "(v) => v.highlighted().length !== 1")
    page.locator("#other").hover()
    waits(page, "(v) => v.highlighted().length === 0")
    press(page, "ArrowDown")  # another frame: evidence is about frame 5
    waits(page, "(v) => v.shownImage?.frame === 6 && !v.evidenceHere()")
    page.locator("[data-medfly-crop=high-3]").first.click()
    waits(page, "(v) => v.shownImage?.frame === 5 && v.inset.crop")
    assert told(page, lambda said: said["crop"] is not None)["crop"] == ["high", 3]
    caption = page.locator(".inset figcaption").inner_text()
    assert "High zoom" in caption and "0.31" in caption and "20 × 20 mm" in caption
    place, view = ask(page, "v.place"), ask(page, "v.view")
    middle = place["x"] + 120 * place["zoom"], place["y"] + 30 * 2 * place["zoom"]
    assert middle == pytest.approx((view["width"] / 2, view["height"] / 2), abs=1), "the crop lies in the middle"
    shot(page, "canvas_crop")
    press(page, "Escape")
    waits(page, "(v) => v.inset.crop === null && v.highlighted().length === 0")
    assert page.locator(".inset").is_hidden()
    page.locator("#several").focus()
    page.keyboard.press("Enter")
    waits(page, "(v) => v.highlighted().length === 2 && v.inset.crop.crop === 3")


def test_the_inset_shows_the_crops_own_pixels(opened: Callable[..., Page]) -> None:
    page = opened()
    page.locator("[data-medfly-crop=high-3]").first.click()
    waits(page, "(v) => v.inset.crop !== null")
    page.wait_for_timeout(300)
    for x, y in ((103, 22), (137, 38), (120, 30)):  # source pixels; the crop is 40 × 20 with an aspect of 2
        grey = ask(
            page,
            f"""(() => {{ const c = v.inset.canvas; const s = c.width / 40;
              return [c.getContext('2d').getImageData(({x} + .5 - 100) * s, ({y} + .5 - 20) * s * 2, 1, 1).data[0],
                      v.picture.pixels[{y} * 200 + {x}] & 255]; }})()""",
        )
        assert abs(grey[0] - grey[1]) <= 6, "but for smoothing"


def test_boxes_lie_where_the_crops_are(opened: Callable[..., Page]) -> None:
    """The outline's outermost pixels, in the level's colour, against the crop's box."""
    page = opened()
    button(page, "heat").click()
    page.locator("[data-medfly-crop=high-3]").first.hover()
    page.wait_for_timeout(300)
    place, aspect = ask(page, "v.place"), 2.0
    expected = np.array(LEVEL_COLOURS["high"])
    for x, y in ((100.2, 25.0), (139.8, 25.0), (110.0, 20.15), (110.0, 39.85)):
        on = [place["x"] + x * place["zoom"], place["y"] + y * place["zoom"] * aspect]
        colour = ask(page, f"Array.from(v.canvas.getContext('2d').getImageData({int(on[0])}, {int(on[1])}, 1, 1).data)")
        assert np.abs(np.array(colour[:3]) - expected).max() < 40, (x, y, colour)


def test_a_region_by_mouse_and_by_keys(opened: Callable[..., Page], shot: Callable[..., Path]) -> None:
    page = opened()
    press(page, "g")
    place = ask(page, "v.place")
    drag(page, (90, 60), (0.4, 0.3))
    region = told(page, lambda said: said["region"] is not None)["region"]
    assert region[2] - region[0] == pytest.approx(90 / place["zoom"], rel=0.02)
    assert region[3] - region[1] == pytest.approx(60 / place["zoom"] / 2, rel=0.02)
    shot(page, "canvas_region")
    drag(page, (5000, 5000), (0.9, 0.9))
    assert told(page, lambda said: said["region"] != region)["region"] is None, "nothing of the picture lies there"
    press(page, "Enter")
    placed = told(page, lambda said: said["region"] is not None)["region"]
    press(page, "ArrowRight", "ArrowDown")
    moved = told(page, lambda said: said["region"] not in (None, placed))["region"]
    assert np.subtract(moved, placed) == pytest.approx([10 / place["zoom"], 5 / place["zoom"]] * 2)
    press(page, *["Shift+ArrowLeft"] * 60)
    small = told(page, lambda said: said["region"] not in (None, moved))["region"]
    assert small[0] == pytest.approx(moved[0]) and 0 < small[2] - small[0] < moved[2] - moved[0]
    press(page, "Delete")
    assert told(page, lambda said: said["region"] is None)["frame"] == 5


def test_measuring(opened: Callable[..., Page]) -> None:
    page = opened()
    press(page, "m")
    drag(page, (80, 60), (0.4, 0.3))
    line, zoom = ask(page, "v.line"), ask(page, "v.place.zoom")
    assert np.subtract(line[1], line[0]) == pytest.approx([80 / zoom, 60 / zoom / 2])
    press(page, "Delete")
    assert ask(page, "v.line") is None


def test_keys_sheet_and_layers(opened: Callable[..., Page], shot: Callable[..., Path]) -> None:
    page = opened()
    press(page, "?")
    assert page.locator(".sheet").is_visible()
    rows = page.locator(".sheet dt")
    assert rows.count() > 30 and all(name.strip() for name in rows.all_inner_texts())
    shot(page, "canvas_keys")
    page.keyboard.press("Escape")
    assert page.locator(".sheet").is_hidden()
    for key, layer in (("c", "crops"), ("d", "grid"), ("h", "heat"), ("o", "graphics"), ("t", "texts")):
        before = ask(page, f"v.shows.{layer}")
        press(page, key)
        assert ask(page, f"v.shows.{layer}") is not before
        assert button(page, layer).get_attribute("aria-pressed") in ("true", "false")
    press(page, "d", "t", "1")
    assert ask(page, "v.place.zoom") == 1
    press(page, "+", "+", "-", "f", "i")
    assert ask(page, "[v.fitted, v.inverted]") == [True, True]
    press(page, "d", "t")
    shot(page, "canvas_grid")


def test_everything_is_reached_by_keyboard_and_named(opened: Callable[..., Page]) -> None:
    page = opened()
    controls = page.locator(".bar").locator("button, select, input")
    assert controls.count() > 15
    for number in range(controls.count()):
        control = controls.nth(number)
        assert control.get_attribute("aria-label") or control.inner_text().strip()
        assert control.evaluate("(one) => one.tabIndex") >= 0
    assert stage(page).get_attribute("aria-label")
    page.get_by_role("button", name="Go to 9").focus()
    page.keyboard.press("Tab")
    outline = "(root) => getComputedStyle(root.querySelector('[data-name=window]')).outlineStyle"
    assert page.locator(".medfly-canvas").evaluate(outline) == "solid", "the focus is seen"
    press(page, "ArrowDown")
    waits(page, "(v) => v.root.querySelector('.said').textContent.startsWith('Frame 7 of 30')")


def test_two_fingers_zoom_and_one_windows(opened: Callable[..., Page]) -> None:
    page = opened(has_touch=True)
    box = stage(page).bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        fingers = [{"x": px, "y": py, "id": number} for number, (px, py) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    touch("touchStart", (x, y))
    touch("touchMove", (x + 50, y))
    touch("touchEnd")
    width = told(page, lambda said: said["window"] is not None)["window"]["width"]
    assert width == pytest.approx(400 * np.exp(50 / 250), rel=0.01)
    zoom = ask(page, "v.place.zoom")
    touch("touchStart", (x - 50, y))
    touch("touchStart", (x - 50, y), (x + 50, y))
    touch("touchMove", (x - 50, y), (x + 150, y))
    touch("touchEnd")
    page.wait_for_timeout(200)
    assert ask(page, "v.place.zoom") == pytest.approx(zoom * 2, rel=0.02)
    assert ask(page, "v.userWindow.width") == width


@pytest.mark.parametrize("series", ["colour", "float", "table"])
def test_other_pictures(opened: Callable[..., Page], shot: Callable[..., Path], series: str) -> None:
    page = opened(series)
    assert ask(page, "v.tool") == ("pan" if series == "colour" else "window")
    assert button(page, "preset").count() == (0 if series == "colour" else 1)
    assert ask(page, "v.windowOf(v.shownImage) === null") is (series != "float")
    if series == "table":
        drag(page, (10, 0))
        assert told(page, lambda said: said["window"] is not None)["window"]["width"] == pytest.approx(
            90 * np.exp(0.04)
        )
    shot(page, f"canvas_{series}")


def test_another_series_begins_anew(script: Callable[..., Any], tab: Callable[..., Page]) -> None:
    page = tab(script(PAGE.read_text("utf-8")), "?choice=1")
    waits(page, "(v) => v.shownImage !== null")
    drag(page, (100, 0))
    press(page, "i", "+", "End")
    told(page, lambda said: said["frame"] == 29)
    page.get_by_text("float", exact=True).click()
    waits(page, "(v) => v.header.series === 'float' && v.shownImage?.kind === 'f32'")
    assert ask(page, "[v.userWindow, v.inverted, v.fitted, v.frames.images.size, v.frame]") == [None, False, True, 1, 0]
    assert told(page, lambda said: said["series"] == "float")["window"] is None
