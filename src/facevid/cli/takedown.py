"""`facevid takedown`: takes sources, persons or clips out of a dataset for good."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facevid.cli.endings import OK
from facevid.cli.steps import Json

if TYPE_CHECKING:
    from facevid.dataset.removing.takedown import Takedown

_SHOWN = 10


def takedown(
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", help="Folder of the dataset.", show_default=False)
    ],
    *,
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--source", metavar="NAME|ID|SHA256", help="A source, whole. May be given several times."
        ),
    ] = None,
    person: Annotated[
        list[str] | None,
        typer.Option("--person", metavar="ID", help="All clips of an identity. May be given several times."),
    ] = None,
    clip: Annotated[
        list[str] | None, typer.Option("--clip", metavar="ID", help="A clip. May be given several times.")
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option("--reason", metavar="TEXT", help="Why; kept in the receipt, so without names or ids."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    as_json: Json = False,
) -> int:
    """Take sources, persons or clips out of a dataset for good, so that no byte of its folder tells of them."""
    import facevid

    named = {"source": source or [], "person": person or [], "clip": clip or []}
    if any(named.values()) and not dry_run and not yes and not _agreed(dataset, named, reason, as_json):
        typer.echo("Nothing was changed.")
        return OK
    done = facevid.takedown(dataset, **named, reason=reason, dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps(done.to_dict(), ensure_ascii=False))
    else:
        _show(done)
    return OK


def _agreed(dataset: str, named: dict[str, list[str]], reason: str | None, as_json: bool) -> bool:
    """Show what would go and ask; raises typer.BadParameter where nobody can answer."""
    import facevid
    from facevid.dataset.removing.pending import read_journal

    if as_json or not sys.stdin.isatty():
        raise typer.BadParameter(
            "What is taken down cannot be brought back: give --yes, or --dry-run to look first."
        )
    if read_journal(Path(dataset)) is None:
        _show(facevid.takedown(dataset, **named, reason=reason, dry_run=True))
    return typer.confirm("This cannot be undone. Go on?")


def _show(done: Takedown) -> None:
    gone, verb = done.receipt["removed"], "would go" if done.dry_run else "are gone"
    typer.echo(
        f"Clips that {verb}: {gone['clips']:,} ({gone['seconds']:,.1f} s, {gone['media_bytes'] / 1e6:,.1f} MB); whole "
        f"sources: {gone['sources']:,}; rejected stretches: {gone['rejected']:,}; statements: {gone['annotations']:,}; "
        f"verdicts of the review: {gone['verdicts']:,}; ids in subsets: {gone['ids_in_subsets']:,}."
    )
    for what, names in (("sources", done.sources), ("clips", done.clips)):
        if names and done.dry_run:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            typer.echo(f"  {what}: {', '.join(names[:_SHOWN])}{more}")
    for note in done.notes:
        typer.echo(f"  {note}")
    if done.path is not None:
        typer.echo(
            "It is marked by hashes in tombstones.json, so that no later build brings it back. The folder was searched "
            f"and holds no trace. Receipt: {done.path}"
        )
