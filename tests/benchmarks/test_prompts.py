"""The published prompts, letter by letter, and what is recorded of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.prompts import PROMPTS, SLOT, asked, get_prompt
from medfly.types import InputError, Sample

# question, gold answer, tag
OPEN = ("Which organ is {this}?", "Lung", "OPEN")
YES = ("Is it healthy?", "Yes", "CLOSED")
CHOICE = ("CT or MRI?", "CT", "CLOSED")


def sample(question: str, answer: str | None, tag: str | None) -> Sample:
    return Sample(1, "a.png", question, lambda: None, answer, tag)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name, task, row, expected",
    [
        ("question", "slake", OPEN, "Which organ is {this}?"),
        ("short", "slake", OPEN, "Which organ is {this}?\nAnswer the question using a single word or phrase."),
        # SLAKE by its tag, the others by whether the gold answer is yes or no
        ("medevalkit", "slake", OPEN, "Which organ is {this}?\nPlease answer the question concisely."),
        ("medevalkit", "slake", YES, "Is it healthy?\nAnswer the question using a single word or phrase."),
        ("medevalkit", "slake", CHOICE, "CT or MRI?\nAnswer the question using a single word or phrase."),
        ("medevalkit", "vqa_rad", YES, "Is it healthy?\nPlease output 'yes' or 'no'(no extra output)."),
        ("medevalkit", "vqa_rad", CHOICE, "CT or MRI?\nPlease answer the question concisely."),
        ("medevalkit", "path_vqa", YES, "Is it healthy?\nPlease output 'yes' or 'no'(no extra output)."),
        ("medevalkit", "institutional", OPEN, "Which organ is {this}?\nPlease answer the question concisely."),
        ("medevalkit", "slake_zh", ("肺健康吗?", "是", "CLOSED"), "肺健康吗?\n请用一个单词或者短语回答该问题。"),
        ("medevalkit", "slake_zh", ("哪个器官?", "肺", "OPEN"), "哪个器官?\n请简要回答该问题。"),
        ("multimedeval", "slake", YES, "Answer the following question with yes or no. Is it healthy?"),
        ("multimedeval", "slake", CHOICE, "CT or MRI?"),
        ("multimedeval", "slake", ("Is it?", None, None), "Is it?"),
    ],
)
def test_the_words(name: str, task: str, row: tuple, expected: str) -> None:
    assert get_prompt(name, task).apply(sample(*row)) == expected


def test_blanks_around_a_question_go_and_braces_stay() -> None:
    assert (
        get_prompt("short", "slake").apply(sample(" Is {question} {0}?\t", "", "")).startswith("Is {question} {0}?\n")
    )


def test_only_the_question_is_changed() -> None:
    before = [sample(*OPEN), sample(*YES)]
    after = asked(before, get_prompt("short", "slake"))
    assert [replace(s, question="") for s in after] == [replace(s, question="") for s in before]
    assert before[0].question == OPEN[0]


def test_every_prompt_says_where_it_is_from_and_holds_the_question() -> None:
    for prompt in PROMPTS:
        assert prompt.source and prompt.chosen
        assert all(template.count(SLOT) == 1 for template in prompt.templates.values())
    assert len({prompt.version for prompt in PROMPTS}) == len(PROMPTS)


def test_a_prompt_that_is_changed_is_another_version() -> None:
    """And the versions are pinned: a change of words must be meant, because recorded runs do not go on over it."""
    short = get_prompt("short", "slake")
    assert replace(short, templates={"any": SLOT + "\nAnswer briefly."}).version != short.version
    assert replace(short, source="elsewhere").version == short.version
    versions = {(prompt.name, prompt.tasks): prompt.version for prompt in PROMPTS}
    assert versions == {
        ("question", ()): "631eb67c55ef",
        ("short", ()): "aebe87960aa1",
        ("medevalkit", ("slake",)): "cb3180a6b07c",
        ("medevalkit", ("slake_zh",)): "71ac12041b66",
        ("medevalkit", ()): "93fa4756772b",
        ("multimedeval", ()): "4d41ae0129d3",
    }


def test_an_unknown_prompt() -> None:
    with pytest.raises(InputError, match=r"^prompt 'long': expected one of question, short, medevalkit, multimedeval:"):
        get_prompt("long", "slake")
