"""Half-precision products on a CPU without instructions for them, against products in float64."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from medfly.dragonfly import precision
from medfly.dragonfly.precision import WIDE_ROWS, WideConv2d, WideLinear, widen_products


@pytest.fixture(autouse=True)
def no_native_half(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a CPU of AVX2, whatever this one is."""
    monkeypatch.setattr(precision, "computes_natively", lambda dtype: dtype == torch.float32)


@pytest.fixture
def linear(monkeypatch: pytest.MonkeyPatch) -> nn.Linear:
    """Widened in blocks of 8 of its 50 outputs, the last one short."""
    monkeypatch.setattr(precision, "BLOCK", 8 * 96)
    torch.manual_seed(0)
    return nn.Linear(96, 50).bfloat16()


def rounded_exact(layer: nn.Linear, rows: Tensor) -> Tensor:
    """The product of the same bfloat16 values in float64, rounded once."""
    bias = layer.bias.double()
    return (torch.einsum("...i,oi->...o", rows.double(), layer.weight.double()) + bias).bfloat16()


def test_many_rows_are_summed_exactly_and_rounded_once(linear: nn.Linear) -> None:
    rows = torch.randn(3, 40, 96).bfloat16()
    native = linear(rows)
    widen_products(linear)
    wide = linear(rows)
    assert wide.dtype == torch.bfloat16 and type(linear) is WideLinear
    exact = rounded_exact(linear, rows)
    # float32 sums differ from float64's in the last bits, and so may the rounding of a value half way.
    assert (wide != exact).float().mean() < 1e-3
    torch.testing.assert_close(wide, exact, rtol=2**-7, atol=1e-6)
    torch.testing.assert_close(wide, native, rtol=2**-6, atol=1e-2)


@pytest.mark.parametrize(("rows", "wide"), [(1, False), (WIDE_ROWS - 1, False), (WIDE_ROWS, True)])
def test_few_rows_take_the_native_path(
    rows: int, wide: bool, linear: nn.Linear, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = torch.randn(rows, 96).bfloat16()
    native = linear(values)
    widen_products(linear)
    widened: list[int] = []
    blocks = precision._blocks
    monkeypatch.setattr(precision, "_blocks", lambda weight: widened.append(len(weight)) or blocks(weight))
    result = linear(values)
    assert bool(widened) == wide
    assert wide or torch.equal(result, native)


def test_gradients(linear: nn.Linear) -> None:
    """Those of the same values in float32, rounded; nothing wide is kept for the backward pass."""
    reference = copy.deepcopy(linear).float()
    widen_products(linear)
    rows = torch.randn(2, 20, 96).bfloat16().requires_grad_()
    upstream = torch.randn(2, 20, 50).bfloat16()
    kept: list[torch.dtype] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.dtype) or t, lambda t: t):
        output = linear(rows)
    output.backward(upstream)
    wide = rows.detach().float().requires_grad_()
    reference(wide).backward(upstream.float())
    assert kept and set(kept) == {torch.bfloat16}
    pairs = [(rows, wide), (linear.weight, reference.weight), (linear.bias, reference.bias)]
    for found, expected in pairs:
        assert found.grad is not None and expected.grad is not None
        torch.testing.assert_close(found.grad.float(), expected.grad, rtol=2**-7, atol=1e-3)


def test_convolution() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 8, 14, 14, bias=False).bfloat16()
    crops = torch.randn(2, 3, 28, 28).bfloat16()
    exact = copy.deepcopy(layer).double()(crops.double()).bfloat16()
    widen_products(layer)
    assert type(layer) is WideConv2d
    torch.testing.assert_close(layer(crops), exact, rtol=2**-7, atol=1e-6)


def test_what_is_saved_stays() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 2), nn.Linear(4, 4), nn.LayerNorm(4)).half()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    parameters = [id(parameter) for parameter in model.parameters()]
    widen_products(model)
    assert [type(module) for module in model] == [WideConv2d, WideLinear, nn.LayerNorm]
    assert parameters == [id(parameter) for parameter in model.parameters()]
    after = model.state_dict()
    assert list(after) == list(before) and all(torch.equal(after[name], before[name]) for name in before)


def test_float32_and_derived_layers_are_left_alone() -> None:
    class Quantised(nn.Linear):
        pass

    model = nn.Sequential(nn.Linear(2, 2), nn.Conv2d(1, 1, 1), Quantised(2, 2).bfloat16())
    widen_products(model)
    assert [type(module) for module in model] == [nn.Linear, nn.Conv2d, Quantised]


def test_a_cpu_with_the_instructions_is_left_alone(linear: nn.Linear, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "computes_natively", lambda dtype: True)
    widen_products(linear)
    assert type(linear) is nn.Linear
