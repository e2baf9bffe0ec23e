"""Predictions in the forms that the field's tools write: what is read, and what is said of each thing that is wrong."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.protocols.exact import NORMALISED
from benchmarks.scores import score_group
from benchmarks.submissions import partial_sentence, read_results
from medfly.types import InputError, Sample

from .conftest import make_samples

Row = dict[str, Any]
SAMPLES = make_samples()
SUFFIX = "\nAnswer the question using a single word or phrase."
PREDICTIONS = [f'{s.answer}"; ,\n\t' if n % 3 == 0 else f" {s.answer}." for n, s in enumerate(SAMPLES)]
"""Two thirds are right under normalised exact match; the others are what makes CSV hard."""


def rows(**more: Callable[[Sample], Any]) -> list[Row]:
    """Bare rows: qid, prediction, and what is asked for."""
    pairs = zip(SAMPLES, PREDICTIONS, strict=True)
    return [{"qid": s.id, "prediction": text, **{key: make(s) for key, make in more.items()}} for s, text in pairs]


def renamed(original: Sequence[Row], **names: str) -> list[Row]:
    """The same rows; every column called otherwise: new=old."""
    return [{new: row[old] for new, old in names.items()} for row in original]


def to_lines(objects: Sequence[Any]) -> bytes:
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects).encode()


def to_csv(original: Sequence[Row], separator: str = ",") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(original[0]), delimiter=separator)
    writer.writeheader()
    writer.writerows(original)
    return text.getvalue().encode()


def to_parquet(original: Sequence[Row]) -> bytes:
    return pd.DataFrame([{**row, "qid": str(row["qid"]), "image": b"\0" * 9} for row in original]).to_parquet()


def ours() -> list[Row]:
    more = {key: lambda s, key=key: getattr(s, key) for key in ("id", "image", "question", "answer", "answer_type")}
    return [{k: v for k, v in row.items() if k != "qid"} for row in rows(**more, confidence=lambda s: 0.5)]


def llava() -> list[Row]:
    asked = rows(prompt=lambda s: f"{s.question.lower()}{SUFFIX}\n<image>", metadata=lambda s: {})
    return renamed(asked, question_id="qid", prompt="prompt", text="prediction", answer_id="qid", metadata="metadata")


def lm_eval(doc: bool = True) -> list[Row]:
    return [
        {
            "doc_id": number,
            **({"doc": {"question": s.question, "id": number}} if doc else {"input": s.question + SUFFIX}),
            "target": s.answer,
            "resps": [["thinking … " + text]],
            "filtered_resps": [text],
            "filter": "none",
        }
        for number, (s, text) in enumerate(zip(SAMPLES, PREDICTIONS, strict=True))
    ]


def medevalkit() -> list[Row]:
    asked = rows(question=lambda s: s.question, answer=lambda s: s.answer, lang=lambda s: "en")
    return renamed(asked, question="question", answer="answer", response="prediction", lang="lang")


FORMS = {
    "ours.jsonl": to_lines(ours()),
    "bare.jsonl": to_lines(rows()),
    "bare.json": json.dumps(rows(question=lambda s: s.question), indent=2).encode(),
    "pred.jsonl": to_lines(renamed(rows(), id="qid", pred="prediction")),
    "model_answer.json": json.dumps(renamed(rows(), question_id="qid", model_answer="prediction")).encode(),
    "bare.csv": to_csv(rows(answer=lambda s: s.answer)),
    "semicolon.csv": to_csv(rows(), ";"),
    "bare.tsv": to_csv(rows(question=lambda s: s.question), "\t"),
    "bare.parquet": to_parquet(rows()),
    "answers.jsonl": to_lines(llava()),
    "samples_slake_2026-11-23T01-02-03.456.jsonl": to_lines(lm_eval()),
    "20261123_010203_samples_slake.jsonl": to_lines(lm_eval(doc=False)),
    "results.json": json.dumps(medevalkit(), indent=4).encode(),
    "backwards.jsonl": to_lines(rows()[::-1]),
    "sig.jsonl": b"\xef\xbb\xbf" + to_lines(rows()),
    "utf16.jsonl": to_lines(rows()).decode().encode("utf-16"),
    "windows.jsonl": to_lines(rows()).replace(b"\n", b"\r\n"),
}


def read(folder: Path, content: bytes | Sequence[Any], name: str = "some.jsonl", **options: Any):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else to_lines(content))
    return read_results(path, options.pop("samples", SAMPLES), **options)


def refused(folder: Path, content: bytes | Sequence[Any], name: str = "some.jsonl", **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        read(folder, content, name, **options)
    return str(caught.value)


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_results_and_score(tmp_path: Path, name: str) -> None:
    results, warnings = read(tmp_path, FORMS[name], name)
    assert [result.prediction for result in results] == PREDICTIONS
    assert [result.sample for result in results] == SAMPLES
    assert {result.confidence for result in results} == ({0.5} if name == "ours.jsonl" else {None})
    group = score_group(results, NORMALISED, "slake")
    assert (group["numerator"], group["denominator"]) == (8, 12)
    assert partial_sentence(results, SAMPLES) is None
    # Only Parquet has one type a column, and says so of the ids that are numbers in the split.
    assert len(warnings) == (name == "bare.parquet")


@pytest.mark.parametrize(
    "names",
    [
        ("predictions.jsonl", "run.json"),
        ("predictions.part-0-of-2.jsonl", "predictions.part-1-of-2.jsonl"),
        ("samples_slake_en_2026-11-23T01-02-03.456789.jsonl", "results_2026-11-23T01-02-03.456789.json"),
        ("samples_slake_2026-11-23T01-02-03.1.jsonl", "samples_slake_2026-11-23T01-02-04.2.jsonl"),
        ("org__model/20261123_010203_samples_slake.jsonl",),
        ("results.json", "metrics.json"),
    ],
)
def test_folders_of_runs(tmp_path: Path, names: Sequence[str]) -> None:
    """In parts where there are two files of predictions."""
    (tmp_path / names[0]).parent.mkdir(exist_ok=True)
    other = names[-1].endswith(".json") and len(names) > 1
    if other:
        (tmp_path / names[1]).write_text("{}")
    parts = [names[0]] if other else list(names)
    form = medevalkit() if names[0] == "results.json" else lm_eval() if "samples" in names[0] else ours()
    for number, name in enumerate(parts):
        part = form[number :: len(parts)]
        (tmp_path / name).write_bytes(json.dumps(part).encode() if name == "results.json" else to_lines(part))
    results, _ = read_results(tmp_path, SAMPLES)
    assert [result.prediction for result in results] == PREDICTIONS


def test_folders_without_one_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder without predictions"):
        read_results(tmp_path, SAMPLES)
    for task in ("slake", "vqa_rad"):
        (tmp_path / f"samples_{task}_2026-11-23T01-02-03.1.jsonl").write_text("{}")
    with pytest.raises(InputError, match="samples of 2 tasks or models"):
        read_results(tmp_path, SAMPLES)
    with pytest.raises(InputError, match="no such file"):
        read_results(tmp_path / "nothing", SAMPLES)


def test_another_languages_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    """MedEvalKit asks SLAKE's test.json in both languages and writes no ids."""
    samples = [replace(s, metadata={"q_lang": "en"}) for s in SAMPLES]
    both = [row for one in medevalkit() for row in (one, {**one, "lang": "zh", "question": "是否?"})]
    results, warnings = read(tmp_path, both, samples=samples)
    assert [result.prediction for result in results] == PREDICTIONS
    assert warnings == [
        "rows in another language than the split, left out: 12 (first: line 2, line 4, line 6, line 8, line 10)"
    ]


def test_a_part_is_scored_only_when_told_so(tmp_path: Path) -> None:
    message = refused(tmp_path, rows()[:-2])
    assert message.endswith(
        "found questions without a prediction: 2 (10, 11); expected one prediction for each of the 12 questions of "
        "this split: complete the file, or score what is there with --partial"
    )
    results, warnings = read(tmp_path, rows()[:-2], partial=True)
    assert len(results) == 10 and warnings == []
    assert partial_sentence(results, SAMPLES) == (
        "partial: 10 of 12 questions; 2 have no prediction and are not scored"
    )
    assert "1 has no prediction and is not" in (partial_sentence(SAMPLES[1:], SAMPLES) or "")  # type: ignore[arg-type]
    assert "questions without a prediction: 12" in refused(tmp_path, [{"qid": 1, "prediction": None}], partial=True)


def test_unknown_ids_and_whose_they_are(tmp_path: Path) -> None:
    foreign = [{"qid": number, "prediction": "yes"} for number in range(100, 107)]
    elsewhere = {"slake train": {100, 101, 102}, "slake test": {"103"}, "slake_zh test": {7}}
    asked = []

    def other_splits():
        asked.append(1)
        return elsewhere

    for given_splits in (elsewhere, other_splits):
        message = refused(tmp_path, rows() + foreign, other_splits=given_splits)
        assert "rows whose id or number is not in this split: 7 (first: 100, 101, 102, 103, 104), " in message
        assert "3 of them of slake train, 1 of them of slake test; expected" in message
    assert "--partial" not in message and asked == [1]
    read(tmp_path, rows(), other_splits=other_splits)
    assert asked == [1]  # the other splits are not read without need


def test_ids_that_differ_in_type_only(tmp_path: Path) -> None:
    swapped = [row | {"qid": str(row["qid"])} for row in rows()]
    results, warnings = read(tmp_path, swapped)
    assert [result.prediction for result in results] == PREDICTIONS
    assert warnings[0].endswith('(first: "1", "2", "4", "5", "7")') and ": 8 (" in warnings[0]
    floats = [row | {"qid": float(row["qid"])} if isinstance(row["qid"], int) else row for row in rows()]
    assert len(read(tmp_path, floats)[0]) == 12
    assert len(read(tmp_path, to_csv(floats), "pandas.csv")[0]) == 12
    twins = [replace(SAMPLES[0], id="7"), *SAMPLES[1:]]  # 7 is another question's
    assert "not in this split: 1 (7.0)" in refused(tmp_path, [{"qid": 7.0, "prediction": "a"}], samples=twins)
    exact = [{"qid": s.id, "prediction": f"{s.id!r}"} for s in twins]
    assert [r.prediction for r in read(tmp_path, exact, samples=twins)[0]] == [f"{s.id!r}" for s in twins]


@pytest.mark.parametrize("odd", [True, None, [1], {"a": 1}, float("nan"), float("inf"), "007", "1.5", -1, "", "１"])
def test_what_is_no_id_of_the_split(tmp_path: Path, odd: Any) -> None:
    assert "found " in refused(tmp_path, [*rows(), {"qid": odd, "prediction": "No"}])


def test_doubled_ids(tmp_path: Path) -> None:
    results, warnings = read(tmp_path, [*rows(), rows()[1], rows()[1]])
    assert len(results) == 12
    assert warnings == ["rows that stand twice with the same prediction and count once: 2 (1, 1)"]
    message = refused(tmp_path, [*rows(), {"qid": 4, "prediction": "secret"}])
    assert "rows with a second, different prediction for a question: 1 (4)" in message and "secret" not in message


def test_shifted_rows_are_an_error(tmp_path: Path) -> None:
    """The ids are the split's, the predictions are the neighbours'."""
    right = rows(question=lambda s: s.question, answer=lambda s: s.answer)
    shifted = [{**row, "qid": SAMPLES[(n + 1) % 12].id} for n, row in enumerate(right)]
    message = refused(tmp_path, shifted)
    assert 'rows whose question is not the split\'s (are they shifted?): 12 (first: 1, 2, "q1", 4, 5)' in message
    assert "Which image" not in message
    for form in (lm_eval(), lm_eval(doc=False), medevalkit()):
        assert "are they shifted?" in refused(
            tmp_path,
            form[1:] + form[:1]
            if "doc_id" not in form[0]
            else [{**row, "doc_id": (row["doc_id"] + 1) % 12} for row in form],
        )
    without = [{k: v for k, v in row.items() if k != "question"} for row in shifted]
    assert "rows whose gold answer is not the split's (are they shifted?)" in refused(tmp_path, without)
    by_number = [{"doc_id": n, "target": s.answer, "resps": [["x"]]} for n, s in enumerate(SAMPLES)]
    by_number[3]["target"] = "other"
    assert "is not the split's (are they shifted?): 1 (line 4)" in refused(tmp_path, by_number)


def test_a_changed_gold_answer_is_told(tmp_path: Path) -> None:
    right = rows(question=lambda s: s.question.upper() + " ", answer=lambda s: f"{s.answer}.".lower())
    assert read(tmp_path, right)[1] == []
    right[0]["answer"] = "Patient Smith"
    results, warnings = read(tmp_path, right)
    assert warnings == ['rows with another gold answer than the split, whose own is scored: 1 ("q0")']
    assert results[0].sample.answer == "Image 0"
    for row in right:
        del row["question"]
    assert len(read(tmp_path, right)[1]) == 1  # most agree: not shifted


def test_rows_known_by_number_alone_are_told(tmp_path: Path) -> None:
    bare = [{"doc_id": n, "resps": [[text]]} for n, text in enumerate(PREDICTIONS)]
    results, warnings = read(tmp_path, bare)
    assert [r.prediction for r in results] == PREDICTIONS
    assert warnings[0].startswith("rows known by their number alone") and ": 12 (first: line 1," in warnings[0]
    numbered = [replace(s, id=n) for n, s in enumerate(SAMPLES)]  # as the hub's copies of PathVQA and VQA-RAD
    _, warnings = read(tmp_path, [{"qid": n, "pred": "x"} for n in range(12)], samples=numbered)
    assert warnings[0].startswith("rows known by their number alone")


def test_single_values(tmp_path: Path) -> None:
    odd = rows()
    odd[0]["prediction"] = ""
    odd[1]["prediction"] = 3
    odd[2]["prediction"] = 3.0
    odd[3]["prediction"] = "half a \ud83d smile"
    content = "".join(json.dumps(row) + "\n" for row in odd).encode()
    results, warnings = read(tmp_path, content)
    assert [r.prediction for r in results[:4]] == ["", "3", "3", "half a ? smile"]
    assert warnings == [
        'empty predictions, scored like any other: 1 ("q0")',
        "numbers for predictions, taken as text: 2 (1, 2)",
        'predictions with broken characters, replaced by "?": 1 ("q1")',
    ]
    for null in (None, float("nan")):
        odd = [*rows()[1:], {"qid": "q0", "prediction": null}]
        assert 'questions without a prediction: 1 ("q0")' in refused(tmp_path, odd)
        results, warnings = read(tmp_path, odd, partial=True)
        assert len(results) == 11
        assert warnings == ['rows with null for a prediction, which counts as none: 1 ("q0")']
    for value in (True, ["yes"], {"text": "yes"}):
        odd = [{"qid": "q0", "prediction": value}, *rows()[1:]]
        assert 'neither text nor a number: 1 ("q0")' in refused(tmp_path, odd)


def test_confidences(tmp_path: Path) -> None:
    given_ones = [0, 1, 0.25, 1.0000001, "0.5", None, "", float("nan"), float("inf"), -0.1, 98.5, True]
    results, warnings = read(
        tmp_path, [{**row, "confidence": one} for row, one in zip(rows(), given_ones, strict=True)]
    )
    assert [r.confidence for r in results] == [0, 1, 0.25, 1, 0.5, *[None] * 7]
    assert warnings == ['confidences that are no number from 0 to 1, taken as unknown: 5 (7, 8, "q3", 10, 11)']


def test_encodings(tmp_path: Path) -> None:
    content = "".join(json.dumps({**row, "prediction": "Schädel"}, ensure_ascii=False) + "\n" for row in rows())
    assert read(tmp_path, content.encode("cp1252"), encoding="cp1252")[0][0].prediction == "Schädel"
    message = refused(tmp_path, content.encode("cp1252"))
    position = content.index("ä")
    assert f"found byte 0xe4 at {position} (line 1), no utf-8;" in message and "--encoding cp1252" in message
    long = to_lines(rows() * 500) + b'{"qid": "\xff"}\n'  # past the stream's blocks
    assert f"byte 0xff at {len(long) - 4:,} (line 6,001)" in refused(tmp_path, long)
    for name in ("no-such-encoding", "base64", "a\0b"):
        assert "unknown encoding" in refused(tmp_path, content.encode(), encoding=name)


def test_a_line_that_is_cut_off(tmp_path: Path) -> None:
    whole = to_lines(rows())
    assert read(tmp_path, whole[:-1])[1] == []  # only the line end is missing
    message = refused(tmp_path, whole[:-3])
    assert "a last line, 12, that is cut off" in message and "--partial" in message
    results, warnings = read(tmp_path, whole[:-3], partial=True)
    assert len(results) == 11 and warnings == ["the last line, 12, is cut off and was not read"]
    assert "line 2: found no JSON" in refused(tmp_path, whole.replace(b'{"qid": 1,', b'{"qid" 1,'), partial=True)


@pytest.mark.parametrize(
    "content, name, words",
    [
        (b"", "a.jsonl", "an empty file"),
        (b" \n\n", "a.json", "an empty file"),
        (b"[]", "a.json", "questions without a prediction: 12"),
        (b"", "a.csv", "questions without a prediction: 12"),
        (b"[" * 100_000, "a.json", "found no JSON"),
        (b'{"a":' * 100_000, "a.jsonl", "line 1: found no JSON"),
        (b"[1, 2]", "a.json", "row 1: found no object"),
        (b'{"qid": 1, "prediction": "a"}\n7\n', "a.jsonl", "line 2: found no object"),
        (b"{\n", "a.json", "found no JSON"),
        (b"hello", "a.jsonl", "found no JSON"),
        (b"hello", "a.csv", "questions without a prediction"),
        (b"PK\x03\x04\xff", "a.csv", "a ZIP file or a workbook"),
        ('{"qid": 1, "pred": ""}\n{"qid": 2, "pred": "肺'.encode()[:-1], "a.jsonl", "line 2, where the file ends"),
        (b"PAR1 and no more", "a.parquet", "Parquet file that cannot be read"),
        (b"qid,prediction\n1\n", "a.csv", "row 2: found 1 cells; expected 2"),
        (b"qid,qid\n1,2\n", "a.csv", "row 2: found 2 cells; expected 1"),
        (b'qid,prediction\n1,"a" b\n', "a.csv", "row 2: found a quotation mark out of place"),
        (b'qid,prediction\n1,"a', "a.csv", "row 2: found a quotation mark out of place"),
        (b'{"qid": 1, "answer": "yes"}', "a.jsonl", "if answer is the model's, call it prediction"),
        (b'{"prediction": "yes"}', "a.jsonl", "no column of ids"),
        (b'{"qid": 1, "prediction": "a"}\n{"qid": 2}\n', "a.jsonl", "line 2: found no prediction"),
        (b'{"doc_id": 0, "resps": [["a"], ["b"]]}', "a.jsonl", "neither text nor a number: 1 (line 1)"),
        (b'{"doc_id": 0, "resps": [["-1.5", "False"]]}', "a.jsonl", "neither text nor a number: 1 (line 1)"),
        (b'{"doc_id": 99, "resps": [["a"]]}', "a.jsonl", "rows whose id or number is not in this split: 1 (line 1)"),
        (
            b'{"doc_id": 0, "resps": [["a"]], "filter": "x"}\n{"doc_id": 0, "resps": [["a"]], "filter": "y"}',
            "a.jsonl",
            "line 2: found the output of a second filter",
        ),
    ],
)  # fmt: skip
def test_files_at_fault(tmp_path: Path, content: bytes, name: str, words: str) -> None:
    message = refused(tmp_path, content, name)
    assert words in message and "; expected " in message and "\n" not in message


def test_two_columns_of_predictions_are_told(tmp_path: Path) -> None:
    both = rows(response=lambda s: "long text")
    results, warnings = read(tmp_path, both)
    assert results[0].prediction == PREDICTIONS[0]
    assert warnings == ["of the columns prediction and response, prediction is scored"]


def test_a_hospitals_ids_are_never_shown(tmp_path: Path) -> None:
    """They may be accession numbers; rows are named instead, the file's or the table's."""
    samples = [replace(s, id=f"ACC{n}", metadata={"row": n + 2}) for n, s in enumerate(SAMPLES)]
    given_rows = [{"id": s.id, "pred": "Smith"} for s in samples]
    message = refused(
        tmp_path, [*given_rows[1:], {"id": "ACC1", "pred": "Miller"}, {"id": "X9", "pred": ""}], samples=samples
    )
    assert "not in this split: 1 (line 13)" in message and "question: 1 (line 12)" in message
    assert "without a prediction: 1 (row 2)" in message
    assert not any(secret in message for secret in ("ACC", "X9", "Smith", "Miller"))
