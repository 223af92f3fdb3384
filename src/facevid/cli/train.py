"""`facevid train`: a model, an autoencoder or a text encoder from a recipe and a dataset."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from facevid.cli.endings import OK
from facevid.cli.export import Where
from facevid.cli.progress import ProgressDisplay, clock
from facevid.cli.steps import Json

if TYPE_CHECKING:
    from facevid.generate.train import TrainSummary
    from facevid.generate.training.estimate import Estimate

_NAMED = 5  # clips that could not be read, of which the command tells


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE", help="Recipe of a training: its name, or a YAML file.", show_default=False
        ),
    ],
    *,
    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="DATASET",
            help="Folder of the dataset, or its address: hf://, s3://, https://.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="MODEL", help="Folder for the model and its training."),
    ] = None,
    subset: Annotated[
        str | None, typer.Option("--subset", metavar="NAME", help="Only the clips of a saved subset.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split", metavar="NAME", help="A saved split, of which train and validation are used."
        ),
    ] = None,
    where: Where = None,
    autoencoder: Annotated[
        Path | None,
        typer.Option("--autoencoder", metavar="DIR", help="Autoencoder in the place of the recipe's."),
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option("--text", metavar="DIR", help="Text encoder trained before, in the place of a new one."),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="FIELD=VALUE", help="Change the recipe: optimisation.steps=100; repeatable."
        ),
    ] = None,
    on_the_fly: Annotated[
        bool, typer.Option("--on-the-fly", help="Encode at every step instead of once before.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would cost: weights, memory, time.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Train a video model, an autoencoder or a text encoder; the same command again goes on where it stopped."""
    from facevid.generate.train import train as make

    if output is None and not dry_run:
        raise typer.BadParameter("Name the folder for the model.", param_hint="--output")
    with ProgressDisplay(quiet=as_json) as display:
        done = make(
            recipe, data, output, where=where, subset=subset, split=split, autoencoder=autoencoder,
            text=text, changes=changes or (), on_the_fly=on_the_fly, dry_run=dry_run, on_progress=display.update,
        )  # fmt: skip
    if os.environ.get("RANK", "0") != "0":
        return OK  # of several ranks the first one tells
    if as_json:
        typer.echo(json.dumps(done.to_dict(), indent=2, ensure_ascii=False))
    elif dry_run:
        _show_estimate(cast("Estimate", done))
    else:
        _show(cast("TrainSummary", done))
    return OK


def _show(done: TrainSummary) -> None:
    loss = "" if done.held_out_loss is None else f", held-out loss {done.held_out_loss:.4g}"
    typer.echo(
        f"{done.output}: {done.recipe}, {done.parameters:,} weights, {done.step:,} of {done.steps:,} steps, "
        f"{done.samples_seen:,} samples ({done.epochs:.3g} epochs){loss}."
    )
    if done.samples_per_s is not None and done.stall is not None:
        used = "" if done.mfu is None else f", {done.mfu:.1%} of the peak in operations"
        typer.echo(
            f"{done.trained_steps:,} steps now on {done.ranks} x {done.device}: {done.samples_per_s:.3g} samples/s, "
            f"{done.stall:.1%} of the time waiting for data{used}, {done.peak_memory_bytes / 1e9:.2f} GB."
        )
    if done.ended == "minutes":
        typer.echo("The minutes are over; the same command goes on.")
    for note in done.notes:
        typer.echo(f"Note: {note}")
    for clip_id, why in list(done.damaged.items())[:_NAMED]:
        typer.echo(f"Clip {clip_id} cannot be read: {why}")
    if len(done.damaged) > _NAMED:
        typer.echo(f"{len(done.damaged) - _NAMED:,} more clips cannot be read; --json lists them.")


def _show_estimate(found: Estimate) -> None:
    memory = ", ".join(f"{name} {_size(size)}" for name, size in found.memory.items() if size)
    typer.echo(
        f"{found.name}: {found.parameters:,} weights are trained, {found.frozen_parameters:,} are not; "
        f"{found.tokens:,} tokens a sample."
    )
    typer.echo(
        f"{found.steps:,} steps of {found.batch} samples ({found.ranks} x {found.micro_batch} at once): "
        f"{found.epochs:.3g} epochs of {found.samples:,} windows."
    )
    typer.echo(f"Memory of a device: about {_size(found.memory_bytes)} ({memory}).")
    if found.seconds is None or found.step_s is None or found.data_s is None:
        typer.echo(f"Time on {found.device}: {found.unmeasured}")
        return
    typer.echo(
        f"Time on {found.device}: about {clock(found.seconds)}, {found.step_s:.3g} s a step by "
        f"{found.measured_samples} samples measured, and {found.data_s:.3g} s to read and decode its clips meanwhile, "
        "if no latents are kept."
    )


def _size(count: int) -> str:
    """Bytes in gigabytes, or in megabytes below one."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
