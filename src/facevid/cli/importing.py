"""`facevid import`: a published corpus as a manifest of footage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facevid.cli.endings import OK, SOME_FAILED
from facevid.cli.steps import Json

if TYPE_CHECKING:
    from facevid.dataset.corpora import Imported

_SHOWN = 10  # faults printed; problems.jsonl holds them all


def import_(
    corpus: Annotated[
        str,
        typer.Argument(
            metavar="CORPUS",
            help="dh-facevid-1k, celebv-hq, celebv-text, hdtf, talkinghead-1kh, voxceleb2, talkvid, crema-d, or "
            "general for a CSV of your own.",
            show_default=False,
        ),
    ],
    annotations: Annotated[
        Path,
        typer.Argument(
            metavar="ANNOTATIONS", help="The file or folder that the corpus publishes.", show_default=False
        ),
    ],
    *,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FOLDER", help="Folder for the manifest; made if not there."),
    ],
    fetch: Annotated[bool, typer.Option("--fetch", help="Fetch the videos that are not there yet.")] = False,
    footage: Annotated[
        Path | None, typer.Option("--from", metavar="FOLDER", help="Folder of videos that are there already.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="Only the first N clips of the corpus.")
    ] = None,
    rate: Annotated[
        float, typer.Option("--rate", metavar="N", min=0.01, help="Videos begun a minute at most.")
    ] = 10.0,
    bandwidth: Annotated[
        float | None,
        typer.Option(
            "--bandwidth", metavar="MB", min=0.001, help="Megabytes a second at most. Default: no limit."
        ),
    ] = None,
    height: Annotated[
        int | None,
        typer.Option(
            "--height",
            metavar="PIXELS",
            min=1,
            help="Height of the picture at most, where a site offers several.",
        ),
    ] = None,
    retry_dead: Annotated[
        bool, typer.Option("--retry-dead", help="Try links again that were found dead.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Turn a published corpus into a manifest of footage that `facevid build` takes, fetching its videos if asked."""
    import facevid
    from facevid.dataset.corpora import FetchSettings

    settings = FetchSettings(
        per_minute=rate,
        bytes_per_s=None if bandwidth is None else bandwidth * 1e6,
        height=height,
        retry_dead=retry_dead,
    )
    found = facevid.import_corpus(
        corpus, annotations, output, fetch=fetch, footage=footage, limit=limit, settings=settings,
        say=None if as_json else lambda line: typer.echo(line, err=True),
    )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(found.to_dict(), ensure_ascii=False))
    else:
        _print(found)
    stopped = found.fetched is not None and found.fetched.stopped
    # Who has a part of a corpus imports that part: what lacks a video that nobody asked to fetch has not failed.
    faults = [problem for problem in found.problems if problem.kind != "missing"]
    return SOME_FAILED if faults or stopped or not found.prepared.rows else OK


def _print(found: Imported) -> None:
    told = found.to_dict()
    if found.fetched is not None:
        f = found.fetched
        typer.echo(
            f"Fetched {f.fetched}; {f.already_there} were there, {f.dead} are dead, {f.failed} failed this time, "
            f"{f.not_tried} were not tried."
        )
        if f.stopped:
            typer.echo(f.stopped, err=True)
    typer.echo(
        f"{told['manifest']}: {told['rows']} of {told['entries']} clips, from {told['sources']} videos. "
        f"Licence: {found.corpus.licence or 'as each row states'}."
    )
    if told["without_equal"]:
        words = ", ".join(f"{word} ({count})" for word, count in told["without_equal"].items())
        typer.echo(f"Kept in details.jsonl, since the vocabulary has no equal: {words}.")
    missing = [problem for problem in found.problems if problem.kind == "missing"]
    faults = [problem for problem in found.problems if problem.kind != "missing"]
    for problem in faults[:_SHOWN]:
        typer.echo(f"{problem.row}: {problem.message}", err=True)
    if len(faults) > _SHOWN:
        typer.echo(f"and {len(faults) - _SHOWN} more faults, all in problems.jsonl", err=True)
    if missing:
        typer.echo(f"Clips without a video: {len(missing)}, all in problems.jsonl. The first:", err=True)
        typer.echo(f"{missing[0].row}: {missing[0].message}", err=True)
    if told["rows"]:
        typer.echo(f"Next: facevid build {told['manifest']} -o DATASET")
