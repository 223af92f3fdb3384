"""Puts the commands together and turns every way a command can end into one sentence and one exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

import facevid
from facevid.cli import (
    annotate,
    bench,
    demo,
    describe,
    doctor,
    explore,
    export,
    generate,
    importing,
    latents,
    merge,
    query,
    recipe,
    report,
    review,
    scale,
    sheet,
    steps,
    subset,
    synth,
    takedown,
    train,
    transfer,
    verify,
)
from facevid.cli.endings import EXIT_CODES_HELP, INTERRUPTED, ending_of, write_error

app = typer.Typer(
    name="facevid",
    help="Turn raw talking-face footage into a documented dataset.",
    epilog=EXIT_CODES_HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("import")(importing.import_)
app.command("build")(steps.build)
app.command("scan")(steps.scan)
app.command("analyze")(steps.analyze)
app.command("select")(steps.select)
app.command("cut")(steps.cut)
app.command("identify")(steps.identify)
app.command("pack")(steps.pack)
app.command("annotate")(annotate.annotate)
app.command("status")(steps.status)
app.command("doctor")(doctor.doctor)
app.command("explore")(explore.explore)
app.add_typer(review.app, name="review")
app.command("report")(report.report)
app.command("query")(query.query)
app.command("subset")(subset.subset)
app.command("split")(subset.split)
app.command("export")(export.export)
app.command("release")(export.release)
app.command("merge")(merge.merge)
app.command("push")(transfer.push)
app.command("pull")(transfer.pull)
app.command("info")(describe.info)
app.command("stats")(describe.stats)
app.command("card")(describe.card)
app.command("verify")(verify.verify)
app.command("takedown")(takedown.takedown)
app.command("sheet")(sheet.sheet)
app.command("train")(train.train)
app.command("latents")(latents.latents)
app.command("generate")(generate.generate)
app.add_typer(bench.app, name="bench")
app.command("scale")(scale.scale)
app.command("clean")(steps.clean)
app.add_typer(recipe.app, name="recipe")
app.command("synth")(synth.synth)
app.command("demo")(demo.demo)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"facevid {facevid.__version__}")
        raise typer.Exit()


@app.callback()
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and leave."
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error (also: FACEVID_DEBUG=1).")
    ] = False,
) -> None:
    """Turn raw talking-face footage into a documented dataset."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; arguments default to those of the process.

    Never raises for a user's mistake, a full disk or Ctrl-C: those end in a sentence on stderr, and under
    --json also in a JSON document `{"error": ..., "exit_code": ...}` on stdout.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given or os.environ.get("FACEVID_DEBUG", "0") not in ("", "0")
    given = [argument for argument in given if argument != "--debug"]
    try:
        code = app(given, prog_name="facevid", standalone_mode=False)
        if code == INTERRUPTED:  # how typer passes on Ctrl-C
            raise KeyboardInterrupt
    except BaseException as error:
        ending = ending_of(error)
        if ending is None:
            raise
        write_error(ending, as_json="--json" in given, traceback_of=error if debug else None)
        return ending.code
    return code if isinstance(code, int) else 0
