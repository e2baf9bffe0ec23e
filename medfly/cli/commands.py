"""The commands with their options. (Those of `medfly data` are in medfly.cli.data.)

What a command does is in the module of its name, imported when the command runs: `medfly --help` loads no torch.
Options are spelled with underscores, as in lm-eval; hyphens are accepted.

Exit status: 0 done, 1 a check failed, 2 the user's input was at fault, 130 interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

import medfly
from medfly.cli import data
from medfly.cli.told import told
from medfly.types import InputError
from medfly.wording import RESEARCH_USE

SPELLING = {"token_normalize_func": lambda token: token.replace("-", "_"), "help_option_names": ["-h", "--help"]}

app = typer.Typer(
    name="medfly",
    help=f"Medical visual question answering that shows its evidence. {RESEARCH_USE}.",
    context_settings=SPELLING,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks print local variables, and with them patient data
)

app.add_typer(data.app, name="data")

Model = Annotated[
    str, typer.Option("--model", help="A checkpoint's folder, a built-in name (mini) or a hub repository.")
]
Device = Annotated[
    str | None, typer.Option("--device", help="cpu, cuda, cuda:1 …; by default a GPU where there is one.")
]

Dtype = Annotated[
    str, typer.Option("--dtype", help="float32, bfloat16 or float16; by default as the weights are stored.")
]
Quantize = Annotated[
    str | None, typer.Option("--quantize", help="int8 or nf4: the decoder's weights in 8 or 4 bits, to save memory.")
]
BaseUrl = Annotated[
    str | None, typer.Option("--base_url", help="Ask an OpenAI-compatible server here, which calls the model --model.")
]
AllowUpload = Annotated[
    bool, typer.Option("--allow_upload", help="Let --base_url be another machine: pictures and questions go there.")
]
TrainData = Annotated[
    list[Path] | None,
    typer.Option("--train_data", help="A data set that the model was trained on, for the leakage check; repeatable."),
]
Encoding = Annotated[str | None, typer.Option("--encoding", help="Of a text file that is not Unicode, such as cp1252.")]
AllowUnaccounted = Annotated[
    bool, typer.Option("--allow_unaccounted", help="Ask a model although some of its tensors did not arrive.")
]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit status."""
    app(args=arguments, prog_name="medfly")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"medfly {medfly.__version__}")
        raise typer.Exit()


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    pass


@app.command("ask")
def _ask(
    path: Annotated[
        str,
        typer.Argument(help="A DICOM, NIfTI, slide or picture file, a folder, ZIP or DICOMDIR; none with --no_image."),
    ],
    questions: Annotated[
        list[str] | None, typer.Argument(metavar='"QUESTION"…', help="One or more, each in quotes.")
    ] = None,
    model: Model = "mini",
    window: Annotated[
        list[str] | None,
        typer.Option(
            "--window",
            help="WIDTH/LEVEL, a preset such as lung, or file:2 for the file's second; by default its first. "
            "Given several times, every scan is asked about in each.",
        ),
    ] = None,
    frame: Annotated[int | None, typer.Option("--frame", min=0, help="Only this 0-based frame of a volume.")] = None,
    slices: Annotated[
        str | None,
        typer.Option(
            "--slices",
            help="Of a volume: key (5 frames, spread evenly; the default), key:N, all, or numbers as in 3,10,20, each "
            "asked about on its own; montage or montage:N for so many in one picture.",
        ),
    ] = None,
    no_image: Annotated[bool, typer.Option("--no_image", help="Ask about no image: all words are questions.")] = False,
    conversation: Annotated[
        bool, typer.Option("--conversation", help="Each question sees those before it and their answers.")
    ] = False,
    stream: Annotated[bool, typer.Option("--stream", help="Print each answer while it is being made.")] = False,
    evidence: Annotated[
        bool, typer.Option("--evidence/--no_evidence", help="Score every crop for every answer, or save the time.")
    ] = True,
    causal: Annotated[
        bool, typer.Option("--causal", help="Score crops by leaving them out, instead of by gradients.")
    ] = False,
    sensitivity: Annotated[
        bool,
        typer.Option(
            "--sensitivity",
            help="Ask again under other windows, inverted, zoomed, shifted, as JPEG, mirrored and in other words: does "
            "the answer flip? Reads about 15 pictures more.",
        ),
    ] = False,
    max_new_tokens: Annotated[int, typer.Option("--max_new_tokens", min=1, help="Tokens of an answer, at most.")] = 64,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a question, one a line.")] = False,
    save_figure: Annotated[
        Path | None, typer.Option("--save_figure", help="Draw scan, crops and answers into this .png or .jpg.")
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option("--calibration", help="Judge answers by this calibration.json, not by the one beside the model."),
    ] = None,
    no_calibration: Annotated[bool, typer.Option("--no_calibration", help="Judge and defer nothing.")] = False,
    device: Device = None,
    dtype: Dtype = "auto",
    quantize: Quantize = None,
    allow_unaccounted: AllowUnaccounted = False,
) -> None:
    """Ask a model about one scan or many, or with --no_image about none."""
    with told():
        from medfly.cli import ask
        from medfly.cli.model import ModelChoice

        if causal and not evidence:
            raise InputError("--causal and --no_evidence: expected one of them: leave one off")
        ask.run(
            [path, *(questions or [])],
            model=ModelChoice(
                model,
                device,
                dtype,
                quantize,
                allow_unaccounted,
                calibration=calibration,
                no_calibration=no_calibration,
            ),
            no_image=no_image,
            look=ask.Look(frame, slices, tuple(window or ())),
            manner=ask.Manner(conversation, stream, "causal" if causal else evidence, max_new_tokens, sensitivity),
            as_json=as_json,
            figure=save_figure,
        )


@app.command("eval")
def _eval(
    tasks: Annotated[
        str,
        typer.Option(
            "--tasks",
            help="Data sets, comma-separated: slake, slake_zh, vqa_rad, path_vqa; institutional for a folder with a "
            "dataset.yaml of your own, captions for pictures with reference texts; slake_grounding for whether the "
            "evidence points at what SLAKE's questions name.",
        ),
    ],
    split: Annotated[
        str, typer.Option("--split", help="As the data set names it: train; validate (PathVQA: val); test.")
    ],
    data: Annotated[Path, typer.Option("--data", help="The data set's folder, or one that holds a folder a task.")],
    output_path: Annotated[
        Path, typer.Option("--output_path", help="Where TASK_SPLIT/ goes: predictions.jsonl, scores.json, report.html.")
    ],
    model: Model = "mini",
    base_url: BaseUrl = None,
    allow_upload: AllowUpload = False,
    prompt: Annotated[
        str,
        typer.Option("--prompt", help="How questions are worded: question (alone), short, medevalkit, multimedeval."),
    ] = "question",
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first so many questions.")] = None,
    batch_size: Annotated[int, typer.Option("--batch_size", min=1, help="Questions of one image at a time.")] = 16,
    audit: Annotated[
        bool, typer.Option("--audit", help="Ask again with the images blank, noise and shuffled: is it looking?")
    ] = False,
    train_data: TrainData = None,
    evidence: Annotated[
        bool,
        typer.Option("--evidence/--no_evidence", help="Show the report's mistakes with their crops, or save the time."),
    ] = True,
    causal: Annotated[
        bool,
        typer.Option("--causal", help="slake_grounding: score crops by leaving each out, instead of by gradients."),
    ] = False,
    device: Device = None,
    dtype: Dtype = "auto",
    quantize: Quantize = None,
    allow_unaccounted: AllowUnaccounted = False,
) -> None:
    """Ask a model every question of a benchmark and score it. An interrupted run goes on where it stopped."""
    with told("interrupted; the same command goes on where it stopped"):
        from medfly.cli import evaluate
        from medfly.cli.model import ModelChoice

        evaluate.run(
            tasks.split(","),
            split,
            data,
            output_path,
            model=ModelChoice(model, device, dtype, quantize, allow_unaccounted, base_url, allow_upload),
            manner=evaluate.Manner(limit, batch_size, prompt, audit, evidence, tuple(train_data or ()), causal),
        )


@app.command("calibrate")
def _calibrate(
    tasks: Annotated[
        str,
        typer.Option("--tasks", help="One data set whose answers are known, as in `medfly eval`; institutional too."),
    ],
    split: Annotated[
        str, typer.Option("--split", help="Questions that the model was not trained on: validate (PathVQA: val).")
    ],
    data: Annotated[Path, typer.Option("--data", help="The data set's folder, or one that holds a folder a task.")],
    output_path: Annotated[
        Path, typer.Option("--output_path", help="Where calibration.json, calibration.md and the answers' rows go.")
    ],
    model: Model = "mini",
    risk: Annotated[
        float, typer.Option("--risk", help="At most this share of the answers that are not deferred should be wrong.")
    ] = 0.1,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first so many questions.")] = None,
    device: Device = None,
    dtype: Dtype = "auto",
    quantize: Quantize = None,
    allow_unaccounted: AllowUnaccounted = False,
) -> None:
    """Learn from known answers when to rely on a model's, and when to leave a question to a person."""
    with told("interrupted; the same command goes on where it stopped"):
        from medfly.cli import calibrate
        from medfly.cli.model import ModelChoice

        path = calibrate.run(
            tasks,
            split,
            data,
            output_path,
            model=ModelChoice(model, device, dtype, quantize, allow_unaccounted),
            risk=risk,
            limit=limit,
        )
        print(f'\nask with it: medfly ask IMAGE "QUESTION" --calibration {path}')


@app.command("score")
def _score(
    predictions: Annotated[
        Path,
        typer.Argument(
            metavar="PREDICTIONS",
            help="A run's folder, or a file: ours, rows of qid and prediction (JSON, CSV, Parquet), LLaVA's answers, "
            "lm-eval's samples, MedEvalKit's results. For several tasks, a folder with a folder TASK_SPLIT each.",
        ),
    ],
    tasks: Annotated[
        str,
        typer.Option("--tasks", help="The data set that they are about, as in `medfly eval`; several comma-separated."),
    ],
    split: Annotated[
        str, typer.Option("--split", help="As the data set names it: train; validate (PathVQA: val); test.")
    ],
    data: Annotated[Path, typer.Option("--data", help="The data set's folder, or one that holds a folder a task.")],
    partial: Annotated[
        bool, typer.Option("--partial", help="Score what is there although questions have no prediction, and say so.")
    ] = False,
    encoding: Encoding = None,
    name: Annotated[str | None, typer.Option("--name", help="What the tables call the model.")] = None,
    train_data: TrainData = None,
    judge: Annotated[
        str | None, typer.Option("--judge", help="Let this language model judge the answers, too; needs --judge_url.")
    ] = None,
    judge_url: Annotated[
        str | None, typer.Option("--judge_url", help="The OpenAI-compatible server that has the judge.")
    ] = None,
    allow_upload: Annotated[
        bool, typer.Option("--allow_upload", help="Let --judge_url be another machine: questions and answers go there.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a task, in place of the table.")
    ] = False,
    latex: Annotated[Path | None, typer.Option("--latex", help="Write the tables into this LaTeX file.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Write the tables into this file.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write the report, one page, into this file.")] = None,
) -> None:
    """Score anybody's predictions under every published rule, with denominators and intervals."""
    with told():
        from medfly.cli import score

        if (judge is None) != (judge_url is None):
            raise InputError("--judge or --judge_url alone; expected both or none: add the other")
        chosen = score.JudgeChoice(judge, judge_url, allow_upload) if judge and judge_url else None
        score.run(
            predictions,
            tasks.split(","),
            split,
            data,
            manner=score.Manner(partial, encoding, name, tuple(train_data or ()), chosen),
            output=score.Output(as_json, latex, markdown, html),
        )


@app.command("compare")
def _compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="Predictions, or a run's folder.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="The same, of another model.")],
    tasks: Annotated[str, typer.Option("--tasks", help="The data set that both are about.")],
    split: Annotated[str, typer.Option("--split", help="As the data set names it.")],
    data: Annotated[Path, typer.Option("--data", help="The data set's folder, or one that holds a folder a task.")],
    protocols: Annotated[
        str | None,
        typer.Option(
            "--protocols",
            help="Only these, such as normalised_exact_match, comma-separated; p values are corrected for as many as "
            "are shown.",
        ),
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Compare on the questions that both answer, and say so.")
    ] = False,
    encoding: Encoding = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare two models' answers to the same questions: differences, intervals, tests."""
    with told():
        from medfly.cli import compare

        compare.run(
            first,
            second,
            tasks,
            split,
            data,
            protocols=protocols,
            as_json=as_json,
            partial=partial,
            encoding=encoding,
        )


@app.command("train")
def _train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="The recipe.")],
    output_dir: Annotated[
        Path | None, typer.Option("--output_dir", help="Where checkpoints and model/ go; by default runs/CONFIG.")
    ] = None,
) -> None:
    """Train or fine-tune a model by a recipe. An interrupted run goes on after its last checkpoint."""
    with told("interrupted; the same command goes on after the last checkpoint"):
        if not config.is_file():
            raise InputError(f"{config}: no such file; expected a training recipe in YAML: check the path")
        from rich.console import Console

        from medfly.cli import train

        folder = train.run(config, output_dir or Path("runs") / config.stem, Console(stderr=True))
        print(f'model: {folder}\nask it: medfly ask IMAGE "QUESTION" --model {folder}')


@app.command("inspect")
def _inspect(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A folder, a built-in name (mini) or a hub repository.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with every tensor by name.")] = False,
) -> None:
    """Show a model's load certificate: whether every tensor is accounted for, settings, hashes, licence."""
    with told():
        from medfly.cli import inspect

        passed = inspect.run(model, as_json=as_json)
    if not passed:
        raise typer.Exit(1)


@app.command("export")
def _export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A folder, a built-in name (mini) or a hub repository.")
    ],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="A new or an empty folder.")],
    layout: Annotated[
        str,
        typer.Option(
            "--format",
            help="official: as the published Dragonfly checkpoints; llama: the decoder alone, for serving engines.",
        ),
    ] = "official",
) -> None:
    """Write a model in the published layout, or its decoder alone. The weights stay as they are stored."""
    with told("interrupted; nothing was written"):
        from medfly.cli import export

        export.run(model, output, layout)


@app.command("app")
def _app(
    studies: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="STUDY_FOLDER", help="What the viewer may open, besides uploads; a ZIP, DICOMDIR or file, too."
        ),
    ] = None,
    model: Model = "mini",
    compare: Annotated[
        list[str] | None, typer.Option("--compare", help="A further model, to be compared with --model; repeatable.")
    ] = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8501,
    address: Annotated[
        str, typer.Option("--address", help="At any but this, others reach the viewer and see the scans; see --login.")
    ] = "localhost",
    audit_log: Annotated[
        Path | None,
        typer.Option("--audit_log", help="Add what was asked, without patient data, to this file."),
    ] = None,
    runs: Annotated[
        Path | None,
        typer.Option("--runs", help="A run of `medfly eval`, or a folder of them; needs --data."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="The data set's folder of --runs, as `medfly eval` takes it.")
    ] = None,
    max_upload_mb: Annotated[
        int, typer.Option("--max_upload_mb", min=1, help="How large one uploaded file may be, in megabytes.")
    ] = 500,
    login: Annotated[
        Path | None,
        typer.Option("--login", metavar="SECRETS", help="Ask for a log-in (OpenID Connect); see docs/viewer.md."),
    ] = None,
    headless: Annotated[bool, typer.Option("--headless", help="Open no browser.")] = False,
) -> None:
    """Open the viewer in the browser. Scans stay on this machine."""
    with told():
        from medfly.cli import viewer

        viewer.run(
            viewer.Serving(
                tuple(studies or ()),
                model,
                tuple(compare or ()),
                port,
                address,
                headless,
                audit_log,
                runs,
                data,
                max_upload_mb,
                login,
            )
        )
