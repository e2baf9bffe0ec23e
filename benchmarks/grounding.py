"""Does the evidence point at the structure that the question is about? The report of the tasks that score evidence.

The measures of benchmarks.localisation, each beside a prior centred on the image, chance, and the low crop alone, which
is the whole image. A question's boxes are taken as one area, their union. This module knows results whose samples
carry a data_adapters.slake_boxes.Target; it knows no model and no file. A box says where a structure is, not what must
be looked at to answer: where a question is answered from the surroundings, a good map may score low.

Boxes in source pixels, half-open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.localisation import MAP, MEASURES, PRIOR_WIDTH, TOP_LEVELS, measure
from benchmarks.progress import progress
from benchmarks.protocols.exact import NORMALISED, normalised_exact_match
from benchmarks.results import Result
from benchmarks.scores import SEED, limits, percent
from benchmarks.statistics import LEVEL, METHOD, RESAMPLES, paired_difference, proportion
from benchmarks.tables import NONE, Cell, Grid, interval, one_decimal, signed
from data_adapters.slake_boxes import KINDS, TARGET, Target
from medfly.types import InputError
from medfly.wording import RESEARCH_USE

SUBJECTS = ("model", "centre", "random", "low")
AGAINST = ("centre", "random")
SIZES = {"under 5 %": (0.0, 0.05), "5 to 20 %": (0.05, 0.2), "over 20 %": (0.2, 1.1)}
"""The boxes' share of the picture."""
TITLES = {"pointing": "pointing game", "energy": "energy inside the box", "iou": "IoU of the top region"}
MEANING = {
    "pointing": "How often the map's maximum lies in the box.",
    "energy": "The share of the map that lies in the box.",
    "iou": "Of the box with the best medium or the best high crop, whichever fits better.",
}
EXAMPLES = 5
OUTSIDE = 1e-3
"""So many pixels may a crop's box reach beyond the picture: rounding."""

Row = Mapping[str, Any]
Counts = Mapping[str, Mapping[str, int] | None]


def grounding_report(results: Sequence[Result], counts: Counts, *, cut: tuple[int, int] = (0, 0)) -> dict[str, Any]:
    """The results' evidence against the boxes of their questions, as scores.json holds it; all figures in percent.

    counts: split → KINDS → questions; None for a split that could not be read. cut: how many boxes of the evaluated
    split were clipped to their picture, and left out as they hold no pixel of it.

    Keys: questions, several (of them about several structures), images; methods: how the evidence was made → answers;
    map, prior; interval: how intervals were made; counts; clipped, left_out; groups: "all", by whether
    the answer is right (normalised exact match) and by the boxes' share of the picture → `_group`; a group
    without questions is not in.
    Raises InputError for answers without evidence, or with evidence that is not about their picture.
    """
    _check(results)
    with progress("scoring evidence", len(results)) as advance:
        rows = []
        for result in results:
            rows.append(_row(result))
            advance()
    methods = [row["method"] for row in rows]
    return {
        "questions": len(rows),
        "several": sum(row["structures"] > 1 for row in rows),
        "images": len({row["cluster"] for row in rows}),
        "methods": {method: methods.count(method) for method in sorted(set(methods))},
        "map": MAP,
        "prior": PRIOR_WIDTH,
        "interval": {"level": LEVEL, "method": METHOD, "resamples": RESAMPLES, "seed": SEED},
        "counts": {split: None if found is None else dict(found) for split, found in counts.items()},
        "clipped": cut[0],
        "left_out": cut[1],
        "groups": {name: _group(chosen) for name, chosen in _groups(rows).items() if chosen},
    }


def _check(results: Sequence[Result]) -> None:
    """Raises InputError unless every answer has evidence that its picture and the measures allow."""
    lacking = [result for result in results if result.evidence is None]
    _refuse(lacking, results, "without usable evidence", "its regions, as `medfly eval` writes them")
    beside = [result for result in results if not _fits(result)]
    _refuse(beside, results, "whose regions are not of their picture", "boxes within it, medium or high among them")


def _refuse(at_fault: Sequence[Result], results: Sequence[Result], what: str, expected: str) -> None:
    if at_fault:
        first = ", ".join(str(result.sample.id)[:40] for result in at_fault[:EXAMPLES])
        raise InputError(
            f"found {len(at_fault):,} of {len(results):,} answers {what} (first: {first}); expected with each "
            f"{expected}: ask again with `medfly eval`"
        )


def _fits(result: Result) -> bool:
    """Whether there are crops to be ranked, and all lie within the picture."""
    width, height = _target(result).size
    regions = result.evidence.regions if result.evidence else ()
    within = all(
        min(r.box) >= -OUTSIDE and r.box[2] <= width + OUTSIDE and r.box[3] <= height + OUTSIDE for r in regions
    )
    return within and any(region.level in TOP_LEVELS for region in regions)


def _target(result: Result) -> Target:
    return result.sample.metadata[TARGET]


def _row(result: Result) -> dict[str, Any]:
    """One question, measured: what `measure` gives, and what it is grouped by."""
    assert result.evidence is not None  # checked
    target = _target(result)
    return {
        "cluster": result.cluster,
        "structures": target.match.structures,
        "method": result.evidence.method,
        "right": bool(normalised_exact_match(result.prediction, result.sample.answer or "")),
        **measure(result.evidence.regions, target.match.boxes, target.size),
    }


def _groups(rows: Sequence[Row]) -> dict[str, list[Row]]:
    groups = {"all": list(rows), "answered right": [r for r in rows if r["right"]]}
    groups["answered wrong"] = [r for r in rows if not r["right"]]
    return groups | {name: [r for r in rows if low <= r["share"] < high] for name, (low, high) in SIZES.items()}


def _group(rows: Sequence[Row]) -> dict[str, Any]:
    """questions, images, and measures: measure → subject → percent, low, high; "model minus SUBJECT" → points, low,
    high. low and high are None where the rows cannot give them."""
    clusters = [row["cluster"] for row in rows]
    measures = {}
    for name in MEASURES:
        values = {subject: [row[subject][name] for row in rows] for subject in SUBJECTS}
        found = {subject: proportion(values[subject], clusters, seed=SEED) for subject in SUBJECTS}
        differences = {one: paired_difference(values["model"], values[one], clusters, seed=SEED) for one in AGAINST}
        measures[name] = {one: {"percent": percent(f.value), **limits(f)} for one, f in found.items()}
        measures[name] |= {
            f"model minus {one}": {"points": percent(f.value), **limits(f)} for one, f in differences.items()
        }
    return {"questions": len(rows), "images": len(set(clusters)), "measures": measures}


def grounding_grids(report: Mapping[str, Any], title: str, remarks: Sequence[str] = ()) -> tuple[Grid, ...]:
    """One table a measure, and what was matched, for benchmarks.tables to render. remarks: to be read first."""
    captions: dict[str, tuple[str, ...]] = {name: (MEANING[name],) for name in MEASURES}
    captions[MEASURES[0]] = (*remarks, MEANING[MEASURES[0]], *_how(report))
    headings = ("questions", "model", "centre", "random", "low crop")
    grids = tuple(
        Grid(
            f"{title}, {TITLES[name]}",
            headings,
            tuple(_cells(label, group, name) for label, group in report["groups"].items()),
            (*captions[name], f"{RESEARCH_USE}."),
        )
        for name in MEASURES
    )
    return (*grids, _count_grid(report, title))


def _how(report: Mapping[str, Any]) -> tuple[str, ...]:
    how, methods = report["interval"], list(report["methods"])
    more = f" and {len(methods) - 1} more ways" if len(methods) > 1 else ""
    return (
        f"Percent; {report['questions']} questions about {report['images']} images, {report['several']} of them about "
        "several structures, whose boxes are taken as one area. Right and wrong: by "
        f"{NORMALISED.title}. Percentages under “questions”: the boxes' share of the picture.",
        f"Evidence: {methods[0]}{more}. Map: {report['map']}. Centre: a Gaussian with {report['prior']:g} of each side "
        "as its deviation. Random: any place, any crop. Low crop: the whole picture.",
        "Below centre and random: the model's difference from them.",
        f"{100 * how['level']:.0f} % intervals, of the model and of its differences: "
        f"{how['method']}, {how['resamples']:,} resamples of images, seed {how['seed']}.",
    )


def _cells(label: str, group: Mapping[str, Any], name: str) -> tuple[Cell, ...]:
    found = group["measures"][name]
    first = (label, f"{group['questions']} questions", f"{group['images']} images")
    return first, *(_cell(found, subject) for subject in SUBJECTS)


def _cell(found: Mapping[str, Any], subject: str) -> Cell:
    """The percentage; of the model its interval; of those it is compared with its difference from them."""
    shown = one_decimal(found[subject]["percent"])
    if subject == "model":
        return shown, interval(found[subject])
    if subject in AGAINST:
        difference = found[f"model minus {subject}"]
        return shown, signed(difference["points"]), interval(difference)
    return (shown,)


def _count_grid(report: Mapping[str, Any], title: str) -> Grid:
    counts = report["counts"]
    rows = tuple(
        ((kind,), *((NONE if found is None else f"{found[kind]:,}",) for found in counts.values())) for kind in KINDS
    )
    caption = (
        "Asked are those matched to a box, and no others, for the reasons told.",
        f"Of the evaluated split's boxes {report['clipped']:,} were cut to their picture, {report['left_out']:,} hold "
        "no pixel of it and were left out.",
    )
    unread = (f"{NONE}: could not be read.",) if None in counts.values() else ()
    return Grid(f"{title}, questions by split", ("questions", *counts), rows, (*caption, *unread))
