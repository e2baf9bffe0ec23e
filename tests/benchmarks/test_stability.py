"""The orders against scikit-learn and repeated questions, the tables by hand, and the script with a tiny model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import roc_auc_score

from benchmarks import stability
from benchmarks.calibration import area_under_risk_coverage
from benchmarks.stability_tables import markdown, order, resampled
from benchmarks.statistics import proportion
from medfly.types import Answer, Sample, Variation

FEW = settings(max_examples=20, deadline=None)


@FEW
@given(st.integers(0, 10_000), st.integers(2, 40), st.integers(1, 6))
def test_weighted_orders_are_those_of_repeated_questions(seed: int, count: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    confidences = rng.integers(0, levels, count) / levels  # ties
    hits = rng.integers(0, 2, count).astype(float)
    weights = rng.integers(0, 4, (3, count))
    weights[:, 0] += 1
    found = order(confidences, hits, weights)
    for one, auroc, aurc in zip(weights, *found, strict=True):
        repeated = np.repeat(np.arange(count), one)
        assert aurc == pytest.approx(area_under_risk_coverage(confidences[repeated], hits[repeated]))
        if len(set(hits[repeated])) == 2:
            assert auroc == pytest.approx(roc_auc_score(hits[repeated], confidences[repeated]))
            assert auroc == pytest.approx(roc_auc_score(hits, confidences, sample_weight=one))
        else:
            assert np.isnan(auroc)


def test_resamples_draw_whole_clusters_and_the_same_ones_for_all() -> None:
    rng = np.random.default_rng(0)
    hits = rng.integers(0, 2, 60).astype(float)
    ways = {"one": rng.random(60), "other": rng.random(60)}
    ways["again"] = ways["one"]
    found = resampled(ways, hits, [number // 5 for number in range(60)])
    assert found["one"].aurc.shape == (10_001,)
    assert (found["one"].aurc == found["again"].aurc).all()
    assert found["one"].auroc[0] == pytest.approx(roc_auc_score(hits, ways["one"]))
    mean = np.nanmean(found["one"].auroc[1:])
    assert mean == pytest.approx(found["one"].auroc[0], abs=0.02)
    alike = resampled({"flat": np.zeros(60)}, hits, [number // 5 for number in range(60)])["flat"]
    assert np.allclose(alike.auroc, 0.5)
    failures = 1 - hits.reshape(12, 5).mean(1)  # with one confidence for all, AURC is the share of wrong answers
    low, high = np.quantile(alike.aurc[1:], [0.025, 0.975])
    assert alike.aurc[0] == pytest.approx(failures.mean())
    expected = proportion((1 - hits).tolist(), [number // 5 for number in range(60)])
    assert expected.low is not None and expected.high is not None
    assert expected.low <= low < high <= expected.high  # that one is expanded, of 12 clusters


def row(image: int, right: bool, same: dict[str, tuple[bool, bool]]) -> dict[str, Any]:
    """same: of each kind's only variation, whether it says the same, and whether it is right."""
    return {
        "id": image,
        "image": f"i{image}",
        "patient": None,
        "confidence": 0.9 if right else 0.4,
        "right": right,
        "variations": [
            {"kind": kind, "name": f"{kind} 1", "same": one, "right": good} for kind, (one, good) in same.items()
        ],
    }


def test_the_tables_count_flips_and_right_answers() -> None:
    rows = [row(i, i % 2 == 0, {"paraphrase": (True, i % 2 == 0), "zoom": (i > 0, i != 0)}) for i in range(8)]
    table = markdown(rows)
    assert table.index("| zoom | zoom 1 | 8 | 12.5 [") < table.index("| paraphrase | paraphrase 1 | 8 | 0.0 [")
    (zoom,) = [line for line in table.splitlines() if line.startswith("| zoom | zoom 1")]
    assert "| 50.0 | 87.5 [" in zoom and "+37.5 [" in zoom
    assert "8 questions, 8 images" in table
    (zoom,) = [line for line in table.splitlines() if line.startswith("| zoom | 8")]
    assert zoom.startswith("| zoom | 8 | 12.5 [") and "| 42.9 [" in zoom  # 3 of the 7 that do not flip
    assert "(n = 7) | 100.0 [" in zoom and zoom.endswith("(n = 1) |")
    assert "| paraphrases | confidence | 8 | 1.000 [1.000, 1.000] |" in table
    assert "| paraphrases | agreement | 8 | 0.500 [0.500, 0.500] | -0.500 [-0.500, -0.500] | 0.500 [" in table
    assert "windows, brightness and shifts" in table and "| windows, brightness and shifts | agreement" not in table


def test_a_row_has_judgements_and_no_words() -> None:
    def never() -> Any:
        raise AssertionError("no picture is needed")

    sample = Sample(7, "i", "Where is it?", never, "Left lung")  # type: ignore[arg-type]
    varied = (
        Variation("sides", "s", "Where is it?", "right Lung.", 0.5, True),
        Variation("zoom", "z", "Where is it?", "right lung", 0.5, False),
    )
    found = stability.row_of(sample, Answer("Where is it?", "Left lung", 0.7, variations=varied))
    assert found["right"] and [one["right"] for one in found["variations"]] == [True, False]
    assert [one["same"] for one in found["variations"]] == [True, False]
    assert "lung" not in json.dumps(found).lower() and "Where" not in json.dumps(found)


@pytest.fixture
def slake(tmp_path: Path) -> Path:
    folder, rows = tmp_path / "slake", []
    for number in (1, 2):
        (folder / f"imgs/xmlab{number}").mkdir(parents=True)
        Image.new("L", (48, 24), 80 * number).save(folder / f"imgs/xmlab{number}/source.jpg")
        for part, question in enumerate(("What is the main organ?", "Is it T2?")):
            rows.append(
                {"qid": 10 * number + part, "img_name": f"xmlab{number}/source.jpg", "question": question}
                | {"answer": "Liver", "answer_type": "OPEN", "content_type": "Organ", "modality": "CT"}
                | {"location": "Abdomen", "base_type": "vqa", "q_lang": "en", "img_id": number}
            )
    (folder / "validate.json").write_text(json.dumps(rows))
    return folder


def command(slake: Path, *more: str) -> list[str]:
    out = str(slake.parent / "out")
    required = ["--model", "tiny", "--tasks", "slake", "--split", "val", "--data", str(slake), "--output_path", out]
    return [*required, *more]


class Short:
    """The tiny model, whose answers end after two tokens; it may break off after so many pictures."""

    def __init__(self, folder: Path, breaks_after: int | None = None) -> None:
        from medfly import load

        self.fly, self.left, self.read_pictures = load(str(folder)), breaks_after, 0
        self.asked: list[list[str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.fly, name)

    def read(self, view: Any) -> Any:
        if self.read_pictures == self.left:
            raise KeyboardInterrupt
        self.read_pictures += 1
        return self.fly.read(view)

    def ask(self, scan: Any, questions: list[str], **options: Any) -> Any:
        self.asked.append(questions)
        options |= {"max_new_tokens": 2}
        return self.fly.ask(scan, questions, **options)

    def generate(self, prefix: Any, prompts: Any, limit: int) -> Any:
        return self.fly.generate(prefix, prompts, 2)


def test_a_killed_run_goes_on_and_ends_as_if_it_had_not_been(slake: Path, tiny_model: Path, capsys) -> None:
    with pytest.raises(KeyboardInterrupt):
        stability.main(command(slake), load=lambda name: Short(tiny_model, breaks_after=20))
    path = slake.parent / "out" / stability.ROWS
    before = path.read_bytes()
    assert before.count(b"\n") == 2
    path.write_bytes(before[:-9])  # as if it had been killed while it wrote
    fly = Short(tiny_model)
    assert stability.main(command(slake), load=lambda name: fly) == 0
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [one["id"] for one in rows] == [10, 11, 20, 21]
    assert path.read_bytes().startswith(before)
    assert fly.asked == [["Is it T2?"], ["What is the main organ?", "Is it T2?"]]  # the first row was kept
    names = {one["kind"] for one in rows[0]["variations"]}
    assert names == {"brightness", "inversion", "zoom", "shift", "jpeg", "paraphrase", "sides"}
    assert "inversion" not in {one["kind"] for one in rows[1]["variations"]}
    table = capsys.readouterr().out
    assert table == (slake.parent / "out" / stability.TABLE).read_text() and "| zoom | zoom +2 % | 4 |" in table
    head = f"Model {tiny_model.name} ({fly.hash[:12]}), slake validate. Research use only – not for diagnosis."
    assert table.splitlines()[:3] == ["# Stability under changes that should not matter", "", head]
    again = Short(tiny_model)
    assert stability.main(command(slake), load=lambda name: again) == 0 and again.read_pictures == 0
    assert stability.main(command(slake, "--limit", "1"), load=lambda name: again) == 2
    assert "holds another run" in capsys.readouterr().err


@pytest.mark.parametrize("more", [("--limit", "0"), ("--split", "nonsense"), ("--tasks", "no_task")])
def test_a_users_mistake_is_one_line(slake: Path, more: tuple[str, str], capsys) -> None:
    def never(name: str) -> Any:
        raise AssertionError("the data are looked at first")

    assert stability.main(command(slake, *more), load=never) == 2
    assert "expected" in (said := capsys.readouterr().err) and said.count("\n") == 1
