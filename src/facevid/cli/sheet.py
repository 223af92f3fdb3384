"""`facevid sheet`: a contact sheet of a dataset's clips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from facevid.cli.endings import OK
from facevid.cli.steps import Dataset, Json


def sheet(
    dataset: Dataset,
    *,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="PICTURE", help="A .jpg or .png to write.")
    ] = Path("contact-sheet.jpg"),
    clips: Annotated[
        int, typer.Option("--clips", min=1, help="Clips to show, spread over the dataset.")
    ] = 24,
    frames: Annotated[int, typer.Option("--frames", min=1, help="Pictures of each clip.")] = 1,
    columns: Annotated[int, typer.Option("--columns", min=1, help="Pictures side by side.")] = 6,
    mesh: Annotated[bool, typer.Option("--mesh", help="Draw the facial keypoints.")] = False,
    as_json: Json = False,
) -> int:
    """Put pictures of a dataset's clips on one sheet, to look at what was kept."""
    import facevid

    written = facevid.sheet(dataset, output, clips=clips, frames=frames, columns=columns, mesh=mesh)
    typer.echo(json.dumps({"sheet": str(written)}) if as_json else f"Wrote {written}.")
    return OK
