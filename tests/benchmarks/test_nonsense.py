"""The set is always the same and none of it is real; the script asks the product, keeps, resumes and tells."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import medfly
from benchmarks import nonsense
from benchmarks.calibrating import gather
from benchmarks.calibrating_fit import fitted
from benchmarks.fitting import halves
from benchmarks.nonsense import KINDS, REAL, ROWS, kind, main, markdown, measure, row, run
from benchmarks.nonsense_set import ABOUT, ELSEWHERE, FALSE, IDLE, PICTURES, PLAIN, THERE, Case, about, cases
from benchmarks.nonsense_set import grey as grey_picture
from benchmarks.tasks import get_task
from data_adapters.slake import Slake
from medfly.trust import Calibration, Fitted
from medfly.trust.curve import Curve
from medfly.trust.outside import Familiar, content
from medfly.types import Sample, Scan

from ..data_adapters.made_sets import make_noise_slake

QUESTIONS = tuple(f"Is the {organ} healthy?" for organ in ("lung", "heart", "liver", "spleen")) * 3


@dataclasses.dataclass(frozen=True)
class Loader:
    seed: int

    @property
    def content_hash(self) -> str:
        return str(self.seed)

    def __call__(self) -> Scan:
        return Scan(grey_picture(np.random.default_rng(self.seed).integers(0, 255, (40, 50))))


def calibration(features: np.ndarray) -> Calibration:
    about = Fitted("slake", "validate", "slake", "exact match", 1000, 90, 400)
    curve = Curve((0.2, 0.8), (0.1, 0.9))
    return Calibration("made", "ab", "float32", about, curve, 0.1, 0.5, 0.9, 0.8, Familiar.fit(features, QUESTIONS))


def pictures() -> np.ndarray:
    return np.random.default_rng(0).normal(1, 0.1, (20, 9))


def test_every_picture_is_an_8_bit_picture_and_drawn_again_the_same() -> None:
    for group, some in PICTURES.items():
        one, again = list(some()), list(some())
        assert [name for name, _ in one] == [name for name, _ in again]
        assert len({name for name, _ in one}) == len(one), group
        for (_, first), (_, second) in zip(one, again, strict=True):
            assert first.dtype == np.uint8
            assert first.shape[2] == 3
            assert (first == second).all()


def test_blank_frames_are_blank_and_nothing_else_is() -> None:
    for group, some in PICTURES.items():
        assert {pixels.min() == pixels.max() for _, pixels in some()} == {group == "blank frames"}


def test_every_group_is_asked_and_real_scans_what_is_not_in_them() -> None:
    samples = [Sample(i, f"image{i}", "?", Loader(i), metadata={"location": "Brain_Tissue"}) for i in range(4)]
    found = cases(samples)
    assert len({(case.group, case.image) for case in found}) == len(found)
    elsewhere = [case for case in found if case.group == "real scan, organ elsewhere"]
    assert [case.real for case in elsewhere] == ["image0", "image3"]
    assert "Is the liver healthy?" in elsewhere[0].questions
    assert not any("brain" in question for case in elsewhere for question in case.questions)
    for case in found:
        scan = case.scan() if case.scan else None
        assert (scan is None) == case.group.startswith("no picture")


def test_no_organ_is_both_there_and_elsewhere() -> None:
    assert not [place for place, organs in THERE.items() if set(organs) & set(ELSEWHERE[place])]
    assert len(about("Pelvic Cavity", ELSEWHERE)) == 2 * len(ABOUT)
    assert about("", ELSEWHERE) == ()


def test_the_reasons_that_a_calibration_gives_are_told_apart() -> None:
    one, values = calibration(pictures()), pictures()[0].tolist()
    familiar = one.familiar
    far = [values[0], *[9.0] * 8]
    found = [familiar.strange(far, QUESTIONS[0]), familiar.strange([0.0, *values[1:]], QUESTIONS[0])]
    assert {kind(*reasons) for reasons in found} == {"unlike picture"}
    assert {kind(*familiar.strange(values, text)) for text in ("Will it rain?", "2?")} == {"unknown words"}
    assert kind(*familiar.strange(None, QUESTIONS[0])) == "no picture"
    unsure = [one.assess(0.1), one.assess(None), dataclasses.replace(one, threshold=None).assess(0.9)]
    assert {kind(reason) for trust in unsure for reason in trust.reasons} == {"low confidence"}


def test_a_killed_run_goes_on_and_ends_the_same(tiny_model: Path, tmp_path: Path) -> None:
    fly: Any = medfly.load(str(tiny_model), device="cpu")
    judged = calibration(np.array([fly.read(Loader(seed)()).features for seed in range(10)]))
    todo = [Case("a", str(seed), Loader(seed), (QUESTIONS[0], FALSE[0])) for seed in (3, 30)]
    todo.append(Case("none", "", None, IDLE[:2]))
    rows = run(fly, todo, tmp_path, lambda case: [judged])
    assert [one["deferred"] for one in rows if one["group"] == "none"] == [True, True]
    assert all(one["unknown words"] for one in rows if one["question"] == 1)
    path = tmp_path / ROWS
    whole = path.read_bytes()
    assert not [text for text in (*FALSE, *IDLE, *QUESTIONS) if text in whole.decode()]
    path.write_bytes(whole[: len(whole) // 2])
    assert run(fly, todo, tmp_path, lambda case: [judged]) == rows
    assert path.read_bytes() == whole


def test_the_table_tells_shares_by_group() -> None:
    one = calibration(pictures())
    kept, unsure, strange = one.assess(0.9), one.assess(0.1), one.assess(0.9, None, ("the picture is blank",))
    rows = [row(REAL, str(i), i, kept, False) for i in range(10)]
    rows += [row("blank", "a", 0, strange, False), row("blank", "b", 0, unsure, True)]
    lines = [line for line in markdown(rows, "").splitlines() if line.startswith("|")]
    assert [cell.strip() for cell in lines[0].split("|")][-6:-1] == ["confidence alone", *KINDS]
    assert lines[2].split("|")[3].strip().startswith("0.0 [0.0, ")
    assert [cell.strip() for cell in lines[3].split("|")][4:-1] == ["50.0", "50.0", "0.0", "0.0", "50.0"]


class Measured(NamedTuple):
    fly: Any
    samples: list[Sample]
    folder: Path
    table: str
    rows: list[dict[str, Any]]
    calls: list[list[str]]


@pytest.fixture(scope="module")
def measured(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """A whole run of a few cases, on a tiny model that is right of all but one question in seven."""
    fly: Any = medfly.load(str(tiny_model), device="cpu")
    folder = tmp_path_factory.mktemp("nonsense")
    asked = get_task("slake").samples(Slake(make_noise_slake(folder / "slake")), "validate")
    said = [answer.text for answer in fly.answer(asked)]  # nothing, but that too can be right
    samples = [
        dataclasses.replace(one, answer=text if i % 7 else "else")
        for i, (one, text) in enumerate(zip(asked, said, strict=True))
    ]
    wanted = {"blank frames", "real scan, idle question", "no picture, medical question"}
    calls: list[list[str]] = []
    ask = fly.ask

    def counted(scan: Scan | None, questions: list[str], **options: Any) -> Any:
        calls.append(questions)
        return ask(scan, questions, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nonsense, "cases", lambda some: [one for one in cases(some) if one.group in wanted])
        patch.setattr(fly, "ask", counted)
        table = measure(fly, samples, folder / "out", 0.5)
    rows = [one for line in (folder / "out" / ROWS).read_text("utf-8").splitlines() for one in json.loads(line)]
    return Measured(fly, samples, folder / "out", table, rows, calls)


def test_what_is_about_no_real_scan_is_asked_once_and_judged_by_each_half(measured: Measured) -> None:
    real = [one for one in measured.rows if one["group"].startswith("real scan")]
    others = [one for one in measured.rows if not one["group"].startswith("real scan")]
    assert set(Counter((one["image"], one["question"]) for one in real).values()) == {1}
    assert set(Counter((one["group"], one["image"], one["question"]) for one in others).values()) == {2}
    assert len(measured.calls) == 5 + 6 + 1  # blank frames, every third of 18 scans, no picture
    cells = {
        line.split("|")[1].strip(): line.split("|")[2].strip() for line in measured.table.splitlines() if "|" in line
    }
    assert cells["blank frames"] == "40 (5)" and cells["no picture, medical question"] == "8 (0)"
    assert cells["real scan, idle question"] == "42 (6)" and cells[REAL] == "36 (18)"


def test_each_half_judges_by_a_calibration_of_its_own_and_the_head_says_which(measured: Measured) -> None:
    """Fitted once more here, by hand: what each of the two rows says is what each half's calibration says."""
    fly, samples = measured.fly, measured.samples
    known = gather(lambda _: pytest.fail("all is kept"), samples, measured.folder)
    side = halves([sample.image for sample in samples], 0)
    fit = partial(fitted, fly, task="slake", split="validate", data="slake", risk=0.5)
    by = [fit(known.part(side == 1 - half)) for half in (0, 1)]
    first, second = (one.threshold for one in by)
    assert first is not None and second is not None and first != second
    assert f"not deferred: {first:.3f} and {second:.3f}." in measured.table
    head = f"Model {Path(fly.name).name} ({fly.hash[:12]}), slake validate. Research use only – not for diagnosis."
    assert measured.table.splitlines()[2] == head
    todo = [one for one in cases(samples) if one.group in ("blank frames", "real scan, idle question")]
    for case in todo:
        assert case.scan is not None
        confidences = [one.confidence for one in fly.ask(case.scan(), list(case.questions), evidence=False)]
        image = [sample.image for sample in samples].index(case.real) if case.real else 0
        judges = [by[side[image]]] if case.real else by
        expected = [one.assess(confidence).deferred for confidence in confidences for one in judges]
        rows = [one for one in measured.rows if (one["group"], one["image"]) == (case.group, case.image)]
        assert [one["confidence alone"] for one in rows] == expected
        assert all(one["deferred"] for one in rows)
        assert all(one["unlike picture"] for one in rows) or case.real


def test_a_run_that_is_there_is_not_asked_again(measured: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {one["group"] for one in measured.rows}
    monkeypatch.setattr(nonsense, "cases", lambda some: [one for one in cases(some) if one.group in wanted])
    monkeypatch.setattr(measured.fly, "ask", lambda *_, **__: pytest.fail("all is kept"))
    assert measure(measured.fly, measured.samples, measured.folder, 0.5) == measured.table


def test_a_wrong_risk_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--model", "mini", "--data", str(tmp_path), "--output_path", str(tmp_path), "--risk", "2"]
    assert main(arguments) == 2
    assert "--risk 2; expected" in capsys.readouterr().err


def test_the_plain_questions_have_words_that_tell_what_is_asked() -> None:
    assert all(content(question) for question in PLAIN)
