"""Products of half-precision weights on a CPU whose instruction set has none for them: computed in float32.

Such a CPU converts number by number: on two AVX2 cores a product of 2,098 rows took six times as long in bfloat16
as in float32, a patch convolution more than twenty times (`python -m benchmarks.perf.cpu_precision`). So the values
are widened for one product at a time, summed in float32 and rounded once, at the end. That is a choice of numerics,
too: the result is the exact product's nearest half-precision number, where native kernels round in between.

The module knows no checkpoint. Weights, their names and what is saved stay as they are.

Shapes: … leading dimensions, I inputs, O outputs of a layer.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

WIDE_ROWS = 16
"""From so many rows on a widened product is the faster one; for a single row, native bfloat16 reads half as much."""
BLOCK = 1 << 22
"""Weights widened at once: 16 MB, which an allocator hands out again and again. A whole layer would be 235 MB."""


def computes_natively(dtype: torch.dtype) -> bool:
    """Whether this machine's CPU has instructions for products in a type.

    Of ARM's nothing is known here: their half-precision products are widened, too.
    """
    if dtype == torch.bfloat16:
        return torch.cpu._is_avx512_bf16_supported()
    return dtype != torch.float16 or torch.cpu._is_amx_fp16_supported()


def widen_products(model: nn.Module) -> None:
    """Let linear layers and 2-d convolutions compute in float32 where that is faster. Layers change class, no more.

    Layers in float32 or quantised ones are left alone, and so is all on a CPU that computes natively. A model that
    goes to a GPU later computes there as ever.
    """
    for module in model.modules():
        wide = WIDE.get(type(module))
        if wide is not None and not computes_natively(cast(Tensor, module.weight).dtype):
            module.__class__ = wide


def _slow(input: Tensor, weight: Tensor) -> bool:
    return input.device.type == "cpu" and input.dtype == weight.dtype and not computes_natively(weight.dtype)


class WideLinear(nn.Linear):
    """A linear layer with half-precision weights that computes in float32 from WIDE_ROWS rows on."""

    def forward(self, input: Tensor) -> Tensor:
        if input.numel() < WIDE_ROWS * self.in_features or not _slow(input, self.weight):
            return super().forward(input)
        return _WideProduct.apply(input, self.weight, self.bias)  # type: ignore[return-value]


class WideConv2d(nn.Conv2d):
    """A convolution with half-precision weights that computes in float32."""

    def forward(self, input: Tensor) -> Tensor:
        if not _slow(input, self.weight):
            return super().forward(input)
        bias = None if self.bias is None else self.bias.float()
        return self._conv_forward(input.float(), self.weight.float(), bias).to(input.dtype)


WIDE: dict[type, Any] = {nn.Linear: WideLinear, nn.Conv2d: WideConv2d}


class _WideProduct(torch.autograd.Function):
    """input […, I], weight [O, I], bias [O] or None → […, O].

    Its own backward pass, since autograd would keep the widened weights of all layers until then: 32 GB at 8B.
    """

    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(input, weight)
        return widened(input, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        input, weight = ctx.saved_tensors
        wide = grads[0].flatten(0, -2).float()
        to_input = to_weight = to_bias = None
        if ctx.needs_input_grad[0]:
            total = wide.new_zeros(len(wide), weight.shape[1])
            for rows in _blocks(weight):
                total.addmm_(wide[:, rows], weight[rows].float())
            to_input = total.to(input.dtype).view_as(input)
        if ctx.needs_input_grad[1]:
            to_weight, seen = torch.empty_like(weight), input.flatten(0, -2).float()
            for rows in _blocks(weight):
                to_weight[rows] = (wide[:, rows].T @ seen).to(weight.dtype)
        if ctx.needs_input_grad[2]:
            to_bias = wide.sum(0).to(weight.dtype)
        return to_input, to_weight, to_bias


def widened(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input · weightᵀ + bias, summed in float32 and rounded to the input's type. […, I], [O, I], [O] → […, O]"""
    wide = input.float()
    output = input.new_empty(*input.shape[:-1], len(weight))
    for rows in _blocks(weight):
        part = None if bias is None else bias[rows].float()
        output[..., rows] = F.linear(wide, weight[rows].float(), part)
    return output


def _blocks(weight: Tensor) -> list[slice]:
    """Rows of a weight, about BLOCK numbers at a time."""
    step = max(1, BLOCK // weight.shape[1])
    return [slice(start, start + step) for start in range(0, len(weight), step)]
