"""A checkpoint → model and processor, or one line that says why not.

What can be refused is refused before the weights are read, and what was read is compared with the files. The
module knows no scans; names, files and the accounting of tensors are those of hub, checkpoint and certificate.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor
from transformers.utils import logging as transformers_logging

from medfly.dragonfly.certificate import account, skeleton, unarrived
from medfly.dragonfly.chat import END_OF_TURN
from medfly.dragonfly.checkpoint import Stored, headers, prevailing_dtype, weight_files
from medfly.dragonfly.configuration import DragonflyConfig
from medfly.dragonfly.hub import naming, read_config, resolve
from medfly.dragonfly.modeling import DragonflyForCausalLM
from medfly.dragonfly.precision import widen_products
from medfly.dragonfly.processing import IMAGE_TOKEN, NEWLINE_TOKEN, DragonflyProcessor
from medfly.dragonfly.quantization import keep_differentiable, widen_int8
from medfly.types import InputError

OUT_OF_MEMORY = ("out of memory", "allocate memory", "not enough memory", "os error 12")
"""As PyTorch, CUDA, safetensors and the system say it."""
DTYPES = ("float32", "bfloat16", "float16")


class UnaccountedWarning(UserWarning):
    """A checkpoint was loaded although a tensor of it, or of the model, is not accounted for."""


def load_pretrained(
    name: str,
    *,
    dtype: str | torch.dtype = "auto",
    device: str | None = None,
    device_map: Any = None,
    attn_implementation: str | None = None,
    quantization_config: Any = None,
    allow_unaccounted: bool = False,
) -> tuple[DragonflyForCausalLM, DragonflyProcessor]:
    """Model in evaluation mode, and its processor. Raises InputError for what cannot be loaded.

    name: an existing folder, a built-in name or a hub repository, see `medfly.dragonfly.hub`.
    dtype: "auto", as most of the weights are stored, except that float16 is computed in float32; or "float32",
        "bfloat16", "float16", or one of torch's own.
    device: by default a GPU where there is one. device_map: in its place, as transformers takes it.
    attn_implementation, quantization_config: as transformers takes them; `medfly.dragonfly.quantization` makes one.
    allow_unaccounted: load although a tensor is not accounted for, and warn with UnaccountedWarning.
    """
    if device is not None and device_map is not None:
        raise InputError(f"device {device!r} and device_map {device_map!r}: expected one of the two: leave one off")
    wanted = known_dtype(dtype)
    check_device(device)
    folder = resolve(name)
    with of_model(name), quiet_transformers():
        read_config(folder)
        config = _config(folder)
        stored = headers(folder)  # reads all headers: a shard cut short, or one that asks for code, ends here
        processor = _processor(folder)
        check_special_tokens(processor, config)
        _tell(_unaccounted(folder, config), allow_unaccounted)
        model, report = _model(
            folder,
            config=config,
            dtype=wanted or _stored_dtype(stored),
            device_map=device_map or {"": device or ("cuda" if torch.cuda.is_available() else "cpu")},
            attn_implementation=attn_implementation,
            quantization_config=quantization_config,
        )
        _tell([*(line for _, line in reported(report)), *_lost(folder, model)], allow_unaccounted)
    widen_products(model)
    widen_int8(model)
    keep_differentiable(model)
    return model.eval(), processor


def known_dtype(dtype: str | torch.dtype) -> torch.dtype | None:
    """What is to be computed in; None for "auto". Raises InputError for a type that no weights are computed in."""
    if isinstance(dtype, torch.dtype) and dtype.is_floating_point:
        return dtype
    if dtype not in ("auto", *DTYPES):
        raise InputError(f"dtype {str(dtype)!r}: expected auto, {', '.join(DTYPES[:-1])} or {DTYPES[-1]}")
    return None if dtype == "auto" else getattr(torch, str(dtype))


def check_device(device: str | None) -> None:
    """Raises InputError for a device that is not there."""
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):  # AssertionError: torch built without CUDA
        here = "cpu or cuda" if torch.cuda.is_available() else "cpu"
        raise InputError(f"device {device!r}: not here; expected {here}: leave it off") from None


def _stored_dtype(stored: Iterable[Stored]) -> torch.dtype:
    """bfloat16 where most weights are stored in it, else float32. config.json may say another, or none."""
    # In the built-in model float16 is a form of storage only: a CPU is slow in it, and its range is small.
    return torch.bfloat16 if prevailing_dtype(stored) == "bfloat16" else torch.float32


def _config(folder: Path) -> DragonflyConfig:
    config: Any = DragonflyConfig.from_pretrained(folder)
    return config


def _processor(folder: Path) -> DragonflyProcessor:
    if not (folder / "tokenizer.json").is_file():
        raise InputError(f"{folder}: no tokenizer.json; expected the tokenizer beside config.json: fetch it again")
    return AutoProcessor.from_pretrained(folder, trust_remote_code=False)


def check_special_tokens(processor: DragonflyProcessor, config: DragonflyConfig) -> None:
    """A tokenizer of another model would put the image where no model looks for it, or never end an answer."""
    remedy = "tokenizer.json and config.json do not belong together: fetch the checkpoint again"
    for token, field in (
        (IMAGE_TOKEN, "image_token_id"),
        (NEWLINE_TOKEN, "image_newline_token_id"),
        (END_OF_TURN, "end_of_turn_token_id"),
    ):
        found, expected = processor.tokenizer.convert_tokens_to_ids(token), getattr(config, field)
        if found != expected or processor.tokenizer.convert_ids_to_tokens(found) != token:
            raise InputError(f"the tokenizer has {token} as {found}, expected {expected} ({field}): {remedy}")
    tokens, rows = len(processor.tokenizer), config.text_config.vocab_size  # type: ignore[union-attr]
    if tokens > rows:
        raise InputError(f"the tokenizer has {tokens} tokens, expected at most the model's {rows}: {remedy}")


def _model(folder: Path, **options: Any) -> tuple[DragonflyForCausalLM, dict[str, Any]]:
    """The model, and what transformers reports of its loading."""
    loaded: Any = AutoModelForImageTextToText.from_pretrained(
        folder,
        output_loading_info=True,
        trust_remote_code=False,
        use_safetensors=weight_files(folder)[0].suffix == ".safetensors",
        weights_only=True,
        **options,
    )
    model, report = loaded
    return model, report


def _unaccounted(folder: Path, config: DragonflyConfig) -> list[str]:
    """What the files' headers leave unaccounted for. A skeleton will do, so nothing large is read for it."""
    told = account(folder, skeleton(config))
    return [] if told.complete else [told.line()]


def reported(report: dict[str, Any]) -> list[tuple[str, str]]:
    """What transformers itself reports of loading: the kind, such as "missing_keys", and a line for people."""
    lines = []
    for kind, entries in report.items():
        if found := sorted(map(str, entries or [])):
            told = f"{len(found)} {kind.replace('_', ' ')}, the first {found[0]}; expected every tensor to fit"
            lines.append((kind, told))
    return lines


def _lost(folder: Path, model: DragonflyForCausalLM) -> list[str]:
    names = unarrived(folder, model)
    if not names:
        return []
    return [
        f"{len(names)} tensors hold other values than the file after loading, the first {names[0]}; expected its own"
    ]


def _tell(problems: Iterable[str], allowed: bool) -> None:
    """A model with a tensor left out or made up would answer, and wrongly."""
    for problem in problems:
        if not allowed:
            raise InputError(f"{problem}; or load it all the same with allow_unaccounted")
        warnings.warn(f"its answers may be wrong: {problem}", UnaccountedWarning, stacklevel=3)


@contextmanager
def of_model(
    name: str,
    *,
    kind: str = "a Dragonfly checkpoint",
    expected: str = "the files and options that one is loaded with: check what was changed, or fetch it again",
    room: str = "take --quantize int8 or nf4",
) -> Iterator[None]:
    """Whatever goes wrong becomes an InputError that names the model.

    kind: what it was to be loaded as; expected: what that takes and what to do; room: what to do without memory.
    """
    try:
        with naming(name):
            yield
    except InputError:
        raise
    except Exception as error:  # what the libraries raise for a checkpoint that they do not understand is open-ended
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        if isinstance(error, MemoryError) or any(word in reason.lower() for word in OUT_OF_MEMORY):
            raise InputError(
                f"model {name!r}: out of memory while it was loaded ({reason}); expected room for its weights: close "
                f"other programs, or {room}"
            ) from None
        raise InputError(f"model {name!r}: not loadable as {kind} ({reason}); expected {expected}") from error


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """No bars and no remarks: what they would report is checked here."""
    bar, verbosity = transformers_logging.is_progress_bar_enabled(), transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        if bar:
            transformers_logging.enable_progress_bar()
        transformers_logging.set_verbosity(verbosity)
