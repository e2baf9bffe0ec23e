"""The calibration's judgement against plain rules, and its file: what is written is read, and nothing else is."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medfly.trust import Calibration, CalibrationWarning, beside
from medfly.types import InputError

from .conftest import made_calibration

Make = Callable[..., Calibration]
SHARES = st.lists(st.floats(0.01, 1), min_size=2, max_size=4).map(lambda some: [one / sum(some) for one in some])
WRONG: list[tuple[tuple[str, ...], Any]] = [
    (("risk",), 1.5),
    (("risk",), None),
    (("risk",), "0.1"),
    (("threshold",), -0.1),
    (("threshold",), True),
    (("threshold",), float("nan")),
    (("quantile",), [0.5]),
    (("model",), 5),
    (("model_hash",), None),
    (("fitted",), []),
    (("fitted", "questions"), "many"),
    (("fitted", "images"), 1.5),
    (("fitted", "questions"), -5),
    (("fitted", "images"), 0),
    (("fitted", "with_options"), -1),
    (("curve", "xs"), [0.8, 0.2]),
    (("curve", "xs"), [0.2]),
    (("curve", "xs"), [0.2, "0.8"]),
    (("curve", "ys"), [0.9, 0.1]),
    (("curve", "ys"), [0.1, 2]),
    (("curve", "ys"), []),
    (("familiar",), None),
    (("familiar", "center"), "§"),
    (("familiar", "along"), 4),
    (("familiar", "farthest"), {}),
    (("format",), 2),
    (("format",), "1"),
]


def put(told: dict[str, Any], keys: tuple[str, ...], value: Any) -> None:
    for key in keys[:-1]:
        told = told[key]
    told[keys[-1]] = value


@pytest.mark.parametrize("confidence", [0.0, 0.2, 0.35, 0.5, 0.66, 1.0])
def test_an_answer_is_deferred_exactly_where_too_few_like_it_were_right(make: Make, confidence: float) -> None:
    trust = make().assess(confidence)
    expected = 0.1 + (min(max(confidence, 0.2), 0.8) - 0.2) / 0.6 * 0.8  # the line through the curve's two points
    assert trust.likely_right == pytest.approx(expected)
    assert trust.deferred == (trust.likely_right is not None and trust.likely_right < 0.5)
    assert trust.options is None and "90 images" in trust.basis and "10 %" in trust.basis


def test_what_is_strange_is_deferred_with_its_reasons_and_without_a_number(make: Make) -> None:
    trust = make().assess(1.0, {"yes": 0.99, "no": 0.01}, ["the picture is blank"])
    assert trust.reasons == ("the picture is blank",) and trust.likely_right is None
    assert trust.options == ("yes", "no")  # nothing is ruled out by likeness
    assert trust.coverage == 0.9


def test_without_a_threshold_all_is_deferred_and_without_a_confidence_too(make: Make) -> None:
    assert make(threshold=None).assess(1.0).deferred
    trust = make().assess(None)
    assert trust.deferred and trust.likely_right is None


@settings(max_examples=50)
@given(made=st.just(made_calibration()), shares=SHARES, level=st.floats(0, 1))
def test_a_set_has_the_likeliest_option_and_all_that_are_likely_enough(
    made: Calibration, shares: list[float], level: float
) -> None:
    told = {str(i): share for i, share in enumerate(shares)}
    found = dataclasses.replace(made, quantile=level).assess(1.0, told).options
    expected = {str(i) for i, share in enumerate(shares) if 1 - share <= level}
    expected.add(str(shares.index(max(shares))))
    assert found is not None and set(found) == expected and list(found) == sorted(found)


def test_without_closed_questions_there_are_no_sets(make: Make) -> None:
    trust = make(quantile=None).assess(1.0, {"yes": 0.9, "no": 0.1})
    assert trust.options is None and "sets" not in trust.basis


def test_what_is_written_judges_as_before(make: Make, tmp_path: Path) -> None:
    for name, made in {"a": make(), "b": make(threshold=None, quantile=None)}.items():
        made.write(tmp_path / name)
        read = Calibration.read(tmp_path / name)
        for confidence in np.linspace(0, 1, 11):
            asked = float(confidence), {"yes": 0.7, "no": 0.3}
            assert read.assess(*asked) == made.assess(*asked)
        assert read.familiar.to_dict() == made.familiar.to_dict() and read.fitted == made.fitted
        read.write(tmp_path / "again")
        assert (tmp_path / "again").read_bytes() == (tmp_path / name).read_bytes()


@pytest.mark.parametrize("keys, value", WRONG, ids=lambda one: str(one))
def test_a_wrong_value_is_told_with_the_file(make: Make, tmp_path: Path, keys: tuple[str, ...], value: Any) -> None:
    make().write(tmp_path / "calibration.json")
    told = json.loads((tmp_path / "calibration.json").read_text("utf-8"))
    put(told, keys, value)
    (tmp_path / "calibration.json").write_text(json.dumps(told))
    with pytest.raises(InputError, match=r"calibration\.json: .*; expected a calibration") as error:
        Calibration.read(tmp_path / "calibration.json")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "name, value",
    [
        *((name, value) for name in ("center", "along") for value in ("AAA", "AAAAAAA=", "§", 7, None)),
        *(("words", value) for value in ("AAA", "AAAAA", "§", 7, None)),
    ],
)
def test_what_is_no_array_is_told_in_our_words(make: Make, tmp_path: Path, name: str, value: Any) -> None:
    make().write(tmp_path / "calibration.json")
    told = json.loads((tmp_path / "calibration.json").read_text("utf-8"))
    put(told, ("familiar", name), value)
    (tmp_path / "calibration.json").write_text(json.dumps(told))
    with pytest.raises(
        InputError, match=rf"familiar: ({name} (is not base64|has \d bytes)|arrays that do not fit)"
    ) as error:
        Calibration.read(tmp_path / "calibration.json")
    assert "buffer" not in str(error.value) and "padding" not in str(error.value)


def test_no_closed_questions_are_no_fault(make: Make, tmp_path: Path) -> None:
    none = dataclasses.replace(make().fitted, with_options=0)
    make(fitted=none, quantile=None).write(tmp_path / "calibration.json")
    assert Calibration.read(tmp_path / "calibration.json").fitted.with_options == 0


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "null", "5", "{}", "[" * 100_000, '{"format": 1}', "\xff"])
def test_what_is_no_calibration_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "file.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="expected a calibration"):
        Calibration.read(tmp_path / "file.json")


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.json"):
        with pytest.raises(InputError, match="cannot be read"):
            Calibration.read(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(st.data())
def test_any_value_anywhere_is_read_or_refused_in_one_line(make: Make, tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "calibration.json"
    if not (tmp_path / "made.json").exists():
        make().write(tmp_path / "made.json")
    told = json.loads((tmp_path / "made.json").read_text("utf-8"))
    places = [(key,) for key in told]
    places += [(key, inner) for key in ("fitted", "curve", "familiar") for inner in told[key]]
    leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
    put(told, data.draw(st.sampled_from(places)), data.draw(st.recursive(leaf, lambda x: st.lists(x, max_size=3))))
    path.write_text(json.dumps(told))
    try:
        trust = Calibration.read(path).assess(0.5, {"yes": 0.6, "no": 0.4})
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert trust.likely_right is None or 0 <= trust.likely_right <= 1


def test_another_models_calibration_is_not_used_and_one_line_says_so(make: Make, tmp_path: Path) -> None:
    made = make()
    assert beside(tmp_path, made.model_hash, "float32") is None  # none there, and nothing to say
    made.write(tmp_path / "calibration.json")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert beside(tmp_path, made.model_hash, "float32") is not None
    for asked in (("cd" * 32, "float32"), (made.model_hash, "int8")):
        with pytest.warns(CalibrationWarning, match="not used") as caught:
            assert beside(tmp_path, *asked) is None
        assert "\n" not in str(caught[0].message) and asked[1] in str(caught[0].message)
        with pytest.raises(InputError):
            made.checked(*asked)
    (tmp_path / "calibration.json").write_text("{}")
    with pytest.warns(CalibrationWarning, match="not used"):
        assert beside(tmp_path, made.model_hash, "float32") is None


def test_judging_takes_numpy_alone(make: Make, tmp_path: Path) -> None:
    make().write(tmp_path / "calibration.json")
    script = (
        "import sys; from pathlib import Path; from medfly.trust import Calibration; "
        "trust = Calibration.read(Path(sys.argv[1])).assess(0.9, {'yes': 0.6, 'no': 0.4}); "
        "print(trust.deferred, sorted({'torch', 'sklearn', 'scipy', 'transformers'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script, tmp_path / "calibration.json"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == ["False", "[]"]
