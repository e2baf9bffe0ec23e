"""The set is always the same and none of it is real; the script asks the product, keeps, resumes and tells."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import medfly
from benchmarks.nonsense import KINDS, REAL, ROWS, kind, main, markdown, row, run
from benchmarks.nonsense_set import ABOUT, ELSEWHERE, FALSE, IDLE, PICTURES, PLAIN, THERE, Case, about, cases
from benchmarks.nonsense_set import grey as grey_picture
from medfly.trust import Calibration, Fitted
from medfly.trust.curve import Curve
from medfly.trust.outside import Familiar, content
from medfly.types import Sample, Scan

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
    rows = run(fly, todo, tmp_path, lambda case: judged)
    assert [one["deferred"] for one in rows if one["group"] == "none"] == [True, True]
    assert all(one["unknown words"] for one in rows if one["question"] == 1)
    path = tmp_path / ROWS
    whole = path.read_bytes()
    assert not [text for text in (*FALSE, *IDLE, *QUESTIONS) if text in whole.decode()]
    path.write_bytes(whole[: len(whole) // 2])
    assert run(fly, todo, tmp_path, lambda case: judged) == rows
    assert path.read_bytes() == whole


def test_the_table_tells_shares_by_group() -> None:
    one = calibration(pictures())
    kept, unsure, strange = one.assess(0.9), one.assess(0.1), one.assess(0.9, None, ("the picture is blank",))
    rows = [row(REAL, str(i), kept, False) for i in range(10)]
    rows += [row("blank", "a", strange, False), row("blank", "b", unsure, True)]
    lines = [line for line in markdown(rows, one, "").splitlines() if line.startswith("|")]
    assert [cell.strip() for cell in lines[0].split("|")][-6:-1] == ["confidence alone", *KINDS]
    assert lines[2].split("|")[3].strip().startswith("0.0 [0.0, ")
    assert [cell.strip() for cell in lines[3].split("|")][4:-1] == ["50.0", "50.0", "0.0", "0.0", "50.0"]


def test_a_wrong_risk_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--model", "mini", "--data", str(tmp_path), "--output_path", str(tmp_path), "--risk", "2"]
    assert main(arguments) == 2
    assert "--risk 2; expected" in capsys.readouterr().err


def test_the_plain_questions_have_words_that_tell_what_is_asked() -> None:
    assert all(content(question) for question in PLAIN)
