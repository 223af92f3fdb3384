"""Exports clips as one table in a file that a spreadsheet or a text tool reads: CSV or JSON lines."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa

from facevid.dataset.published import DatasetError
from facevid.dataset.sharing.choose import Choice
from facevid.dataset.sharing.flat import FlatRows, as_json, as_text
from facevid.engine import atomic_path


def export_csv(choice: Choice, output: Path) -> list[Path]:
    """Write one row a clip to the file `output`: UTF-8, comma, one heading line, empty cells where nothing is known."""
    _check_file(output, "clips.csv")
    rows = FlatRows(choice)
    names = [c.name for c in rows.columns]
    with atomic_path(output) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for row in rows:
            writer.writerow([as_text(row[name]) for name in names])
    return [output]


def export_jsonl(choice: Choice, output: Path) -> list[Path]:
    """Write one JSON object a clip and line to the file `output`; unknown values are null."""
    _check_file(output, "clips.jsonl")
    with atomic_path(output) as partial, partial.open("w", encoding="utf-8") as file:
        for row in FlatRows(choice):
            file.write(as_json(row) + "\n")
    return [output]


def write_csv(table: pa.Table, path: Path) -> None:
    """Write a small table as CSV, whole or not at all."""
    with atomic_path(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.column_names)
        for row in table.to_pylist():
            writer.writerow([as_text(row[name]) for name in table.column_names])


def _check_file(output: Path, example: str) -> None:
    if output.is_dir():
        raise DatasetError(f"{output} is a folder; name a file for the table, such as {output / example}.")
