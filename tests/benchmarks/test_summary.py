"""The one dict that an evaluation ends with: what is in it, and what it warns of."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import cast

import pytest

from benchmarks.contamination import NOTHING, Contamination
from benchmarks.protocols.exact import NORMALISED
from benchmarks.results import Result
from benchmarks.scores import score_group
from benchmarks.summary import summarise
from benchmarks.tasks import Task, get_task
from data_adapters.dataset import DataSet

from .conftest import make_samples
from .test_tasks import MadeUp

TASK = Task("made_up", ("train", "test"), lambda folder: cast(DataSet, MadeUp()), {"kind of content": "content_type"})
RESULTS = [Result(sample, (sample.answer or "").lower(), 0.9) for sample in make_samples()]


def test_it_is_json_and_whole() -> None:
    found = summarise(RESULTS, TASK, "test", dataset=MadeUp(licence="CC0"), contamination=None, partial="Partial.")
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["task"], found["split"], found["partial"]) == ("made_up", "test", "Partial.")
    assert found["model"] == {"name": "unknown", "hash": None} and found["data"]["licence"] == "CC0"
    assert found["scores"]["protocols"]["normalised_exact_match"]["groups"]["overall"]["percent"] == 100
    assert set(found["subgroups"]["by"]) == {"answer type", "kind of content"}
    assert found["calibration"]["mean_confidence"] == pytest.approx(0.9)
    assert found["warnings"] == [NOTHING] and found["captions"] is found["audit"] is found["manifest"] is None


def test_what_has_to_be_known_of_the_data() -> None:
    found = summarise(RESULTS, TASK, "train", dataset=MadeUp(left_out=3), contamination=None, warnings=["first"])
    first, train, left_out, nothing = found["warnings"]
    assert (first, nothing) == ("first", NOTHING)
    assert "no score" in train and left_out.startswith("3 rows at fault")


def test_the_clean_rest_is_scored_apart() -> None:
    """One of four images is in training data; wrong answers are about that one alone."""
    results = [replace(r, prediction="?") if r.sample.image == "img0.png" else r for r in RESULTS]
    shared, none = frozenset({"img0.png"}), frozenset[str]()
    leak = Contamination(("made_up train",), 4, shared, none, none, 12, 3, "1 of 4 images are in made_up train.", ())
    found = summarise(results, TASK, "test", dataset=MadeUp(), contamination=leak)
    assert found["contamination"]["shared_images"] == 1 and found["warnings"] == []
    kept = [result for result in results if result.sample.image != "img0.png"]
    assert found["contamination"]["clean"] == score_group(kept, NORMALISED, "made_up")
    assert found["contamination"]["clean"]["percent"] == 100


def test_captions_take_the_place_of_answers() -> None:
    samples = [replace(s, answer=None, metadata={"references": ("a heart",)}) for s in make_samples(3, 1)]
    results = [Result(sample, "a heart") for sample in samples]
    found = summarise(results, get_task("captions"), "test", dataset=MadeUp(), contamination=None)
    assert found["captions"]["count"] == 3 and found["scores"] is found["subgroups"] is found["audit"] is None
