"""Jobs: they go on by themselves, end when nobody waits, and tell no log what they were about."""

from __future__ import annotations

import logging
import threading

import pytest

from app.jobs import Job
from medfly.types import InputError

SECRET = "Is Mrs Miller's lung healthy?"


def test_a_result_and_the_way_to_it() -> None:
    go_on, half_way = threading.Event(), threading.Event()

    def work(job: Job) -> int:
        job.tell(stage="looking", done=1, total=2)
        half_way.set()
        go_on.wait(5)
        job.tell(done=2)
        return 7

    job = Job(work, about="it")
    assert half_way.wait(5)
    assert (job.told.stage, job.told.done, job.told.total) == ("looking", 1, 2) and not job.ended
    go_on.set()
    assert job.wait(5) and (job.result, job.error, job.told.done, job.about) == (7, None, 2, "it")


@pytest.mark.parametrize("how", ["cancelled", "gone"])
def test_it_ends_at_its_next_step_when_nobody_waits(how: str) -> None:
    steps, here, gone = [], threading.Event(), threading.Event()

    def work(job: Job) -> None:
        while True:
            job.tell()
            steps.append(1)
            here.set()

    job = Job(work, alive=lambda: not gone.is_set())
    assert here.wait(5)
    job.cancel() if how == "cancelled" else gone.set()
    assert job.wait(5) and job.cancelled and job.result is None and job.error is None and steps


def test_a_users_mistake_is_told_in_its_own_words() -> None:
    def work(_: Job) -> None:
        raise InputError("found that; expected this")

    job = Job(work)
    assert job.wait(5) and job.error == "found that; expected this"


def test_what_else_fails_says_where_but_not_what_about(caplog: pytest.LogCaptureFixture) -> None:
    def work(_: Job) -> None:
        raise ValueError(SECRET)

    with caplog.at_level(logging.DEBUG):
        job = Job(work)
        assert job.wait(5)
    assert job.error is not None and "ValueError" in job.error
    assert "test_jobs.py" in caplog.text and "in work" in caplog.text
    assert "Miller" not in caplog.text + job.error
