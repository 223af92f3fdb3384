"""A published dataset, or a choice of its clips: clips by number or id, tables as DuckDB relations, Arrow or pandas."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facevid.dataset.choosing.methods import Choosing
from facevid.dataset.clip import Clip
from facevid.dataset.keypoint_rows import keypoint_row
from facevid.dataset.published import MEDIA, TABLES, DatasetError, Manifest, PublishedFile, schema
from facevid.dataset.reading import Reading
from facevid.dataset.relations import OF_CLIPS, Numbers, Relations
from facevid.dataset.statements import LABEL_COLUMNS
from facevid.dataset.storage import Folder, Storage, storage_of

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from facevid.dataset.loading import Loader, Stream

_BATCH = 1000
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
        return Dataset(Reading(storage, manifest))
    for _ in range(_TRIES):
        missing = storage.missing(manifest)
        if missing is None:
            return Dataset(Reading(storage, manifest))
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

    def __init__(self, reading: Reading, chosen: Numbers | None = None, why: tuple[str, ...] = ()) -> None:
        self._whole = reading
        self._chosen = chosen  # row numbers in the clips table, in the order of this dataset; None: all
        self._why = why

    @property
    def storage(self) -> Storage:
        """Where its files lie, and how they are read."""
        return self._whole.storage

    @property
    def manifest(self) -> Manifest:
        """Its `dataset.json`."""
        return self._whole.manifest

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
        return self._whole.clips if self._chosen is None else len(self._chosen)

    def __getitem__(self, which: int | str) -> Clip:
        if isinstance(which, str):
            row = self._row_of(which)
            if row is None:
                raise KeyError(f"{self.location} has no clip {which!r}{self._chosen_by()}.")
            return self.at(self._whole.row(row))
        if not -len(self) <= which < len(self):
            raise IndexError(
                f"{self.location} has {len(self)} clips{self._chosen_by()}; there is no clip {which}."
            )
        number = range(len(self))[which]
        return self.at(self._whole.row(number if self._chosen is None else int(self._chosen[number])))

    def __iter__(self) -> Iterator[Clip]:
        return (self[k] for k in range(len(self)))

    def __contains__(self, clip_id: object) -> bool:
        return isinstance(clip_id, str) and self._row_of(clip_id) is not None

    @property
    def ids(self) -> pa.Array:
        """The ids of the clips, in order."""
        ids = self._whole.ids
        return ids if self._chosen is None else ids.take(pa.array(self._chosen))

    def where(self, condition: str) -> Dataset:
        """The clips for which an SQL condition over the columns of `clips` is true, in the order they have here.

        For example `ds.where("attributes.gender.value = 'female' and sharpness > 1 and end_s - start_s >= 3")`. It is
        DuckDB's SQL, and may ask the other tables. Raises DatasetError with DuckDB's hint where that cannot be read.
        """
        matching = np.zeros(self._whole.clips, bool)
        matching[self._relations.matching(condition)] = True
        here = np.arange(self._whole.clips) if self._chosen is None else self._chosen
        return self._of(here[matching[here]], f"where {condition}")

    def select(self, clip_ids: Iterable[str] | pa.Array | pa.ChunkedArray, why: str = "selected") -> Dataset:
        """The clips of the given ids, in that order.

        Raises DatasetError that names ids which are not here, or given twice.
        """
        wanted = (
            clip_ids if isinstance(clip_ids, (pa.Array, pa.ChunkedArray)) else pa.array(clip_ids, pa.string())
        )
        rows = pc.index_in(wanted, value_set=self._whole.ids)
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
        whole = self._whole.table("clips", wanted)
        return whole if self._chosen is None else whole.take(pa.array(self._chosen))

    @property
    def columns(self) -> list[str]:
        """The columns of the clips table."""
        return self._whole.columns

    @property
    def clips(self) -> duckdb.DuckDBPyRelation:
        return self._relations.view("clips")

    @property
    def rejected(self) -> duckdb.DuckDBPyRelation:
        return self._relations.view("rejected")

    @property
    def failed(self) -> duckdb.DuckDBPyRelation:
        return self._relations.view("failed")

    @property
    def sources(self) -> duckdb.DuckDBPyRelation:
        return self._relations.view("sources")

    @property
    def keypoints(self) -> duckdb.DuckDBPyRelation:
        return self._relations.view("keypoints")

    @property
    def annotations(self) -> duckdb.DuckDBPyRelation:
        return self._relations.view("annotations")

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """Run SQL over the views clips, rejected, failed, sources, keypoints and annotations."""
        return self._relations.sql(query)

    def to_arrow(self, table: str = "clips") -> pa.Table:
        """A whole table as Arrow; `table` is one of clips, rejected, failed, sources, keypoints,
        annotations."""
        if table not in TABLES:
            raise ValueError(f"There is no table {table!r}; there are {', '.join(TABLES)}.")
        if table == "clips":
            return self.rows()
        whole = self._whole.table(table)
        if self._chosen is None or table not in OF_CLIPS:
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
        return self._whole.shard(name)

    def keypoint_part(self, shard: str) -> PublishedFile:
        """The part of `keypoints` that holds the clips of a shard, in the order of its members."""
        return self._whole.keypoints.part(shard)

    def keypoint_number(self, clip_id: str, shard: str) -> int:
        """The row of a clip in its part of `keypoints`."""
        return self._whole.keypoints.number(clip_id, shard)

    def places(self) -> Iterator[dict[str, Any]]:
        """Where each clip lies, as plain values for another process, which opens it with `clip_at`; in order."""
        for row in self._storage_rows():
            yield {
                "row": row,
                "location": self.location,
                "shard": self.shard(row["shard"]),
                "keypoints": self.keypoint_part(row["shard"]),
                "number": self.keypoint_number(row["clip_id"], row["shard"]),
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
        return self._whole.source(source_id)

    def at(self, row: Mapping[str, Any]) -> Clip:
        """The clip of a row of the clips table, which may lack columns that nobody asks of it."""
        return Clip(
            row,
            storage=self.storage,
            shard=self.shard(row["shard"]),
            keypoints=lambda clip_id: self._whole.keypoints.of(clip_id, row["shard"]),
            source=lambda: self.source(row["source_id"]),
        )

    def _storage_rows(self) -> Iterator[dict[str, Any]]:
        """The clips in order, with what every dataset's clips table has and no label can change."""
        columns = [n for n in schema("clips").names if n in self.columns and n not in LABEL_COLUMNS]
        batches = (
            self._whole.batches(columns, _BATCH)
            if self._chosen is None
            else self.rows(columns).to_batches(_BATCH)
        )
        for batch in batches:
            yield from batch.to_pylist()

    @cached_property
    def _relations(self) -> Relations:
        return Relations(self._whole, self._chosen)

    def _row_of(self, clip_id: str) -> int | None:
        """The row number in the clips table of one of these clips."""
        row = self._whole.row_of(clip_id)
        return None if row is None or (self._chosen is not None and row not in self._chosen) else row

    def _of(self, chosen: Numbers, why: str) -> Dataset:
        """A dataset of some of these clips."""
        return Dataset(self._whole, chosen, (*self._why, why))

    def _chosen_by(self) -> str:
        return f" ({'; '.join(self._why)})" if self._why else ""

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs to open the same clips; DuckDB's connection stays here."""
        return {name: self.__dict__[name] for name in ("_whole", "_chosen", "_why")}

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
                f"Dataset({self.name}: {len(self):,} of {self._whole.clips:,} clips, {seconds / 3600:.2f} h, "
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
    storage = storage_of(place["location"])
    part, number = place["keypoints"], int(place["number"])
    return Clip(
        place["row"],
        storage=storage,
        shard=place["shard"],
        keypoints=lambda clip_id: keypoint_row(storage, part, number, clip_id),
    )
