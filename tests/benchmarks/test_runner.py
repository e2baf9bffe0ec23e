"""Runs of the majority baseline, whole and interrupted: what is on disk is compared byte for byte."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from benchmarks import predictions
from benchmarks.baselines import QuestionOnlyMajority, blank_images, shuffled_images
from benchmarks.protocols.exact import NORMALISED
from benchmarks.runner import read_results, run
from benchmarks.scores import score
from medfly.types import Answer, Evidence, FrameBox, InputError, Region, Sample

MODEL = {"name": "majority", "hash": "m1"}


class Recorder:
    """The majority baseline, which remembers what it was asked and can fail after some answers."""

    def __init__(self, training: list[Sample], fail_after: int | None = None, error: type[BaseException] = OSError):
        self.majority = QuestionOnlyMajority.fit(training)
        self.fail_after, self.error = fail_after, error
        self.asked: list[int | str] = []

    def __call__(self, samples: Iterable[Sample]) -> Iterator[Answer]:
        for sample in samples:
            if self.fail_after is not None and len(self.asked) == self.fail_after:
                raise self.error("the machine went away")
            self.asked.append(sample.id)
            yield from self.majority([sample])


def start(answer, samples, path: Path, **changes) -> Path:
    return run(answer, samples, path, **({"model": MODEL, "task": "slake", "split": "validate"} | changes))


def files(folder: Path) -> dict[str, bytes]:
    """All but run.json, which grows by an entry a start."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "run.json"}


def test_rows_by_hand(samples: list[Sample], tmp_path: Path) -> None:
    samples[1] = replace(samples[1], answer=None, answer_type=None, question="Größe?\u2028")

    def echo(asked: Iterable[Sample]) -> Iterator[Answer]:
        return (Answer(s.question, "Größe", 0.25 if s.id == "q0" else None) for s in asked)

    folder = start(echo, samples[:2], tmp_path)
    assert folder == tmp_path / "slake_validate"
    assert (folder / "predictions.jsonl").read_text("utf-8").split("\n") == [
        '{"id": "q0", "image": "img0.png", "question": "Which image is this?\\tPart 0", "answer": "Image 0", '
        '"answer_type": "OPEN", "prediction": "Größe", "confidence": 0.25}',
        '{"id": 1, "image": "img0.png", "question": "Größe?\u2028", "answer": null, "answer_type": null, '
        '"prediction": "Größe", "confidence": null}',
        "",
    ]
    assert [row["id"] for row in predictions.read(folder / "predictions.jsonl")] == ["q0", 1]


def test_evidence_is_kept_where_it_is_scored_and_nowhere_else(samples: list[Sample], tmp_path: Path) -> None:
    found = Evidence("told", (Region("high", 3, (0.0, 0.5, 4.0, 4.0), -0.25, (FrameBox(0, (0.0, 0.0, 1.0, 1.0)),)),))

    def pointing(asked: Iterable[Sample]) -> Iterator[Answer]:
        return (Answer(s.question, "yes", 0.5, found) for s in asked)

    plain = start(pointing, samples[:1], tmp_path / "plain")
    folder = start(pointing, samples[:1], tmp_path / "kept", evidence="gradients")
    lines = [(one / "predictions.jsonl").read_text().rstrip("\n") for one in (plain, folder)]
    assert lines[1] == lines[0][:-1] + (
        ', "evidence": {"method": "told", "regions": [{"level": "high", "crop": 3, "box": [0.0, 0.5, 4.0, 4.0], '
        '"score": -0.25}]}}'
    )
    (result,) = read_results(folder, samples[:1])
    assert result.evidence is not None and result.evidence.regions[0].box == (0.0, 0.5, 4.0, 4.0)
    assert read_results(plain, samples[:1])[0].evidence is None
    with pytest.raises(InputError, match="found evidence 'gradients', expected 'causal_all'"):
        start(pointing, samples[:1], tmp_path / "kept", evidence="causal_all")
    with pytest.raises(RuntimeError, match="no evidence with its answer to question 'q0'"):
        start(Recorder(samples), samples, tmp_path / "none", evidence="gradients")


def test_finished_folder(samples: list[Sample], tmp_path: Path) -> None:
    folder = start(Recorder(samples), samples, tmp_path)
    assert sorted(files(folder)) == ["predictions.jsonl"]
    manifest = json.loads((folder / "run.json").read_text())
    assert (manifest["task"], manifest["split"], manifest["model"]) == ("slake", "validate", MODEL)
    assert (manifest["samples"], manifest["batch_size"], manifest["prompt"]["name"]) == (12, 1, "question")
    (made,) = manifest["made"]
    assert made["processes"] == 1 and made["versions"]["numpy"] == np.__version__ and made["command"]
    # By hand: "Which image is this" is a four-way tie that the first wins: 1 of 4. Parts 1 and 2 of img0…img3 are
    # Yes No Yes No and No Yes No Yes: the majority of each is a tie, so 2 of 4 and 2 of 4.
    results = read_results(folder, samples)
    assert [result.sample for result in results] == samples
    groups = score(results, NORMALISED, "slake")["groups"]
    assert {name: (g["numerator"], g["denominator"]) for name, g in groups.items()} == {
        "open": (1, 4),
        "closed": (4, 8),
        "overall": (5, 12),
    }
    with pytest.raises(InputError, match="12 questions that are not the 11 asked"):
        read_results(folder, samples[:-1])


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("answered", [0, 1, 7, 11])
def test_interrupted_run_resumes_to_the_same_files(
    samples: list[Sample], tmp_path: Path, answered: int, error: type[BaseException]
) -> None:
    whole = start(Recorder(samples), samples, tmp_path / "whole")
    with pytest.raises(error, match="went away"):
        start(Recorder(samples, answered, error), samples, tmp_path / "cut")
    folder = tmp_path / "cut" / "slake_validate"
    assert (folder / "predictions.jsonl").read_bytes().count(b"\n") == answered

    second = Recorder(samples)
    start(second, samples, tmp_path / "cut")
    assert second.asked == [s.id for s in samples[answered:]]
    assert files(folder) == files(whole)

    third = Recorder(samples)
    start(third, samples, tmp_path / "cut")
    assert third.asked == []
    assert files(folder) == files(whole)


def test_answers_are_on_disk_while_the_run_goes_on(samples: list[Sample], tmp_path: Path) -> None:
    path = tmp_path / "slake_validate" / "predictions.jsonl"
    seen = []

    def watching(asked: Iterable[Sample]) -> Iterator[Answer]:
        for sample in asked:
            seen.append(path.read_bytes().count(b"\n"))
            yield Answer(sample.question, "yes")

    start(watching, samples, tmp_path)
    assert seen == list(range(12))


def test_a_batch_is_one_images_questions_and_written_in_one_piece(samples: list[Sample], tmp_path: Path) -> None:
    """Images that are mixed in the data set stand together in the file; what is in a batch is the task's business."""
    mixed = [samples[i] for i in (0, 3, 1, 4, 2, 5)]  # two images, three questions each
    path = tmp_path / "slake_validate" / "predictions.jsonl"
    seen = []

    def watching(asked: Iterable[Sample]) -> Iterator[Answer]:
        for sample in asked:
            seen.append((sample.id, path.read_bytes().count(b"\n")))
            yield Answer(sample.question, "yes")

    start(watching, mixed, tmp_path, batch_size=2)
    assert seen == [("q0", 0), (1, 0), (2, 2), ("q1", 3), (4, 3), (5, 5)]
    assert [result.sample.id for result in read_results(path.parent, mixed)] == ["q0", "q1", 1, 4, 2, 5]


def test_an_image_that_was_begun_is_gone_on_with_at_the_same_batch(samples: list[Sample], tmp_path: Path) -> None:
    whole = files(start(Recorder(samples), samples, tmp_path / "whole", batch_size=2))
    with pytest.raises(OSError):
        start(Recorder(samples, 6), samples, tmp_path / "cut", batch_size=2)  # img1: its first two are written
    second = Recorder(samples)
    folder = start(second, samples, tmp_path / "cut", batch_size=2)
    assert second.asked == [s.id for s in samples[6:]] and files(folder) == whole
    (folder / "predictions.jsonl").write_bytes(b"".join(whole["predictions.jsonl"].splitlines(True)[:4]))
    third = Recorder(samples)  # one row of a batch of two: the batch is asked again, for it must be the same batch
    start(third, samples, tmp_path / "cut", batch_size=2)
    assert third.asked == [s.id for s in samples[3:]] and files(folder) == whole
    with pytest.raises(InputError, match="found batch_size 2, expected 3"):
        start(Recorder(samples), samples, tmp_path / "cut", batch_size=3)


def test_samples_and_answers_are_streamed(samples: list[Sample], tmp_path: Path) -> None:
    """Samples given as a generator work, and a half-written last line is dropped and done again."""
    whole = files(start(Recorder(samples), iter(samples), tmp_path))
    folder = tmp_path / "slake_validate"
    content = whole["predictions.jsonl"]
    ends = [i + 1 for i, byte in enumerate(content) if byte == 10]
    for cut in (ends[4] + 20, ends[4] - 1, 5):  # inside line 6; line 5 without its end; inside line 1
        (folder / "predictions.jsonl").write_bytes(content[:cut])
        recorder = Recorder(samples)
        start(recorder, samples, tmp_path)
        assert len(recorder.asked) == 12 - content[:cut].count(b"\n")
        assert files(folder) == whole


def test_half_a_character_at_the_end_is_dropped(samples: list[Sample], tmp_path: Path) -> None:
    samples = [replace(s, answer="größer", question=f"größer {s.id}") for s in samples]
    whole = files(start(Recorder(samples), samples, tmp_path))
    path = tmp_path / "slake_validate" / "predictions.jsonl"
    path.write_bytes(whole["predictions.jsonl"][: whole["predictions.jsonl"].rindex("ö".encode()) + 1])
    start(Recorder(samples), samples, tmp_path)
    assert files(path.parent) == whole


OTHER_RUNS = {
    "model": lambda s: (s, {"model": {"name": "majority", "hash": "m2"}}),
    "samples": lambda s: (s[:-1], {}),
    "question": lambda s: ([replace(s[0], question="What?"), *s[1:]], {}),
    "gold": lambda s: ([replace(s[0], answer="No"), *s[1:]], {}),
    "order": lambda s: (s[::-1], {}),
    "shuffled": lambda s: (shuffled_images(s), {}),
    "blank": lambda s: (blank_images(s), {}),
}


@pytest.mark.parametrize("change", OTHER_RUNS)
def test_another_run_is_refused_and_nothing_is_touched(samples: list[Sample], tmp_path: Path, change: str) -> None:
    start(Recorder(samples), samples, tmp_path)
    path = tmp_path / "slake_validate" / "predictions.jsonl"
    path.write_bytes(path.read_bytes()[:-5])  # a refused folder keeps even its broken line
    before = files(path.parent)
    asked, changes = OTHER_RUNS[change](samples)
    recorder = Recorder(samples)
    with pytest.raises(InputError, match=r"found .* expected .* --output_path"):
        start(recorder, asked, tmp_path, **changes)
    assert recorder.asked == []
    assert files(path.parent) == before


def test_a_renamed_model_resumes(samples: list[Sample], tmp_path: Path) -> None:
    start(Recorder(samples), samples, tmp_path)
    recorder = Recorder(samples)
    start(recorder, samples, tmp_path, model={"name": "other name", "hash": "m1"})
    assert recorder.asked == []


def test_a_folder_with_only_predictions_or_a_broken_record_is_refused(samples: list[Sample], tmp_path: Path) -> None:
    folder = start(Recorder(samples), samples, tmp_path)
    (folder / "run.json").write_text("{")
    with pytest.raises(InputError, match="cannot be used"):
        start(Recorder(samples), samples, tmp_path)
    (folder / "run.json").unlink()
    with pytest.raises(InputError, match=r"without run\.json"):
        start(Recorder(samples), samples, tmp_path)
    (folder / "predictions.jsonl").rename(folder / "predictions.part-1-of-2.jsonl")  # of whichever model they are
    with pytest.raises(InputError, match=r"part-1-of-2\.jsonl without run\.json"):
        start(Recorder(samples), samples, tmp_path, model={"name": "another", "hash": "m2"})


def test_rows_that_two_starts_at_a_time_wrote_twice_are_counted_once(samples: list[Sample], tmp_path: Path) -> None:
    path = start(Recorder(samples), samples, tmp_path, batch_size=2) / "predictions.jsonl"
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], *lines[:2], *lines[3:], lines[3]]))  # and half a batch, cut off
    recorder = Recorder(samples)
    start(recorder, samples, tmp_path, batch_size=2)
    assert recorder.asked == [] and path.read_bytes() == whole
    path.write_bytes(b"".join([*lines[:3], *lines[:2], lines[3]]))
    start(recorder, samples, tmp_path, batch_size=2)
    assert path.read_bytes() == whole and len(recorder.asked) == len(lines) - 3


def test_rows_that_are_not_this_runs_are_refused(samples: list[Sample], tmp_path: Path) -> None:
    path = start(Recorder(samples), samples, tmp_path) / "predictions.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    for content, message in [
        (b"".join([lines[0].replace(b"Which", b"What"), *lines[1:]]), "line 1: found an answer to another question"),
        (b"".join([lines[0].replace(b'"q0"', b'"q9"'), *lines[1:]]), "line 1: found an id that begins no batch"),
        (b"".join([lines[0], b"oops\n", *lines[2:]]), "line 2: not JSON"),
        (
            b"".join([*lines, lines[0].replace(b'"prediction": "', b'"prediction": "not ')]),
            "line 13: found question 'q0' a sec",
        ),
    ]:
        path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            start(Recorder(samples), samples, tmp_path)
        assert path.read_bytes() == content


def test_a_model_that_breaks_its_contract_is_stopped(samples: list[Sample], tmp_path: Path) -> None:
    majority = QuestionOnlyMajority.fit(samples)
    with pytest.raises(RuntimeError, match="11 answers to 12 samples"):
        start(lambda asked: islice(majority(asked), 11), samples, tmp_path / "few")
    with pytest.raises(RuntimeError, match="more answers than the 12"):
        start(lambda asked: majority([*asked, samples[0]]), samples, tmp_path / "many")
    with pytest.raises(RuntimeError, match="out of order") as told:
        start(lambda asked: majority(list(asked)[::-1]), samples, tmp_path / "order")
    assert not any(sample.question in str(told.value) for sample in samples)  # it may be patient data


def test_no_questions_and_an_unusable_folder_are_refused(samples: list[Sample], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no questions"):
        start(Recorder(samples), [], tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file' is no folder to write to; expected one"):
        start(Recorder(samples), samples, tmp_path / "file")


def test_progress_in_a_log_is_a_line_per_tenth(
    samples: list[Sample], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = [replace(s, id=i) for i, s in enumerate(samples * 5)]  # 60
    with pytest.raises(OSError):
        start(Recorder(samples, 33), more, tmp_path)
    start(Recorder(samples), more, tmp_path)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [f"slake validate: {n}/60" for n in range(6, 61, 6)]


def test_write_json_renames_over_the_old_file(tmp_path: Path) -> None:
    """A second name of the old file keeps the old content: it was replaced, never written into."""
    path, kept = tmp_path / "scores.json", tmp_path / "kept.json"
    predictions.write_json(path, {"a": 1})
    kept.hardlink_to(path)
    predictions.write_json(path, {"a": 2})
    assert [json.loads(p.read_text()) for p in (kept, path)] == [{"a": 1}, {"a": 2}]
    assert sorted(files(tmp_path)) == ["kept.json", "scores.json"]


def test_write_json_leaves_the_old_file_where_the_new_one_fails(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    predictions.write_json(path, {"a": 1})
    with pytest.raises(ValueError):
        predictions.write_json(path, {"a": float("nan")})
    assert files(tmp_path) == {"scores.json": b'{\n  "a": 1\n}\n'}
