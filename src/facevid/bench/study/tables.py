"""Tables of runs that are fitted without training anything: .csv, .parquet, or .jsonl as a study writes it."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from facevid.bench.errors import BenchError
from facevid.bench.scaling import Runs, read_runs

SUFFIXES = (".csv", ".parquet", ".jsonl")
COLUMNS = ("size", "data", "loss", "compute", "seed")


def is_table(source: object) -> bool:
    """Whether a source is the file of a table, by its name."""
    return isinstance(source, str | Path) and Path(source).suffix.lower() in SUFFIXES


def read_table(path: str | Path) -> list[dict[str, Any]]:
    """The rows of a table. Raises BenchError where it cannot be read."""
    place = Path(path)
    suffix = place.suffix.lower()
    try:
        if suffix == ".parquet":
            return list(pq.read_table(place).to_pylist())
        with place.open(newline="", encoding="utf-8-sig") as file:
            return list(csv.DictReader(file)) if suffix == ".csv" else [json.loads(line) for line in file]
    except (OSError, ValueError, csv.Error) as error:
        raise BenchError(f"the table of runs {place} cannot be read: {error}.") from error


def runs_of(
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str] | None = None,
    *,
    unit: str | None = None,
    metric: str | None = None,
    where: str = "the table",
) -> tuple[Runs, list[Mapping[str, Any]]]:
    """The runs of a table and their rows. columns: where size, data, loss, compute and seed stand, by other names.

    Rows whose status says that they did not finish are left out. unit, metric: as the rows say, where they all say the
    same; else "samples" and "loss". compute and seed may lack. Raises BenchError for a column that is not there or a
    value that is none.
    """
    named = {name: name for name in COLUMNS} | dict(columns or {})
    if unknown := [name for name in named if name not in COLUMNS]:
        raise BenchError(
            f"{', '.join(unknown)} is nothing a run has; columns can be named for {', '.join(COLUMNS)}."
        )
    kept = [row for row in rows if row.get("status") in (None, "", "finished")]
    if rows and not kept:
        raise BenchError(
            f"none of the {len(rows)} runs of {where} is finished, so that there is nothing to fit."
        )
    has_seed = any(named["seed"] in row for row in kept)
    has_compute = bool(kept) and all(row.get(named["compute"]) not in (None, "") for row in kept)
    asked = set(columns or {})
    for name, there in (("seed", has_seed), ("compute", has_compute)):
        if name in asked and not there:
            raise BenchError(
                f"not every run of {where} has the column {named[name]!r}, which was named for {name}."
            )
    runs = read_runs(
        kept,
        size=named["size"], data=named["data"], loss=named["loss"],
        compute=named["compute"] if has_compute else None, seed=named["seed"] if has_seed else None,
        unit=unit or _said(kept, "unit") or "samples", metric=metric or _said(kept, "metric") or "loss",
    )  # fmt: skip
    return runs, kept


def _said(rows: Sequence[Mapping[str, Any]], column: str) -> str | None:
    """What all rows say, None where they do not say the same."""
    values = {row.get(column) for row in rows}
    value = values.pop() if len(values) == 1 else None
    return str(value) if value else None
