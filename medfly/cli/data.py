"""`medfly data check | split | fetch`: data sets checked against each other, split by patient, and fetched.

It reads options and prints; data_adapters counts, compares and splits.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from medfly.cli.told import bar, tell_left_out, told
from medfly.types import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from data_adapters.dataset import DataSet, Finding, Size
    from data_adapters.institutional import Institutional
    from data_adapters.splits import Manifest
    from data_adapters.tables.published import Published

app = typer.Typer(help="Check, split and fetch sets of questions.", no_args_is_help=True)

Columns = Annotated[
    str | None,
    typer.Option(
        "--columns",
        help="Of a table: what is in which column, as in image=dcm_path,question=Frage. "
        "Columns can hold image, question, answer, answer_type, patient, study, split, id, and frame, from 0.",
    ),
]
ImageDir = Annotated[
    Path | None, typer.Option("--image_dir", help="Where a table's paths start; by default the table's folder.")
]
Encoding = Annotated[str | None, typer.Option("--encoding", help="Of a CSV or JSON file, as in cp1252; else UTF-8.")]
Skip = Annotated[bool, typer.Option("--skip", help="Leave out a table's rows at fault, which check counts.")]


@app.command("check")
def _check(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH…",
            help="Folders of SLAKE, VQA-RAD or PathVQA; tables (.csv .tsv .xlsx .parquet .json .jsonl); or folders "
            "with a dataset.yaml: table, image_dir, columns, manifest.",
        ),
    ],
    train: Annotated[
        list[Path] | None,
        typer.Option("--train", help="One more, all of which a model was trained on: all that is shared is an error."),
    ] = None,
    columns: Columns = None,
    image_dir: ImageDir = None,
    encoding: Encoding = None,
    manifest: Annotated[
        Path | None, typer.Option("--manifest", help="A table's splits by `medfly data split`.")
    ] = None,
    skip: Skip = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a finding, one a line.")] = False,
) -> None:
    """Count questions and pictures, and look for odd rows and for leakage between any two splits.

    Exit status 1 where an error was found.
    """
    with told():
        from data_adapters.check import check, detect, told_apart

        opened = partial(_table, columns=columns, image_dir=image_dir, encoding=encoding, manifest=manifest, skip=skip)
        named = [one for path in dict.fromkeys(paths) for one in detect(path, opened)]
        trained = [one for path in dict.fromkeys(train or ()) for one in detect(path, opened)]
        datasets = told_apart([*named, *trained])
        with bar("comparing pictures") as progress:
            findings = check(datasets, progress, trained=datasets[len(named) :])
        if as_json:
            for finding in findings:  # in ASCII: whatever the terminal's encoding, the line is valid JSON
                print(json.dumps(finding.to_dict(), allow_nan=False))
        else:
            _show(datasets, findings)
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)


@app.command("split")
def _split(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="A table, or a folder with a dataset.yaml.")],
    output: Annotated[Path, typer.Option("--output", help="The manifest to write, a .json file that is not there.")],
    fractions: Annotated[
        str, typer.Option("--fractions", help="Splits and their shares of the rows.")
    ] = "train=0.8,validate=0.1,test=0.1",
    group: Annotated[
        Literal["patient", "dicom_patient", "image"],
        typer.Option(
            "--group",
            help="patient, which every row must have; dicom_patient, by every scan's DICOM header; image where there "
            "are no patients.",
        ),
    ] = "patient",
    stratify: Annotated[
        Literal["answer", "answer_type"] | None,
        typer.Option("--stratify", help="Alike shares of the answers, or of OPEN and CLOSED, in all splits."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1)] = 0,
    columns: Columns = None,
    image_dir: ImageDir = None,
    encoding: Encoding = None,
    skip: Skip = False,
) -> None:
    """Split a table so that no patient, study or picture is on two sides, and write down how."""
    with told("interrupted; nothing was written"):
        from data_adapters.institutional import SETTINGS, Institutional
        from data_adapters.splits import split, write_manifest

        if (table / SETTINGS).is_file():
            dataset = Institutional.from_folder(table)
        else:
            dataset = _table(table, columns=columns, image_dir=image_dir, encoding=encoding, skip=skip)
        manifest = split(dataset, _fractions(fractions), group=group, stratify=stratify, seed=seed)
        write_manifest(manifest, output)
        _show_manifest(manifest, output)
        tell_left_out(dataset)


@app.command("fetch")
def _fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="slake, vqa_rad or path_vqa.")],
    output_path: Annotated[
        Path | None, typer.Option("--output_path", help="The folder to fetch into; by default data/NAME.")
    ] = None,
    revision: Annotated[str | None, typer.Option("--revision", help="A version of the hub's copy.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: the licence is accepted.")] = False,
) -> None:
    """Fetch a published data set from the Hugging Face hub, licence first, and check what came."""
    with told("interrupted; the same command goes on where it stopped"):
        from data_adapters.fetch import fetch, known

        data_set = known(name)
        print(f"{data_set.title}\n  source   {data_set.source}\n  licence  {data_set.licence}")
        print(f"  copy     {data_set.repository} on the Hugging Face hub, {_size(data_set, revision)}")
        if not yes and not _confirmed():
            raise InputError("the licence was not accepted: nothing was fetched")
        folder = fetch(name, output_path or Path("data") / name, revision=revision)
        dataset = data_set(folder)
        findings = dataset.validate()
        _show([dataset], findings)
        print(f"in {folder}")
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)


def _table(
    path: Path,
    *,
    columns: str | None,
    image_dir: Path | None,
    encoding: str | None,
    manifest: Path | None = None,
    skip: bool = False,
) -> Institutional:
    from data_adapters.institutional import Institutional
    from data_adapters.tables.columns import parse_columns

    given = parse_columns(columns) if columns else {}
    return Institutional(path, image_dir, given, encoding=encoding, manifest=manifest, skip=skip, name=str(path))


def _fractions(text: str) -> dict[str, float]:
    pairs = [part.partition("=") for part in text.split(",")]
    try:
        return {name.strip(): float(share) for name, _, share in pairs}
    except ValueError:
        raise InputError(f"fractions {text!r}: expected train=0.8,test=0.2 or so: write pairs with commas") from None


def _confirmed() -> bool:
    if not sys.stdin.isatty():
        raise InputError("found nobody to ask; expected a yes to the licence: add --yes")
    try:
        return typer.confirm("Fetch it under this licence?", default=False)
    except typer.Abort:  # Ctrl-C or Ctrl-D
        raise KeyboardInterrupt from None


def _size(data_set: type[Published], revision: str | None) -> str:
    """Of the files to fetch, by the hub; unknown where it does not say (then fetching tells why)."""
    from fnmatch import fnmatch

    from huggingface_hub import HfApi

    try:
        version = HfApi().dataset_info(data_set.repository, revision=revision).sha
        tree = HfApi().list_repo_tree(data_set.repository, recursive=True, revision=version, repo_type="dataset")
        sizes = [getattr(one, "size", 0) for one in tree if any(fnmatch(one.path, name) for name in data_set.files)]
    except Exception:  # what the hub's library raises is open-ended, and only the size is at stake
        return "of unknown size"
    return f"{sum(sizes) / 1e6:,.1f} MB"


def _show(datasets: Sequence[DataSet], findings: Sequence[Finding]) -> None:
    from rich.console import Console

    console = Console()
    for dataset in datasets:
        origin = f"source {dataset.source or 'unknown'}, licence {dataset.licence or 'unknown'}"
        console.print(f"{dataset.name}: {origin}", markup=False, highlight=False, soft_wrap=True)
    console.print(_sizes_table(datasets))
    if findings:
        console.print(_findings_table(findings))
    errors = sum(finding.severity == "error" for finding in findings)
    print(f"{errors} errors, {len(findings) - errors} warnings")


def _sizes_table(datasets: Sequence[DataSet]) -> Table:
    from rich.markup import escape
    from rich.table import Column, Table

    from data_adapters.check import sizes

    table = Table("split", *(Column(name, justify="right") for name in ("questions", "images", "published", "images")))
    for dataset in datasets:
        for split, size in sizes(dataset).items():
            where = escape(f"{dataset.name} {split}")
            table.add_row(where, *_numbers(size), *_numbers(dataset.expected.get(split)))
    return table


def _findings_table(findings: Sequence[Finding]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for finding in findings:
        style = "red" if finding.severity == "error" else "yellow"
        text = f"[bold]{escape(finding.where)}[/] {escape(finding.kind)}: {escape(finding.message)}"
        examples = f" [dim]({escape(', '.join(finding.examples))})[/]" if finding.examples else ""
        table.add_row(f"[{style}]{finding.severity}[/]", text + examples)
    return table


def _numbers(size: Size | None) -> tuple[str, str]:
    questions, images = (size.questions, size.images) if size else (None, None)
    return ("–" if questions is None else f"{questions:,}", "–" if images is None else f"{images:,}")


def _show_manifest(manifest: Manifest, path: Path) -> None:
    for name, count in manifest.counts().items():
        print(f"{name}: {count['rows']:,} rows, {count['groups']:,} groups, {count['images']:,} images")
    if manifest.group == "image":
        print("medfly: grouped by picture: patients may be on two sides", file=sys.stderr)
    print(f"manifest: {path}")
