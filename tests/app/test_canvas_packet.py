"""The packet read back by another reader says exactly what the scan says, and shows what medfly.display shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from app.canvas.packet import View, codes, pack
from medfly.display import preset, render
from medfly.geometry import Pyramid
from medfly.types import Region, Scan, VoiLut, Window

from .read_packet import Packet

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 13))
WHOLE = st.integers(-40000, 40000).map(float)
ANY = st.floats(width=32)
STEPPED = st.integers(-3000, 3000).map(lambda value: value * 0.25 + 7.5)


@st.composite
def grey_scans(draw: st.DrawFn) -> Scan:
    shape = draw(SHAPES)
    elements = draw(st.sampled_from([WHOLE, STEPPED, ANY, st.just(3.5)]))
    pixels = draw(arrays.arrays(np.float32, shape, elements=elements))
    masks = st.none() | arrays.arrays(np.bool_, shape)
    return Scan(pixels, inverted=draw(st.booleans()), padding=draw(masks), overlay=draw(masks), unit="HU")


WINDOWS = st.builds(
    Window,
    center=st.floats(-5000, 5000),
    width=st.floats(1, 9000),
    function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
)


def packed(scan: Scan, **facts: object) -> tuple[Packet, dict]:
    packet = Packet(pack(View(series="s", frames=3, images={2: scan}, **facts)))  # type: ignore[arg-type]
    return packet, packet.header["images"][0]


@settings(max_examples=150, deadline=None)
@given(grey_scans(), WINDOWS)
def test_values_come_back_bit_for_bit_and_look_the_same(scan: Scan, window: Window) -> None:
    packet, image = packed(scan, window=window)
    values = packet.values(image)
    shown = ~np.isnan(scan.pixels) if scan.padding is None else ~(np.isnan(scan.pixels) | scan.padding)
    assert np.array_equal(np.isnan(values), ~shown)
    assert np.array_equal(values[shown], scan.pixels[shown])
    assert np.array_equal(render(replace(scan, pixels=values, padding=None), window), render(scan, window))


@settings(max_examples=60, deadline=None)
@given(grey_scans())
def test_overlays_come_back(scan: Scan) -> None:
    packet, image = packed(scan)
    expected = np.zeros(scan.pixels.shape, bool) if scan.overlay is None else scan.overlay
    assert np.array_equal(packet.mask(image, "overlay"), expected)


@pytest.mark.parametrize(
    ("pixels", "kind"),
    [
        (np.arange(-1024, 3072).reshape(64, 64), "u16"),
        (np.arange(-1024, 3072).reshape(64, 64) / 4, "u16"),
        (np.array([[0, 65534]]), "u16"),
        (np.array([[0, 65535]]), "f32"),  # no code would be left for pixels without an image
        (np.array([[0.0, 0.1, 0.35]]), "f32"),
        (np.array([[0.0, np.inf]]), "f32"),
        (np.full((3, 3), np.nan), "u16"),
    ],
)
def test_sixteen_bits_where_they_hold_the_values(pixels: np.ndarray, kind: str) -> None:
    _, image = packed(Scan(pixels.astype(np.float32)), window=Window(0, 100))
    assert image["kind"] == kind


def test_a_series_costs_two_bytes_a_pixel() -> None:
    scan = Scan(np.random.default_rng(0).integers(-1024, 3000, (512, 512)).astype(np.float32))
    assert len(pack(View(series="s", frames=1, images={0: scan}))) < 2 * 512 * 512 + 16_000


def test_a_hint_that_only_the_sample_has_is_not_believed() -> None:
    """The step is told by some of the pixels; one that does not fit sends the values themselves."""
    pixels = np.arange(200 * 200, dtype=np.float32).reshape(200, 200) / 2
    pixels[0, 1] = 0.3  # not among the sampled ones: every fourth pixel is
    assert codes(pixels) is None


@settings(max_examples=40, deadline=None)
@given(grey_scans(), st.integers(-200, 200), st.integers(2, 300), st.integers(1, 16))
def test_a_table_is_sent_as_the_picture_that_the_model_sees(scan: Scan, first: int, count: int, bits: int) -> None:
    table = VoiLut(first, (np.arange(count) * 977 % 2**bits).astype(np.uint16), bits)
    finite = replace(scan, pixels=np.nan_to_num(scan.pixels, posinf=3e4, neginf=-3e4))
    for view in (packed(replace(finite, windows=(table,))), packed(finite, window=table)):
        packet, image = view
        shown = packet.blob(image["table"], "u1").reshape(finite.pixels.shape)
        assert np.array_equal(shown, render(finite, table)[..., 0])
        assert image["own"]["width"] > 0, "dragging begins with a window"


def test_colour_passes_unchanged() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    packet, image = packed(Scan(pixels))
    assert np.array_equal(packet.values(image), pixels)
    _, image = packed(Scan(pixels), window=Window(0, 100))  # of the grey frames beside it
    assert image["kind"] == "rgb"


def test_big_endian_values_are_turned() -> None:
    scan = Scan(np.array([[1, 258]], dtype=">f4"))
    packet, image = packed(scan, window=Window(0, 100))
    assert packet.values(image).tolist() == [[1, 258]]


def test_what_is_known_of_a_frame_and_what_is_not() -> None:
    affine = np.array([[0, 0, 5, 9], [0.7, 0, 0, 2], [0, -0.7, 0, 3], [0, 0, 0, 1]])
    known = Scan(np.zeros((4, 6), np.float32), spacing=(2.0, 0.5), affine=affine, unit="HU", inverted=True)
    _, image = packed(known)
    assert (image["frame"], image["width"], image["height"], image["aspect"]) == (2, 6, 4, 4.0)
    assert (image["spacing"], image["letters"], image["unit"]) == ([2.0, 0.5], ["A", "P", "H", "F"], "HU")
    assert image["inverted"] is True
    _, plain = packed(Scan(np.zeros((4, 6), np.float32), aspect=1.5))
    assert (plain["spacing"], plain["letters"], plain["unit"], plain["aspect"]) == (None, None, None, 1.5)


def test_the_view_in_the_header() -> None:
    crops = (Region("high", 7, (1.0, 2.0, 3.0, 4.5), 0.25), Region("low", 0, (0.0, 0.0, 9.0, 9.0), float("nan")))
    view = View(
        series="né-1",
        frames=12,
        frame=4,
        order="b1",
        missing=(3,),
        window=Window(1, 2, "SIGMOID", "file"),
        presets=[("lung", preset("lung"))],
        crops=crops,
        grid=Pyramid(90, 60, 32, (2, 2), (6, 6)).crops(),
        opacity=3.0,
        evidence_frame=4,
        region=(1, 2, 3, 4),
        texts={"fit": "Passt"},
    )
    header = Packet(pack(view, height=500)).header
    assert (header["series"], header["frames"], header["frame"], header["height"]) == ("né-1", 12, 4, 500)
    assert header["order"] == "b1"
    assert (header["missing"], header["evidence_frame"], header["focus"]) == ([3], 4, None)
    assert header["window"] == {"center": 1, "width": 2, "function": "SIGMOID", "source": "file"}
    assert header["presets"][0] == ["lung", preset("lung").to_dict()]
    assert header["crops"][0] == {"level": "high", "crop": 7, "box": [1, 2, 3, 4.5], "score": 0.25}
    assert header["crops"][1]["score"] is None and header["opacity"] == 1
    assert len(header["grid"]) == 1 + 4 + 36 and header["grid"][-1]["box"] == [75, 50, 90, 60]
    assert header["texts"]["fit"] == "Passt" and header["texts"]["pan"] == "Pan"


def test_heat_in_256_steps() -> None:
    heat = np.array([[0, 0.5, 1], [np.nan, -1, 2]])
    packet = Packet(pack(View(series="s", frames=1, heat=heat)))
    facts = packet.header["heat"]
    assert (facts["width"], facts["height"]) == (3, 2)
    assert packet.blob(facts["values"], "u1").tolist() == [0, 128, 255, 0, 0, 255]


def test_heat_that_the_browser_has_is_named_only() -> None:
    heat = np.random.default_rng(2).random((2048, 2048), dtype=np.float32)
    view, same = View(series="s", frames=1, heat=heat), View(series="t", frames=2, heat=heat.copy())
    assert len(pack(view)) > heat.size
    small = pack(same, known=view.heat_id)
    assert len(small) < 16_000
    facts = Packet(small).header["heat"]
    assert (facts["id"], facts["width"], facts["values"]) == (view.heat_id, 2048, None)
    for other in (heat.reshape(1024, 4096), heat + np.float32(0.1), heat[::-1]):
        packet = Packet(pack(View(series="s", frames=1, heat=other), known=view.heat_id))
        assert packet.header["heat"]["values"] is not None and packet.header["heat"]["id"] != view.heat_id
    assert View(series="s", frames=1).heat_id is None
