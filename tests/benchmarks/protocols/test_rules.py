"""What every rule promises, on any text; and how far apart the rules are on one and the same set of answers."""

from __future__ import annotations

import re
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.protocols import RULES, biomedgpt, exact, llava_med, lmms_eval, medevalkit, multimedeval
from benchmarks.protocols.rule import GROUPS, Item, Rule

TASKS = ["slake", "slake_zh", "vqa_rad", "path_vqa", "institutional", ""]
PIECES = ["yes", "No", "abnormal", "the", "one", "x-ray", "1,000", ".", " ", "\n", "answer is", "<answer>", "</answer>"]
PIECES += [
    "\\boxed{",
    "}",
    "boxed",
    "是",
    "肺部",
    "，",
    "。",
    "（",
    "）",
    "don't",
    "dont",
    "(",
    ")",
    "\u0130",
    "\ud83e\ude7b",
]
TEXTS = st.text(max_size=30) | st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
ITEMS = st.builds(
    Item, TEXTS, TEXTS.filter(bool), st.sampled_from(["OPEN", "CLOSED", None]), TEXTS, st.sampled_from(TASKS)
)


@given(ITEMS)
def test_no_text_breaks_a_rule(item: Item) -> None:
    for rule in RULES:
        judged = rule.judge(item)
        assert judged == rule.judge(item)
        assert judged.score is None or 0 <= judged.score <= 1
        assert not judged.unparsed or judged.score == 0
        assert rule.group(item) in ("open", "closed", None)


def test_names_and_metrics() -> None:
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len({rule.title for rule in RULES}) == len(RULES)
    assert all(re.fullmatch(r"\w+", name, re.ASCII) for name in names)
    assert all(rule.metrics and set(rule.metrics) <= set(GROUPS) and rule.source for rule in RULES)


@given(TEXTS.filter(bool), st.sampled_from(["OPEN", "CLOSED"]), TEXTS)
def test_what_is_strictly_right_is_right_by_the_looser_rules(answer: str, answer_type: str, other: str) -> None:
    for prediction in (answer, other):
        item = Item("", answer, answer_type, prediction, "slake")
        if exact.STRICT.judge(item).score == 1:
            looser = [exact.NORMALISED, lmms_eval.EXACT]
            looser += [llava_med.RUN_EVAL_BATCH] if answer_type == "CLOSED" else []
            assert [rule.judge(item).score for rule in looser] == [1] * len(looser)


@given(
    st.lists(st.sampled_from(["left", "right", "lung", "lobe", "mass", "upper", "2", "mri"]), min_size=1, unique=True),
    st.sampled_from(TASKS),
)
def test_the_gold_answer_itself_is_right_by_every_rule(words: list[str], task: str) -> None:
    item = Item("", " ".join(words), "OPEN", " ".join(words), task)
    assert [rule.judge(item).score for rule in RULES] == pytest.approx([1] * len(RULES), abs=1e-8)


def percent(rule: Rule, items: list[Item]) -> float:
    """Of the closed questions that the rule counts."""
    scores = [rule.judge(item).score for item in items if rule.group(item) == "closed"]
    return 100 * fmean(score for score in scores if score is not None)


def closed(ending: str) -> list[Item]:
    """SLAKE's CLOSED questions in number, 355 with yes or no and 61 others, all answered rightly in one manner."""
    golds = ["Yes"] * 200 + ["No"] * 155 + ["MRI"] * 61
    return [Item("", gold, "CLOSED", gold + ending, "slake") for gold in golds]


@pytest.mark.parametrize(
    ("rule", "bare", "stop", "sentence"),
    [
        (exact.STRICT, 100, 0, 0),
        (exact.NORMALISED, 100, 100, 0),
        (llava_med.RUN_EVAL, 85.3, 85.3, 85.3),
        (llava_med.RUN_EVAL_BATCH, 100, 100, 100),
        (medevalkit.AS_RELEASED, 100, 100, 0),
        (lmms_eval.EXACT, 100, 100, 0),
        (multimedeval.ACCURACY, 100, 100, 100),
        (biomedgpt.EXACT, 100, 0, 0),
    ],
    ids=lambda value: value.name if isinstance(value, Rule) else "",
)
def test_one_set_of_right_answers(rule: Rule, bare: float, stop: float, sentence: float) -> None:
    """Right in content every time: 85, 100 or 0 by rule and by manner of speaking."""
    figures = [percent(rule, closed(ending)) for ending in ("", ".", ", this is seen in the image.")]
    assert figures == pytest.approx([bare, stop, sentence], abs=0.05)


def test_the_denominators_differ_too() -> None:
    counts = {rule.name: sum(rule.group(item) == "closed" for item in closed("")) for rule in RULES}
    assert counts["multimedeval_accuracy"] == 355
    assert counts["medevalkit_as_released"] == counts["llava_med_run_eval"] == 416


def test_an_untagged_item_is_neither_open_nor_closed_by_tag_but_may_be_by_its_answer() -> None:
    item = Item("", "yes", None, "yes", "vqa_rad")
    assert exact.STRICT.group(item) is None
    assert [rule.group(item) for rule in (medevalkit.AS_RELEASED, multimedeval.ACCURACY)] == ["closed", "closed"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_chinese(rule: Rule) -> None:
    right, wrong = (Item("", "肺部", "OPEN", said, "slake_zh") for said in ("肺部", "心脏"))
    assert rule.judge(right).score == pytest.approx(1, abs=1e-8)
    assert rule.judge(wrong).score == 0
