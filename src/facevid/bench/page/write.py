"""`write_page` writes what a benchmark found as one HTML page beside its files."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from facevid.bench.page.distances import distances
from facevid.bench.page.document import document, save, section
from facevid.bench.page.groups import groups
from facevid.bench.page.head import head
from facevid.bench.page.method import method
from facevid.bench.page.samples import samples
from facevid.bench.page.singles import singles
from facevid.bench.result import PAGE, Result


def write_page(result: Result, folder: Path, table: pa.Table) -> Path:
    """Write folder/index.html: all that was found, for people, with videos that play side by side.

    table: the rows of videos.parquet: video, kind ("made" or "real"), and a float column for each metric of the result.
    folder: of the report, with bench.json, videos.parquet and the files of `result.shown`, which the page links to. The
    page loads nothing from elsewhere; the same result in the same folder gives the same bytes.

    Returns the path. Raises BenchError where the table lacks a column, a shown file would lie outside the folder or a
    distance lacks a figure; StorageError where the folder cannot be written.
    """
    return save(folder / PAGE, page(result, folder, table))


def page(result: Result, folder: Path, table: pa.Table) -> str:
    """The page of `write_page` as text."""
    body = head(result)
    body += section("Distances", distances(result.distances))
    body += section("Metrics of single videos", singles(result.metrics, table))
    body += section("Groups", groups(result.groups))
    body += section("Samples", samples(result.shown, folder, result.shape))
    body += section("How it was computed", method(result))
    return document(f"{result.name}: benchmark", body, script="play.js")
