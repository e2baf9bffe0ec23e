"""How often is nonsense deferred, and how often what is real? A table by group, with the reasons.

    python -m benchmarks.nonsense --model mini --data SLAKE [--risk R] --output_path DIR

Nonsense (benchmarks.nonsense_set) goes the product's own path: `fly.ask(...)`. Real questions are those of SLAKE's
validation split; they, and all that is asked about its scans, are judged by a calibration fitted on the other half of
the images. What is about no scan of SLAKE's is asked once and judged by each half's in turn: a calibration of all
images may have another threshold, and a part of what nonsense is deferred more would be that. Rows are written picture
by picture, and a run that was killed goes on where it stopped.

What this cannot show: whether an answer is right. It tells inputs that are unlike the calibration's; a wrong answer to
an ordinary question is another matter (the risk that `medfly calibrate` tells). Scores of the harness are always taken
with deferral off. Nonsense is endless, and a rate of ours is one of these pictures and these sentences.
The kinds of statistics in medfly.trust.outside were compared on training pictures and on china.jpg and drawn pictures
like these; flower.jpg was among what was looked at then too, so no photograph here is quite new.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from benchmarks.calibrating import Known, gather, usable
from benchmarks.calibrating_fit import fitted
from benchmarks.fitting import SPLITS, halves
from benchmarks.heading import page_head
from benchmarks.manifest import check_folder, claim, hash_of
from benchmarks.nonsense_set import SEED, Case, cases
from benchmarks.predictions import finished
from benchmarks.progress import progress
from benchmarks.statistics import Proportion, proportion
from benchmarks.tasks import get_task
from medfly.trust import Calibration
from medfly.trust.outside import NO_PICTURE
from medfly.types import Answer, InputError, Sample, Scan, Trust

if TYPE_CHECKING:
    from medfly.engine import Prefix

TASK, SPLIT, RISK = "slake", "validate", 0.1
ROWS, TABLE = "nonsense.jsonl", "nonsense.md"
REAL, REAL_AGAIN = "real questions", f"real questions, halved {SPLITS} times"
KINDS = ("unlike picture", "unknown words", "no picture", "low confidence")


class Asked(Protocol):
    """What is needed of a model: who it is, and judged answers by the calibration that it is given."""

    calibration: Calibration | None

    @property
    def name(self) -> str: ...
    @property
    def hash(self) -> str: ...
    def ask(self, scan: Scan | None, question: list[str], *, evidence: bool) -> list[Answer]: ...
    def read(self, scan: Scan) -> Prefix: ...


def kind(reason: str) -> str:
    """Which of KINDS a reason of a Trust is."""
    if reason == NO_PICTURE:
        return "no picture"
    if reason.startswith("the picture "):
        return "unlike picture"
    return "unknown words" if " the question" in reason else "low confidence"


def row(group: str, image: str, question: int, trust: Trust, alone: bool) -> dict[str, Any]:
    """question: its number; alone: whether the confidence alone would have deferred it."""
    told = {"deferred": trust.deferred, "confidence alone": alone}
    found = {kind(reason) for reason in trust.reasons}
    return {"group": group, "image": image, **told, **{name: name in found for name in KINDS}, "question": question}


def judged(by: Calibration, features: list[float] | None, question: str, confidence: float | None) -> Trust:
    """What a model with this calibration tells of a single question; features: of the picture, None without one."""
    return by.assess(confidence, None, by.familiar.strange(features, question))


Halved = tuple[np.ndarray, tuple[Calibration, Calibration]]
"""[N], the half that each question is in; and for each half what judges it: fitted on the other."""


def halved(known: Known, seed: int, fit: Callable[[Known], Calibration]) -> Halved:
    side = halves(known.clusters, seed)
    return side, (fit(known.part(side != 0)), fit(known.part(side != 1)))


def real_rows(known: Known, ways: Sequence[Halved], group: str) -> list[dict[str, Any]]:
    """Every real question judged by the other half's fit, in each of the ways to halve the images."""
    found, pictures = [], known.features.tolist()
    for side, by in ways:
        for i, half in enumerate(side):
            features, confidence = pictures[known.images[i]], float(known.confidences[i])
            trust = judged(by[half], features, known.questions[i], confidence)
            alone = by[half].assess(confidence).deferred
            found.append(row(group, f"{known.clusters[i]}", i, trust, alone))
    return found


def run(
    fly: Asked, todo: Sequence[Case], folder: Path, judge: Callable[[Case], Sequence[Calibration]]
) -> list[dict[str, Any]]:
    """Ask every case that has no rows in the folder yet; all rows, of a question one by each that judges its case."""
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


def _asked(fly: Asked, case: Case, by: Sequence[Calibration]) -> list[dict[str, Any]]:
    """The answers are given once, the first calibration's trust with them; the others judge the same answers."""
    scan, fly.calibration = case.scan() if case.scan else None, by[0]
    answers = fly.ask(scan, list(case.questions), evidence=False)
    features = None if scan is None or len(by) == 1 else fly.read(scan).features
    found = []
    for number, answer in enumerate(answers):
        assert answer.trust is not None  # there is a calibration
        others = [judged(one, features, case.questions[number], answer.confidence) for one in by[1:]]
        for one, trust in zip(by, [answer.trust, *others], strict=True):
            alone = one.assess(answer.confidence).deferred
            found.append(row(case.group, case.image, number, trust, alone))
    return found


def basis(ways: Sequence[Halved]) -> str:
    """What is judged by what. ways: all ways to halve the images; the first is that of all but REAL_AGAIN."""
    one, other = ways[0][1]
    others = sorted({_least(each) for _, by in ways for each in by})
    return (
        f"Judged by two calibrations, each fitted on half the images of {one.fitted.data} {one.fitted.split} "
        f"({one.fitted.images} and {other.fitted.images} images, {one.fitted.questions} and {other.fitted.questions} "
        f"answers), so that at most {100 * one.risk:g} % of the answers kept are wrong. Least share right that is not "
        f"deferred: {_least(one)} and {_least(other)}. What is asked about a real scan is judged by the half that the "
        "scan is not in; what is about no scan of these by both in turn, so that both thresholds count alike. How "
        f"much hangs on these two is in the line “{REAL_AGAIN}”: there the least shares right are {others[0]} to "
        f"{others[-1]}."
    )


def _least(calibration: Calibration) -> str:
    return "none" if calibration.threshold is None else f"{calibration.threshold:.3f}"  # digits sort before letters


def markdown(rows: Sequence[Mapping[str, Any]], judged_by: str) -> str:
    """The table, and what it cannot show. judged_by: see `basis`."""
    lines = [
        judged_by,
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
    count = len({(one["image"], one["question"]) for one in rows})  # a question has a row for each that judged it
    shown = len(set(pictures)) if rows[0]["image"] else 0
    deferred = _interval(proportion([float(one["deferred"]) for one in rows], pictures))
    others = [f"{100 * np.mean([one[name] for one in rows]):.1f}" for name in ("confidence alone", *KINDS)]
    return f"| {group} | {count} ({shown}) | {deferred} | {' | '.join(others)} |"


def _interval(found: Proportion) -> str:
    assert found.value is not None  # a group has rows
    if found.low is None or found.high is None:
        return f"{100 * found.value:.1f}"
    return f"{100 * found.value:.1f} [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def measure(fly: Any, samples: Sequence[Sample], folder: Path, risk: float) -> str:
    """The whole run; its table. Raises InputError where the folder holds another run."""
    from medfly.trust.asking import measured

    asked = {"split": SPLIT, "judged_by": "halves", "questions_hash": hash_of([sample.id for sample in samples])}
    claim(folder, {"model": {"name": fly.name, "hash": fly.hash}, "seed": SEED, "risk": risk, **asked}, None)
    known = gather(partial(measured, fly), samples, folder)
    fit = partial(fitted, fly, task=TASK, split=SPLIT, data=TASK, risk=risk)
    ways = [halved(known, seed, fit) for seed in range(SPLITS)]
    side, by = ways[0]
    of_image = {sample.image: by[half] for sample, half in zip(samples, side, strict=True)}
    rows = [*real_rows(known, ways[:1], REAL), *real_rows(known, ways, REAL_AGAIN)]
    rows += run(fly, cases(samples), folder, lambda case: by if case.real is None else [of_image[case.real]])
    head = page_head("Nonsense: how often it is deferred", model=fly.name, model_hash=fly.hash, task=TASK, split=SPLIT)
    return head + markdown(rows, basis(ways))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.nonsense", description="How often nonsense is deferred."
    )
    parser.add_argument("--model", required=True, help="a model folder, or a built-in name such as mini")
    parser.add_argument("--data", required=True, type=Path, help="the SLAKE folder")
    parser.add_argument("--risk", type=float, default=RISK, help="share of wrong answers kept (%(default)s)")
    parser.add_argument("--output_path", required=True, type=Path, help=f"where {ROWS} and {TABLE} go")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit status: 0 done, 2 the user's input was at fault."""
    options = _options(arguments)
    try:
        if not 0 < options.risk < 1:
            raise InputError(f"--risk {options.risk:g}; expected a share between 0 and 1, such as 0.1: correct it")
        check_folder(options.output_path, "--output_path")
        task = get_task(TASK)
        samples = usable(task.samples(task.open(options.data), task.split_of(SPLIT)), SPLIT)
        from medfly import load  # brings torch in: only once the data are known to be there

        table = measure(load(options.model), samples, options.output_path, options.risk)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    (options.output_path / TABLE).write_text(table, encoding="utf-8")
    print(table, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
