"""Recipes: what is wrong with one is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from medfly.training.recipe import read_recipe
from medfly.types import InputError

MINI = Path(__file__).parent.parent.parent / "benchmarks" / "recipes" / "mini.yaml"


def test_the_minis_recipe_is_read(tmp_path: Path) -> None:
    recipe = read_recipe(MINI)
    assert [source.task for source in recipe.data] == ["slake", "vqa_rad"]
    assert {source.split for source in recipe.data} == {"train"}
    arguments = recipe.arguments(tmp_path)
    assert arguments.learning_rate == 1.5e-3 and arguments.seed == recipe.seed


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1, 2", "not readable as YAML"),
        ("- a\n- b\n", "found list, expected a mapping"),
        ("model: mini\ntraining: {}\n", "no data"),
        ("data: [{task: slake, folder: x}]\ntraining: {}\n", "either model"),
        ("modle: mini\ndata: [{task: slake, folder: x}]\ntraining: {}\n", "unknown modle; expected data, training"),
        ("model: mini\ndata: [{task: slake}]\ntraining: {}\n", r"data\[0\].*folder"),
        ("model: mini\ndata: [{task: slake, folder: x}]\ntraining: {}\naugmentation: {rotate: 180}\n", "rotate 180"),
        ("model: mini\ndata: [{task: slake, folder: x}]\n", "training"),
    ],
)
def test_wrong_recipes(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=says):
        read_recipe(file)


def test_wrong_training_argument(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("model: mini\ndata: [{task: slake, folder: x}]\ntraining: {learning_rat: 1}\n")
    with pytest.raises(InputError, match="learning_rat"):
        read_recipe(file).arguments(tmp_path)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_recipe(tmp_path / "none.yaml")
