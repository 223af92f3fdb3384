"""`facevid doctor`: what a machine lacks, and what a build would take on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from facevid.cli.endings import OK, SOME_FAILED
from facevid.cli.progress import ProgressDisplay, clock
from facevid.cli.steps import Json, RecipeOption

if TYPE_CHECKING:
    from facevid.machine.check import Check
    from facevid.machine.doctor import Report
    from facevid.machine.estimate import Estimate, Wall
    from facevid.machine.ranges import Range


def doctor(
    footage: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FOOTAGE]",
            help="Video files, folders, globs, a manifest or addresses of these, as for `build`; without it only the "
            "machine is checked.",
            show_default=False,
        ),
    ] = None,
    *,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="DATASET",
            help="Where the dataset is to go. Default: the current folder.",
        ),
    ] = None,
    recipe: RecipeOption = None,
    sample_seconds: Annotated[
        float,
        typer.Option(
            "--sample-seconds", metavar="S", min=5.0, help="Seconds of footage to build for the estimate."
        ),
    ] = 60.0,
    nodes: Annotated[
        int | None,
        typer.Option("--nodes", metavar="N", min=1, help="Also divide the work by so many machines."),
    ] = None,
    cores_per_node: Annotated[
        int | None,
        typer.Option(
            "--cores-per-node", metavar="C", min=1, help="Cores of each of them. Default: as many as here."
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """Check this machine for what a build needs, and say what a build of the footage would take."""
    import facevid

    with ProgressDisplay(quiet=as_json) as display:
        report = facevid.doctor(
            footage or None,
            output=output,
            recipe=recipe,
            sample_seconds=sample_seconds,
            nodes=nodes,
            cores_per_node=cores_per_node,
            on_progress=display.update,
        )
    if as_json:
        typer.echo(json.dumps(report.to_dict(), ensure_ascii=False))
    else:
        for line in _lines(report):
            typer.echo(line)
    return SOME_FAILED if report.worst == "fault" else OK


def _lines(report: Report) -> Iterator[str]:
    for check in report.checks:
        yield from _check_lines(check)
    if report.estimate is not None and report.footage is not None:
        yield ""
        footage = _hours(report.footage.seconds * (1 / 3600))
        yield f"What a build by recipe {report.recipe} would take of {footage} of footage:"
        yield from _estimate_lines(report.estimate)
    faults = sum(check.status == "fault" for check in report.checks)
    yield ""
    if faults:
        yield f"{faults} {'fault' if faults == 1 else 'faults'} would stop a build; each line above says what to do."
    else:
        yield "Nothing here would stop a build."


def _check_lines(check: Check) -> Iterator[str]:
    yield f"{check.status:<8} {check.name}: {check.found.rstrip('.')}."
    if check.do:
        yield f"{'':<8} -> {check.do}"


def _estimate_lines(found: Estimate) -> Iterator[str]:
    yield (
        f"(measured on {found.stretches} stretches, {found.sampled_s:.0f} s of {found.files} files; in brackets the "
        "range that they support, 95 %)"
    )
    yield ""
    yield f"  {'step':<12}{'processor s per s of footage':<34}hours of one core"
    for step in found.steps:
        name = f"{step.step} *" if step.step == "annotate" else step.step
        yield f"  {name:<12}{_shown(step.per_second, 3):<34}{_shown(step.core_hours, 2)}"
    yield f"  {'build':<46}{_shown(found.core_hours, 2)}"
    yield "  * a command of its own, not in `build`"
    yield ""
    yield from _wall_lines("on this machine", found.here)
    if found.cluster is not None:
        yield from _wall_lines(f"on {found.cluster.nodes} machines", found.cluster)
    yield f"  clips                  {_shown(found.clips, 0)}, {_hours(found.kept_s * (1 / 3600))}"
    yield f"  dataset                {_shown(found.dataset_bytes * 1e-9, 3)} GB"
    yield f"  work folder            {_shown(found.work_bytes * 1e-9, 3)} GB"
    yield f"  memory of a worker     {found.worker_bytes / 2**30:.2f} GiB at most in the sample"
    yield ""
    for sentence in found.leaves_out:
        yield f"  {sentence}"


def _wall_lines(where: str, wall: Wall) -> Iterator[str]:
    cores = f"{wall.cores_per_node} cores" + (" each" if wall.nodes > 1 else "")
    yield f"  {where}, {cores}: build {_hours(wall.build_h)}, annotate {_hours(wall.annotate_h)}"


def _hours(hours: Range) -> str:
    """Hours as h:mm:ss or m:ss, with the range where it says something."""
    shown = clock(hours.value * 3600)
    unit = "h" if hours.value >= 1 else "min"
    if hours.low is None or hours.high is None or hours.low == hours.high:
        return f"{shown} {unit}"
    return f"{shown} {unit} ({clock(hours.low * 3600)} to {clock(hours.high * 3600)})"


def _shown(found: Range, digits: int) -> str:
    if found.low is None or found.high is None:
        return f"{found.value:.{digits}f}"
    return f"{found.value:.{digits}f} ({found.low:.{digits}f} to {found.high:.{digits}f})"
