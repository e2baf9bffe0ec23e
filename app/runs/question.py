"""One question of a run: its picture, what was answered and expected, the crops on demand, a corrected label.

Where the run kept no evidence, the model is asked again for it, with the words that it was asked with; the answer in
the run stays what is shown as the run's. This module knows no filters.
"""

from __future__ import annotations

from html import escape

import streamlit as st

from app import models
from app.asking import answer_card
from app.asking.answering import Subject, answer
from app.failures import plain, told
from app.jobs import Job
from app.models import Kept
from app.pane import pane
from app.runs.corrections import correct
from app.runs.folder import Outcome, Run
from app.runs.state import State, same_model
from app.session import key
from app.texts import Texts
from app.waiting import alive, waiting
from benchmarks.protocols.rule import Rule
from medfly import wording
from medfly.drawing import OPACITY
from medfly.provenance import of_scan
from medfly.types import Answer, Scan


def question(run: Run, state: State, outcome: Outcome, rule: Rule, texts: Texts) -> None:
    """Draw the open one; where its picture is gone, that is told in its place."""
    number = state.number
    series = f"run {run.mark} {number}"
    left, right = st.columns([3, 2], gap="large")
    scan = None
    with left, told(texts):
        scan = run.results[number].sample.scan()
        _picture(run, state, scan, series, texts)
    with right:
        _words(run, state, outcome, rule, texts)
        with told(texts):
            if scan is not None:
                _explain(run, state, scan, texts)
            st.html(f"{answer_card.STYLE}{_card(run, state, scan, series, texts)}")
        with told(texts):
            _correct(run, state, texts)


def shown(run: Run, state: State, scan: Scan | None) -> Answer:
    """The run's answer, with the evidence that the run kept or that was asked for since."""
    result, later = run.results[state.number], state.asked.get(state.number)
    if later is not None and same_words(later.text, result.prediction):
        return later
    about = {"model": run.model, "model_hash": run.model_hash}
    if scan is not None:
        about = {**of_scan(scan, None), **about}
    return Answer(run.asked(state.number), result.prediction, result.confidence, result.evidence, about)


def same_words(one: str, other: str) -> bool:
    return one.strip() == other.strip()


def _picture(run: Run, state: State, scan: Scan, series: str, texts: Texts) -> None:
    given = shown(run, state, scan)
    opacity = None
    if given.evidence is not None and st.toggle(texts["comparing.heat"], key=key("runs", "heat")):
        opacity = OPACITY
    pane(scan, given, texts, series=series, key=key("runs", "canvas"), opacity=opacity)


def _words(run: Run, state: State, outcome: Outcome, rule: Rule, texts: Texts) -> None:
    """What was expected, who says that the answer is right, and how the question was put."""
    sample = run.results[state.number].sample
    expected = texts["runs.no_expected"]
    if outcome != "unscored":
        expected = texts["runs.expected_line"].format(answer=sample.answer)
    judged = texts["runs.judged"].format(outcome=texts[f"runs.{outcome}"], rule=rule.title)
    called = sample.called.removeprefix("question ")  # a hospital's go by their row
    lines = [f"{texts['runs.number']} {called}", judged]
    put = run.asked(state.number)
    if put != sample.question.strip():
        lines.append(texts["runs.put"].format(question=" ".join(put.split())))
    mark = {"right": "✓", "wrong": "✗"}.get(outcome, "–")
    small = "".join(f'<p class="small">{escape(line)}</p>' for line in lines)
    st.html(f'<div class="medfly-card"><p><b>{mark} {escape(expected)}</b></p>{small}</div>')


def _card(run: Run, state: State, scan: Scan | None, series: str, texts: Texts) -> str:
    spacing = None if scan is None else scan.spacing
    card = answer_card.html(shown(run, state, scan), series, texts, live=scan is not None, spacing=spacing)
    later, before = state.asked.get(state.number), run.results[state.number].prediction
    if later is None or same_words(later.text, before):
        return card
    line = texts["runs.now_says"].format(answer=wording.answer_line(later), before=wording.said(before))
    return f'{card}<p class="medfly-card">{escape(line)}</p>'


def _explain(run: Run, state: State, scan: Scan, texts: Texts) -> None:
    """The button that asks for the evidence, and what becomes of it. Raises InputError where that cannot be had."""
    number, job = state.number, state.job
    if job is not None and job.about == number and not job.ended and not job.cancelled:
        waiting(job, texts, key("runs", "explain"))
        return
    if job is not None and job.ended and job.result is not None:
        state.asked[job.about], state.job = job.result, None
        st.rerun()
    if job is not None and job.about == number and job.error is not None:
        st.error(plain(job.error))
    if run.results[number].evidence is not None or number in state.asked:
        return
    help = texts["runs.explain_help"]
    if st.button(texts["runs.explain"], key=key("runs", "explain"), help=help, type="primary"):
        if job is not None:
            job.cancel()
        state.job = Job(lambda job: explained(run, number, scan, texts, job), about=number, alive=alive())
        st.rerun()


def explained(run: Run, number: int, scan: Scan, texts: Texts, job: Job) -> Answer:
    """The answer once more, with its evidence. Raises InputError where the viewer's model is not the run's."""
    job.tell(stage="loading")
    shared = models.load(models.chosen())
    same_model(run, shared.fly, texts)
    job.tell(stage="waiting")
    return answer(shared, Subject(scan, None), run.asked(number), (), Kept(), job)


def _correct(run: Run, state: State, texts: Texts) -> None:
    """A form for the right answer; InputError for one that is none."""
    number = state.number
    made = state.corrections.get(number)
    if made is not None:
        said = texts["runs.no_right"] if made.answer is None else made.answer
        st.markdown(plain(texts["runs.is_corrected"].format(answer=said)))
        if st.button(texts["runs.take_back"], key=key("runs", "take_back", number)):
            del state.corrections[number]
            st.rerun()
        return
    with st.expander(texts["runs.correct"]), st.form(key("runs", "correct", number), border=False):
        before = run.results[number].sample.answer or ""
        text = st.text_input(texts["runs.corrected"], before, key=key("runs", "answer", number))
        nothing = st.checkbox(texts["runs.no_right"], key=key("runs", "no_right", number))
        if st.form_submit_button(texts["runs.keep"]):
            state.corrections[number] = correct(run, number, None if nothing else text)
            st.rerun()
