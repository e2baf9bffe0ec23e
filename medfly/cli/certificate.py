"""The load certificate for people: the facts that medfly.cli.inspect gathers, in words on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from medfly.dragonfly.certificate import REMEDY
from medfly.wording import RESEARCH_USE

SHOWN = 10
"""Offending tensors that are named; --json names all."""


def show(facts: dict[str, Any]) -> None:
    """Print a certificate as `medfly.cli.inspect.facts` makes it."""
    console = Console(highlight=False)
    console.print(Text(RESEARCH_USE, style="bold yellow"))
    for heading, table in _sections(facts):
        console.print(Text(f"\n{heading}", style="bold"))
        console.print(Padding(table, (0, 0, 0, 2), expand=False))
    console.print(Text("\nFiles: SHA-256, name, bytes", style="bold"))
    for one in facts["files"]:  # unwrapped, so that they can be copied
        console.print(Text(f"{one['sha256']}  {one['name']}  {one['bytes']:,}"), soft_wrap=True)
    console.print()
    for line in facts["failed"]:
        console.print(Text(f"failed: {line}", style="bold red"))
    if not facts["failed"]:
        console.print(
            Text(
                "Every tensor is accounted for, and tokenizer and configuration agree. Whether the values arrive is "
                "checked each time that the model is loaded.",
                style="green",
            )
        )


def _sections(facts: dict[str, Any]) -> list[tuple[str, Table]]:
    return [
        (f"Model {facts['model']}", _table([("hash", facts["model_hash"])])),
        ("Architecture", _table(_architecture(facts["architecture"]))),
        ("Weights", _table(_weights(facts))),
        ("Rope, as it is in effect", _table(_rope(facts["rope"]))),
        ("Special tokens", _table(map(_special_token, facts["special_tokens"]))),
        ("Chat format", _table(_chat(facts["chat"]))),
        ("Licence", _table(_licence(facts["licence"]))),
    ]


def _table(rows: Iterable[Sequence[str]]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    for number, row in enumerate(rows):
        if number == 0:
            table.add_column(no_wrap=True, style="dim")
            for _ in row[1:]:
                table.add_column(overflow="fold")
        table.add_row(*map(Text, row))
    return table


def _architecture(one: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "version", one["version"]
    yield "decoder", _shape(one["decoder"])
    yield "vision tower", f"{_shape(one['vision_tower'])}; hidden state {one['hidden_state']} is read"
    yield "parameters", f"{one['parameters']:,}"
    yield "image positions", f"{one['image_positions']:,}"
    for level, of in one["levels"].items():
        crops = f"{of['crops']} crop{'s' if of['crops'] > 1 else ''} of {one['crop_size']} × {one['crop_size']} pixels"
        kept = f", the best {of['crops_kept']} kept" if of["crops_kept"] < of["crops"] else ""
        yield f"  {level}", f"{crops}{kept}; {of['positions_per_crop']:,} positions each, newline included"


def _shape(one: dict[str, Any]) -> str:
    parts = [one["model_type"]]
    if "num_hidden_layers" in one:
        parts.append(f"{one['num_hidden_layers']} layers")
    if "hidden_size" in one:
        parts.append(f"{one['hidden_size']:,} wide")
    if "intermediate_size" in one:
        parts.append(f"feed-forward {one['intermediate_size']:,}")
    if "num_attention_heads" in one:
        shared = one.get("num_key_value_heads", one["num_attention_heads"])
        few = f" ({shared} for keys and values)" if shared != one["num_attention_heads"] else ""
        parts.append(f"{one['num_attention_heads']} heads{few}")
    if "vocab_size" in one:
        parts.append(f"{one['vocab_size']:,} tokens")
    if "patch_size" in one:
        parts.append(f"{one['image_size']} pixels in patches of {one['patch_size']}")
    if "widths" in one:
        parts.append(f"channels {'–'.join(map(str, one['widths']))}")
    return ", ".join(parts)


def _weights(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "types in the files", ", ".join(f"{dtype} ({count} tensors)" for dtype, count in facts["dtypes"].items())
    yield "tensors", ", ".join(f"{count} {state}" for state, count in facts["tensors"]["counts"].items())
    bad = [one for one in facts["tensors"]["tensors"] if one["state"] in REMEDY]
    for one in bad[:SHOWN]:
        shapes = f"found {one.get('found', 'nothing')}, expected {one.get('expected', 'no such tensor')}"
        yield f"  {one['state']}", f"{one.get('checkpoint') or one['model']}: {shapes}"
    if len(bad) > SHOWN:
        yield "", f"and {len(bad) - SHOWN} more: --json names all"


def _rope(one: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "type", one["type"] or "unknown"
    yield "theta", f"{one['theta']:,.0f}" if one["theta"] else "unknown"
    yield "scaling", ", ".join(f"{key} {value:g}" for key, value in (one["scaling"] or {}).items()) or "none"
    yield "positions", f"at most {one['max_positions']:,}"
    if one["remark"]:
        yield "remark", one["remark"]


def _special_token(one: dict[str, Any]) -> tuple[str, ...]:
    words = {True: "as in config.json", False: f"config.json: {one['id_in_config']}", None: "config.json does not say"}
    found = str(one["id"]) if one["id"] is not None else "not in the tokenizer"
    return one["role"], str(one["token"]), found, words[one["agrees"]]


def _chat(one: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    if one is None:
        yield "prompt", "unknown: the tokenizer lacks the marks of Llama 3's turns"
    else:
        yield "image", f"{one['image_positions']:,} positions, before the text"
        yield "prompt", one["text"].replace("\n", "\\n")
        yield "", f"{len(one['ids'])} tokens"


def _licence(statements: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    if not statements:
        yield "unknown", "no licence in README.md, no licence file, no decoder named in config.json: ask who made it"
    told = set()
    for one in statements:
        licence = one["licence"]
        yield one["source"], one["says"]
        yield "", f"→ {licence['name'] if licence else 'a licence that MedFly does not know: read it'}"
        if licence and licence["id"] not in told:
            told.add(licence["id"])
            for duty in licence["duties"] or ["duties that MedFly does not know: read the licence"]:
                yield "", f"– {duty}"
            if licence["link"]:
                yield "", licence["link"]
