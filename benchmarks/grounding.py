"""Does the evidence point at the structure that the question is about? SLAKE's boxes are the judge.

    python -m benchmarks.grounding --model mini --data SLAKE --split validate [--limit N] [--every N] --output_path DIR

The measures of benchmarks.localisation, each beside a prior centred on the image, chance, and the low crop alone, which
is the whole image. A question's boxes are taken as one area, their union. Rows are written image by image, and a run
that was killed goes on where it stopped. This module knows a model as something that can be asked, and from
data_adapters.grounding which question belongs to which boxes. A box says where a structure is, not what must be looked
at to answer: where a question is answered from the surroundings, a good map may score low.

Shapes: H rows, W columns. Boxes in source pixels, half-open.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from benchmarks.localisation import MAP, MEASURES, PRIOR_WIDTH, measure
from benchmarks.predictions import write_json
from benchmarks.progress import progress
from benchmarks.protocols.exact import normalised_exact_match
from benchmarks.statistics import paired_difference, proportion
from benchmarks.tasks import get_task
from medfly.types import Answer, InputError, Sample, Scan

if TYPE_CHECKING:
    from data_adapters.grounding import Match

SUBJECTS = ("model", "centre", "random", "low")
SIZES = {"under 5 %": (0.0, 0.05), "5 to 20 %": (0.05, 0.2), "over 20 %": (0.2, 1.1)}
ROWS, RUN, TABLE = "grounding.jsonl", "grounding.json", "grounding.md"


class Asked(Protocol):
    """What is needed of a model: its name, a hash that changes with its answers, and answers with evidence."""

    @property
    def name(self) -> str: ...
    @property
    def hash(self) -> str: ...
    def ask(self, scan: Scan, question: list[str]) -> list[Answer]: ...


def run(fly: Asked, targets: Sequence[tuple[Sample, Match]], folder: Path, **asked: Any) -> list[dict[str, Any]]:
    """Ask every question that has no row in the folder yet; all rows, in the order of `targets`.

    asked: what else tells this run from another. Raises InputError where the folder holds another run.
    """
    record = {"model": fly.name, "hash": fly.hash, "map": MAP, "prior": PRIOR_WIDTH, **asked}
    _claim(folder, record)
    rows = _read(folder / ROWS)
    todo = [target for target in targets if target[0].id not in rows]
    with (folder / ROWS).open("a", encoding="utf-8") as file, progress("grounding", len(targets), len(rows)) as advance:
        for _, group in groupby(todo, key=lambda target: target[0].image):
            for row in _rows(fly, list(group)):
                rows[row["id"]] = row
                file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
                advance()
            file.flush()
    return [rows[sample.id] for sample, _ in targets]


def _claim(folder: Path, record: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RUN
    if not path.exists():
        write_json(path, record)
    elif json.loads(path.read_text("utf-8")) != record:
        raise InputError(f"{folder}: found another run's {RUN}; expected this one's: choose another --output_path")


def _read(path: Path) -> dict[int | str, dict[str, Any]]:
    """The finished rows by id. A last line that a kill cut short is taken off the file."""
    data = path.read_bytes() if path.exists() else b""
    whole = data[: data.rfind(b"\n") + 1]
    if whole != data:
        path.write_bytes(whole)
    return {row["id"]: row for row in map(json.loads, whole.splitlines())}


def _rows(fly: Asked, group: Sequence[tuple[Sample, Match]]) -> Iterator[dict[str, Any]]:
    """The rows of one image's questions."""
    scan = group[0][0].scan()
    answers = fly.ask(scan, [sample.question for sample, _ in group])
    for (sample, target), answer in zip(group, answers, strict=True):
        assert answer.evidence is not None  # of an image there always is
        yield {
            "id": sample.id,
            "image": sample.image,
            "labels": list(target.labels),
            "structures": target.structures,
            "named_by": target.by,
            "method": answer.evidence.method,
            "right": normalised_exact_match(answer.text, sample.answer or ""),
            **measure(answer.evidence.regions, target.boxes, scan.size),
        }


def markdown(rows: Sequence[Mapping[str, Any]], counts: Mapping[str, Mapping[str, int]]) -> str:
    """What was matched per split, and the measures of all, of right and wrong answers, and by size of the structure."""
    lines = _count_table(counts)
    several = sum(row["structures"] > 1 for row in rows)
    methods = "; ".join(sorted({row["method"] for row in rows}))
    lines += [
        "",
        f"Percent, 95 % interval by image; {len(rows)} questions, {several} of them about several structures (their "
        f"boxes taken as one area). Evidence: {methods}. Map: {MAP}. Centre: a Gaussian "
        f"with {PRIOR_WIDTH} of each side as its deviation.",
        "",
        "| questions | n (images) | measure | model | centre | random | low crop | model − centre | model − random |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, chosen in _groups(rows).items():
        lines += [_line(name, measured, chosen) for measured in MEASURES] if chosen else []
    return "\n".join(lines) + "\n"


def _count_table(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    kinds = list(dict.fromkeys(kind for split in counts.values() for kind in split))
    lines = [f"| questions | {' | '.join(counts)} |", f"|---|{'---|' * len(counts)}"]
    return lines + [f"| {kind} | {' | '.join(str(one.get(kind, 0)) for one in counts.values())} |" for kind in kinds]


def _groups(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    groups = {"all": list(rows), "answered right": [r for r in rows if r["right"]]}
    groups["answered wrong"] = [r for r in rows if not r["right"]]
    return groups | {name: [r for r in rows if low <= r["share"] < high] for name, (low, high) in SIZES.items()}


def _line(name: str, measured: str, rows: Sequence[Mapping[str, Any]]) -> str:
    images = [row["image"] for row in rows]
    values = {subject: [row[subject][measured] for row in rows] for subject in SUBJECTS}
    cells = [_interval(proportion(values["model"], images))]
    cells += [f"{100 * np.mean(values[subject]):.1f}" for subject in SUBJECTS[1:]]
    cells += [_interval(paired_difference(values["model"], values[s], images), "+") for s in ("centre", "random")]
    return f"| {name} | {len(rows)} ({len(set(images))}) | {measured} | {' | '.join(cells)} |"


def _interval(found: Any, sign: str = "") -> str:
    if found.low is None:
        return f"{100 * found.value:{sign}.1f}"
    return f"{100 * found.value:{sign}.1f} [{100 * found.low:{sign}.1f}, {100 * found.high:{sign}.1f}]"


def targets_of(folder: Path, samples: Iterable[Sample]) -> tuple[list[tuple[Sample, Match]], dict[str, int]]:
    """The questions that have boxes, in their order, and how many there were of each kind, boxes cut among them."""
    from data_adapters.grounding import REASONS, Detections, Match, detections, match

    counts: dict[str, int] = dict.fromkeys(
        ("matched by the question", "matched by the answer", "of these several structures"), 0
    )
    counts.update(dict.fromkeys((*REASONS, "boxes clipped", "boxes left out"), 0))
    found: dict[str, Detections] = {}
    targets = []
    for sample in samples:
        if sample.image not in found:
            found[sample.image] = one = detections(folder, sample.image, sample.scan().size)
            counts["boxes clipped"] += one.clipped
            counts["boxes left out"] += one.empty
        matched = match(sample, found[sample.image])
        if isinstance(matched, Match):
            targets.append((sample, matched))
            counts[f"matched by the {matched.by}"] += 1
            counts["of these several structures"] += matched.structures > 1
        else:
            counts[matched] += 1
    return targets, counts


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grounding", description="Evidence against boxes.")
    parser.add_argument("--model", required=True, help="a model folder, or a built-in name such as mini")
    parser.add_argument("--data", required=True, type=Path, help="the SLAKE folder, with its detection.json files")
    parser.add_argument("--split", default="validate", help="which questions are asked (%(default)s)")
    parser.add_argument("--limit", type=int, help="only the first so many matched questions")
    parser.add_argument("--every", type=int, default=1, help="only every n-th image that has a matched question")
    parser.add_argument("--output_path", required=True, type=Path, help=f"where {ROWS} and {TABLE} go")
    return parser.parse_args(arguments)


def _chosen(targets: list[tuple[Sample, Match]], every: int, limit: int | None) -> list[tuple[Sample, Match]]:
    if every < 1 or (limit is not None and limit < 1):
        raise InputError(f"found --every {every} --limit {limit}; expected at least 1: correct them")
    images = list(dict.fromkeys(sample.image for sample, _ in targets))[::every]
    chosen = [target for target in targets if target[0].image in set(images)][:limit]
    if not chosen:
        raise InputError("found no question that names a boxed structure; expected at least 1: take another split")
    return chosen


def main(arguments: Sequence[str] | None = None, load: Callable[[str], Asked] | None = None) -> int:
    """The command. Returns the exit status: 0 done, 2 the user's input was at fault. load: in medfly's place."""
    options = _options(arguments)
    try:
        task = get_task("slake")
        dataset, split = task.open(options.data), task.split_of(options.split)
        splits = [one for one in dataset.splits() if one != "test" or one == split]
        found = {one: targets_of(options.data, dataset.samples(one)) for one in dict.fromkeys((*splits, split))}
        chosen = _chosen(found[split][0], options.every, options.limit)
        if load is None:
            from medfly import load  # brings torch in: only once the data are known to be there
        rows = run(load(options.model), chosen, options.output_path, split=split, questions=[s.id for s, _ in chosen])
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    table = markdown(rows, {one: counts for one, (_, counts) in found.items()})
    (options.output_path / TABLE).write_text(table, encoding="utf-8")
    print(table, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
