"""What is read of a published dataset: tables, rows, and where media and keypoints lie; each read once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facevid.dataset.keypoint_rows import KeypointRows
from facevid.dataset.published import MANIFEST, MEDIA, DatasetError, Manifest, PublishedFile, schema
from facevid.dataset.storage import Storage

_GROUPS_KEPT = 2  # row groups of the clips table that stay decoded for single rows


class Reading:
    """The files of a dataset, all clips of it; a dataset and every choice of its clips share one."""

    def __init__(self, storage: Storage, manifest: Manifest) -> None:
        self.storage = storage
        self.manifest = manifest

    @cached_property
    def clips(self) -> int:
        """How many clips there are."""
        return sum(f.rows for f in self.manifest.of("clips"))

    @cached_property
    def columns(self) -> list[str]:
        """The columns of the clips table."""
        for file in self.manifest.of("clips"):
            return list(pq.read_schema(self.storage.local(file)).names)
        return list(schema("clips").names)

    @cached_property
    def ids(self) -> pa.Array:
        """The ids of all clips, in the order of the clips table."""
        return self.table("clips", ["clip_id"])["clip_id"].combine_chunks()

    def row_of(self, clip_id: str) -> int | None:
        """The row number of a clip in the clips table; None where it is not there."""
        row = int(pc.index(self.ids, clip_id).as_py())
        return None if row < 0 else row

    def table(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """A whole table, or some columns of it in that order."""
        files = self.manifest.of(name)
        whole = (
            pa.concat_tables([pq.ParquetFile(self.storage.local(f)).read(columns) for f in files])
            if files
            else schema(name).empty_table()
        )
        return whole if columns is None else whole.select(columns)

    def batches(self, columns: list[str], size: int) -> Iterator[pa.RecordBatch]:
        """The clips table in order, at most `size` rows at a time."""
        for file in self.manifest.of("clips"):
            yield from pq.ParquetFile(self.storage.local(file)).iter_batches(size, columns=columns)

    def paths(self, name: str) -> list[str]:
        """The files of a table on this machine, in order."""
        return [str(self.storage.local(f)) for f in self.manifest.of(name)]

    def numbered(self) -> Iterator[tuple[str, int]]:
        """The files of the clips table, each quoted for SQL, and the number of its first row in the table."""
        start = 0
        for file in self.manifest.of("clips"):
            yield "'" + str(self.storage.local(file)).replace("'", "''") + "'", start
            start += file.rows

    def row(self, number: int) -> dict[str, Any]:
        """One row of the clips table."""
        return self._groups.row(number)

    def source(self, source_id: str) -> dict[str, Any]:
        """The row of a source. Raises KeyError for one that is not in the dataset."""
        row = pc.index(self._sources["source_id"], source_id).as_py()
        if row < 0:
            raise KeyError(f"{self.storage.location} has no source {source_id!r}.")
        return dict(self._sources.slice(row, 1).to_pylist()[0])

    def shard(self, name: str) -> PublishedFile:
        """The file of a shard that a clip's row names. Raises DatasetError where the dataset lists none such."""
        try:
            return self._shards[name]
        except KeyError:
            raise DatasetError(
                f"{self.storage.location} has no shard {name}; its {MANIFEST} is damaged."
            ) from None

    @cached_property
    def keypoints(self) -> KeypointRows:
        """Where keypoints lie."""
        return KeypointRows(self.storage, self.manifest)

    @cached_property
    def _sources(self) -> pa.Table:
        return self.table("sources")

    @cached_property
    def _shards(self) -> dict[str, PublishedFile]:
        return {f.path.removeprefix(f"{MEDIA}/"): f for f in self.manifest.of(MEDIA)}

    @cached_property
    def _groups(self) -> _RowGroups:
        return _RowGroups([Path(path) for path in self.paths("clips")])

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process gets where the files are, not what was read of them."""
        return Reading, (self.storage, self.manifest)


class _RowGroups:
    """Rows of the clips table by number; a row group is decoded when a row of it is asked for, and kept a while."""

    def __init__(self, paths: list[Path]) -> None:
        self._files = [pq.ParquetFile(path) for path in paths]
        sizes = [
            (k, group, file.metadata.row_group(group).num_rows)
            for k, file in enumerate(self._files)
            for group in range(file.num_row_groups)
        ]
        self._places = [(k, group) for k, group, _ in sizes]
        self._starts = np.cumsum([0, *(rows for _, _, rows in sizes)])
        self._kept: dict[int, pa.Table] = {}

    def row(self, number: int) -> dict[str, Any]:
        place = int(np.searchsorted(self._starts, number, side="right")) - 1
        if place not in self._kept:
            while len(self._kept) >= _GROUPS_KEPT:
                self._kept.pop(next(iter(self._kept)))
            file, group = self._places[place]
            self._kept[place] = self._files[file].read_row_group(group)
        return dict(self._kept[place].slice(number - int(self._starts[place]), 1).to_pylist()[0])
