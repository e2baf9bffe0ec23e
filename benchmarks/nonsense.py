"""How often is nonsense deferred, and how often what is real? A table by group, with the reasons.

    python -m benchmarks.nonsense --model mini --data SLAKE [--calibration FILE] [--risk R] --output_path DIR

Nonsense (benchmarks.nonsense_set) goes the product's own path: `fly.ask(...).trust`. Real questions are those of
SLAKE's validation split; they, and all that is asked about its scans, are judged by a calibration fitted on the other
half of the images. All others are judged by FILE, else by the one beside the model, else by one fitted here on the
whole split. Rows are written picture by picture, and a run that was killed goes on where it stopped.

What this cannot show: whether an answer is right. It tells inputs that are unlike the calibration's; a wrong answer to
an ordinary question is another matter (the risk that `medfly calibrate` tells). Scores of the harness are always taken
with deferral off. Nonsense is endless, and a rate of ours is one of these pictures and these sentences.
The kinds of statistics in medfly.trust.outside were compared on training pictures and on china.jpg and drawn pictures
like these; flower.jpg was among what was looked at then too, so no photograph here is quite new.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks.calibrating import RULE, Known, gather, usable
from benchmarks.calibrating_fit import COVERAGE, best_curve, curves, fit
from benchmarks.calibration import FITS
from benchmarks.fitting import SPLITS, halves
from benchmarks.manifest import claim, hash_of
from benchmarks.nonsense_set import SEED, Case, cases
from benchmarks.predictions import finished
from benchmarks.progress import progress
from benchmarks.statistics import Proportion, proportion
from benchmarks.tasks import get_task
from medfly.trust import Calibration
from medfly.trust.calibrated import Fitted
from medfly.trust.outside import NO_PICTURE
from medfly.types import Answer, InputError, Sample, Scan, Trust

TASK, SPLIT, RISK = "slake", "validate", 0.1
ROWS, TABLE = "nonsense.jsonl", "nonsense.md"
REAL = "real questions (halves)"
KINDS = ("unlike picture", "unknown words", "no picture", "low confidence")


class Asked(Protocol):
    """What is needed of a model: who it is, and judged answers by the calibration that it is given."""

    calibration: Calibration | None

    @property
    def name(self) -> str: ...
    @property
    def hash(self) -> str: ...
    def ask(self, scan: Scan | None, question: list[str], *, evidence: bool) -> list[Answer]: ...


def kind(reason: str) -> str:
    """Which of KINDS a reason of a Trust is."""
    if reason == NO_PICTURE:
        return "no picture"
    if reason.startswith("the picture "):
        return "unlike picture"
    return "unknown words" if " the question" in reason else "low confidence"


def row(group: str, image: str, trust: Trust, alone: bool) -> dict[str, Any]:
    """alone: whether the confidence alone would have deferred it."""
    told = {"deferred": trust.deferred, "confidence alone": alone}
    found = {kind(reason) for reason in trust.reasons}
    return {"group": group, "image": image, **told, **{name: name in found for name in KINDS}}


def real_rows(known: Known, base: Calibration, curve: Any) -> list[dict[str, Any]]:
    """Every real question judged by the other half's fit, in SPLITS ways to halve the images."""
    found, pictures = [], known.features.tolist()
    for seed in range(SPLITS):
        side = halves(known.clusters, seed)
        for half in (0, 1):
            other = refitted(base, known.part(side != half), curve)
            for i in np.flatnonzero(side == half):
                confidence = float(known.confidences[i])
                strange = other.familiar.strange(pictures[known.images[i]], known.questions[i])
                judged, alone = other.assess(confidence, None, strange), other.assess(confidence).deferred
                found.append(row(REAL, f"{known.clusters[i]}", judged, alone))
    return found


def refitted(base: Calibration, known: Known, curve: Any) -> Calibration:
    parts = fit(known, base.risk, curve)
    return dataclasses.replace(base, **{one.name: getattr(parts, one.name) for one in dataclasses.fields(parts)})


def run(fly: Asked, todo: Sequence[Case], folder: Path, judge: Callable[[Case], Calibration]) -> list[dict[str, Any]]:
    """Ask every case that has no rows in the folder yet; all rows. judge: what a case is judged by."""
    rows = [one for line in finished(folder / ROWS) for one in json.loads(line)]
    done = {(one["group"], one["image"]) for one in rows}
    left = [case for case in todo if (case.group, case.image) not in done]
    with (
        (folder / ROWS).open("a", encoding="utf-8") as file,
        progress("nonsense", len(todo), len(todo) - len(left)) as advance,
    ):
        for case in left:
            new = _asked(fly, case, judge(case))
            file.write(json.dumps(new) + "\n")  # a picture's rows stand in one line: all or none
            file.flush()
            rows += new
            advance()
    return rows


def _asked(fly: Asked, case: Case, calibration: Calibration) -> list[dict[str, Any]]:
    fly.calibration = calibration
    answers = fly.ask(case.scan() if case.scan else None, list(case.questions), evidence=False)
    found = []
    for number, answer in enumerate(answers):
        assert answer.trust is not None  # there is a calibration
        alone = calibration.assess(answer.confidence).deferred
        found.append({**row(case.group, case.image, answer.trust, alone), "question": number})
    return found


def markdown(rows: Sequence[Mapping[str, Any]], calibration: Calibration, halved: str) -> str:
    """The table, and what it cannot show."""
    lines = [
        f"Judged by: {calibration.basis}. {halved}",
        "",
        "Share deferred in percent, 95 % interval by picture (without pictures: by question). Confidence alone: what a "
        "calibration without Familiar would defer. The reasons may come together, but a confidence is judged only "
        "where nothing is strange.",
        "",
        f"| group | questions (pictures) | deferred | confidence alone | {' | '.join(KINDS)} |",
        f"|---|---|---|---|{'---|' * len(KINDS)}",
    ]
    for group in dict.fromkeys(one["group"] for one in rows):
        lines.append(_line(group, [one for one in rows if one["group"] == group]))
    lines += [
        "",
        "This tells inputs that are unlike the calibration's, not wrong answers. Other scans are no nonsense: they are "
        "real, and of another kind than the calibration's. Questions of ours that are in place are there to compare: "
        "what they are deferred for is their wording. Scores are always taken with deferral off.",
    ]
    return "\n".join(lines) + "\n"


def _line(group: str, rows: Sequence[Mapping[str, Any]]) -> str:
    pictures = [one["image"] or f"question {one['question']}" for one in rows]
    count = len(rows) // SPLITS if group == REAL else len(rows)
    shown = len(set(pictures)) if rows[0]["image"] else 0
    deferred = _interval(proportion([float(one["deferred"]) for one in rows], pictures))
    others = [f"{100 * np.mean([one[name] for one in rows]):.1f}" for name in ("confidence alone", *KINDS)]
    return f"| {group} | {count} ({shown}) | {deferred} | {' | '.join(others)} |"


def _interval(found: Proportion) -> str:
    assert found.value is not None  # a group has rows
    if found.low is None or found.high is None:
        return f"{100 * found.value:.1f}"
    return f"{100 * found.value:.1f} [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def _fitted_here(fly: Any, known: Known, risk: float, curve: Any) -> Calibration:
    """As `medfly calibrate` does it, of all questions."""
    closed = sum(one is not None for one in known.shares)
    about = Fitted(TASK, SPLIT, TASK, RULE.title, len(known.questions), len(known.features), closed)
    parts = fit(known, risk, curve)
    return Calibration(
        fly.name.rstrip("/").rsplit("/", 1)[-1],
        fly.hash,
        fly.model.precision,
        about,
        parts.curve,
        risk,
        parts.threshold,
        COVERAGE,
        parts.quantile,
        parts.familiar,
    )


def measure(fly: Any, samples: Sequence[Sample], folder: Path, given: Path | None, risk: float | None) -> str:
    """The whole run; its table. Raises InputError."""
    from medfly.trust.asking import measured

    calibration = fly.calibration
    if given is not None:
        calibration = Calibration.read(given).checked(fly.hash, fly.model.precision)
    kept: float = risk or (calibration.risk if calibration else RISK)
    claim(folder, _record(fly, samples, calibration, kept), None)
    known = gather(partial(measured, fly), samples, folder)
    curve = FITS[best_curve(curves(known))]
    calibration = calibration or _fitted_here(fly, known, kept, curve)
    base, side = dataclasses.replace(calibration, risk=kept), halves(known.clusters, 0)
    of_image = {sample.image: int(half) for sample, half in zip(samples, side, strict=True)}
    by_half = [refitted(base, known.part(side != half), curve) for half in (0, 1)]
    rows = real_rows(known, base, curve)
    rows += run(
        fly, cases(samples), folder, lambda case: calibration if case.real is None else by_half[of_image[case.real]]
    )
    least = ", ".join("none" if one.threshold is None else f"{one.threshold:.3f}" for one in (calibration, *by_half))
    told = f"Least share right that is not deferred: {least} (this calibration, and the two halves' of real scans)."
    return markdown(rows, calibration, told)


def _record(fly: Asked, samples: Iterable[Sample], calibration: Calibration | None, risk: float) -> dict[str, Any]:
    told = None
    if calibration is not None:
        parts = [repr(calibration.curve), calibration.threshold, calibration.familiar.to_dict()]
        told = hash_of(parts)
    return {
        "model": {"name": fly.name, "hash": fly.hash},
        "seed": SEED,
        "split": SPLIT,
        "risk": risk,
        "questions_hash": hash_of([sample.id for sample in samples]),
        "calibration": told,
    }


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.nonsense", description="How often nonsense is deferred."
    )
    parser.add_argument("--model", required=True, help="a model folder, or a built-in name such as mini")
    parser.add_argument("--data", required=True, type=Path, help="the SLAKE folder")
    parser.add_argument("--calibration", type=Path, help="a calibration.json; by default the one beside the model")
    parser.add_argument("--risk", type=float, help="share of wrong answers kept; by default the calibration's, or 0.1")
    parser.add_argument("--output_path", required=True, type=Path, help=f"where {ROWS} and {TABLE} go")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit status: 0 done, 2 the user's input was at fault."""
    options = _options(arguments)
    try:
        if options.risk is not None and not 0 < options.risk < 1:
            raise InputError(f"--risk {options.risk:g}; expected a share between 0 and 1, such as 0.1: correct it")
        task = get_task(TASK)
        samples = usable(task.samples(task.open(options.data), task.split_of(SPLIT)), SPLIT)
        from medfly import load  # brings torch in: only once the data are known to be there

        table = measure(load(options.model), samples, options.output_path, options.calibration, options.risk)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    (options.output_path / TABLE).write_text(table, encoding="utf-8")
    print(table, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
