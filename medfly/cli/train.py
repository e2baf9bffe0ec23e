"""`medfly train CONFIG.yaml`: reads the data that a recipe names and hands it to medfly.training."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from transformers.trainer_utils import get_last_checkpoint

from benchmarks.predictions import write_json
from benchmarks.tasks import get_task
from medfly.cli.told import tell_left_out
from medfly.dragonfly.hashes import model_hash
from medfly.dragonfly.hub import resolve
from medfly.dragonfly.loading import load_pretrained
from medfly.training.data import PackedImages, by_image
from medfly.training.recipe import Recipe, new_model, read_recipe
from medfly.training.trainer import train
from medfly.types import InputError, Sample

MANIFEST = "training.json"


def run(config: Path, output_dir: Path, console: Console) -> Path:
    """Train, or go on where an interrupted run stopped; the folder of the finished model.

    Raises InputError where output_dir holds a run of another recipe or other data.
    """
    recipe = read_recipe(config)
    sources = []
    for one in recipe.data:
        task = get_task(one.task)
        dataset = task.open(Path(one.folder))
        sources.append(task.samples(dataset, one.split))
        tell_left_out(dataset)
    manifest = _manifest(recipe, sources)
    resume = _may_resume(output_dir, manifest)
    texts = [text for samples in sources for s in samples for text in (s.question, s.answer or "")]
    if recipe.scratch is not None:
        model, processor = new_model(recipe.scratch, texts, recipe.seed)
    else:
        model, processor = load_pretrained(recipe.model or "", dtype="float32")
    if recipe.regularisation.high_crops and model.config.kept_per_medium is not None:
        raise InputError(
            f"{config}: high_crops: {recipe.regularisation.high_crops} with a v1 model, which selects its high crops "
            "from all of them; expected 0: leave high_crops out"
        )
    items = [
        item
        for source, samples in zip(recipe.data, sources, strict=True)
        for item in by_image(samples, processor) * source.repeat
    ]
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    console.print(
        f"{parameters:,} weights to train; {len({item.image for item in items})} images, "
        f"{sum(map(len, sources)):,} questions; {'resuming' if resume else 'starting'} in {output_dir}"
    )
    output_dir.mkdir(parents=True, exist_ok=True)
    write_json(output_dir / MANIFEST, manifest)
    kept = train(
        model,
        PackedImages(items, processor, recipe.augmentation, recipe.regularisation.high_crops),
        recipe.arguments(output_dir),
        dropout=recipe.regularisation.dropout,
        label_smoothing=recipe.regularisation.label_smoothing,
        average_decay=recipe.regularisation.average_decay,
        resume=resume,
    )
    folder = output_dir / "model"
    kept.half().save_pretrained(folder)  # half the size on disk; it is computed in fp32 all the same
    processor.save_pretrained(folder)
    return folder


def _manifest(recipe: Recipe, sources: list[list[Sample]]) -> dict:
    """What a run may be resumed with: the recipe and the data's questions and pictures."""
    data = [
        {
            "task": one.task,
            "split": one.split,
            "questions": len(samples),
            "images": len({s.image for s in samples}),
            "hash": _hash([(s.id, s.question, s.answer, s.scan.content_hash) for s in samples]),
        }
        for one, samples in zip(recipe.data, sources, strict=True)
    ]
    start = model_hash(resolve(recipe.model)) if recipe.model else None
    return {"recipe": asdict(recipe), "start": start, "data": data}


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _may_resume(output_dir: Path, manifest: dict) -> bool:
    if not output_dir.is_dir() or get_last_checkpoint(str(output_dir)) is None:
        return False
    file = output_dir / MANIFEST
    if not file.is_file() or json.loads(file.read_text()) != json.loads(json.dumps(manifest)):
        raise InputError(
            f"{output_dir}: holds a run of another recipe or other data; expected the same to resume it: "
            "choose another --output_dir"
        )
    return True
