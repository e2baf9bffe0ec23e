"""PathVQA's real validation questions through runner and scores, with pictures that stand in for its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.baselines import QuestionOnlyMajority
from benchmarks.protocols.exact import NORMALISED
from benchmarks.protocols.llava_med import RUN_EVAL, RUN_EVAL_BATCH
from benchmarks.runner import read_results, run
from benchmarks.scores import crosswalk
from benchmarks.submissions import questions_of
from benchmarks.tasks import get_task

PATH_VQA = Path(__file__).resolve().parents[3] / "shared" / "datasets" / "path_vqa"


@pytest.mark.skipif(not PATH_VQA.is_dir(), reason="PathVQA's questions are not here")
def test_the_majority_on_real_questions(tmp_path: Path) -> None:
    task, copy = get_task("path_vqa"), tmp_path / "path_vqa"
    shutil.copytree(PATH_VQA, copy)
    copy.chmod(0o755)  # the original may be read-only
    asked = questions_of(task.open(PATH_VQA), "val")
    (copy / "images" / "val").mkdir(parents=True)
    for number, name in enumerate(dict.fromkeys(sample.image for sample in asked)):
        Image.new("L", (8, 8), number % 256).save(copy / "images" / "val" / f"{name}.jpg")
    samples = task.samples(task.open(copy), "val")
    assert len(samples) == len(asked) == 6279
    majority = QuestionOnlyMajority.fit(questions_of(task.open(PATH_VQA), "train"))
    model = {"name": "majority", "hash": majority.hash}
    folder = run(majority, samples, tmp_path / "out", model=model, task="path_vqa", split="val", batch_size=8)
    results = read_results(folder, samples)
    # Independently: yes or no, as the gold answer is one of them; what run_eval counts are the right ones and few else.
    closed = [r for r in results if (r.sample.answer or "").lower() in ("yes", "no")]
    right = sum(r.prediction.lower() == (r.sample.answer or "").lower() for r in closed)
    found = crosswalk(results, "path_vqa", [NORMALISED, RUN_EVAL, RUN_EVAL_BATCH])["protocols"]
    groups = [found[rule.name]["groups"]["closed"] for rule in (NORMALISED, RUN_EVAL_BATCH)]
    assert [(g["numerator"], g["denominator"]) for g in groups] == [(right, len(closed))] * 2
    dropped = found[RUN_EVAL.name]["groups"]["closed"]
    assert dropped["denominator"] + dropped["left_out"] == len(closed) and dropped["percent"] > 99
