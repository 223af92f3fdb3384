"""`facevid annotate`: attributes, actions and captions for every clip of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from facevid.cli.progress import ProgressDisplay
from facevid.cli.steps import Dataset, DryRun, Json, RecipeOption, RetryFailed, Workers, finish
from facevid.cli.summary import print_step


def annotate(
    dataset: Dataset,
    *,
    recipe: RecipeOption = None,
    workers: Workers = None,
    dry_run: DryRun = False,
    retry_failed: RetryFailed = False,
    as_json: Json = False,
) -> int:
    """Say what can be seen and heard in every clip: attributes, actions, captions, each with who says so."""
    from facevid.annotate import annotate as annotate_dataset

    with ProgressDisplay(quiet=as_json) as display:
        summary = annotate_dataset(
            dataset,
            recipe=recipe,
            workers=workers,
            dry_run=dry_run,
            retry_failed=retry_failed,
            on_progress=display.update,
        )
    return finish(summary, as_json=as_json, show=_show)


def _show(summary: Mapping[str, Any]) -> None:
    print_step(summary)
    total = summary["total"]
    if summary["answered"]:
        shares = [f"{name} {count / total:.0%}" for name, count in summary["answered"].items()]
        typer.echo("Share of clips with an answer: " + ", ".join(shares) + ".")
