"""The fuzzer: the same tries for the same seed, some of them run, and findings that are noticed."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest

from benchmarks import fuzz
from medfly.types import InputError


@pytest.fixture(scope="module")
def some() -> list[fuzz.Source]:
    return [source for source in fuzz.sources(fuzz.KINDS) if len(source.data) < 20_000]


def test_tries_depend_on_seed_and_number_only(some: list[fuzz.Source]) -> None:
    assert {source.kind for source in some} == set(fuzz.KINDS)
    first = [fuzz.mutated(some, 5, number) for number in range(30)]
    assert first == [fuzz.mutated(some, 5, number) for number in range(30)]
    assert first != [fuzz.mutated(some, 6, number) for number in range(30)]
    assert sum(data != source.data for source, _, data in first) >= 28


def test_a_hundred_tries_find_nothing(some: list[fuzz.Source], capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.fuzz(some, 0, range(100)) == 0
    said = capsys.readouterr().out
    assert f"100 tries of {len(some)} files, seed 0" in said and "findings: 0" in said
    for outcome in ("dicom: refused", "dicom: scan", "nifti: refused", "picture: refused"):
        assert outcome in said


def raises(problem: Exception) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        raise problem

    return read


def warns(data: bytes) -> None:
    warnings.warn("Doe^Jane", stacklevel=1)
    raise InputError("found a; expected b; c")


@pytest.mark.parametrize(
    ("read", "finding"),
    [
        (raises(KeyError("x")), "KeyError at test_fuzz.py"),
        (raises(InputError("found\nmore")), "more than one line"),
        (raises(InputError("found Doe^Jane")), "a text of the header comes back"),
        (warns, "1 warnings, 0 log records"),
        (raises(InputError("found a; expected b; c")), ""),
    ],
)
def test_findings(monkeypatch: pytest.MonkeyPatch, read: Callable[[bytes], None], finding: str) -> None:
    monkeypatch.setattr(fuzz, "read", read)
    outcome = fuzz.attempt(b"anything", ("Doe^Jane",))
    assert outcome.finding.startswith(finding) and bool(outcome.finding) == bool(finding)
