"""`facevid merge`: one dataset of several."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from facevid.cli.progress import ProgressDisplay
from facevid.cli.steps import Json

_SHOWN = 10  # conflicts that are printed; --json has all

Datasets = Annotated[
    list[str], typer.Argument(metavar="DATASETS...", help="Folders or addresses of at least two datasets.")
]
Output = Annotated[str, typer.Option("-o", "--output", metavar="OUT", help="Folder to write.")]
Name = Annotated[str | None, typer.Option("--name", metavar="NAME", help="Name of the new dataset.")]
ShardMb = Annotated[
    float, typer.Option("--shard-mb", metavar="MB", min=0.01, help="Size of new shards in million bytes.")
]


def merge(
    datasets: Datasets,
    *,
    output: Output,
    name: Name = None,
    shard_mb: ShardMb = 1000.0,
    as_json: Json = False,
) -> int:
    """Put datasets together: every clip once, people apart, and nothing that was taken down from any of them."""
    from facevid.dataset.sharing import merge as unite

    with ProgressDisplay(quiet=as_json) as display:
        told = unite(
            datasets,
            output,
            name=name,
            shard_bytes=int(shard_mb * 1e6),
            on_progress=display.counting("merge"),
        )
    if as_json:
        typer.echo(json.dumps(asdict(told), indent=2, ensure_ascii=False))
        return 0
    typer.echo(f"{told.output} holds {told.clips:,} clips; {told.shared:,} stood in more than one dataset.")
    if told.taken_down:
        typer.echo(f"{told.taken_down:,} clips were left out, since they were taken down from one of them.")
    if told.people_renamed or told.sources_renamed:
        typer.echo(
            f"{told.people_renamed:,} people and {told.sources_renamed:,} sources have a new name, since others had it."
        )
    for sentence in told.conflicts[:_SHOWN]:
        typer.echo(sentence)
    if len(told.conflicts) > _SHOWN:
        typer.echo(f"and {len(told.conflicts) - _SHOWN:,} more conflicts; --json lists all.")
    return 0
