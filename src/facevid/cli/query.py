"""`facevid query`: SQL over a dataset's tables, shown as a table or written to a file."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated, cast

import typer

from facevid.cli.endings import OK
from facevid.cli.subset import Place

_FORMATS = ("csv", "json", "jsonl", "parquet")


def query(
    dataset: Place,
    sql: Annotated[
        str,
        typer.Argument(
            metavar="SQL",
            help="One statement that reads; tables: clips, sources, rejected, failed, keypoints, annotations.",
            show_default=False,
        ),
    ],
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Write the rows to a file; its ending is the format."
        ),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV with a header.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON array of objects.")] = False,
    as_jsonl: Annotated[bool, typer.Option("--jsonl", help="As one JSON object a line.")] = False,
    as_parquet: Annotated[bool, typer.Option("--parquet", help="As Parquet; needs -o.")] = False,
    rows: Annotated[int, typer.Option("--rows", metavar="N", min=1, help="Rows to show in a table.")] = 40,
) -> int:
    """Ask a dataset's tables in SQL (DuckDB's); nothing is changed."""
    from facevid.dataset.query import Format, reading, write_rows

    given = [f for f, on in zip(_FORMATS, (as_csv, as_json, as_jsonl, as_parquet), strict=True) if on]
    if len(given) > 1:
        raise typer.BadParameter(f"choose one of {', '.join(f'--{f}' for f in given)}.")
    if not given and output is not None:
        given = [output.suffix.removeprefix(".").lower()]
        if given[0] not in _FORMATS:
            raise typer.BadParameter(f"{output} does not end in .{', .'.join(_FORMATS)}; say which it is.")
    found = reading(dataset, sql)
    if given:
        write_rows(found, cast("Format", given[0]), sys.stdout if output is None else output)
        if output is not None:
            typer.echo(f"Wrote {output}.", err=True)
        return OK
    found.show(max_rows=rows, max_width=shutil.get_terminal_size((160, 24)).columns)
    return OK
