"""One file with the windows of all tracks of all sources, laid out to be judged in seconds.

Arrow's own file format: lists of floats are read as they lie, where Parquet would take longer to decode
them than `select` takes to decide (benchmarks/select_speed.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from facevid.curate.windows import tracks_schema

GROUP = 8192
"""Tracks a batch: some 50 MB of windows at 16 s a track."""
_KEY = b"facevid_key"


def gathered_schema() -> pa.Schema:
    """Columns of the file: what `select` must know of the source, then those of a source's own tracks."""
    source = [
        ("source_id", pa.string()),
        ("source_name", pa.string()),
        ("width", pa.int32()),
        ("height_px", pa.int32()),
    ]
    return pa.schema([*(pa.field(n, t) for n, t in source), *tracks_schema()])


class TrackFileWriter:
    """Context manager; add the tracks of one source after the other, they are written some thousand at a time."""

    def __init__(self, path: Path, *, key: str) -> None:
        self._schema = gathered_schema().with_metadata({_KEY: key})
        self._file = pa.OSFile(str(path), "wb")
        options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
        self._writer = pa.ipc.new_file(self._file, self._schema, options=options)
        self._waiting: list[pa.Table] = []

    def add(self, tracks: pa.Table, source: Mapping[str, Any]) -> None:
        """tracks: one source's `tracks.parquet`; source: its row of the sources (id, name, displayed size)."""
        count = len(tracks)
        facts = (source["source_id"], source["source_name"], source["width"], source["height"])
        columns = [
            pa.repeat(pa.scalar(f, field.type), count) for f, field in zip(facts, self._schema, strict=False)
        ]
        named = dict(zip(self._schema.names[:4], columns, strict=True)) | {
            n: tracks[n] for n in tracks.column_names
        }
        self._waiting.append(pa.table(named).select(self._schema.names).cast(self._schema))
        if sum(map(len, self._waiting)) >= GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            table = pa.concat_tables(self._waiting).combine_chunks()
            self._writer.write_table(table, max_chunksize=2 * GROUP)
            self._waiting.clear()

    def __enter__(self) -> TrackFileWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()
        self._file.close()


def track_file_key(path: Path) -> str | None:
    """The key the file was written with; None where there is no such file, or one that cannot be read."""
    try:
        with pa.memory_map(str(path)) as file:
            metadata = pa.ipc.open_file(file).schema.metadata or {}
    except (OSError, pa.ArrowInvalid):
        return None
    return str(metadata.get(_KEY, b""), "utf-8") or None


def batch_count(path: Path) -> int:
    """How many batches the file has."""
    with pa.memory_map(str(path)) as file:
        return int(pa.ipc.open_file(file).num_record_batches)


def read_batch(path: Path, number: int) -> pa.Table:
    """One batch of tracks, in the order they were added."""
    with pa.memory_map(str(path)) as file:
        return pa.Table.from_batches([pa.ipc.open_file(file).get_batch(number)])


def read_batches(path: Path) -> Iterator[pa.Table]:
    """All batches of tracks in order."""
    for number in range(batch_count(path)):
        yield read_batch(path, number)
