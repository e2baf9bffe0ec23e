"""Is the evidence true to the model? Crops are taken away and given by it, and it must change when its cause does.

    python -m benchmarks.faithfulness --model mini --tasks slake --split validate --data SLAKE [--every N]
        [--questions N] [--limit N] --output_path DIR

For every question's own answer: deletion and insertion curves by the ranking of each way of making evidence, beside
rankings that have not looked (benchmarks.faithfulness_measures); how far the fast way agrees with the causal one, and
the shortcut of the causal way with all of it; and sanity checks after Adebayo et al. (2018): the map of the same answer
must change where the decoder's or the tower's weights are drawn anew, on a blank image, and for another question. On a
blank image gradients are flat by definition, since they start from a level's mean crop: that check is the causal way's.

Right or wrong does not matter here: it is the model's answer that evidence must be true to, not the truth. Rows hold
numbers and the data set's own ids, no word of a question. They are written image by image, and a run that was killed
goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

from benchmarks.baselines import BlankLoader
from benchmarks.faithfulness_measures import (
    STEPS,
    centre_ranking,
    coarse_ranking,
    correlation,
    distinct,
    generator,
    overlap,
    plan,
    random_ranking,
    ranked,
)
from benchmarks.faithfulness_tables import AGREEMENT, CHECKS, WAYS, markdown, summary
from benchmarks.heading import page_head
from benchmarks.manifest import check_folder, claim, hash_of
from benchmarks.predictions import finished, write_json
from benchmarks.progress import progress
from benchmarks.tasks import folder_of, get_task
from medfly.evidence import Wanted
from medfly.geometry import Crop
from medfly.types import InputError, Sample, Scan, naming_question

ROWS, SUMMARY, TABLE = (f"faithfulness.{kind}" for kind in ("jsonl", "json", "md"))
WANTED: dict[str, Wanted] = {"gradients": True, "causal": "causal_all", "shortcut": "causal"}
PARTS = ("decoder", "tower")
DRAWS, SEED = 3, 0
Scores = Sequence[float | None]


class Probe(Protocol):
    """An answer as it was given: see medfly.evidence.probe.Probe."""

    @property
    def ids(self) -> list[int]: ...
    @property
    def crops(self) -> Sequence[Crop]: ...
    def scores(self, way: Wanted) -> Scores: ...
    def log_probabilities(self, left_out: Sequence[Sequence[int]]) -> list[float]: ...


class Prober(Protocol):
    """A model that can be probed: see medfly.evidence.probe.Prober."""

    @property
    def name(self) -> str: ...
    @property
    def hash(self) -> str: ...
    def probes(
        self, scan: Scan, questions: Sequence[str], answers: Sequence[list[int]] | None = None
    ) -> Sequence[Probe]: ...
    def randomised(self, part: str, seed: int) -> Prober: ...


def run(prober: Prober, samples: Sequence[Sample], folder: Path, **asked: Any) -> list[dict[str, Any]]:
    """Probe every question that has no row in the folder yet; all rows, in the order of the samples.

    asked: what else tells this run from another. Raises InputError where the folder holds another run.
    """
    made = {
        "steps": list(STEPS),
        "draws": DRAWS,
        "seed": SEED,
        "questions_hash": hash_of([sample.id for sample in samples]),
    }
    claim(folder, {"model": {"name": prober.name, "hash": prober.hash}, **made, **asked}, None)
    rows = {row["id"]: row for row in map(json.loads, finished(folder / ROWS))}
    left = any(sample.id not in rows for sample in samples)
    blind = {part: prober.randomised(part, SEED) for part in PARTS} if left else {}
    with (folder / ROWS).open("a", encoding="utf-8") as file, progress("probing", len(samples), len(rows)) as advance:
        for _, group in groupby(samples, key=lambda sample: sample.image):
            image = list(group)  # as a whole, or another question would be another one after a kill
            todo = {sample.id for sample in image} - set(rows)
            for row in _rows(prober, blind, image) if todo else []:
                if row["id"] in todo:
                    rows[row["id"]] = row
                    file.write(json.dumps(row, allow_nan=False) + "\n")
                    advance()
            file.flush()
    return [rows[sample.id] for sample in samples]


def _rows(prober: Prober, blind: Mapping[str, Prober], image: Sequence[Sample]) -> list[dict[str, Any]]:
    """The rows of one image's questions."""
    with naming_question(image[0]):
        scan, blank = image[0].scan(), BlankLoader(image[0].scan)()
        questions = [sample.question for sample in image]
        probes = prober.probes(scan, questions)
    answers = [probe.ids for probe in probes]
    maps = [{way: probe.scores(wanted) for way, wanted in WANTED.items()} for probe in probes]
    others = _other_questions(questions)
    asked = [other or question for other, question in zip(others, questions, strict=True)]
    changed = {"another question": _maps(prober.probes(scan, asked, answers))}
    changed |= {"blank image": _maps(prober.probes(blank, questions, answers))}
    changed |= {f"{part} drawn anew": _maps(other.probes(scan, questions, answers)) for part, other in blind.items()}
    again = _maps(prober.probes(scan, questions[:1], answers[:1]))  # one an image is enough to see that nothing moves
    rows = []
    for i, (sample, probe) in enumerate(zip(image, probes, strict=True)):
        checks = {"the same again": again[0] if i == 0 else None}
        checks |= {name: found[i] for name, found in changed.items()}
        checks["another question"] = checks["another question"] if others[i] else None
        rows.append(
            {
                "id": sample.id,
                "image": sample.image,
                "tokens": len(probe.ids),
                "crops": len(probe.crops),
                "curves": curves(probe, maps[i], sample.id),
                "agreement": agreement(maps[i], probe.crops),
                "sanity": {name: alike(maps[i], checks[name], probe.crops) for name in CHECKS},
            }
        )
    return rows


def _maps(probes: Sequence[Probe]) -> list[dict[str, Scores]]:
    return [{way: probe.scores(WANTED[way]) for way in WAYS} for probe in probes]


def _other_questions(questions: Sequence[str]) -> list[str | None]:
    """For each the next one about the image that is put in other words, the first behind the last; else None."""
    found: list[str | None] = []
    for i, question in enumerate(questions):
        turned = [*questions[i + 1 :], *questions[:i]]
        found.append(next((other for other in turned if other != question), None))
    return found


def curves(probe: Probe, maps: Mapping[str, Scores], question: int | str) -> dict[str, Any]:
    """Whose ranking → variant → curve → log p(answer) in nats at each point; the random ones by number."""
    rankings: dict[Any, list[int]] = {way: ranked(maps[way]) for way in WAYS}
    rankings["centre"] = centre_ranking(probe.crops, generator(SEED, 0, question))
    rankings["coarse"] = coarse_ranking(probe.crops, generator(SEED, 0, question))
    for draw in range(DRAWS):
        rankings[f"random {draw}"] = random_ranking(probe.crops, generator(SEED, draw, question))
    planned = plan(rankings, probe.crops)
    sets = distinct(planned.values())
    logs = dict(zip(sets, probe.log_probabilities(sets), strict=True))
    found: dict[Any, Any] = {}
    for (subject, variant, curve), points in planned.items():
        found.setdefault(subject, {}).setdefault(variant, {})[curve] = [round(logs[one], 6) for one in points]
    return found


def agreement(maps: Mapping[str, Scores], crops: Sequence[Crop]) -> dict[str, float | None]:
    """AGREEMENT of one question: fast with causal, and the causal shortcut with every crop left out.

    Of "the others" the low crop is none: it is the whole picture, and the shortcut always looks at it.
    """
    others = [i for i, crop in enumerate(crops) if crop.level != "low"]
    fast, causal, shortcut = ({i: maps[way][i] for i in range(len(crops))} for way in WANTED)
    every = {name: ranked(list(one.values())) for name, one in (("f", fast), ("c", causal), ("s", shortcut))}
    rest = {name: [i for i in order if i in set(others)] for name, order in every.items()}
    lost = (causal[rest["c"][0]] or 0.0) - (causal[rest["s"][0]] or 0.0) if others else None
    values = [
        correlation(list(fast.values()), list(causal.values())),
        correlation(*([one[i] for i in _high(crops)] for one in (fast, causal))),
        overlap(every["f"], every["c"]),
        overlap(rest["f"], rest["c"]) if others else None,
        float(every["f"][0] == every["c"][0]),
        float(rest["f"][0] == rest["c"][0]) if others else None,
        float(every["s"][0] == every["c"][0]),
        float(rest["s"][0] == rest["c"][0]) if others else None,
        lost,
    ]
    return dict(zip(AGREEMENT, values, strict=True))


def alike(
    maps: Mapping[str, Scores], others: Mapping[str, Scores] | None, crops: Sequence[Crop]
) -> dict[str, dict[str, float | None]] | None:
    """Way → the rank correlation of its two maps, over all crops and over the high ones; None without another map."""
    if others is None:
        return None
    high = _high(crops)
    return {
        way: {
            "all": correlation(maps[way], others[way]),
            "high": correlation([maps[way][i] for i in high], [others[way][i] for i in high]),
        }
        for way in WAYS
    }


def _high(crops: Sequence[Crop]) -> list[int]:
    return [i for i, crop in enumerate(crops) if crop.level == "high"]


def chosen(samples: Sequence[Sample], every: int, questions: int | None, limit: int | None) -> list[Sample]:
    """The questions about every n-th image, in the data set's order; evenly spread over each image's, so many of them;
    and of all those the first `limit`. Raises InputError."""
    for name, number in (("every", every), ("questions", questions), ("limit", limit)):
        if number is not None and number < 1:
            raise InputError(f"found --{name} {number}; expected at least 1: correct it")
    images: dict[str, list[Sample]] = {}
    for sample in samples:
        images.setdefault(sample.image, []).append(sample)
    found = [one for image in list(images.values())[::every] for one in _spread(image, questions)][:limit]
    if not found:
        raise InputError("found no question; expected at least 1: take another split")
    return found


def _spread(image: Sequence[Sample], count: int | None) -> list[Sample]:
    """The questions of an image are often sorted by what they ask, so the first ones would be of one kind."""
    count = min(count or len(image), len(image))
    return [image[part * len(image) // count] for part in range(count)]


def _load(name: str) -> Prober:
    from medfly.evidence.probe import load  # brings torch in

    return load(name)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.faithfulness", description="Is the evidence true to the model?"
    )
    parser.add_argument("--model", required=True, help="a model folder, or a built-in name such as mini")
    parser.add_argument("--tasks", default="slake", help="the data set, as in `medfly eval` (%(default)s)")
    parser.add_argument("--data", required=True, type=Path, help="its folder")
    parser.add_argument("--split", default="validate", help="which questions are asked (%(default)s)")
    parser.add_argument("--every", type=int, default=1, help="only every n-th image")
    parser.add_argument("--questions", type=int, help="only so many questions about an image, evenly spread over them")
    parser.add_argument("--limit", type=int, help="only the first so many questions of all these")
    parser.add_argument("--output_path", required=True, type=Path, help=f"where {ROWS}, {SUMMARY} and {TABLE} go")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None, load: Callable[[str], Prober] | None = None) -> int:
    """The command. Returns the exit status: 0 done, 2 the user's input was at fault. load: in medfly's place."""
    options = _options(arguments)
    try:
        task = get_task(options.tasks)
        check_folder(options.output_path, "--output_path")
        samples = task.samples(task.open(folder_of(options.data, task.name)), options.split)
        samples = chosen(samples, options.every, options.questions, options.limit)
        prober = (load or _load)(options.model)  # only once the data are known to be there
        asked = {"task": task.name, "split": task.split_of(options.split)}
        rows = run(prober, samples, options.output_path, **asked)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    choice = {name: getattr(options, name) for name in ("every", "questions", "limit")}
    found = {"model": prober.name, "hash": prober.hash, **asked, "chosen": choice, **summary(rows)}
    write_json(options.output_path / SUMMARY, found)
    table = page_head("Faithfulness of the evidence", model=prober.name, model_hash=prober.hash, **asked)
    table += markdown(found)
    (options.output_path / TABLE).write_text(table, encoding="utf-8")
    print(table, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
