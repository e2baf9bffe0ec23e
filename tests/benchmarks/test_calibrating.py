"""What a calibration is fitted on: asked once, kept and resumed; and the fit against plain rules and planted truth."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import calibrating_fit
from benchmarks.calibrating import FEWEST, RULE, Known, gather, kinds, usable
from benchmarks.calibrating_fit import Parts, best_curve, curves, fit, in_set, misses, quantile, worth
from benchmarks.calibrating_table import markdown
from benchmarks.calibration import calibration
from benchmarks.fitting import SPLITS
from benchmarks.results import Result
from benchmarks.subgroups import subgroups
from medfly.trust import Calibration, Fitted
from medfly.trust.asking import Measured
from medfly.types import InputError, Sample, Scan
from medfly.wording import RESEARCH_USE

IMAGES, EACH = 30, 6


def no_scan() -> Scan:
    raise AssertionError("nobody looks at the pictures here")


no_scan.content_hash = ""  # type: ignore[attr-defined]


def samples(images: int = IMAGES, **changes: object) -> list[Sample]:
    made = [
        Sample(i * EACH + q, f"picture {i}", f"Is part {'abcdef'[q]}x healthy?", no_scan, "Yes")  # type: ignore[arg-type]
        for i in range(images)
        for q in range(EACH)
    ]
    return [Sample(**{**vars(one), **changes}) for one in made]


def given_by(sample: Sample) -> Measured:
    """A model that is sure and right of two questions in three, and unsure and wrong of the third."""
    sure = int(sample.id) % 3 > 0
    shift = int(sample.id) / 10_000  # confidences that tell the questions apart
    return Measured("yes." if sure else "no", (0.9 if sure else 0.3) + shift, {"yes": 0.8, "no": 0.2})


def measure(asked: Sequence[Sample]) -> tuple[list[float], list[Measured]]:
    number = int(asked[0].image.split()[1])
    features = np.random.default_rng(number).normal(1, 0.1, 7)
    return features.tolist(), [given_by(sample) for sample in asked]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    return gather(measure, samples(), tmp_path_factory.mktemp("run"))


def test_rows_hold_no_words_of_questions_and_all_that_is_fitted_on(known: Known, tmp_path: Path) -> None:
    gather(measure, samples(2), tmp_path)
    text = (tmp_path / "rows.jsonl").read_text("utf-8") + (tmp_path / "pictures.jsonl").read_text("utf-8")
    assert "healthy" not in text and "yes" not in text.casefold()
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text("utf-8").splitlines()]
    assert [row["id"] for row in rows] == list(range(2 * EACH)) and rows[1]["gold"] == 0 and rows[1]["right"]
    assert known.hits.tolist() == [float(i % 3 > 0) for i in range(IMAGES * EACH)]
    assert known.features.shape == (IMAGES, 7) and known.images.tolist() == sorted(list(range(IMAGES)) * EACH)


def test_a_run_that_was_killed_goes_on_where_it_stopped(tmp_path: Path) -> None:
    asked: list[str] = []

    def dies(some: Sequence[Sample]) -> tuple[list[float], list[Measured]]:
        if len(asked) == 3:
            raise KeyboardInterrupt
        asked.append(some[0].image)
        return measure(some)

    (tmp_path / "one").mkdir()
    with pytest.raises(KeyboardInterrupt):
        gather(dies, samples(6), tmp_path / "one")
    rows = tmp_path / "one" / "rows.jsonl"
    rows.write_bytes(rows.read_bytes()[:-20])  # a kill in the middle of a line
    again: list[Sample] = []

    def counts(some: Sequence[Sample]) -> tuple[list[float], list[Measured]]:
        again.extend(some)
        return measure(some)

    resumed = gather(counts, samples(6), tmp_path / "one")
    assert [sample.id for sample in again] == list(range(3 * EACH - 1, 6 * EACH))
    (tmp_path / "two").mkdir()
    whole = gather(measure, samples(6), tmp_path / "two")
    for name in ("rows.jsonl", "pictures.jsonl"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert resumed.confidences.tolist() == whole.confidences.tolist()


def test_what_cannot_be_fitted_on_is_refused() -> None:
    with pytest.raises(InputError, match="was trained on"):
        usable(samples(), "Training")
    with pytest.raises(InputError, match=f"expected at least {FEWEST}"):
        usable(samples(FEWEST - 1), "validate")
    with pytest.raises(InputError, match=f"about {FEWEST - 1} images; expected at least {FEWEST} images, .*--limit"):
        usable(samples(FEWEST - 1), "validate")
    with pytest.raises(InputError, match=f"about 1 patients; expected at least {FEWEST} patients"):
        usable(samples(patient=3), "validate")
    some = samples(FEWEST)
    unknown = [Sample(**{**vars(one), "answer": None}) for one in some[:2]]
    assert usable([*unknown, *some[2:]], "validate") == some[2:]


def test_rows_that_say_themselves_that_they_are_training_rows_are_refused() -> None:
    some = samples()
    with pytest.raises(InputError, match=r"split 'all': 2 of its rows are of the training split .*was trained on"):
        usable(some, "all", ["", "test", "Train", " training", "trainee"])
    with pytest.raises(InputError, match="6 of its rows are of the training split"):
        usable([*some[EACH:], *samples(1, metadata={"split": "TRAIN"})], "all")
    assert usable(samples(metadata={"split": "test"}), "all", ["val"] * len(some)) == samples(
        metadata={"split": "test"}
    )


def test_a_kind_is_the_content_type_as_subgroups_has_it_else_the_answer_type() -> None:
    cells = ["Organ", " organ", "Organ", "Size of  it", "", None, float("nan")]
    first, *_ = samples(1, answer_type="CLOSED")
    some = [replace(first, metadata={"content_type": cell}) for cell in cells]
    found = kinds(some)
    assert found == ("Organ", "Organ", "Organ", "Size of it", *["not stated"] * 3)
    report = subgroups([Result(one, "yes") for one in some], RULE, "slake", {"content type": "content_type"})
    told = {one["label"]: one["denominator"] for one in report["by"]["content type"]}
    assert told == Counter(found)
    plain = [replace(first, answer_type=tag) for tag in ("OPEN", "CLOSED ", None)]
    assert kinds(plain) == ("open", "closed", "not stated")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_the_quantile_is_the_least_score_that_enough_do_not_pass(scores: list[float], coverage: float) -> None:
    found = quantile(np.array(scores), coverage)
    enough = [s for s in [*scores, 1.0] if sum(one <= s for one in scores) >= coverage * (len(scores) + 1) - 1e-9]
    assert found == (min(enough) if enough else 1.0)


def test_of_many_drawn_alike_the_sets_hold_the_right_answer_as_often_as_stated() -> None:
    """Between coverage and coverage + 1 / (n + 1) on average (Sadinle, Lei & Wasserman 2019, theorem on finite n)."""
    rng, coverage, n = np.random.default_rng(0), 0.9, 49
    held = []
    for _ in range(4000):
        shares = rng.beta(2, 1, n + 1)
        level = quantile(1 - shares[:-1], coverage)
        assert level is not None
        held.append(1 - shares[-1] <= level)
    error = math.sqrt(0.9 * 0.1 / 4000)
    assert coverage - 3 * error < np.mean(held) < coverage + 1 / (n + 1) + 3 * error


def test_an_answer_that_is_no_option_counts_as_missed_and_widens_the_sets(known: Known) -> None:
    lost = Known(**{**vars(known), "gold": np.where(np.arange(len(known.gold)) % 5, known.gold, -1)})
    assert np.isinf(misses(lost)).mean() == pytest.approx(0.2)
    assert quantile(misses(lost), 0.9) == 1.0 and in_set(np.array([0.8, 0.2]), 1.0).all()
    assert quantile(misses(known), 0.9) == pytest.approx(0.2)


def test_the_kept_answers_are_the_right_ones_and_no_half_is_judged_by_itself(
    known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted_on: list[frozenset[float]] = []

    def spy(known: Known, risk: float) -> Parts:
        fitted_on.append(frozenset(known.confidences.tolist()))
        return fit(known, risk)

    monkeypatch.setattr(calibrating_fit, "fit", spy)
    told = worth(known, 0.1)
    unsure, strange, kept = told.unsure.value, told.strange.value, told.kept.value
    assert unsure is not None and strange is not None and kept is not None
    assert told.found == 10 and told.wrong.value == 0
    # All that are wrong, and a few right ones just under the least confidence of the other half's right ones.
    assert 1 / 3 <= unsure < 0.4 and 1 - unsure - strange <= kept + 1e-9 and kept <= 1 - unsure + 1e-9
    assert told.covered.value == 1 and told.options == 2 and told.single.value is not None
    assert told.single.value == pytest.approx(1 - strange)  # nothing is ruled out of what is strange
    assert len(fitted_on) == 10
    for one, other in zip(fitted_on[::2], fitted_on[1::2], strict=True):
        assert not one & other and one | other == set(known.confidences.tolist())


def test_the_risk_is_told_by_kind_of_question_cross_fitted_as_the_rest(known: Known) -> None:
    """One kind is always wrong and as sure as the others: the risk is kept over all, and in that kind never."""
    rare = np.arange(IMAGES * EACH) % 18 == 1  # one sure question in twelve
    kinds = tuple("rare" if one else "common" for one in rare)
    mixed = Known(**{**vars(known), "kinds": kinds, "hits": np.where(rare, 0.0, known.hits)})
    told = worth(mixed, 0.2)
    common, odd = told.kinds
    assert (common.kind, common.questions, odd.kind, odd.questions) == ("common", 170, "rare", 10)
    assert told.wrong.value is not None and 0 < told.wrong.value < 0.2
    assert odd.wrong.value == 1 and common.wrong.value is not None and common.wrong.value < 0.02
    for whole, parts in ((told.kept, (common.kept, odd.kept)), (told.wrong, (common.wrong, odd.wrong))):
        assert sum(part.count for part in parts) == whole.count
        assert sum(part.hits for part in parts) == pytest.approx(whole.hits)
    assert told.kept.count == SPLITS * len(kinds)
    alike = worth(Known(**{**vars(known), "kinds": ("one",) * len(kinds)}), 0.1)
    assert [(one.kept, one.wrong) for one in alike.kinds] == [(alike.kept, alike.wrong)]


def test_the_page_says_whose_it_is_what_was_trained_on_and_each_kind(known: Known) -> None:
    about = Fitted("slake", "validate", "slake", "exact match", 180, 30, 180)
    parts = fit(known, 0.1)
    made = Calibration(
        "mini", "ab" * 32, "int8", about, parts.curve, 0.1, parts.threshold, 0.9, parts.quantile, parts.familiar
    )
    kinds = tuple("a|b" if i % 3 else "c" for i in range(IMAGES * EACH))  # c is always wrong and unsure
    told = worth(Known(**{**vars(known), "kinds": kinds}), 0.1)
    page = markdown(made, curves(known), told, best_curve(known), "17 of 96 images are in slake train, too.")
    lines = page.splitlines()
    assert lines[:3] == ["# Calibration", "", f"Model mini ({'ab' * 6}), slake validate. {RESEARCH_USE}."]
    assert "17 of 96 images are in slake train, too." in lines and "int8" in page
    assert any(line.startswith(r"| a\|b | 120 | 9") for line in lines)
    assert any(line.startswith("| c | 60 | 0.0 % [0.0, ") and line.endswith("| – |") for line in lines)
    assert "average over them, and not for each kind" in page.replace("\n", " ")
    one_kind = worth(Known(**{**vars(known), "kinds": ("c",) * len(kinds)}), 0.1)
    assert "kind of question" not in markdown(made, curves(known), one_kind, best_curve(known), "")


def test_where_no_threshold_keeps_the_risk_nothing_is_kept(known: Known) -> None:
    wrong = Known(**{**vars(known), "hits": np.zeros(len(known.hits))})
    assert fit(wrong, 0.1).threshold is None
    told = worth(wrong, 0.1)
    assert told.found == 0 and told.kept.value == 0 and told.wrong.value is None


def test_pictures_that_are_all_the_same_are_told_as_the_users_business(known: Known) -> None:
    same = Known(**{**vars(known), "features": np.ones_like(known.features)})
    with pytest.raises(InputError, match="take more"):
        fit(same, 0.1)


def test_the_curve_with_the_least_squares_is_kept_and_told_as_the_report_tells_it(known: Known) -> None:
    told = curves(known)
    assert list(told) == ["as it comes", "temperature", "isotonic"] and best_curve(known) == "isotonic"
    assert told["isotonic"]["brier"]["value"] < told["temperature"]["brier"]["value"]
    results = [Result(s, given_by(s).text, given_by(s).confidence) for s in samples()]
    report = calibration(results, RULE, "slake")
    assert report is not None and told["isotonic"] == report["calibrated"]["isotonic"]
    assert told["as it comes"]["brier"] == report["brier"]
    calm = np.random.default_rng(0).random(len(known.hits))  # right as often as it says: one number is enough
    right = (np.random.default_rng(1).random(len(calm)) < calm).astype(float)
    assert best_curve(Known(**{**vars(known), "confidences": calm, "hits": right})) == "temperature"
