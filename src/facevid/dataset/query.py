"""SQL over a dataset's tables, for reading only: as an Arrow table, or written row by row as CSV, JSON or Parquet."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TextIO

import duckdb
import pyarrow as pa

from facevid.dataset.dataset import Dataset, open
from facevid.dataset.published import TABLES, DatasetError
from facevid.engine import atomic_path

Format = Literal["csv", "json", "jsonl", "parquet"]
_READS = ("SELECT", "EXPLAIN", "MULTI")  # MULTI is a PIVOT, which DuckDB takes apart
_BATCH = 10_000
_NO_TABLE = re.compile(r"Table with name (\S+) does not exist")


def query(dataset: str | os.PathLike[str] | Dataset, sql: str) -> pa.Table:
    """The rows that a query of a dataset gives.

    dataset: where it is, or an opened one, whose tables `clips`, `keypoints` and `annotations` are those of its clips.
    sql: one statement in DuckDB's SQL that reads; the tables are clips, sources, rejected, failed, keypoints and
    annotations. Raises DatasetError, with DuckDB's hint, for anything else.
    """
    with _explained():
        return reading(dataset, sql).to_arrow_table()


def reading(dataset: str | os.PathLike[str] | Dataset, sql: str) -> duckdb.DuckDBPyRelation:
    """The relation of a query that only reads; see `query`."""
    ds = dataset if isinstance(dataset, Dataset) else open(dataset)
    with _explained():
        statements = duckdb.extract_statements(sql)
        kinds = [str(s.type).rpartition(".")[2] for s in statements]
        if len(kinds) != 1:
            raise DatasetError(f"A query is one statement; there are {len(kinds)}.")
        if kinds[0] not in _READS:
            raise DatasetError(
                f"A query only reads, and this one is a {kinds[0]}; begin it with select, from, describe or summarize. "
                "To write its rows to a file, choose a format and a file."
            )
        try:
            return ds.sql(sql)
        except duckdb.CatalogException as error:
            if table := _NO_TABLE.search(str(error)):
                raise DatasetError(
                    f"The query cannot be run: there is no table {table[1]}; there are {', '.join(TABLES)}."
                ) from error
            raise
        except duckdb.BinderException as error:
            if "attributes" in sql and "attributes" not in ds.columns:
                raise DatasetError(
                    f"The query cannot be run: {ds.location} has no attributes yet; `facevid annotate` gives it some."
                ) from error
            raise


def write_rows(found: duckdb.DuckDBPyRelation, format: Format, to: Path | TextIO) -> None:
    """Write the rows of a relation to a file, or to an open one as text.

    csv: with a header; lists and structs as JSON, unknown values empty. json: one array. jsonl: one object a line.
    Raises DatasetError for Parquet without a file.
    """
    with _explained():
        if format == "parquet":
            if not isinstance(to, Path):
                raise DatasetError("Parquet needs a file to go to: -o FILE.")
            with atomic_path(to) as partial:
                found.write_parquet(str(partial), compression="zstd")
        elif isinstance(to, Path):
            with atomic_path(to) as partial, Path(partial).open("w", encoding="utf-8", newline="") as file:
                _write_text(found, format, file)
        else:
            _write_text(found, format, to)


def _write_text(found: duckdb.DuckDBPyRelation, format: Format, to: TextIO) -> None:
    if format == "csv":
        writer = csv.writer(to, lineterminator="\n")
        writer.writerow(found.columns)
        for row in _rows(found):
            writer.writerow([_json_text(v) if isinstance(v, (dict, list)) else v for v in row.values()])
        return
    before, between, after = ("", "\n", "\n") if format == "jsonl" else ("[\n ", ",\n ", "\n]\n")
    any_yet = False
    for row in _rows(found):
        to.write((between if any_yet else before) + _json_text(row))
        any_yet = True
    to.write(after if any_yet else "" if format == "jsonl" else "[]\n")


def _rows(found: duckdb.DuckDBPyRelation) -> Iterator[dict[str, Any]]:
    for batch in found.to_arrow_reader(_BATCH):
        yield from batch.to_pylist()


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


@contextmanager
def _explained() -> Iterator[None]:
    """DuckDB's errors as one sentence of ours, with its hint."""
    try:
        yield
    except duckdb.Error as error:
        told = [
            line.strip() for line in str(error).splitlines() if line.strip() and not set(line) <= {"^", " "}
        ]
        raise DatasetError(f"The query cannot be run: {' '.join(told)}") from error
