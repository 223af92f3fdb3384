"""A published dataset, opened for reading: clips by number or id, tables as DuckDB relations or Arrow."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from facevid.dataset.clip import Clip
from facevid.dataset.published import MANIFEST, MEDIA, TABLES, DatasetError, Manifest, read_manifest, schema
from facevid.dataset.statements import LABEL_COLUMNS

_BATCH = 1000
_TRIES = 5  # a dataset that is published anew while we open it is read again


def open(path: str | os.PathLike[str]) -> Dataset:
    """Open the dataset in a folder. Reads its manifest only; tables and media are read when asked for.

    Raises DatasetError, with what to do, if the folder is no dataset, has another format version, or lacks a
    file that its `dataset.json` lists.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    for _ in range(_TRIES):
        missing = _missing(folder, manifest)
        if missing is None:
            return Dataset(folder, manifest)
        now = read_manifest(folder)
        if now == manifest:
            raise DatasetError(missing)
        manifest = now
    raise DatasetError(f"{folder} is being published over and over; open it again when that has finished.")


class Dataset:
    """Clips in the order of their ids: `len(ds)`, `ds[0]`, `ds[-1]`, `ds["<clip_id>"]`, `for clip in ds`.

    `ds.clips`, `ds.rejected`, `ds.failed`, `ds.sources`, `ds.keypoints` and `ds.annotations` are DuckDB relations,
    read lazily from Parquet; `ds.sql` queries them by these names; `ds.to_arrow(table)` reads a whole table.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self._files = {f.path: folder / f.stored_as for f in manifest.files}

    def __len__(self) -> int:
        return sum(f.rows for f in self.manifest.of("clips"))

    def __getitem__(self, which: int | str) -> Clip:
        if isinstance(which, str):
            if which not in self._index:
                raise KeyError(f"{self.folder} has no clip {which!r}.")
            return self._clip(self._index[which])
        number = range(len(self))[which] if -len(self) <= which < len(self) else None
        if number is None:
            raise IndexError(f"{self.folder} has {len(self)} clips; there is no clip {which}.")
        return self._clip(number)

    def __iter__(self) -> Iterator[Clip]:
        return (self._clip(k) for k in range(len(self)))

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self._index

    @property
    def clips(self) -> duckdb.DuckDBPyRelation:
        return self._relation("clips")

    @property
    def rejected(self) -> duckdb.DuckDBPyRelation:
        return self._relation("rejected")

    @property
    def failed(self) -> duckdb.DuckDBPyRelation:
        return self._relation("failed")

    @property
    def sources(self) -> duckdb.DuckDBPyRelation:
        return self._relation("sources")

    @property
    def keypoints(self) -> duckdb.DuckDBPyRelation:
        return self._relation("keypoints")

    @property
    def annotations(self) -> duckdb.DuckDBPyRelation:
        return self._relation("annotations")

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """Run SQL over the views clips, rejected, failed, sources, keypoints and annotations."""
        return self._connection.sql(query)

    def to_arrow(self, table: str) -> pa.Table:
        """A whole table as Arrow; `table` is one of clips, rejected, failed, sources, keypoints,
        annotations."""
        parts = [pq.ParquetFile(path).read() for path in self._parts(table)]
        return pa.concat_tables(parts) if parts else schema(table).empty_table()

    def shards(self) -> list[Path]:
        """The tar shards in order, as the `webdataset` library takes them."""
        return [self._files[f.path] for f in self.manifest.of(MEDIA)]

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect()
        for table in TABLES:
            if parts := [str(p) for p in self._parts(table)]:
                connection.read_parquet(parts).create_view(table)
            else:
                connection.from_arrow(schema(table).empty_table()).create_view(table)
        return connection

    @cached_property
    def _rows(self) -> pa.Table:
        return self.to_arrow("clips")

    @cached_property
    def _index(self) -> dict[str, int]:
        return {clip_id: k for k, clip_id in enumerate(self._rows["clip_id"].to_pylist())}

    def _relation(self, table: str) -> duckdb.DuckDBPyRelation:
        return self._connection.view(table)

    def _parts(self, table: str) -> list[Path]:
        if table not in TABLES:
            raise ValueError(f"There is no table {table!r}; there are {', '.join(TABLES)}.")
        return [self._files[f.path] for f in self.manifest.of(table)]

    def _clip(self, number: int) -> Clip:
        row = self._rows.slice(number, 1).to_pylist()[0]
        return Clip(row, shard=self._files[f"{MEDIA}/{row['shard']}"], keypoints=self._keypoints_of)

    def places(self) -> Iterator[dict[str, Any]]:
        """Where each clip lies, as plain values for another process, which opens it with `clip_at`; in order."""
        keypoints = self.manifest.of("keypoints")
        if sum(file.rows for file in keypoints) != len(self):
            raise DatasetError(
                f"{self.folder} has keypoints of {sum(f.rows for f in keypoints)} clips, and {len(self)} clips; "
                "fetch keypoints/ again."
            )
        parts = ((self._files[file.path], k) for file in keypoints for k in range(file.rows))
        for row, (path, number) in zip(self._storage_rows(), parts, strict=True):
            yield {
                "row": row,
                "shard": str(self._files[f"{MEDIA}/{row['shard']}"]),
                "keypoints": str(path),
                "number": number,
            }

    def _storage_rows(self) -> Iterator[dict[str, Any]]:
        """The clips in order, with what every dataset's clips table has and no label can change."""
        for part in self._parts("clips"):
            file = pq.ParquetFile(part)
            columns = [
                n for n in schema("clips").names if n in file.schema_arrow.names and n not in LABEL_COLUMNS
            ]
            for batch in file.iter_batches(_BATCH, columns=columns):
                yield from batch.to_pylist()

    def _keypoints_of(self, clip_id: str) -> Mapping[str, Any]:
        number = self._index[clip_id]
        for file in self.manifest.of("keypoints"):
            if number < file.rows:
                return _keypoint_row(self._files[file.path], number, clip_id)
            number -= file.rows
        raise DatasetError(f"{self.folder} has no keypoints for clip {clip_id}; fetch keypoints/ again.")

    def __repr__(self) -> str:
        counts = self.manifest.about.get("counts", {})
        name = self.manifest.about.get("name")
        return (
            f"Dataset({name}: {len(self):,} clips, {counts.get('seconds', 0) / 3600:.2f} h, "
            f"{counts.get('identities', 0):,} people, from {counts.get('sources', 0):,} sources; "
            f"{counts.get('rejected', 0):,} stretches rejected, {counts.get('failed', 0):,} items failed; "
            f"{self.folder})"
        )


def clip_at(place: Mapping[str, Any]) -> Clip:
    """The clip at one of `Dataset.places`; nothing else of the dataset is read."""
    path, number = Path(place["keypoints"]), int(place["number"])
    return Clip(
        place["row"],
        shard=Path(place["shard"]),
        keypoints=lambda clip_id: _keypoint_row(path, number, clip_id),
    )


def _keypoint_row(path: Path, number: int, clip_id: str) -> Mapping[str, Any]:
    """Row `number` of a keypoints part, read with its row group only."""
    file = pq.ParquetFile(path)
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        if number < rows:
            table = file.read_row_group(group).slice(number, 1)
            if table["clip_id"][0].as_py() != clip_id:
                raise DatasetError(f"{path} does not belong to these clips; fetch keypoints/ again.")
            return {c: table[c].combine_chunks().flatten().to_numpy() for c in ("mesh", "pose", "box")}
        number -= rows
    raise DatasetError(f"{path} ends before clip {clip_id}; fetch it again.")


def _missing(folder: Path, manifest: Manifest) -> str | None:
    for file in manifest.files:
        path = folder / file.stored_as
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            return f"{folder} lacks {file.stored_as}, which its {MANIFEST} lists; fetch it or build again."
        if size != file.bytes:
            return (
                f"{path} has {size} bytes and should have {file.bytes}; fetch it or build the dataset again."
            )
    return None
