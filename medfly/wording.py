"""The lines that every output shows beside an answer, said once so that they read the same everywhere.

They are made from an Answer alone: this module knows no screen, no file and no model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from medfly.types import Answer, Box, Region, Trust, Variation

RESEARCH_USE = "Research use only – not for diagnosis"
CAVEAT = "not calibrated, not a probability of disease"
ABOUT_ANSWERS = "how often the model is right, not a probability of disease"
NOT_JUDGED = "not judged: there is no calibration for this model in this precision, and nothing is deferred"
DEFERRED = "Deferred: left to a person"
NO_WORDS = "(no answer)"
VARIATION_HEADINGS = ("", "change", "answer", "confidence")


def answer_line(answer: Answer) -> str:
    """What the model said; a model may also say nothing, and that must be seen."""
    return said(answer.text)


def said(text: str) -> str:
    """An answer's text, or that there is none."""
    return text.strip() or NO_WORDS


def confidence_line(answer: Answer) -> str:
    if answer.confidence is None:
        return "confidence unknown"
    return f"confidence {answer.confidence:.2f} ({CAVEAT})"


def deferral_lines(answer: Answer) -> tuple[str, ...]:
    """What stands before an answer that is deferred: that it is, and why. Empty where it is not."""
    return because(answer.trust.reasons) if answer.trust else ()


def because(reasons: Sequence[str]) -> tuple[str, ...]:
    """That an answer is deferred, for these reasons; empty without any."""
    return (DEFERRED, *(f"because: {reason}" for reason in reasons)) if reasons else ()


def trust_lines(answer: Answer) -> tuple[str, ...]:
    """How far to rely on the answer: by the calibration; without one, the bare confidence with its caveat."""
    trust = answer.trust
    if trust is None:
        return confidence_line(answer), NOT_JUDGED
    if trust.likely_right is None:
        lines = ["how often the model is right here is unknown"]
    else:
        lines = [f"of answers this sure, {_in_100(trust.likely_right)} were right in the calibration ({ABOUT_ANSWERS})"]
    if trust.options is not None:  # "cannot be ruled out" would be read as a finding
        lines.append(f"answers that the model leaves open{_covered(trust)}: {', '.join(trust.options)}")
    return *lines, f"compared with {trust.basis}"


def _covered(trust: Trust) -> str:
    if trust.coverage is None:
        return ""
    return f" (such sets are to hold the right one {100 * trust.coverage:.4g} % of the time)"


def bar_share(answer: Answer) -> float | None:
    """How long the bar beside `trust_lines` is, 0 … 1; None for no bar."""
    share = answer.confidence if answer.trust is None else answer.trust.likely_right
    return None if share is None else min(max(share, 0.0), 1.0)


def _in_100(share: float) -> str:
    """Nobody reads certainty: what is rounded to none or to all says on which side it lies."""
    if share >= 0.995:
        return "more than 99 in 100"
    return f"{share * 100:.0f} in 100" if share >= 0.01 else "fewer than 1 in 100"


def variations_line(answer: Answer) -> str | None:
    """Under how many of the changes that should not matter the answer changed, by their kinds; None without changes.

    By kinds, since not all weigh the same: a finding may lie outside of a window. Which they were is in the table.
    """
    count, flips = len(answer.variations), answer.flips
    if not count:
        return None
    if not flips:
        return f"the answer stayed the same under {'the one change' if count == 1 else f'all {count} changes'}"
    made, flipped = (Counter(one.kind for one in some) for some in (answer.variations, flips))
    named = [f"{kind} {number} of {made[kind]}" for kind, number in flipped.items()]
    return f"the answer changed under {len(flips)} of {count} changes: {', '.join(named)}"


def variation_row(answer: Answer, variation: Variation) -> tuple[str, str, str, str]:
    """Same or changed, with a sign; what was changed; what was answered then; its confidence.

    Where the words of the question were changed, they stand with the change.
    """
    mark = "= same" if variation.same else "≠ changed"
    asked = "" if variation.question == answer.question else f": {variation.question}"
    confidence = "–" if variation.confidence is None else f"{variation.confidence:.2f}"
    return mark, variation.name + asked, said(variation.text), confidence


def heat_line(peak: float | None, nowhere: float) -> str:
    """What the colours of a map of evidence say. peak: None where it points nowhere; see `medfly.drawing.Spread`."""
    if peak is None:
        return "share of the positive evidence: spread evenly over the whole picture, it points to no place"
    even = "" if nowhere < 0.005 else f"; {nowhere * 100:.0f} % of it lies evenly over the whole picture, left clear"
    return f"share of the positive evidence, in times an even spread; + marks the most, {peak:.1f}{even}"


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
