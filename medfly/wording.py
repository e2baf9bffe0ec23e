"""The lines that every output shows beside an answer, said once so that they read the same everywhere.

They are made from an Answer alone: this module knows no screen, no file and no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medfly.types import Answer, Box, Region

RESEARCH_USE = "Research use only – not for diagnosis"
CAVEAT = "not calibrated, not a probability of disease"
NO_WORDS = "(no answer)"


def answer_line(answer: Answer) -> str:
    """What the model said; a model may also say nothing, and that must be seen."""
    return answer.text.strip() or NO_WORDS


def confidence_line(answer: Answer) -> str:
    if answer.confidence is None:
        return "confidence unknown"
    return f"confidence {answer.confidence:.2f} ({CAVEAT})"


def window_line(provenance: Mapping[str, Any]) -> str:
    """The window that made the picture, as WIDTH/LEVEL, and where it came from."""
    window = provenance.get("window")
    if window is None:
        return "colour, not windowed"
    if "entries" in window:
        return f"lookup table of {window['entries']} entries ({window['source']})"
    return f"window {window['width']:g}/{window['center']:g} ({window['source']})"


def input_line(provenance: Mapping[str, Any]) -> str:
    """Which pixels: modality, size, frame and the beginning of the file's hash; or that there were none."""
    if "size" in provenance and provenance["size"] is None:
        return "no image, text only"
    width, height = provenance.get("size") or ("?", "?")
    parts = [str(provenance.get("modality") or "modality unknown"), f"{width} × {height} px"]
    if provenance.get("frame"):
        parts.append(f"frame {provenance['frame']}")
    if len(provenance.get("frames") or ()) > 1:
        parts.append(f"{len(provenance['frames'])} frames")
    parts.append(f"input {str(provenance.get('input_hash') or 'unknown')[:12]}")
    return " · ".join(parts)


def model_line(provenance: Mapping[str, Any]) -> str:
    """Which model answered, with the beginning of its hash, in which precision, and which MedFly."""
    version = (provenance.get("versions") or {}).get("medfly", "?")
    name = (
        str(provenance.get("model") or "unknown").rstrip("/").rsplit("/", 1)[-1]
    )  # a folder's path is nobody's concern
    precision = f" · {provenance['precision']}" if provenance.get("precision") else ""
    return f"model {name} {str(provenance.get('model_hash') or '')[:12]}{precision} · medfly {version}"


def score_text(score: float) -> str:
    """A score with its sign: evidence may speak against an answer."""
    return f"{score:+.3f}".replace("-", "−")


def levels_line(answer: Answer) -> str:
    """How much of the evidence lies at each zoom level, so that nobody takes the shown crops for all of it."""
    if answer.evidence is None:
        return "evidence not computed"
    if answer.evidence.method.startswith("occlusion"):  # its scores do not add up, and not every crop has one
        return answer.evidence.method
    sums: dict[str, float] = {}
    for region in answer.evidence.regions:
        sums[region.level] = sums.get(region.level, 0.0) + region.score
    parts = [f"{level} {score_text(sums[level])}" for level in ("low", "medium", "high") if level in sums]
    return f"all crops by level, in nats: {' · '.join(parts)}"


def box_line(box: Box) -> str:
    """Source pixels, half-open, rounded for reading."""
    x0, y0, x1, y1 = (round(edge) for edge in box)
    return f"x {x0}–{x1}, y {y0}–{y1}"


def place_line(region: Region) -> str:
    """Where a crop lies: its box; on a montage, the frame that it mostly shows and the box there."""
    for best in region.sources[:1]:
        others = f" and {len(region.sources) - 1} more" if len(region.sources) > 1 else ""
        return f"frame {best.frame}: {box_line(best.box)}{others}"
    return box_line(region.box)


def millimetre_line(size: tuple[float, float] | None) -> str:
    """size: width and height in millimetres; of a slide's region they are shown in micrometres."""
    if size is None:
        return "size unknown"
    if max(size) < 1:
        return f"{size[0] * 1000:.0f} × {size[1] * 1000:.0f} µm"
    return f"{size[0]:.0f} × {size[1]:.0f} mm"
