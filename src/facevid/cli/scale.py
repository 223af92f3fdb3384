"""`facevid scale`: a scaling study from its file, or the laws and the page of a table of runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facevid.cli.endings import OK, SOME_FAILED
from facevid.cli.progress import ProgressDisplay, clock
from facevid.cli.steps import Address, Executor, Json

if TYPE_CHECKING:
    from facevid.bench.study import ScaleSummary


def scale(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY|RUNS",
            help="A study: its name or YAML file. Or a table of runs: .csv, .parquet, .jsonl.",
            show_default=False,
        ),
    ],
    *,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="DATASET", help="Folder of the dataset, or its address."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Folder for the runs, the table and the page."),
    ] = None,
    autoencoder: Annotated[
        Path | None,
        typer.Option("--autoencoder", metavar="DIR", help="Autoencoder that all runs share."),
    ] = None,
    text: Annotated[
        Path | None, typer.Option("--text", metavar="DIR", help="Text encoder that all runs share.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Change the recipe of all runs: optimisation.compile=true; repeatable.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what runs there are and what they cost; write nothing.")
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="RUN", help="Train only this run and fit nothing; repeatable."),
    ] = None,
    commands: Annotated[
        bool, typer.Option("--commands", help="Print one shell command a run, for a queue; run nothing.")
    ] = False,
    fit_only: Annotated[
        bool, typer.Option("--fit-only", help="Train nothing; fit the runs that are there.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            metavar="N",
            min=1,
            help="Runs trained at once. Default: one after the other, or what a cluster has room for.",
            show_default=False,
        ),
    ] = None,
    executor: Executor = "local",
    address: Address = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            metavar="WHAT=NAME",
            help="Of a table: where size, data, loss, compute or seed stands.",
        ),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option("--unit", metavar="WORD", help="Of a table: what data counts, such as hours."),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option("--metric", metavar="WORD", help="Of a table: what the loss is, such as FVD."),
    ] = None,
    as_json: Json = False,
) -> int:
    """Train sizes on fractions of a dataset, fit scaling laws, and write what more data would buy."""
    from facevid.bench.study import scale as make

    if commands:
        return _commands(study, data, output, autoencoder, text, change or ())
    if output is None and not dry_run:
        raise typer.BadParameter("Name the folder for the study.", param_hint="--output")
    with ProgressDisplay(quiet=as_json) as display:
        done = make(
            study, data, output, autoencoder=autoencoder, text=text, changes=change or (), only=only or (),
            dry_run=dry_run, fit_only=fit_only, workers=workers, executor=executor, address=address,
            columns=_columns(column), unit=unit, metric=metric, on_progress=display.update,
            on_cost=None if as_json else _tell_cost,
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(done.to_dict(), indent=2, ensure_ascii=False))
    elif dry_run:
        _show_plan(done)
    else:
        _show(done)
    return SOME_FAILED if done.failed else OK


def _tell_cost(seconds: float | None, runs: int) -> None:
    long = (
        "no telling how long, since a size could not be measured"
        if seconds is None
        else f"about {clock(seconds)}"
    )
    typer.echo(f"{runs} {'run' if runs == 1 else 'runs'} to train, {long} one after the other.", err=True)


def _commands(
    study: str,
    data: str | None,
    output: Path | None,
    autoencoder: Path | None,
    text: Path | None,
    changes: Sequence[str],
) -> int:
    from facevid.bench.study.commands import run_commands
    from facevid.bench.study.plan import run_names
    from facevid.bench.study.recipe import read_study

    if data is None or output is None:
        raise typer.BadParameter("Commands name the dataset and the folder of the study: --data, --output.")
    lines = run_commands(
        study, run_names(read_study(study, changes)), data=data, output=str(output),
        autoencoder=None if autoencoder is None else str(autoencoder), text=None if text is None else str(text),
        changes=changes,
    )  # fmt: skip
    for line in lines:
        typer.echo(line)
    return OK


def _columns(given: list[str] | None) -> dict[str, str]:
    found = {}
    for one in given or []:
        what, sign, name = one.partition("=")
        if not sign or not name:
            raise typer.BadParameter(
                f"{one!r} names no column; write WHAT=NAME: size=parameters.", param_hint="--column"
            )
        found[what] = name
    return found


def _show_plan(done: ScaleSummary) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    assert done.cost is not None
    table = Table(
        "run", "weights", "clips", "people", "steps", "samples", "epochs", "time", box=SIMPLE_HEAD, pad_edge=False
    )  # fmt: skip
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.justify = "right"
    for row in done.plan:
        table.add_row(
            row["run"], f"{done.cost['sizes'][row['size']]['parameters']:,}", f"{row['clips']:,}", f"{row['people']:,}",
            f"{row['steps']:,}", f"{row['samples']:,}", f"{row['epochs']:.3g}",
            _clock(row["seconds"]),
        )  # fmt: skip
    Console(highlight=False).print(table)
    unmeasured = {c["unmeasured"] for c in done.cost["sizes"].values() if c["unmeasured"]}
    for why in sorted(unmeasured):
        typer.echo(f"Time: {why}")
    if done.cost["total_s"] is not None:
        typer.echo(
            f"About {clock(done.cost['total_s'])} one after the other, {clock(done.cost['encode_s'])} of it to make "
            "latents, by a few measured steps of each size."
        )
    for note in done.notes:
        typer.echo(f"Note: {note}")


def _show(done: ScaleSummary) -> None:
    ran = [
        (len(done.trained), "trained"),
        (len(done.reused), "as before"),
        (len(done.unfinished), "not finished"),
    ]
    ran += [(len(done.failed), "failed"), (len(done.missing), "not run yet")]
    said = ", ".join(f"{n} {word}" for n, word in ran if n)
    if said:
        typer.echo(f"{done.output}: {said}; {clock(done.seconds)}.")
    for name, why in (*done.failed.items(), *done.unfinished.items()):
        typer.echo(f"{name}: {why}")
    for name in done.busy:
        typer.echo(f"{name}: another process trains it.")
    for note in done.notes:
        typer.echo(f"Note: {note}")
    if done.findings is not None:
        for sentence in done.findings.sentences:
            typer.echo(f"  {sentence}")
    if done.page is not None:
        typer.echo(f"Look at {done.page}.")


def _clock(seconds: Any) -> str:
    return "?" if seconds is None else clock(seconds)
