"""`facevid review`: what people said of the clips, how far they are, and how many to look at."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from facevid.cli.endings import OK
from facevid.cli.steps import Dataset, Json

app = typer.Typer(
    help="Publish what annotators said, see how a review goes, and plan how many clips to look at.",
    no_args_is_help=True,
)


@app.command()
def apply(dataset: Dataset, *, as_json: Json = False) -> int:
    """Publish the verdicts of the review as the dataset's statements by annotators."""
    from facevid.web.review_apply import apply as review_apply

    applied = review_apply(dataset)
    if as_json:
        typer.echo(json.dumps(asdict(applied)))
        return OK
    typer.echo(f"{applied.statements} statements of annotators about {applied.clips} clips are in {dataset}.")
    if applied.disputed:
        typer.echo(
            f"On {applied.disputed} clips they disagree; a third person settles it under Disagreements (d) of the "
            "review page."
        )
    if applied.without_clip:
        typer.echo(
            f"{applied.without_clip} statements are about clips that this dataset no longer has; the review keeps them."
        )
    return OK


@app.command()
def status(dataset: Dataset, *, as_json: Json = False) -> int:
    """Say how the review goes: progress, agreement of the annotators, and lots."""
    from facevid.web.review_findings import status as review_status

    told = review_status(dataset)
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
        return OK
    for task, found in told["tasks"].items():
        typer.echo("\n".join([_progress(task, found["progress"]), *_agreement(found), *_lots(found["lots"])]))
    return OK


@app.command()
def plan(
    *,
    lot: Annotated[
        int, typer.Option("--lot", metavar="N", min=2, help="Clips of the lot.", show_default=False)
    ],
    aql: Annotated[
        float,
        typer.Option("--aql", metavar="A", help="Acceptance quality limit: percent of faulty clips."),
    ] = 2.5,
    level: Annotated[str, typer.Option("--level", help="General inspection level: I, II or III.")] = "II",
    severity: Annotated[
        str, typer.Option("--severity", help="Inspection: normal, tightened or reduced.")
    ] = "normal",
    as_json: Json = False,
) -> int:
    """Say how many clips of a lot to look at and how many may be faulty (ISO 2859-1, single sampling)."""
    from facevid.web.sampling import plan as sampling_plan

    drawn = sampling_plan(lot, aql, level, severity)
    if as_json:
        typer.echo(json.dumps(asdict(drawn)))
    else:
        typer.echo(
            f"Letter {drawn.code}: look at {drawn.sample_size} of {lot} clips; accept the lot with up to "
            f"{drawn.accept} faulty, reject it with {drawn.reject} or more."
        )
    return OK


def _progress(task: str, told: dict[str, Any]) -> str:
    people = ", ".join(f"{who} {count}" for who, count in told["answers"].items()) or "nobody yet"
    return (
        f"{task}: {told['done']} of {told['clips']} clips done, {told['begun']} wait for a second annotator, "
        f"{told['disputed']} disagreements, {told['adjudicated']} settled ({people})"
    )


def _agreement(found: dict[str, Any]) -> list[str]:
    return [
        f"  {a['name']}: alpha {_coefficient(a['alpha'])}"
        + "".join(f", kappa of {' and '.join(k['annotators'])} {_coefficient(k)}" for k in a["kappa"])
        for a in found["agreement"]
        if a["alpha"]["n"]
    ]


def _coefficient(told: dict[str, Any]) -> str:
    value = "not defined" if told["value"] is None else f"{told['value']:.2f}"
    return f"{value} ({told['n']} clips)" + (f": {told['reason']}" if told["reason"] else "")


def _lots(found: dict[str, Any]) -> list[str]:
    if not found["lots"]:
        return []
    return [f"  lots: {found['accepted']} accepted, {found['rejected']} rejected, {found['open']} open"]
