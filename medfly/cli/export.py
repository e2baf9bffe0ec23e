"""`medfly export MODEL OUTPUT`: a checkpoint in another layout, and the duties that go with the copy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from medfly.dragonfly.export import export_llama, export_official
from medfly.dragonfly.hub import read_config, resolve
from medfly.dragonfly.licence import statements
from medfly.types import InputError

FORMATS = {"official": export_official, "llama": export_llama}
WRITTEN = {
    "official": "in the layout of the published Dragonfly checkpoints",
    "llama": "its decoder alone, a plain Llama; an image reaches it as prompt embeddings only",
}


def run(model: str, output: Path, layout: str) -> None:
    """Write the copy; print what it is and what its licence asks for. Raises InputError."""
    if layout not in FORMATS:
        raise InputError(f"format {layout!r}: expected one of {', '.join(FORMATS)}")
    source = resolve(model)  # outside the status line, which would hide the bars of a download
    with Console(stderr=True).status(f"exporting {model} …"):
        FORMATS[layout](model, output)
    size = sum(file.stat().st_size for file in output.rglob("*") if file.is_file())
    print(f"{output}: {model}, {WRITTEN[layout]}; {size / 1e6:,.1f} MB")
    for line in duties(source):
        print(line)


def duties(source: Path) -> Iterator[str]:
    """What the licence of a checkpoint asks of who passes a copy on, as far as its folder says."""
    said = statements(source, read_config(source))
    if not said:
        yield "licence: unknown, nothing in the model's folder says; ask who made it before passing the copy on"
    told = set()
    for one in said:
        if one.licence is None:
            yield f"licence: {one.source} says “{one.says}”, which MedFly does not know: read it, it holds for the copy"
        elif one.licence.id not in told:
            told.add(one.licence.id)
            yield f"licence: {one.licence.name}, as {one.source} says; it holds for the copy, too"
            for duty in one.licence.duties or ("duties that MedFly does not know: read the licence",):
                yield f"– {duty}"
