"""Half-precision products on this CPU: torch's own beside those widened to float32, at the published models' shapes.

    python -m benchmarks.perf.cpu_precision [--repeats 5] [--json FILE]

It shows from how many rows on `medfly.dragonfly.precision` should widen (WIDE_ROWS), and what else of the vision
tower and the decoder is slow in half precision. Both are timed in turn, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.perf.interleaved import Timed, cell, interleaved, ratios, spread
from benchmarks.perf.process import machine
from medfly.dragonfly.precision import WIDE_ROWS, WideConv2d, computes_natively, widened

FEW = (1, 4, 8, 16, 32, 64, 256)
LINEAR = {
    "decoder's attention": (4096, 4096, (*FEW, 2098)),
    "decoder's MLP": (14336, 4096, FEW),
    "tower's MLP": (4096, 1024, (*FEW, 2885)),
}
"""Outputs, inputs, and rows: up to those of a v2 prefix, and of 5 crops of 577 tokens."""


def compared(native: Timed, other: Timed, repeats: int) -> dict[str, Any]:
    """Milliseconds of both, taken in turn after one call each: median, least and most; and native / other."""
    found = interleaved({"native": native, "float32": other}, repeats)
    milliseconds = {name: spread(values, 1e3) for name, values in found.items()}
    return milliseconds | {"ratio": ratios(found["native"], found["float32"])}


def cases(dtype: torch.dtype) -> Iterator[tuple[str, Timed, Timed]]:
    """What is compared: its name, torch's own way, and the way through float32."""
    for name, (outputs, inputs, counts) in LINEAR.items():
        weight = (torch.randn(outputs, inputs) * 0.02).to(dtype)
        for rows in counts:
            values = torch.randn(rows, inputs).to(dtype)
            yield (
                f"{name} {outputs}×{inputs}, {rows} rows",
                lambda v=values, w=weight: F.linear(v, w),
                lambda v=values, w=weight: widened(v, w),
            )
    crops = torch.randn(5, 3, 336, 336).to(dtype)
    plain, wide = (kind(3, 1024, 14, 14, bias=False).to(dtype) for kind in (nn.Conv2d, WideConv2d))
    yield "tower's patches, 5 crops", lambda: plain(crops), lambda: wide(crops)
    for name, shape, causal in (("tower", (5, 16, 577, 64), False), ("decoder", (1, 32, 2098, 128), True)):
        half = torch.randn(shape).to(dtype)
        yield f"{name}'s attention {shape}", _attention(half, causal), _attention(half.float(), causal)
    half = torch.randn(5, 577, 4096).to(dtype)
    yield "tower's activation, 5 crops", _quick_gelu(half), _quick_gelu(half.float())


def _attention(values: torch.Tensor, causal: bool) -> Timed:
    return lambda: F.scaled_dot_product_attention(values, values, values, is_causal=causal)


def _quick_gelu(values: torch.Tensor) -> Timed:
    return lambda: values * torch.sigmoid(1.702 * values)


@torch.inference_mode()
def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.perf.cpu_precision", description=__doc__)
    parser.add_argument("--dtype", choices=("bfloat16", "float16"), default="bfloat16")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the results into this file, too")
    options = parser.parse_args(arguments)
    dtype = getattr(torch, options.dtype)
    torch.manual_seed(0)
    facts = machine()
    native = computes_natively(dtype)
    print(f"{facts['cpu']}, {facts['cores']} cores, load {facts['load_average']}; native {options.dtype}: {native}")
    print(f"{'milliseconds: median (least … most)':<42}{'native':>28}{'float32':>28}{'ratio':>22}")
    results = {}
    for name, ours, other in cases(dtype):
        results[name] = compared(ours, other, options.repeats)
        cells = (cell(results[name][part]) for part in ("native", "float32", "ratio"))
        print("{:<42}{:>28}{:>28}{:>22}".format(name, *cells), flush=True)
    print(f"widened from {WIDE_ROWS} rows on" if not native else "nothing is widened on this machine")
    if options.json:
        options.json.write_text(json.dumps({"machine": facts, "dtype": options.dtype, "milliseconds": results}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
