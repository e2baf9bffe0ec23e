"""An LLM judge: what it is asked, what is kept of it, and that scoring asks nobody."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.judge import PROMPT, VERSION, Judge, judge_at
from benchmarks.protocols.rule import GROUPS, Item
from medfly.types import InputError

from ..stand_in_chat import ChatServerStandIn

ITEMS = [
    Item("Which organ?", "Lung", "OPEN", "the lungs"),
    Item("Which organ?", "Lung", "OPEN", "liver"),
    Item("Is it healthy?", "No", "CLOSED", "it is sick"),
]


class Teacher:
    """Says "correct" unless the candidate is liver; keeps what it was asked."""

    def __init__(self, reply: str = "correct") -> None:
        self.reply = reply
        self.asked: list[dict[str, str]] = []

    def __call__(self, text: str) -> str:
        assert text.startswith(PROMPT)
        self.asked.append(json.loads(text.removeprefix(PROMPT)))
        return "incorrect" if self.asked[-1]["candidate"] == "liver" else self.reply


def filled(judge: Judge, items: list[Item] = ITEMS) -> tuple[int, int, int]:
    *_, last = judge.fill(items)
    return last.asked, last.known, last.empty


def test_verdicts_become_scores(tmp_path: Path) -> None:
    teacher = Teacher()
    judge = Judge(teacher, "org/Judge-7B", tmp_path / "verdicts.jsonl")
    assert filled(judge) == (3, 0, 0)
    assert teacher.asked[0] == {"question": "Which organ?", "reference": "Lung", "candidate": "the lungs"}
    assert [judge.rule.judge(item).score for item in ITEMS] == [1, 0, 1]
    assert len(teacher.asked) == 3  # the rule asks nobody


def test_the_rule(tmp_path: Path) -> None:
    rule = Judge(Teacher(), "org/Judge-7B", tmp_path / "v").rule
    assert rule.name == "judge_org_Judge_7B" and rule.title == f"LLM judge: org/Judge-7B, prompt v{VERSION}"
    assert set(rule.metrics) == set(GROUPS)


def test_a_second_look_asks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "verdicts.jsonl"
    filled(Judge(Teacher(), "judge", path))
    content = path.read_bytes()
    nobody = Judge(lambda _: pytest.fail("asked again"), "judge", path)
    assert filled(nobody) == (0, 3, 0)
    assert path.read_bytes() == content
    assert [nobody.rule.judge(item).score for item in ITEMS] == [1, 0, 1]


def test_the_file_holds_no_words(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    filled(Judge(Teacher("This lung is healthy."), "judge", path))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [list(row) for row in rows] == [["key", "judge", "prompt", "verdict"]] * 3
    assert "lung" not in path.read_text().lower() and rows[0]["verdict"] == "unparsed"


@pytest.mark.parametrize("index, change", list(enumerate(["Why?", "Liver", "CLOSED", "the lung", "slake"])))
def test_what_a_verdict_belongs_to(tmp_path: Path, index: int, change: str) -> None:
    """Question, gold answer and prediction; not the tag or the task, which the judge is not told."""
    names = ("question", "answer", "answer_type", "prediction", "task")
    other = Item(**{**ITEMS[0].__dict__, names[index]: change})
    teacher = Teacher()
    filled(Judge(teacher, "judge", tmp_path / "v"), [ITEMS[0], other])
    assert len(teacher.asked) == (1 if names[index] in ("answer_type", "task") else 2)


def test_another_judge_is_asked_anew(tmp_path: Path) -> None:
    filled(Judge(Teacher(), "judge", tmp_path / "v"))
    assert filled(Judge(Teacher(), "another", tmp_path / "v")) == (3, 0, 0)
    assert filled(Judge(Teacher(), "judge", tmp_path / "v")) == (0, 3, 0)


@pytest.mark.parametrize("cut", [1, 8, 20, 100])
def test_a_look_that_was_killed_goes_on(tmp_path: Path, cut: int) -> None:
    """Wherever the last line was cut off, the file ends as if nothing had happened."""
    path = tmp_path / "verdicts.jsonl"
    filled(Judge(Teacher(), "judge", path))
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    assert filled(Judge(Teacher(), "judge", path)) == (1, 2, 0)
    assert path.read_bytes() == whole


def test_a_judge_that_breaks_off_keeps_what_it_said(tmp_path: Path) -> None:
    class Tired(Teacher):
        def __call__(self, text: str) -> str:
            if len(self.asked) == 2:
                raise InputError("no connection")
            return super().__call__(text)

    with pytest.raises(InputError, match="no connection"):
        filled(Judge(Tired(), "judge", tmp_path / "v"))
    assert filled(Judge(Teacher(), "judge", tmp_path / "v")) == (1, 2, 0)


def test_every_verdict_is_on_disk_before_the_next_is_asked_for(tmp_path: Path) -> None:
    """So that a killed process loses none."""
    path, lines = tmp_path / "v", []

    def ask(_: str) -> str:
        lines.append(len(path.read_bytes().splitlines()))
        return "correct"

    filled(Judge(ask, "judge", path))
    assert lines == [0, 1, 2]


@pytest.mark.parametrize(
    "reply, score, unparsed",
    [
        ("correct", 1, False),
        (" Correct.\n", 1, False),
        ("INCORRECT", 0, False),
        ("not correct", 0, True),
        ("correct or incorrect", 0, True),
        ("The answer is correct", 0, True),
        ("", 0, True),
    ],
)
def test_replies(tmp_path: Path, reply: str, score: float, unparsed: bool) -> None:
    judge = Judge(Teacher(reply), "judge", tmp_path / "v")
    filled(judge, ITEMS[:1])
    judged = judge.rule.judge(ITEMS[0])
    assert (judged.score, judged.unparsed) == (score, unparsed) and bool(judged.note) == unparsed


def test_an_empty_prediction_is_not_asked_about(tmp_path: Path) -> None:
    item = Item("Which organ?", "Lung", "OPEN", " ")
    judge = Judge(Teacher(), "judge", tmp_path / "v")
    assert filled(judge, [item]) == (0, 0, 1)
    assert judge.rule.judge(item).score == 0 and "empty" in judge.rule.judge(item).note


def test_what_was_never_asked_is_left_out_and_told(tmp_path: Path) -> None:
    judged = Judge(Teacher(), "judge", tmp_path / "v").rule.judge(ITEMS[0])
    assert judged.score is None and "left out" in judged.note


@pytest.mark.parametrize(
    "content", ["hello\n", "hello", "{}\n", '{"key": "a", "verdict": "maybe"}\n', "[1]\n", '{"id": 1}']
)
def test_another_file_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other"
    path.write_text(content)
    with pytest.raises(InputError, match="line 1: no verdict; expected the judge's file"):
        Judge(Teacher(), "judge", path)
    assert path.read_text() == content


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be"):
        filled(Judge(Teacher(), "judge", tmp_path / "file" / "v"))


def test_a_served_judge(tmp_path: Path, chat_server: ChatServerStandIn) -> None:
    """Text only, and of an item nothing but its three texts."""
    pytest.importorskip("openai")
    chat_server.say = lambda words: "Incorrect." if "liver" in words else "correct"
    judge = judge_at(chat_server.address, chat_server.model, tmp_path / "v")
    assert filled(judge) == (3, 0, 0)
    assert [judge.rule.judge(item).score for item in ITEMS] == [1, 0, 1]
    assert judge.rule.name == "judge_tiny_vl"
    for body in chat_server.bodies:
        assert isinstance(body["messages"][0]["content"], str) and body["temperature"] == 0
    before = len(chat_server.bodies)
    assert filled(judge_at(chat_server.address, chat_server.model, tmp_path / "v")) == (0, 3, 0)
    assert len(chat_server.bodies) == before + 1  # the probe


def test_answers_do_not_leave_this_machine_unasked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"every question, its gold answer and the model's answer would be sent to it"):
        judge_at("https://api.example.com/v1", "judge", tmp_path / "v")
    with pytest.raises(InputError, match=r"^--judge_url: no address"):
        judge_at("judge", "judge", tmp_path / "v")


def test_a_judge_needs_no_torch() -> None:
    script = "import sys, benchmarks.judge, medfly.peers.chat_server; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "False\n"
