"""Runs that the harness wrote, opened again: outcomes against the harness's scores, labels against its subgroups."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.runs.folder import (
    ORDERS,
    OUTCOMES,
    RIGHT,
    Filter,
    Run,
    chosen,
    counted,
    deferred,
    open_run,
    outcomes,
    pictures_gone,
    runs_in,
)
from benchmarks.protocols import RULES, exact
from benchmarks.runner import run as ask_all
from benchmarks.scores import score
from benchmarks.subgroups import subgroups
from benchmarks.tasks import get_task
from medfly.models import mini
from medfly.trust import Calibration
from medfly.types import Answer, InputError, Sample

from ..data_adapters.made_sets import make_vqa_rad, vqa_rad_row
from .made_runs import make_run

MINI = Path(next(iter(mini.__path__)))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def run(place: tuple[Path, Path]) -> Run:
    return open_run(*place)


@pytest.fixture
def own(tmp_path: Path) -> tuple[Path, Path]:
    """A run of one's own, to be spoilt."""
    return make_run(tmp_path)


def test_questions_answers_and_record(run: Run) -> None:
    assert len(run.results) == 6
    assert run.remarks == ("empty predictions, scored like any other: 1 (11)",)
    assert [result.prediction for result in run.results] == ["left.", "Yes", "Right", "", "LEFT", "No"]
    assert [result.confidence for result in run.results] == [0.9, 0.8, 0.7, None, 0.5, 0.95]
    assert (run.model, run.model_hash) == ("spoken", "0" * 64)
    assert run.asked(0) == "Where is the liver?"
    assert pictures_gone(run) == []


def test_outcomes_by_hand(run: Run) -> None:
    assert outcomes(run, exact.NORMALISED) == ("right", "right", "wrong", "wrong", "right", "wrong")
    assert outcomes(run, exact.STRICT).count("right") == 1


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_outcomes_agree_with_the_scores(run: Run, rule) -> None:
    """Where a rule gives 0 or 1, what is right here is the numerator there; what is left out is in no denominator."""
    found = Counter(outcomes(run, rule))
    groups = score(list(run.results), rule, "slake")["groups"]
    if any(group["metric"] for group in groups.values()):
        whole = groups["overall"] if groups["overall"]["metric"] else None
        parts = [whole] if whole else [groups["open"], groups["closed"]]
        assert len(run.results) - found["left out"] == sum(part["denominator"] for part in parts)
        if "accuracy" in {part["metric"] for part in parts} and len({part["metric"] for part in parts}) == 1:
            assert found["right"] == sum(part["numerator"] for part in parts)
        assert found["unparsed"] == sum(part["unparsed"] for part in parts)


def test_labels_are_those_of_the_subgroups(run: Run) -> None:
    _same_groups(run)
    assert ("content type", "Organ", 3) in counted(run) and ("answer type", "open", 3) in counted(run)


def test_several_labels_in_a_cell(tmp_path: Path) -> None:
    kinds = ("PRES, POS", "pres", "POS,PRES", "", "ABN")
    rows = [vqa_rad_row(qid=number, question_type=kind) for number, kind in enumerate(kinds)]
    data = tmp_path / "data" / "vqa_rad"
    data.mkdir(parents=True)
    make_vqa_rad(data, rows)
    task = get_task("vqa_rad")
    samples = task.samples(task.open(data), "train")
    model = {"name": "said", "hash": "1"}
    folder = ask_all(lambda some: (Answer(s.question, "3") for s in some), samples, tmp_path, model=model,
                     task="vqa_rad", split="train")  # fmt: skip
    found = open_run(folder, data)
    _same_groups(found)
    assert found.labels["question type"][0] == ("PRES", "POS")
    some = frozenset({"POS"})
    got = chosen(found, outcomes(found, exact.NORMALISED), None, Filter(labels={"question type": some}), "as asked")
    assert got == [0, 2]


def _same_groups(run: Run) -> None:
    keys = run.task.group_keys(result.sample for result in run.results)
    oracle = subgroups(list(run.results), exact.NORMALISED, run.task.name, keys, several=run.task.several)
    expected = {(title, one["label"], one["denominator"]) for title, some in oracle["by"].items() for one in some}
    assert set(counted(run)) == expected


def test_runs_are_found_once_and_links_out_are_not(place: tuple[Path, Path], tmp_path: Path) -> None:
    folder, data = place
    assert runs_in([folder.parent, folder, data]) == [folder]
    given = tmp_path / "given"
    given.mkdir()
    (given / "out").symlink_to(folder)
    assert runs_in([given, tmp_path / "nowhere"]) == []


def test_what_is_no_run_is_told_in_one_line(own: tuple[Path, Path], tmp_path: Path) -> None:
    folder, data = own
    for spoil, told in (
        (lambda: None, "no data folder"),
        (lambda: (folder / "predictions.jsonl").unlink(), "no predictions.jsonl yet"),
        (lambda: (folder / "run.json").write_text('{"task": "slake"}'), "no usable split, model"),
        (lambda: (folder / "run.json").write_text("{"), "not JSON"),
        (lambda: (folder / "run.json").unlink(), "no readable run.json"),
    ):
        spoil()
        _refused(folder, None if told == "no data folder" else data, told)
    _refused(tmp_path / "nowhere", data, "no readable run.json")


def test_other_data_are_told(own: tuple[Path, Path], tmp_path: Path) -> None:
    folder, data = own
    _refused(folder, tmp_path / "nowhere", "no such folder")
    rows = json.loads((data / "slake" / "validate.json").read_text())
    rows[3]["answer"] = "No"
    (data / "slake" / "validate.json").write_text(json.dumps(rows))
    _refused(folder, data, "not those of slake validate")
    shutil.rmtree(data / "slake")
    _refused(folder, data, "SLAKE")


def test_another_prompt_is_told(own: tuple[Path, Path]) -> None:
    folder, data = own
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**record, "prompt": {"name": "question", "version": "old"}}))
    _refused(folder, data, "prompt 'question'")


def _refused(folder: Path, data: Path | None, told: str) -> None:
    with pytest.raises(InputError) as error:
        open_run(folder, data)
    assert told in str(error.value) and "\n" not in str(error.value)
    assert "expected" in str(error.value)


def test_pictures_that_are_gone_or_others(own: tuple[Path, Path]) -> None:
    folder, data = own
    picture = data / "slake" / "imgs" / "xmlab1" / "source.jpg"
    content = picture.read_bytes()
    picture.unlink()
    run = open_run(folder, data)
    assert len(run.results) == 6 and pictures_gone(run) == ["xmlab1/source.jpg"]
    picture.write_bytes(content + b"\0")
    with pytest.raises(InputError, match="not those that this run was asked about"):
        pictures_gone(open_run(folder, data))
    picture.write_bytes(content)
    assert pictures_gone(open_run(folder, data)) == []


def test_a_limited_and_an_unfinished_run(tmp_path: Path) -> None:
    folder, data = make_run(tmp_path, limit=4)
    run = open_run(folder, data)
    assert len(run.results) == 4 and len(run.remarks) == 1 and pictures_gone(run) == []
    path = folder / "predictions.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    run = open_run(folder, data)
    assert len(run.results) == 3 and any("partial: 3 of 4" in remark for remark in run.remarks)


def test_questions_without_an_answer_are_unscored(tmp_path: Path) -> None:
    def silent(samples: Iterable[Sample]) -> Iterator[Answer]:
        yield from (Answer(sample.question, "Yes") for sample in samples)

    folder, data = make_run(tmp_path, silent)
    path = data / "slake" / "validate.json"
    rows = json.loads(path.read_text())
    for row in rows:
        row["answer"] = None
    path.write_text(json.dumps(rows))
    shutil.rmtree(folder)
    task = get_task("slake")
    samples = task.samples(task.open(data / "slake"), "validate")
    ask_all(silent, samples, folder.parent, model={"name": "a", "hash": "b"}, task="slake", split="validate")
    assert set(outcomes(open_run(folder, data), exact.NORMALISED)) == {"unscored"}


def test_deferred_by_confidence(run: Run) -> None:
    calibration = Calibration.read(MINI / "calibration.json")
    assert calibration.threshold is not None
    sure = [result.confidence for result in run.results]
    likely = [None if one is None else float(calibration.curve(one)) for one in sure]  # type: ignore[arg-type]
    assert deferred(run, calibration) == tuple(one is None or one < calibration.threshold for one in likely)
    assert len(set(deferred(run, calibration))) == 2


def test_filters_and_orders_by_hand(run: Run) -> None:
    found = outcomes(run, exact.NORMALISED)
    assert chosen(run, found, None, Filter()) == [5, 0, 1, 2, 4, 3]
    assert chosen(run, found, None, Filter(), "least sure") == [4, 2, 1, 0, 5, 3]
    assert chosen(run, found, None, Filter(outcomes=frozenset({"wrong"})), "as asked") == [2, 3, 5]
    both = {"content type": frozenset({"Organ"}), "answer type": frozenset({"closed", "open"})}
    assert chosen(run, found, None, Filter(labels=both), "as asked") == [1, 3, 5]
    assert chosen(run, found, None, Filter(words="LIVER  right"), "as asked") == [2]
    assert chosen(run, found, None, Filter(words="liver"), "as asked") == [0, 2, 4]
    left = (True, False, False, True, False, True)
    assert chosen(run, found, left, Filter(deferred=True), "as asked") == [0, 3, 5]
    assert chosen(run, found, left, Filter(deferred=False), "as asked") == [1, 2, 4]
    assert chosen(run, found, None, Filter(deferred=True), "as asked") == list(range(6))  # not known: not filtered by


@settings(max_examples=50, deadline=None)
@given(st.sets(st.sampled_from(OUTCOMES)), st.sampled_from(ORDERS), st.sampled_from((None, True, False)))
def test_filters_part_the_questions(run: Run, wanted: set, order, kept: bool | None) -> None:
    """A filter and its complement are all questions, each once, whatever the order."""
    found, left = outcomes(run, exact.NORMALISED), (True, False) * 3
    one = chosen(run, found, left, Filter(frozenset(wanted), deferred=kept), order)
    assert len(one) == len(set(one))
    if wanted and len(wanted) < len(OUTCOMES) and kept is None:
        rest = chosen(run, found, left, Filter(frozenset(OUTCOMES) - wanted), order)
        assert sorted(one + rest) == list(range(6))
    assert RIGHT == 0.5
