"""`facevid push` and `facevid pull`: whole datasets to and from hubs and buckets."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import Annotated

import typer

from facevid.cli.steps import Json

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

    _quiet(as_json)
    told = send(dataset, target, private=not public)
    if as_json:
        typer.echo(json.dumps(asdict(told), indent=2))
    else:
        typer.echo(
            f"{told.target} holds {told.files:,} files, {told.bytes / 1e9:.2f} GB; {told.sent:,} were sent."
        )
    return 0


def pull(source: Source, *, output: Output, as_json: Json = False) -> int:
    """Fetch a whole dataset from a hub, a bucket or a web server, and check every file of it."""
    from facevid.dataset.sharing import pull as fetch

    _quiet(as_json)
    told = fetch(source, output)
    if as_json:
        typer.echo(json.dumps(asdict(told), indent=2))
    else:
        typer.echo(
            f"{told.output} holds {told.files:,} files, {told.bytes / 1e9:.2f} GB; "
            f"{told.fetched_bytes / 1e9:.2f} GB were fetched."
        )
    return 0


def _quiet(as_json: bool) -> None:
    """Under --json no progress is shown, that of huggingface_hub neither; it looks at this when it is imported."""
    if as_json:
        os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
