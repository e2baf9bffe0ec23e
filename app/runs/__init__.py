"""The page that browses a run of `medfly eval`: filter its questions, open one, correct an answer, export corrections.

The run is read once for all sessions (app.runs.folder), and only from the folders that were given at start. What a
session filters, opens and corrects is its own. One question is drawn by app.runs.question.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from app import models
from app.failures import guarded, plain, told
from app.runs.corrections import to_lines
from app.runs.folder import (
    ORDERS,
    OUTCOMES,
    Filter,
    Order,
    Outcome,
    Run,
    chosen,
    counted,
    deferred,
    open_run,
    outcomes,
    pictures_gone,
    runs_in,
)
from app.runs.question import question
from app.runs.state import State, current, same_model
from app.session import key
from app.texts import Texts
from benchmarks.protocols import RULES, exact
from benchmarks.protocols.rule import Rule
from benchmarks.shards import WHOLE
from medfly.types import InputError

RUNS, DATA = "MEDFLY_RUNS", "MEDFLY_DATA"
"""What was given at start: a run's folder or one that holds some, and the folder of the data set."""
TABLE = 260
"""Height of the table, CSS pixels."""
CUT = 160
"""Letters of a text in the table."""


def given() -> bool:
    """Whether there is a run to be browsed."""
    return bool(os.environ.get(RUNS))


def page(texts: Texts) -> None:
    """Draw it; what is missing or does not belong together is told in one line."""
    with told(texts):
        run, gone = _opened(texts)
        state = current(run)
        _head(run, gone, texts)
        by, judged = st.columns([3, 2], vertical_alignment="bottom")
        with by:
            rule = _rule(texts)
        found = outcomes(run, rule)
        with judged:
            left = _left(run, texts)
        numbers = _numbers(run, found, left, texts)
        _summary(run, numbers, found, texts)
        if numbers:
            _table(run, numbers, found, left, state, texts)
            _steps(numbers, state, texts)
            question(run, state, found[state.number], rule, texts)
        else:
            st.info(plain(texts["runs.nothing"]))
        _export(run, state, texts)


def _opened(texts: Texts) -> tuple[Run, frozenset[str]]:
    """The run that is chosen, and the names of its pictures that are gone. Raises InputError."""
    if not given():
        raise InputError(texts["runs.none_given"])
    folders = runs_in([Path(os.environ[RUNS])])
    if not folders:
        raise InputError(texts["runs.none_found"])
    folder = folders[0]
    if len(folders) > 1:
        folder = st.selectbox(texts["runs.run"], folders, format_func=lambda one: one.name, key=key("runs", "run"))
    data = os.environ.get(DATA)
    return _read(folder, Path(data) if data else None, _stamp(folder))


@st.cache_resource(max_entries=4, show_spinner=False)
def _read(folder: Path, data: Path | None, stamp: tuple[int, int] | None) -> tuple[Run, frozenset[str]]:
    """stamp: of its predictions, so that a run that has gone on is read anew."""
    run = open_run(folder, data)
    return run, frozenset(pictures_gone(run))


def _stamp(folder: Path) -> tuple[int, int] | None:
    try:
        found = (folder / WHOLE).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _head(run: Run, gone: frozenset[str], texts: Texts) -> None:
    about = texts["runs.about"].format(
        task=run.task.name, split=run.split, model=run.model, hash=run.model_hash[:12], count=len(run.results)
    )
    st.markdown(plain(about))
    if gone:
        images = len({result.sample.image for result in run.results})
        st.warning(plain(texts["runs.gone"].format(count=len(gone), all=images)))
    for remark in run.remarks:
        st.caption(plain(remark))


def _rule(texts: Texts) -> Rule:
    return st.selectbox(
        texts["runs.rule"],
        RULES,
        index=RULES.index(exact.NORMALISED),
        format_func=lambda rule: rule.title,
        key=key("runs", "rule"),
        help=texts["runs.rule_help"],
    )


def _left(run: Run, texts: Texts) -> tuple[bool, ...] | None:
    """[N] Which answers would be deferred; None where it is not asked for or not known. It needs the model's own hash.

    Raises InputError where the viewer has another model than the run.
    """
    if not st.toggle(texts["runs.judge"], key=key("runs", "judge"), help=texts["runs.judge_help"]):
        return None
    with st.spinner(texts["runs.loading"]):
        fly = models.load(models.chosen()).fly
    same_model(run, fly, texts)
    if fly.calibration is None:
        st.info(plain(texts["runs.not_calibrated"]))
        return None
    if (fly.calibration.fitted.task, fly.calibration.fitted.split) == (run.task.name, run.split):
        st.caption(plain(texts["runs.fitted_here"]))
    return deferred(run, fly.calibration)


def _numbers(run: Run, found: Sequence[Outcome], left: Sequence[bool] | None, texts: Texts) -> list[int]:
    """The questions that the filters leave, in order."""
    one, two, three, four = st.columns([3, 4, 2, 2])
    here = Counter(found)
    wanted: list[Outcome] = one.pills(
        texts["runs.outcome"],
        [outcome for outcome in OUTCOMES if here[outcome]],
        selection_mode="multi",
        format_func=lambda outcome: texts[f"runs.{outcome}"],
        key=key("runs", "outcome"),
    )
    names = {f"{title}: {label} ({count})": (title, label) for title, label, count in counted(run)}
    groups = two.multiselect(
        texts["runs.subgroups"],
        list(names),
        placeholder=texts["runs.subgroups_hint"],
        key=key("runs", "groups", run.mark),
    )
    words = three.text_input(texts["runs.words"], placeholder=texts["runs.words_hint"], key=key("runs", "words"))
    order: Order = four.selectbox(
        texts["runs.order"], ORDERS, format_func=lambda order: texts[f"runs.{order}"], key=key("runs", "order")
    )
    labels: dict[str, frozenset[str]] = {}
    for title, label in (names[group] for group in groups):
        labels[title] = labels.get(title, frozenset()) | {label}
    deferral = None if left is None else _deferral(texts)
    return chosen(run, found, left, Filter(frozenset(wanted), labels, deferral, words), order)


def _deferral(texts: Texts) -> bool | None:
    return st.pills(
        texts["runs.deferral"],
        [True, False],
        format_func=lambda one: texts["runs.deferred" if one else "runs.kept"],
        key=key("runs", "deferral"),
    )


def _summary(run: Run, numbers: Sequence[int], found: Sequence[Outcome], texts: Texts) -> None:
    count = Counter(found[number] for number in numbers)
    each = [f"{count[outcome]} {texts[f'runs.{outcome}']}" for outcome in OUTCOMES if count[outcome]]
    line = texts["runs.shown"].format(shown=len(numbers), all=len(run.results), outcomes=", ".join(each) or "–")
    st.markdown(plain(line))


def _table(
    run: Run,
    numbers: Sequence[int],
    found: Sequence[Outcome],
    left: Sequence[bool] | None,
    state: State,
    texts: Texts,
) -> None:
    """The questions as a table; a row that is clicked becomes the open one."""
    columns = table(run, numbers, found, left, texts)
    event = st.dataframe(
        columns,
        height=TABLE,
        hide_index=True,
        key=key("runs", "table", run.mark, hash(tuple(numbers))),
        on_select="rerun",
        selection_mode="single-row",
        column_config=_widths(texts),
    )
    rows = list(event.selection.rows)  # type: ignore[union-attr]
    picked = (hash(tuple(numbers)), *rows)
    if rows and picked != state.picked:
        state.number = numbers[rows[0]]
    state.picked = picked
    if state.number not in numbers:
        state.number = numbers[0]


def _widths(texts: Texts) -> dict[str, Any]:
    wide = {texts["runs.question"]: 380, texts["runs.expected"]: 210, texts["runs.predicted"]: 210}
    sure = st.column_config.NumberColumn(format="%.3f", help=texts["runs.confidence_help"])
    columns = {name: st.column_config.TextColumn(width=width) for name, width in wide.items()}
    return {**columns, texts["runs.confidence"]: sure}


def table(
    run: Run, numbers: Sequence[int], found: Sequence[Outcome], left: Sequence[bool] | None, texts: Texts
) -> pd.DataFrame:
    """A row for each of the numbers, texts cut to CUT letters. A hospital's questions go by their rows."""
    some = [run.results[number] for number in numbers]
    columns: dict[str, list[object]] = {
        texts["runs.number"]: [result.sample.called.removeprefix("question ") for result in some],
        texts["runs.question"]: [_cut(result.sample.question) for result in some],
        texts["runs.expected"]: [_cut(result.sample.answer or "–") for result in some],
        texts["runs.predicted"]: [_cut(result.prediction) for result in some],
        texts["runs.outcome"]: [texts[f"runs.{found[number]}"] for number in numbers],
        texts["runs.confidence"]: [result.confidence for result in some],
    }
    if left is not None:
        columns[texts["runs.deferral"]] = [texts["runs.deferred"] if left[number] else "" for number in numbers]
    return pd.DataFrame(columns)


def _cut(text: str) -> str:
    return text if len(text) <= CUT else f"{text[: CUT - 1]}…"


def _steps(numbers: Sequence[int], state: State, texts: Texts) -> None:
    """To the one before and the one behind."""
    here = numbers.index(state.number)
    before, behind, place = st.columns([1, 1, 6], vertical_alignment="center")

    @guarded
    def go(to: int) -> None:
        state.number = numbers[to]

    last = len(numbers) - 1
    name = key("runs", "previous")
    before.button(texts["runs.previous"], key=name, disabled=here == 0, on_click=go, args=(max(here - 1, 0),))
    name = key("runs", "next")
    behind.button(texts["runs.next"], key=name, disabled=here == last, on_click=go, args=(min(here + 1, last),))
    place.caption(plain(texts["runs.place"].format(place=here + 1, all=len(numbers))))


def _export(run: Run, state: State, texts: Texts) -> None:
    if not state.corrections:
        return
    st.caption(plain(texts["runs.corrections"].format(count=len(state.corrections))))
    st.download_button(
        texts["runs.export"],
        to_lines(run, state.corrections),
        f"corrections_{run.task.name}_{run.split}.jsonl",
        "application/jsonl",
        help=texts["runs.export_help"],
        on_click="ignore",
        key=key("runs", "export"),
    )
