"""`facevid info`, `facevid stats` and `facevid card`: what a dataset is, what it holds, and what others read of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from facevid.cli.endings import OK
from facevid.cli.steps import Dataset, Json

if TYPE_CHECKING:
    from facevid.dataset.describing.info import Info
    from facevid.dataset.describing.stats import Stats

Location = Annotated[
    str,
    typer.Argument(
        metavar="DATASET",
        help="Folder of the dataset, or its address (hf://, s3://, https://).",
        show_default=False,
    ),
]
_VALUES_SHOWN = 8
_CELLS_SHOWN = 50


def info(dataset: Location, *, as_json: Json = False) -> int:
    """Say at a glance what a dataset is: how much, of whom, under which licence, and what to do next."""
    import facevid

    found = facevid.info(dataset)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), ensure_ascii=False))
    else:
        _print_info(found)
    return OK


def stats(
    dataset: Location,
    *,
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="A,B", help="Count the combinations of these attributes or columns."),
    ] = None,
    where: Annotated[
        str | None, typer.Option("--where", metavar="SQL", help="Count only clips for which this is true.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Count what a dataset holds: people, hours, attributes with who said them, licences, what was left out."""
    import facevid

    names = [n.strip() for n in by.split(",") if n.strip()] if by else []
    found = facevid.stats(dataset, by=names, where=where)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), ensure_ascii=False))
    else:
        _print_stats(found)
    return OK


def card(
    dataset: Dataset,
    *,
    licence: Annotated[
        str | None,
        typer.Option("--licence", metavar="L", help="CC-BY-4.0, another text, or a file with its text."),
    ] = None,
    contact: Annotated[
        str | None, typer.Option("--contact", metavar="ADDRESS", help="Where people ask to be taken out.")
    ] = None,
    creator: Annotated[
        list[str] | None, typer.Option("--creator", metavar="NAME", help="Who made it; may be given again.")
    ] = None,
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="The dataset's page.")] = None,
    cite: Annotated[
        str | None, typer.Option("--cite", metavar="BIBTEX", help="How to cite it: text or a file.")
    ] = None,
    release: Annotated[
        str | None, typer.Option("--release", metavar="X.Y.Z", help="The dataset's version. Default: 1.0.0.")
    ] = None,
    published: Annotated[
        str | None, typer.Option("--published", metavar="DATE", help="When it is published: YYYY-MM-DD.")
    ] = None,
    gated: Annotated[
        bool | None,
        typer.Option(
            "--gated/--open", help="Whether one must agree and answer on a hub.", show_default=False
        ),
    ] = None,
    gate_prompt: Annotated[
        str | None, typer.Option("--gate-prompt", metavar="TEXT", help="What one agrees to: text or a file.")
    ] = None,
    gate_field: Annotated[
        list[str] | None,
        typer.Option(
            "--gate-field",
            metavar="QUESTION=KIND",
            help="A question: text, checkbox, country or date_picker; may be given again.",
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """Write the dataset card and croissant.json anew, from the data and from what is said here."""
    import facevid

    fields = (
        [tuple(f.rsplit("=", 1)) if "=" in f else (f, "text") for f in gate_field] if gate_field else None
    )
    written = facevid.card(
        dataset,
        licence=licence,
        contact=contact,
        creators=creator or None,
        url=url,
        cite=cite,
        release=release,
        published=published,
        gated=gated,
        gate_prompt=gate_prompt,
        gate_fields=None if fields is None else [(f[0], f[1]) for f in fields],
    )
    croissant = written.with_name("croissant.json")
    documents = {"card": str(written), "croissant": str(croissant)}
    typer.echo(json.dumps(documents) if as_json else f"Wrote {written} and {croissant}.")
    return OK


def _print_info(found: Info) -> None:
    made = f"facevid {found.facevid or '?'}" + (f", recipe {found.recipe}" if found.recipe else "")
    typer.echo(
        f"{found.name}: {found.clips:,} clips, {found.seconds / 3600:,.2f} h, {found.people:,} people "
        f"({found.location})"
    )
    typer.echo(
        f"Size: {found.bytes / 1e9:,.3f} GB, {found.media_bytes / 1e9:,.3f} of it in {found.shards:,} shards."
    )
    typer.echo(f"Licence: {found.licence or 'not stated'}. Version {found.version}, made by {made}.")
    typer.echo("Tables: " + ", ".join(f"{name} {rows:,}" for name, rows in found.tables.items()) + ".")
    typer.echo("Annotated." if found.annotated else "Not annotated.")
    if found.splits:
        typer.echo("Split: " + ", ".join(f"{name} {n:,}" for name, n in found.splits.items()) + ".")
    if found.subsets:
        sizes = (f"{name} {f'{n:,}' if n >= 0 else '(damaged)'}" for name, n in found.subsets.items())
        typer.echo("Subsets: " + ", ".join(sizes) + ".")
    typer.echo("\nNext:")
    for command, why in found.next.items():
        typer.echo(f"  {command}    {why}")


def _print_stats(found: Stats) -> None:
    console = Console()
    chosen = f" where {found.where}" if found.where else ""
    nobody = f" ({found.nobody:,} clips of nobody known)" if found.nobody else ""
    short, middle, long = found.length_s
    console.print(
        escape(
            f"{found.name}{chosen}: {found.clips:,} clips, {found.seconds / 3600:,.2f} h, "
            f"{found.people:,} people{nobody}, {found.sources:,} sources; "
            f"{short:.1f} to {long:.1f} s, median {middle:.1f} s"
        ),
        highlight=False,
    )
    if found.by:
        _print_cells(console, found)
    elif found.attributes:
        table = Table("attribute", "values", "unknown", "said by", box=None, pad_edge=False)
        for name, counted in found.attributes.items():
            values = list(counted.values.items())
            more = f", {len(values) - _VALUES_SHOWN} more" if len(values) > _VALUES_SHOWN else ""
            shown = ", ".join(f"{v} {n:,}" for v, n in values[:_VALUES_SHOWN]) + more
            makers = ", ".join(f"{by} {n:,}" for by, (n, _) in counted.by.items())
            table.add_row(name, escape(shown or "(a number)"), f"{counted.unknown:,}", escape(makers))
        console.print(table)
    else:
        console.print("No attribute of any clip is known.")
    if found.actions:
        console.print(
            "actions: " + ", ".join(f"{a} {n:,}" for a, n in found.actions.items()), highlight=False
        )
    for column, parts in found.rights.items():
        if any(p.word for p in parts):
            said = ", ".join(f"{p.word or 'not stated'} {p.clips:,}" for p in parts)
            console.print(escape(f"{column}: {said}"), highlight=False)
    if found.rejected:
        left = ", ".join(f"{r} {n:,} ({s / 60:,.1f} min)" for r, (n, s) in found.rejected.items())
        console.print(escape(f"left out: {left}"), highlight=False)


def _print_cells(console: Console, found: Stats) -> None:
    table = Table(*found.by, "clips", "share", "people", "hours", box=None, pad_edge=False)
    for cell in found.cells[:_CELLS_SHOWN]:
        share = f"{100 * cell.clips / found.clips:.1f} %"
        values = [escape("unknown" if v is None else v) for v in cell.values]
        table.add_row(*values, f"{cell.clips:,}", share, f"{cell.people:,}", f"{cell.seconds / 3600:,.2f}")
    console.print(table)
    if len(found.cells) > _CELLS_SHOWN:
        console.print(f"... and {len(found.cells) - _CELLS_SHOWN:,} more (--json lists all).")
