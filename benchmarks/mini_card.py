"""The numbers of the mini model's card: what it scores, and how much of that comes from the image.

    python -m benchmarks.mini_card --model mini --data SLAKE_DIR --train_data SLAKE_DIR --output_path DIR

The audit (benchmarks.audit), and the model without each of its zoom levels. Every condition is an ordinary run
(benchmarks.runner) in its own folder under --output_path, so an interrupted card resumes. This module knows which
numbers the card reports; it knows nothing of how the model works inside.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from benchmarks import predictions
from benchmarks.audit import AS_IS, MAJORITY, Condition, audit, conditions
from benchmarks.protocols.exact import NORMALISED
from benchmarks.runner import read_results, run
from benchmarks.scores import score_by
from benchmarks.subgroups import NOT_STATED
from benchmarks.tables import fraction, interval, one_decimal
from benchmarks.tasks import get_task
from medfly.types import Answer, InputError, Level, Sample

TASK, SPLIT, TRAIN_SPLIT = "slake", "validate", "train"
LEVELS: tuple[Level, ...] = ("low", "medium", "high")
DIFFERENCES = (MAJORITY, "shuffled")
CONTENT_TYPE_CONDITIONS = (AS_IS, MAJORITY)


class LevelledModel(Protocol):
    """What the card needs of an engine: a name, a hash that changes with the answers, and answers in order.

    levels: the zoom levels whose tokens stay; those of the others are masked out. By default all stay.
    """

    @property
    def name(self) -> str: ...

    @property
    def hash(self) -> str: ...

    def answer(self, samples: Iterable[Sample], *, levels: Sequence[Level] = LEVELS) -> Iterator[Answer]: ...


def measure(
    fly: LevelledModel, samples: Sequence[Sample], training: Sequence[Sample], output_path: Path
) -> dict[str, Any]:
    """Run every condition of the card on SLAKE validate English and return what card_scores.json holds.

    Keys: model, task, split, questions, unscored; those of benchmarks.audit.audit, the conditions without a level
    among them; by_content_type: content type → {condition: group} for as_is and majority.
    Raises InputError where the images are too few to be shuffled, or training has no answers.
    """
    results = {}
    for name, one in _conditions(fly, samples, training).items():
        folder = run(one.answer, one.samples, Path(output_path) / name, model=one.model, task=TASK, split=SPLIT)
        results[name] = read_results(folder, samples)
    types = [str(s.metadata.get("content_type") or NOT_STATED) for s in samples]
    split_up = {name: score_by(results[name], types, NORMALISED, TASK) for name in CONTENT_TYPE_CONDITIONS}
    return {
        "model": {"name": fly.name, "hash": fly.hash},
        "task": TASK,
        "split": SPLIT,
        "questions": len(samples),
        "unscored": sum(not result.is_scored for result in results[AS_IS]),
        **audit(results, NORMALISED, TASK),
        "by_content_type": {
            label: {name: groups[label] for name, groups in split_up.items()} for label in split_up[AS_IS]
        },
    }


def _conditions(fly: LevelledModel, samples: Sequence[Sample], training: Sequence[Sample]) -> dict[str, Condition]:
    """The audit's, all of which the card needs, and the model without each level."""
    found, missing = conditions(fly.answer, {"name": fly.name, "hash": fly.hash}, samples, training)
    if missing:
        raise InputError(missing[0])
    for removed in LEVELS:
        kept: tuple[Level, ...] = tuple(level for level in LEVELS if level != removed)
        masked = {"name": fly.name, "hash": f"{fly.hash} levels={','.join(kept)}"}
        found[f"without_{removed}"] = Condition(partial(fly.answer, levels=kept), samples, masked)
    return found


def markdown(card: dict[str, Any]) -> str:
    """The card's tables in Markdown: conditions, paired differences in points, content types."""
    lines = [
        f"{card['model']['name']} on {card['task']} {card['split']} (English): {card['protocol']}, percent, with the "
        f"95 % interval over images; {card['questions']} questions, {card['unscored']} unscored.",
        "",
        "| condition | open | closed | overall | 95 % | right / of |",
        "|---|---|---|---|---|---|",
    ]
    for name, groups in card["conditions"].items():
        cells = [one_decimal(groups[g]["percent"]) for g in ("open", "closed", "overall")]
        lines.append(_line(name.replace("_", " "), *cells, interval(groups["overall"]), fraction(groups["overall"])))
    lines += [
        "",
        "| paired difference, points | open | closed | overall | 95 % | wins / losses |",
        "|---|---|---|---|---|---|",
    ]
    for other in DIFFERENCES:
        name = f"{AS_IS} minus {other}"
        groups = card["differences"][name]
        cells = [one_decimal(groups[g]["difference"]) for g in ("open", "closed", "overall")]
        overall = groups["overall"]
        wins = f"{overall['wins']} / {overall['losses']}"
        lines.append(_line(name.replace("_", " "), *cells, interval(overall), wins))
    lines += ["", "| content type | as is | 95 % | right / of | majority |", "|---|---|---|---|---|"]
    for label, groups in card["by_content_type"].items():
        plain, majority = groups[AS_IS], one_decimal(groups[MAJORITY]["percent"])
        lines.append(_line(label, one_decimal(plain["percent"]), interval(plain), fraction(plain), majority))
    return "\n".join(lines) + "\n"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit status: 0 done, 2 the user's input was at fault."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.mini_card", description="The numbers of the mini model's card."
    )
    parser.add_argument("--model", required=True, help="a model folder, or a built-in name such as mini")
    parser.add_argument("--data", required=True, type=Path, help="the SLAKE folder whose validate split is asked")
    parser.add_argument("--train_data", required=True, type=Path, help="the SLAKE folder whose train split is counted")
    parser.add_argument("--output_path", required=True, type=Path, help="where card_scores.json and the runs go")
    options = parser.parse_args(arguments)
    try:
        task = get_task(TASK)
        samples = task.samples(task.open(options.data), SPLIT)
        training = task.samples(task.open(options.train_data), TRAIN_SPLIT)
        from medfly import load  # brings torch in: only once the data are known to be there

        card = measure(load(options.model), samples, training, options.output_path)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    predictions.write_json(options.output_path / "card_scores.json", card)
    print(markdown(card), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
