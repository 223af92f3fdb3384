"""`facevid explore`: a dataset in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from facevid.cli.endings import OK
from facevid.cli.steps import Dataset


def explore(
    dataset: Dataset,
    *,
    host: Annotated[
        str,
        typer.Option(
            "--host",
            help="Address to listen on; another than the loopback lets other machines in, unencrypted.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8765,
    filter: Annotated[
        str,
        typer.Option("--filter", metavar="QUERY", help="What to show first, as the page's address says it."),
    ] = "",
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open it in your browser.")] = True,
) -> int:
    """Look at a dataset in a browser: what was kept and why the rest was not, clip by clip; review it."""
    import facevid

    facevid.explore(dataset, host=host, port=port, filter=filter, open_browser=browser)
    return OK
