"""Conversations in the forms that training sets have, with the turns that they should not have."""

from __future__ import annotations

from typing import Any

import pytest

from data_adapters.tables.conversations import Exchange, Unfit, exchanges

TWO = [
    Exchange("What is this?", "A chest X-ray.", ()),
    Exchange("Is it normal?", "No.", (("What is this?", "A chest X-ray."),)),
]


@pytest.mark.parametrize(
    ("record", "pictures"),
    [
        (
            {
                "conversations": [
                    {"from": "human", "value": "<image>\nWhat is this?"},
                    {"from": "gpt", "value": "A chest X-ray."},
                    {"from": "human", "value": "Is it normal?"},
                    {"from": "gpt", "value": "No.\n"},
                ]
            },
            [],
        ),
        (
            {
                "messages": [
                    {"role": "system", "content": "You are a radiologist."},
                    {
                        "role": "user",
                        "content": [
                            {"type": "image_url", "image_url": {"url": "a.png"}},
                            {"type": "text", "text": "What is this?"},
                        ],
                    },
                    {"role": "assistant", "content": [{"type": "text", "text": "A chest X-ray."}]},
                    {"role": "user", "content": "Is it normal?"},
                    {"role": "assistant", "content": "No."},
                ]
            },
            ["a.png"],
        ),
        (
            {
                "conversations": "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nWhat is this?<|eot_id|>"
                "<|start_header_id|>assistant<|end_header_id|>\n\nA chest X-ray.<|eot_id|><|start_header_id|>user"
                "<|end_header_id|>\n\nIs it normal?<|eot_id|>"
                "<|start_header_id|>assistant<|end_header_id|>\n\nNo.<|eot_id|>"
            },
            [],
        ),
    ],
    ids=["llava", "messages", "reference"],
)
def test_three_forms_of_one_conversation(record: dict[str, Any], pictures: list[str]) -> None:
    assert exchanges(record) == (TWO, pictures)


def test_placeholders_go_and_an_open_question_has_no_answer() -> None:
    turns = [{"from": "human", "value": "In <image> and\n<image 2>, is <b> seen? <imagery>"}]
    (one,), _ = exchanges({"conversations": turns})
    assert (one.question, one.answer) == ("In and , is <b> seen? <imagery>", None)


@pytest.mark.parametrize(
    "turns",
    [
        [],
        "What is this?",
        [{"from": "gpt", "value": "Secret"}],
        [{"from": "human", "value": "Secret"}, {"from": "human", "value": "Secret"}],
        [{"from": "human", "value": "Secret"}, {"from": "tool", "value": "Secret"}],
        [{"from": "human", "value": None}],
        [{"from": "human", "value": [{"type": "video", "video": "Secret"}]}],
        ["Secret"],
        {"from": "human"},
    ],
)
def test_other_turns_are_unfit(turns: Any) -> None:
    with pytest.raises(Unfit) as unfit:
        exchanges({"conversations": turns})
    assert unfit.value.kind == "turns" and "Secret" not in str(unfit.value)
