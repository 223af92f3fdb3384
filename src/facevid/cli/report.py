"""`facevid report`: what a dataset holds, lacks and rejected, as one HTML page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from facevid.cli.endings import OK
from facevid.cli.steps import Dataset, Json


def report(
    dataset: Dataset,
    *,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="PAGE", help="An .html file to write.")
    ] = Path("report.html"),
    as_json: Json = False,
) -> int:
    """Write what a dataset holds, lacks and rejected as one HTML page that needs no network."""
    import facevid

    written = facevid.report(dataset, output)
    typer.echo(json.dumps({"report": str(written)}) if as_json else f"Wrote {written}.")
    return OK
