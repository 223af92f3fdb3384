"""The commands of a build: all steps at once or one alone, how far a dataset is, and cleaning up after it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from facevid.cli.endings import OK, SOME_FAILED
from facevid.cli.progress import ProgressDisplay
from facevid.cli.summary import print_status, print_step, print_summary
from facevid.storage import is_address

Footage = Annotated[
    list[str],
    typer.Argument(
        metavar="FOOTAGE",
        help="Video files, folders, globs, or a manifest (.csv, .jsonl, .parquet: path, url, licence, "
        "consent, collected_by, language, spans and labels, and what people state about themselves); "
        "each may be an address (s3://, gs://, https://, ...).",
        show_default=False,
    ),
]
Output = Annotated[
    str,
    typer.Option(
        "-o", "--output", metavar="DATASET", help="Folder of the dataset, or its address (s3://BUCKET/NAME)."
    ),
]
DatasetPlace = Annotated[
    str,
    typer.Argument(
        metavar="DATASET",
        help="Folder of the dataset, or its address (s3://BUCKET/NAME).",
        show_default=False,
    ),
]
Dataset = Annotated[
    Path, typer.Argument(metavar="DATASET", help="Folder of the dataset.", show_default=False)
]
RecipeOption = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="R",
        help="Recipe: a shipped name or a YAML file. Default: what the dataset was last built with, else dh-facevid.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        help="Worker processes. Default: one a core, or what a cluster has room for.",
    ),
]
Executor = Annotated[
    str,
    typer.Option(
        "--executor", metavar="E", help="Where workers run. local: this machine. ray: those of a Ray cluster."
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        help="Ray cluster to join. auto: that of `ray start` on this machine; local: a new one on it alone. "
        "Default: auto where there is one, else local.",
        show_default=False,
    ),
]
NeedsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--resources",
        metavar="FIELD=AMOUNT",
        help="What a worker takes up of its machine: cpus=2, gpus=0.5, memory_gb=8, custom.NAME=1; repeatable.",
        show_default=False,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and do nothing.")]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Try again what failed in an earlier run.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and no progress.")]


def build(
    footage: Footage,
    *,
    output: Output,
    recipe: RecipeOption = None,
    require_consent: Annotated[
        bool | None,
        typer.Option(
            "--require-consent/--no-require-consent",
            help="Keep only what states consent. Default: as the recipe says.",
            show_default=False,
        ),
    ] = None,
    licence: Annotated[
        list[str] | None,
        typer.Option(
            "--licence",
            metavar="L",
            help="Keep only this licence; may be given several times.",
            show_default=False,
        ),
    ] = None,
    minimum_age: Annotated[
        int | None,
        typer.Option(
            "--minimum-age",
            metavar="YEARS",
            min=0,
            max=120,
            help="Keep nobody who is known to be younger.",
            show_default=False,
        ),
    ] = None,
    opt_out: Annotated[
        Path | None,
        typer.Option(
            "--opt-out",
            metavar="LIST",
            help="Leave out, without a trace, the files, people and clips that this list names. "
            "Default: the list that the dataset was last built with.",
            show_default=False,
        ),
    ] = None,
    workers: Workers = None,
    executor: Executor = "local",
    address: Address = None,
    dry_run: DryRun = False,
    retry_failed: RetryFailed = False,
    as_json: Json = False,
) -> int:
    """Make a dataset from footage: scan, analyze, select, cut, identify, pack; goes on where it stopped."""
    import facevid

    with ProgressDisplay(quiet=as_json) as display:
        summary = facevid.build(
            footage,
            output,
            recipe=recipe,
            require_consent=require_consent,
            licence=licence or None,
            minimum_age=minimum_age,
            opt_out=opt_out,
            workers=workers,
            executor=executor,
            address=address,
            dry_run=dry_run,
            retry_failed=retry_failed,
            on_progress=display.update,
        )
    return finish(summary, as_json=as_json, show=print_summary)


def scan(
    footage: Footage,
    *,
    output: Output,
    recipe: RecipeOption = None,
    workers: Workers = None,
    executor: Executor = "local",
    address: Address = None,
    dry_run: DryRun = False,
    retry_failed: RetryFailed = False,
    as_json: Json = False,
) -> int:
    """List the sources in the footage: what each file is, where it came from, and which cannot be used."""
    import facevid

    with ProgressDisplay(quiet=as_json) as display:
        summary = facevid.scan(
            footage,
            output,
            recipe=recipe,
            workers=workers,
            executor=executor,
            address=address,
            dry_run=dry_run,
            retry_failed=retry_failed,
            on_progress=display.update,
        )
    return finish(summary, as_json=as_json, show=print_step)


def analyze(
    dataset: DatasetPlace,
    *,
    recipe: RecipeOption = None,
    workers: Workers = None,
    executor: Executor = "local",
    address: Address = None,
    dry_run: DryRun = False,
    retry_failed: RetryFailed = False,
    as_json: Json = False,
) -> int:
    """Watch every source once: shots, face tracks, landmarks, and every score."""
    return _step("analyze", dataset, recipe, workers, executor, address, dry_run, retry_failed, as_json)


def select(
    dataset: DatasetPlace,
    *,
    recipe: RecipeOption = None,
    workers: Workers = None,
    executor: Executor = "local",
    address: Address = None,
    dry_run: DryRun = False,
    retry_failed: RetryFailed = False,
    as_json: Json = False,
) -> int:
    """Apply the recipe's rules to the scores: which stretches become clips, and why the rest do not."""
    return _step("select", dataset, recipe, workers, executor, address, dry_run, retry_failed, as_json)


def cut(
    dataset: DatasetPlace,
    *,
    recipe: RecipeOption = None,
    workers: Workers = None,
    executor: Executor = "local",
    address: Address = None,
    dry_run: DryRun = False,
    retry_failed: RetryFailed = False,
    as_json: Json = False,
) -> int:
    """Cut the selected stretches: square clip with sound, speech, and landmarks per frame."""
    return _step("cut", dataset, recipe, workers, executor, address, dry_run, retry_failed, as_json)


def identify(
    dataset: DatasetPlace,
    *,
    recipe: RecipeOption = None,
    workers: Workers = None,
    executor: Executor = "local",
    address: Address = None,
    dry_run: DryRun = False,
    retry_failed: RetryFailed = False,
    as_json: Json = False,
) -> int:
    """Tell which clips show the same person, and which repeat another clip."""
    return _step("identify", dataset, recipe, workers, executor, address, dry_run, retry_failed, as_json)


def pack(
    dataset: DatasetPlace,
    *,
    recipe: RecipeOption = None,
    workers: Workers = None,
    executor: Executor = "local",
    address: Address = None,
    dry_run: DryRun = False,
    retry_failed: RetryFailed = False,
    as_json: Json = False,
) -> int:
    """Write the published dataset: tables, shards of media, and the dataset card."""
    return _step("pack", dataset, recipe, workers, executor, address, dry_run, retry_failed, as_json)


def status(dataset: DatasetPlace, *, as_json: Json = False) -> int:
    """Say how far a dataset has come and what to run next."""
    import facevid

    return finish(facevid.status(dataset), as_json=as_json, show=print_status)


def clean(dataset: DatasetPlace, *, as_json: Json = False) -> int:
    """Remove the work folder of a dataset; what is published stays."""
    import facevid

    freed = facevid.clean(dataset)
    if as_json:
        typer.echo(json.dumps({"dataset": str(dataset), "freed_bytes": freed}))
    else:
        elsewhere = " Run it on other machines that worked on it too: they keep copies."
        typer.echo(
            f"Removed the work folder of {dataset}: {freed / 1e6:.1f} MB. The published dataset is untouched."
            + (elsewhere if is_address(dataset) else "")
        )
    return OK


def _step(
    name: str,
    dataset: str,
    recipe: str | None,
    workers: int | None,
    executor: str,
    address: str | None,
    dry_run: bool,
    retry_failed: bool,
    as_json: bool,
) -> int:
    import facevid

    with ProgressDisplay(quiet=as_json) as display:
        summary = getattr(facevid, name)(
            dataset,
            recipe=recipe,
            workers=workers,
            executor=executor,
            address=address,
            dry_run=dry_run,
            retry_failed=retry_failed,
            on_progress=display.update,
        )
    return finish(summary, as_json=as_json, show=print_step)


def finish(result: Any, *, as_json: bool, show: Callable[[Mapping[str, Any]], None]) -> int:
    """Print a summary for a machine or for a person; returns the exit code, which tells if an item failed."""
    summary = result.to_dict()
    if as_json:
        typer.echo(json.dumps(summary, ensure_ascii=False))
    else:
        show(summary)
    return SOME_FAILED if summary.get("failed") else OK
