"""Curves and likeness against scikit-learn and scipy, and the whole command on a model whose truth is arithmetic."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import stats
from sklearn.metrics import auc

from benchmarks import faithfulness
from benchmarks.faithfulness_measures import (
    ALL,
    CURVES,
    OTHERS,
    area,
    centre_ranking,
    coarse_ranking,
    correlation,
    generator,
    overlap,
    plan,
    random_ranking,
    ranked,
    sets_of,
    steps,
)
from benchmarks.faithfulness_tables import CHECKS, heights, interval, markdown, summary
from benchmarks.statistics import proportion
from medfly.evidence import Wanted
from medfly.geometry import Crop, Pyramid
from medfly.types import InputError, Sample, Scan
from medfly.wording import RESEARCH_USE

from .conftest import MemoryLoader, make_samples

CROPS = Pyramid(601, 407, 64, (2, 2), (6, 6)).crops()
FLOATS = st.integers(-40, 40).map(lambda tenths: tenths / 10)


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    result: Any = stats.spearmanr(one, other)
    return result.statistic


def test_an_area_is_that_of_scikit_learn() -> None:
    values = np.random.default_rng(0).random(9).tolist()
    assert steps(41) == [0, 1, 2, 4, 8, 16, 24, 32, 41] and steps(40)[-2:] == [32, 40] and steps(8) == [0, 1, 2, 4, 8]
    assert area(values, 41) == pytest.approx(auc(np.asarray(steps(41)) / 41, values))
    assert area([0.3] * 9, 41) == pytest.approx(0.3)
    assert area(np.linspace(0, 1, 2).tolist(), 1) == pytest.approx(0.5)


@given(st.lists(st.tuples(FLOATS, FLOATS), min_size=2, max_size=50))
def test_a_correlation_is_that_of_scipy(pairs: list[tuple[float, float]]) -> None:
    one, other = map(list, zip(*pairs, strict=True))
    found = correlation(one, other)
    if len(set(one)) == 1 or len(set(other)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(spearman(one, other))


def test_crops_that_one_map_has_not_scored_are_not_compared() -> None:
    assert correlation([1.0, None, 3.0, 0.0], [1.0, 9.0, 3.0, None]) == pytest.approx(1)
    assert correlation([1.0, None], [2.0, 3.0]) is None


@given(st.permutations(range(41)))
def test_insertion_gives_what_deletion_takes(ranking: list[int]) -> None:
    low = frozenset({0})
    for always, left in ((frozenset[int](), set(range(41))), (low, set(range(1, 41)))):
        taken, given_ = (sets_of(ranking, curve, always) for curve in CURVES)
        assert [set(one) | set(other) for one, other in zip(taken, given_, strict=True)] == [left] * 9
        assert [len(one) for one in taken] == steps(len(left))
        assert not any(set(one) & set(other) for one, other in zip(taken, given_, strict=True))
        assert taken[1] == ((ranking[0],) if ranking[0] not in always else (ranking[1],))
        assert all(set(one) <= set(more) for one, more in pairwise(taken))


def test_both_variants_are_planned_and_share_their_ends() -> None:
    found = plan({"a": list(range(41))}, CROPS)
    assert set(found) == {("a", variant, curve) for variant in (ALL, OTHERS) for curve in CURVES}
    assert found["a", ALL, "deletion"][0] == () == found["a", OTHERS, "insertion"][-1]
    assert found["a", ALL, "insertion"][0] == tuple(range(41))
    assert all(0 not in one for curve in CURVES for one in found["a", OTHERS, curve])


def test_crops_are_ranked_by_score_and_what_has_none_comes_last() -> None:
    assert ranked([0.1, None, 2.0, -1.0, 2.0]) == [2, 4, 0, 3, 1]
    assert overlap([3, 1, 2, 0], [0, 1, 2, 3]) == pytest.approx(2 / 3) and overlap([1, 0], [0, 1]) == 1


@pytest.mark.parametrize("seed", range(5))
def test_the_centre_prior_takes_the_nearest_first(seed: int) -> None:
    order = centre_ranking(CROPS, generator(seed, 0, "q"))
    assert sorted(order) == list(range(41)) and CROPS[order[0]].level == "low"
    assert {CROPS[i].index for i in order[1:5]} == {14, 15, 20, 21}  # the four around the middle of 6 × 6
    far = [math.hypot((x0 + x1) / 1202 - 0.5, (y0 + y1) / 814 - 0.5) for x0, y0, x1, y1 in (c.box for c in CROPS)]
    assert all(far[one] <= far[next_] + 1e-9 for one, next_ in pairwise(order))
    coarse = coarse_ranking(CROPS, generator(seed, 0, "q"))
    assert [CROPS[i].level for i in coarse] == ["low"] + ["medium"] * 4 + ["high"] * 36
    assert [far[i] for i in coarse[5:]] == pytest.approx([far[i] for i in order if CROPS[i].level == "high"])


def test_lots_are_the_questions_own_and_ties_fall_by_them() -> None:
    draws = [random_ranking(CROPS, generator(0, draw, "q")) for draw in range(40)]
    assert draws[0] == random_ranking(CROPS, generator(0, 0, "q")) != random_ranking(CROPS, generator(0, 0, "p"))
    assert len({tuple(one) for one in draws}) == 40
    assert len({centre_ranking(CROPS, generator(0, draw, "q"))[1] for draw in range(40)}) == 4


@dataclass(frozen=True)
class Additive:
    """log p = −Σ of the weights of the crops left out: every curve is known, and the best ranking is the weights'."""

    weights: Sequence[float]
    ids: Sequence[int] = (1, 2)
    crops: Sequence[Crop] = CROPS

    def scores(self, way: Wanted) -> list[float | None]:
        if way == "causal":  # the shortcut sees the low crop and the last quarter only
            return [weight if i in (0, 4, 40) else None for i, weight in enumerate(self.weights)]
        return list(self.weights)

    def log_probabilities(self, left_out: Sequence[Sequence[int]]) -> list[float]:
        return [-math.fsum(self.weights[i] for i in one) for one in left_out]


class AdditiveProber:
    """Weights are drawn from a question's words, its picture and the part; it may break off after some images."""

    name, hash = "additive", "1"

    def __init__(self, part: str = "", breaks_after: int | None = None) -> None:
        self.part, self.left, self.asked = part, breaks_after, list[str]()

    def probes(self, scan: Scan, questions: Sequence[str], answers: Sequence[list[int]] | None = None) -> list[Any]:
        if answers is None:
            self.left = None if self.left is None else self.left - 1
            if self.left is not None and self.left < 0:
                raise KeyboardInterrupt
            self.asked += questions
        seen = f"{scan.pixels.mean():.4f}{self.part}"
        return [Additive(np.random.default_rng(list(f"{q}{seen}".encode())).random(41).tolist()) for q in questions]

    def randomised(self, part: str, seed: int) -> AdditiveProber:
        return AdditiveProber(f"{part}{seed}")


@pytest.fixture
def rows(tmp_path: Path) -> list[dict[str, Any]]:
    return faithfulness.run(AdditiveProber(), make_samples(8, 3), tmp_path)


def test_curves_are_those_of_the_arithmetic(rows: list[dict[str, Any]]) -> None:
    for row, sample in zip(rows, make_samples(8, 3), strict=True):
        assert row["id"] == sample.id and row["tokens"] == 2 and row["crops"] == 41
        (probe,) = AdditiveProber().probes(sample.scan(), [sample.question])
        best = np.sort(probe.weights)[::-1]
        expected = [math.exp(-best[:step].sum() / 2) for step in steps(41)]
        for way in ("gradients", "causal"):
            assert heights(row, way, ALL, "deletion", "probability") == pytest.approx(expected, abs=1e-5)
            given_ = [-best[step:].sum() for step in steps(41)]
            assert heights(row, way, ALL, "insertion", "nats") == pytest.approx(given_, abs=1e-5)
            others = np.sort(probe.weights[1:])[::-1]
            kept = [-others[:step].sum() for step in steps(40)]
            assert heights(row, way, OTHERS, "deletion", "nats") == pytest.approx(kept, abs=1e-5)
        drawn = [row["curves"][f"random {draw}"][ALL]["deletion"] for draw in range(faithfulness.DRAWS)]
        assert heights(row, "random", ALL, "deletion", "nats") == pytest.approx(np.mean(drawn, 0))


def test_agreement_and_sanity_are_those_of_the_arithmetic(rows: list[dict[str, Any]]) -> None:
    for i, row in enumerate(rows):
        found = row["agreement"]
        assert found["rank correlation of gradients and causal, all crops"] == pytest.approx(1)
        assert found["overlap of their top 3, all crops"] == found["same best crop, without the low crop"] == 1
        probes = AdditiveProber().probes(make_samples(8, 3)[i].scan(), [make_samples(8, 3)[i].question])
        weights = probes[0].weights
        best = max(weights[4], weights[40])
        lost = "nats that the shortcut's best lacks of the best, without the low crop"
        assert found[lost] == pytest.approx(max(weights[1:]) - best)
        assert (row["sanity"]["the same again"] is None) == bool(i % 3)
        after = make_samples(8, 3)[i - i % 3 + (i + 1) % 3]
        other = AdditiveProber().probes(after.scan(), [after.question])[0].weights
        expected = spearman(weights, other)
        assert row["sanity"]["another question"]["gradients"]["all"] == pytest.approx(expected)
        expected = spearman(weights[5:], other[5:])
        assert row["sanity"]["another question"]["causal"]["high"] == pytest.approx(expected)
    sanity = summary(rows)["sanity"]
    assert sanity["the same again"]["causal"]["all"]["value"] == pytest.approx(1)
    assert all(abs(sanity[check]["causal"]["all"]["value"]) < 0.2 for check in CHECKS[1:])


def test_the_better_ranking_is_told_with_its_interval(rows: list[dict[str, Any]]) -> None:
    found = summary(rows)
    assert (found["questions"], found["images"]) == (24, 8)
    group = found["groups"]["all answers"]
    difference = group["areas"]["probability"][ALL]["deletion"]["gradients − random"]
    assert difference["low"] < difference["value"] < difference["high"] < 0
    assert group["areas"]["nats"][OTHERS]["insertion"]["causal − centre"]["low"] > 0
    assert found["groups"]["answers that need the picture"]["questions"] == 24
    table = markdown(found)
    assert "24 questions about 8 images" in table and "| deletion, all but the low crop | random | 100.0 |" in table
    json.dumps(found, allow_nan=False)


def test_an_interval_of_any_unit_is_that_of_statistics() -> None:
    values, images = np.random.default_rng(0).random(30), list(range(10)) * 3
    expected, found = proportion(values.tolist(), images), interval((70 * values).tolist(), images)
    assert expected.low is not None and expected.high is not None
    assert [found["low"], found["high"]] == pytest.approx([70 * expected.low, 70 * expected.high])
    assert interval([0.0] * 7, list(range(7)))["value"] == 0 and interval([], [])["value"] is None
    alike = interval([0.7] * 14, list(range(7)) * 2)  # a correlation, or nats: nothing says how much others differ
    assert (alike["low"], alike["high"]) == (None, None) and alike["value"] == pytest.approx(0.7)


def test_shares_that_are_all_alike_claim_no_certainty(rows: list[dict[str, Any]]) -> None:
    """Seven of seven: the exact binomial limits, as scipy has them; some of seven: those of statistics."""
    exact = stats.binomtest(7, 7).proportion_ci(method="exact")
    images = list(range(7))
    assert interval([1.0] * 7, images, share=True)["low"] == pytest.approx(exact.low)
    none = interval([0.0] * 21, images * 3, share=True)
    assert (none["low"], none["high"]) == (0, pytest.approx(1 - exact.low))
    some = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]
    expected, found = proportion(some, images), interval(some, images, share=True)
    assert (found["low"], found["high"]) == (expected.low, expected.high)
    agreement = summary(rows)["agreement"]
    for name in ("same best crop, all crops", "overlap of their top 3, all crops"):  # all 1, of 8 images
        assert 0.6 < agreement[name]["low"] < agreement[name]["high"] == 1
    alike = agreement["rank correlation of gradients and causal, all crops"]
    assert alike["value"] == pytest.approx(1) and alike["low"] is None
    assert "| same best crop, all crops | 100.0 [" in markdown(summary(rows))


def test_one_question_about_an_image_has_no_other_one(tmp_path: Path) -> None:
    first, *_ = samples = make_samples(2, 2)
    alone = [first, replace(first, id="b"), samples[3]]  # the same words twice are no other question
    rows = faithfulness.run(AdditiveProber(), alone, tmp_path)
    assert [row["sanity"]["another question"] for row in rows] == [None] * 3
    assert "| another question (3 flat or without) | – |" in markdown(summary(rows))


def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    samples = make_samples(4, 3)
    whole = faithfulness.run(AdditiveProber(), samples, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        faithfulness.run(AdditiveProber(breaks_after=2), samples, tmp_path / "cut")
    path = tmp_path / "cut" / faithfulness.ROWS
    before = path.read_bytes()
    assert before.count(b"\n") == 6
    path.write_bytes(before[:-7])  # as if it had been killed while it wrote
    prober = AdditiveProber()
    assert faithfulness.run(prober, samples, tmp_path / "cut") == whole
    assert len(prober.asked) == 9  # the image that was cut is probed whole, or it would lack another question
    assert path.read_bytes() == (tmp_path / "whole" / faithfulness.ROWS).read_bytes()
    with pytest.raises(InputError, match="holds another run"):
        faithfulness.run(prober, samples[:3], tmp_path / "cut")


def test_which_questions_are_chosen() -> None:
    samples = make_samples(5, 4)
    mixed = samples[::2] + samples[1::2]  # an image's questions do not stand side by side
    assert [s.image for s in faithfulness.chosen(mixed, 2, None, None)] == ["img0.png"] * 4 + ["img2.png"] * 4 + [
        "img4.png"
    ] * 4
    assert [s.id for s in faithfulness.chosen(samples, 3, 2, None)] == ["q0", 2, "q3", 14]
    assert len(faithfulness.chosen(samples, 1, 9, 7)) == 7
    for name, wrong in {"every": (0, None, None), "questions": (1, 0, None), "limit": (1, None, -2)}.items():
        with pytest.raises(InputError, match=rf"^found --{name} (0|-2); expected at least 1: correct it$"):
            faithfulness.chosen(samples, *wrong)
    with pytest.raises(InputError, match="found no question"):
        faithfulness.chosen([], 1, None, None)


@pytest.fixture
def slake(tmp_path: Path) -> Path:
    folder, rows = tmp_path / "slake", []
    for number in range(1, 4):
        (folder / f"imgs/xmlab{number}").mkdir(parents=True)
        Image.new("L", (48, 24), 60 * number).save(folder / f"imgs/xmlab{number}/source.jpg")
        for part, question in enumerate(("What organ is this?", "Where is the liver?")):
            rows.append(
                {"qid": 10 * number + part, "img_name": f"xmlab{number}/source.jpg", "question": question}
                | {"answer": "Liver", "answer_type": "OPEN", "content_type": "Organ", "modality": "CT"}
                | {"img_id": number, "location": "Abdomen", "base_type": "vqa", "q_lang": "en"}
            )
    (folder / "validate.json").write_text(json.dumps(rows))
    return folder


def test_the_command_writes_rows_a_summary_and_tables(slake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = slake.parent / "out"
    command = ["--model", "mini", "--tasks", "slake", "--data", str(slake), "--output_path", str(out), "--every", "2"]
    assert faithfulness.main(command, load=lambda name: AdditiveProber()) == 0
    assert (out / faithfulness.TABLE).read_text() == (table := capsys.readouterr().out)
    assert table.startswith("# Faithfulness") and f"Model additive (1), slake validate. {RESEARCH_USE}." in table
    assert "4 questions about 2 images" in table
    found = json.loads((out / faithfulness.SUMMARY).read_text())
    assert found["chosen"] == {"every": 2, "questions": None, "limit": None} and found["split"] == "validate"
    written = "".join(path.read_text() for path in out.iterdir())
    assert "liver" not in written.lower() and "organ" not in written.lower()  # no word of a question or an answer
    again = AdditiveProber(breaks_after=0)
    assert faithfulness.main(command, load=lambda name: again) == 0  # all is there: nothing is probed


@pytest.mark.parametrize("more", [("--limit", "0"), ("--every", "0"), ("--split", "nonsense"), ("--tasks", "cats")])
def test_a_users_mistake_is_one_line(slake: Path, more: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    def never(name: str) -> Any:
        raise AssertionError("the data are looked at first")

    command = ["--model", "mini", "--data", str(slake), "--output_path", str(slake.parent / "out"), *more]
    assert faithfulness.main(command, load=never) == 2
    assert "expected" in (said := capsys.readouterr().err) and said.count("\n") == 1


def test_a_file_where_a_folder_should_go_is_told_before_anything_is_asked(
    slake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(name: str) -> Any:
        raise AssertionError("the folder is looked at first")

    (slake.parent / "file").write_text("")
    command = ["--model", "mini", "--data", str(slake), "--output_path", str(slake.parent / "file")]
    assert faithfulness.main(command, load=never) == 2
    assert "file' is no folder to write to; expected one" in capsys.readouterr().err


def test_a_sample_that_cannot_be_asked_is_named(tmp_path: Path) -> None:
    class Refusing(AdditiveProber):
        def probes(self, scan: Scan, questions: Sequence[str], answers: Any = None) -> list[Any]:
            raise InputError("an empty question: expected some words")

    sample = Sample(7, "a", " ", MemoryLoader(0.5))
    with pytest.raises(InputError, match="question 7: an empty question"):
        faithfulness.run(Refusing(), [sample], tmp_path)
