"""The numbers of the mini model's card: what it scores, and how much of that comes from the image.

    python -m benchmarks.mini_card --model mini --data SLAKE_DIR --train_data SLAKE_DIR --output_path DIR

Every condition is an ordinary run (benchmarks.runner) in its own folder under --output_path, so an interrupted card
resumes. This module knows which conditions the card reports; it knows nothing of how the model works inside.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from benchmarks import predictions
from benchmarks.baselines import QuestionOnlyMajority, blank_images, shuffled_images
from benchmarks.report import NONE, compare, interval, one_decimal, score, score_by
from benchmarks.runner import AnswerFunction, run
from benchmarks.tasks import get_task
from medfly.types import Answer, InputError, Level, Sample

TASK, SPLIT, TRAIN_SPLIT = "slake", "validate", "train"
SHUFFLE_SEED = 0
LEVELS: tuple[Level, ...] = ("low", "medium", "high")
DIFFERENCES = (("as_is", "majority"), ("as_is", "shuffled"))


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
    fly: LevelledModel, samples: Sequence[Sample], training: Iterable[Sample], output_path: Path
) -> dict[str, Any]:
    """Run every condition of the card on SLAKE validate English and return what card_scores.json holds.

    Keys: model, task, split; conditions: name → scores (benchmarks.report.score); differences: "a minus b" → groups
    (benchmarks.report.compare); by_content_type: content type → {condition: group} for as_is and majority.
    """
    rows: dict[str, list[dict[str, Any]]] = {}
    for name, (answer, asked, model) in _conditions(fly, samples, training).items():
        folder = run(answer, asked, Path(output_path) / name, model=model, task=TASK, split=SPLIT)
        rows[name] = predictions.read(folder / "predictions.jsonl")
    types = [str(s.metadata.get("content_type") or NONE) for s in samples]
    split_up = {name: score_by(rows[name], types) for name in ("as_is", "majority")}
    return {
        "model": {"name": fly.name, "hash": fly.hash},
        "task": TASK,
        "split": SPLIT,
        "conditions": {name: score(found) for name, found in rows.items()},
        "differences": {f"{a} minus {b}": compare(rows[a], rows[b]) for a, b in DIFFERENCES},
        "by_content_type": {
            label: {name: groups[label] for name, groups in split_up.items()} for label in split_up["as_is"]
        },
    }


def _conditions(
    fly: LevelledModel, samples: Sequence[Sample], training: Iterable[Sample]
) -> dict[str, tuple[AnswerFunction, Sequence[Sample], Mapping[str, str]]]:
    """Condition → who answers, what is asked, and the identity that the run is recorded under."""
    majority = QuestionOnlyMajority.fit(training)
    model = {"name": fly.name, "hash": fly.hash}
    conditions: dict[str, tuple[AnswerFunction, Sequence[Sample], Mapping[str, str]]] = {
        "as_is": (fly.answer, samples, model),
        "shuffled": (fly.answer, shuffled_images(samples, SHUFFLE_SEED), model),
        "blank": (fly.answer, blank_images(samples), model),
    }
    for removed in LEVELS:
        kept: tuple[Level, ...] = tuple(level for level in LEVELS if level != removed)
        masked = {"name": fly.name, "hash": f"{fly.hash} levels={','.join(kept)}"}
        conditions[f"without_{removed}"] = (partial(fly.answer, levels=kept), samples, masked)
    conditions["majority"] = (majority, samples, {"name": "question-only majority", "hash": majority.hash})
    return conditions


def markdown(card: dict[str, Any]) -> str:
    """The card's tables in Markdown: conditions, paired differences in points, content types."""
    first = card["conditions"]["as_is"]
    lines = [
        f"{card['model']['name']} on {card['task']} {card['split']} (English): {first['protocol']}, percent, with the "
        f"95 % interval over images; {first['questions']} questions, {first['unscored']} unscored.",
        "",
        "| condition | open | closed | overall | 95 % | right / of |",
        "|---|---|---|---|---|---|",
    ]
    for name, scores in card["conditions"].items():
        groups = scores["groups"]
        cells = [one_decimal(groups[g]["percent"]) for g in ("open", "closed", "overall")]
        lines.append(_line(name.replace("_", " "), *cells, interval(groups["overall"]), _fraction(groups["overall"])))
    lines += [
        "",
        "| paired difference, points | open | closed | overall | 95 % | wins / losses |",
        "|---|---|---|---|---|---|",
    ]
    for name, groups in card["differences"].items():
        cells = [one_decimal(groups[g]["difference"]) for g in ("open", "closed", "overall")]
        overall = groups["overall"]
        wins = f"{overall['wins']} / {overall['losses']}"
        lines.append(_line(name.replace("_", " "), *cells, interval(overall), wins))
    lines += ["", "| content type | as is | 95 % | right / of | majority |", "|---|---|---|---|---|"]
    for label, groups in card["by_content_type"].items():
        plain = groups["as_is"]
        majority = one_decimal(groups["majority"]["percent"])
        lines.append(_line(label, one_decimal(plain["percent"]), interval(plain), _fraction(plain), majority))
    return "\n".join(lines) + "\n"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _fraction(group: dict[str, Any]) -> str:
    return f"{group['hits']} / {group['count']}"


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
        samples = get_task(TASK).samples(options.data, SPLIT)
        training = get_task(TASK).samples(options.train_data, TRAIN_SPLIT)
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
