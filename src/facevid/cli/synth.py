"""`facevid synth`: raw talking-face programmes with known truth, made from nothing but a seed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from facevid.cli.endings import OK
from facevid.cli.progress import ProgressDisplay
from facevid.cli.steps import Json, Workers


def synth(
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="Folder for the videos, truth.json and manifest.jsonl.", show_default=False
        ),
    ],
    *,
    people: Annotated[
        int, typer.Option("--people", metavar="N", min=2, help="How many people there are.")
    ] = 6,
    videos: Annotated[
        int, typer.Option("--videos", metavar="M", min=1, help="How many programmes to make.")
    ] = 6,
    seed: Annotated[int, typer.Option("--seed", metavar="S", min=0, help="Same seed, same footage.")] = 0,
    workers: Workers = None,
    as_json: Json = False,
) -> int:
    """Make synthetic footage: talking faces, clean and with every defect, and the truth about them."""
    import facevid

    with ProgressDisplay(quiet=as_json) as display:
        facevid.synthesize(
            out, people=people, videos=videos, seed=seed, workers=workers, on_progress=display.update
        )
    made = {
        "output": str(out),
        "people": people,
        "videos": videos,
        "seed": seed,
        "truth": str(out / "truth.json"),
        "manifest": str(out / "manifest.jsonl"),
    }
    if as_json:
        typer.echo(json.dumps(made, ensure_ascii=False))
    else:
        typer.echo(
            f"Made {videos} programmes with {people} people in {out}; its truth.json says what is in them."
        )
        typer.echo(
            f"Next: facevid build {out} -o DATASET (or build from {out / 'manifest.jsonl'}, which also says what "
            "its people state of themselves)"
        )
    return OK
