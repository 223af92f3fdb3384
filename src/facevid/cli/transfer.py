"""`facevid push` and `facevid pull`: whole datasets to and from hubs and buckets."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import Annotated

import typer

from facevid.cli.progress import ProgressDisplay
from facevid.cli.steps import Json

_MB = 1_000_000

Dataset = Annotated[str, typer.Argument(metavar="DATASET", help="Folder of the dataset.", show_default=False)]
Target = Annotated[
    str,
    typer.Argument(
        metavar="TARGET", help="hf://datasets/ORG/NAME, s3://BUCKET/FOLDER, or what fsspec knows."
    ),
]
Source = Annotated[
    str,
    typer.Argument(metavar="SOURCE", help="hf://datasets/ORG/NAME, s3://BUCKET/FOLDER, https://HOST/FOLDER."),
]
Output = Annotated[str, typer.Option("-o", "--output", metavar="FOLDER", help="Folder for the dataset.")]
Public = Annotated[
    bool, typer.Option("--public", help="A hub repository that is made is public, not private.")
]


def push(dataset: Dataset, target: Target, *, public: Public = False, as_json: Json = False) -> int:
    """Copy a dataset to a hub or a bucket; what is there is not sent again, and dataset.json goes last."""
    from facevid.dataset.sharing import push as send

    _quiet()
    with ProgressDisplay(quiet=as_json) as display:
        told = send(dataset, target, private=not public, on_progress=display.counting("push MB", _MB))
    if as_json:
        typer.echo(json.dumps(asdict(told), indent=2))
    else:
        typer.echo(
            f"{told.target} holds {told.files:,} files, {told.bytes / 1e9:.2f} GB; {told.sent:,} were sent."
            + (f" It replaced the dataset {told.replaced}." if told.replaced else "")
        )
    return 0


def pull(source: Source, *, output: Output, as_json: Json = False) -> int:
    """Fetch a whole dataset from a hub, a bucket or a web server, and check every file of it."""
    from facevid.dataset.sharing import pull as fetch

    _quiet()
    with ProgressDisplay(quiet=as_json) as display:
        told = fetch(source, output, on_progress=display.counting("pull MB", _MB))
    if as_json:
        typer.echo(json.dumps(asdict(told), indent=2))
    else:
        typer.echo(
            f"{told.output} holds {told.files:,} files, {told.bytes / 1e9:.2f} GB; "
            f"{told.fetched_bytes / 1e9:.2f} GB were fetched."
        )
    return 0


def _quiet() -> None:
    """huggingface_hub shows a bar a file, beside our own; it looks at this when it is imported."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
