"""The audit log holds what happened and no word of it."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import app
from app.record import audit
from medfly.dragonfly.hub import BUILT_IN
from medfly.types import InputError

from .made_turns import HASH, NAME, answer, provenance, session, turn

ROOT = Path(str(app.__file__)).parent.parent


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "audit.jsonl"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


def test_an_answer_as_documented(path) -> None:
    one = turn()
    audit.open_log(path).answered("5e55", one)
    first, line = lines(path)
    key = bytes.fromhex(audit.key_path(path).read_text())
    assert first["event"] == "log" and first["key"] == hashlib.sha256(key).hexdigest()
    for kind, text in (("question", one.answer.question), ("answer", "no")):
        assert line[kind] == hmac.digest(key, f"{kind}\0{one.id}\0{text}".encode(), "sha256").hex()
    assert abs((datetime.fromisoformat(line["at"]) - datetime.now(UTC)).total_seconds()) < 60
    assert line["asked_at"] == "2026-11-23T12:30:15.000+00:00"
    assert line["picture"] == hashlib.sha256(one.picture.tobytes()).hexdigest()
    assert line["readers"]["numpy"] == np.__version__
    expected = {"event": "answer", "session": "5e55", "turn": one.id, "input": HASH, "frame": 3, "decoder": "pylibjpeg"}
    expected |= {"region": [10.0, 5.0, 50.0, 35.5], "confidence": 0.75, "variations": 2, "flips": 1}
    expected |= {"trust": {"deferred": True, "likely_right": 0.5}, "model": None, "model_hash": "cd" * 32}
    expected |= {"window": {"center": 40.0, "width": 400.0, "function": "LINEAR"}, "precision": "float32"}
    assert {name: line[name] for name in expected} == expected
    assert line["versions"] == {"medfly": "0.1.0", "torch": "2.13.0+cpu"}


def test_only_a_model_of_medflys_own_is_named(path) -> None:
    """A folder or a repository may be called after a patient; its hash says which model it was."""
    assert set(audit.MODELS) == set(BUILT_IN)
    log = audit.open_log(path)
    names = ("mini", "/models/MuellerHans_1950", "C:\\m\\MuellerHans_1950", "MuellerHans_1950", "org/MuellerHans_1950")
    for name in names:
        log.answered("5e55", turn(answer=answer(provenance=provenance(model=name))))
    _, *noted = lines(path)
    assert [line["model"] for line in noted] == ["mini", None, None, None, None]
    assert {line["model_hash"] for line in noted} == {"cd" * 32} and "Mueller" not in path.read_text()


def test_no_word_reaches_the_log(path) -> None:
    """The name stands in question, trust, variations, evidence, window, notes, folder and versions of these turns."""
    log = audit.open_log(path)
    made = session(turn(), turn(answer=answer(f"{NAME} is ill")))
    log.keep_up(made)
    for _, one in made.every():
        log.judged(made.id, one, "disagree")
    log.exported(made.id, 2, "html", NAME.encode())
    assert len(lines(path)) == 6
    for file in path.parent.iterdir():
        assert NAME.lower() not in file.read_text().lower()


@settings(max_examples=15, deadline=None)
@given(st.text(min_size=1).filter(lambda text: not audit.WORD.fullmatch(text)), st.floats())
def test_strange_values_are_left_out(tmp_path_factory, text, number) -> None:
    """Whatever is no hash, name, version or finite number becomes null; a line is JSON that every reader takes."""
    path = tmp_path_factory.mktemp("log") / "audit.jsonl"
    told = provenance(
        window={"center": number, "function": text, "width": text}, model_hash=text, versions={"torch": text}
    )
    strange = answer(text, question=text, confidence=number, provenance=told)
    audit.open_log(path).answered(text, turn(answer=strange, scan_hash=text, region=(number, 0, 1, 2)))
    line = json.loads(path.read_text().splitlines()[1], parse_constant=pytest.fail)
    finite = number if np.isfinite(number) else None
    assert line["session"] is line["input"] is line["model_hash"] is line["versions"]["torch"] is None
    assert line["window"] == {"center": finite, "width": None, "function": None}
    assert line["confidence"] == line["region"][0] == finite


def test_equal_answers_do_not_look_equal(path) -> None:
    """Else the commonest hash would be the commonest answer; and no plain hash of it is there to be guessed."""
    log = audit.open_log(path)
    log.keep_up(session(turn(), turn()))
    _, one, other = lines(path)
    assert one["answer"] != other["answer"] and one["question"] != other["question"]
    assert hashlib.sha256(b"no").hexdigest() not in path.read_text()


def test_a_turn_is_noted_once_and_again_under_changes(path) -> None:
    log = audit.open_log(path)
    made = session(turn(answer=answer(variations=())))
    for _ in range(3):
        log.keep_up(made)
    assert [line["event"] for line in lines(path)] == ["log", "answer"]
    (_, one), *_ = made.every()
    made.change(one.id, answer=answer())
    log.keep_up(made)
    assert [line.get("variations") for line in lines(path)] == [None, 0, 2]


def test_verdicts_and_exports(path) -> None:
    log, one = audit.open_log(path), turn()
    for verdict in ("agree", "disagree", None):
        log.judged("5e55", one, verdict)
    log.exported("5e55", 4, "pdf", b"bytes")
    _, *judged, export = lines(path)
    assert [line["verdict"] for line in judged] == ["agree", "disagree", None]
    assert {line["turn"] for line in judged} == {one.id}
    assert export["file"] == hashlib.sha256(b"bytes").hexdigest() and export["turns"] == 4
    assert audit.check(path, [log.tip()]).whole and log.tip().line == 5


def test_a_colour_picture_a_text_and_an_unknown_model(path) -> None:
    bare = answer(provenance={}, trust=None, variations=(), evidence=None, confidence=None)
    grey = np.broadcast_to(np.zeros((4, 5, 1), np.uint8), (4, 5, 3))
    audit.open_log(path).answered("5e55", turn(answer=bare, region=None, picture=grey))
    line = lines(path)[1]
    assert line["window"] is line["trust"] is line["region"] is line["decoder"] is line["model"] is None
    assert line["picture"] == hashlib.sha256(bytes(60)).hexdigest()


def test_only_the_owner_may_read(path) -> None:
    audit.open_log(path).keep_up(session())
    for file in (path, audit.key_path(path)):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_log_goes_on_where_it_was(path) -> None:
    one = turn()
    audit.open_log(path).answered("5e55", one)
    audit.open_log(path).judged("5e56", one, "agree")
    assert audit.check(path).tip.line == 3
    assert lines(path)[1]["answer"] == lines(path)[2]["answer"]  # the same key


@pytest.mark.parametrize("damage", ["line", "no key", "another key", "torn key"])
def test_a_damaged_log_is_not_continued(path, damage) -> None:
    audit.open_log(path).keep_up(session())
    key = audit.key_path(path)
    if damage == "line":
        path.write_bytes(path.read_bytes().replace(b'"frame":3', b'"frame":4'))
    elif damage == "no key":
        key.unlink()
    else:
        key.write_text("00" * (32 if damage == "another key" else 31))
    before = path.read_bytes()
    with pytest.raises(InputError, match="line 2 is not as it was written" if damage == "line" else "key"):
        audit.open_log(path)
    assert path.read_bytes() == before


def test_places_that_cannot_hold_a_log(tmp_path) -> None:
    with pytest.raises(InputError, match="found a folder"):
        audit.open_log(tmp_path)
    with pytest.raises(InputError, match="make it first"):
        audit.open_log(tmp_path / "absent" / "log")
    with pytest.raises(InputError, match="choose another path"):
        audit.open_log(tmp_path / ("n" * 300))


OPENING = """
import sys; from pathlib import Path; from app.record import audit
print("ready", flush=True); sys.stdin.readline()
audit.open_log(Path(sys.argv[1])).exported("5e55", 1, "pdf", b"")
"""


def test_two_processes_make_one_log_with_one_key(path) -> None:
    command = [sys.executable, "-c", OPENING, str(path)]
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in "ab"
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in processes:
        process.communicate("\n", timeout=60)
    assert [process.returncode for process in processes] == [0, 0]
    audit.open_log(path)
    assert [line["event"] for line in lines(path)] == ["log", "export", "export"]


def test_command_line(path, capsys) -> None:
    log = audit.open_log(path)
    log.keep_up(session())
    tip = log.tip()
    assert audit.main([str(path), str(tip)]) == 0 and f"last line, {tip}" in capsys.readouterr().out
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:1]))
    assert audit.main([str(path)]) == 0 and "whole" in capsys.readouterr().out
    assert audit.main([str(path), str(tip)]) == 1 and "broken: line 2 is missing" in capsys.readouterr().out
    assert audit.main([]) == audit.main([str(path), "x"]) == audit.main([str(path.parent)]) == 2
    assert capsys.readouterr().err.count("medfly: ") == 3


def test_a_failure_to_write_is_told_and_tried_again(path) -> None:
    log, one = audit.open_log(path), turn()
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    with pytest.raises(InputError, match="not whole"):
        log.answered("5e55", one)
    path.write_bytes(whole)
    log.answered("5e55", dataclasses.replace(one, verdict="agree"))
    assert [line["event"] for line in lines(path)] == ["log", "answer"]
