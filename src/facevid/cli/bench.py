"""`facevid bench`: judges a model, or a folder of videos, against a dataset; compares what was found, and ranks it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from facevid.cli.endings import OK, SOME_FAILED
from facevid.cli.export import Split, Subset, Where
from facevid.cli.progress import ProgressDisplay
from facevid.cli.steps import Address, Executor, Json, NeedsOption

if TYPE_CHECKING:
    from facevid.bench.benchmark import BenchSummary

_NAMED = 5  # videos that could not be judged, of which the command tells


class _RunUnlessNamed(TyperGroup):
    """`facevid bench MODEL` is `facevid bench run MODEL`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_RunUnlessNamed,
    help="Judge a model, or videos in a folder, against real clips: facevid bench MODEL --data DATASET -o REPORT.",
    no_args_is_help=True,
)
Reports = Annotated[
    list[Path],
    typer.Argument(metavar="REPORT...", help="Folders that facevid bench wrote.", show_default=False),
]


@app.command()
def run(
    videos: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|FOLDER",
            help="Folder of a model, or of .mp4 files that any model made.",
            show_default=False,
        ),
    ],
    *,
    data: Annotated[
        str,
        typer.Option(
            "--data", metavar="DATASET", help="Folder of the dataset with the real clips.", show_default=False
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="REPORT", help="Folder of the report.", show_default=False),
    ],
    task: Annotated[
        str,
        typer.Option(
            "--task", metavar="TASK", help="prompts: videos from text. pictures: from first pictures."
        ),
    ] = "prompts",
    count: Annotated[
        int | None,
        typer.Option("--count", metavar="N", min=1, help="Prompts or pictures; 200 or 100 unless given."),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", metavar="N", min=1, help="Videos of each of them.")] = 1,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, help="Seed of the suite and intervals.")
    ] = 0,
    where: Where = None,
    subset: Subset = None,
    split: Split = None,
    suite: Annotated[
        Path | None,
        typer.Option("--suite", metavar="DIR", help="Suite made before, in the place of a new one."),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option("--by", metavar="NAMES", help="Attributes to cross: gender,skin_tone; repeatable."),
    ] = None,
    resamples: Annotated[
        int, typer.Option("--resamples", metavar="N", min=2, help="Of the intervals of distances.")
    ] = 200,
    floor_clips: Annotated[
        int,
        typer.Option(
            "--floor-clips", metavar="N", min=0, help="Most clips of other people looked at for the floors."
        ),
    ] = 500,
    cache: Annotated[
        Path | None,
        typer.Option(
            "--cache", metavar="DIR", help="Keep what is seen in videos here, for other reports too."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", min=1, help="Processes; one a core unless given.")
    ] = None,
    executor: Executor = "local",
    address: Address = None,
    resources: NeedsOption = None,
    device: Annotated[
        str | None, typer.Option("--device", metavar="D", help="Of the model: cpu, cuda or cuda:N.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Judge videos against real clips: distances, numbers of every video, groups of people, and a page."""
    from facevid.bench.benchmark import benchmark

    with ProgressDisplay(quiet=as_json) as display:
        made = benchmark(
            videos, data, output=output, task=task, count=count, seeds=seeds, seed=seed,  # type: ignore[arg-type]
            where=where, subset=subset, split=split, suite=suite,
            crossings=[names.split(",") for names in by] if by else (("gender", "skin_tone"),),
            resamples=resamples, floor_clips=floor_clips, cache=cache, workers=workers,
            executor=executor, address=address, resources=resources or (), device=device, on_progress=display.update,
        )  # fmt: skip
    failed = made.result.videos["failed"]
    if as_json:
        typer.echo(json.dumps(made.to_dict(), indent=2, ensure_ascii=False))
    else:
        _show(made)
    return SOME_FAILED if failed else OK


@app.command()
def compare(
    reports: Reports,
    *,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="HTML", help="Also write a page.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Hold two reports or more side by side: what differs, who is better, and whether that is clear."""
    from facevid.bench.page import compare as hold
    from facevid.bench.page import write_comparison
    from facevid.bench.result import VIDEOS, read_result, read_videos_of

    results = [read_result(report) for report in reports]
    videos = [read_videos_of(report) for report in reports]
    found = hold(results, videos)
    for report, table in zip(reports, videos, strict=True):
        if table is None:
            typer.echo(
                f"{report} has no {VIDEOS}: its videos are not held against others in pairs.", err=True
            )
    if output is not None:
        write_comparison(found, results, output)
    typer.echo(json.dumps(found.to_dict(), indent=2, ensure_ascii=False) if as_json else found.text())
    if output is not None and not as_json:
        typer.echo(f"The page is {output}.")
    return OK


@app.command()
def leaderboard(
    reports: Reports,
    *,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="HTML", help="The page to write.", show_default=False)
    ],
) -> int:
    """Write one page that ranks many reports, those together that may be compared."""
    from facevid.bench.page import write_leaderboard

    typer.echo(f"The leaderboard is {write_leaderboard(reports, output)}.")
    return OK


@app.command()
def vbench(
    report: Annotated[
        Path,
        typer.Argument(metavar="REPORT", help="Folder that facevid bench wrote.", show_default=False),
    ],
    *,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="Folder to write.", show_default=False)
    ],
    as_json: Json = False,
) -> int:
    """Lay the made videos out as VBench takes them, and print the commands that run it."""
    from facevid.bench.vbench import vbench_folder

    made = vbench_folder(report, output)
    if as_json:
        typer.echo(json.dumps(made.to_dict(), indent=2, ensure_ascii=False))
        return OK
    typer.echo(
        f"{made.count:,} videos are in {made.videos}, {made.added:,} of them new; {made.prompts} has the prompts."
    )
    for note in made.notes:
        typer.echo(note)
    typer.echo("Run VBench on them in a checkout of github.com/Vchitect/VBench, or as pip installed it:")
    for command in made.commands:
        typer.echo(f"  {command}")
    return OK


def _show(made: BenchSummary) -> None:
    from facevid.bench.measures.metric import BY_NAME

    result = made.result
    typer.echo(
        f"{result.name}: {result.videos['count']:,} videos against {result.data['clips']:,} real clips of "
        f"{result.data['name']}, {made.seconds:.0f} s."
    )
    for distance in result.distances:
        if distance.found is None:
            typer.echo(f"  {distance.title}: {distance.why}")
            continue
        low, high = distance.found["interval"]
        floor = distance.found["floor"]
        beside = "" if floor is None else f"; real clips among themselves {floor['value']:.4g}"
        typer.echo(f"  {distance.title}: {distance.found['value']:.4g} ({low:.4g} to {high:.4g}){beside}")
    for metric in result.metrics:
        real = "" if metric.real is None or metric.real.mean is None else f"; real {metric.real.mean:.3g}"
        between = "" if metric.made.interval is None else " ({:.3g} to {:.3g})".format(*metric.made.interval)
        typer.echo(f"  {BY_NAME[metric.name].title}: {metric.made.mean:.3g}{between}{real}")
    for gap in result.groups:
        if gap.p_adjusted is not None and gap.p_adjusted < 0.05:
            apart = "the groups" if gap.best is None else f"{gap.best} and {gap.worst}"
            typer.echo(
                f"  {BY_NAME[gap.metric].title} differs by {' and '.join(gap.attributes)}: {apart} are {gap.gap:.3g} "
                f"apart, which chance hardly explains (p {gap.p_adjusted:.2g})."
            )
    for note in result.notes:
        typer.echo(note)
    failed = result.videos["failed"]
    for one in failed[:_NAMED]:
        typer.echo(f"{one['video']}: {one['message']}")
    if len(failed) > _NAMED:
        typer.echo(f"{len(failed) - _NAMED:,} more could not be judged; --json lists them.")
    typer.echo(f"Look at {made.page}.")
