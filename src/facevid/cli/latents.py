"""`facevid latents`: encodes a dataset's windows once, so that trainings read latents instead of video."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facevid.cli.endings import OK, SOME_FAILED
from facevid.cli.export import Place, Split, Subset, Where
from facevid.cli.progress import ProgressDisplay
from facevid.cli.steps import Address, Executor, Json, NeedsOption

if TYPE_CHECKING:
    from facevid.generate.data.latents import LatentsSummary

_NAMED = 5  # clips that cannot be read, of which the command tells


def latents(
    dataset: Place,
    *,
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", metavar="RECIPE", help="Recipe of a training: its name, or a YAML file."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="MODEL", help="Folder of a trained model, whose encoders are taken."),
    ] = None,
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
        typer.Option("--set", metavar="FIELD=VALUE", help="Change the recipe: data.windows=8; repeatable."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Folder for them; else in the dataset's .work."),
    ] = None,
    where: Where = None,
    subset: Subset = None,
    split: Split = None,
    precision: Annotated[
        str, typer.Option("--precision", metavar="TYPE", help="float16, bfloat16 or float32.")
    ] = "float16",
    device: Annotated[
        str | None, typer.Option("--device", metavar="NAME", help="cpu or cuda; cuda where there is one.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            metavar="N",
            min=1,
            help="Processes that encode. Default: this one, with all its cores.",
        ),
    ] = None,
    executor: Executor = "local",
    address: Address = None,
    resources: NeedsOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be made, and how large.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Encode a dataset's windows and captions once, for every training that follows."""
    from facevid.generate.data.latents import latents as make

    with ProgressDisplay(quiet=as_json) as display:
        made = make(
            dataset,
            recipe=recipe,
            model=model,
            autoencoder=autoencoder,
            text=text,
            output=output,
            changes=changes or (),
            where=where,
            subset=subset,
            split=split,
            precision=precision,  # type: ignore[arg-type]  # what it cannot be, it says itself
            device=device,
            workers=workers,
            executor=executor,
            address=address,
            resources=resources or (),
            dry_run=dry_run,
            on_progress=display.update,
        )
    if as_json:
        typer.echo(json.dumps(made.to_dict(), indent=2, ensure_ascii=False))
    else:
        _show(made)
    return SOME_FAILED if made.unreadable else OK


def _show(made: LatentsSummary) -> None:
    size = f"{made.bytes / 1e6:,.1f} MB"
    if made.dry_run:
        typer.echo(
            f"{made.missing:,} of {made.windows:,} windows of {made.clips:,} clips and {made.captions:,} captions "
            f"would be encoded on {made.device}, about {size}, in {made.folder}."
        )
    else:
        typer.echo(
            f"{made.folder} holds {made.made + made.reused:,} windows of {made.clips:,} clips. Encoded now on "
            f"{made.device}: {made.made:,} windows, {made.captions:,} captions; {size} in all, {made.seconds:.1f} s."
        )
    if made.text_folder is None:
        typer.echo("The text encoder is trained along with the model, so captions are read when it trains.")
    for count, why in ((made.too_short, "too short"), (made.no_caption, "without a caption")):
        if count:
            typer.echo(f"{count:,} clips are left out: {why}.")
    for shard in made.damaged:
        typer.echo(
            f"The shard {shard}{', so it must be made anew' if made.dry_run else ' and was made anew'}."
        )
    for clip_id, why in list(made.unreadable.items())[:_NAMED]:
        typer.echo(f"Clip {clip_id} cannot be read: {why}")
    if len(made.unreadable) > _NAMED:
        typer.echo(f"{len(made.unreadable) - _NAMED:,} more clips cannot be read; --json lists them.")
