"""`facevid export` and `facevid release`: clips of a dataset for others, all at once or in stages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from facevid.cli.progress import ProgressDisplay
from facevid.cli.steps import Json

Place = Annotated[
    str,
    typer.Argument(metavar="DATASET", help="Folder of a dataset, or its address: hf://, s3://, https://."),
]
Output = Annotated[
    str, typer.Option("-o", "--output", metavar="OUT", help="Folder to write; a file for csv and jsonl.")
]
Format = Annotated[
    str,
    typer.Option("--format", metavar="FORM", help="facevid, folder, webdataset, huggingface, csv or jsonl."),
]
Where = Annotated[
    str | None, typer.Option("--where", metavar="SQL", help="Only clips for which this condition is true.")
]
Subset = Annotated[
    str | None,
    typer.Option("--subset", metavar="NAME", help="Only clips of a saved subset or split, or of its file."),
]
Split = Annotated[
    str | None,
    typer.Option("--split", metavar="PART", help="Only this part of the split, or of the column split."),
]
Consent = Annotated[
    bool,
    typer.Option("--require-consent", help="Only clips of which consent is stated, by their span or source."),
]
Licence = Annotated[
    list[str] | None,
    typer.Option(
        "--licence", metavar="NAME", help="Only clips with this licence; CC-BY* for a kind; repeatable."
    ),
]
ShardMb = Annotated[
    float, typer.Option("--shard-mb", metavar="MB", min=0.01, help="Size of shards in million bytes.")
]
Stages = Annotated[
    str | None,
    typer.Option("--stages", metavar="PERCENT", help="Prepare a release in stages: 10,40,50 of the whole."),
]
By = Annotated[
    str | None,
    typer.Option(
        "--by", metavar="NAMES", help="What each stage shall hold in equal shares: ethnicity,gender."
    ),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Seed of the order of the stages.")]
Stage = Annotated[
    int, typer.Option("--stage", metavar="N", min=1, help="The stage that is to be out; 1 is the first.")
]
Folder = Annotated[str, typer.Option("-o", "--output", metavar="OUT", help="Folder to write.")]


def export(
    dataset: Place,
    *,
    output: Output,
    format: Format = "facevid",
    where: Where = None,
    subset: Subset = None,
    split: Split = None,
    require_consent: Consent = False,
    licence: Licence = None,
    shard_mb: ShardMb = 1000.0,
    stages: Stages = None,
    by: By = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> int:
    """Write clips of a dataset for others: a dataset, loose files, WebDataset, Hugging Face, CSV or JSON lines."""
    from facevid.dataset.sharing import export as write

    with ProgressDisplay(quiet=as_json) as display:
        told = write(
            dataset,
            output,
            format=format,  # type: ignore[arg-type]  # what it cannot be, it says itself
            where=where,
            subset=subset,
            split=split,
            require_consent=require_consent,
            licence=licence,
            shard_bytes=int(shard_mb * 1e6),
            stages=_numbers(stages) if stages is not None else None,
            by=_names(by),
            seed=seed,
            on_progress=display.counting("export"),
        )
    if as_json:
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        _show(told)
    return 0


def release(dataset: Place, *, output: Folder, stage: Stage, as_json: Json = False) -> int:
    """Publish one stage of a dataset that was exported with --stages: only its shards, and the clips in them."""
    from facevid.dataset.sharing import release as publish

    with ProgressDisplay(quiet=as_json) as display:
        manifest = publish(dataset, output, stage, on_progress=display.counting("release"))
    told = {"output": output, "clips": manifest.about["counts"]["clips"], **manifest.about["released"]}
    if as_json:
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        typer.echo(
            f"{output} holds stage {stage} of {told['of']}: {told['clips']:,} clips, {told['percent']:g} % of all."
        )
    return 0


def _show(told: Mapping[str, Any]) -> None:
    left = f", {told['left_out']:,} left out" if told["left_out"] else ""
    typer.echo(f"{told['output']} holds {told['clips']:,} clips of {told['name']} as {told['form']}{left}.")
    for what, counts in (("Licences", told["licences_of_sources"]), ("Consent", told["consent_of_sources"])):
        typer.echo(f"{what}: " + ", ".join(f"{name} {count:,}" for name, count in counts.items()) + ".")


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(
            f"--stages is a list of percentages such as 10,40,50, not {text!r}."
        ) from None
