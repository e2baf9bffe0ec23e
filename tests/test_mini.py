"""The embedded model: its size, its form, and that its card tells the truth."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

import data_adapters
import medfly
from benchmarks.protocols.exact import NORMALISED
from benchmarks.runner import read_results, run
from benchmarks.scores import score_group
from benchmarks.tasks import get_task
from data_adapters.slake import Slake
from medfly.dragonfly.hub import BUILT_IN
from medfly.training.recipe import read_recipe

ROOT = Path(__file__).parent.parent
FOLDER = BUILT_IN["mini"]
SLAKE = ROOT.parent / "shared" / "datasets" / "slake"


@pytest.fixture(scope="module")
def mini() -> medfly.MedFly:
    return medfly.load("mini")


def test_it_is_small_and_holds_no_pickle() -> None:
    files = [file for file in FOLDER.iterdir() if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= 32e6
    assert {file.suffix for file in files} <= {".json", ".safetensors", ".md", ""}
    assert (FOLDER / "LICENSE").is_file() and (FOLDER / "README.md").is_file()


def test_it_looks_at_all_three_levels(mini: medfly.MedFly) -> None:
    assert mini.model.config.crops_per_level == {"low": 1, "medium": 4, "high": 36}
    scan = data_adapters.read(str(get_testdata_file("CT_small.dcm", download=False)))
    answer = mini.ask(scan, "What modality is used to take this image?")
    assert answer.text and answer.evidence is not None
    assert {region.level for region in answer.evidence.regions if region.score} == {"low", "medium", "high"}


def test_its_tokens_span_no_space(mini: medfly.MedFly) -> None:
    vocabulary = set(mini.processor.tokenizer.get_vocab()) - set(mini.processor.tokenizer.all_special_tokens)
    assert not [token for token in vocabulary if not token.startswith("<|") and "Ġ" in token.lstrip("Ġ")]


@given(st.text())
@settings(max_examples=50, deadline=None)  # the first example loads the model
def test_any_text_round_trips(text: str) -> None:
    processor = _processor()
    assert processor.tokenizer.decode(processor.answer_ids(text)[:-1]) == text.strip()


def _processor(cache: list = []):  # noqa: B006  one load for all of hypothesis' examples
    if not cache:
        cache.append(medfly.load("mini").processor)
    return cache[0]


def test_its_recipes_name_training_splits_only() -> None:
    for name in ("mini.yaml", "mini_stage2.yaml", "mini_stage3.yaml"):
        recipe = read_recipe(ROOT / "benchmarks" / "recipes" / name)
        assert {(source.task, source.split) for source in recipe.data} == {("slake", "train"), ("vqa_rad", "train")}


@pytest.mark.slow
@pytest.mark.skipif(not SLAKE.is_dir(), reason="needs ../shared/datasets/slake")
def test_its_card_can_be_measured_again(mini: medfly.MedFly, tmp_path: Path) -> None:
    card = json.loads((FOLDER / "card_scores.json").read_text())
    assert card["model"]["hash"] == mini.hash
    samples = get_task("slake").samples(Slake(SLAKE), "validate")
    folder = run(mini.answer, samples, tmp_path, model=card["model"], task="slake", split="validate")
    again = score_group(read_results(folder, samples), NORMALISED, "slake")
    stated = card["conditions"]["as_is"]["overall"]
    assert again["denominator"] == stated["denominator"] == 1053
    assert abs(again["numerator"] - stated["numerator"]) <= 2  # another processor may round a tie the other way
