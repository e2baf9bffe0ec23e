"""Files of predictions that something has happened to are read right or refused in one line, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.results import Result
from benchmarks.submissions.forms import COLUMNS
from medfly.types import InputError, Sample

from .test_submissions import FORMS, PREDICTIONS, SAMPLES, Row, llava, lm_eval, medevalkit, ours, read, rows


def check(results: Sequence[Result], samples: Sequence[Sample], partial: bool) -> None:
    """What holds of any result: each question at most once, in order, with text."""
    order = [samples.index(result.sample) for result in results]
    assert order == sorted(set(order)) and results and (partial or len(results) == len(samples))
    for result in results:
        result.prediction.encode()
        assert result.confidence is None or 0 <= result.confidence <= 1


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(FORMS)),
    cuts=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), st.binary(max_size=4)), min_size=1, max_size=3),
    partial=st.booleans(),
)
def test_mutated_files_are_refused_or_read(tmp_path: Path, name: str, cuts: list[Any], partial: bool) -> None:
    content = FORMS[name]
    for place, length, new in cuts:
        start = int(place * len(content))
        content = content[:start] + new + content[start + length :]
    try:
        results, _ = read(tmp_path, content, name, partial=partial)
    except InputError as problem:
        assert "\n" not in str(problem).removeprefix(str(tmp_path)) and "Image " not in str(problem)
        return
    check(results, SAMPLES, partial)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(PREDICTIONS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(COLUMNS), inner, max_size=3),
    max_leaves=4,
)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.dictionaries(st.integers(0, 11), st.dictionaries(st.sampled_from(COLUMNS), JSON), max_size=4),
    form=st.sampled_from([ours, rows, llava, lm_eval, medevalkit]),
)
def test_values_of_any_type_are_refused_or_read(tmp_path: Path, changes: Any, form: Callable[[], list[Row]]) -> None:
    """Where it is read, a row that was left alone gives the prediction that it had."""
    content = [{**row, **changes.get(number, {})} for number, row in enumerate(form())]
    try:
        results, _ = read(tmp_path, "".join(json.dumps(row) + "\n" for row in content).encode(), partial=True)
    except InputError:
        return
    check(results, SAMPLES, True)
    if not set().union(*changes.values()) & {"id", "qid", "question_id", "doc_id", "doc", "lang", "prediction", "pred"}:
        found = {result.sample.id: result.prediction for result in results}
        for number, (sample, text) in enumerate(zip(SAMPLES, PREDICTIONS, strict=True)):
            if number not in changes and not changes.get(0):
                assert found[sample.id] == text
