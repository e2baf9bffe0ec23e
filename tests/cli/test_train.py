"""`medfly train`: a few steps of a tiny model, and recipes at fault."""

from __future__ import annotations

import pytest

RECIPE = """
model: {model}
data: [{{task: slake, split: train, folder: {data}}}]
training: {{max_steps: 2, per_device_train_batch_size: 2, logging_steps: 1, save_strategy: "no", use_cpu: true}}
"""


def test_tells_where_the_model_is_and_it_answers(cli, tiny_model, package_file, tmp_path) -> None:
    import json

    import numpy as np
    from PIL import Image

    folder = tmp_path / "data"
    (folder / "imgs" / "xmlab1").mkdir(parents=True)
    Image.fromarray(np.full((40, 40), 80, np.uint8)).save(folder / "imgs" / "xmlab1" / "source.jpg")
    row = {"img_id": 1, "img_name": "xmlab1/source.jpg", "question": "Which organ?", "answer": "Lung", "q_lang": "en"}
    row |= {"location": "Lung", "modality": "CT", "answer_type": "OPEN", "base_type": "vqa", "content_type": "Organ"}
    (folder / "train.json").write_text(json.dumps([row | {"triple": ["vhead", "_", "_"], "qid": 1}]))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE.format(model=tiny_model, data=folder))
    status, out, _ = cli("train", recipe, "--output_dir", tmp_path / "out")
    assert status == 0
    model = tmp_path / "out" / "model"
    assert f"model: {model}" in out and f"--model {model}" in out
    assert cli("ask", package_file("CT_small.dcm"), "Which organ?", "--model", model).status == 0


@pytest.mark.parametrize(
    "text, words",
    [
        (None, "no such file"),
        ("a: [", "not readable as YAML"),
        ("colour: red", "unknown colour"),
        ("training: {}\nmodel: mini", "no data"),
        ("training: {}\nmodel: mini\ndata: [{task: slake, folder: nowhere}]", "nowhere"),
    ],
)
def test_recipe_at_fault(cli, tmp_path, text: str | None, words: str) -> None:
    recipe = tmp_path / "recipe.yaml"
    if text is not None:
        recipe.write_text(text)
    status, out, err = cli("train", recipe, "--output-dir", tmp_path / "out")
    assert (status, out) == (2, "") and words in err and err.count("\n") == 1
    assert not (tmp_path / "out").exists()
