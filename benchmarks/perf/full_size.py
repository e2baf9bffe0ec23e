"""A published checkpoint's full size on the machine at hand: written with random weights, loaded, asked, measured.

python -m benchmarks.perf.full_size write FOLDER --version v2
python -m benchmarks.perf.full_size measure FOLDER [--dtype bfloat16] [--quantize int8|nf4] [--image FILE]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from medfly.types import InputError

OFFICIAL = Path(__file__).parent.parent.parent / "tests" / "golden" / "official"
"""Where a checkout of the repository has the layouts."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit status: 0 done, 2 the user's input was at fault."""
    options = _parser().parse_args(arguments)
    try:
        return _write(options) if options.command == "write" else _measure(options)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.perf.full_size", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    write = commands.add_parser("write", help="a checkpoint in the official layout, of random numbers")
    write.add_argument("folder", type=Path)
    write.add_argument("--version", choices=("v1", "v2"), default="v2")
    write.add_argument("--format", choices=("safetensors", "bin"), default="safetensors")
    write.add_argument("--layout", type=Path, help="config and tensors as JSON, in place of the version's")
    measure = commands.add_parser("measure", help="seconds and memory of loading it and of one answer")
    measure.add_argument("folder", type=Path)
    measure.add_argument("--dtype", choices=("auto", "bfloat16", "float16", "float32"), default="auto")
    measure.add_argument("--quantize", choices=("int8", "nf4"))
    measure.add_argument("--image", type=Path, help="a scan; by default a head CT that ships inside pydicom")
    measure.add_argument("--max_new_tokens", type=int, default=8, help="tokens of the answer (8)")
    measure.add_argument("--json", type=Path, help="write the JSON line into this file, too")
    return parser


def _write(options: argparse.Namespace) -> int:
    from benchmarks.perf.official_checkpoint import write  # torch

    file = options.layout or OFFICIAL / f"official-{options.version}.json"
    write(options.folder, _layout(file), file_format=options.format)
    return 0


def _layout(file: Path) -> dict[str, Any]:
    try:
        layout = json.loads(file.read_text())
        return {"config": dict(layout["config"]), "tensors": dict(layout["tensors"])}
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{file}: no layout; expected JSON with config and tensors, as tests/golden/official in the repository: "
            "name one with --layout"
        ) from None


def _measure(options: argparse.Namespace) -> int:
    """In a process of its own, so that its peaks are the model's, and its end by the kernel is seen."""
    from benchmarks.perf.measurement import measured

    if not (options.folder / "config.json").is_file():
        raise InputError(f"{options.folder}: no config.json; expected a checkpoint: `write` makes one")
    image = options.image or _head_ct()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            result = pool.submit(
                measured,
                options.folder,
                image,
                dtype=options.dtype,
                quantize=options.quantize,
                max_new_tokens=options.max_new_tokens,
            ).result()
        except BrokenProcessPool:
            raise InputError(
                f"{options.folder}: the measuring process was ended from outside, most likely for want of memory; "
                "expected room for the weights: close other programs, or take --quantize"
            ) from None
    line = json.dumps(result)
    if options.json:
        options.json.write_text(line + "\n")
    print(_table(result))
    print(line)
    return 0


def _head_ct() -> Path:
    from pydicom.data import get_testdata_file

    found: Any = get_testdata_file("J2K_pixelrep_mismatch.dcm", download=False)
    if found is None:
        raise InputError("no head CT in the pydicom package; expected pydicom>=3.0.2: install it, or name an --image")
    return Path(found)


def _table(result: dict[str, Any]) -> str:
    """For people: seconds, and memory in units of 10⁹ bytes."""
    machine, checkpoint, ask = result["machine"], result["checkpoint"], result["ask"]
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores ({' '.join(machine['flags'])}), "
        f"{machine['memory'] / 1e9:.1f} GB; load before and after {machine['load_average']}, "
        f"{result['load_average_after']}",
        f"{checkpoint['bytes'] / 1e9:.2f} GB of {checkpoint['format']} in {checkpoint['files']} files, "
        f"dtype {result['options']['dtype']}, quantize {result['options']['quantize']}; "
        f"read from disk {result['ratio']:.2f} times",
        f"{'stage':<8}{'seconds':>9}{'disk GB':>9}{'peak VmRSS':>12}{'RssAnon':>9}{'steady VmRSS':>14}{'RssAnon':>9}",
    ]
    for name in ("load", "hash", "ask"):
        stage = result[name]
        sizes = (stage["peak"]["VmRSS"], stage["peak"]["RssAnon"], stage["steady"]["VmRSS"], stage["steady"]["RssAnon"])
        peak, anonymous, after, kept = (f"{value / 1e9:.2f}" for value in sizes)
        read = stage["bytes_read"] / 1e9
        lines.append(f"{name:<8}{stage['seconds']:>9.1f}{read:>9.2f}{peak:>12}{anonymous:>9}{after:>14}{kept:>9}")
    token = ask.get("token")
    lines.append(
        "  ".join(f"{name} {ask[name]:.2f} s" for name in ("crops", "vision", "prefix", "prompt"))
        + (f"  token {token['median']:.2f} s ({token['least']:.2f} … {token['most']:.2f})" if token else "")
    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
