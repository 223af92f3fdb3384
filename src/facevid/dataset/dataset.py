"""A published dataset, or a choice of its clips: clips by number or id, tables as DuckDB relations, Arrow or pandas."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facevid.dataset.choosing.methods import Choosing
from facevid.dataset.clip import Clip
from facevid.dataset.keypoint_rows import KeypointRows, keypoint_row
from facevid.dataset.published import (
    MANIFEST,
    MEDIA,
    TABLES,
    DatasetError,
    Manifest,
    PublishedFile,
    schema,
)
from facevid.dataset.statements import LABEL_COLUMNS
from facevid.dataset.storage import Folder, Storage, storage_of

if TYPE_CHECKING:
    import pandas as pd

    from facevid.dataset.loading import Loader, Stream

Numbers = npt.NDArray[np.int64]

_ANNOTATED = ("attributes", "actions", "captions", "caption", "transcript")  # columns of annotated clips only
_OF_CLIPS = ("keypoints", "annotations")  # tables that a choice of clips narrows beside `clips`
_BATCH = 1000
_GROUPS_KEPT = 2  # row groups of the clips table that stay decoded for `ds[i]`
_TRIES = 5  # a dataset that is published anew while we open it is read again


def open(location: str | os.PathLike[str], *, storage_options: Mapping[str, Any] | None = None) -> Dataset:
    """Open the dataset in a folder or at an address. Reads its manifest only; the rest when asked for.

    location: a folder, or `hf://datasets/ORG/NAME`, `s3://BUCKET/FOLDER`, `https://HOST/FOLDER`, or anything else that
    fsspec knows. storage_options: for its file system there, such as `{"anon": True}` or `{"token": ...}`.
    Raises DatasetError, with what to do, if there is no dataset, it has another format version, lacks a file that its
    `dataset.json` lists (looked for in a folder only), or cannot be reached.
    """
    storage = storage_of(location, storage_options)
    manifest = storage.manifest()
    if not isinstance(storage, Folder):
        return Dataset(storage, manifest)
    for _ in range(_TRIES):
        missing = _missing(storage.path, manifest)
        if missing is None:
            return Dataset(storage, manifest)
        now = storage.manifest()
        if now == manifest:
            raise DatasetError(missing)
        manifest = now
    raise DatasetError(f"{location} is being published over and over; open it again when that has finished.")


class Dataset(Choosing):
    """Clips: `len(ds)`, `ds[0]`, `ds[-1]`, `ds["<clip_id>"]`, `"<clip_id>" in ds`, `for clip in ds`.

    A dataset opened has all its clips in the order of their ids. `ds.where("sharpness > 1")` and `ds.select(ids)` give
    a dataset of some of them, on which everything works as on the whole.

    `ds.clips`, `ds.rejected`, `ds.failed`, `ds.sources`, `ds.keypoints` and `ds.annotations` are DuckDB relations,
    read lazily from Parquet; `ds.sql` queries them by these names. `clips`, `keypoints` and `annotations` are those of
    the chosen clips, the others those of the whole dataset. `ds.rows()` is the clips table as Arrow, in the order of
    the clips; `ds.to_arrow(table)` and `ds.to_pandas(table)` read a table.
    """

    def __init__(
        self, storage: Storage, manifest: Manifest, chosen: Numbers | None = None, why: tuple[str, ...] = ()
    ) -> None:
        self.storage = storage
        self.manifest = manifest
        self._chosen = chosen  # row numbers in the clips table, in the order of this dataset; None: all
        self._why = why

    @property
    def location(self) -> str:
        """The folder or address it was opened at."""
        return self.storage.location

    @property
    def folder(self) -> Path:
        """Its folder on this machine. Raises DatasetError for one that is somewhere else."""
        if not isinstance(self.storage, Folder):
            raise DatasetError(
                f"{self.location} is not on this machine; fetch it first: facevid pull {self.location} -o FOLDER."
            )
        return self.storage.path

    @property
    def name(self) -> str:
        return str(self.manifest.about.get("name") or self.location.rstrip("/").rpartition("/")[2])

    @property
    def why(self) -> tuple[str, ...]:
        """How these clips were chosen, one choice after the other; empty for all clips."""
        return self._why

    def __len__(self) -> int:
        return self._total if self._chosen is None else len(self._chosen)

    def __getitem__(self, which: int | str) -> Clip:
        if isinstance(which, str):
            row = pc.index(self._all_ids, which).as_py()
            if row < 0 or (self._chosen is not None and row not in self._chosen):
                raise KeyError(f"{self.location} has no clip {which!r}{self._chosen_by()}.")
            return self._clip(int(row))
        if not -len(self) <= which < len(self):
            raise IndexError(
                f"{self.location} has {len(self)} clips{self._chosen_by()}; there is no clip {which}."
            )
        number = range(len(self))[which]
        return self._clip(number if self._chosen is None else int(self._chosen[number]))

    def __iter__(self) -> Iterator[Clip]:
        return (self[k] for k in range(len(self)))

    def __contains__(self, clip_id: object) -> bool:
        if not isinstance(clip_id, str):
            return False
        row = pc.index(self._all_ids, clip_id).as_py()
        return row >= 0 and (self._chosen is None or row in self._chosen)

    @property
    def ids(self) -> pa.Array:
        """The ids of the clips, in order."""
        ids = self._all_ids
        return ids if self._chosen is None else ids.take(pa.array(self._chosen))

    def where(self, condition: str) -> Dataset:
        """The clips for which an SQL condition over the columns of `clips` is true, in the order they have here.

        For example `ds.where("attributes.gender.value = 'female' and sharpness > 1 and end_s - start_s >= 3")`. It is
        DuckDB's SQL, and may ask the other tables. Raises DatasetError with DuckDB's hint where that cannot be read.
        """
        parts, start = [], 0
        for file in self.manifest.of("clips"):
            path = str(self.storage.local(file)).replace("'", "''")
            parts.append(
                f"select {start} + clips.file_row_number from read_parquet('{path}', file_row_number = true) clips "
                f"where ({condition}\n)"
            )
            start += file.rows
        self._views_in(condition)
        try:
            found = (
                self._connection.sql(" union all ".join(parts)).fetchnumpy()
                if parts
                else {"none": np.zeros(0)}
            )
        except duckdb.Error as error:
            unasked = [name for name in _ANNOTATED if name in condition and name not in self.columns]
            raise DatasetError(
                f"The condition {condition!r} cannot be used: "
                + (
                    f"{self.location} has no {unasked[0]} yet; `facevid annotate` gives it some."
                    if unasked
                    else " ".join(str(error).split())
                )
            ) from error
        matching = np.zeros(self._total, bool)
        matching[np.asarray(next(iter(found.values())), np.int64)] = True
        here = np.arange(self._total) if self._chosen is None else self._chosen
        return self._of(here[matching[here]], f"where {condition}")

    def select(self, clip_ids: Iterable[str] | pa.Array | pa.ChunkedArray, why: str = "selected") -> Dataset:
        """The clips of the given ids, in that order.

        Raises DatasetError that names ids which are not here, or given twice.
        """
        wanted = (
            clip_ids if isinstance(clip_ids, (pa.Array, pa.ChunkedArray)) else pa.array(clip_ids, pa.string())
        )
        rows = pc.index_in(wanted, value_set=self._all_ids)
        here = np.asarray(pc.fill_null(rows, -1), np.int64)
        known = here >= 0
        if self._chosen is not None:
            known &= np.isin(here, self._chosen)
        if not known.all():
            strangers = [str(wanted[int(k)]) for k in np.flatnonzero(~known)]
            raise DatasetError(
                f"{self.location} lacks {len(strangers)} of the {len(here)} clips asked for{self._chosen_by()}: "
                f"{', '.join(strangers[:3])}{', ...' if len(strangers) > 3 else ''}."
            )
        if len(np.unique(here)) < len(here):
            raise DatasetError(
                f"Of the {len(here)} clip ids asked for, some stand there twice; name each once."
            )
        return self._of(here, why)

    def take(self, numbers: npt.ArrayLike, why: str = "selected") -> Dataset:
        """The clips that are here number `numbers`, from 0, in that order; each once."""
        here = np.asarray(numbers, np.int64)
        return self._of(here if self._chosen is None else self._chosen[here], why)

    def rows(self, columns: Iterable[str] | None = None) -> pa.Table:
        """The clips table of these clips, in their order, with all columns or the named ones."""
        wanted = None if columns is None else list(columns)
        known = self.columns
        for column in wanted or ():
            if column not in known:
                raise KeyError(f"clips have no column {column!r}; there are {', '.join(known)}.")
        whole = self._read("clips", wanted)
        return whole if self._chosen is None else whole.take(pa.array(self._chosen))

    @cached_property
    def columns(self) -> list[str]:
        """The columns of the clips table."""
        for file in self.manifest.of("clips"):
            return list(pq.read_schema(self.storage.local(file)).names)
        return list(schema("clips").names)

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
        self._views_in(query)
        return self._connection.sql(query)

    def to_arrow(self, table: str = "clips") -> pa.Table:
        """A whole table as Arrow; `table` is one of clips, rejected, failed, sources, keypoints,
        annotations."""
        if table not in TABLES:
            raise ValueError(f"There is no table {table!r}; there are {', '.join(TABLES)}.")
        if table == "clips":
            return self.rows()
        whole = self._read(table)
        if self._chosen is None or table not in _OF_CLIPS:
            return whole
        return whole.filter(pc.is_in(whole["clip_id"], value_set=self.ids))

    def to_pandas(self, table: str = "clips") -> pd.DataFrame:
        """A whole table as a pandas DataFrame; needs pandas."""
        try:
            return cast("pd.DataFrame", self.to_arrow(table).to_pandas())
        except ModuleNotFoundError as error:
            raise DatasetError("pandas is not installed: pip install pandas, or use to_arrow.") from error

    def shards(self) -> list[Path]:
        """The tar shards in order, as the `webdataset` library takes them; all clips of them, chosen or not."""
        return [self.folder / f.stored_as for f in self.manifest.of(MEDIA)]

    def shard(self, name: str) -> PublishedFile:
        """The file of a shard that a clip's row names, to be read through `storage`."""
        try:
            return self._shards[name]
        except KeyError:
            raise DatasetError(f"{self.location} has no shard {name}; its {MANIFEST} is damaged.") from None

    def keypoint_part(self, shard: str) -> PublishedFile:
        """The part of `keypoints` that holds the clips of a shard, in the order of its members."""
        return self._keypoint_rows.part(shard)

    def keypoint_number(self, clip_id: str, shard: str) -> int:
        """The row of a clip in its part of `keypoints`."""
        return self._keypoint_rows.number(clip_id, shard)

    def places(self) -> Iterator[dict[str, Any]]:
        """Where each clip lies, as plain values for another process, which opens it with `clip_at`; in order."""
        folder = self.folder
        for row in self._storage_rows():
            part = self.keypoint_part(row["shard"])
            yield {
                "row": row,
                "folder": str(folder),
                "shard": self.shard(row["shard"]),
                "keypoints": part,
                "number": self._keypoint_rows.number(row["clip_id"], row["shard"]),
            }

    def loader(self, **options: Any) -> Loader:
        """Batches of random windows for PyTorch; options and what a batch holds: `facevid.dataset.loading.Loader`.

        For example `ds.loader(frames=16, fps=25, size=256, batch_size=8, num_workers=4, audio=True, seed=0)`. Raises
        DatasetError without torch.
        """
        return cast("Loader", _loading().Loader(self, **options))

    def stream(self, **options: Any) -> Stream:
        """Batches for PyTorch from shards read from front to end; see `facevid.dataset.loading.Stream`.

        For example `ds.stream(frames=16, size=256, batch_size=8, num_workers=4, buffer=256, seed=0)`. Raises
        DatasetError without torch.
        """
        return cast("Stream", _loading().Stream(self, **options))

    def source(self, source_id: str) -> dict[str, Any]:
        """The row of a source. Raises KeyError for one that is not in the dataset."""
        sources = self._sources
        row = pc.index(sources["source_id"], source_id).as_py()
        if row < 0:
            raise KeyError(f"{self.location} has no source {source_id!r}.")
        return dict(sources.slice(row, 1).to_pylist()[0])

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect()
        self._viewed: set[str] = set()
        return connection

    def _views_in(self, query: str) -> None:
        for table in TABLES:
            if table in query.lower():
                self._view(table)

    def _view(self, table: str) -> None:
        """Make the DuckDB view of a table, the first time it is asked for."""
        connection = self._connection
        if table in self._viewed:
            return
        if not (files := self.manifest.of(table)):
            connection.from_arrow(schema(table).empty_table()).create_view(table)
        elif self._chosen is None or table not in (*_OF_CLIPS, "clips"):
            connection.read_parquet([str(self.storage.local(f)) for f in files]).create_view(table)
        elif table == "clips":
            connection.register("_chosen", pa.table({"_row": self._chosen}))
            parts, start = [], 0
            for file in files:
                path = str(self.storage.local(file)).replace("'", "''")
                parts.append(
                    f"select p.* exclude (file_row_number) from read_parquet('{path}', file_row_number = true) p "
                    f"semi join _chosen on _row = {start} + p.file_row_number"
                )
                start += file.rows
            connection.sql(" union all ".join(parts)).create_view(table)
        else:
            connection.register("_ids", pa.table({"clip_id": self.ids}))
            connection.read_parquet([str(self.storage.local(f)) for f in files]).create_view(f"_{table}")
            connection.sql(f"select t.* from _{table} t semi join _ids using (clip_id)").create_view(table)
        self._viewed.add(table)

    def _relation(self, table: str) -> duckdb.DuckDBPyRelation:
        self._view(table)
        return self._connection.view(table)

    def _read(self, table: str, columns: list[str] | None = None) -> pa.Table:
        files = self.manifest.of(table)
        if not files:
            whole = schema(table).empty_table()
            return whole if columns is None else whole.select(columns)
        parts = [pq.ParquetFile(self.storage.local(f)).read(columns) for f in files]
        whole = pa.concat_tables(parts)
        return whole if columns is None else whole.select(columns)

    @cached_property
    def _total(self) -> int:
        return sum(f.rows for f in self.manifest.of("clips"))

    @cached_property
    def _all_ids(self) -> pa.Array:
        return self._read("clips", ["clip_id"])["clip_id"].combine_chunks()

    @cached_property
    def _sources(self) -> pa.Table:
        return self._read("sources")

    @cached_property
    def _shards(self) -> dict[str, PublishedFile]:
        return {f.path.removeprefix(f"{MEDIA}/"): f for f in self.manifest.of(MEDIA)}

    @cached_property
    def _keypoint_rows(self) -> KeypointRows:
        return KeypointRows(self.storage, self.manifest)

    @cached_property
    def _groups(self) -> _RowGroups:
        return _RowGroups([self.storage.local(f) for f in self.manifest.of("clips")])

    def _clip(self, row_number: int) -> Clip:
        return self.at(self._groups.row(row_number))

    def at(self, row: Mapping[str, Any]) -> Clip:
        """The clip of a row of the clips table, which may lack columns that nobody asks of it."""
        return Clip(
            row,
            storage=self.storage,
            shard=self.shard(row["shard"]),
            keypoints=lambda clip_id: self._keypoint_rows.of(clip_id, row["shard"]),
            source=lambda: self.source(row["source_id"]),
        )

    def _storage_rows(self) -> Iterator[dict[str, Any]]:
        """The clips in order, with what every dataset's clips table has and no label can change."""
        columns = [n for n in schema("clips").names if n in self.columns and n not in LABEL_COLUMNS]
        if self._chosen is not None:
            for batch in self.rows(columns).to_batches(_BATCH):
                yield from batch.to_pylist()
            return
        for file in self.manifest.of("clips"):
            for batch in pq.ParquetFile(self.storage.local(file)).iter_batches(_BATCH, columns=columns):
                yield from batch.to_pylist()

    def _of(self, chosen: Numbers, why: str) -> Dataset:
        """A dataset of some of these clips, which shares what was read of the whole."""
        view = Dataset(self.storage, self.manifest, chosen, (*self._why, why))
        for name in ("_total", "_all_ids", "_sources", "_shards", "_keypoint_rows", "_groups", "columns"):
            if name in self.__dict__:
                view.__dict__[name] = self.__dict__[name]
        return view

    def _chosen_by(self) -> str:
        return f" ({'; '.join(self._why)})" if self._why else ""

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs to open the same clips; what was read so far stays here."""
        return {name: self.__dict__[name] for name in ("storage", "manifest", "_chosen", "_why")}

    def __repr__(self) -> str:
        counts = self.manifest.about.get("counts", {})
        if self._chosen is not None:
            rows = self.rows(["frames", "fps", "identity", "source_id"])
            seconds = pc.sum(pc.divide(rows["frames"].cast(pa.float64()), rows["fps"])).as_py() or 0
            people, sources = (
                pc.count_distinct(rows["identity"]).as_py(),
                pc.count_distinct(rows["source_id"]).as_py(),
            )
            return (
                f"Dataset({self.name}: {len(self):,} of {self._total:,} clips, {seconds / 3600:.2f} h, "
                f"{people:,} people, from {sources:,} sources; {'; '.join(self._why)}; {self.location})"
            )
        return (
            f"Dataset({self.name}: {len(self):,} clips, {counts.get('seconds', 0) / 3600:.2f} h, "
            f"{counts.get('identities', 0):,} people, from {counts.get('sources', 0):,} sources; "
            f"{counts.get('rejected', 0):,} stretches rejected, {counts.get('failed', 0):,} items failed; "
            f"{self.location})"
        )


def _loading() -> ModuleType:
    try:
        return importlib.import_module("facevid.dataset.loading")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise DatasetError(
            'A loader needs torch, which is not installed: pip install "facevid[torch]".'
        ) from error


def clip_at(place: Mapping[str, Any]) -> Clip:
    """The clip at one of `Dataset.places`; nothing else of the dataset is read."""
    storage = Folder(Path(place["folder"]))
    part, number = place["keypoints"], int(place["number"])
    return Clip(
        place["row"],
        storage=storage,
        shard=place["shard"],
        keypoints=lambda clip_id: keypoint_row(storage, part, number, clip_id),
    )


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
