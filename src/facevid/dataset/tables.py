"""Writes the tables of a dataset that is to be published into a staging folder, in their published schema."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facevid.dataset.published import MEDIA, TABLES, PublishedFile, schema
from facevid.dataset.statements import LABEL_COLUMNS
from facevid.engine import file_sha256

ROWS_A_PART = 100_000
ROWS_A_GROUP = (
    8_192  # what is decoded for one row: `ds[i]` takes some .03 s, and skipping by statistics works
)
_ORDER = {
    "sources": ("source_name", "source_id"),
    "clips": ("clip_id",),
    "rejected": ("source_name", "start_s", "end_s", "track", "reason"),
    "failed": ("item", "step"),
    "keypoints": ("clip_id",),
    "annotations": (),
}


def staging_folder(output: Path, content: bytes) -> Path:
    """The folder to build in, named by what will be built, so that a run after a kill finds what it finished.

    Folders of other content are removed; the caller holds the lock of `output`'s work folder.
    """
    staged = output / ".work" / f"publish-{hashlib.sha256(content).hexdigest()[:16]}"
    for other in (output / ".work").glob("publish-*"):
        if other != staged:
            shutil.rmtree(other)
    for folder in (*TABLES, MEDIA):
        (staged / folder).mkdir(parents=True, exist_ok=True)
    return staged


def write_table(
    staged: Path, table: str, content: pa.Table, scores: Sequence[str] = ()
) -> Iterator[PublishedFile]:
    """Write a table in its published schema, as one or more parts; also an empty table has one part.

    The clips table keeps its label columns where `content` has them. `annotations` is written in the order given.
    """
    target = schema(table, scores)
    if table != "clips" or not LABEL_COLUMNS & set(content.column_names):
        target = pa.schema([f for f in target if f.name not in LABEL_COLUMNS or table != "clips"])
    columns = [_column(content, field) for field in target]
    shaped = pa.Table.from_arrays(columns, schema=target)
    order = [(c, "ascending") for c in _ORDER[table] if c in shaped.column_names]
    return write_parts(staged, table, [shaped.sort_by(order) if shaped.num_rows and order else shaped])


def write_parts(staged: Path, table: str, contents: Iterable[pa.Table]) -> Iterator[PublishedFile]:
    """Write tables that follow one another, in their published schema, as one or more parts of equal length.

    Where one of `contents` ends shows nowhere in the files.
    """
    waiting: list[pa.Table] = []
    number = 0
    for content in contents:
        waiting.append(content)
        while sum(w.num_rows for w in waiting) >= ROWS_A_PART:
            whole = pa.concat_tables(waiting)
            yield _write_part(staged, table, number, whole.slice(0, ROWS_A_PART))
            waiting, number = [whole.slice(ROWS_A_PART)], number + 1
    rest = pa.concat_tables(waiting)
    if rest.num_rows or not number:
        yield _write_part(staged, table, number, rest)


def _write_part(staged: Path, table: str, number: int, part: pa.Table) -> PublishedFile:
    path = f"{table}/part-{number:05d}.parquet"
    pq.write_table(part.combine_chunks(), staged / path, compression="zstd", row_group_size=ROWS_A_GROUP)
    return described(staged, path, part.num_rows)


def described(staged: Path, path: str, rows: int) -> PublishedFile:
    """A staged file as `dataset.json` lists it."""
    data = staged / path
    return PublishedFile(path, data.stat().st_size, file_sha256(data), rows, path)


def _column(content: pa.Table, field: pa.Field) -> pa.ChunkedArray | pa.Array:
    """A published column: null where nothing is known, NaN included."""
    if field.name not in content.column_names:
        return pa.nulls(content.num_rows, field.type)
    column = content[field.name].cast(field.type)
    if pa.types.is_floating(field.type):
        return pc.if_else(pc.is_nan(column), pa.scalar(None, field.type), column)
    return column
