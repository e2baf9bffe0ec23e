"""calibration.md: what a calibration was fitted on, and its cross-fitted numbers. It computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.calibrating_fit import SPLITS, Worth
from benchmarks.heading import page_head
from benchmarks.statistics import LEVEL, Difference, Proportion
from medfly.trust.calibrated import Calibration


def markdown(
    calibration: Calibration, told: Mapping[str, Mapping[str, Any]], worth: Worth, chosen: str, leaks: str
) -> str:
    """told: as benchmarks.calibrating_fit.curves gives it; chosen: which of the curves the calibration has.

    leaks: a sentence on what of the data is in training data.
    """
    title, (model, digest), by = "Calibration", (calibration.model, calibration.model_hash), calibration.fitted
    head = page_head(title, model=model, model_hash=digest, task=by.task, split=by.split)
    lines = [*_about(calibration), leaks, "", *_curves(told, chosen), *_deferral(calibration, worth)]
    return head + "\n".join([*lines, *_kinds(calibration, worth), *_sets(worth), ""])


def _about(calibration: Calibration) -> list[str]:
    by = calibration.fitted
    return [
        f"Fitted on {by.questions:,} answers about {by.images:,} images of {by.data} {by.split} ({by.rule}; "
        f"{calibration.precision}). Every number below is cross-fitted: {SPLITS} times the images (patients, where "
        "they are known) are halved, and each half is judged by what was fitted on the other. In brackets "
        f"{100 * LEVEL:.0f} % intervals by image. Images that are alike, such as neighbouring slices, may lie in both "
        "halves, unless patients are known. It is about the model's answers there: not a probability of disease, and "
        "no promise for other scanners or other patients.",
        "",
    ]


def _curves(told: Mapping[str, Mapping[str, Any]], chosen: str) -> list[str]:
    lines = [
        "| confidence | ECE | Brier score | NLL | Brier score, change |",
        "|---|---|---|---|---|",
    ]
    for name, one in told.items():
        errors = [_limits(one[key], "{:.3f}") for key in ("ece", "brier", "nll")]
        change = _limits(one["difference"]["brier"], "{:+.3f}") if "difference" in one else "–"
        lines.append(f"| {name}{' (kept)' if name == chosen else ''} | {' | '.join(errors)} | {change} |")
    halved = _limits(told[chosen]["raw_ece"], "{:.3f}")
    within = "The ECE of a fitted confidence is taken within each half, where it is larger by chance"
    return [*lines, "", f"{within}; as it comes it is {halved} there.", ""]


def _deferral(calibration: Calibration, worth: Worth) -> list[str]:
    risk = 100 * calibration.risk
    least = (
        "none keeps it: all is deferred" if calibration.threshold is None else f"{100 * calibration.threshold:.1f} %"
    )
    return [
        f"| at a stated risk of {risk:g} % | |",
        "|---|---|",
        f"| least share right for an answer to be kept (of all: the lowest whose upper {100 * LEVEL:.0f} % limit "
        f"of wrong ones is within the risk) | {least} |",
        f"| halves that gave such a threshold | {worth.found} of {2 * SPLITS} |",
        f"| answers kept | {_number(worth.kept)} |",
        f"| wrong among those kept | {_number(worth.wrong)} |",
        f"| was the risk kept? | {_kept(calibration.risk, worth.wrong)} |",
        f"| deferred as unsure | {_number(worth.unsure)} |",
        f"| deferred as unlike all that was seen | {_number(worth.strange)} |",
        "",
    ]


def _kinds(calibration: Calibration, worth: Worth) -> list[str]:
    """A table by kind of question, where there is more than one."""
    if len(worth.kinds) < 2:
        return []
    rows = [
        (one.kind.replace("|", "\\|"), f"{one.questions:,}", *map(_number, (one.kept, one.wrong)))
        for one in worth.kinds
    ]
    return [
        f"The stated risk of {100 * calibration.risk:g} % is one for all questions together: where it is kept, it is "
        "so on average over them, and not for each kind.",
        "",
        "| kind of question | questions | answers kept | wrong among those kept |",
        "|---|---|---|---|",
        *(f"| {' | '.join(cells)} |" for cells in rows),
        "",
    ]


def _kept(risk: float, wrong: Proportion) -> str:
    if wrong.value is None:
        return "nothing was kept"
    said = "yes" if wrong.value <= risk else "no"
    return f"{said}; the interval reaches above it" if (wrong.high or 0) > risk >= wrong.value else said


def _sets(worth: Worth) -> list[str]:
    if worth.options is None:
        return ["No closed questions with options: no answer sets."]
    return [
        f"| answer sets of the closed questions with options ({worth.size.count // SPLITS:,}) | |",
        "|---|---|",
        f"| hold the right answer | {_number(worth.covered)} |",
        f"| mean size, of {worth.options:.2f} options | {_number(worth.size, 1, '{:.2f}')} |",
        f"| of one option | {_number(worth.single)} |",
    ]


def _number(found: Proportion | Difference, scale: float = 100, form: str = "{:.1f} %") -> str:
    return _bracketed(found.value, found.low, found.high, scale, form)


def _limits(found: Mapping[str, float | None], form: str) -> str:
    return _bracketed(found["value"], found["low"], found["high"], 1, form)


def _bracketed(value: float | None, low: float | None, high: float | None, scale: float, form: str) -> str:
    if value is None:
        return "–"
    bare = form.removesuffix(" %")
    if low is None or high is None:
        return form.format(scale * value)
    return f"{form.format(scale * value)} [{bare.format(scale * low)}, {bare.format(scale * high)}]"
