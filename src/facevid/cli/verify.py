"""`facevid verify`: whether a dataset is whole, and how to mend what is not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from facevid.cli.endings import OK, SOME_FAILED
from facevid.cli.progress import ProgressDisplay
from facevid.cli.steps import DatasetPlace, Json

_SHOWN = 10


def verify(
    dataset: DatasetPlace,
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="Sizes, tables and headers only; no content is read.")
    ] = False,
    decode: Annotated[
        str | None,
        typer.Option(
            "--decode", metavar="N|all", help="How many clips to decode. Default: 100, with --quick none."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", min=1, help="Threads. Default: one a core.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Check a dataset to the last byte: files, tables, shards, keypoints, labels, subsets; names how to mend it."""
    import facevid

    if decode is not None and decode != "all" and not decode.isdigit():
        raise typer.BadParameter("a number or all", param_hint="--decode")
    wanted: Any = decode if decode in (None, "all") else int(str(decode))
    with ProgressDisplay(quiet=as_json) as display:
        found = facevid.verify(
            dataset, quick=quick, decode=wanted, workers=workers, on_progress=display.update
        )
    if as_json:
        typer.echo(json.dumps(found.to_dict(), ensure_ascii=False))
    else:
        _print({**found.to_dict(), "quick": quick})
    return OK if found.sound else SOME_FAILED


def _print(found: Mapping[str, Any]) -> None:
    shown: dict[str, int] = {}
    for fault in found["faults"]:
        kind = fault["kind"]
        shown[kind] = shown.get(kind, 0) + 1
        if shown[kind] <= _SHOWN:
            typer.echo(f"{kind}: {fault['where']}: {fault['what']}")
        if shown[kind] == min(_SHOWN, found["kinds"][kind]):
            rest = found["kinds"][kind] - _SHOWN
            more = f"... and {rest:,} more (--json lists all). " if rest > 0 else ""
            typer.echo(f"  {more}{fault['mend']}")
    speed = (
        f", {found['bytes'] / 1e6 / found['seconds']:,.0f} MB/s"
        if found["bytes"] and found["seconds"]
        else ""
    )
    checked = (
        f"{found['clips']:,} clips in {found['files']:,} files, {found['decoded']:,} decoded, "
        f"in {found['seconds']:.1f} s{speed}"
    )
    count = len(found["faults"])
    sound = "sound by sizes, tables and headers" if found["quick"] else "sound"
    verdict = sound if not count else f"{count:,} fault{'s' if count > 1 else ''}"
    typer.echo(f"{found['dataset']}: {verdict} ({checked}).")
