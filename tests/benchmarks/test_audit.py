"""The audit with models whose looking is known: one that reads the picture, one that does not, one in between."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.audit import audit, conditions
from benchmarks.baselines import QuestionOnlyMajority
from benchmarks.protocols.exact import NORMALISED
from benchmarks.protocols.llava_med import RUN_EVAL
from benchmarks.protocols.medevalkit import AS_RELEASED
from benchmarks.results import Result
from benchmarks.runner import read_results, run
from medfly.types import Answer, InputError, Sample

from .conftest import make_samples

MODEL = {"name": "looker", "hash": "l1"}


def looker(samples: Iterable[Sample]) -> Iterator[Answer]:
    """Names the picture by its value; says yes to everything closed, without looking."""
    for sample in samples:
        text = "yes" if sample.answer_type == "CLOSED" else f"image {sample.scan().pixels[0, 0]:.0f}"
        yield Answer(sample.question, text, 0.5)


def asked(samples: Sequence[Sample], training: Sequence[Sample], folder: Path) -> dict[str, list[Result]]:
    found, warnings = conditions(looker, MODEL, samples, training)
    assert warnings == []
    return {
        name: read_results(run(*one[:2], folder / name, model=one.model, task="slake", split="validate"), samples)
        for name, one in found.items()
    }


def test_what_survives_by_hand(tmp_path: Path) -> None:
    samples = make_samples(images=40)  # 40 open questions and 80 closed ones, half of which are answered by yes
    found = audit(asked(samples, samples, tmp_path), NORMALISED, "slake")
    assert list(found["conditions"]) == ["as_is", "blank", "noise", "shuffled", "majority"]
    rights = {n: [groups[g]["numerator"] for g in ("open", "closed")] for n, groups in found["conditions"].items()}
    assert (rights["as_is"], rights["blank"], rights["shuffled"]) == ([40, 40], [1, 40], [0, 40])  # blank is "image 0"
    assert rights["noise"][0] <= 2 and rights["noise"][1] == 40  # "image 0" or "image 1"
    shares = {name: (share["numerator"], share["denominator"]) for name, share in found["survive"].items()}
    assert shares["shuffled"] == (40, 80) and shares["blank"] == (41, 80)
    survived = found["survive"]["shuffled"]
    assert survived["percent"] == 50 and survived["low"] <= 50 <= survived["high"]
    shuffled = found["differences"]["as_is minus shuffled"]
    assert (shuffled["open"]["difference"], shuffled["open"]["wins"], shuffled["open"]["losses"]) == (100, 40, 0)
    closed = shuffled["closed"]
    assert (closed["difference"], closed["low"], closed["high"], closed["count"]) == (0, 0, 0, 80)
    assert shuffled["overall"]["difference"] == pytest.approx(100 / 3)
    assert json.loads(json.dumps(found)) == found


def test_majority_is_counted_against_what_was_right(tmp_path: Path) -> None:
    """The share is of the answers right as is, not of all: the majority may be right where the model is wrong."""
    samples = make_samples()
    flipped = [replace(s, answer={"Yes": "No", "No": "Yes"}.get(s.answer or "", s.answer)) for s in samples]
    found = audit(asked(samples, flipped, tmp_path), NORMALISED, "slake")
    majority = {s.id: a.text for s, a in zip(samples, QuestionOnlyMajority.fit(flipped)(samples), strict=True)}
    right = [s for s in samples if s.answer_type == "OPEN" or s.answer == "Yes"]
    kept = [s for s in right if majority[s.id].lower() == (s.answer or "").lower()]
    share = found["survive"]["majority"]
    assert (share["numerator"], share["denominator"]) == (len(kept), len(right))
    assert found["conditions"]["majority"]["overall"]["numerator"] > len(kept)


def test_what_cannot_be_asked_is_told() -> None:
    found, warnings = conditions(looker, MODEL, make_samples(1), [])
    assert list(found) == ["as_is", "blank", "noise"]
    assert "audit without shuffled images: " in warnings[0] and "found 1 images" in warnings[0]
    assert warnings[1] == "audit without the question-only majority: the task's training answers are not at hand"
    hashes = [[s.scan.content_hash for s in one.samples] for one in found.values()]
    assert len({tuple(own) for own in hashes}) == 3  # three runs, which cannot be mistaken for each other


def test_unlike_questions_are_refused() -> None:
    results = [Result(sample, "yes") for sample in make_samples()]
    with pytest.raises(InputError, match="found no as_is answers among blank"):
        audit({"blank": results}, NORMALISED, "slake")
    with pytest.raises(InputError, match="found other questions under blank"):
        audit({"as_is": results, "blank": results[::-1]}, NORMALISED, "slake")


def test_nothing_to_score_is_no_percentage() -> None:
    results = [Result(replace(sample, answer=None), "yes") for sample in make_samples()]
    found = audit({"as_is": results, "blank": results}, NORMALISED, "slake")
    assert found["survive"]["blank"] == {"numerator": 0, "denominator": 0, "clusters": 0} | dict.fromkeys(
        ("percent", "low", "high")
    )
    assert found["differences"]["as_is minus blank"]["overall"]["difference"] is None


def test_an_answer_that_a_rule_leaves_out_does_not_survive() -> None:
    """LLaVA-Med's run_eval drops wrong yes/no answers: of 3 right ones 1 is right without the picture, not 1 of 1."""
    samples = [replace(sample, answer="Yes", answer_type="CLOSED") for sample in make_samples(3)[:3]]
    plain = [Result(sample, "yes") for sample in samples]
    other = [Result(sample, said) for sample, said in zip(samples, ("yes", "no", "no"), strict=True)]
    found = audit({"as_is": plain, "blank": other}, RUN_EVAL, "slake")
    assert (found["survive"]["blank"]["numerator"], found["survive"]["blank"]["denominator"]) == (1, 3)


def test_differences_are_of_the_rules_own_groups() -> None:
    """Of VQA-RAD, MedEvalKit's closed questions are those whose gold is yes or no; the tag says other ones."""
    samples = [replace(sample, answer="left", answer_type="CLOSED") for sample in make_samples(3)]
    results = [Result(sample, "left") for sample in samples]
    found = audit({"as_is": results, "blank": results}, AS_RELEASED, "vqa_rad")
    counts = {group: row["count"] for group, row in found["differences"]["as_is minus blank"].items()}
    assert counts == {"open": len(samples), "closed": 0, "overall": len(samples)}
    assert counts == {group: row["denominator"] for group, row in found["conditions"]["blank"].items()}
