"""Weights in 8 or 4 bits for machines with little memory, by bitsandbytes. It saves memory, not time.

Only the decoder's linear layers are quantised: the vision tower, the projector and the output layer stay as they
are. The module loads nothing.
"""

from __future__ import annotations

import logging

import torch
from torch import nn
from transformers import BitsAndBytesConfig, PreTrainedModel

from medfly.dragonfly.precision import computes_natively
from medfly.types import InputError

KINDS = ("int8", "nf4")
UNQUANTISED = ["image_encoder", "vision_embed_tokens", "lm_head"]


def quantization(kind: str, device: str | None = None) -> BitsAndBytesConfig:
    """What `load_pretrained` takes as quantization_config. device: where the model will be, as there.

    int8: LLM.int8() with its threshold of 6 (arXiv 2208.07339). nf4: four bits in blocks of 64 (arXiv 2305.14314).
    Raises InputError for another kind, and without bitsandbytes.
    """
    if kind not in KINDS:
        raise InputError(f"quantize {kind!r}: expected {' or '.join(KINDS)}, or leave it off")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # int8 tells of a cast in every layer of every pass
    try:
        import bitsandbytes  # noqa: F401
    except ImportError:
        raise InputError(
            f'quantize {kind!r}: found no bitsandbytes, which it needs: pip install "medfly[quantize]"'
        ) from None
    if kind == "int8":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=UNQUANTISED)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=_fast_dtype(device),
        llm_int8_skip_modules=UNQUANTISED,
    )


def _fast_dtype(device: str | None) -> torch.dtype:
    """bfloat16 where the machine computes in it; elsewhere a product takes several times as long as in float32."""
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    fast = computes_natively(torch.bfloat16) if device == "cpu" else torch.cuda.is_bf16_supported()
    return torch.bfloat16 if fast else torch.float32


def keep_differentiable(model: nn.Module) -> None:
    """Keep 4-bit layers from a repacking for CPUs with bfloat16: no gradient comes through it, and evidence needs one.

    Done at the first pass without gradients, it would let later scores be wrong with no more than a warning.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False  # type: ignore[assignment]


def widen_int8(model: PreTrainedModel) -> None:
    """Give int8 layers their input in float32 where the CPU has no half precision: six times as fast there.

    They quantise it all the same; only what they multiply outliers and scales in is float32, rounded once at the end.
    """
    if not getattr(model, "is_loaded_in_8bit", False) or model.device.type != "cpu" or computes_natively(model.dtype):
        return
    from bitsandbytes.nn.modules import Linear8bitLt

    for module in model.modules():
        if isinstance(module, Linear8bitLt):
            module.register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))
            module.register_forward_hook(lambda _, inputs, output: output.to(model.dtype))
