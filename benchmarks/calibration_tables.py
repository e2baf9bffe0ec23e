"""Tables of how far confidences can be believed, and of what deferring would buy, for scores.md and for the page.

Made from the summary's calibration (benchmarks.calibration) and from nothing else; this module computes no score. A
summary of before there was such a part gives no table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from benchmarks.tables import NONE, Cell, Grid, Summary, heading, method, remarks
from medfly.wording import RESEARCH_USE

ERRORS = {"ece": "ECE", "brier": "Brier", "nll": "NLL, nats"}
NAMES = {"temperature": "temperature, cross-fitted", "isotonic": "isotonic, cross-fitted"}
CONFIDENCES = (
    "ECE: expected calibration error; Brier score; NLL: negative log-likelihood; of all, lower is better. Each with "
    "its interval; below, the change from the confidence as it came, with its interval."
)
FITTED = (
    "Cross-fitted: the images are halved, each half gets the curve of the other, and errors are taken within the "
    "halves, where chance makes an ECE larger; the mean of {splits} such splits."
)
KEPT = "Only the surest answers are kept, at least the share told; more where confidences are equal."
PROMISED = (
    "Promised with {level:.0f} % confidence by the threshold of one half of the images, and kept to on the other half; "
    "over {halves} halves. Simulated promises were kept in 92 to 100 %. A half that promises nothing keeps nothing. In "
    "the last column: the threshold for other data, from all these answers."
)


def calibration(summary: Summary) -> tuple[Grid, ...]:
    """The grids of `parts` with what has to be known of them, each to stand on its own."""
    grids = parts(summary)
    if not grids:
        return ()
    found = summary["calibration"]
    common = (f"A confidence is {found['note']}.", f"{_sentence(found['deferral'])}", f"Protocol: {found['protocol']}.")
    more = (*common, *remarks(summary), method(summary), RESEARCH_USE + ".")
    return tuple(
        replace(grid, title=f"{heading(summary)}, {grid.title}", caption=(*grid.caption, *more)) for grid in grids
    )


def parts(summary: Summary) -> tuple[Grid, ...]:
    """Raw and calibrated confidences, selective accuracy, and stated risks; () where there are no confidences."""
    found = summary["calibration"]
    if not found or "selective" not in found:
        return ()
    return (_confidences(found), _selective(found), *([_risks(found)] if found["risks"] else []))


def _confidences(found: Mapping[str, Any]) -> Grid:
    """Raw beside temperature and isotonic; where nothing is fitted, raw alone and why."""
    rows = [(("as it came",), *(_value(found[name]) for name in ERRORS))]
    for name, fitted in (found["calibrated"] or {}).items():
        halved = (f"within halves {fitted['raw_ece']['value']:.3f}",)  # the same for all fits
        rows[0] = (rows[0][0], _value(found["ece"]) + halved, *rows[0][2:])
        cells = (_value(fitted[error]) + _change(fitted["difference"][error]) for error in ERRORS)
        rows.append(((NAMES[name],), *cells))
    if found["not_fitted"]:
        how = f"Not calibrated: {found['not_fitted']}."
    else:
        how = FITTED.format(splits=next(iter(found["calibrated"].values()))["splits"])
    return Grid("confidence and what came out right", ("confidence", *ERRORS.values()), tuple(rows), (CONFIDENCES, how))


def _selective(found: Mapping[str, Any]) -> Grid:
    rows = tuple(
        (
            (f"{100 * one['coverage']:.0f} %",),
            (f"{one['count']}/{found['count']}",),
            (_percent(one["accuracy"]),),
            (_percents(one),),
            (f"{one['threshold']:.3f}",),
        )
        for one in found["selective"]
    )
    headings = ("answers kept", "count", "% right", "95 % interval", "confidence from")
    return Grid("the surest answers only", headings, rows, (KEPT,))


def _risks(found: Mapping[str, Any]) -> Grid:
    rows = tuple(
        (
            (f"{100 * one['risk']:.0f} %",),
            (_percent(one["coverage"]),),
            (_percent(one["risk_found"]),),
            (_percents(one),),
            (f"{one['found']}/{one['halves']}",),
            (NONE if one["threshold"] is None else f"{one['threshold']:.3f}",),
        )
        for one in found["risks"]
    )
    first = found["risks"][0]
    headings = ("at most wrong", "% kept", "% wrong", "95 % interval", "halves that promise", "confidence from")
    return Grid("a stated risk", headings, rows, (PROMISED.format(level=100 * first["level"], halves=first["halves"]),))


def _value(error: Mapping[str, Any]) -> Cell:
    return (f"{error['value']:.3f}", NONE if error["low"] is None else f"{error['low']:.3f} … {error['high']:.3f}")


def _change(change: Mapping[str, Any]) -> Cell:
    """The change with its sign, and its interval."""
    reach = NONE if change["low"] is None else f"{change['low']:+.3f} … {change['high']:+.3f}"
    return tuple(text.replace("-", "−") for text in (f"change {change['value']:+.3f}", reach))


def _percent(share: float | None) -> str:
    return NONE if share is None else f"{100 * share:.1f}"


def _percents(share: Mapping[str, Any]) -> str:
    return NONE if share["low"] is None else f"{100 * share['low']:.1f} … {100 * share['high']:.1f}"


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
