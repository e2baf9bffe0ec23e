"""Pictures of no body part, and questions that should not be answered: all drawn, or shipped inside installed packages.

Photographs are scikit-learn's two sample images; pages, charts, noise and patterns are drawn from a seed; scans from
elsewhere are pydicom's own test files. The questions are templates of our own; none is copied from a data set. Which
organs lie in a picture is read from SLAKE's metadata. It knows no model, and nothing of how a calibration judges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from medfly.types import Sample, Scan

SEED = 6
CROPS, DRAWN = 4, 6
CROP = 224  # pixels a side
EVERY = 3  # of the real scans, every third is asked about what is not there

# As one would ask of a scan: what the picture is, what is in it, what is ill.
PLAIN = (
    "What modality is used to take this image?",
    "Which part of the body does this image show?",
    "Is the lung healthy?",
    "Does the picture contain the liver?",
    "Is there any abnormality in this image?",
    "Where is the disease located?",
    "Which organ is the largest in the picture?",
    "Is this a CT image?",
)
FALSE = (
    "Is there a fracture in this photograph of a cat?",
    "Does the dog in this picture have pneumonia?",
    "How old is the car in this image?",
    "Is the bridge in the picture healthy?",
    "Which breed is the horse?",
    "What colour is the flag on the roof?",
)
IDLE = (
    "Will it rain in Lisbon tomorrow?",
    "What is 17 + 25?",
    "Who won the football match?",
    "Hm?",
    "Well, you know.",
    "Please write a poem about autumn.",
    "lorem ipsum dolor sit amet",
)
# Questions that take it for granted that the organ is there.
ABOUT = ("Is the {} healthy?", "Where is the tumor in the {}?", "What is the shape of the {}?", "Is the {} abnormal?")
# The first word of SLAKE's location → organs that are surely not in the picture.
ELSEWHERE = {
    "lung": ("brain", "bladder"),
    "chest": ("brain", "bladder"),
    "abdomen": ("brain", "lung"),
    "brain": ("liver", "heart"),
    "neck": ("liver", "bladder"),
    "pelvic": ("brain", "lung"),
}
# The same → organs that are in it, as far as its name goes: what the questions are worth where they are in place.
THERE = {
    "lung": ("lung", "heart"),
    "chest": ("lung", "heart"),
    "abdomen": ("liver", "kidney"),
    "brain": ("brain",),
    "pelvic": ("bladder",),
}
SAME_KINDS = (
    "693_J2KI.dcm",
    "CT_small.dcm",
    "J2K_pixelrep_mismatch.dcm",
    "MR_small.dcm",
    "examples_overlay.dcm",
)
OTHER_KINDS = ("JPEG2000.dcm", "examples_jpeg2k.dcm", "examples_palette.dcm", "examples_ybr_color.dcm")


@dataclass(frozen=True)
class Case:
    """Questions about one picture, or about none (scan None). group: as in the table; image: the picture's own name.

    real: the name of the data set's image; None of all other pictures.
    """

    group: str
    image: str
    scan: Callable[[], Scan] | None
    questions: tuple[str, ...]
    real: str | None = None


def cases(samples: Sequence[Sample]) -> list[Case]:
    """All of the set, in an order that is always the same. samples: of the real scans."""
    made = [(group, name, pixels) for group, pictures in PICTURES.items() for name, pixels in pictures()]
    found = [Case(group, name, _scan(pixels), PLAIN) for group, name, pixels in made]
    found += [
        Case("photograph, false premise", name, _scan(pixels), FALSE)
        for group, name, pixels in made
        if group.startswith("photograph")
    ]
    found += _about_real(samples)
    found.append(Case("no picture, medical question", "", None, PLAIN))
    found.append(Case("no picture, idle question", "", None, (*FALSE, *IDLE)))
    for group, names in (("other scans: CT, MR", SAME_KINDS), ("other scans: nuclear, ultrasound", OTHER_KINDS)):
        found += [Case(group, name, _opener(name), PLAIN) for name in names]
    return found


def _about_real(samples: Sequence[Sample]) -> list[Case]:
    """What is not there, and to compare with it our own questions where they are in place."""
    first = {sample.image: sample for sample in reversed(samples)}
    found = []
    for image in sorted(first)[::EVERY]:
        location = str(first[image].metadata.get("location", ""))
        asked = {
            "real scan, plain question (in place)": PLAIN,
            "real scan, its own organ (in place)": about(location, THERE),
            "real scan, organ elsewhere": about(location, ELSEWHERE),
            "real scan, false premise": FALSE,
            "real scan, idle question": IDLE,
        }
        found += [Case(group, image, first[image].scan, some, image) for group, some in asked.items() if some]
    return found


def about(location: str, organs: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Questions about the organs that a SLAKE location has in this table; none where it has none."""
    first = location.lower().replace("_", " ").split(" ")[0]
    return tuple(form.format(organ) for organ in organs.get(first, ()) for form in ABOUT)


def _scan(pixels: np.ndarray) -> Callable[[], Scan]:
    return lambda: Scan(pixels=pixels)


def _opener(name: str) -> Callable[[], Scan]:
    """One of pydicom's test files; the middle frame of several."""

    def opened() -> Scan:
        from pydicom.data import get_testdata_file

        from data_adapters import read
        from medfly.types import Volume

        found = read(Path(str(get_testdata_file(name, download=False))))
        return found[len(found) // 2] if isinstance(found, Volume) else found

    return opened


Pictures = Iterator[tuple[str, np.ndarray]]


def photographs(file: str) -> Pictures:
    """The whole and crops of it, in colour and in grey."""
    from sklearn.datasets import load_sample_image

    whole = np.array(load_sample_image(file))
    random = np.random.default_rng([SEED, len(file)])
    corners = random.integers(0, np.array(whole.shape[:2]) - CROP, (CROPS, 2)).tolist()
    cut = [np.ascontiguousarray(whole[y : y + CROP, x : x + CROP]) for y, x in corners]
    for number, pixels in enumerate([whole, *cut]):
        yield f"{file} {number}", pixels
        yield f"{file} {number} grey", grey(np.asarray(Image.fromarray(pixels).convert("L")))


def pages() -> Pictures:
    """Pages of made-up words."""
    random = np.random.default_rng([SEED, 1])
    for number in range(DRAWN):
        page = Image.new("RGB", (420, 594), "white")
        drawing, step = ImageDraw.Draw(page), int(random.integers(12, 24))
        for y in range(30, 560, step):
            words = ("".join(random.choice(list("aeinorstlm"), random.integers(2, 9))) for _ in range(9))
            drawing.text((30, y), " ".join(words), fill="black")
        yield f"page {number}", np.array(page)


def charts() -> Pictures:
    """Bar charts in colour."""
    random = np.random.default_rng([SEED, 2])
    for number in range(DRAWN):
        chart = Image.new("RGB", (400, 300), "white")
        drawing = ImageDraw.Draw(chart)
        drawing.line([(30, 10), (30, 270), (390, 270)], fill="black", width=2)
        for x in range(45, 380, 42):
            color = tuple(int(value) for value in random.integers(0, 256, 3))
            drawing.rectangle((x, 270 - int(random.integers(20, 240)), x + 30, 270), fill=color)
        yield f"chart {number}", np.array(chart)


def noise() -> Pictures:
    """Every pixel by itself, in grey and in colour."""
    random = np.random.default_rng([SEED, 3])
    for number in range(DRAWN):
        values = random.integers(0, 256, (256, 256, 3), np.uint8)
        yield f"noise {number}", values if number % 2 else grey(values[..., 0])


def patterns() -> Pictures:
    """Checkerboards of several sizes, and ramps of grey."""
    for side in (4, 8, 16, 32, 64):
        yield f"checkerboard {side}", grey((np.indices((256, 256)) // side).sum(0) % 2 * 255)
    ramp = np.tile(np.arange(256), (256, 1))
    for turn in range(4):
        yield f"ramp {turn}", grey(np.rot90(ramp, turn))


def blanks() -> Pictures:
    """Frames of one value, of several sizes."""
    for value, size in ((0, (512, 512)), (128, (256, 256)), (255, (256, 256)), (0, (200, 300)), (40, (640, 480))):
        yield f"blank {value} {size[0]}", grey(np.full(size, value))


def grey(values: np.ndarray) -> np.ndarray:
    """[H, W] of 0 … 255 → [H, W, 3] uint8."""
    return np.repeat(values.astype(np.uint8)[..., None], 3, 2)


PICTURES: dict[str, Callable[[], Pictures]] = {
    "photographs (flower)": lambda: photographs("flower.jpg"),
    "photographs (china)": lambda: photographs("china.jpg"),
    "text pages": pages,
    "charts": charts,
    "noise": noise,
    "checkerboards, ramps": patterns,
    "blank frames": blanks,
}
