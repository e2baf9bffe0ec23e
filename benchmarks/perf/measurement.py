"""One checkpoint loaded and asked one question: seconds and memory of each stage.

It goes through the loader and the engine as everybody does, and only looks on. Peaks are those of the whole process,
so it should have one of its own.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.perf import process

QUESTION = "What modality is used to take this image?"


def measured(folder: Path, image: Path, *, dtype: str, quantize: str | None, max_new_tokens: int) -> dict[str, Any]:
    """Load, hash, ask; what each took. Sizes are in bytes, times in seconds.

    ratio: bytes read from disk over the checkpoint's; 1 where its files are read once. Raises InputError.
    """
    import torch  # seconds, in this process only

    from data_adapters import read
    from medfly.dragonfly.checkpoint import weight_files
    from medfly.dragonfly.hashes import model_hash
    from medfly.dragonfly.loading import load_pretrained
    from medfly.dragonfly.quantization import quantization
    from medfly.engine import MedFly

    scan = read(image, frame=0)
    options = {"dtype": dtype, "device": "cpu", "quantization_config": quantize and quantization(quantize, "cpu")}
    files = weight_files(folder)
    size = sum(file.stat().st_size for file in files)
    result: dict[str, Any] = {
        "checkpoint": {"files": len(files), "format": files[0].suffix[1:], "bytes": size},
        "options": {"dtype": dtype, "quantize": quantize, "threads": torch.get_num_threads()},
        "machine": process.machine(),
        "before": process.memory(),
    }
    process.drop_from_cache(files)
    with _stage(result, "load"):
        model, processor = load_pretrained(str(folder), **options)
    with _stage(result, "hash"), tempfile.TemporaryDirectory() as empty:
        os.environ["MEDFLY_CACHE"] = empty  # else the hash of the last run would be taken from there
        fly = MedFly(model, processor, name=folder.name, hash=model_hash(folder))
    with _stage(result, "ask"), Stages(fly) as stages:
        answer = fly.ask(scan, QUESTION, evidence=False, max_new_tokens=max_new_tokens)
    result["ask"] |= stages.seconds()
    result["ratio"] = sum(result[stage]["bytes_read"] for stage in ("load", "hash", "ask")) / size
    result["answer"] = {"text": answer.text, "confidence": answer.confidence, "image": list(scan.size)}
    result["high_water"] = process.high_water()
    result["load_average_after"] = round(os.getloadavg()[0], 2)
    return result


@contextmanager
def _stage(result: dict[str, Any], name: str) -> Iterator[None]:
    """Seconds, bytes read, peaks, and the memory that stays afterwards."""
    _say(f"{name} …")
    start, read = time.perf_counter(), process.bytes_read()
    with process.Peaks() as watched:
        yield
    result[name] = {"seconds": time.perf_counter() - start, "bytes_read": process.bytes_read() - read}
    gc.collect()
    result[name] |= {"peak": watched.peaks, "steady": process.memory()}
    top, kept = watched.peaks, result[name]["steady"]
    _say(
        f"{name}: {result[name]['seconds']:.1f} s, peak VmRSS {top['VmRSS'] / 1e9:.2f} GB, "
        f"RssAnon {top['RssAnon'] / 1e9:.2f} GB (then {kept['RssAnon'] / 1e9:.2f} GB)"
    )


class Stages:
    """The times of an answer's stages, taken by hooks on the model of a `medfly.engine.MedFly`.

    crops: picture → model pixels. vision: crops → projected tokens. prefix: the decoder over the image positions.
    prompt: the decoder over the question, up to the first token. tokens: each further one.
    """

    def __init__(self, fly: Any) -> None:
        self.fly = fly
        self.spans: dict[str, list[float]] = {"crops": [], "vision": [], "decoder": [], "model": []}
        self._begun: dict[str, float] = {}

    def seconds(self) -> dict[str, Any]:
        steps = self.spans["model"]
        found: dict[str, Any] = {
            "crops": sum(self.spans["crops"]),
            "vision": sum(self.spans["vision"]),
            "prefix": self.spans["decoder"][0],
            "prompt": steps[0],
            "tokens": steps[1:],
        }
        if steps[1:]:
            found["token"] = {"median": median(steps[1:]), "least": min(steps[1:]), "most": max(steps[1:])}
        return found

    def __enter__(self) -> Stages:
        model, images = self.fly.model, self.fly.processor.image_processor
        self._watch(model, "model")
        self._watch(model.language_model.model, "decoder")
        for owner, name, stage in (
            (images, "crops", "crops"),
            (images, "normalise", "crops"),
            (model, "get_image_features", "vision"),
        ):
            setattr(owner, name, self._timed(getattr(owner, name), stage))
        _tell_layers("vision", getattr(getattr(model.image_encoder, "encoder", None), "layers", []))
        _tell_layers("prefix", model.language_model.model.layers)
        return self

    def __exit__(self, *problem: object) -> None:
        """The hooks stay: the process ends soon."""

    def _watch(self, module: Any, stage: str) -> None:
        module.register_forward_pre_hook(lambda *_: self._begun.update({stage: time.perf_counter()}))
        module.register_forward_hook(
            lambda *_: self.spans[stage].append(time.perf_counter() - self._begun[stage])  # None: output unchanged
        )

    def _timed(self, call: Callable[..., Any], stage: str) -> Callable[..., Any]:
        @wraps(call)
        def timed(*arguments: Any, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                return call(*arguments, **options)
            finally:
                self.spans[stage].append(time.perf_counter() - start)

        return timed


def _tell_layers(label: str, layers: Any) -> None:
    """A line on stderr at every eighth layer, the first time that the layers run."""
    start = time.perf_counter()
    for number, layer in enumerate(layers, 1):
        if number % 8 == 0:

            def tell(*_: Any, number: int = number) -> None:
                if number not in told:
                    told.add(number)
                    _say(
                        f"{label}: layer {number}/{len(layers)}, {time.perf_counter() - start:.0f} s since the question"
                    )

            layer.register_forward_hook(tell)
    told: set[int] = set()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
