"""`facevid demo`: six short synthetic programmes, a dataset built from them, and what came of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facevid.cli.progress import ProgressDisplay
from facevid.cli.steps import Json, Workers, finish
from facevid.cli.summary import print_summary

if TYPE_CHECKING:
    from facevid.engine.progress import Progress

PEOPLE = 6
VIDEOS = 6
SEED = 1
SECONDS = 15


def demo(
    *,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the footage and the dataset.")
    ] = Path("facevid-demo"),
    workers: Workers = None,
    as_json: Json = False,
) -> int:
    """Make six short programmes, build a dataset from them, and show what was kept and why the rest not."""
    if not as_json:
        typer.echo(f"Making {VIDEOS} short programmes in {output / 'footage'}.", err=True)
    with ProgressDisplay(quiet=as_json) as display:
        summary = run_demo(output, workers=workers, on_progress=display.update)
    return finish(summary, as_json=as_json, show=print_summary)


def run_demo(
    output: Path, *, workers: int | None = None, on_progress: Callable[[Progress], None] | None = None
) -> Any:
    """Synthesize footage into output/footage, unless it is there, and build output/dataset from it.

    The library call behind `facevid demo`; returns the Summary of `facevid.build`.
    """
    import facevid

    footage = output / "footage"
    if not footage.is_dir():
        partial = output / ".footage.partial"
        shutil.rmtree(partial, ignore_errors=True)
        facevid.synthesize(
            partial,
            people=PEOPLE,
            videos=VIDEOS,
            seed=SEED,
            seconds=SECONDS,
            workers=workers,
            on_progress=on_progress,
        )
        partial.rename(footage)
    return facevid.build([footage], output / "dataset", workers=workers, on_progress=on_progress)
